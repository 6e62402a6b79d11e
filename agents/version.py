"""Which program this is, as dead letters and build information say it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version


@cache
def program_version() -> str:
    """The version of the installed distribution."""
    return version("cartwheel")
