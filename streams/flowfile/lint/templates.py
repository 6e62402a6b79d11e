"""`unknown_template`: a message without a text to send."""

from __future__ import annotations

from difflib import get_close_matches

from schemas.steps import Send
from streams.flowfile.lint.subject import Note, Subject
from streams.flowfile.nodes import at

UNRENDERED = "log"  # this channel prints the variables and needs no template


def unknown_template(subject: Subject, note: Note) -> None:
    """Only where the folder of templates is known."""
    known = subject.around.templates
    if known is None:
        return
    for index, step in enumerate(subject.flow.steps):
        if isinstance(step, Send) and step.channel != UNRENDERED and step.template not in known:
            near = get_close_matches(step.template, sorted(known), n=1)
            message = f"there is no template `{step.template}` beside the flows"
            place = at(subject.nodes[index], "send", "template")
            note("unknown_template", place, message, suggestion=near[0] if near else None)
