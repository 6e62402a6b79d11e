"""What the functions of a plug-in file ask of their inputs by a key that stands there.

inputs["fact.tier"], inputs.get("fact.tier"), "fact.tier" in inputs  -> fact.tier
wanted(inputs), a function of the file                               -> what that asks of them
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple


class Asked(NamedTuple):
    """One key, and where."""

    line: int
    column: int
    key: str


def asked(tree: ast.Module) -> dict[str, list[Asked]]:
    """By function, of what it is given first. A function calls only what stands above it, so this ends."""
    functions: dict[str, ast.FunctionDef] = {}
    by_function: dict[tuple[str, str], list[Asked]] = {}
    for top in tree.body:
        if isinstance(top, ast.FunctionDef):
            for one in (*top.args.posonlyargs, *top.args.args):
                by_function[top.name, one.arg] = sorted(set(_of(top, one.arg, functions, by_function)))
            functions[top.name] = top
    first = {name: (*one.args.posonlyargs, *one.args.args)[:1] for name, one in functions.items()}
    return {name: [each for one in given for each in by_function[name, one.arg]] for name, given in first.items()}


def _of(
    top: ast.FunctionDef, given: str, functions: dict[str, ast.FunctionDef], known: dict[tuple[str, str], list[Asked]]
) -> Iterator[Asked]:
    nodes = [*ast.walk(top)]
    if (
        any(_is(one, given, ast.Store) for one in nodes)
        or sum(isinstance(one, ast.arg) and one.arg == given for one in nodes) > 1
    ):
        return  # from there on, it may be something else
    for node in nodes:
        key: ast.AST | None = None
        if isinstance(node, ast.Subscript) and _is(node.value, given):
            key = node.slice
        elif isinstance(node, ast.Compare) and _is(node.comparators[0], given):
            key = node.left if isinstance(node.ops[0], ast.In | ast.NotIn) else None
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is(node.func.value, given):
            key = node.args[0] if node.func.attr == "get" and node.args else None
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
            takes = functions[node.func.id].args
            pairs = [*zip([*takes.posonlyargs, *takes.args], node.args, strict=False)]
            for name in [to.arg for to, one in pairs if _is(one, given)]:
                yield from known[node.func.id, name]
            for named in node.keywords:
                yield from known.get((node.func.id, named.arg or ""), ()) if _is(named.value, given) else ()
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield Asked(key.lineno, key.col_offset + 1, key.value)


def _is(node: ast.AST, name: str, context: type[ast.expr_context] = ast.Load) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, context)
