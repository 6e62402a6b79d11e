"""Seeded small scenarios: random flows, and a random timeline of a few profiles in which much happens at once.

Times stand on a grid of five minutes, with neighbors a millisecond away, so that orders meet due times, checkouts and
watermarks exactly. Events come late by minutes or hours, twice, twice with another body, out of order, or marked as
historical; watermarks come late, fall back, or stay away.
"""

from __future__ import annotations

import io
import json
from random import Random
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tests.oracle import scenario_sends
from tests.oracle.flowfile import Flow, load_flow
from tests.oracle.identity import profile_id
from tests.oracle.people import REMEMBERED_MS, Command
from tests.oracle.policy import NO_POLICY, Policy, load_policy
from tests.oracle.records import as_mapping, instant, wire
from tests.oracle.replay import LogRecord, run_carried, run_live
from tests.oracle.scenario_flows import random_flow
from tests.oracle.scenario_words import AMOUNTS, CHANNELS, CHECKOUTS, PRODUCTS

#: On Mondays, and on Saturdays before clocks are changed.
BEGINNINGS = tuple(
    map(instant, ("2025-06-02T08:00:00Z", "2025-06-02T08:00:00Z", "2025-03-29T08:00:00Z", "2025-10-25T08:00:00Z"))
)
GRID_MS = 5 * 60_000
ROUNDS = 3  # of receipts: what follows from some has receipts of its own
POISON_MAX = 50  # with more the partition would stop
TENANT = "shop"
TYPES = {
    "commerce.product.viewed.v1": 3,
    "commerce.cart.item_added.v1": 3,
    "commerce.checkout.started.v1": 6,
    "commerce.order.placed.v1": 4,
}
IDENTITIES: tuple[dict[str, str], ...] = (
    {"external_id": "p1"},
    {"email": "p2@example.com", "phone": "+81312345678"},
    {"email": "p3@example.com", "anonymous_id": "browser-3"},
    {"anonymous_id": "browser-4"},
)
REACHED = {"email": "p@example.com", "phone": "+4930765432"}
#: In worlds of these lengths the first person has no address until some event tells one, and some events tell nobody's.
UNREACHED_SPANS = (24, 96)
NOBODY = {"external_id": "guest", "email": "null", "phone": "0"}
#: Some events of a person tell of another phone, and so of another zone.
PHONES = ("+49301234567", "+81312345678", "+15551234567")
DATES = ("{day}", "{day}T12:00:00+02:00", "{day}T09:00:00.001Z", "soon")
Raw = dict[str, Any]


class Scenario(NamedTuple):
    """Flow files as YAML that is JSON, lines of NDJSON in order of arrival, and a policy file, or nothing."""

    flows: list[str]
    lines: list[str]
    policy: str | None = None


class _Arrival(NamedTuple):
    at: int
    record: Raw


def scenario(seed: int) -> Scenario:
    """The scenario of this seed. Of each four, one is of waits and branches alone."""
    dice = Random(seed)
    rich = seed % 4 != 0
    names = [f"flow_{number}" for number in range(1, dice.randint(2 if rich else 1, 4 if rich else 3) + 1)]
    flows = [
        scenario_sends.other_flow(dice, name, names) if rich and dice.random() < 0.4 else random_flow(dice, name)
        for name in names
    ]
    for flow in flows if rich else ():
        scenario_sends.enrich(dice, flow, names)
    shadows = Random(f"shadows {seed}")
    for flow in flows if rich else ():
        if shadows.random() < 0.35:
            scenario_sends.show(shadows, flow, flows)
    scenario_sends.bound(flows)
    policy = json.dumps(scenario_sends.random_policy(dice), indent=1) if rich else None
    lines = [json.dumps(record) for record in _timeline(dice, dice.choice(BEGINNINGS), rich=rich)]
    return Scenario([json.dumps(flow, indent=1) for flow in flows], lines, policy)


def naive(made: Scenario) -> tuple[list[Flow], Policy]:
    """As the oracle reads it."""
    flows = [load_flow(text) for text in made.flows]
    return flows, NO_POLICY if made.policy is None else load_policy(made.policy)


def with_receipts(seed: int, made: Scenario) -> list[str]:
    """The lines, and what senders say of the commands that follow from them: now and then nothing, or twice."""
    flows, policy = naive(made)
    lines, told = made.lines, set[str]()
    if made.policy is None:
        return lines
    for _ in range(ROUNDS):
        commands = [one for one in run_carried(flows, lines, policy).commands if one.command_id not in told]
        told |= {one.command_id for one in commands}
        lines = _merged(lines, [receipt for one in commands for receipt in _receipts(seed, one)])
    while True:  # without some of them, messages go at other times
        ordered = {one.command_id: one.decided_at for one in run_carried(flows, lines, policy).commands}
        before, lines = lines, [line for line in lines if _is_in_time(json.loads(line), ordered)]
        if len(lines) == len(before):
            return lines


