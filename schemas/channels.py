"""Channels: the ways on which messages reach people, and what each needs to know of them."""

from __future__ import annotations

#: Which identifier a channel needs. `log` needs none: it reaches nobody.
ADDRESS_OF_CHANNEL: dict[str, str] = {"email": "email", "sms": "phone"}
CHANNELS: tuple[str, ...] = (*ADDRESS_OF_CHANNEL, "log")
#: To which somebody may agree, also before we can send there.
CONSENT_CHANNELS: tuple[str, ...] = ("email", "sms", "push", "whatsapp", "on_site", "webhook")


def is_addressed(channel: str) -> bool:
    """Whether messages of this channel reach a person, who then has a say in it."""
    return channel in ADDRESS_OF_CHANNEL
