"""The profile filter of a flow: whom it is for."""

from __future__ import annotations

from schemas.flow import Flow
from streams.predicates import judge
from streams.verdict import Note
from streams.view import View


def refusal(flow: Flow, view: View) -> Note | None:
    """Why this person is not let in, or None. Unknown does not admit."""
    if flow.filter is None or judge(flow.filter, view) is True:
        return None
    return Note(outcome="refused", reason="filter_false")
