"""The plot: horizontal bars of CPU per event, drawn as SVG by hand so that it needs no library."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from benchmarks.results import OURS, Results, Row

WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 760, 220, 150, 22, 10, 40
INK, OURS_COLOR, PEER_COLOR = "#333333", "#1f6f8b", "#b9bec4"


def bars(results: Results) -> str:
    """One bar per row of the table; the thin line spans the rounds."""
    rows = results.rows()
    height = TOP + len(rows) * (BAR + GAP) + GAP
    scale = (WIDTH - LEFT - RIGHT) / max((row.us_per_event.high for row in rows), default=1.0)
    drawn = "\n".join(line for at, row in enumerate(rows) for line in _bar(row, TOP + at * (BAR + GAP), scale))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' font-family="sans-serif" font-size="13" fill="{INK}">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="12" y="24" font-weight="bold">CPU microseconds per event, one core (less is better)</text>\n'
        f"{drawn}\n</svg>\n"
    )


def _bar(row: Row, top: float, scale: float) -> Iterator[str]:
    spread, middle, text = row.us_per_event, top + BAR / 2, top + BAR / 2 + 4.5
    color = OURS_COLOR if row.system == OURS else PEER_COLOR
    ratio = f" ({row.ratio.median:.2f} times)" if row.ratio and row.system != OURS else ""
    yield f'<text x="{LEFT - 8}" y="{text:.1f}" text-anchor="end">{escape(f"{row.system}, {row.traffic}")}</text>'
    yield f'<rect x="{LEFT}" y="{top}" width="{spread.median * scale:.1f}" height="{BAR}" fill="{color}"/>'
    low, high = LEFT + spread.low * scale, LEFT + spread.high * scale
    yield f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" stroke="{INK}"/>'
    yield f'<text x="{high + 8:.1f}" y="{text:.1f}">{spread.median:.1f}{ratio}</text>'
