"""The linter: what compiles and is probably not meant. One module per rule, one line each in this table.

It looks only at flows without an error. Most rules warn; what can never work is an error.
"""

from __future__ import annotations

from collections.abc import Callable

from streams.flowfile.findings import Findings
from streams.flowfile.lint import contradictions, effects, exits, fields, itself, joints, lags, plugins, templates
from streams.flowfile.lint.subject import Subject

__all__ = ["RULES", "Subject", "lint"]

RULES: tuple[Callable[[Subject, Findings], None], ...] = (
    lags.delay_below_source_lag,
    exits.missing_exit,
    joints.always_true_negation,
    contradictions.never_true,
    itself.asks_itself,
    effects.no_effect,
    fields.field_not_sent,
    fields.event_not_sent,
    templates.templates,
    plugins.unknown_plugin,
)


def lint(subject: Subject, findings: Findings) -> None:
    """Note what every rule finds."""
    for rule in RULES:
        rule(subject, findings)
