"""The mailbox as programs and people meet it: over SMTP on one side, over HTTP on the other."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agents.mailbox import Mailbox
from agents.settings import LOOPBACK


def written(number: int, *, html: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "Shop <shop@example.com>", f"shopper{number}@example.com"
    message["Subject"] = f"Message {number}, grüße"
    message["Date"] = "Fri, 28 Jul 2017 10:00:00 +0000"
    message["X-Cartwheel-Command-Id"] = f"{number:032x}"
    message.set_content(f"Text {number}")
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


async def hand_over(mailbox: Mailbox, *messages: EmailMessage | bytes) -> None:
    def send() -> None:
        with smtplib.SMTP(LOOPBACK, mailbox.smtp_port) as smtp:
            for message in messages:
                if isinstance(message, bytes):
                    smtp.sendmail("a@example.com", ["b@example.com"], message)
                else:
                    smtp.send_message(message)

    await asyncio.to_thread(send)


async def get(mailbox: Mailbox, path: str, **query: str) -> Any:
    async with aiohttp.ClientSession() as client, client.get(mailbox.url + path, params=query) as answer:
        assert answer.status == 200, (path, answer.status)
        return await (answer.json() if answer.content_type == "application/json" else answer.text())


async def test_messages_are_listed_newest_first_and_found_by_recipient_and_command() -> None:
    async with Mailbox() as mailbox:
        await hand_over(mailbox, *(written(number) for number in (1, 2, 12)))
        everything = await get(mailbox, "api/messages")
        found = await get(mailbox, "api/messages", to="SHOPPER1", limit="1")
        ordered = await get(mailbox, "api/messages", command_id=f"{2:032x}")
    assert [row["number"] for row in everything["messages"]] == [3, 2, 1]
    assert (everything["total"], everything["received"], everything["dropped"]) == (3, 3, 0)
    assert (found["total"], [row["to"] for row in found["messages"]]) == (2, [["shopper12@example.com"]])
    assert [row["subject"] for row in ordered["messages"]] == ["Message 2, grüße"]
    assert ordered["messages"][0]["dated_at"] == "2017-07-28T10:00:00.000Z"


async def test_one_message_is_shown_with_its_parts_and_headers_and_as_it_came() -> None:
    async with Mailbox() as mailbox:
        await hand_over(mailbox, written(1, html="<p>Hello</p>"))
        whole = await get(mailbox, "api/messages/1")
        original = await get(mailbox, "messages/1.eml")
    assert (whole["text"].strip(), whole["html"].strip()) == ("Text 1", "<p>Hello</p>")
    assert ["X-Cartwheel-Command-Id", f"{1:032x}"] in whole["headers"]
    assert "Text 1" in original
    assert "X-Cartwheel-Command-Id" in original


async def test_the_page_shows_the_newest_message_and_keeps_strange_html_in_its_place() -> None:
    hostile = written(2, html="<script>parent.document.title = 'gone'</script>")
    hostile.replace_header("Subject", "<script>alert(1)</script>")
    async with Mailbox() as mailbox:
        empty = await get(mailbox, "")
        await hand_over(mailbox, written(1), hostile)
        page = await get(mailbox, "")
        text = await get(mailbox, "", show="1", part="text")
        headers = await get(mailbox, "", show="1", part="headers")
        nothing = await get(mailbox, "", to="<nobody>")
        async with aiohttp.ClientSession() as client, client.get(f"{mailbox.url}messages/2/html") as answer:
            policy = answer.headers["Content-Security-Policy"]
    assert "No message yet" in empty
    assert '<iframe sandbox src="/messages/2/html"' in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "<pre>Text 1" in text
    assert "X-Cartwheel-Command-Id" in headers
    assert "Nothing for “&lt;nobody&gt;”" in nothing
    assert policy.startswith("sandbox; default-src 'none'")


async def test_beyond_its_bound_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    async with Mailbox(messages_max=2, folder=tmp_path) as mailbox:
        await hand_over(mailbox, *(written(number) for number in (1, 2, 3)))
        listing = await get(mailbox, "api/messages")
        page = await get(mailbox, "")
        async with aiohttp.ClientSession() as client, client.get(f"{mailbox.url}api/messages/1") as answer:
            assert answer.status == 404
    assert ([row["number"] for row in listing["messages"]], listing["dropped"]) == ([3, 2], 1)
    assert "1 older dropped" in page
    files = {path.name: path.read_bytes() for path in sorted(tmp_path.iterdir())}  # noqa: ASYNC240 - a few bytes
    assert list(files) == ["000002.eml", "000003.eml"]
    assert b"Text 3" in files["000003.eml"]


@pytest.mark.parametrize(
    "strange",
    [
        b"",
        b"no header at all",
        b"Subject: =?utf-8?b?broken\r\nDate: never\r\nTo: <<<\r\n\r\nbody",
        b"Content-Type: text/html; charset=nonsense\r\n\r\n\xff\xfe",
        b"Content-Type: multipart/mixed\r\n\r\n--nowhere",
    ],
)
async def test_a_message_that_makes_no_sense_is_kept_and_shown(strange: bytes) -> None:
    async with Mailbox() as mailbox:
        await hand_over(mailbox, strange)
        listing = await get(mailbox, "api/messages")
        whole = await get(mailbox, "api/messages/1")
        await get(mailbox, "")
        await get(mailbox, "", part="headers")
    assert listing["total"] == 1
    assert whole["to"] == ["b@example.com"]


async def test_a_taken_port_is_said_and_leaves_nothing_listening() -> None:
    async with Mailbox() as first:
        with pytest.raises(OSError, match="in use"):
            await Mailbox(page_port=first.page_port).__aenter__()
        with pytest.raises(OSError, match="in use"):
            await Mailbox(smtp_port=first.smtp_port).__aenter__()
        await hand_over(first, written(1))
    assert first.store.per_command() == {f"{1:032x}": 1}
