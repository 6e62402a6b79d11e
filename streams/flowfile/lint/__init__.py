"""The linter: what compiles and is probably not meant. One module per rule, one line each in this table.

It looks only at flows without an error. Most rules warn; what can never work is an error.
"""

from __future__ import annotations

from collections.abc import Callable

from streams.flowfile.lint import exits, fields, joints, lags, plugins, templates
from streams.flowfile.lint.subject import Note, Subject

__all__ = ["RULES", "Subject", "lint"]

RULES: tuple[Callable[[Subject, Note], None], ...] = (
    lags.delay_below_source_lag,
    exits.missing_exit,
    joints.always_true_negation,
    joints.never_true,
    fields.field_not_sent,
    templates.unknown_template,
    plugins.unknown_plugin,
)


def lint(subject: Subject, note: Note) -> None:
    """Note what every rule finds."""
    for rule in RULES:
        rule(subject, note)
