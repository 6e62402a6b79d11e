"""The SMTP sender: one kept connection, and an exact account of how far a message got.

Until the text of a message goes out (DATA), every failure is harmless: it is tried again. From there on only a clear
answer counts. Without one, the server may or may not have taken the message, and it is not sent again: `unknown`.
"""

from __future__ import annotations

import asyncio
import logging
from email.headerregistry import Address
from typing import ClassVar, NamedTuple

import aiosmtplib

from agents.dispatch.leases import Outcome
from agents.dispatch.message import email, recipient
from agents.dispatch.templates import Templates
from schemas.command import Command

SEND_SECONDS_MAX = 20.0
REPLY_LENGTH_MAX = 200

#: Refusals of this message; any other refusal is about the connection and says nothing of the message.
OF_THE_MESSAGE = (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)

_log = logging.getLogger("cartwheel.dispatch")


class Mail(NamedTuple):
    """A message as it goes over the wire."""

    recipient: str
    content: bytes


class SmtpSender:
    """Sends to one SMTP server, one message after the other."""

    name: ClassVar = "smtp"
    channel: ClassVar = "email"
    idempotent: ClassVar = False
    at_once: ClassVar = 1

    def __init__(self, *, host: str, port: int, mail_from: Address, templates: Templates) -> None:
        self._smtp = aiosmtplib.SMTP(hostname=host, port=port, timeout=SEND_SECONDS_MAX)
        self._mail_from = mail_from
        self._templates = templates

    def prepare(self, command: Command) -> Mail:
        """The message from the command's template. Raises `CannotSend`."""
        variables = {**command.variables, "addresses": command.addresses}
        message = email(command, self._templates.render(command.template, variables), mail_from=self._mail_from)
        return Mail(recipient(command).addr_spec, message.as_bytes())

    async def deliver(self, message: Mail) -> Outcome:
        """Hand the message to the server."""
        data_begun = False
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                if not self._smtp.is_connected:
                    await self._smtp.connect()
                await self._smtp.mail(self._mail_from.addr_spec)
                await self._smtp.rcpt(message.recipient)
                data_begun = True
                reply = await self._smtp.data(message.content)
        except OF_THE_MESSAGE as answer:
            # The connection goes with it, so that nothing half taken is left on it.
            self._smtp.close()
            return _refused(answer.code, data_begun=data_begun)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            self._smtp.close()
            reason = "no_answer" if data_begun else "smtp_unreachable"
            _log.warning("SMTP: %s (%s)", reason, str(error) or type(error).__name__)
            return Outcome("unknown" if data_begun else "pending", reason)
        return Outcome("accepted", provider_id=_printable(reply.message))

    async def close(self) -> None:
        """Say goodbye if there is anybody to say it to."""
        if self._smtp.is_connected:
            try:
                await self._smtp.quit(timeout=1.0)
            except (aiosmtplib.SMTPException, OSError):
                self._smtp.close()


def _refused(code: int, *, data_begun: bool) -> Outcome:
    """5xx is final, 4xx may pass. Any other code is no refusal, and once the text is out it could mean anything."""
    if 500 <= code < 600:
        return Outcome("rejected", f"smtp_{code}")
    if 400 <= code < 500 or not data_begun:
        return Outcome("pending", f"smtp_{code}")
    return Outcome("unknown", "no_answer")


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:REPLY_LENGTH_MAX]
