"""The budget of a plug-in: what is a step, and how large anything that it makes may become.

Each call is a step, each turn of a loop, each item of a comprehension, and each item that a builtin goes through:

    sum(range(10**12))         -> over the budget, before a single item of it
    "x" * inputs["fact.stars"] -> over the budget, if that makes more than 100,000 characters
    Decimal("1e999999999")     -> over the budget: as a whole number, or written out, it would fill the memory
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType
from typing import Any, cast

from streams.plugins import OverBudget

#: Of whatever is made: characters of a text, items of a list, bits of a whole number, digits of a decimal.
SIZE_MAX = 100_000
STEP, CALL, MAKE, GROW = "__step__", "__call__", "__make__", "__grow__"
_SIZED = (str, list, tuple)
_WALKED = (*_SIZED, dict, MappingProxyType, range)
#: Builtins that go through all that they are given.
_WALKING: frozenset[Callable[..., Any]] = frozenset(
    {all, any, dict, enumerate, list, max, min, reversed, sorted, sum, tuple, zip}
)


class Budget:
    """Of one call at a time."""

    def __init__(self) -> None:
        self.left = 0

    def names(self) -> dict[str, Any]:
        """What a program that is counted calls."""
        return {STEP: self.step, CALL: self.call, MAKE: self.make, GROW: self.grow}

    def step(self, count: int = 1) -> bool:
        """So many steps; always true, so that it can stand in a condition."""
        self.left -= count
        if self.left < 0:
            raise OverBudget
        return True

    def call(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Call something by its name. A `range` costs nothing until somebody goes through it."""
        if function in _WALKING:
            self.step(sum(_length(one) for one in args if isinstance(one, _WALKED)))
        made = function(*args, **named)
        if isinstance(made, range) and _length(made) > self.left:
            raise OverBudget
        if isinstance(made, Decimal) and made.is_finite() and abs(made.adjusted()) > SIZE_MAX:
            raise OverBudget
        return made

    def make(self, sign: str, left: Any, right: Any) -> Any:
        """`left + right`, `left * right`."""
        _check(sign, left, right)
        return left + right if sign == "+" else left * right

    def grow(self, sign: str, left: Any, right: Any) -> Any:
        """`left += right`, `left *= right`, which change a list in its place."""
        _check(sign, left, right)
        if sign == "+":
            left += right
        else:
            left *= right
        return left


def counted(tree: ast.Module) -> ast.Module:
    """The same program, which says what it does to its budget."""
    return ast.fix_missing_locations(cast("ast.Module", _Counting().visit(tree)))


def _length(one: Any) -> int:
    """Python cannot say it of a range of more than 64 bits."""
    return max(0, (one.stop - one.start) // one.step) if isinstance(one, range) else len(one)


def _check(sign: str, left: Any, right: Any) -> None:
    size = 0
    if isinstance(left, int) and isinstance(right, int):
        size = left.bit_length() + right.bit_length() if sign == "*" else 0
    elif sign == "+":
        size = sum(len(one) for one in (left, right) if isinstance(one, _SIZED))
    else:
        for one, times in ((left, right), (right, left)):
            if isinstance(one, _SIZED) and isinstance(times, int):
                size = len(one) * times
    if size > SIZE_MAX:
        raise OverBudget


class _Counting(ast.NodeTransformer):
    def _visit_body(self, node: ast.FunctionDef | ast.For | ast.While) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, ast.Expr(_call(STEP)))
        return node

    visit_FunctionDef = visit_For = visit_While = _visit_body  # noqa: N815 - as the base class calls them

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self.generic_visit(node)
        node.body = ast.IfExp(test=_call(STEP), body=node.body, orelse=ast.Constant(None))
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs.insert(0, _call(STEP))
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name):
            node.args.insert(0, node.func)
            node.func = ast.Name(CALL, ast.Load())
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        sign = _sign(node.op)
        return _call(MAKE, ast.Constant(sign), node.left, node.right) if sign else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        sign = _sign(node.op)
        if not sign:
            return node
        before = copy.copy(node.target)
        before.ctx = ast.Load()
        return ast.Assign([node.target], _call(GROW, ast.Constant(sign), before, node.value))


def _sign(operator: ast.operator) -> str:
    return {ast.Add: "+", ast.Mult: "*"}.get(type(operator), "")


def _call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(func=ast.Name(name, ast.Load()), args=list(args), keywords=[])
