"""The rules of plug-in files: no clock, no chance, no reaching out. `agents.plugins.budget` counts what they cost.

A file is judged by its syntax tree before any of it runs. The rules keep an honest author from writing what would not
replay; they are no prison for a dishonest one, as whoever may put a file there runs code on the machine anyway. Sets
are out because their order differs from process to process. A function calls only what stands above it, so that
nothing recurs: how deep Python can go depends on who asks.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from typing import NamedTuple

#: Modules, and what of them a plug-in may import. Anything else asks a clock, chance or the world, or may run forever.
ALLOWED_IMPORTS: dict[str, frozenset[str]] = {
    "__future__": frozenset({"annotations"}),
    "agents.plugins.kinds": frozenset({"predicate", "transform", "recommender"}),
    "collections.abc": frozenset({"Mapping", "Sequence"}),
    "datetime": frozenset({"date", "datetime", "timedelta", "UTC"}),
    "decimal": frozenset({"Decimal", "ROUND_DOWN", "ROUND_HALF_EVEN", "ROUND_HALF_UP", "ROUND_UP"}),
    "math": frozenset({"ceil", "floor", "gcd", "isqrt"}),
    "typing": frozenset({"Any"}),
}
ALLOWED_BUILTINS = frozenset(
    "None True False abs all any bool dict divmod enumerate float int isinstance len list max min range "  # noqa: SIM905
    "reversed round sorted str sum tuple zip ValueError KeyError TypeError ArithmeticError".split()
)
FORBIDDEN_ATTRIBUTES = frozenset("now today utcnow fromtimestamp format format_map astimezone timestamp".split())  # noqa: SIM905
FORBIDDEN_NODES: dict[type[ast.AST], str] = {
    ast.AsyncFunctionDef: "awaits",
    ast.Await: "awaits",
    ast.AsyncFor: "awaits",
    ast.AsyncWith: "awaits",
    ast.Global: "changes the module with `global`",
    ast.Nonlocal: "changes an outer name with `nonlocal`",
    ast.ClassDef: "declares a class",
    ast.With: "opens a context with `with`",
    ast.Import: "imports a whole module; import names, as in `from decimal import Decimal`",
    ast.Yield: "yields",
    ast.YieldFrom: "yields",
    ast.Delete: "deletes",
    ast.Set: "makes a set, whose order differs between processes",
    ast.SetComp: "makes a set, whose order differs between processes",
}
TOP = (ast.ImportFrom, ast.Import, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign, ast.AnnAssign, ast.ClassDef)


class Broken(NamedTuple):
    """A rule that is broken, and where; lines and columns count from 1."""

    line: int
    column: int
    message: str


def broken(tree: ast.Module) -> list[Broken]:
    """Every rule that a file breaks, in the order of the file."""
    imported = {alias.asname or alias.name for node in tree.body for alias in getattr(node, "names", ())}
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    theirs = ALLOWED_BUILTINS | imported | functions.keys()
    known = theirs | {name for node in ast.walk(tree) for name in bound(node)}
    found = [_at(node, message) for node in ast.walk(tree) for message in _wrong(node, known, theirs)]
    for top in tree.body:
        if isinstance(top, ast.FunctionDef) and functions[top.name] is not top:
            found.append(_at(top, f"`{top.name}` stands there twice; another version needs a file of its own"))
        if not isinstance(top, TOP) and not (isinstance(top, ast.Expr) and isinstance(top.value, ast.Constant)):
            found.append(_at(top, "does something when it is loaded; a file holds imports, functions and constants"))
        above = ALLOWED_BUILTINS | imported | {name for name, one in functions.items() if one.lineno < top.lineno}
        found += [_at(node, message) for node in ast.walk(top) for message in _wrong_call(node, top, above)]
    return sorted(set(found))


def _at(node: ast.AST, message: str) -> Broken:
    return Broken(getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1, message)


def _wrong_call(node: ast.AST, top: ast.stmt, above: Set[str]) -> Iterator[str]:
    """What is called must stand above, by its own name: no function calls itself, and none calls what it is given."""
    if isinstance(node, ast.FunctionDef) and node is not top:
        yield "declares a function within a function"
    elif isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute):
        if not isinstance(node.func, ast.Name):
            yield "calls something without a name"
        elif node.func.id not in above:
            yield f"calls `{node.func.id}`, which is no function that stands above"


def _wrong(node: ast.AST, known: Set[str], theirs: Set[str]) -> Iterator[str]:
    for kind, message in FORBIDDEN_NODES.items():
        if isinstance(node, kind):
            yield message
    if isinstance(node, ast.ImportFrom):
        allowed = ALLOWED_IMPORTS.get(node.module or "", frozenset())
        for alias in node.names:
            if node.level or alias.name not in allowed:
                yield f"imports `{node.module}.{alias.name}`, which a plug-in may not"
    elif isinstance(node, ast.Attribute):
        if node.attr.startswith("_") or node.attr in FORBIDDEN_ATTRIBUTES:
            yield f"uses `.{node.attr}`, which a plug-in may not"
    elif isinstance(node, ast.Name) and (node.id.startswith("__") or node.id not in known):
        yield f"uses `{node.id}`, which a plug-in may not"
    elif isinstance(node, ast.FunctionDef | ast.Lambda):
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if not isinstance(default, ast.Constant | ast.UnaryOp | None):
                yield "has a default that is no plain value; what one call leaves there, the next one would know"
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.LShift):
        yield "raises to a power or shifts, which has no bound"
    elif isinstance(node, ast.arg | ast.ExceptHandler | ast.Name):
        yield from (f"calls something of its own `{name}`" for name in bound(node) if name in theirs)


def bound(node: ast.AST) -> Iterator[str]:
    """Names that the file itself makes."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
