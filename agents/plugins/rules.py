"""The rules of plug-in files: no clock, no chance, no reaching out. `agents.plugins.budget` counts what they cost.

A file is judged by its syntax tree before any of it runs. The rules keep an honest author from writing what would not
replay; they are no prison for a dishonest one, as whoever may put a file there runs code on the machine anyway. Sets
are out because their order differs from process to process. A function calls only what stands above it, so that
nothing recurs: how deep Python can go depends on who asks. Methods are listed, as whatever else there is may ask the
zone or the language of a machine, or make more than can be told before.
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
#: What may be called on a value: of these it is known that they answer the same everywhere, and how much they make.
ALLOWED_METHODS = frozenset(
    (  # noqa: SIM905 - to be read as words
        "capitalize casefold center count endswith find index isalnum isalpha isascii isdecimal isdigit islower "
        "isnumeric isprintable isspace istitle isupper join ljust lower lstrip partition removeprefix removesuffix "
        "replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title upper "
        "zfill append clear copy extend insert pop remove reverse sort get items keys popitem setdefault update values "
        "adjusted as_integer_ratio as_tuple bit_count bit_length compare copy_abs copy_negate copy_sign is_finite "
        "is_infinite is_integer is_nan is_signed is_zero max min normalize quantize remainder_near sqrt "
        "to_integral_value date dst isocalendar isoformat isoweekday strftime time timetz toordinal total_seconds "
        "utcoffset weekday"
    ).split()
)
#: What may be called on a type, as in `date.fromisoformat`.
ALLOWED_OF_TYPES = frozenset({"combine", "fromisocalendar", "fromisoformat", "fromkeys", "fromordinal", "strptime"})
#: What may be read without a call.
ALLOWED_FIELDS = frozenset(
    (  # noqa: SIM905 - to be read as words
        "year month day hour minute second microsecond tzinfo fold week days seconds microseconds numerator "
        "denominator real start stop step digits sign exponent args min max resolution"
    ).split()
)
#: Imported names that are values; the others are functions and types.
VALUES = frozenset({"UTC", "ROUND_DOWN", "ROUND_HALF_EVEN", "ROUND_HALF_UP", "ROUND_UP"})
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
    values = {one.asname or one.name for top in tree.body for one in getattr(top, "names", ()) if one.name in VALUES}
    found = [_at(node, message) for node in ast.walk(tree) for message in _wrong(node, known, theirs)]
    found += [_at(node, message) for node, message in _wrong_uses(tree, theirs - values - {"None", "True", "False"})]
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
    elif isinstance(node, ast.Name) and (node.id.startswith("__") or node.id not in known):
        yield f"uses `{node.id}`, which a plug-in may not"
    elif isinstance(node, ast.FunctionDef | ast.Lambda):
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if not isinstance(default, ast.Constant | ast.UnaryOp | None):
                yield "has a default that is no plain value; what one call leaves there, the next one would know"
    elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow | ast.LShift):
        yield "raises to a power or shifts, which has no bound"
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.BitXor | ast.Sub):
        if _is_view(node.left) or _is_view(node.right):
            yield "makes a set of what an object holds, whose order differs between processes"
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Store):
        yield "assigns to a part of a list, which has no bound"
    elif isinstance(node, ast.Constant) and isinstance(node.value, bytes):
        yield "uses bytes"
    elif isinstance(node, ast.arg | ast.ExceptHandler | ast.Name):
        yield from (f"calls something of its own `{name}`" for name in bound(node) if name in theirs)


def takes_key(call: ast.Call) -> bool:
    """Whether it is of those that ask a function for the order of things."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    return name in ("sorted", "min", "max") or (isinstance(call.func, ast.Attribute) and call.func.attr == "sort")


def _is_view(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr in ("keys", "items")


def _wrong_uses(tree: ast.Module, functions: Set[str]) -> Iterator[tuple[ast.AST, str]]:
    """Functions, types and methods are called, and are no values: the text of one says where it lies in the memory."""
    nodes = [*ast.walk(tree)]
    fine = {id(one) for node in nodes for one in _functions_of(node)}
    for node in nodes:
        if isinstance(node, ast.Attribute):
            of_type = isinstance(node.value, ast.Name) and node.value.id in functions
            methods = (ALLOWED_OF_TYPES if of_type else ALLOWED_METHODS) if id(node) in fine else ALLOWED_FIELDS
            if node.attr not in methods:
                yield node, f"uses `.{node.attr}`, which a plug-in may not"
        elif isinstance(node, ast.Lambda) and id(node) not in fine:
            yield node, "has a `lambda` that is no `key=`; give it a name with `def`"
        elif isinstance(node, ast.Name) and node.id in functions and id(node) not in fine:
            yield node, f"uses `{node.id}` as a value; functions and types are called, or given as `key=`"


def _functions_of(node: ast.AST) -> Iterator[ast.AST]:
    """What may be a function or a type where it stands."""
    if isinstance(node, ast.Call):
        yield node.func
        if takes_key(node):
            yield from (one.value for one in node.keywords if one.arg == "key" and not _is_attribute(one.value))
        if isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            yield from (part for one in node.args[1:] for part in ast.walk(one))
    elif isinstance(node, ast.Attribute):
        yield node.value
    elif isinstance(node, ast.ExceptHandler):
        yield from ast.walk(node.type) if node.type else ()
    elif isinstance(node, ast.Raise) and node.exc:
        yield node.exc
    elif isinstance(node, ast.MatchClass):
        yield node.cls
    for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
        yield from ast.walk(part) if isinstance(part, ast.AST) else ()


def _is_attribute(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute)


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
