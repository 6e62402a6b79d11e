"""`cartwheel flows`: check flow files, play the timelines beside them, publish them and what follows from that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Group
from rich.text import Text

from agents import flow_files
from agents.cli import explain, flow_coverage, flow_init, flows_backfill, flows_move, flows_publish, flows_show
from agents.cli.compare import command as compare
from agents.cli.flow_coverage import covered
from agents.cli.options import takes_console, takes_plugins
from agents.console import Console, counted
from agents.flow_files import FlowFile, PolicyFile, TimelineFile
from schemas.policy import NO_POLICY
from streams import timeline
from streams.coverage import percent
from streams.flowfile import Finding
from streams.flowfile.meanings import page_of
from streams.plugins import Name, Plugin
from streams.timeline import Result

_SHOWN_LENGTH_MAX = 160  # of a line of the file; a longer one is not shown under its finding

takes_path = click.argument("path", type=click.Path(path_type=Path))


@click.group()
def command() -> None:
    """Check flow files, play the timelines beside them, compare versions; publish flows, and change them."""


@command.command()
@takes_path
@takes_plugins
@takes_console
def check(*, path: Path, plugins: Mapping[Name, Plugin], console: Console) -> int:
    """Compile a flow file, or all of a folder, and read their timelines; exit code 1 if there is a mistake."""
    flows, timelines, policies = _read(path, plugins)
    findings = _findings([*policies, *flows, *timelines])
    errors = _errors(findings)
    shown = _shown_findings([*policies, *flows, *timelines])
    for policy in policies:
        if policy.policy is not None:
            shown.append(f"{policy.path}: policy {policy.policy.name}, version {policy.policy.version}\n")
    for file in flows:
        if file.flow is not None:
            steps = f"{counted(len(file.flow.steps), 'step')}, version {file.flow.version}"
            shown.append(f"{file.path}: {file.flow.name}, {file.flow.status}, {steps}\n")
    counts = (len(flows), "flow file"), (len(errors), "error"), (len(findings) - len(errors), "warning")
    shown.append(", ".join(counted(number, what) for number, what in counts), _style(failed=bool(errors)))
    compiled = [
        {"file": str(file.path), "name": file.flow.name, "status": file.flow.status, "version": file.flow.version}
        for file in flows
        if file.flow is not None
    ]
    console.result({"ok": not errors, "flows": compiled, "findings": _as_builtins(findings)}, shown)
    return 1 if errors else 0


@command.command()
@takes_path
@click.option("--coverage", is_flag=True, help="Also name the ways of each flow that no timeline goes.")
@click.option("--fail-under", type=click.FloatRange(0, 100), help="Exit 1 if less of all ways is gone, in percent.")
@takes_plugins
@takes_console
def test(
    *, path: Path, coverage: bool, fail_under: float | None, plugins: Mapping[Name, Plugin], console: Console
) -> int:
    """Play the timelines of a flow file, or of a folder, on the real core; exit code 1 if something came otherwise."""
    flows, timelines, policies = _read(path, plugins)
    errors = _errors(_findings([*policies, *flows, *timelines]))
    policy = next((file.policy for file in policies if file.policy), NO_POLICY)
    results = [
        (file, timeline.run(file.flow, one, policy=policy, plugins=plugins))
        for file in timelines
        for one in file.timelines
    ]
    failed = sum(bool(result.failures) for _, result in results)
    shown = _shown_findings([*policies, *flows, *timelines], errors_only=True)
    for file in timelines:
        shown.append(f"{file.path}: {counted(len(file.timelines), 'timeline')}\n")
    for name in sorted({str(file.path) for file in flows if file.flow} - {str(file.beside) for file in timelines}):
        shown.append(f"{name}: no timelines beside it\n", "yellow")
    for file, result in results:
        if result.failures:
            _show_failures(shown, file, result)
    summary = f"{counted(len(results), 'timeline')}, {failed} failed, {counted(len(errors), 'error')} in files"
    shown.append(summary, _style(failed=bool(failed or errors)))
    data = {
        "ok": not (failed or errors),
        "timelines": [_as_data(file, result) for file, result in results],
        "findings": _as_builtins(errors),
    }
    wanted = coverage or fail_under is not None
    found = covered([*policies, *flows], timelines, policy=policy, plugins=plugins) if wanted else []
    told = flow_coverage.as_data(found)
    too_little = fail_under is not None and percent([one.found for one in found]) < fail_under
    if found:
        shown.append("\n")
        data["coverage"] = told
    if too_little:
        data["ok"] = False
    console.result(data, Group(shown, flow_coverage.as_shown(found)) if found else shown)
    return 1 if failed or errors or too_little else 0


command.add_command(compare)
command.add_command(explain.command)
command.add_command(flow_init.command)


def _read(path: Path, plugins: Mapping[Name, Plugin]) -> tuple[list[FlowFile], list[TimelineFile], list[PolicyFile]]:
    flows, policy = flow_files.check_flows(path, plugins), flow_files.check_policy_of(path)
    beside = [flow_files.timelines_of(file, plugins) for file in flows]
    if policy is not None and (path.is_dir() or not flows):  # a flow by itself is not asked what others are
        beside.append(flow_files.timelines_of_policy(policy))
    return flows, [found for found in beside if found is not None], [] if policy is None else [policy]


def _findings(files: Sequence[FlowFile | TimelineFile | PolicyFile]) -> list[Finding]:
    return [finding for file in files for finding in file.findings]


def _errors(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "error"]


def _as_builtins(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [{**msgspec.to_builtins(finding), "page": page_of(finding.code)} for finding in findings]


def _as_data(file: TimelineFile, result: Result) -> dict[str, object]:
    return {
        "flow": file.flow.name,
        "file": str(file.path),
        "line": result.timeline.line,
        "name": result.timeline.name,
        "ok": not result.failures,
        "failures": [failure._asdict() for failure in result.failures],
        "decisions": list(result.story),
    }


def _shown_findings(files: Sequence[FlowFile | TimelineFile | PolicyFile], *, errors_only: bool = False) -> Text:
    shown = Text()
    for file in files:
        sources = {str(file.path): file.source.decode(errors="replace").splitlines()}
        for finding in file.findings:
            if finding.file not in sources:  # a template
                sources[finding.file] = _lines_of(Path(finding.file))
            if finding.severity == "error" or not errors_only:
                _show_finding(shown, finding, sources[finding.file])
    return shown


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # it was there a moment ago; the finding says enough
        return []


def _show_finding(shown: Text, finding: Finding, lines: Sequence[str]) -> None:
    """The finding, the line it is about with a mark under the place, and what was probably meant."""
    color = "red" if finding.severity == "error" else "yellow"
    shown.append(f"{finding.file}:{finding.line}:{finding.column}: ", "bold")
    shown.append(f"{finding.severity} {finding.code}", f"bold {color}")
    shown.append(f"\n  {finding.message}\n")
    line = lines[finding.line - 1] if finding.line <= len(lines) else ""
    if line.strip() and len(line) <= _SHOWN_LENGTH_MAX:
        shown.append(f"  {finding.line:4} | {line}\n", "dim")
        shown.append(f"       | {' ' * (finding.column - 1)}^\n", color)
    shown.append("  did you mean " if finding.instead else "  next: ")
    shown.append(finding.suggestion, "green")
    shown.append("?\n" if finding.instead else "\n")
    shown.append(f"  see {page_of(finding.code)}\n", "dim")


def _show_failures(shown: Text, file: TimelineFile, result: Result) -> None:
    """What was expected and what came instead, then everything that was decided on the way."""
    shown.append(f"{file.path}:{result.timeline.line}: ", "bold")
    shown.append(f"failed: {result.timeline.name}\n", "bold red")
    for failure in result.failures:
        shown.append(f"  line {failure.line}, expected  {failure.expected}\n")
        shown.append(f"  {' ' * len(f'line {failure.line},')} got       {failure.got}\n", "red")
    shown.append("  what was decided\n", "dim")
    for line in result.story or ("nothing",):
        shown.append(f"    {line}\n", "dim")


def _style(*, failed: bool) -> str:
    return "bold red" if failed else "bold green"


for _more in (
    flows_publish.publish, flows_show.list_, flows_show.show, flows_show.diff, flows_publish.hold,
    flows_publish.resume, flows_publish.stop, flows_publish.drain, flows_move.plan, flows_move.apply,
    flows_backfill.backfill,
):  # fmt: skip
    command.add_command(_more)
