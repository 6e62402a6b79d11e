"""Makes a plug-in countable: what it calls, makes and shows goes through its budget, and means the same.

"a".ljust(n)     -> __method__("a", "ljust", n)
left + right     -> __make__("+", left, right)
f"{one:>8}"      -> f"{__show__(one, '', '>8')}"
sorted(x, key=f) -> __call__(sorted, x, key=f); of a builtin, a lambda that calls it in the same way
"""

from __future__ import annotations

import ast
import copy
from typing import cast

from agents.plugins.rules import ALLOWED_BUILTINS, takes_key

STEP, CALL, METHOD = "__step__", "__call__", "__method__"
MAKE, GROW, MADE, SHOW = "__make__", "__grow__", "__made__", "__show__"
_ITEM = "__item__"
_SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Mult: "*", ast.Mod: "%", ast.Div: "/", ast.Sub: "-",
    ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^",
}  # fmt: skip


def counted(tree: ast.Module) -> ast.Module:
    """The same program, which says what it does to its budget."""
    return ast.fix_missing_locations(cast("ast.Module", _Counting().visit(tree)))


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
        keyed = takes_key(node)
        self.generic_visit(node)
        for named in node.keywords if keyed else ():
            if named.arg == "key" and isinstance(named.value, ast.Name) and named.value.id in ALLOWED_BUILTINS:
                one = ast.arguments([], [ast.arg(_ITEM)], None, [], [], None, [])
                named.value = ast.Lambda(one, _call(CALL, named.value, ast.Name(_ITEM, ast.Load())))
        if isinstance(node.func, ast.Name):
            node.args.insert(0, node.func)
            node.func = ast.Name(CALL, ast.Load())
        elif isinstance(node.func, ast.Attribute):
            node.args[:0] = [node.func.value, ast.Constant(node.func.attr)]
            node.func = ast.Name(METHOD, ast.Load())
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        if any(isinstance(one, ast.Starred) for target in node.targets for one in ast.walk(target)):
            node.value = _call(MADE, node.value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        sign = _SIGNS.get(type(node.op))
        return _call(MAKE, ast.Constant(sign), node.left, node.right) if sign else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        sign = _SIGNS.get(type(node.op))
        if not sign:
            return node
        before = copy.copy(node.target)
        before.ctx = ast.Load()
        return ast.Assign([node.target], _call(GROW, ast.Constant(sign), before, node.value))

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        conversion = "" if node.conversion == -1 else chr(node.conversion)
        spec = node.format_spec or ast.Constant("")
        return ast.FormattedValue(_call(SHOW, node.value, ast.Constant(conversion), spec), -1, None)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        return _call(MADE, node) if isinstance(node.slice, ast.Slice) else node

    def _visit_display(self, node: ast.List | ast.Tuple) -> ast.AST:
        self.generic_visit(node)
        spread = isinstance(node.ctx, ast.Load) and any(isinstance(one, ast.Starred) for one in node.elts)
        return _call(MADE, node) if spread else node

    visit_List = visit_Tuple = _visit_display  # noqa: N815 - as the base class calls them

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        return _call(MADE, node) if None in node.keys else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        return _call(MADE, node)


def _call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(func=ast.Name(name, ast.Load()), args=list(args), keywords=[])
