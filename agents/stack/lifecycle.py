"""`up`, `status` and `down`: the local stack comes, is reported and goes."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from socket import create_server
from typing import Literal

import psutil

from agents.console import Console
from agents.errors import Unavailable
from agents.settings import LOOPBACK, Settings, is_free, without_password
from agents.stack import process, state
from agents.stack.addresses import Addresses, resolve
from agents.stack.kafka import Kafka
from agents.stack.postgres import Postgres
from agents.stack.state import Noted

READY_SECONDS = 90.0
ASK_AGAIN_SECONDS = 0.1
LOCK_SECONDS = 180.0
ATTEMPTS = 3

Service = Kafka | Postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """What is known of one service: `configured` means that the settings name another one, which is not ours."""

    name: str
    state: Literal["running", "stopped", "configured"]
    address: str | None
    pid: int | None = None


def up(settings: Settings, *, console: Console) -> Addresses:
    """Start what is neither running nor configured elsewhere; return once both answer. Done twice it is done once.

    Not to be called inside an event loop. Raises `Unavailable` if a service cannot be fetched or does not start.
    """
    with _alone(settings, console=console):
        for service in _services(settings, console=console):
            if _configured(settings, service) is not None:
                console.say(f"{service.title}: not started, the settings name another one")
                continue
            known = state.read(settings.home).get(service.name)
            # Waited for also when it runs: the command that started it may have been ended before it answered.
            if known is not None and known.process() is not None and _answers(service, known):
                console.say(f"{service.title}: already running at {known.address}")
                continue
            service.fetch()
            with console.working(f"{service.title}: starting"):
                address = _start(settings, service)
            console.say(f"{service.title}: running at {address}")
    return resolve(settings)


def fetch(settings: Settings, *, console: Console) -> None:
    """Bring everything that `up` needs and start nothing."""
    for service in _services(settings, console=console):
        if _configured(settings, service) is None:
            service.fetch()


def down(settings: Settings, *, console: Console) -> list[str]:
    """Stop what `up` started, the database last. Data and ports are kept. Returns the names of what was stopped."""
    stopped = []
    with _alone(settings, console=console):
        noted = state.read(settings.home)
        for service in _services(settings, console=console):
            with console.working(f"{service.title}: stopping"):
                orderly = [_stop(service, live) for live in process.carrying(service.marker)]
            if orderly:
                stopped.append(service.name)
                console.say(f"{service.title}: {'stopped' if all(orderly) else 'did not stop when asked, so killed'}")
            else:
                console.say(f"{service.title}: not running")
            if service.name in noted:
                noted[service.name] = replace(noted[service.name], running=None)
                state.write(settings.home, noted)
    return stopped


def status(settings: Settings) -> list[ServiceStatus]:
    """Each service as it is now, by its noted process; nothing is asked over the network."""
    noted = state.read(settings.home)
    return [
        _status(service.name, configured=_configured(settings, service), known=noted.get(service.name))
        for service in (Kafka, Postgres)
    ]


def _status(name: str, *, configured: str | None, known: Noted | None) -> ServiceStatus:
    if configured is not None:
        return ServiceStatus(name=name, state="configured", address=without_password(configured))
    live = known.process() if known else None
    if known is None or live is None:
        return ServiceStatus(name=name, state="stopped", address=None)
    return ServiceStatus(name=name, state="running", address=known.address, pid=live.pid)


def _services(settings: Settings, *, console: Console) -> tuple[Service, ...]:
    return (Kafka(settings, console=console), Postgres(settings, console=console))


def _configured(settings: Settings, service: Service | type[Service]) -> str | None:
    return settings.kafka if service.name == Kafka.name else settings.postgres


def _start(settings: Settings, service: Service) -> str:
    """Start one service and wait until it answers. Returns its address."""
    for stray in process.carrying(service.marker):
        _stop(service, stray)
    for _ in range(ATTEMPTS):
        noted = state.read(settings.home)
        ports = _ports(noted.get(service.name), count=service.ports_needed)
        running = service.start(ports)
        # Noted before it answers, so that `down` finds it also if this command is killed right here.
        noted[service.name] = Noted(address=service.address(ports), ports=ports, running=running)
        state.write(settings.home, noted)
        if _answers(service, noted[service.name]):
            return noted[service.name].address
        if all(is_free(port) for port in ports):
            break
        # Between our choice and its start another program took a port: begin again with others.
    last_words = process.tail(service.log)
    raise Unavailable(
        f"{service.title} ended before it answered; its log {service.log} says at the end:\n{last_words}",
        next_step="correct what the log complains of, then run `cartwheel up` again",
    )


def _stop(service: Service, live: psutil.Process) -> bool:
    """Stop one process of the service. Returns whether asking was enough."""
    return process.stop(live, ask_with=service.ask_with, patience_seconds=service.patience_seconds)


def _answers(service: Service, noted: Noted) -> bool:
    """Wait until the service answers: true; or until its process has ended: false."""
    deadline = time.monotonic() + READY_SECONDS
    while noted.process() is not None:
        try:
            asyncio.run(service.answers(noted.address))
        except Exception as error:
            # Whatever the client raises means: not yet.
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{service.title} runs but did not answer within {READY_SECONDS:g} s: {error}",
                    next_step=f"see its log {service.log}; `cartwheel down` stops it",
                ) from error
            time.sleep(ASK_AGAIN_SECONDS)
        else:
            return True
    return False


def _ports(known: Noted | None, *, count: int) -> tuple[int, ...]:
    """The ports of the time before if they are free, so that addresses last; else any free ones."""
    if known is not None and len(known.ports) == count and all(is_free(port) for port in known.ports):
        return known.ports
    # All are held at once and then let go, or the system could name the same one twice.
    held = [create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = tuple(listener.getsockname()[1] for listener in held)
    for listener in held:
        listener.close()
    return ports


@contextmanager
def _alone(settings: Settings, *, console: Console) -> Iterator[None]:
    """One command at a time starts or stops the stack of a home; the next waits for it."""
    (settings.home / "logs").mkdir(parents=True, exist_ok=True)
    with (settings.home / "stack.lock").open("w") as lock:
        deadline = time.monotonic() + LOCK_SECONDS
        waiting = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"another command has been starting or stopping the stack in {settings.home} for too long",
                        next_step="see what it is doing, end it, and try again",
                    ) from None
                if not waiting:
                    console.say("another command is starting or stopping this stack; waiting for it")
                    waiting = True
                time.sleep(ASK_AGAIN_SECONDS)
        yield