def _is_in_time(record: Raw, ordered: dict[str, int]) -> bool:
    """Is it no receipt, or of a command that is remembered then?"""
    if record.get("type") != "message.reported.v1":
        return True
    ordered_at = ordered.get(record["properties"]["command_id"])
    at = instant(record.get("arrived_at") or record["time"])
    return ordered_at is not None and ordered_at < at <= ordered_at + REMEMBERED_MS


def receipts_in_log(seed: int, log: list[LogRecord], flows: list[Flow], policy: Policy) -> list[LogRecord]:
    """The same for a live log. Offsets are given anew."""
    told: set[str] = set()
    for _ in range(ROUNDS):
        commands = [one for one in run_live(flows, log, policy).commands if one.command_id not in told]
        told |= {one.command_id for one in commands}
        for arrival in [receipt for one in commands for receipt in _receipts(seed, one)]:
            behind = next((at for at, record in enumerate(log) if record[1] > arrival.at), len(log))
            told_of = {name: said for name, said in arrival.record.items() if name != "arrived_at"}
            log = [*log[:behind], (len(log), arrival.at, "event", told_of), *log[behind:]]
    while True:
        log = _numbered(log)
        ordered = {one.command_id: one.decided_at for one in run_live(flows, log, policy).commands}
        before, log = log, [
            record for record in log
            if record[2] != "event" or _is_in_time(as_mapping(record[3]) | {"arrived_at": record[1]}, ordered)
        ]  # fmt: skip
        if len(log) == len(before):
            return log


def _numbered(log: list[LogRecord]) -> list[LogRecord]:
    offsets = {old[0]: new for new, old in enumerate(log) if old[2] == "poison"}
    return [_moved(record, at, offsets) for at, record in enumerate(log)]


def _moved(record: LogRecord, at: int, offsets: dict[int, int]) -> LogRecord:
    _, appended_at, kind, body = record
    if kind == "resolution":
        said = as_mapping(body)
        body = said | {"offsets": [offsets[offset] for offset in said["offsets"]]}
    return at, appended_at, kind, body


def _merged(lines: list[str], arrivals: list[_Arrival]) -> list[str]:
    found, now = [], 0
    for line in lines:
        record = json.loads(line)
        now = max(now, instant(record.get("arrived_at") or record["time"]))
        found.append((now, line))
    for arrival in arrivals:
        behind = next((at for at, (at_ms, _) in enumerate(found) if at_ms > arrival.at), len(found))
        found.insert(behind, (arrival.at, json.dumps(arrival.record)))
    return [line for _, line in found]


def _receipts(seed: int, command: Command) -> list[_Arrival]:
    dice = Random(f"receipt {seed} {command.command_id}")
    who = next(one for one in IDENTITIES if profile_id(TENANT, one) == command.profile_id)
    told, at = [], command.decided_at
    for number in range(dice.choice((0, 1, 1, 1, 2, 3))):
        at += dice.choice((0, 1, 1_000, GRID_MS, 3 * GRID_MS, 15 * 60_000 + 1, 20 * GRID_MS))
        outcome = dice.choice(
            ("accepted", "accepted", "unknown", "rejected", "failed", "expired", "expired", "recalled")
        )
        said = {"command_id": command.command_id, "outcome": outcome}
        if outcome == "rejected" and dice.random() < 0.6:
            said["reason"] = dice.choice(("hard_bounce", "complaint", "invalid_address", "full"))
        record = {
            "specversion": "1.0", "id": f"r{number}-{command.command_id}", "source": "sender",
            "type": "message.reported.v1", "time": wire(at), "tenant": TENANT, "identity": who, "properties": said,
        }  # fmt: skip
        late_by = dice.choice((0, 0, 0, 1_000, 2 * GRID_MS))
        told.append(_arriving(record, late_by=late_by))
    return told


