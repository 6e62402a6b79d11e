"""Findings: what is wrong with a file, where, what was expected, and what to do about it.

FlowFileError   a file cannot be used; `findings` holds everything that is wrong with it, in the order of the file
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from streams.flowfile.meanings import MEANINGS, Severity
from streams.flowfile.nodes import Node

#: How many findings of one file are kept. Whoever made more mistakes corrects these first.
FINDINGS_MAX = 100

Code = Literal[
    # the text is no strict YAML
    "too_large", "not_utf8", "syntax", "too_deep", "directive", "second_document", "anchor", "tag", "duplicate_key",
    "key_not_text", "empty_file",
    # the shape is wrong
    "wrong_shape", "unknown_key", "missing_key", "quotes_needed", "not_a_number", "bad_name", "bad_duration",
    "bad_choice", "out_of_range", "empty",
    # the words are wrong
    "not_available_yet", "unknown_event", "unknown_word", "unknown_operator", "wrong_kind", "bad_money", "bad_instant",
    "scope_without_key", "unknown_fact", "out_of_place", "unknown_zone", "parallel_without_key",
    # the steps do not fit together
    "no_step", "two_steps_in_one", "too_many_steps", "unknown_label", "label_twice", "unreachable_step", "cycle",
    # files beside each other
    "flow_twice",
    # a test timeline is wrong
    "bad_time", "not_in_order",
    # warnings
    "no_reentry_chosen",
    # the linter
    "delay_below_source_lag", "missing_exit", "always_true_negation", "never_true", "field_not_sent", "event_not_sent",
    "unknown_template", "no_templates", "bad_template", "not_in_message", "unknown_plugin", "asks_itself", "no_effect",
]  # fmt: skip


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake, or with severity `warning` one thing to reconsider. Lines and columns count from 1."""

    code: Code
    severity: Severity = "error"
    file: str
    line: int
    column: int
    message: str
    suggestion: str
    instead: bool = False  # the suggestion is what to write in place of what stands there, and no sentence

    @property
    def hint(self) -> str:
        """The suggestion as a sentence."""
        return f"Did you mean {self.suggestion}?" if self.instead else self.suggestion

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity} {self.code}: {self.message}. {self.hint}"


def finding(
    code: Code,
    at: Node,
    message: str,
    *,
    file: str,
    suggestion: str | None = None,
    advice: str | None = None,
) -> Finding:
    """A finding about a place in a file; how bad it is, its code says. `suggestion` is what to write there instead;
    where that is not known, `advice` says what to do, and without it the meaning of the code does.
    """
    meaning = MEANINGS[code]
    return Finding(
        code=code, severity=meaning.severity, file=file, line=at.line, column=at.column, message=message,
        suggestion=suggestion or advice or meaning.next_step, instead=bool(suggestion),
    )  # fmt: skip


class FlowFileError(ValueError):
    """A file cannot be used; `findings` says why, all at once."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = tuple(findings)


class Unreadable(Exception):
    """There is no tree. The reason is the last finding."""


class Findings(list[Finding]):
    """The findings of one file. At `FINDINGS_MAX` errors it gives up with `Unreadable`; of as many warnings, those
    behind them are left out, as nothing may fail for them.
    """

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file
        self._room = {"error": FINDINGS_MAX, "warning": FINDINGS_MAX}

    def note(
        self,
        code: Code,
        at: Node,
        message: str,
        *,
        suggestion: str | None = None,
        advice: str | None = None,
        file: str | None = None,
    ) -> None:
        """Add a `finding` about a place in the file, or in `file` beside it."""
        severity = MEANINGS[code].severity
        if not self._room[severity]:
            return
        self._room[severity] -= 1
        self.append(finding(code, at, message, file=file or self.file, suggestion=suggestion, advice=advice))
        if not self._room["error"]:
            raise Unreadable

    def in_order(self) -> list[Finding]:
        """The findings as they stand in the file, and behind them those in files beside it."""
        return sorted(self, key=lambda one: (one.file != self.file, one.file, one.line, one.column))

    def fatal(self, code: Code, at: Node, message: str, *, advice: str | None = None) -> Unreadable:
        """Add a finding after which there is nothing more to read; raise what this returns."""
        self.note(code, at, message, advice=advice)
        return Unreadable()
