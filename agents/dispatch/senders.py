"""Senders: how a message leaves. Here the rule that all share, and the one that only writes a line."""

from __future__ import annotations

import json
import logging
from typing import Any, ClassVar, Protocol

from agents.dispatch.leases import Outcome
from schemas.command import Command

_log = logging.getLogger("cartwheel.dispatch")


class Sender(Protocol):
    """Prepares a message, before anything is risked, and hands it over, once."""

    name: ClassVar[str]
    channel: ClassVar[str]
    idempotent: ClassVar[bool]
    """Whether handing over twice does no harm. If not, a message whose fate is not known is never sent again."""
    at_once: ClassVar[int]
    """How many commands may be in `sending` together; if the process dies, that many are unknown."""

    def prepare(self, command: Command) -> Any:
        """The message, ready to be handed to `deliver`. Raises `CannotSend`."""

    async def deliver(self, message: Any) -> Outcome:
        """Hand it over. Whatever the provider does is an outcome and never an exception."""

    async def close(self) -> None:
        """Let go of the provider."""


class LogSender:
    """Writes one structured line for each command. The names of the variables are logged, what they hold is not."""

    name: ClassVar = "log"
    channel: ClassVar = "log"
    idempotent: ClassVar = True
    at_once: ClassVar = 100

    def prepare(self, command: Command) -> str:
        """The line. No template is needed."""
        return json.dumps(
            {
                "sent": command.command_id,
                "tenant": command.tenant,
                "profile_id": command.profile_id,
                "flow": command.flow,
                "step": command.step,
                "template": command.template,
                "variables": sorted(_names(command.variables)),
                "decided_at": command.decided_at,
            }
        )

    async def deliver(self, message: str) -> Outcome:
        """Write the line."""
        _log.info("%s", message)
        return Outcome("accepted")

    async def close(self) -> None:
        """Nothing to let go of."""


def _names(variables: dict[str, Any]) -> list[str]:
    """`trigger.total` and so on: the names a template could use."""
    return [
        f"{name}.{word}" if word else name
        for name, value in variables.items()
        for word in (value if isinstance(value, dict) and value else [""])
    ]
