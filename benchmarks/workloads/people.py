"""People by number, so that state made beforehand and traffic speak of the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from zlib import crc32

from benchmarks.traffic import TENANTS, Draft, Person
from schemas.identity import profile_id, profile_key

HOT_SHARE = 0.05
HOT = "hot"
_HASHES = 1 << 32


def tenant_of(number: int) -> str:
    """The shop of a person."""
    return f"shop{number % TENANTS + 1}"


def external_id(number: int) -> str:
    """Their id at the shop."""
    return f"shopper-{number}"


def email(number: int) -> str:
    """Their address."""
    return f"shopper.{number}@example.com"


def person(number: int) -> Person:
    """Somebody, always the same for the same number."""
    return _person(tenant_of(number), external_id(number), email(number))


def hot_person() -> Person:
    """The one that a twentieth of all events is about, when there is one: a bot."""
    return _person("shop1", HOT, "hot@example.com")


def anybody_of(size: int, stream: Iterable[Draft]) -> Iterator[Draft]:
    """The same events, each of any of so many people. A second copy stays with the person of the first."""
    return _retold(stream, lambda chance: person(int(chance * size)))


def with_one_hot(stream: Iterable[Draft]) -> Iterator[Draft]:
    """The same events, but a twentieth of them are of one person."""
    hot = hot_person()
    return _retold(stream, lambda chance: hot if chance < HOT_SHARE else None)


def _retold(stream: Iterable[Draft], whose: Callable[[float], Person | None]) -> Iterator[Draft]:
    for draft in stream:
        somebody = whose(crc32(draft.head.encode()) / _HASHES)
        if somebody is None:
            yield draft
        else:
            rest = draft.tail[draft.tail.index("}") + 1 :]  # behind the identity, which is what a tail says first
            yield Draft(somebody.key, draft.head, somebody.who + rest)


def _person(tenant: str, external: str, address: str) -> Person:
    key = profile_key(tenant=tenant, profile_id=profile_id(tenant=tenant, kind="external_id", value=external))
    return Person(key, f'"tenant":"{tenant}","identity":{{"external_id":"{external}","email":"{address}"}}')
