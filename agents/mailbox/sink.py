"""The SMTP side of the mailbox, and the mailbox as a whole. Both servers listen on loopback only."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from aiosmtpd.smtp import SMTP

from agents.mailbox.page import application
from agents.mailbox.store import MESSAGES_MAX, Store
from agents.settings import LOOPBACK

MESSAGE_BYTES_MAX = 4 * 1024 * 1024


class Mailbox:
    """The mailbox; `async with` starts and stops it. Port 0 means any free one: `smtp_port` and `url` say which."""

    def __init__(
        self,
        *,
        smtp_port: int = 0,
        page_port: int = 0,
        folder: Path | None = None,
        messages_max: int = MESSAGES_MAX,
    ) -> None:
        self.store = Store(folder=folder, messages_max=messages_max)
        self.smtp_port, self.page_port = smtp_port, page_port
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """The page."""
        return f"http://{LOOPBACK}:{self.page_port}/"

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError if a port is taken."""
        async with self._stack:
            await self._serve_mail()
            await self._serve_page()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _serve_mail(self) -> None:
        loop = asyncio.get_running_loop()

        def session() -> SMTP:
            return SMTP(
                _Handler(self.store),
                loop=loop,
                hostname="mailbox.localhost",
                ident="Cartwheel mailbox",
                data_size_limit=MESSAGE_BYTES_MAX,
                enable_SMTPUTF8=True,
            )

        server = await loop.create_server(session, LOOPBACK, self.smtp_port)
        self._stack.callback(server.close)
        self.smtp_port = server.sockets[0].getsockname()[1]

    async def _serve_page(self) -> None:
        runner = web.AppRunner(application(self.store), access_log=None)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, LOOPBACK, self.page_port)
        await site.start()
        self.page_port = runner.addresses[0][1]


class _Handler:
    """Answers the end of DATA; the rest of the protocol is aiosmtpd's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        stored = self._store.add(envelope.content, sender=envelope.mail_from, recipients=envelope.rcpt_tos)
        return f"250 2.0.0 kept as number {stored.number}"
