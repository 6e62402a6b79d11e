"""`plugin`: a registered pure function in Python, asked about the words of the trigger, facts and *now*.

plugin: { name: is_worth_a_call, version: 1 }

it answers True, False or None    -> true, false, unknown
it raises, or runs over its budget -> unknown; it is counted, and the decision says why

Variables of messages ask in the same way.
"""

from __future__ import annotations

from typing import Any

from schemas.instants import to_wire
from streams.binding import Bound
from streams.facts import value_of
from streams.plugins import Answer, Plugin, ask
from streams.verdict import Note
from streams.view import View


def look(condition: Bound, view: View) -> Any:
    """What it answered, or why it did not."""
    answer = _asked(condition.plugin, view)
    return shown(answer) if answer.failed else answer.value


def judge(condition: Bound, view: View) -> bool | None:
    """The answer."""
    found = answered(condition.plugin, view).value
    return found if isinstance(found, bool) else None


def name(condition: Bound) -> str:
    """What is compared."""
    return name_of(condition.plugin)


def name_of(plugin: Plugin) -> str:
    """As decisions call it."""
    return f"plugin {plugin.name} {plugin.version}"


def shown(answer: Answer) -> str:
    """Why there is none."""
    return f"failed: {answer.detail or answer.failed}"


def answered(plugin: Plugin, view: View) -> Answer:
    """What it says of this moment. That it has not answered is noted, to be counted."""
    answer = _asked(plugin, view)
    if answer.failed and view.told is not None:
        view.told.append(Note(outcome="plugin_failed", reason=answer.failed, step=f"{plugin.name}/{plugin.version}"))
    return answer


def _asked(plugin: Plugin, view: View) -> Answer:
    return ask(plugin, {name: _input(name, view) for name in plugin.inputs})


def _input(reference: str, view: View) -> Any:
    origin, _, word = reference.partition(".")
    if origin == "trigger":
        return view.words.get(word)
    if origin == "fact":
        return None if view.profile is None else value_of(view.profile, word)
    return to_wire(view.now)
