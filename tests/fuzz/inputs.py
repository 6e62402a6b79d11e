"""Inputs: valid files with a few things wrong, made from a seed. The same seed makes the same input everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

from schemas.catalog import BY_SHORT
from schemas.limits import FLOW_FILE_BYTES_MAX
from streams.flowfile.findings import Findings
from streams.flowfile.nodes import Listing, Mapping, Node, Scalar
from streams.flowfile.strict_yaml import parse
from tests.fuzz.writing import Quoted, Tree, laid, written

ROOT = Path(__file__).parents[2]
_FOLDERS = ("deploy/flows", "docs/reference/every-key", "tests/data/flows")
DEPTH_MAX = 40
#: So many of a hundred inputs are text that the reader of YAML must read; of the others it has the tree already.
READ, SCRATCHED, NOISE = 5, 3, 1

Kind = Literal["flow", "timeline", "policy"]


class Input(NamedTuple):
    """One input, and what it is meant to be. `root`: what its text says, if it need not be read for that."""

    text: str | bytes
    kind: Kind = "flow"
    root: Node | None = None


class Corpus(NamedTuple):
    """The valid files of the project, every word in them, and by key what stands under it somewhere."""

    flows: list[Tree]
    timelines: list[Tree]
    policies: list[Tree]
    words: list[str]
    under: dict[str, list[Tree]]


@cache
def corpus() -> Corpus:
    """Read once."""
    paths = [path for folder in _FOLDERS for path in sorted((ROOT / folder).glob("*.yaml"))]
    trees = {path.name: _tree(parse(path.read_text(encoding="utf-8"), Findings(path.name))) for path in paths}
    policies = [tree for name, tree in trees.items() if name == "policy.yaml"]
    flows = [tree for name, tree in trees.items() if not name.endswith(".test.yaml") and name != "policy.yaml"]
    timelines = [tree for name, tree in trees.items() if name.endswith(".test.yaml")]
    under: dict[str, list[Tree]] = {}
    for tree in trees.values():
        _gather(tree, under)
    words = sorted({word for tree in trees.values() for word in _keys(tree)} | set(BY_SHORT))
    return Corpus(flows, timelines, policies, words, under)


def _tree(node: Node) -> Tree:
    if isinstance(node, Listing):
        return [_tree(item) for item in node.items]
    if isinstance(node, Mapping):
        return tuple((key, _tree(value)) for key, (_, value) in node.entries.items())
    assert isinstance(node, Scalar)
    return node.text if node.plain else Quoted(node.text)


@cache
def _shortest_first(kind: Kind) -> list[Tree]:
    """Of two files the shorter one is taken: the same mistakes can be made in it, and it is answered sooner."""
    every = {"flow": corpus().flows, "timeline": corpus().timelines, "policy": corpus().policies}
    return sorted(every[kind], key=lambda tree: len(written(tree)))


def _gather(tree: Tree, under: dict[str, list[Tree]]) -> None:
    if isinstance(tree, list):
        for item in tree:
            _gather(item, under)
    elif isinstance(tree, tuple):
        for key, value in tree:
            under.setdefault(key, []).append(value)
            _gather(value, under)


def _keys(tree: Tree) -> list[str]:
    if isinstance(tree, tuple):
        return [word for key, value in tree for word in (key, *_keys(value))]
    return [word for item in tree for word in _keys(item)] if isinstance(tree, list) else [tree]


_ODD = (
    "", "~", "null", "true", "no", "0", "-1", "1e9", ".nan", "9" * 30, "1.5", "0x1f", "1h", "0s", "1mo", "2y",
    "9999w", "7d", "90s", "15 minutes", "25:00", "09:00", "2026-02-29", "2026-11-21T10:00:00Z",
    "9999-12-31T23:59:59Z", "Mars/Olympus", "Europe/Berlin", "trigger.", "trigger.total", "fact.x", "&a", "*a",
    "!!str x", "<<", "# x", "a: b", "- a", "[", "}", "'", '"\\uD800"', "\u00e4", "\u2028", "\x85", "\ufeff",
    "\U0001f6d2", "a" * 300, "\u0665h", "\u212ala",
)  # fmt: skip


def make(seed: str) -> Input:
    """The input of a seed."""
    dice = Random(seed)
    way = dice.randrange(100)
    if way < NOISE:
        return Input(dice.randbytes(dice.randrange(200)))
    kind, tree = _damaged(dice)
    flow = dice.random() < 0.3
    found = laid(tree, flow=flow) if way >= READ else None
    if found is not None and len(found[0]) < FLOW_FILE_BYTES_MAX // 4:
        return Input(found[0], kind, found[1])
    text = written(tree, flow=flow)
    if way < SCRATCHED:
        text = _scratched(text, dice)
    return Input(text.encode(errors="replace") if dice.random() < 0.1 else text, kind)


def read_and_laid(seed: str) -> tuple[str, Node] | None:
    """A text of this seed and what the reader should make of it; None if one cannot say without reading."""
    dice = Random(seed)
    _, tree = _damaged(dice)
    return laid(tree, flow=dice.random() < 0.3)


def _damaged(dice: Random) -> tuple[Kind, Tree]:
    chance = dice.random()
    kind: Kind = "timeline" if chance > 0.9 else "policy" if chance > 0.82 else "flow"
    files = _shortest_first(kind)
    tree: Tree = files[min(dice.randrange(len(files)), dice.randrange(len(files)))]
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))):
        tree = _somewhere(tree, dice, dice.choice(CHANGES))
    return kind, tree


def _scratched(text: str, dice: Random) -> str:
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(len(text) + 1)
        text = text[:at] + dice.choice((*_ODD, *"{}[]:,-\n\t ")) + text[at + dice.randrange(4) :]
    return text


Change = Callable[[Tree, Random], Tree]


def _somewhere(tree: Tree, dice: Random, change: Change) -> Tree:
    """The tree with one place in it changed; deeper places are as likely as the top ones."""
    if isinstance(tree, str) or not tree or dice.random() < 0.15:
        return change(tree, dice)
    at = dice.randrange(len(tree))
    if isinstance(tree, list):
        return [_somewhere(item, dice, change) if index == at else item for index, item in enumerate(tree)]
    pairs = list(tree)
    pairs[at] = (pairs[at][0], _somewhere(pairs[at][1], dice, change))
    return tuple(pairs)


def _part(tree: Tree, dice: Random) -> Tree:
    while not isinstance(tree, str) and tree and dice.random() < 0.8:
        chosen = dice.choice(tree)
        tree = chosen[1] if isinstance(tree, tuple) else chosen
    return tree


def _delete(tree: Tree, dice: Random) -> Tree:
    if isinstance(tree, str) or not tree:
        return ""
    at = dice.randrange(len(tree))
    return tree[:at] + tree[at + 1 :]


def _repeat(tree: Tree, dice: Random) -> Tree:
    if isinstance(tree, str) or not tree:
        return [tree, tree]
    at = dice.randrange(len(tree))
    return tree[: at + 1] + tree[at : at + 1] * dice.choice((1, 1, 1, 250)) + tree[at + 1 :]


def _rename(tree: Tree, dice: Random) -> Tree:
    if not isinstance(tree, tuple) or not tree:
        return dice.choice(corpus().words)
    pairs = list(tree)
    at = dice.randrange(len(pairs))
    pairs[at] = (dice.choice(corpus().words), pairs[at][1])
    return tuple(pairs)


def _swap_kind(tree: Tree, dice: Random) -> Tree:
    if isinstance(tree, str):
        return dice.choice([[tree], ((tree or "x", tree),), [], ()])
    return [value for _, value in tree] if isinstance(tree, tuple) else dice.choice([dice.choice(corpus().words), ()])


def _splice(tree: Tree, dice: Random) -> Tree:
    return _part(dice.choice(corpus().flows), dice)


def _scalar(tree: Tree, dice: Random) -> Tree:
    text = dice.choice((*_ODD, *corpus().words))
    return Quoted(text) if dice.random() < 0.3 else text


def _alike(tree: Tree, dice: Random) -> Tree:
    """What stands here elsewhere: it is of the right shape, and may mean anything."""
    if not isinstance(tree, tuple) or not tree:
        return dice.choice(tree) if isinstance(tree, list) and tree else tree
    pairs = list(tree)
    at = dice.randrange(len(pairs))
    key = pairs[at][0]
    pairs[at] = (key, dice.choice(corpus().under.get(key, [pairs[at][1]])))
    return tuple(pairs)


def _bury(tree: Tree, dice: Random) -> Tree:
    for _ in range(dice.choice((1, 2, 3, DEPTH_MAX))):
        tree = dice.choice([[tree], ((dice.choice(("all", "any", "not", "then", "steps", "x")), tree),)])
    return tree


def _shuffle(tree: Tree, dice: Random) -> Tree:
    if isinstance(tree, str):
        return re.sub(r"[a-z]", lambda _: dice.choice("abcdeoint_"), tree, count=2)
    parts: list[Any] = list(tree)
    dice.shuffle(parts)
    return parts if isinstance(tree, list) else tuple(parts)


CHANGES: tuple[Change, ...] = (
    _delete,
    _repeat,
    _rename,
    _swap_kind,
    _splice,
    _scalar,
    _bury,
    _shuffle,
    _scalar,
    _rename,
    *[_alike] * 6,
)
