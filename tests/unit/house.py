"""The rules of the house, as functions from one Python module to what is wrong with it.

`test_house_rules` holds every module against every rule, and every rule against a module that breaks it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

ROOMS = ("schemas", "streams", "agents", "deploy", "tests", "benchmarks")
MAY_USE = {
    "schemas": {"schemas"},
    "streams": {"streams", "schemas"},
    "agents": {"agents", "streams", "schemas"},
    "deploy": set[str](),
    "benchmarks": {"benchmarks", "agents", "streams", "schemas", "tests"},
    "tests": set(ROOMS),
}
LINES_MAX = 400
LINES_MAX_AGENTS = 300
FUNCTION_LINES_MAX = 60
BANNED_WORDS = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "managers"})

#: All that the pure core may import from outside: nothing with a clock, chance, an environment or a way out.
PURE = frozenset({
    "__future__", "collections", "copy", "dataclasses", "datetime", "decimal", "difflib", "enum", "functools",
    "graphlib", "hashlib", "heapq", "itertools", "math", "msgspec", "operator", "re", "ruamel", "string", "struct",
    "typing", "tzdata", "zlib", "zoneinfo",
})  # fmt: skip
#: What came with a package that we pinned.
RESOURCES = "importlib.resources."
#: What the contracts may not import, so that the core does not get it through them. They may read their own files.
IMPURE = frozenset({
    "asyncio", "getpass", "http", "locale", "logging", "multiprocessing", "os", "platform", "random", "secrets",
    "select", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "urllib",
})  # fmt: skip
#: Builtins that reach out, or that answer differently in another process.
IMPURE_BUILTINS = frozenset({
    "__import__", "breakpoint", "eval", "exec", "hash", "id", "input", "open", "print",
})  # fmt: skip
CLOCKS_AND_CHANCE = frozenset({"now", "today", "utcnow", "uuid1", "uuid4"})
#: They look for the time zones of the machine first; `streams.clock.zones` reads those that we pinned.
ZONES_OF_THE_MACHINE = frozenset({"ZoneInfo", "no_cache", "available_timezones"})
#: Datetime constructors, and how many positional arguments bring a time zone along. None: there is no such way.
AWARE_FROM = {"now": 1, "fromtimestamp": 2, "combine": 3, "utcnow": None, "utcfromtimestamp": None, "today": None}


class Module(NamedTuple):
    """One Python file. `path` is relative to the root."""

    path: str
    source: str

    @property
    def room(self) -> str:
        """Its top folder."""
        return self.path.split("/")[0]

    @property
    def tree(self) -> ast.Module:
        """Parsed."""
        return ast.parse(self.source)


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Everything that is imported, by its full name, with its line; a relative import is one of the own room."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module if node.module and node.level == 0 else module.room
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and name_of(node.func) in ("import_module", "__import__"):
            text = node.args[0] if node.args else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield node.lineno, text.value


def name_of(node: ast.expr) -> str:
    """The last word of a name or attribute."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def arrows(module: Module) -> Iterator[str]:
    """Arrows between rooms point one way."""
    for line, name in imports(module):
        room = name.split(".")[0]
        if room in ROOMS and room not in MAY_USE[module.room]:
            yield f"line {line}: {module.room} may not use {room} ({name})"


def sizes(module: Module) -> Iterator[str]:
    """Modules and functions are small."""
    lines = module.source.count("\n")
    most = LINES_MAX_AGENTS if module.room == "agents" else LINES_MAX
    if lines > most:
        yield f"{lines} lines, and {most} are allowed"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            long = (node.end_lineno or node.lineno) - node.lineno + 1
            if long > FUNCTION_LINES_MAX:
                yield f"line {node.lineno}: {node.name} has {long} lines, and {FUNCTION_LINES_MAX} are allowed"


def names(module: Module) -> Iterator[str]:
    """A module is called by the noun that it holds."""
    for part in module.path.removesuffix(".py").split("/"):
        found = BANNED_WORDS.intersection(re.split(r"[_\W]+", part.lower()))
        if found:
            yield f"nothing is called {', '.join(sorted(found))} here"


