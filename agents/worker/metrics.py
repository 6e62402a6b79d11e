"""What the worker counts as it happens, for Prometheus; `docs/reference/metrics.md` explains it.

No label holds an id of a person, an enrollment or a command, or a text from outside, so the number of series does not
depend on how many people there are. Reasons of single decisions are in the decisions topic, not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, product
from typing import Any, Protocol

from prometheus_client import CollectorRegistry

from agents.worker.counted import (
    BENT,
    CAUSES,
    DECISIONS,
    EVENTS,
    EVICTED,
    HELD,
    OUTCOMES,
    OWN_COUNTERS,
    PASSED,
    RECEIPTS,
    REFUSALS,
    REGRETS_MAX,
    TIMERS,
    UNCLEAR,
    ZONE_SOURCES,
)
from agents.worker.series import FLOW_LABELS_MAX, OTHER, Histogram, Labels, Totals
from schemas.channels import CHANNELS
from schemas.refusals import REASONS

AGE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86400)
EVALUATION_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
#: Few, because each of them is a series of every flow.
LATENESS_SECONDS = (1, 10, 60, 3600)
INTERRUPTION_SECONDS = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900)


class UnitOutputs(Protocol):
    """What a unit of work tells about itself."""

    @property
    def tallies(self) -> Mapping[tuple[str, ...], int]: ...
    @property
    def latenesses(self) -> Mapping[str, list[int]]: ...


class Metrics:
    """One per process. Everything here is called on the event loop's thread."""

    def __init__(
        self, registry: CollectorRegistry, *, flows: Iterable[str] = (), sources: Iterable[str] = (),
        plugins: Iterable[Labels] = (),
    ) -> None:  # fmt: skip
        """`sources` are those that the policy declares; `plugins` are of `plugin_labels`."""
        self._label_of: dict[str, str] = {}
        self._sources = [*sorted(sources), OTHER]
        self._regrets_left = REGRETS_MAX
        self._make_input()
        self._make_flows()
        self._make_state()
        self._unanswered = Totals(
            "cartwheel_plugin_failures", "Questions that a plug-in failed on.", ["plugin", "version", "reason"], plugins
        )
        self.declare(flows)
        for family in vars(self).values():
            if isinstance(family, Totals | Histogram):
                registry.register(family)

    def _make_input(self) -> None:
        self._events = Totals("cartwheel_events_consumed", "Events of the profile log.", ["outcome"], _each(EVENTS))
        self._ticks = Totals("cartwheel_ticks_consumed", "Ticks of the profile log.")
        self._bent = Totals(
            "cartwheel_times_bent",
            "Times not taken as they were: of a record before the last one, of an event from the future.",
            ["what"],
            _each(BENT),
        )
        self._dead_letters = Totals(
            "cartwheel_dead_letters",
            "Records that could not be taken.",
            ["stage", "reason"],
            _pairs(["worker"], REASONS),
        )
        self._replayed = Totals(
            "cartwheel_dead_letters_replayed",
            "Records taken that an operator had written again.",
            ["stage"],
            [("worker",)],
        )
        self._unclear = Totals(
            "cartwheel_unclear_acts", "Changes of consent that do not say what they change.", ["what"], _each(UNCLEAR)
        )
        self._age = Histogram(
            "cartwheel_event_age_seconds", "From the append of a record to its evaluation.", AGE_SECONDS
        )
        self._evaluation = Histogram(
            "cartwheel_evaluation_seconds", "How long one unit of work holds the event loop.", EVALUATION_SECONDS
        )

    def _make_flows(self) -> None:
        self._decisions = Totals(
            "cartwheel_decisions", "What flows decided.", ["flow", "outcome"], _pairs([OTHER], DECISIONS)
        )
        self._shadow = Totals("cartwheel_shadow_decisions", "Of them, what flows only show that they would decide.")
        self._not_backfilled = Totals(
            "cartwheel_backfills_passed", "Orders to enter a flow by an old event that changed nothing."
        )
        self._not_moved = Totals(
            "cartwheel_enrollments_not_moved", "Whose version or step was not there to be moved to."
        )
        self._commands = Totals("cartwheel_commands", "Commands.", ["channel"], _each(CHANNELS))
        self._passed = Totals(
            "cartwheel_triggers_passed",
            "Triggers without a decision: of somebody who is in the flow, or not what its `where` is about.",
            ["what"],
            _each(PASSED),
        )
        self._refusals = Totals(
            "cartwheel_refusals", "People whom a flow did not take in.", ["reason"], _each(REFUSALS)
        )
        self._recalls = Totals("cartwheel_recalls", "Commands taken back.", ["channel"], _each(CHANNELS))
        self._regretted = Totals(
            "cartwheel_sends_regretted",
            "Messages that went, and by what came to be known later should not have gone.",
            ["flow", "source", "cause"],
            self._regrets([OTHER]),
        )
        self._unknown_storefront = Totals(
            "cartwheel_unknown_storefront", "Storefronts named by an event that the policy does not declare."
        )
        self._receipts = Totals(
            "cartwheel_receipts_consumed", "Receipts that changed nothing.", ["what"], _each(RECEIPTS)
        )
        self._zones = Totals(
            "cartwheel_invalid_zones", "Waits whose zone was asked of who named one that is none.", ["what"],
            _each(ZONE_SOURCES),
        )  # fmt: skip
        self._undeclared = Totals("cartwheel_undeclared_tallies", "What the core counts and is not declared here.")
        self._held = Totals(
            "cartwheel_profiles_held", "People held up by a record that could not be taken.", ["what"], _each(HELD)
        )
        self._evicted = Totals(
            "cartwheel_evicted", "What the bounds of state made us forget.", ["what"], _each(EVICTED)
        )
        self._misstated = Totals(
            "cartwheel_facts_of_another_kind", "Facts that were stated in another kind than they are declared of."
        )
        self._timers = Totals(
            "cartwheel_timers",
            "Timers that fired, that an exit canceled, and of those that fired the ones too late for their message.",
            ["flow", "outcome"],
            _pairs([OTHER], TIMERS),
        )
        self._lateness = Histogram(
            "cartwheel_timer_lateness_seconds",
            "From a timer's moment to the time of the record that released it.",
            LATENESS_SECONDS,
            ["flow"],
        )

    def _make_state(self) -> None:
        self._changelog_records = Totals("cartwheel_changelog_records", "Records written to the changelog.")
        self._changelog_bytes = Totals("cartwheel_changelog_bytes", "The same in bytes, before compression.")
        self._foreign = Totals(
            "cartwheel_foreign_records", "Records that other workers wrote to changelog partitions of ours."
        )
        self._repaired = Totals("cartwheel_repaired_states", "States written again because of foreign records.")
        self._restored = Totals("cartwheel_restored_records", "Changelog records read back.")
        self._rebalances = Totals(
            "cartwheel_rebalances", "Times that partitions came or went.", ["kind"], _each(("assigned", "revoked"))
        )
        self._interruption = Histogram(
            "cartwheel_rebalance_seconds",
            "From the start, or the loss of partitions, until those assigned are recovered and read.",
            INTERRUPTION_SECONDS,
        )

    def declare(self, flows: Iterable[str]) -> None:
        """Flows to be counted by name from now on, beside those before them: 500 of all at most."""
        new = sorted(set(flows) - set(self._label_of))[: FLOW_LABELS_MAX - len(self._label_of)]
        self._label_of |= {name: name for name in new}
        self._decisions.declare(_pairs(new, DECISIONS))
        self._timers.declare(_pairs(new, TIMERS))
        self._lateness.declare(_each(new))
        self._regretted.declare(self._regrets(new))

    def _regrets(self, flows: Iterable[str]) -> list[Labels]:
        """The combinations that may be counted by themselves, as long as there is room for more."""
        found: list[Labels] = list(islice(product(flows, self._sources, CAUSES), self._regrets_left))
        self._regrets_left -= len(found)
        return found

    # --- what happens ------------------------------------------------------------------------------------

    def unit(self, outputs: UnitOutputs, *, seconds: float, fetched: Sequence[Any] = (), evaluated_at: int = 0) -> None:
        """A unit of work is evaluated. `fetched` are its records as the broker gave them, with their append times."""
        for tally, count in outputs.tallies.items():
            self._tally(tally, count)
        for flow, latenesses in outputs.latenesses.items():
            label = self._label_of.get(flow, OTHER)
            self._timers.add(len(latenesses), (label, "fired"))
            self._lateness.observe_ms(latenesses, (label,))
        if fetched:
            self._age.observe_ms([evaluated_at - record.timestamp for record in fetched])
        self._evaluation.observe(seconds)

    def replayed(self) -> None:
        """A record has come that was a dead letter before."""
        self._replayed.add(1, ("worker",))

    def settled(self, states: Sequence[tuple[bytes, bytes]], *, foreign: int, repaired: int) -> None:
        """A snapshot is stored; what other writers made of its partition since the one before."""
        self._changelog_records.add(len(states) + repaired + 1)
        self._changelog_bytes.add(sum(len(key) + len(state) for key, state in states))
        self._foreign.add(foreign)
        self._repaired.add(repaired)

    def restored(self, records: int) -> None:
        """A recovery has read changelog records."""
        self._restored.add(records)

    def revoked(self) -> None:
        """Partitions have been given up."""
        self._rebalances.add(1, ("revoked",))

    def assigned(self, *, interrupted_seconds: float) -> None:
        """All partitions that came are recovered and read; nothing was done for so long."""
        self._rebalances.add(1, ("assigned",))
        self._interruption.observe(interrupted_seconds)

    def _tally(self, tally: tuple[str, ...], count: int) -> None:
        match tally:
            case ("event", outcome) if outcome in REASONS:
                self._events.add(count, (outcome if outcome in EVENTS else "refused",))
                self._dead_letters.add(count, ("worker", outcome))
            case ("event", "from_the_future") | ("clamped",):
                self._bent.add(count, tally[-1:])
            case ("event", outcome) if outcome in UNCLEAR:
                self._unclear.add(count, (outcome,))
            case ("event", outcome):
                self._events.add(count, (outcome,))
            case ("tick",):
                self._ticks.add(count)
            case ("decision", _, outcome, _) if outcome in OWN_COUNTERS:
                pass
            case ("decision", flow, outcome, reason):
                self._decisions.add(count, (self._label_of.get(flow, OTHER), outcome if outcome in OUTCOMES else OTHER))
                if reason == "too_late":
                    self._timers.add(count, (self._label_of.get(flow, OTHER), "stale"))
                if outcome == "refused":
                    self._refusals.add(count, (reason,))
            case ("zone_invalid", source):
                self._zones.add(count, (source,))
            case ("ignored" | "where_false", _):
                self._passed.add(count, tally[:1])
            case ("shadow", _):
                self._shadow.add(count)
            case ("not_backfilled", _):
                self._not_backfilled.add(count)
            case ("not_moved", _):
                self._not_moved.add(count)
            case ("command", _, channel):
                self._commands.add(count, (channel,))
            case ("timer", flow, outcome):
                self._timers.add(count, (self._label_of.get(flow, OTHER), outcome))
            case ("held", what):
                self._held.add(count, (what,))
            case ("plugin_failed", plugin, why):
                self._unanswered.add(count, (*plugin.split("/"), why))
            case ("fact_wrong_kind", _):
                self._misstated.add(count)
            case ("evicted", what):
                self._evicted.add(count, (what,))
            case ("recall", _, channel):
                self._recalls.add(count, (channel,))
            case ("regretted", flow, source, cause):
                known = source if source in self._sources else OTHER
                self._regretted.add(count, (self._label_of.get(flow, OTHER), known, cause))
            case ("unknown_storefront",):
                self._unknown_storefront.add(count)
            case ("receipt", what):
                self._receipts.add(count, (what,))
            case ("profile",):
                pass  # a new one; `agents.worker.population` counts people
            case _:
                self._undeclared.add(count)


def _each(values: Iterable[str]) -> list[Labels]:
    return [(value,) for value in values]


def _pairs(first: Iterable[str], second: Iterable[str]) -> list[Labels]:
    return [(one, other) for one in first for other in second]
