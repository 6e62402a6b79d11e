"""The reference: pages and schemas made from the compiler's own tables.

    python -m agents.reference [--check]

Writes them; with `--check` it writes nothing and names what is out of date. It is for a checkout: what it writes lies
under `docs/` and `schemas/published/`.
"""

from __future__ import annotations
