"""`unknown_template`, `bad_template` and `not_in_message`: a message without a text that can be sent."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from schemas.catalog import words_of
from schemas.flow import Flow
from schemas.steps import Send
from streams.flowfile.lint.subject import Note, Subject
from streams.flowfile.nodes import at
from streams.flowfile.reader import TRIGGER
from streams.flowfile.surroundings import Template
from streams.flowfile.triggers.date import EVENT as DATE
from streams.flowfile.triggers.date import WORDS as OF_DATES
from streams.flowfile.triggers.start import MOMENT_WORDS

UNRENDERED = "log"  # this channel prints the variables and needs no template
ALWAYS = frozenset({"trigger", "addresses"})


def templates(subject: Subject, note: Note) -> None:
    """Only where the folder of templates is known."""
    known = subject.around.templates
    if known is None:
        return
    for index, step in enumerate(subject.flow.steps):
        if not isinstance(step, Send) or step.channel == UNRENDERED:
            continue
        place, template = at(subject.nodes[index], "send", "template"), known.get(step.template)
        if template is None:
            near = get_close_matches(step.template, sorted(known), n=1)
            message = f"there is no template `{step.template}` beside the flows"
            note("unknown_template", place, message, suggestion=near[0] if near else None)
            continue
        if template.broken:
            note("bad_template", place, f"the template `{step.template}` cannot be read: {template.broken}")
        for wanted, near_by in _missing(template, step, subject.flow):
            message = f"the template `{step.template}` asks for `{wanted}`, which this message does not bring"
            hint = get_close_matches(wanted, sorted(near_by), n=1)
            note("not_in_message", place, message, suggestion=hint[0] if hint else None)


def _missing(template: Template, step: Send, flow: Flow) -> Iterator[tuple[str, list[str]]]:
    """What it asks for in vain, and what it might have meant."""
    words = [TRIGGER + word for word in _words(flow)]
    variables = ALWAYS | step.variables.keys()
    for variable, word in sorted(template.asks):
        if variable not in variables:
            yield variable, [*variables, *words]
        elif variable == "trigger" and word and TRIGGER + word not in words:
            yield TRIGGER + word, words


def _words(flow: Flow) -> list[str]:
    """Those of the trigger."""
    if flow.appointment is not None:
        return list(OF_DATES if flow.trigger.event == DATE else MOMENT_WORDS)
    return [*words_of(flow.trigger.event), *(word for word, _ in flow.trigger.words)]
