"""Surroundings: what is known about a flow file beyond its text. Whatever is None is not judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from schemas.catalog import Kind
from schemas.connectors import LAGS, Lag
from streams.plugins import Name, Plugin


class Place(NamedTuple):
    """In one of the files of a template."""

    file: str
    line: int
    column: int


class Template(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a template asks of its message, and where first: variables, each with the word below it, or "" for the whole
    of it.
    """

    asks: Mapping[tuple[str, str], Place] = {}
    broken: tuple[str, Place] | None = None  # why it cannot be read


class Surroundings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The templates beside the flows, what the policy declares (how late which sources report, and facts), and the
    plug-ins that may be asked.
    """

    templates: Mapping[str, Template] | Literal["no folder"] | None = None
    declared_lags: Mapping[str, Lag] = {}  # its word counts before ours
    declared_facts: Mapping[str, Kind] = {}
    plugins: Mapping[Name, Plugin] | None = None

    @property
    def lags(self) -> dict[str, Lag]:
        """By name of the source."""
        return {**LAGS, **self.declared_lags}


NOWHERE = Surroundings()
