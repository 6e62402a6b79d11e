"""Reads plug-in files: judged by `agents.plugins.rules`, then run once, with nothing but what is allowed."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Mapping
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from types import CodeType, FunctionType, MappingProxyType
from typing import Any

from agents.errors import InputRefused
from agents.plugins.asked import Asked, asked
from agents.plugins.budget import Budget
from agents.plugins.counting import counted
from agents.plugins.fingerprints import fingerprints
from agents.plugins.kinds import Declared, Function
from agents.plugins.rules import ALLOWED_BUILTINS, ALLOWED_IMPORTS, Broken, bound, broken
from streams.plugins import STEPS_MAX, Plugin

SOURCE_BYTES_MAX = 262_144
CONSTANTS = (str, int, float, Decimal, date, timedelta, tzinfo, range)  # beside lists and objects of them
_INPUT = re.compile(r"now|(?:trigger|fact)\.[A-Za-z0-9_]+")


def load_plugins(folder: Path) -> list[Plugin]:
    """The plug-ins of every `*.py` file of a folder, by file name. Raises InputRefused with all that is wrong."""
    if not folder.is_dir():
        next_step = "name the folder of plug-ins with `--plugins` or CARTWHEEL_PLUGINS, or name none"
        raise InputRefused(f"there is no folder {folder}", next_step=next_step)
    plugins: list[Plugin] = []
    wrong: list[str] = []
    for path in sorted(folder.glob("*.py")):
        try:
            plugins += _read(path)
        except _Refused as refused:
            wrong += [f"{path}:{one.line}:{one.column}: {one.message}" for one in refused.args[0]]
    names = [(plugin.name, plugin.version) for plugin in plugins]
    twice = sorted({one for one in names if names.count(one) > 1})
    wrong += [f"{name} version {version} is there twice" for name, version in twice]
    if wrong:
        message = "\n".join(["the plug-ins cannot be used:", *wrong])
        raise InputRefused(message, next_step="docs/reference/plug-ins.md says what a plug-in may do")
    return plugins


class _Refused(Exception):
    """What is wrong with a file, as its argument."""


def _read(path: Path) -> list[Plugin]:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise _Refused([Broken(1, 1, f"the file cannot be read: {error.strerror}")]) from None
    if len(source) > SOURCE_BYTES_MAX:
        raise _Refused([Broken(1, 1, f"the file has more than {SOURCE_BYTES_MAX} bytes")])
    try:
        text = source.decode("utf-8-sig")
        tree = ast.parse(text, str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _Refused([Broken(getattr(error, "lineno", None) or 1, 1, f"this is not Python: {error}")]) from None
    if found := broken(tree):
        raise _Refused(found)
    imported = {name for node in tree.body if isinstance(node, ast.ImportFrom) for name in bound(node)}
    hashes, keys = fingerprints(tree, text), asked(tree)  # before steps are counted in it
    return _run(compile(counted(tree), str(path), "exec"), imported=imported, hashes=hashes, keys=keys)


def _run(code: CodeType, *, imported: set[str], hashes: dict[str, str], keys: dict[str, list[Asked]]) -> list[Plugin]:
    budget = Budget()
    budget.left = STEPS_MAX
    allowed = {name: getattr(builtins, name) for name in ALLOWED_BUILTINS} | {"__import__": _import}
    world: dict[str, Any] = {"__builtins__": allowed, "__name__": "plugin", **budget.names()}
    try:
        exec(code, world)
    except Exception as error:  # noqa: BLE001 - it is theirs, and all of it is told
        raise _Refused([Broken(1, 1, f"it fails when it is loaded: {type(error).__name__}: {error}")]) from None
    own = {name: one for name, one in world.items() if not name.startswith("__") and name not in imported}
    declared = {name: one for name, one in own.items() if isinstance(one, Declared)}
    found = [Broken(1, 1, message) for name, one in declared.items() for message in _odd(name, one)]
    found += [broken for name, one in declared.items() for broken in _undeclared(name, one, keys.get(name, []))]
    for name, one in own.items():
        if not isinstance(one, Declared | FunctionType):
            try:
                world[name] = _constant(one)
            except TypeError:
                found.append(Broken(1, 1, f"`{name}` is no constant: text, numbers, dates, lists and objects of them"))
    if found:
        raise _Refused(found)
    return [_plugin(name, one, budget, hashes[one.function.__name__]) for name, one in declared.items()]


def _constant(value: Any) -> Any:
    """The same, but nobody can change it: what one call left there, the next one would know. Raises TypeError."""
    if isinstance(value, dict):
        return MappingProxyType({name: _constant(one) for name, one in value.items()})
    if isinstance(value, list | tuple):
        return tuple(map(_constant, value))
    if value is None or isinstance(value, CONSTANTS):
        return value
    raise TypeError


def _odd(name: str, one: Declared) -> list[str]:
    if not isinstance(one.function, FunctionType):
        return [f"`{name}` is declared as two kinds"]
    found = []
    if not (isinstance(one.version, int) and one.version >= 1):
        found.append(f"`{name}` needs a version from 1, not {one.version!r}")
    if not (isinstance(one.steps_max, int) and 1 <= one.steps_max <= STEPS_MAX):
        found.append(f"the budget of `{name}` must be 1 to {STEPS_MAX} steps, not {one.steps_max!r}")
    inputs = one.inputs if isinstance(one.inputs, tuple) else (one.inputs,)
    for wanted in inputs:
        if not (isinstance(wanted, str) and _INPUT.fullmatch(wanted)):
            found.append(f"`{name}` asks for {wanted!r}; an input is trigger.WORD, fact.NAME or now")
    return found


def _undeclared(name: str, one: Declared, keys: list[Asked]) -> list[Broken]:
    return [
        Broken(line, column, f"`{name}` asks for {key!r}, which is not among its inputs")
        for line, column, key in keys
        if key not in (one.inputs if isinstance(one.inputs, tuple) else (one.inputs,))
    ]


def _plugin(name: str, one: Declared, budget: Budget, fingerprint: str) -> Plugin:
    return Plugin(
        kind=one.kind, name=name, version=one.version, inputs=one.inputs, fingerprint=fingerprint,
        answer=_within(one.function, budget, one.steps_max),
    )  # fmt: skip


def _within(function: Function, budget: Budget, most: int) -> Function:
    def answer(inputs: Mapping[str, Any]) -> Any:
        budget.left = most
        return function(inputs)

    return answer


def _import(name: str, globals_: Any = None, locals_: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    if name not in ALLOWED_IMPORTS or level:
        raise ImportError(f"a plug-in may not import {name}")
    return __import__(name, globals_, locals_, fromlist, level)
