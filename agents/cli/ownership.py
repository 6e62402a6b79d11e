"""The start-up check that our package names are ours alone.

`agents`, `streams` and `schemas` are words that other distributions use too. Where two bring the same name, Python
mixes or hides their modules, and what follows is baffling; so it is said before anything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions

from agents.errors import Misconfigured

OURS = "cartwheel"
PACKAGES = ("agents", "streams", "schemas")


def check_ownership(owners: Mapping[str, Sequence[str]] | None = None) -> None:
    """Raise `Misconfigured` if another distribution brings one of our packages.

    `owners` maps a package to the distributions that bring it; by default what is installed. An editable install of
    ours brings only a pointer to its folder, so it may be missing there: only others are looked for.
    """
    if owners is None:
        owners = packages_distributions()
    foreign = [
        f"{name} ({package})"
        for package in PACKAGES
        for name in sorted(set(owners.get(package, ())))
        if re.sub(r"[-_.]+", "-", name).lower() != OURS
    ]
    if foreign:
        raise Misconfigured(
            f"other installed distributions bring packages of the same name as ours: {', '.join(foreign)}",
            next_step="install cartwheel in an environment of its own",
        )
