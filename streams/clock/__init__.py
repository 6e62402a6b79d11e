"""Local time: zones, spans, wall times and windows. Pure: the only input is the database that is pinned with us.

What it promises stands in `docs/reference/clock.md`.
"""