def live_log(seed: int, lines: list[str]) -> list[LogRecord]:
    """The same lines as one partition of a live log: ticks of random reach stand between, and carry the watermarks.

    In some logs unreadable records stand between too, and resolutions, in the end of all of them. A tick's bound never
    falls back and never passes its own append time; the last ones release everything.
    """
    dice = Random(f"ticks {seed}")
    keys = sorted(f"{TENANT}/{profile_id(TENANT, identity)}" for identity in IDENTITIES)
    log: list[LogRecord] = []
    waiting: list[Raw] = []
    spoiled = dice.choice((0.0, 0.1, 0.5))
    now = through = min(instant(json.loads(line).get("time", "2100-01-01T00:00:00Z")) for line in lines)
    for record in map(json.loads, lines):
        at = max(now, instant(record.pop("arrived_at", None) or record["time"]))
        while dice.random() < 0.6:
            now = min(at, now + dice.choice((0, 1, GRID_MS, 6 * GRID_MS)))
            through = dice.choice((through, (through + now) // 2, now))
            log.append((len(log), now, "tick", _tick(dice, through, keys, waiting, log)))
        now = at
        if dice.random() < spoiled:
            log.append((len(log), now, *_trouble(dice, keys, log)))
        if "watermark" in record:
            waiting.append(record["watermark"])
        else:
            log.append((len(log), now, "event", record))
    for key in keys:
        if offsets := _spoiled(log, key):
            log.append((len(log), now, "resolution", {"profile": key, "offsets": offsets}))
    for hours in (*range(1, 24), 30, 48, 24 * 8, 24 * 32):
        at = now + hours * 12 * GRID_MS
        log.append((len(log), at, "tick", {"through": wire(at), "watermarks": waiting}))
        waiting = []
    return log


def _tick(dice: Random, through: int, keys: list[str], waiting: list[Raw], log: list[LogRecord]) -> Raw:
    """A tick up to this instant, for some of its profiles or for all; it takes the watermarks that wait along."""
    ticks = [record[3] for record in log if record[2] == "tick"]
    last = ticks[-1] if ticks else {}
    assert isinstance(last, dict)
    bound: Raw = {"through": wire(through)}
    reached = last.get("through_key") if last.get("through") == bound["through"] else ""
    if reached is not None and dice.random() < 0.5:
        bound["through_key"] = dice.choice([key for key in keys if key >= reached])
    if dice.random() < 0.7:
        bound["watermarks"] = waiting[:]
        waiting.clear()
    if dice.random() < 0.3:
        bound["gates_through"] = wire(through - dice.choice((0, 1, GRID_MS, 12 * GRID_MS)))
        if dice.random() < 0.5:
            bound["gates_key"] = dice.choice(keys)
    return bound


def _spoiled(log: list[LogRecord], key: str) -> list[int]:
    return [at for at, _, kind, body in log if kind == "poison" and as_mapping(body)["profile"] == key]


def _trouble(dice: Random, keys: list[str], log: list[LogRecord]) -> tuple[str, Raw]:
    """An unreadable record of some profile, or a resolution of some of those before."""
    key = dice.choice(keys)
    before = _spoiled(log, key)
    in_all = sum(kind == "poison" for _, _, kind, _ in log)
    if in_all < POISON_MAX and (not before or dice.random() < 0.4):
        return "poison", {"profile": key}
    return "resolution", {
        "profile": key,
        "offsets": dice.sample(before, 1) if before and dice.random() < 0.4 else before,
    }


def as_yaml(flow: Raw) -> str:
    yaml = YAML()
    yaml.representer.ignore_aliases = lambda _: True
    text = io.StringIO()
    yaml.dump(flow, text)
    return text.getvalue()


def _timeline(dice: Random, begins: int, *, rich: bool) -> list[Raw]:
    identities = IDENTITIES[: dice.randint(1, len(IDENTITIES))]
    span = dice.choice((24, 48, 96, 320))
    if span not in UNREACHED_SPANS:
        identities = (identities[0] | {"email": "p1@example.com"}, *identities[1:])
    numbers = range(dice.randint(8 if rich else 4, 48 if rich else 40))
    arrivals = [_event(dice, number, identities, span, begins, rich=rich) for number in numbers]
    arrivals += [_copy(dice, original, number) for number, original in enumerate(arrivals) if dice.random() < 0.15]
    arrivals += _watermarks(dice, span, begins)
    dice.shuffle(arrivals)
    arrivals.sort(key=lambda arrival: arrival.at)
    for _ in range(dice.randint(0, 3)):
        index = dice.randrange(1, len(arrivals))
        arrivals[index - 1 : index + 1] = reversed(arrivals[index - 1 : index + 1])
    return [arrival.record for arrival in arrivals]


def _moment(dice: Random, span: int, begins: int) -> int:
    """A moment on the grid, or a millisecond or a second beside it."""
    return begins + dice.randrange(span) * GRID_MS + dice.choice((0, 0, 0, 0, 1, -1, 1_000, -1_000))


def _late_by(dice: Random, span: int) -> int:
    return dice.choice((0, 0, 0, 0, 0, 1, GRID_MS, 3 * GRID_MS, 12 * GRID_MS, dice.randrange(span) * GRID_MS))


def _event(
    dice: Random, number: int, identities: tuple[dict[str, str], ...], span: int, begins: int, *, rich: bool
) -> _Arrival:
    types = TYPES | (scenario_sends.TYPES if rich else {})
    kind = dice.choices(list(types), weights=list(types.values()))[0]
    who = dice.choice(identities)
    is_order = kind == "commerce.order.placed.v1"
    at = _moment(dice, span, begins)
    record: Raw = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "shop.orders" if is_order else dice.choice(("shop.site", "shop.site", "shop.site.mobile", "partner")),
        "type": kind,
        "time": wire(at),
        "tenant": TENANT,
        "identity": who | ({"phone": dice.choice(PHONES)} if who != IDENTITIES[-1] and dice.random() < 0.1 else {}),
        "properties": _properties(dice, kind),
    }
    if rich and "anonymous_id" not in who and dice.random() < (0.08 if span in UNREACHED_SPANS else 0.3):
        record["identity"] = REACHED | record["identity"]
    if span in UNREACHED_SPANS and number % 4 == 0:
        record["identity"] = NOBODY | record["identity"]
    if dice.random() < 0.7:
        record["dedupe_key"] = f"order:{number}" if is_order else f"hit:{number}"
    if dice.random() < 0.7:
        record["context"] = {"channel_id": dice.choice(CHANNELS)}
    if kind != "commerce.product.viewed.v1" and dice.random() < 0.8:
        record["value"] = _money(dice)
    if dice.random() < 0.6:
        day = wire(begins + dice.randrange(-1, 4) * 86_400_000)[:10]
        record["subject"] = dice.choice(DATES).format(day=day)
    if dice.random() < 0.04:
        record["backfill"] = True
    return _arriving(record, late_by=_late_by(dice, span))


def _properties(dice: Random, kind: str) -> Raw:
    if kind in scenario_sends.TYPES:
        return scenario_sends.properties(dice, kind)
    if kind == "commerce.checkout.started.v1":
        return {"checkout_id": dice.choice(CHECKOUTS)}
    if kind == "commerce.order.placed.v1":
        order = {"order_id": f"O{dice.randrange(9)}"}
        return order | ({"checkout_id": dice.choice(CHECKOUTS)} if dice.random() < 0.7 else {})
    product: Raw = {"product_id": dice.choice(PRODUCTS), "price": _money(dice)}
    if dice.random() < 0.7:
        product["quantity"] = dice.randint(1, 3)
    return product | ({"checkout_id": dice.choice(CHECKOUTS)} if kind == "commerce.cart.item_added.v1" else {})


def _money(dice: Random) -> dict[str, str]:
    return {"amount": dice.choice(AMOUNTS), "currency": dice.choice(("USD", "USD", "USD", "EUR"))}


def _copy(dice: Random, original: _Arrival, number: int) -> _Arrival:
    """The same event once more: as it was, with another body, or under a dedupe key that belongs to another type."""
    record = dict(original.record)
    shape = dice.choice(("same", "same", "other body", "other time", "other type"))
    if "dedupe_key" in record:
        record["id"] = f"copy-{number}"
    if shape == "other body":
        record["value"] = _money(dice)
        record["properties"] = _properties(dice, record["type"])
    if shape == "other time":
        record["time"] = wire(instant(record["time"]) + dice.choice((1, 28, GRID_MS)))
    if shape == "other type":
        record["type"] = dice.choice(list(TYPES))
        record["properties"] = _properties(dice, record["type"])
    late_by = original.at - instant(record["time"]) + dice.choice((0, 1, 28, 324, GRID_MS, 12 * GRID_MS))
    return _arriving(record, late_by=max(0, late_by))


def _arriving(record: Raw, *, late_by: int) -> _Arrival:
    at = instant(record["time"]) + late_by
    record.pop("arrived_at", None)
    return _Arrival(at, record | ({"arrived_at": wire(at)} if late_by else {}))


def _watermarks(dice: Random, span: int, begins: int) -> list[_Arrival]:
    """For each source a promise per half hour, some of them late, some taken back, some never made."""
    arrivals = []
    shops = dice.choice(((None,), (None,), ("one", "two")))
    for source in ("shop.orders", "shop.site"):
        reliability = dice.choice((0.0, 0.5, 0.9, 1.0))
        for through in range(begins, begins + (span + 24) * GRID_MS, 6 * GRID_MS):
            for shop in shops:
                if dice.random() < reliability:
                    promised = through - dice.choice((0, 0, 0, 0, 1, GRID_MS, 12 * GRID_MS))
                    mark = {"source": source, "complete_through": wire(promised), "tenant": TENANT}
                    at = through + dice.choice((0, 0, 0, 1, GRID_MS))
                    named = mark | ({"shop": shop} if shop else {})
                    arrivals.append(_Arrival(at, {"watermark": named, "arrived_at": wire(at)}))
    return arrivals
