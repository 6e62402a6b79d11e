"""Places: on which line of a flow file a step, a way of it or an exit rule stands."""

from __future__ import annotations

from typing import NamedTuple

from streams.flowfile.nodes import START, Listing, Mapping, Node


class Places(NamedTuple):
    """Of one file: its root, and the steps by their labels."""

    root: Node
    steps: dict[str, Node]

    def of_step(self, label: str, path: tuple[str | int, ...]) -> int:
        """The line of what lies at a path below the body of a step, or of as much of the path as is written."""
        step = self.steps.get(label, START)
        kinds = [key for key in step.entries if key != "label"] if isinstance(step, Mapping) else []
        return _line(step, (*kinds, *path))

    def of_exit(self, path: tuple[str | int, ...]) -> int:
        """The same below the exit rules."""
        return _line(self.root, ("exit", *path))

    def of_rule(self, key: str, path: tuple[str | int, ...]) -> int:
        """The same of a policy, below one of its keys."""
        return _line(self.root, (key, *path))


def _line(node: Node, path: tuple[str | int, ...]) -> int:
    line = node.line
    for word in path:
        if isinstance(node, Mapping) and word in node.entries:
            key, node = node.entries[str(word)]
            line = key.line
        elif isinstance(node, Listing) and isinstance(word, int) and word < len(node.items):
            node = node.items[word]
            line = node.line
        else:
            break
    return line
