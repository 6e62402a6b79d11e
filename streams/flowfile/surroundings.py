"""Surroundings: what is known about a flow file beyond its text. Whatever is None is not judged."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from schemas.connectors import LAGS, Lag


class Surroundings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The templates beside the flows, and how late which sources report: those declared, and those that we know."""

    templates: frozenset[str] | None = None
    declared_lags: Mapping[str, Lag] = {}  # of the policy file; its word counts before ours

    @property
    def lags(self) -> dict[str, Lag]:
        """By name of the source."""
        return {**LAGS, **self.declared_lags}


NOWHERE = Surroundings()
