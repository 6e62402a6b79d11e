"""The ways between steps, judged as a whole: every step can be reached, and nothing goes round in a circle.

Every path ends, because steps only lead forward and the end of the list is a stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from schemas.steps import Step, Wait
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader

CYCLE_WAIT_MS_MIN = 60_000


def check_ways(reader: Reader, steps: Sequence[Step], ways: Sequence[tuple[int, ...]], nodes: Sequence[Node]) -> None:
    """Note cycles and steps that no path reaches. `ways` beyond the last step lead to the end."""
    try:
        TopologicalSorter(dict(enumerate(ways))).prepare()
    except CycleError as error:
        _note_cycle(reader, steps, error.args[1], nodes)
    seen = _reach(0, ways, set())
    for index, node in enumerate(nodes):
        if index not in seen:
            message = f"nothing leads to the step `{steps[index].label}`; name its label in a way, or remove it"
            reader.note("unreachable_step", node, message)
            _reach(index, ways, seen)  # What only follows from it is not worth a finding of its own.


def _reach(start: int, ways: Sequence[tuple[int, ...]], seen: set[int]) -> set[int]:
    front = [start]
    while front:
        index = front.pop()
        if index < len(ways) and index not in seen:
            seen.add(index)
            front.extend(ways[index])
    return seen


def _note_cycle(reader: Reader, steps: Sequence[Step], cycle: Sequence[int], nodes: Sequence[Node]) -> None:
    # Predecessors and successors are swapped in the sorter's eyes, so its cycle reads backward.
    path = " -> ".join(f"`{steps[index].label}`" for index in reversed(cycle))
    waits = [steps[index] for index in cycle]
    place = nodes[max(cycle)]
    if any(isinstance(step, Wait) and step.span.ms >= CYCLE_WAIT_MS_MIN for step in waits):
        message = f"steps that repeat are not available yet; a way leads back here: {path}"
        reader.note("not_available_yet", place, message)
    else:
        reader.note("cycle", place, f"these steps repeat forever, without a wait of a minute: {path}")
