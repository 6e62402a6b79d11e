"""Reads plug-in files: judged by `agents.plugins.rules`, then run once, with nothing but what is allowed."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from types import CodeType
from typing import Any

from agents.errors import InputRefused
from agents.plugins.kinds import Declared, Function
from agents.plugins.rules import ALLOWED_BUILTINS, ALLOWED_IMPORTS, STEP, Broken, broken, counted
from streams.plugins import STEPS_MAX, OverBudget, Plugin

SOURCE_BYTES_MAX = 262_144
_INPUT = re.compile(r"now|(?:trigger|fact)\.[A-Za-z0-9_]+")


class _Steps:
    """The budget of one call at a time."""

    def __init__(self) -> None:
        self.left = 0

    def take(self) -> bool:
        self.left -= 1
        if self.left < 0:
            raise OverBudget
        return True


def load_plugins(folder: Path) -> list[Plugin]:
    """The plug-ins of every `*.py` file of a folder, by file name. Raises InputRefused with all that is wrong."""
    plugins: list[Plugin] = []
    wrong: list[str] = []
    for path in sorted(folder.glob("*.py")):
        try:
            plugins += _read(path)
        except _Refused as refused:
            wrong += [f"{path}:{one.line}:{one.column}: {one.message}" for one in refused.args[0]]
    names = [(plugin.name, plugin.version) for plugin in plugins]
    wrong += [f"{name} version {version} is there twice" for name, version in {n for n in names if names.count(n) > 1}]
    if wrong:
        message = "\n".join(["the plug-ins cannot be used:", *wrong])
        raise InputRefused(message, next_step="docs/reference/plug-ins.md says what a plug-in may do")
    return plugins


class _Refused(Exception):
    """What is wrong with a file, as its argument."""


def _read(path: Path) -> list[Plugin]:
    source = path.read_bytes()
    if len(source) > SOURCE_BYTES_MAX:
        raise _Refused([Broken(1, 1, f"the file has more than {SOURCE_BYTES_MAX} bytes")])
    try:
        tree = ast.parse(source, str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _Refused([Broken(getattr(error, "lineno", None) or 1, 1, f"this is not Python: {error}")]) from None
    if found := broken(tree):
        raise _Refused(found)
    # What is imported has to be there under the same rules that judged it.
    code = compile(counted(tree), str(path), "exec")
    return _run(code, fingerprint=blake2b(source, digest_size=16).hexdigest())


def _run(code: CodeType, *, fingerprint: str) -> list[Plugin]:
    steps = _Steps()
    steps.left = STEPS_MAX
    allowed = {name: getattr(builtins, name) for name in ALLOWED_BUILTINS} | {"__import__": _import}
    world: dict[str, Any] = {"__builtins__": allowed, "__name__": "plugin", STEP: steps.take}
    try:
        exec(code, world)
    except Exception as error:  # noqa: BLE001 - it is theirs, and all of it is told
        raise _Refused([Broken(1, 1, f"it fails when it is loaded: {type(error).__name__}: {error}")]) from None
    declared = {name: one for name, one in world.items() if isinstance(one, Declared)}
    if found := [Broken(1, 1, message) for name, one in declared.items() for message in _odd(name, one)]:
        raise _Refused(found)
    return [_plugin(name, one, steps, fingerprint) for name, one in declared.items()]


def _odd(name: str, one: Declared) -> list[str]:
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


def _plugin(name: str, one: Declared, steps: _Steps, fingerprint: str) -> Plugin:
    return Plugin(
        kind=one.kind, name=name, version=one.version, inputs=one.inputs, fingerprint=fingerprint,
        answer=_within(one.function, steps, one.steps_max),
    )  # fmt: skip


def _within(function: Function, steps: _Steps, most: int) -> Function:
    def answer(inputs: Mapping[str, Any]) -> Any:
        steps.left = most
        return function(inputs)

    return answer


def _import(name: str, globals_: Any = None, locals_: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    if name not in ALLOWED_IMPORTS or level:
        raise ImportError(f"a plug-in may not import {name}")
    return __import__(name, globals_, locals_, fromlist, level)
