"""Flow files on disk: one file, or all of a folder. What they mean is the business of `streams.flowfile`.

A folder stands for its own `*.yaml` and `*.yml` files, without those below it; `NAME.test.yaml` holds the timelines of
`NAME.yaml` and is no flow file, nor is `policy.yaml`, which holds for all flows of its folder and has timelines, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from agents.dispatch.templates import Templates
from agents.errors import InputRefused
from schemas.flow import Flow
from schemas.limits import FLOW_FILE_BYTES_MAX
from schemas.policy import NO_POLICY, Policy
from streams import policy_trial
from streams.flowfile import Finding, FlowFileError, check, check_policy, load_timelines
from streams.flowfile.findings import finding
from streams.flowfile.nodes import START
from streams.flowfile.surroundings import NOWHERE, Surroundings
from streams.plugins import NO_PLUGINS, Name, Plugin
from streams.timeline import Timeline

_SUFFIXES = (".yaml", ".yml")
_TIMELINES = ".test"
_TEMPLATES = "templates"
_TEMPLATE_PARTS = (".subject.liquid", ".text.liquid")  # without both of them a message cannot be sent
_POLICY = "policy"
_SHOWN_MAX = 10  # findings in an error message; `flows check` shows all


class FlowFile(NamedTuple):
    """One flow file as it was found. `flow` is None when one of the findings is an error."""

    path: Path
    source: bytes
    flow: Flow | None
    findings: tuple[Finding, ...]


class PolicyFile(NamedTuple):
    """The policy beside the flows. `policy` is None when one of the findings is an error."""

    path: Path
    source: bytes
    policy: Policy | None
    findings: tuple[Finding, ...]


class TimelineFile(NamedTuple):
    """The timelines beside a flow file, or a policy; with findings there are none."""

    path: Path
    beside: Path
    source: bytes
    flow: Flow
    timelines: tuple[Timeline, ...]
    findings: tuple[Finding, ...]


def load_flows(path: Path, plugins: Mapping[Name, Plugin] = NO_PLUGINS) -> list[Flow]:
    """The flows of a file or folder, drafts included, in the order of their file names. Raises as `sound_flows`."""
    return [file.flow for file in sound_flows(path, plugins) if file.flow is not None]


def sound_flows(path: Path, plugins: Mapping[Name, Plugin] = NO_PLUGINS) -> list[FlowFile]:
    """The flow files of a file or folder, each with a flow. They may ask these plug-ins and no others.

    Raises `InputRefused` when there is none, or when one of the files has an error: a process that ran some of its
    flows and not the others would be worse than one that does not start.
    """
    files = check_flows(path, plugins)
    if not files:
        raise InputRefused(f"there is only a policy in {path}", next_step="put a flow file such as my_flow.yaml there")
    _refuse_wrong([finding for file in files for finding in file.findings], path)
    return files


def load_policy(path: Path) -> Policy:
    """The policy that holds for a flow file or folder, the default one without a file. Raises `InputRefused`."""
    return policy_beside(path) or NO_POLICY


def policy_beside(path: Path) -> Policy | None:
    """The same, but None without a file."""
    file = check_policy_of(path)
    if file is not None:
        _refuse_wrong(file.findings, path)
    return None if file is None else file.policy


def check_policy_of(path: Path) -> PolicyFile | None:
    """The policy file beside a flow file, or in a folder; None when there is none. Raises `InputRefused`."""
    folder = path if path.is_dir() else path.parent
    found = next((one for suffix in _SUFFIXES if (one := folder / f"{_POLICY}{suffix}").is_file()), None)
    if found is None:
        lonely = next(
            (one for suffix in _SUFFIXES if (one := folder / f"{_POLICY}{_TIMELINES}{suffix}").is_file()), None
        )
        if lonely is not None:
            raise InputRefused(f"{lonely} tries a policy that is not there", next_step=f"put {_POLICY}.yaml beside it")
        return None
    source = _read(found)
    return PolicyFile(found, source, *check_policy(source, name=str(found)))


def _refuse_wrong(findings: Sequence[Finding], path: Path) -> None:
    wrong = [finding for finding in findings if finding.severity == "error"]
    if wrong:
        more = [f"and {len(wrong) - _SHOWN_MAX} more"] if len(wrong) > _SHOWN_MAX else []
        message = "\n".join(["the flows cannot be used:", *map(str, wrong[:_SHOWN_MAX]), *more])
        raise InputRefused(message, next_step=f"correct them; `cartwheel flows check {path}` shows every finding")


def check_flows(path: Path, plugins: Mapping[Name, Plugin] = NO_PLUGINS) -> list[FlowFile]:
    """Every flow file of a file or folder, compiled as far as it goes. Raises `InputRefused` when there is none; of a
    policy alone there are none.
    """
    first: dict[str, Path] = {}
    files = []
    paths = _flow_paths(path)
    beside = around(paths[0].parent, plugins) if paths else NOWHERE  # a policy by itself
    for found in paths:
        source = _read(found)
        flow, findings = check(source, name=str(found), around=beside)
        if flow is not None and first.setdefault(flow.name, found) != found:
            message = f"the flow `{flow.name}` is in {first[flow.name]} too"
            flow, findings = None, (*findings, finding("flow_twice", START, message, file=str(found)))
        files.append(FlowFile(found, source, flow, findings))
    return files


def timelines_of(file: FlowFile, plugins: Mapping[Name, Plugin] = NO_PLUGINS) -> TimelineFile | None:
    """The timelines of a flow, from the file beside it; None when there is no such file, or no flow.

    Other flows of the folder, which they may name, may ask these plug-ins.
    """
    return None if file.flow is None else _timelines_beside(file.path, file.flow, plugins)


def timelines_of_policy(file: PolicyFile) -> TimelineFile | None:
    """The same of a policy: its flow is the one on which it is tried (`streams.policy_trial`)."""
    found = None if file.policy is None else _timelines_beside(file.path, policy_trial.trial(file.policy))
    return found and found._replace(timelines=tuple(map(policy_trial.told_apart, found.timelines)))


def _timelines_beside(beside: Path, flow: Flow, plugins: Mapping[Name, Plugin] = NO_PLUGINS) -> TimelineFile | None:
    path = beside.with_name(f"{beside.stem}{_TIMELINES}{beside.suffix}")
    if not path.is_file():
        return None
    source = _read(path)
    facts = _policy_of(beside).facts

    @cache
    def others() -> dict[str, Flow]:
        return {one.flow.name: one.flow for one in check_flows(beside.parent, plugins) if one.flow is not None}

    try:
        timelines = load_timelines(source, name=str(path), flow=flow, facts=facts, others=others)
        return TimelineFile(path, beside, source, flow, timelines, ())
    except FlowFileError as error:
        return TimelineFile(path, beside, source, flow, (), error.findings)


def around(folder: Path, plugins: Mapping[Name, Plugin] = NO_PLUGINS) -> Surroundings:
    """What stands beside the flow files of a folder."""
    policy = _policy_of(folder)
    templates = folder / _TEMPLATES
    read = Templates(templates)
    found = {part: {file.name.removesuffix(part) for file in templates.glob(f"*{part}")} for part in _TEMPLATE_PARTS}
    return Surroundings(
        templates={name: read.look(name) for name in sorted(set[str].intersection(*found.values()))}
        if templates.is_dir()
        else "no folder",
        declared_lags=policy.sources,
        declared_facts=policy.facts,
        plugins=plugins,
    )


def _policy_of(path: Path) -> Policy:
    """As far as it can be read: what is wrong with it is told of it, not of the flows."""
    beside = check_policy_of(path)
    return NO_POLICY if beside is None or beside.policy is None else beside.policy


def _flow_paths(path: Path) -> list[Path]:
    if path.is_file():
        asked = _beside(path) if _is_timeline(path) else path
        return [] if asked.stem == _POLICY else [asked]
    if not path.is_dir():
        raise InputRefused(f"there is no file or folder {path}", next_step="name a flow file or a folder of flow files")
    found = sorted(
        entry for entry in path.iterdir()
        if entry.suffix in _SUFFIXES and entry.is_file()
    )  # fmt: skip
    # A timeline without its flow would pass unnoticed; asked for its flow, it says so.
    named = {_beside(entry) if _is_timeline(entry) else entry for entry in found}
    if not named:
        raise InputRefused(f"there is no flow file in {path}", next_step="put a flow file such as my_flow.yaml there")
    return sorted(one for one in named if one.stem != _POLICY)


def _is_timeline(path: Path) -> bool:
    return path.stem.endswith(_TIMELINES)


def _beside(timelines: Path) -> Path:
    return timelines.with_name(timelines.stem.removesuffix(_TIMELINES) + timelines.suffix)


def _read(path: Path) -> bytes:
    """The content, as far as it can be a flow file: one byte more than allowed is enough to refuse it."""
    try:
        with path.open("rb") as file:
            return file.read(FLOW_FILE_BYTES_MAX + 1)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise InputRefused(message, next_step="check that it is there and that you may read it") from None
