"""`no_templates`, `unknown_template`, `bad_template`, `not_in_message`: a message without a text that can be sent.

What is wrong in a template is found in its file, for each message that is made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from schemas.catalog import words_of
from schemas.flow import Flow
from schemas.steps import Send
from streams.flowfile.findings import Findings
from streams.flowfile.lint.subject import Subject
from streams.flowfile.nodes import Node, at, cut
from streams.flowfile.reader import NAME_LENGTH_MAX, TRIGGER
from streams.flowfile.surroundings import Place, Template
from streams.flowfile.triggers.date import EVENT as DATE
from streams.flowfile.triggers.date import WORDS as OF_DATES
from streams.flowfile.triggers.start import MOMENT_WORDS

UNRENDERED = "log"  # this channel prints the variables and needs no template
ALWAYS = frozenset({"trigger", "addresses"})


def templates(subject: Subject, findings: Findings) -> None:
    """Only where it is known which templates there are; of a folder that is missing one finding says it all."""
    known = subject.around.templates
    if known is None:
        return
    for index, step in enumerate(subject.flow.steps):
        if not isinstance(step, Send) or step.channel == UNRENDERED:
            continue
        place = at(subject.nodes[index], "send", "template")
        if known == "no folder":
            what = f"the message `{step.label}` needs the template `{cut(step.template)}`"
            message = f"{what}, and no folder `templates` is beside the flow"
            findings.note("no_templates", place, message, advice=_files_of(step.template, "Write"))
            return
        if (template := known.get(step.template)) is None:
            near = get_close_matches(step.template, sorted(known), n=1)
            message = f"there is no template `{step.template}` beside the flows"
            advice = _files_of(step.template, "Correct the name, or write")
            findings.note("unknown_template", place, message, suggestion=near[0] if near else None, advice=advice)
        else:
            _note_mistakes(template, step, subject.flow, findings)


def _files_of(name: str, write: str) -> str:
    return f"{write} `templates/{cut(name)}.subject.liquid` and `templates/{cut(name)}.text.liquid`."


def _note_mistakes(template: Template, step: Send, flow: Flow, findings: Findings) -> None:
    if template.broken is not None:
        why, (file, line, column) = template.broken
        message = f"the template `{step.template}` of `{step.label}` cannot be read: {why}"
        findings.note("bad_template", Node(line, column), message, file=file)
    for wanted, (file, line, column), near_by in _missing(template, step, flow):
        message = f"`{cut(wanted)}` is nothing that the message `{step.label}` of `{flow.name}` brings"
        hint = get_close_matches(wanted[:NAME_LENGTH_MAX], sorted(near_by), n=1)
        findings.note("not_in_message", Node(line, column), message, suggestion=hint[0] if hint else None, file=file)


def _missing(template: Template, step: Send, flow: Flow) -> Iterator[tuple[str, Place, list[str]]]:
    """What it asks for in vain, and what it might have meant."""
    words = [TRIGGER + word for word in _words(flow)]
    variables = ALWAYS | step.variables.keys()
    for (variable, word), place in sorted(template.asks.items()):
        if variable not in variables:
            yield variable, place, [*variables, *words]
        elif variable == "trigger" and word and TRIGGER + word not in words:
            yield TRIGGER + word, place, words


def _words(flow: Flow) -> list[str]:
    """Those of the trigger."""
    if flow.appointment is not None:
        return list(OF_DATES if flow.trigger.event == DATE else MOMENT_WORDS)
    return [*words_of(flow.trigger.event), *(word for word, _ in flow.trigger.words)]
