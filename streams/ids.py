"""Derived ids: the same cause gives the same id in every replay, on every machine."""

from __future__ import annotations

from hashlib import blake2b


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def enrollment_id(*, tenant: str, profile_id: str, flow: str, key: str, trigger_type: str, trigger_id: str) -> str:
    """Of one run of a flow: what began it, not when we saw it. `trigger_id` is the trigger's dedupe identity."""
    return _hash(f"{tenant}\x1f{profile_id}\x1f{flow}\x1f{key}\x1f{trigger_type}\x1f{trigger_id}")


def command_id(*, enrollment_id: str, step: str, visit: int) -> str:
    """Of one message: `visit` grows each time the enrollment goes through its steps anew."""
    return _hash(f"{enrollment_id}\x1f{step}\x1f{visit}")


def recall_id(*, command_id: str) -> str:
    """Of the order not to send a message after all; there is at most one of each."""
    return _hash(f"recall\x1f{command_id}")


def decision_group(*, enrollment_id: str, visit: int, base_at: int) -> str:
    """Of the messages of one enrollment at one moment: `base_at` is when its last wait began to count."""
    return _hash(f"group\x1f{enrollment_id}\x1f{visit}\x1f{base_at}")


def decision_id(*, subject: str, flow: str, step: str, outcome: str, reason: str, cause: str) -> str:
    """Of one decision: about whom or what, and the record that caused it."""
    return _hash(f"decision\x1f{subject}\x1f{flow}\x1f{step}\x1f{outcome}\x1f{reason}\x1f{cause}")
