"""The reader: nodes to values, noting every mistake and reading on.

Where a value cannot be used, the reader notes why and returns a harmless stand-in, so that one look at a file finds all
its mistakes. Whatever was read from a file with an error finding is thrown away.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from collections.abc import Mapping as MappingOf
from difflib import get_close_matches
from typing import Literal, NamedTuple, TypeVar

from schemas.catalog import Kind, Word
from schemas.conditions import All, AnyOf, EventMatch
from streams.flowfile import durations
from streams.flowfile.findings import Code, Findings
from streams.flowfile.nodes import Listing, Mapping, Node, Scalar, cut, shown
from streams.plugins import PluginKind

_Choice = TypeVar("_Choice", bound=str)

NAME_LENGTH_MAX = 64
COMPARED_MAX = 6_000_000  # pairs of characters of unknown words and known ones, in one file
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]*"
SOURCE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}"
_NAME = re.compile(NAME_PATTERN)
_SOURCE = re.compile(SOURCE_PATTERN)
_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,15}(\.[0-9]{1,9})?")

TRIGGER = "trigger."
FACT = "fact."
#: Parts of the language that are more than one mapping, list or value.
Asked = Literal[
    "condition", "event", "word", "words", "way", "match", "cases", "facts", "span", "time", "zone", "weekdays",
    "reference", "value", "values", "names", "arms", "ages", "storefront", "sources",
]  # fmt: skip


class PluginAsked(NamedTuple):
    """A plug-in that the file names, where, and what may stand there; `words` are those of the trigger, if known."""

    node: Node
    name: str
    version: int
    kinds: frozenset[PluginKind]
    words: MappingOf[str, Word] | None


class EventAsked(NamedTuple):
    """An event that the file names, and where; with `word`, one of its words, and where that stands."""

    node: Node
    event: EventMatch
    word: str | None = None


class Joined(NamedTuple):
    """An `all` or `any`, and where; `denied`: under a `not`, or an odd number of them."""

    node: Node
    joint: All | AnyOf
    denied: bool


class Reader:
    """Reads the nodes of one file. A `None` node is a key that is absent, noted elsewhere if it was required."""

    def __init__(self, file: str) -> None:
        self.findings = Findings(file)
        self.note = self.findings.note
        self.places: dict[str, Node] = {}  # where each step stands, by its label
        self.joined: list[Joined] = []  # for the linter
        self.plugins: list[PluginAsked] = []  # for the linter, too
        self.events: list[EventAsked] = []  # each event and each word of one, wherever it is asked for; for the linter
        self.declared: dict[tuple[str, str], tuple[Kind, int]] = {}  # a word of an event of one's own: its kind, where

        self._compared = 0
        self._facts_like: dict[str, str | None] = {}

    def asks(self, node: Node | None, what: Asked, *, prefix: str = "") -> None:
        """A part of the language is read here. Nothing comes of it; the reference listens, and editors know by it."""

    def fields(
        self,
        node: Node | None,
        what: str,
        *,
        required: Iterable[str] = (),
        optional: Iterable[str] = (),
        later: Iterable[str] = (),
    ) -> dict[str, Node]:
        """The values of a mapping by key. `later`: keys that the language has and this version has not."""
        required = tuple(required)
        known = (*required, *optional)
        if node is None:
            return {}
        if not isinstance(node, Mapping):
            message = f"{what} must be a mapping with {listed(known)}, not {shown(node)}"
            self.note("wrong_shape", node, message, advice=_as_mapping(node, required, known))
            return {}
        for key, (place, _) in node.entries.items():
            if key not in known:
                message = f"{what} has no key `{cut(key)}`, only {listed(known)}"
                self.unknown("unknown_key", place, message, key, known, later)
        for key in required:
            if key not in node.entries:
                self.note("missing_key", node, f"{what} needs the key `{key}`", advice=f"Add `{key}: ...` here.")
        return {key: value for key, (_, value) in node.entries.items() if key in known}

    def items(self, node: Node | None, what: str) -> tuple[Node, ...]:
        """The parts of a list that must not be empty."""
        if node is None:
            return ()
        if not isinstance(node, Listing):
            advice = "Put it in brackets, `[...]`, or write a line beginning with `- ` for each part."
            self.note("wrong_shape", node, f"{what} must be a list, not {shown(node)}", advice=advice)
            return ()
        if not node.items:
            self.note("empty", node, f"{what} must not be empty")
        return node.items

    def scalar(self, node: Node | None, what: str) -> Scalar | None:
        """A single value that is there."""
        if node is None or (isinstance(node, Scalar) and node.kind != "null"):
            return node
        advice = "Write one word or number behind the key, without brackets."
        self.note("wrong_shape", node, f"{what} must be a single value, not {shown(node)}", advice=advice)
        return None

    def text(self, node: Node | None, what: str) -> str | None:
        """A text. A number or `true` without quotes is a finding: text is never guessed from another type."""
        scalar = self.scalar(node, what)
        if scalar is None or scalar.kind == "text":
            return scalar.text if scalar else None
        quoted = f'"{cut(scalar.text)}"'
        self.note("quotes_needed", scalar, f"{what} must be text, not {shown(scalar)}", suggestion=quoted)
        return None

    def name(self, node: Node | None, what: str) -> str:
        """A name: letters, digits, `_` and `-`. It becomes part of ids, labels of metrics and file names."""
        text = self.text(node, what)
        if node is None or text is None:
            return ""
        if len(text) > NAME_LENGTH_MAX or not _NAME.fullmatch(text):
            allowed = f"1 to {NAME_LENGTH_MAX} letters, digits, `_` or `-`, beginning with a letter or a digit"
            fixed = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")
            hint = fixed if _NAME.fullmatch(fixed) and len(fixed) <= NAME_LENGTH_MAX else None
            self.note("bad_name", node, f"{what} must be {allowed}, not {shown(node)}", suggestion=hint)
        return text

    def source(self, node: Node, what: str) -> str:
        """The name of a source, such as `shop.orders` or `magento1/store_2`."""
        text = self.text(node, what)
        if text is not None and not _SOURCE.fullmatch(text):
            allowed = "up to 128 letters, digits, `.`, `_`, `-` or `/`"
            self.note("bad_name", node, f"{what} must be {allowed}, not {shown(node)}")
        return text or ""

    def choice(
        self, node: Node | None, what: str, allowed: tuple[_Choice, ...], *, later: Iterable[str] = ()
    ) -> _Choice:
        """One of a few words; the first of them when the key is absent."""
        text = self.text(node, what)
        if node is None or text is None:
            return allowed[0]
        for word in allowed:
            if word == text:
                return word
        message = f"{what} must be {listed(allowed, 'or')}, not {shown(node)}"
        self.unknown("bad_choice", node, message, text, allowed, later)
        return allowed[0]

    def duration(self, node: Node | None, what: str, *, default_ms: int = 0, least_ms: int = 1) -> int:
        """Milliseconds."""
        scalar = self.scalar(node, what)
        if scalar is None:
            return default_ms
        found = durations.parse(scalar.text)
        if found is None:
            self._no_duration(scalar, what)
        elif not least_ms <= found <= durations.DURATION_MS_MAX:
            least = "0" if least_ms == 0 else "longer than 0"
            message = f"{what} must be {least} and at most 3660d, not {shown(scalar)}"
            advice = f"Write `{'3660d' if found > least_ms else '1s'}`, the nearest that is possible, or between."
            self.note("out_of_range", scalar, message, advice=advice)
        return found or 0

    def _no_duration(self, scalar: Scalar, what: str) -> None:
        if durations.is_calendar(scalar.text):
            message = f"{what} in months or years is not available yet"
            self.note("not_available_yet", scalar, message, advice="Write it in weeks or days, such as `4w` or `30d`.")
            return
        expected = f"{what} must be a duration such as 90s, 15m, 4h, 1d, 2w or 1h30m, not {shown(scalar)}"
        self.note("bad_duration", scalar, expected, suggestion=durations.suggest(scalar.text))

    def integer(self, node: Node | None, what: str, *, least: int, most: int, default: int = 0) -> int:
        """A whole number between bounds, both included."""
        scalar = self.scalar(node, what)
        if scalar is None:
            return default
        if not scalar.plain or not _INTEGER.fullmatch(scalar.text):
            self.note("not_a_number", scalar, f"{what} must be a whole number, not {shown(scalar)}")
            return default
        value = int(scalar.text)
        if not least <= value <= most:
            nearest = least if value < least else most
            advice = f"Write `{nearest}`, which is the nearest that is possible, or a number between the two."
            self.note("out_of_range", scalar, f"{what} must be from {least} to {most}, not {value}", advice=advice)
        return value

    def number(self, node: Node | None, what: str) -> int | str:
        """An exact number: an int, or a decimal as text."""
        scalar = self.scalar(node, what)
        if scalar is None:
            return 0
        if not scalar.plain or not _DECIMAL.fullmatch(scalar.text):
            message = f"{what} must be a number such as 3 or 2.5, not {shown(scalar)}"
            self.note("wrong_kind", scalar, message, advice="Write digits, without quotes, unit or currency.")
            return 0
        return int(scalar.text) if _INTEGER.fullmatch(scalar.text) else scalar.text.lstrip("+")

    def boolean(self, node: Node | None, what: str, *, default: bool = False) -> bool:
        """`true` or `false`, nothing else."""
        scalar = self.scalar(node, what)
        if scalar is not None and scalar.kind != "boolean":
            message = f"{what} must be true or false, not {shown(scalar)}"
            self.note("wrong_kind", scalar, message, advice="Write `true` or `false`, without quotes.")
            return default
        return default if scalar is None else scalar.text.lower() == "true"

    def unknown(
        self, code: Code, node: Node, message: str, word: str, known: Iterable[str], later: Iterable[str] = ()
    ) -> None:
        """Note a word that is not known, with the nearest one that is, or that it will be known later."""
        if word in later:
            self.note("not_available_yet", node, f"`{word}` is not available yet; this version knows {listed(known)}")
            return
        self.note(code, node, message, suggestion=self.near(word, tuple(known)))

    def fact_like(self, name: str, facts: Collection[str]) -> str | None:
        """The declared fact that is so much like this name that it must be meant."""
        if name not in self._facts_like:
            self._facts_like[name] = self.near(name, facts, cutoff=0.8)
        return self._facts_like[name]

    def near(self, word: str, known: Collection[str], *, cutoff: float = 0.6) -> str | None:
        """The known word that is most like another one. After so much comparing in one file, it is sought no more."""
        word = word[:NAME_LENGTH_MAX]
        self._compared += (10 + len(word)) * sum(10 + len(each) for each in known)  # a pair of words is work itself
        if self._compared > COMPARED_MAX:
            return None
        return next(iter(get_close_matches(word, known, n=1, cutoff=cutoff)), None)


def _as_mapping(node: Node, required: tuple[str, ...], known: tuple[str, ...]) -> str:
    """What was probably meant: `{ for: 1h }` of `wait: 1h`. With several keys nobody knows which one."""
    is_word = isinstance(node, Scalar) and 0 < len(node.text) <= NAME_LENGTH_MAX and len(known) == 1
    inside = cut(node.text) if is_word and isinstance(node, Scalar) else "..."
    return f"Write `{{ {', '.join(f'{key}: {inside}' for key in required or known[:1])} }}`."


def listed(words: Iterable[str], last: str = "and") -> str:
    """`a`, `b` and `c`."""
    quoted = [f"`{word}`" for word in words]
    return f" {last} ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
