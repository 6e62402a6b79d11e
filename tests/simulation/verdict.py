"""The verdict over a simulated run: everything recomputed from the recorded logs, by others than made them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from agents.definitions.book import NOTHING, Book
from agents.worker.arrivals import arrivals
from schemas import codec
from schemas.activation import Activation
from schemas.codec import CLAIM_KEY, PARTITION_KEY
from schemas.control import ACTIVATION_KEY, MIGRATION_KEY, RESOLUTION_KEY, TICK_KEY
from schemas.instants import from_wire, to_wire
from schemas.topics import Topics
from streams.partition import Partition
from streams.program import Program, none_activated
from tests.oracle.activations import Definitions, run_active
from tests.oracle.replay import LogRecord
from tests.simulation.broker import Broker
from tests.simulation.broker import Record as Stored
from tests.simulation.disk import OFFSET_KEY
from tests.simulation.intake import Intake
from tests.simulation.ledger import Ledger, order_id

#: Partition records of the last owner by which it has written again what an older one wrote over.
REPAIRED_WITHIN = 3
TICKS_APART_SECONDS = 0.05
#: Records beside events, ticks and resolutions, and what the oracle calls them.
OPERATORS = {ACTIVATION_KEY: "activation", MIGRATION_KEY: "migration"}


@dataclass(slots=True)
class Verdict:
    """`faults` must be empty; `counts` says what the run was made of."""

    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    commands: list[list[bytes]] = field(default_factory=list)
    """Per partition, each id once, in the order of first appearance."""
    decisions: list[list[bytes]] = field(default_factory=list)

    def fault(self, kind: str, found: Iterable[object]) -> None:
        """Each of these is one."""
        some = [str(one) for one in found]
        if some:
            self.faults.append(f"{kind}: {len(some)}, such as {some[0][:300]}")


def judge(
    *,
    broker: Broker,
    topics: Topics,
    book: Book,
    intake: Intake,
    ledger: Ledger,
    incarnation: str,
    stores: Mapping[int, Sequence[Stored]],
) -> Verdict:
    """Read all topics, and compare. `stores` are those of the owners of partitions whose changelog was cut."""
    verdict = Verdict()
    said = broker.log(topics.definitions.name, 0).records
    definitions = Definitions((record.offset, record.key, record.value) for record in said)
    for number in range(topics.profile_log.partitions):
        log = broker.log(topics.profile_log.name, number).records
        if void := _void(definitions, log):
            verdict.fault(f"void activation in {number}", void)
            continue
        replay = replayed_from(book, log, topic=topics.profile_log.name, number=number, incarnation=incarnation)
        _judge_outputs(verdict, broker, topics, number, replay)
        _judge_commands(verdict, definitions, log, number)
        changelog = [*stores.get(number, ()), *broker.log(topics.profile_state.name, number).records]
        _judge_states(verdict, changelog, replay, number)
        _judge_ticks(verdict, log, intake, number)
    _judge_letters(verdict, broker, topics)
    _judge_ledger(verdict, ledger)
    return verdict


@dataclass(slots=True)
class Replay:
    """What the core makes of a log, record by record in one life."""

    commands: list[bytes]
    decisions: list[bytes]
    dead_letters: list[bytes]
    states: dict[bytes, bytes]
    next_wakeup_at: int


def replayed_from(
    book: Book, log: Sequence[Stored], *, topic: str, number: int, incarnation: str, batch: int = 1
) -> Replay:
    """The core over a recorded partition, with the flows that it began with, and those that came after."""
    began = book.began(incarnation, number)
    program = book.program_of(NOTHING if began is None else began)
    return replayed(
        program, log, topic=topic, number=number, incarnation=incarnation, batch=batch, programs=book.program
    )


def replayed(
    program: Program,
    log: Sequence[Stored],
    *,
    topic: str,
    number: int,
    incarnation: str,
    batch: int = 1,
    programs: Callable[[Activation], Program] = none_activated,
) -> Replay:
    """The core over a recorded partition, so many records at a time, in one life, told to go on at each stop."""
    core = Partition(
        program=program, topic=topic, number=number, clock="live", incarnation=incarnation,
        load=lambda key: None, record=None, programs=programs,
    )  # fmt: skip
    commands: list[bytes] = []
    decisions: list[bytes] = []
    letters: list[bytes] = []
    for at in range(0, len(log), batch):
        records = arrivals(log[at : at + batch], clock="live")
        while records:
            made = core.process(records)
            commands += (value for _, value in made.commands)
            decisions += (value for _, value in made.decisions)
            letters += (value for _, value in made.dead_letters)
            records = [one for one in records if one.offset >= core.position]
            if core.stopped is not None:  # somebody will tell it to go on
                core.stopped, core._poison = None, []
    snapshot = core.snapshot()
    states = dict(snapshot.states) | {PARTITION_KEY: snapshot.partition_record}
    return Replay(commands, decisions, letters, states, core.next_wakeup_at)


def _void(definitions: Definitions, log: Sequence[Stored]) -> set[int]:
    """Numbers of activations in a log that were never valid."""
    numbers = {orjson.loads(record.value)["number"] for record in log if record.key == ACTIVATION_KEY}
    return numbers - definitions.activations.keys()


def _judge_outputs(verdict: Verdict, broker: Broker, topics: Topics, number: int, replay: Replay) -> None:
    """Every command and decision that the core makes in one life, with the same bytes, and no other."""
    for name, made, topic in (
        ("command", replay.commands, topics.commands.name),
        ("decision", replay.decisions, topics.decisions.name),
    ):
        written = [record.value for record in broker.log(topic, number).records]
        first = list(dict.fromkeys(written))
        verdict.counts[f"{name}s"] += len(made)
        verdict.counts[f"{name}s repeated"] += len(written) - len(first)
        verdict.fault(f"{name} missing in {number}", [value for value in made if value not in set(first)])
        verdict.fault(f"{name} wrong in {number}", [value for value in first if value not in set(made)])
        bodies: dict[str, set[bytes]] = defaultdict(set)
        for value in first:
            bodies[order_id(value) if name == "command" else orjson.loads(value)["decision_id"]].add(value)
        verdict.fault(f"{name} id with two bodies", [one for one, some in bodies.items() if len(some) > 1])
        verdict.fault(f"{name}s of a profile out of order in {number}", _disorder(made, first))
        (verdict.commands if name == "command" else verdict.decisions).append(first)


def _disorder(made: list[bytes], first: list[bytes]) -> list[str]:
    """Profiles whose outputs first appeared in another order than they were made in."""
    orders: list[dict[str, list[bytes]]] = []
    for values in (made, first):
        order: dict[str, list[bytes]] = defaultdict(list)
        for value in values:
            order[orjson.loads(value)["profile_id"]].append(value)
        orders.append(order)
    return [who for who, values in orders[0].items() if orders[1].get(who, values) != values]


def told(log: Sequence[Stored]) -> list[LogRecord]:
    """A recorded partition in the words of the oracle."""
    now = 0
    records: list[LogRecord] = []
    for one in log:
        now = _moved(now, one)
        if one.key == TICK_KEY:
            records.append((one.offset, now, "tick", one.value))
        elif one.key == RESOLUTION_KEY:
            records.append((one.offset, now, "resolution", one.value))
        elif one.key in OPERATORS:
            records.append((one.offset, now, OPERATORS[one.key], one.value))
        elif is_event(one):
            records.append((one.offset, now, "event", one.value))
        elif b"/" in (one.key or b""):
            records.append((one.offset, now, "poison", {"profile": (one.key or b"").decode()}))
    return records


def _moved(now: int, record: Stored) -> int:
    """Now at a record. Poison moves time, too, unless it brings its own."""
    return now if record.headers else max(now, record.timestamp)


def _judge_commands(verdict: Verdict, definitions: Definitions, log: Sequence[Stored], number: int) -> None:
    """The naive oracle agrees on which commands there are, and on which of them are recalled or regretted, and why."""
    records = told(log)
    expected = run_active(definitions, records, begins=definitions.begins.get(number, NOTHING))
    commands = {
        one.command_id: (one.enrollment_id, one.profile_id, one.flow, one.step, one.visit, one.decided_at)
        for one in expected.commands
    }
    found: dict[str, tuple[object, ...]] = {}
    recalled: dict[str, tuple[str, int]] = {}
    for body in map(orjson.loads, verdict.commands[number]):
        if "recall_id" in body:
            recalled[body["command_id"]] = (body["reason"], from_wire(body["at"]))
        else:
            named = tuple(body[name] for name in ("enrollment_id", "profile_id", "flow", "step", "visit"))
            found[body["command_id"]] = (*named, from_wire(body["decided_at"]))
    regretted = {
        body["command_id"]: (body["reason"], from_wire(body["decided_at"]))
        for body in map(orjson.loads, verdict.decisions[number]) if body["outcome"] == "regretted"
    }  # fmt: skip
    _agree(verdict, f"by the oracle in {number}", commands, found)
    _agree(verdict, f"recall in {number}, as the oracle says", expected.recalled, recalled)
    _agree(verdict, f"regret in {number}, as the oracle says", expected.regretted, regretted)
    verdict.counts.update(kind for _, _, kind, _ in records)
    verdict.counts["recalled"] += len(recalled)
    verdict.counts["regretted"] += len(regretted)


def _agree(
    verdict: Verdict, what: str, expected: Mapping[str, tuple[object, ...]], found: Mapping[str, tuple[object, ...]]
) -> None:
    verdict.fault(f"missing {what}", expected.keys() - found.keys())
    verdict.fault(f"wrong {what}", [one for one in found if found[one] != expected.get(one)])


def is_event(record: Stored) -> bool:
    """Whether intake could have written it; all else is poison."""
    return b"/" in (record.key or b"") and record.value.startswith(b"{") and not record.headers


def _judge_states(verdict: Verdict, changelog: Sequence[Stored], replay: Replay, number: int) -> None:
    """The states that the next owner would find are those of one life, and compaction would keep them."""
    newest: dict[bytes, Stored] = {}
    last: dict[bytes, Stored] = {}
    for record in changelog:
        key = record.key or b""
        if key in (CLAIM_KEY, OFFSET_KEY):
            continue
        known, last[key] = newest.get(key), record
        if known is None or codec.rank(key, record.value) >= codec.rank(key, known.value):
            newest[key] = record
    verdict.fault(f"state missing in {number}", replay.states.keys() - newest.keys())
    wrong = [
        key
        for key, record in newest.items()
        if key != PARTITION_KEY and record.value != replay.states.get(key, b"none")
    ]
    verdict.fault(f"state wrong in {number}", wrong)
    if PARTITION_KEY in newest:
        kept = codec.unpack_partition(newest[PARTITION_KEY].value)
        if kept.stopped is not None:
            kept.stopped, kept.poison = None, []
        if kept != codec.unpack_partition(replay.states[PARTITION_KEY]):
            verdict.fault(f"partition record wrong in {number}", [kept])
    _judge_last(verdict, changelog, newest, last, number)


def _judge_last(
    verdict: Verdict, changelog: Sequence[Stored], newest: dict[bytes, Stored], last: dict[bytes, Stored], number: int
) -> None:
    if PARTITION_KEY not in newest:
        return
    epoch = codec.epoch_of(newest[PARTITION_KEY].value)
    written = [r.offset for r in changelog if r.key == PARTITION_KEY and codec.epoch_of(r.value) == epoch]
    if len(written) < REPAIRED_WITHIN:
        return
    since = written[-REPAIRED_WITHIN]
    older = [key for key, record in last.items() if record.value != newest[key].value and record.offset < since]
    verdict.fault(f"an older state stands last in {number}", older)


def _judge_ticks(verdict: Verdict, log: Sequence[Stored], intake: Intake, number: int) -> None:
    """No tick reaches beyond an event that had been reported and stands behind it."""
    behind = {
        offset: intake.reported[raw].at for raw, offset in intake.forwarded.items()
        if intake.reported[raw].partition == number
    }  # fmt: skip
    verdict.fault("not forwarded", intake.reported.keys() - intake.forwarded.keys())
    earliest, overtaken = 1 << 62, []
    for record in reversed(log):
        if record.offset in behind:
            earliest = min(earliest, behind[record.offset])
        elif record.key == TICK_KEY and from_wire(orjson.loads(record.value)["through"]) >= earliest:
            overtaken.append(record)
    verdict.fault(f"a tick overtakes an event in {number}", overtaken)


def _judge_letters(verdict: Verdict, broker: Broker, topics: Topics) -> None:
    """Every record that is no event has its dead letter, and of events those that contradict an earlier copy."""
    letters, conflicts = set[tuple[int, int]](), set[tuple[int, int, str]]()
    for number in range(topics.dead_letters.partitions):
        for record in broker.log(topics.dead_letters.name, number).records:
            body = orjson.loads(record.value)
            if body["reason"] == "conflict":
                conflicts.add((body["partition"], body["offset"], body["first_at"]))
            else:
                letters.add((body["partition"], body["offset"]))
    poison = {
        (number, record.offset)
        for number in range(topics.profile_log.partitions)
        for record in broker.log(topics.profile_log.name, number).records
        if record.key not in (TICK_KEY, RESOLUTION_KEY, *OPERATORS) and not is_event(record)
    }
    contradicting = {
        (number, offset, first_at)
        for number in range(topics.profile_log.partitions)
        for offset, first_at in _contradicting(broker.log(topics.profile_log.name, number).records)
    }
    verdict.counts["dead letters"] += len(letters)
    verdict.counts["conflicts"] += len(conflicts)
    verdict.fault("conflict without a dead letter", contradicting - conflicts)
    verdict.fault("dead letter of a copy that says the same", conflicts - contradicting)
    verdict.fault("poison without a dead letter", poison - letters)
    verdict.fault("dead letter of an event", letters - poison)


def _contradicting(log: Sequence[Stored]) -> Iterator[tuple[int, str]]:
    """Offsets of copies that say something else than the first of the same business event (semantics 1.4), with the
    second in which that was taken (1.2).
    """
    first: dict[object, tuple[object, str]] = {}
    now = 0
    for record in log:
        now = _moved(now, record)
        if not is_event(record):
            continue
        body = orjson.loads(record.value)
        which = (record.key, body["type"], body.get("dedupe_key") or (body["source"], body["id"]))
        said = [body.get(word) for word in ("value", "properties", "items")]
        before, taken_at = first.setdefault(which, (said, to_wire(now // 1000 * 1000)))
        if before != said:
            yield record.offset, taken_at


def _judge_ledger(verdict: Verdict, ledger: Ledger) -> None:
    """Every command has been carried out once, as it was first written."""
    expected = {order_id(value): value for values in verdict.commands for value in values}
    verdict.fault("not in the ledger", expected.keys() - ledger.carried_out.keys())
    verdict.fault("carried out otherwise", [one for one in expected if ledger.carried_out[one][:1] != [expected[one]]])
    verdict.fault("carried out twice", [one for one, times in ledger.carried_out.items() if len(times) > 1])
