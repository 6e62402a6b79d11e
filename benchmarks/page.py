"""The page `docs/performance.md`: its measured part and its plot are written from results, the rest by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.errors import Misconfigured
from benchmarks.plot import bars
from benchmarks.results import Results
from benchmarks.table import remarks, spread

DOCS = Path(__file__).parent.parent / "docs"
PAGE, PLOT = "performance.md", "performance.svg"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write(results: Results, folder: Path = DOCS) -> None:
    """Replace the plot and the measured part of the page. Raises Misconfigured when the page has lost its marks."""
    page = folder / PAGE
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Misconfigured(f"{page} has no {BEGIN} or no {END}", next_step="put the two lines back into the page")
    page.write_text(f"{before}{BEGIN}\n\n{measured(results)}\n\n{END}{after}")
    (folder / PLOT).write_text(bars(results))


def measured(results: Results) -> str:
    """Table, remarks and machine, in Markdown."""
    lines = [
        "| Traffic | System | CPU µs per event | Events per second and core | Times our CPU |",
        "|---|---|---|---|---|",
        *(
            f"| {row.traffic} | {row.system} | {spread(row.us_per_event, '.1f')} |"
            f" {spread(row.events_per_core_second, ',.0f')} | {spread(row.ratio, '.1f') if row.ratio else ''} |"
            for row in results.rows()
        ),
        "",
        f"![CPU per event and system]({PLOT})",
        "",
        *remarks(results),
        "",
        *(f"- `{name}`: {about}" for name, about in results.systems.items()),
        f"- {_machine(results.machine)}; measured {results.begun_at}",
    ]
    return "\n".join(lines)


def _machine(machine: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB, {machine['system']},"
        f" Python {machine['python']}; {packages}"
    )
