"""The web side of the mailbox: a page for people, JSON for programs, each message as it came.

/?to=TEXT&show=NUMBER&part=html|text|headers     the page
/messages/NUMBER/html, /messages/NUMBER.eml      one message: its HTML in a sandbox, the original
/api/messages?to=&command_id=&limit=&offset=     newest first, with totals
/api/messages/NUMBER                             one message with its headers and parts
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from aiohttp import web
from liquid import BoundTemplate, Environment

from agents.mailbox.store import Store, Stored
from schemas import instants

PAGE_MESSAGES = 100
LIMIT_MAX = 1_000
NUMBER_LENGTH_MAX = 16

_STORE: web.AppKey[Store] = web.AppKey("store", Store)
_PAGE: web.AppKey[BoundTemplate] = web.AppKey("page", BoundTemplate)

# A message is somebody else's HTML: no scripts, no forms, nothing of this page in reach, and nothing fetched.
MESSAGE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; connect-src 'self'; frame-src 'self';"
    " form-action 'self'; base-uri 'none'; img-src data:"
)


def application(store: Store) -> web.Application:
    """The routes over one store."""
    app = web.Application()
    app[_STORE] = store
    source = Path(__file__).with_name("page.html.liquid").read_text(encoding="utf-8")
    app[_PAGE] = Environment(autoescape=True).from_string(source)
    app.add_routes(
        [
            web.get("/", page),
            web.get(r"/messages/{number:\d{1,15}}/html", html),
            web.get(r"/messages/{number:\d{1,15}}.eml", original),
            web.get("/api/messages", api_list),
            web.get(r"/api/messages/{number:\d{1,15}}", api_one),
        ]
    )
    return app


async def page(request: web.Request) -> web.Response:
    """The list beside one message, by default the newest."""
    store, to = request.app[_STORE], request.query.get("to", "")
    found = list(store.newest_first(to=to))
    before = _number(request, "before") or store.received + 1
    listed = [stored for stored in found if stored.number < before][:PAGE_MESSAGES]
    shown = store.get(_number(request, "show")) or next(iter(listed), None)
    whole = _whole(shown) if shown else {}
    part = request.query.get("part", "html")
    nonce = secrets.token_urlsafe(12)
    text = request.app[_PAGE].render(
        nonce=nonce,
        to=to,
        before=_number(request, "before") or None,
        total=len(found),
        received=store.received,
        dropped=store.dropped,
        listed=[_row(stored) for stored in listed],
        shown=whole or None,
        part="headers" if part == "headers" else part if whole.get(part) else "text",
        older=listed[-1].number if listed and listed[-1] is not found[-1] else None,
    )
    headers = {"Content-Security-Policy": PAGE_POLICY.format(nonce=nonce)}
    return web.Response(text=text, content_type="text/html", headers=headers)


async def html(request: web.Request) -> web.Response:
    """The HTML part alone, for the frame."""
    headers = {"Content-Security-Policy": MESSAGE_POLICY, "X-Content-Type-Options": "nosniff"}
    return web.Response(text=_asked(request).part("html"), content_type="text/html", headers=headers)


async def original(request: web.Request) -> web.Response:
    """The message as it came."""
    return web.Response(body=_asked(request).content, content_type="message/rfc822")


async def api_list(request: web.Request) -> web.Response:
    """One window of the list."""
    store = request.app[_STORE]
    found = list(store.newest_first(to=request.query.get("to", ""), command_id=request.query.get("command_id", "")))
    start, limit = _number(request, "offset"), min(_number(request, "limit", PAGE_MESSAGES), LIMIT_MAX)
    return web.json_response(
        {
            "total": len(found),
            "received": store.received,
            "dropped": store.dropped,
            "messages": [_row(stored) for stored in found[start : start + limit]],
        }
    )


async def api_one(request: web.Request) -> web.Response:
    """One message."""
    return web.json_response(_whole(_asked(request)))


def _row(stored: Stored) -> dict[str, Any]:
    return {
        "number": stored.number,
        "received_at": instants.to_wire(stored.received_at),
        "dated_at": instants.to_wire(stored.dated_at),
        "from": stored.sender,
        "to": list(stored.recipients),
        "subject": stored.subject,
        "command_id": stored.command_id,
        "size_bytes": len(stored.content),
    }


def _whole(stored: Stored) -> dict[str, Any]:
    return _row(stored) | {"headers": stored.headers(), "text": stored.part("plain"), "html": stored.part("html")}


def _asked(request: web.Request) -> Stored:
    stored = request.app[_STORE].get(int(request.match_info["number"]))
    if stored is None:
        raise web.HTTPNotFound(text="no message has this number; the oldest are dropped when there are too many")
    return stored


def _number(request: web.Request, name: str, default: int = 0) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < NUMBER_LENGTH_MAX else default
