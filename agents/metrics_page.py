"""The page that Prometheus reads, one of each process, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server

from agents.errors import Misconfigured
from agents.settings import LOOPBACK, Port, choose_port

PORT_ATTEMPTS = 20


@contextmanager
def metrics_page(registry: CollectorRegistry, *, port: Port) -> Iterator[str]:
    """`/metrics` on loopback while the body runs. Yields its URL; raises `Misconfigured` if no port is to be had."""
    # Or each counter would have a second series, which only tells when the process began.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    for _ in range(PORT_ATTEMPTS):
        number = choose_port(port)
        try:
            server, thread = start_http_server(number, addr=LOOPBACK, registry=registry)
        except OSError:
            continue  # another process that starts now was faster
        break
    else:
        raise Misconfigured("no port for the metrics page", next_step=f"set {port.variable} to a free port")
    try:
        yield f"http://{LOOPBACK}:{number}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
