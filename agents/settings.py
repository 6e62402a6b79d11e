"""Settings: every environment variable that Cartwheel reads, in one place.

Nothing else looks at the environment. A command reads it once, here, and hands the values on as arguments.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from agents.errors import Misconfigured
from schemas.codec import STATE_VERSION, STATE_VERSIONS

LOOPBACK = "127.0.0.1"
MAX_PARTITIONS = 1024
PORTS_TRIED = 100

_Value = TypeVar("_Value")
_Default = TypeVar("_Default")


@dataclass(frozen=True, slots=True)
class Port:
    """A port to listen on: the default, what `variable` configured instead, if anything, and at which address."""

    variable: str
    default: int
    configured: int | None = None
    host: str = LOOPBACK


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says, checked. `None` for an address means: the running local stack."""

    home: Path
    """State of this installation: stack, logs, local stores (`CARTWHEEL_HOME`, default `./.local`)."""
    cache: Path
    """Fetched files that installations share (`CARTWHEEL_CACHE`, default `~/.cache/cartwheel`)."""
    namespace: str
    """First word of every topic name (`CARTWHEEL_NAMESPACE`, default `cartwheel`)."""
    kafka: str | None
    """Bootstrap servers, `host:port[,host:port]` (`CARTWHEEL_KAFKA`)."""
    postgres: str | None
    """DSN, `postgresql://user@host:port/database` (`CARTWHEEL_POSTGRES`)."""
    partitions: int
    """Partitions of the raw and the profile topics, 1 to 1024 (`CARTWHEEL_PARTITIONS`, default 32). Chosen once."""
    state_version: int
    """Of the state that a worker writes (`CARTWHEEL_STATE_VERSION`, default the newest); the one before it while
    programs that know no newer one may still take over."""
    plugins: Path | None
    """Folder of the plug-ins that flows may ask (`CARTWHEEL_PLUGINS`); `--plugins` counts before it."""
    intake_metrics: Port
    """Of its page (`CARTWHEEL_METRICS_PORT_INTAKE`), at the address `CARTWHEEL_METRICS_BIND`, default 127.0.0.1."""
    worker_metrics: Port
    dispatcher_metrics: Port
    projector_metrics: Port
    smtp_host: str
    """Where messages are handed over (`CARTWHEEL_SMTP`, `host:port`, default `127.0.0.1:1025`)."""
    smtp: Port
    mailbox: Port
    """The page that shows what the local SMTP sink received (`CARTWHEEL_MAILBOX_PORT`, default 8025)."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings; an empty variable counts as unset.

        Raises `Misconfigured`, naming the variable, what it was and what is allowed.
        """
        read = _Reader(environ)
        bind = read("CARTWHEEL_METRICS_BIND", _address, LOOPBACK)
        smtp_host, smtp_port = read("CARTWHEEL_SMTP", _host_and_port, (LOOPBACK, None))
        return cls(
            home=read("CARTWHEEL_HOME", _folder, _folder(".local")),
            cache=read("CARTWHEEL_CACHE", _folder, _folder("~/.cache/cartwheel")),
            namespace=read("CARTWHEEL_NAMESPACE", _namespace, "cartwheel"),
            kafka=read("CARTWHEEL_KAFKA", _bootstrap_servers, None),
            postgres=read("CARTWHEEL_POSTGRES", _dsn, None),
            partitions=read("CARTWHEEL_PARTITIONS", _partitions, 32),
            state_version=read("CARTWHEEL_STATE_VERSION", _state_version, STATE_VERSION),
            plugins=read("CARTWHEEL_PLUGINS", _folder, None),
            intake_metrics=read.port("CARTWHEEL_METRICS_PORT_INTAKE", 9101, host=bind),
            worker_metrics=read.port("CARTWHEEL_METRICS_PORT_WORKER", 9102, host=bind),
            dispatcher_metrics=read.port("CARTWHEEL_METRICS_PORT_DISPATCHER", 9103, host=bind),
            projector_metrics=read.port("CARTWHEEL_METRICS_PORT_PROJECTOR", 9104, host=bind),
            smtp_host=smtp_host,
            smtp=Port("CARTWHEEL_SMTP", 1025, smtp_port),
            mailbox=read.port("CARTWHEEL_MAILBOX_PORT", 8025),
        )