def docstring(module: Module) -> Iterator[str]:
    """The first line says what a module is, and annotations are never evaluated."""
    tree = module.tree
    if not ast.get_docstring(tree):
        yield "no docstring"
    code = [node for node in tree.body if not isinstance(node, ast.Expr)]
    if code and not (isinstance(code[0], ast.ImportFrom) and code[0].module == "__future__"):
        yield f"line {code[0].lineno}: `from __future__ import annotations` does not come first"


def purity(module: Module) -> Iterator[str]:
    """In streams nobody asks the time, rolls dice, reads the environment, logs, awaits or reaches out."""
    if module.room not in ("schemas", "streams"):
        return
    for line, name in imports(module):
        top = name.split(".")[0]
        own = top in PURE or top in ROOMS or name.startswith(RESOURCES)
        if top in IMPURE or (module.room == "streams" and not own):
            yield f"line {line}: imports {name}"
    for node in ast.walk(module.tree):
        yield from _impure(node, strictly=module.room == "streams")


def _impure(node: ast.AST, *, strictly: bool) -> Iterator[str]:
    line = getattr(node, "lineno", 0)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS_AND_CHANCE:
        yield f"line {line}: calls {node.func.attr}"
    if not strictly:
        return
    if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
        yield f"line {line}: awaits"
    if isinstance(node, ast.Call) and name_of(node.func) in ZONES_OF_THE_MACHINE:
        yield f"line {line}: asks the machine for time zones"
    if isinstance(node, ast.Global):
        yield f"line {line}: changes the module with `global`"
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in IMPURE_BUILTINS:
        yield f"line {line}: uses {node.id}"


def naive_datetimes(module: Module) -> Iterator[str]:
    """Every datetime that is made has a time zone."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        has_zone = any(keyword.arg in ("tz", "tzinfo") for keyword in node.keywords)
        name = name_of(node.func)
        if name == "datetime" and not has_zone and len(node.args) < 8:
            yield f"line {node.lineno}: datetime(...) without tzinfo"
        elif isinstance(node.func, ast.Attribute) and name in AWARE_FROM and "date" in name_of(node.func.value):
            needed = AWARE_FROM[name]
            if needed is None or (len(node.args) < needed and not has_zone):
                yield f"line {node.lineno}: {name}() without a time zone"


def faust(module: Module) -> Iterator[str]:
    """One package knows Faust; only the benchmarks run a stock one beside it."""
    if module.path.startswith(("agents/faust_engine/", "benchmarks/")):
        return
    for line, name in imports(module):
        if name.split(".")[0] in ("faust", "mode"):
            yield f"line {line}: imports {name}, which is for agents/faust_engine"


def honest_tests(module: Module) -> Iterator[str]:
    """Unit tests have no mocks and no sleeps; integration tests fail, and do not skip, without their servers."""
    if module.path.startswith(("tests/unit/", "tests/contract/", "tests/simulation/", "tests/oracle/")):
        for line, name in imports(module):
            if "mock" in name or name.split(".")[0] == "time":
                yield f"line {line}: imports {name}"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and name_of(node.func) == "sleep":
                yield f"line {node.lineno}: sleeps"
    if module.path.startswith("tests/integration/"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and node.attr in ("skip", "skipif", "importorskip", "xfail"):
                yield f"line {node.lineno}: {node.attr}"


RULES: tuple[Callable[[Module], Iterator[str]], ...] = (
    arrows, sizes, names, docstring, purity, naive_datetimes, faust, honest_tests,
)  # fmt: skip

_SLASH = "/"
#: Absolute paths of somebody's machine, and places that packages were fetched from.
_TRACES = re.compile(
    rf"(?<![\w.~$}}*-]){_SLASH}(?:work|root|tmp|home|Users|mnt){_SLASH}[\w.]|--(?:extra-)?index-url|--find" + "-links"
)
_ALLOWED_TRACES = ("--no-emit-index-url", "--emit-index-url")


def traces(text: str) -> Iterator[str]:
    """What only one machine knows."""
    for number, line in enumerate(text.splitlines(), start=1):
        for allowed in _ALLOWED_TRACES:
            line = line.replace(allowed, "")
        found = _TRACES.search(line)
        if found:
            yield f"line {number}: {found.group()}"
