"""A command and its rendered parts as an e-mail. Nothing that a shop or a shopper wrote can add a header to it."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from agents.dispatch.templates import CannotSend, Rendered
from schemas import instants
from schemas.command import Command

COMMAND_ID_HEADER = "X-Cartwheel-Command-Id"
ADDRESS_LENGTH_MAX = 320
SUBJECT_LENGTH_MAX = 500
NEVER_IN_A_HEADER = frozenset({"Cc", "Cs", "Zl", "Zp"})

# Seven bits pass every server; the default would need an extension that some do not have.
_POLICY = SMTP.clone(cte_type="7bit")


def email(command: Command, rendered: Rendered, *, mail_from: Address) -> EmailMessage:
    """The message. Its Message-ID follows from the command, so that a bounce leads back to it.

    It comes from the storefront, where that has a sender or a name, else from `mail_from`. It is dated now; a command
    on a carried clock dates it by its own decision. Raises `CannotSend` (`address_missing`, `address_invalid`,
    `sender_invalid`).
    """
    carried = command.clock == "carried"
    dated_at = instants.to_datetime(instants.from_wire(command.decided_at)) if carried else datetime.now(UTC)
    message = EmailMessage(policy=_POLICY)
    message["From"] = _sender(command, mail_from)
    message["To"] = recipient(command)
    message["Subject"] = _one_line(rendered.subject)[:SUBJECT_LENGTH_MAX]
    message["Date"] = format_datetime(dated_at)
    message["Message-ID"] = f"<{command.command_id}@{mail_from.domain}>"
    message[COMMAND_ID_HEADER] = command.command_id
    message.set_content(rendered.text)
    if rendered.html is not None:
        message.add_alternative(rendered.html, subtype="html")
    return message


def recipient(command: Command) -> Address:
    """The one recipient, its domain in ASCII form. Raises `CannotSend`."""
    text = command.addresses.get("email")
    if not text:
        raise CannotSend("address_missing", detail="the command has no e-mail address")
    try:
        return address(text)
    except ValueError as error:
        raise CannotSend("address_invalid", detail=str(error)) from error


def _sender(command: Command, mail_from: Address) -> Address:
    name = command.storefront_name or mail_from.display_name
    try:
        return named_address(command.sender) if command.sender else Address(name, addr_spec=mail_from.addr_spec)
    except ValueError as error:
        raise CannotSend("sender_invalid", detail=f"the sender of storefront {command.storefront}: {error}") from error


def named_address(text: str) -> Address:
    """`name@domain` or `Name <name@domain>`. Raises ValueError, whose text does not repeat the address."""
    name, plain = parseaddr(text)
    return Address(name, addr_spec=address(plain).addr_spec)


def address(text: str) -> Address:
    """A plain address, `name@domain`. Raises ValueError, whose text does not repeat the address."""
    name, at, domain = text.strip().rpartition("@")
    if not at or len(text) > ADDRESS_LENGTH_MAX or not text.isprintable():
        raise ValueError("not an address: it must be name@domain, printable, of at most 320 characters")
    try:
        return Address(addr_spec=f"{name}@{domain.encode('idna').decode()}")
    except (ValueError, LookupError, MessageError) as error:
        # The parser of the standard library stumbles in several ways over a text that is no address.
        raise ValueError(f"not an address ({type(error).__name__})") from error


def _one_line(text: str) -> str:
    """Without control characters and line ends of any script: they would begin another header."""
    return "".join(character for character in text if unicodedata.category(character) not in NEVER_IN_A_HEADER)