def choose_port(port: Port) -> int:
    """The port to listen on: the configured one, else the default or the next free one after it.

    The probe binds and lets go again, so it is no reservation: whoever listens must still be ready for
    the port to be gone. Raises `Misconfigured` if a configured port is taken or no port near the default is free.
    """
    if port.configured is not None:
        if is_free(port.configured, host=port.host):
            return port.configured
        raise Misconfigured(
            f"{port.variable} asks for port {port.configured}, and another program listens there",
            next_step=f"stop that program, choose another port, or unset {port.variable} to take the next free one",
        )
    for candidate in range(port.default, port.default + PORTS_TRIED):
        if is_free(candidate, host=port.host):
            return candidate
    raise Misconfigured(
        f"no port from {port.default} to {port.default + PORTS_TRIED - 1} is free",
        next_step=f"set {port.variable} to a free port",
    )


def choose_ports(*ports: Port) -> list[int]:
    """A port for each, no two the same. Raises as `choose_port`."""
    chosen: list[int] = []
    for port in ports:
        number = choose_port(port)
        while number in chosen:
            number = choose_port(replace(port, default=number + 1))
        chosen.append(number)
    return chosen


def is_free(number: int, *, host: str = LOOPBACK) -> bool:
    """Whether a listener could bind this port right now."""
    with socket.socket(family_of(host), socket.SOCK_STREAM) as probe:
        # Servers set this too; without it a port whose last connections linger would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError:
            return False
    return True


def family_of(host: str) -> socket.AddressFamily:
    """Of an address in numbers."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class _Reader:
    """Reads one variable at a time and turns a refused value into an error that names it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __call__(self, variable: str, parse: Callable[[str], _Value], default: _Default) -> _Value | _Default:
        text = self._environ.get(variable, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            raise Misconfigured(
                f"{variable} is {without_password(text)!r}; it must be {error}",
                next_step=f"correct {variable} or unset it for the default",
            ) from None

    def port(self, variable: str, default: int, *, host: str = LOOPBACK) -> Port:
        return Port(variable, default, self(variable, _port, None), host)


def _folder(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _whole_number(text: str, *, low: int, high: int, what: str) -> int:
    if text.isascii() and text.isdigit() and low <= int(text) <= high:
        return int(text)
    raise ValueError(f"{what} from {low} to {high}")


def _port(text: str) -> int:
    return _whole_number(text, low=1, high=65535, what="a port")


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("an IP address of this machine, or 0.0.0.0 for all of them") from None


def _partitions(text: str) -> int:
    return _whole_number(text, low=1, high=MAX_PARTITIONS, what="a whole number")


def _state_version(text: str) -> int:
    return _whole_number(text, low=STATE_VERSIONS[0], high=STATE_VERSIONS[-1], what="a state version")


def _namespace(text: str) -> str:
    # Kafka allows 249 characters of this alphabet; the rest of a topic name takes up to 20 of them.
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", text):
        return text
    raise ValueError("1 to 100 letters, digits, '-' or '_', beginning with a letter or digit")


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    try:
        if colon and host:
            return host, _port(port)
    except ValueError:
        pass
    raise ValueError("host:port, for example 127.0.0.1:1025")


def _bootstrap_servers(text: str) -> str:
    try:
        for server in text.split(","):
            _host_and_port(server.strip())
    except ValueError:
        raise ValueError("host:port, or several separated by commas") from None
    return ",".join(server.strip() for server in text.split(","))


def _dsn(text: str) -> str:
    if re.match(r"postgres(ql)?://\S+$", text):
        return text
    raise ValueError("a DSN such as postgresql://user@host:5432/database")


def without_password(text: str) -> str:
    """An address as it may be shown: a password in it is starred out."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", text)
