"""The budget of a plug-in: what is a step, and how large anything that it makes may become.

Each call is a step, each turn of a loop, each item of a comprehension, each item that a builtin goes through, and each
thousand characters or items of what is made:

    sum(range(10**12))         -> over the budget, before a single item of it
    "x" * inputs["fact.stars"] -> over the budget, if that makes more than 100,000 characters
    "x".ljust(300000000)       -> over the budget, before any of it is made
    Decimal("1e999999999")     -> over the budget: as a whole number, or written out, it would fill the memory
    str(zip((1,), (2,)))       -> TypeError: its text says where it lies in the memory
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, ItemsView, KeysView, Mapping, ValuesView
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from types import MappingProxyType, NoneType
from typing import Any

from agents.plugins.counting import CALL, GROW, MADE, MAKE, METHOD, SHOW, STEP
from streams.plugins import OverBudget

#: Of whatever is made: characters of a text, items of a list, bits of a whole number, digits of a decimal.
SIZE_MAX = 100_000
SIZE_OF_STEP = 1_000
DEPTH_MAX = 20  # of lists and objects within each other that are shown: how deep Python can go depends on who asks
_VIEWS = (KeysView, ItemsView, ValuesView)
_SIZED = (str, list, tuple)
_MADE = (*_SIZED, dict)
_WALKED = (*_MADE, MappingProxyType, range, *_VIEWS)
_PLAIN = (str, int, float, Decimal, date, time, timedelta, tzinfo, range, NoneType)
#: Builtins that go through all that they are given.
_WALKING: frozenset[Callable[..., Any]] = frozenset(
    {all, any, dict, enumerate, list, max, min, reversed, sorted, sum, tuple, zip}
)
_MAKING: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "*": operator.mul, "%": operator.mod, "/": operator.truediv, "-": operator.sub,
    "|": operator.or_, "&": operator.and_, "^": operator.xor,
}  # fmt: skip
_GROWING: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.iadd, "*": operator.imul, "%": operator.imod, "/": operator.itruediv, "-": operator.isub,
    "|": operator.ior, "&": operator.iand, "^": operator.ixor,
}  # fmt: skip
_CONVERSIONS: dict[str, Callable[[Any], str]] = {"s": str, "r": repr, "a": ascii}
_PERCENT = re.compile(r"%(?:\([^)]*\))?[-#0 +]*(\d+|\*)?(?:\.(\d+|\*))?")
#: Of a date, numbers alone: names differ with the language of a machine, and `%s` with its zone.
_DATE_FORMAT = re.compile(r"(?:[^%]|%[YmdHMSfjGVuyIz%])*")


class Budget:
    """Of one call at a time."""

    def __init__(self) -> None:
        self.left = 0

    def names(self) -> dict[str, Any]:
        """What a program that is counted calls."""
        return {
            STEP: self.step, CALL: self.call, METHOD: self.method,
            MAKE: self.make, GROW: self.grow, MADE: self.made, SHOW: self.show,
        }  # fmt: skip

    def step(self, count: int = 1) -> bool:
        """So many steps; always true, so that it can stand in a condition."""
        self.left -= count
        if self.left < 0:
            raise OverBudget
        return True

    def call(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
        """Call something by its name. A `range` costs nothing until somebody goes through it."""
        self._room(len(args))
        if function in _WALKING:
            self.step(sum(_length(one) for one in args))
        if function is str:
            self._room(_shown((*args, *named.values())))
        elif function is round:
            self._room(max((abs(one) for one in (*args[1:], *named.values()) if isinstance(one, int)), default=0))
        elif function is sum and any(isinstance(one, _SIZED) for one in (*args[1:], *named.values())):
            args = (list(args[0]), *args[1:])
            self._room(sum(_length(one) for one in args[0]))
        made = function(*args, **named)
        if isinstance(made, range) and _length(made) > self.left:
            raise OverBudget
        return _written(made)

    def method(self, owner: Any, name: str, /, *args: Any, **named: Any) -> Any:
        """`owner.name(…)`, of the methods that the rules know."""
        if isinstance(owner, str):
            if name == "join" and args and not isinstance(args[0], list | tuple):
                args = (list(args[0]), *args[1:])
            self._room(_text_of(owner, name, args, named))
        elif name in ("extend", "update"):
            _fits(len(owner) + sum(map(_length, args)) + len(named))
            self._room(sum(map(_length, args)))
        elif name in ("strftime", "strptime"):
            _dated(*(one for one in (*args[-1:], *named.values()) if isinstance(one, str)))
        elif name in ("fromkeys", "sort"):
            self.step(_length(args[0] if args else owner))
        return self.made(getattr(owner, name)(*args, **named))

    def make(self, sign: str, left: Any, right: Any) -> Any:
        """`left + right`, `left | right` and so on."""
        self._room(_size(sign, left, right))
        return _written(_MAKING[sign](left, right))

    def grow(self, sign: str, left: Any, right: Any) -> Any:
        """`left += right` and so on, which change a list in its place: of that, what is new costs."""
        size = _size(sign, left, right)
        _fits(size)
        self._room(size - len(left) if isinstance(left, list | dict) and size else size)
        return _written(_GROWING[sign](left, right))

    def made(self, one: Any) -> Any:
        """The same, when there is room for it."""
        if isinstance(one, _MADE):
            self._room(len(one))
        return _written(one)

    def show(self, one: Any, conversion: str, spec: str) -> str:
        """What stands in an f-string."""
        self._room(max(_shown(one), *map(int, re.findall(r"\d+", spec)), 0))
        if conversion:
            one = _CONVERSIONS[conversion](one)
        if isinstance(one, date | time):
            _dated(spec)
        elif spec.endswith("n"):
            raise TypeError("the format `n` differs with the language of a machine")
        text = format(one, spec)
        self._room(len(text))
        return text

    def _room(self, size: int) -> None:
        _fits(size)
        self.step(max(size, 0) // SIZE_OF_STEP)


def _fits(size: int) -> None:
    if size > SIZE_MAX:
        raise OverBudget


def _written(one: Any) -> Any:
    """The same, when it can be written out as a whole number or with all its digits."""
    if isinstance(one, Decimal) and one.is_finite() and abs(one.adjusted()) > SIZE_MAX:
        raise OverBudget
    return one


def _length(one: Any) -> int:
    """Python cannot say it of a range of more than 64 bits. What is no list or the like is counted where it is made."""
    if isinstance(one, range):
        return max(0, (one.stop - one.start) // one.step)
    return len(one) if isinstance(one, _WALKED) else 0


def _size(sign: str, left: Any, right: Any) -> int:
    """At most so large is what two things make. Raises TypeError for a set, whose order differs between processes."""
    if isinstance(left, int) and isinstance(right, int):
        return left.bit_length() + right.bit_length() if sign == "*" else 0
    if sign == "+":
        return sum(len(one) for one in (left, right) if isinstance(one, _SIZED))
    if sign == "*":
        pairs = ((left, right), (right, left))
        return max((len(one) * n for one, n in pairs if isinstance(one, _SIZED) and isinstance(n, int)), default=0)
    if sign == "/":
        return 0
    if sign == "%":
        return _filled(left, right) if isinstance(left, str) else 0
    if any(isinstance(one, _VIEWS) for one in (left, right)):
        raise TypeError("this makes a set, whose order differs between processes")
    return _length(left) + _length(right)


def _filled(text: str, values: Any) -> int:
    """Of `text % values`."""
    given = values if isinstance(values, tuple) else ()
    asked = [width for found in _PERCENT.findall(text) for width in found if width]
    widths = [int(one) for one in asked if one != "*"]
    widths += [abs(one) for one in given if "*" in asked and isinstance(one, int)]
    return len(text) + text.count("%") * (_shown(values) + max(widths, default=0))


def _shown(value: Any) -> int:
    """The characters of a value. Raises TypeError where its text would say where it lies in the memory."""
    size, front = 0, [(value, 0)]
    while front:
        one, depth = front.pop()
        if isinstance(one, BaseException):
            one = one.args
        if isinstance(one, Mapping):
            parts = [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple, *_VIEWS)):
            parts = [*one]
        elif isinstance(one, _PLAIN):
            parts, size = [], size + len(str(one))
        else:
            raise TypeError(f"the text of {type(one).__name__} differs between processes")
        size += len(parts)
        if depth > DEPTH_MAX or size > SIZE_MAX:
            raise OverBudget
        front += [(part, depth + 1) for part in parts]
    return size


def _text_of(owner: str, name: str, args: tuple[Any, ...], named: dict[str, Any]) -> int:
    """At most so large is what a method of a text makes."""
    if name in ("ljust", "rjust", "center", "zfill"):
        return max([len(owner), *(one for one in args if isinstance(one, int))])
    if name == "replace" and len(args) > 1 and isinstance(args[0], str) and isinstance(args[1], str):
        times, most = owner.count(args[0]), args[2] if len(args) > 2 else named.get("count", -1)
        times = min(times, most) if isinstance(most, int) and most >= 0 else times
        return len(owner) + times * max(0, len(args[1]) - len(args[0]))
    if name == "join" and args:
        return len(owner) * len(args[0]) + sum(_length(one) for one in args[0])
    return 0


def _dated(*specs: str) -> None:
    for spec in specs:
        if not _DATE_FORMAT.fullmatch(spec):
            raise TypeError(f"{spec!r} differs between machines: of a date, numbers can be shown")
