"""`missing_exit`: a reminder about something unfinished, and nothing ends it when it is finished."""

from __future__ import annotations

from schemas.steps import Send
from streams.flowfile.findings import Findings
from streams.flowfile.lint.subject import Subject, exclusions
from streams.flowfile.nodes import at

_UNFINISHED = frozenset({"product_viewed", "cart_updated", "cart_item_added", "checkout_started"})


def missing_exit(subject: Subject, findings: Findings) -> None:
    """No exit, no filter, and no look at the person's history on the way to a marketing message."""
    flow = subject.flow
    sends = any(isinstance(step, Send) and step.message_class == "marketing" for step in flow.steps)
    if flow.trigger.event not in _UNFINISHED or not sends or flow.exits or flow.filter or exclusions(flow):
        return
    message = f"nothing stops the message when somebody has bought after `{flow.trigger.event}`"
    findings.note("missing_exit", at(subject.root, "entry", "trigger", "event"), message)
