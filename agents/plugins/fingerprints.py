"""Fingerprints: a hash of the source of a function and of all that it uses in its file, as it was written.

Whoever changes what stands there, be it a comment, has another function. What else is in the file does not matter.
"""

from __future__ import annotations

import ast
import re
from hashlib import blake2b

from agents.plugins.rules import bound


def fingerprints(tree: ast.Module, text: str) -> dict[str, str]:
    """Of every function of a file, by name."""
    lines = re.split("\r\n|\r|\n", text)  # as Python counts them
    sources: dict[str, list[str]] = {}  # what makes each name of the file
    used: dict[str, set[str]] = {}
    for node in tree.body:
        names = {name for part in ast.walk(node) for name in bound(part)} if _makes_names(node) else set()
        for name in {node.name} if isinstance(node, ast.FunctionDef) else names:
            sources.setdefault(name, []).append(_source(node, name, lines))
            used.setdefault(name, set()).update(part.id for part in ast.walk(node) if isinstance(part, ast.Name))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {name: _hash(name, sources, used) for name in functions}


def _makes_names(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign | ast.AnnAssign | ast.ImportFrom | ast.FunctionDef)


def _source(node: ast.stmt, name: str, lines: list[str]) -> str:
    """Of an import, what stands behind this name: another name beside it changes nothing."""
    if isinstance(node, ast.ImportFrom):
        return next(f"{node.module}.{one.name}" for one in node.names if name == (one.asname or one.name))
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _hash(name: str, sources: dict[str, list[str]], used: dict[str, set[str]]) -> str:
    wanted, front = set[str](), [name]
    while front:
        one = front.pop()
        if one in sources and one not in wanted:
            wanted.add(one)
            front += used[one]
    hashed = blake2b(digest_size=16)
    for one in sorted(wanted):
        for text in sources[one]:
            hashed.update(f"{one}\x1f{text}\x1e".encode())
    return hashed.hexdigest()
