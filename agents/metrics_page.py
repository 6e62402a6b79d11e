"""The page that Prometheus reads, one of each process; and beside it what else a process tells of itself.

A thread of its own serves it, so that it answers also while the process does nothing else.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import CollectorRegistry, disable_created_metrics, make_wsgi_app

from agents.errors import Misconfigured
from agents.settings import LOOPBACK, Port, choose_port, family_of

PORT_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A JSON object; not `ok` is status 503."""

    ok: bool
    body: Mapping[str, Any]


Page = Callable[[], Answer]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody reads who asked."""


@contextmanager
def metrics_page(registry: CollectorRegistry, *, port: Port, pages: Mapping[str, Page] | None = None) -> Iterator[str]:
    """`/metrics` while the body runs, and `pages` by their path. Yields the URL of the former, as this machine has it.

    Raises `Misconfigured` if no port is to be had, or the address is not one of this machine.
    """
    _require_address(port.host)
    # Or each counter would have a second series, which only tells when the process began.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    app = _with_pages(make_wsgi_app(registry), pages or {})
    kind = _Server6 if family_of(port.host) == socket.AF_INET6 else _Server
    for _ in range(PORT_ATTEMPTS):
        number = choose_port(port)
        try:
            server = make_server(port.host, number, app, kind, handler_class=_Silent)
        except OSError:
            continue  # another process that starts now was faster
        break
    else:
        raise Misconfigured("no port for the metrics page", next_step=f"set {port.variable} to a free port")
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{_reached_at(port.host)}:{number}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _require_address(host: str) -> None:
    try:
        with socket.socket(family_of(host), socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except OSError as error:
        raise Misconfigured(
            f"CARTWHEEL_METRICS_BIND is {host}, which cannot be listened at ({error.strerror})",
            next_step=f"set it to an address of this machine, to 0.0.0.0 for all of them, or unset it for {LOOPBACK}",
        ) from error


def _reached_at(host: str) -> str:
    """From this machine: what listens everywhere listens on loopback, too."""
    if ipaddress.ip_address(host).is_unspecified:
        host = "::1" if ":" in host else LOOPBACK
    return f"[{host}]" if ":" in host else host


def _with_pages(metrics: Callable[..., Iterable[bytes]], pages: Mapping[str, Page]) -> Callable[..., Iterable[bytes]]:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        page = pages.get(environ["PATH_INFO"])
        if page is None:
            return metrics(environ, start_response)
        answer = page()
        start_response(
            "200 OK" if answer.ok else "503 Service Unavailable", [("Content-Type", "application/json; charset=utf-8")]
        )
        return [orjson.dumps(answer.body)]

    return app
