"""Recipes: the flow files that come along, and how one becomes a file of a shop's own.

A recipe is `NAME.yaml` in the folder of recipes, with the timelines and the templates beside it. In it the shop is the
source `shop`, and what reports its orders is `shop.orders`; made ready for `magento1` these are `magento1` and
`magento1.orders`. What else there is to say of a recipe stands in its first comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from agents import resources
from agents.errors import InputRefused
from schemas.connectors import Lag, covers, unreported
from streams.flowfile import durations
from streams.flowfile.nodes import Scalar

POLICY = "policy"
SHOP = "shop"
#: What reports checkouts and orders with Buy with Prime, in the recipes for a shop that has both.
PRIME = "prime"
TEMPLATES = "templates"

#: Two flows of which one without the other would say the wrong thing.
PAIRS = {
    "prime_checkout": ("prime_checkout_shop", "prime_checkout_prime"),
    "prime_winback": ("prime_winback_shop", "prime_winback_prime"),
}
#: What to take for a source that does not report what the recipe begins with.
INSTEAD = {"abandoned_cart": "abandoned_checkout"}

_TIMELINES = ".test"
_SHOP = re.compile(rf"\b{SHOP}(?=\.orders\b)|(?<=source: ){SHOP}\b|(?<=^#   ){SHOP}\b", re.MULTILINE)
_TRIGGER = re.compile(rf"^  trigger: {{ event: (\w+), source: {SHOP} }}$", re.MULTILINE)
_HOLD = re.compile(r"(?<=max_hold: )\w+")
_TEMPLATE = re.compile(r"^ +template: (\S+)$|[{,] template: (\w+)", re.MULTILINE)
_PARTIAL = re.compile(r'render "(_[\w.]+)"')


class Recipe(NamedTuple):
    """A recipe by name: the flow files that it consists of, and what it does in a sentence."""

    name: str
    stems: tuple[str, ...]
    summary: str


class Prepared(NamedTuple):
    """What a recipe is for a source: texts by path. `shared` are the templates, which several recipes may use."""

    own: dict[str, str]
    shared: dict[str, str]
    notes: tuple[str, ...]


class Written(NamedTuple):
    """What was put into a folder, and what had been there before and was kept."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def library() -> dict[str, Recipe]:
    """Every recipe, by name."""
    halves = {stem: name for name, stems in PAIRS.items() for stem in stems}
    stems = [path.stem for path in resources.flows().glob("*.yaml") if not path.stem.endswith(_TIMELINES)]
    named = {name: PAIRS.get(name, (name,)) for name in sorted({halves.get(stem, stem) for stem in stems})}
    return {name: Recipe(name, found, _summary(_read(f"{found[0]}.yaml"))) for name, found in named.items()}


def prepare(name: str, *, source: str, lags: Mapping[str, Lag]) -> Prepared:
    """Make a recipe ready for a source. Raises `InputRefused` when there is no such recipe, or none for that source."""
    known = library()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputRefused(f"there is no recipe {name!r}", next_step=f"{hint}`cartwheel flows init --list` shows all")
    notes: list[str] = []
    own: dict[str, str] = {}
    for stem, taken in zip(known[name].stems, _taken(known[name], source, notes), strict=True):
        text = _read(f"{taken}.yaml").replace(f"flow: {taken}\n", f"flow: {stem}\n")
        own[f"{stem}.yaml"] = _held_long_enough(_named(text, source), source, lags, notes)
        own[f"{stem}{_TIMELINES}.yaml"] = _named(_read(f"{taken}{_TIMELINES}.yaml"), source)
    return Prepared(own, dict(_templates(own.values())), tuple(notes))


def write(prepared: Prepared, into: Path) -> Written:
    """Put it into a folder. Raises `InputRefused`, and writes nothing, when one of its own files is there already."""
    taken = [str(into / path) for path in prepared.own if (into / path).exists()]
    if taken:
        raise InputRefused(
            f"{', '.join(taken)} would be overwritten",
            next_step="name another folder with --into, or move away what is there",
        )
    texts = prepared.own | prepared.shared
    kept = [into / path for path in prepared.shared if (into / path).exists()]
    written = [into / path for path in texts if into / path not in kept]
    try:
        for path in written:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(texts[str(path.relative_to(into))])
    except OSError as error:
        raise InputRefused(
            f"{error.filename} cannot be written: {error.strerror}", next_step="name a folder you may write to"
        ) from error
    return Written(tuple(written), tuple(kept))


def _taken(recipe: Recipe, source: str, notes: list[str]) -> Iterator[str]:
    """The files to take, another one where the source never reports what the flow begins with."""
    for stem in recipe.stems:
        text = _read(f"{stem}.yaml")
        if covers(PRIME, source) and f"source: {PRIME} " in text:
            raise InputRefused(
                f"{source} cannot stand beside Buy with Prime in {stem}, where that is called {PRIME}",
                next_step="name the source of the shop itself; the page of the recipe says how to rename that of Prime",
            )
        begins = _TRIGGER.search(text)
        if begins is None or begins[1] not in unreported(source):
            yield stem
            continue
        other = INSTEAD.get(stem)
        if other is None:
            raise InputRefused(
                f"{source} never reports {begins[1]}, with which {stem} begins",
                next_step="take another recipe: `cartwheel flows init --list` shows all",
            )
        notes.append(f"{source} never reports {begins[1]}, so this is {other} under the name {stem}")
        yield other


def _named(text: str, source: str) -> str:
    """With the source in place of the shop, in quotes where YAML would take it for a number or for true."""
    quoted = source if Scalar(1, 1, source, plain=True).kind == "text" else f'"{source}"'

    def name(found: re.Match[str]) -> str:
        whole = text.startswith("source: ", found.start() - 8) and not text.startswith(".", found.end())
        return quoted if whole else source

    return _SHOP.sub(name, text)


def _held_long_enough(text: str, source: str, lags: Mapping[str, Lag], notes: list[str]) -> str:
    """A gate that holds for less than the source is late would never open."""
    safe_ms = max((lag.safe_ms for name, lag in lags.items() if covers(name, f"{source}.orders")), default=0)

    def longer(hold: re.Match[str]) -> str:
        if (durations.parse(hold[0]) or 0) >= safe_ms:
            return hold[0]
        notes.append(f"max_hold is {durations.written(safe_ms)} and not {hold[0]}: so late may {source} report")
        return durations.written(safe_ms)

    return _HOLD.sub(longer, text)


def _templates(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The templates that flows name, and the parts of which these are made."""
    folder = resources.flows() / TEMPLATES
    names = {found for text in texts for pair in _TEMPLATE.findall(text) for found in pair if found}
    wanted = [path.name for name in sorted(names) for path in sorted(folder.glob(f"{name}.*"))]
    for name in wanted:  # It grows while we go: parts have parts.
        text = (folder / name).read_text(encoding="utf-8")
        wanted += [part for part in dict.fromkeys(_PARTIAL.findall(text)) if part not in wanted]
        yield f"{TEMPLATES}/{name}", text


def _summary(text: str) -> str:
    """The first sentence of the first comment."""
    comment = re.match(r"(?:#(?: .*)?\n)*", text)
    lines = [] if comment is None else [line.removeprefix("#").strip() for line in comment[0].splitlines()]
    paragraph = " ".join(lines[: lines.index("")] if "" in lines else lines)
    return paragraph.partition(". ")[0].removesuffix(".") + "."


def _read(name: str) -> str:
    return (resources.flows() / name).read_text(encoding="utf-8")
