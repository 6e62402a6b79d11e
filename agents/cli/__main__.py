"""`python -m agents.cli`: the same as `cartwheel`, for a Python whose scripts are not on the path."""

from __future__ import annotations

from agents.cli import main

main()
