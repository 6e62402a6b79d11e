"""The page `docs/performance.md`: its measured part and its plot are written from results, the rest by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agents.errors import Misconfigured
from benchmarks.plot import bars
from benchmarks.results import Results
from benchmarks.table import GATE_HEADINGS, gate_rows, remarks, rows

DOCS = Path(__file__).parent.parent / "docs"
NAMED = ("quixstreams", "bytewax", "confluent-kafka", "msgspec", "java", "kafka-streams", "rocksdbjni", "fastjson2")
PAGE, PLOT = "performance.md", "performance.svg"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write(results: Results, folder: Path = DOCS) -> None:
    """Replace the plot and the measured part of the page. Raises Misconfigured when the page has lost its marks."""
    replace_measured(folder / PAGE, measured(results))
    (folder / PLOT).write_text(bars(results))


def replace_measured(page: Path, text: str) -> None:
    """Put a text between the marks of a page. Raises Misconfigured when it has lost them."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Misconfigured(f"{page} has no {BEGIN} or no {END}", next_step="put the two lines back into the page")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def measured(results: Results) -> str:
    """Tables, remarks, machine and versions, in Markdown."""
    headings = "Traffic", "System", "CPU µs per event", "Events per second and core", "Changelog bytes", "Times our CPU"
    lines = [
        *_table(headings, rows(results)),
        "",
        f"![CPU per event and system]({PLOT})",
        "",
        *_table(
            ["Events per second and core, times those of", *map(str.capitalize, GATE_HEADINGS[1:])], gate_rows(results)
        ),
        "",
        *remarks(results),
        "",
        *(f"- `{name}`: {about}{_versions(results, name)}" for name, about in results.systems.items()),
        f"- {_machine(results.machine)}; measured {_begun(results)}",
    ]
    return "\n".join(lines)


def _table(headings: Sequence[str], cells: Iterable[Sequence[str]]) -> list[str]:
    lines = [headings, ["---"] * len(headings), *cells]
    return [f"| {' | '.join(line)} |" for line in lines]


def _versions(results: Results, name: str) -> str:
    """Of a system in an environment of its own, those that matter; the results have all of them."""
    found = results.versions.get(name, {})
    shown = ", ".join(f"{package} {found[package]}" for package in NAMED if package in found)
    return f" ({shown})" if shown else ""


def _begun(results: Results) -> str:
    return "".join([results.begun_at, *(f", {traffic} {at}" for traffic, at in results.earlier.items())])


def _machine(machine: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB, {machine['system']},"
        f" Python {machine['python']}; {packages}"
    )
