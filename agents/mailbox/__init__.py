"""The local mailbox: an SMTP sink on loopback, and a page that shows what arrived. It delivers nothing to anybody.

    async with Mailbox(smtp_port=1025, page_port=8025) as mailbox:
        ...
        mailbox.store.per_command()

Needs the `local` extra.
"""

from __future__ import annotations

from agents.mailbox.sink import Mailbox
from agents.mailbox.store import Store, Stored

__all__ = ["Mailbox", "Store", "Stored"]
