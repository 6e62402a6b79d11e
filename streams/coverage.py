"""Coverage: which ways of a flow its timelines have gone, and which nobody has tried.

The flow is played once more with probes in it (`schemas.steps.Probe`), so what is counted is what really ran, and a
flow without probes pays nothing for it. A probe stands behind its step, so nothing else about the flow changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from msgspec.structs import replace

from schemas.decision import Decision
from schemas.flow import Flow
from schemas.policy import NO_POLICY, Policy
from schemas.steps import If, Probe, Route, Send, Settle, Split, Step, Stop, WaitEvent
from streams.plugins import NO_PLUGINS, Name, Plugin
from streams.timeline import Timeline, play

EXIT = "exit"  # stands for the label of a step in the ways of exit rules
END = "stop:end"  # the implicit last step, which no file names
STOP, HOLDOUT, REACHED = "stop", "holdout", "reached"
_MARK = "\x1f"  # no label and no reason has it


class Way(NamedTuple):
    """One way that a flow names. `path` leads to it from the body of its step in the file."""

    step: str
    name: str
    path: tuple[str | int, ...]


class Coverage(NamedTuple):
    """How often each way of a flow was gone, in the order of the file."""

    flow: Flow
    times: dict[Way, int]

    @property
    def missing(self) -> list[Way]:
        """The ways that nobody has gone."""
        return [way for way, times in self.times.items() if not times]


def percent(coverages: Iterable[Coverage]) -> float:
    """The share of ways that were gone, of all flows together; 100 if there are none."""
    times = [count for one in coverages for count in one.times.values()]
    return 100.0 if not times else 100 * sum(map(bool, times)) / len(times)


def measure(
    flow: Flow,
    timelines: Iterable[Timeline],
    *,
    policy: Policy = NO_POLICY,
    plugins: Mapping[Name, Plugin] = NO_PLUGINS,
) -> Coverage:
    """Play the timelines of a flow and count."""
    probed, found = with_probes(flow), Counter[tuple[str, str]]()
    for timeline in timelines:
        rehearsal = play(probed, timeline, policy=policy, plugins=plugins)
        for key, count in rehearsal.tallies.items():
            if key[0] == "reached":
                found[key[2], key[3]] += count
        found.update(way for one in rehearsal.decisions if one.flow == flow.name and (way := _decided(one)))
    for step in flow.steps:
        if isinstance(step, Split):  # who came and went no arm's way
            in_arms = sum(found[step.label, name] for name in _named(step))
            found[step.label, HOLDOUT] = found[step.label, REACHED] - in_arms
    return Coverage(flow, {way: found[way.step, way.name] for way in ways(flow)})


def ways(flow: Flow) -> list[Way]:
    """Every way that the flow names: of its exit rules, then of its steps."""
    exits = [Way(EXIT, f"{number}: {rule.reason}", (number - 1,)) for number, rule in enumerate(flow.exits, start=1)]
    return exits + [way for step in flow.steps if step.label != END for way in _ways(step)]


def with_probes(flow: Flow) -> Flow:
    """The same flow, which also counts. Its exit rules can be told apart by their reasons."""
    marked = [replace(rule, reason=f"{rule.reason}{_MARK}{i}") for i, rule in enumerate(flow.exits, start=1)]
    rooms = [1 + bool(_ahead(step)) + len(_named(step)) for step in flow.steps]
    begins = [0, *accumulate(rooms)]
    steps: list[Step] = []
    for step in flow.steps:
        probes: list[Probe] = []
        at = len(steps) + bool(_ahead(step))

        def lead(name: str, target: int, step: Step = step, at: int = at, probes: list[Probe] = probes) -> int:
            if not name:
                return begins[target]
            label, unsettled = f"{step.label}{_MARK}{name}", isinstance(step, Settle)
            probes.append(Probe(label=label, of=step.label, way=name, unsettled=unsettled, next=begins[target]))
            return at + len(probes)

        if way := _ahead(step):
            steps.append(Probe(label=step.label + _MARK, of=step.label, way=way, next=at))
        steps += [_led(step, lead), *probes]
    return replace(flow, exits=tuple(marked), steps=tuple(steps))


def _ahead(step: Step) -> str:
    """What a probe before the step counts; "" where there is none, as a wait is entered and not passed."""
    return STOP if isinstance(step, Stop) else REACHED if isinstance(step, Split) else ""


def _led(step: Step, lead: Callable[[str, int], int]) -> Step:
    """The step with every way of it led elsewhere: `lead` is told its name, "" for one that is nothing special."""
    if isinstance(step, Stop):
        return step
    if isinstance(step, If):
        return replace(step, then=lead("then", step.then), otherwise=lead("otherwise", step.otherwise))
    if isinstance(step, Route):
        cases = {text: lead(f"case {text}", target) for text, target in step.cases.items()}
        return replace(step, cases=cases, otherwise=lead("otherwise", step.otherwise))
    if isinstance(step, Split):
        return replace(step, arms=tuple(replace(arm, next=lead(f"arm {arm.name}", arm.next)) for arm in step.arms))
    if isinstance(step, WaitEvent):
        branches = tuple(
            replace(branch, next=lead(f"{number}: {branch.when.event}", branch.next))
            for number, branch in enumerate(step.branches, start=1)
        )
        return replace(step, branches=branches, on_timeout=lead("timeout", step.on_timeout))
    return replace(step, next=lead("on_timeout" if isinstance(step, Settle) else "", step.next))


def _named(step: Step) -> list[str]:
    names: list[str] = []

    def listen(name: str, target: int) -> int:
        names.extend([name] if name else [])
        return target

    _led(step, listen)
    return names


def _ways(step: Step) -> Iterator[Way]:
    if isinstance(step, Stop):
        yield Way(step.label, STOP, ())
    if isinstance(step, Send):
        yield from (Way(step.label, name, path) for name, path in _of_send(step))
    if isinstance(step, Split) and step.holdout_per_thousand:
        yield Way(step.label, HOLDOUT, ("holdout",))
    for number, name in enumerate(_named(step)):
        yield Way(step.label, name, _path(step, name, number))


def _path(step: Step, name: str, number: int) -> tuple[str | int, ...]:
    if isinstance(step, Settle) and step.label.endswith(":settle"):
        return ("settle", name)  # a key of its send
    if name == "timeout":
        return ("on_timeout",)
    if isinstance(step, WaitEvent):
        return ("branches", number)
    if isinstance(step, Route | Split) and name != "otherwise":
        kind, _, word = name.partition(" ")
        return (f"{kind}s", word)
    return (name,)


def _of_send(step: Send) -> Iterator[tuple[str, tuple[str, ...]]]:
    """By outcome and reason, as decisions have them. A skip for being late is none: a rehearsal never is."""
    yield "sent", ()
    if step.window is not None:
        yield "held window", ("window",)
    if step.cap is not None:
        capped = f"skipped capped:{step.cap.group}" if step.cap.when_capped == "skip" else "held cap"
        yield capped, ("cap", "when_capped")
    for name, _ in step.fresh:
        yield f"skipped stale_fact:{name}", ("fresh", name)


def _decided(decision: Decision) -> tuple[str, str] | None:
    """The step and way that a decision stands for, where no probe does."""
    reason, marked, number = decision.reason.partition(_MARK)
    if marked:
        return EXIT, f"{number}: {reason}"
    if decision.step is None:
        return None
    return decision.step, "sent" if decision.outcome == "sent" else f"{decision.outcome} {reason}"
