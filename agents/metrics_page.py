"""The page that Prometheus reads, one of each process, on loopback; and beside it what else a process tells of itself.

A thread of its own serves it, so that it answers also while the process does nothing else.
"""

from __future__ import annotations

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
from agents.settings import LOOPBACK, Port, choose_port

PORT_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A JSON object; not `ok` is status 503."""

    ok: bool
    body: Mapping[str, Any]


Page = Callable[[], Answer]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody reads who asked."""


@contextmanager
def metrics_page(registry: CollectorRegistry, *, port: Port, pages: Mapping[str, Page] | None = None) -> Iterator[str]:
    """`/metrics` on loopback while the body runs, and `pages` by their path. Yields the URL of the former.

    Raises `Misconfigured` if no port is to be had.
    """
    # Or each counter would have a second series, which only tells when the process began.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    app = _with_pages(make_wsgi_app(registry), pages or {})
    for _ in range(PORT_ATTEMPTS):
        number = choose_port(port)
        try:
            server = make_server(LOOPBACK, number, app, _Server, handler_class=_Silent)
        except OSError:
            continue  # another process that starts now was faster
        break
    else:
        raise Misconfigured("no port for the metrics page", next_step=f"set {port.variable} to a free port")
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{number}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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
