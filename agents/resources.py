"""Where the files are that Cartwheel brings along: flow recipes, the local stack's recipe, database migrations.

In a checkout they lie under `deploy/`, and the pages of findings under `docs/`; the wheel carries them inside this
package.
"""

from __future__ import annotations

from pathlib import Path

from agents.errors import Misconfigured

_PACKAGE = Path(__file__).parent
_CHECKOUT = _PACKAGE.parent / "deploy"
_PAGES = _PACKAGE.parent / "docs" / "reference"
_WHEEL = _PACKAGE / "_resources"


def flows() -> Path:
    """The flow recipes, each with its test timeline and templates beside it."""
    return _folder("flows")


def local_stack() -> Path:
    """What the local broker is made of: `pom.xml`, checksums, server settings."""
    return _folder("local")


def migrations() -> Path:
    """The migrations of the PostgreSQL ledger."""
    return _folder("postgres/migrations")


def findings() -> Path:
    """The pages of findings, one a code."""
    return _folder("findings")


def _folder(path: str) -> Path:
    for root in (_WHEEL, _CHECKOUT, _PAGES):
        if (root / path).is_dir():
            return root / path
    raise Misconfigured(
        f"the installation is incomplete: {path} is neither in the package nor in a checkout around it",
        next_step="install cartwheel again from the wheel or from a complete checkout",
    )
