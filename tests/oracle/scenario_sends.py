"""What random scenarios have beside waits and branches: policies, gates before messages, facts, flows on flows.

Much of it meets: messages of several flows want the same room, wait for the same morning, and are taken back meanwhile.
Only flows that take nobody in for ever may be entered from a flow that they lead to, so that each rehearsal ends.
"""

from __future__ import annotations

from random import Random
from typing import Any

Raw = dict[str, Any]

FACTS = {"tier": "text", "renewal": "date", "points": "number"}
TIERS = ("gold", "silver")
GROUPS = ("reminders", "other")
#: All of them, and those of the nights, agree at some time of the day: who looks for one for 400 days looks for long.
HOURS = ("08:00-21:00", "09:00-10:00", "22:00-07:00", "00:00-12:00", "02:00-03:00", "12:00-24:00")
NIGHTS = ("21:00-08:00", "22:00-07:00", "09:00-09:30", "12:00-13:00")
WEEKDAYS = (["mon-fri"], ["sat", "sun"], ["mon", "tue"])
DAYS = ("2025-06-03", "2025-06-02", "2025-03-30", "2025-10-26")
LIMITED = ({"never": True}, "never", {"max": 2, "per": "3650d"}, {"max": 1, "per": "3650d", "count_only_if_sent": True})
CHANNELS = ("email", "email", "sms", "log")
SAID: tuple[Raw, ...] = (
    {"tier": "gold"}, {"tier": "gold"}, {"tier": "silver"}, {"timezone": "Asia/Kolkata"}, {"renewal": "2025-06-04"},
    {"tier": "gold", "points": 3},
)  # fmt: skip
_LEADING = {"stop", "if", "route", "split"}


def random_policy(dice: Random) -> Raw:
    """A policy file; some ask for nothing."""
    policy: Raw = {"policy": "shop", "facts": FACTS}
    if dice.random() < 0.25:
        policy["consent"] = "required"
    if dice.random() < 0.4:
        policy["quiet_hours"] = [_quiet(dice) for _ in range(dice.randint(1, 2))]
    if dice.random() < 0.5:
        policy["caps"] = [_rule(dice) for _ in range(dice.randint(1, 3))]
    if dice.random() < 0.6:
        zones = ("Asia/Kolkata", "Europe/Berlin", "America/New_York")
        policy["storefronts"] = {name: {"timezone": dice.choice(zones)} for name in ("1", "2")}
        policy["storefronts"]["3"] = {"name": "Three"}
    if dice.random() < 0.5:
        policy["holidays"] = list(dice.sample(DAYS, 2))
    return policy


def _quiet(dice: Random) -> Raw:
    channels = dice.choice((["email"], ["sms"], ["email", "sms"], ["email", "log"]))
    return {"channels": channels, "local": dice.choice(NIGHTS)} | _on_days(dice, holidays=False)


def _on_days(dice: Random, *, holidays: bool) -> Raw:
    days: Raw = {"on": dice.choice(WEEKDAYS)} if dice.random() < 0.2 else {}
    if dice.random() < 0.2:
        days["except"] = [dice.choice((*DAYS, "holidays") if holidays else DAYS)]
    return days


def _rule(dice: Random) -> Raw:
    named = dice.choice(("group", "channel", "class", "storefront", "channel and class"))
    rule: Raw = {
        "group": {"group": dice.choice(GROUPS)},
        "channel": {"channel": dice.choice(("email", "sms", "log"))},
        "class": {"class": "marketing"},
        "storefront": {"storefront": dice.choice(("1", "2"))},
        "channel and class": {"channel": "email", "class": "marketing"},
    }[named]
    return rule | _room(dice)


def _room(dice: Random) -> Raw:
    room: Raw = {"max": dice.choice((1, 1, 2)), "per": dice.choice(("30m", "1h", "3h", "1d"))}
    if dice.random() < 0.7:
        room |= {"when_capped": "defer", "expires": dice.choice(("10m", "1h", "12h", "2d"))}
    return room


def enrich(dice: Random, flow: Raw, names: list[str]) -> None:
    """Gates before its messages, questions about the person, and steps beside its messages, in place."""
    entry, number = flow["entry"], names.index(flow["flow"])
    if dice.random() < 0.5:
        flow["timezone"] = {"from": ["profile", "phone", "storefront"], "default": dice.choice(("UTC", "Asia/Kolkata"))}
    if dice.random() < 0.3:
        flow["storefront"] = dice.choice(("1", "2", "fact.tier"))
    if dice.random() < 0.3:
        entry["filter"] = person(dice, names)
    if dice.random() < 0.25:
        flow.setdefault("exit", []).append({"when": {"person": lasting(dice, names)}, "reason": "changed"})
    if number and dice.random() < 0.6:
        entry["reentry"] = dice.choice(LIMITED)
    for step in flow["steps"]:
        if "send" in step:
            step["send"] = step["send"] | _send(dice)
    _insert(dice, flow, names)


def show(dice: Random, flow: Raw, flows: list[Raw]) -> None:
    """Put it in shadow: it sets a fact before a wait, and asks for one behind it; and others ask for it. In place."""
    flow["status"] = "shadow"
    if dice.random() < 0.6:
        flow["entry"] = {"reentry": "always"} | {"trigger": flow["entry"]["trigger"]}
    golden: Raw = {"fact": {"tier": {"eq": "gold"}}}
    if (at := _wait_of(dice, flow)) is not None:
        asked = dice.choice((golden, {"not": golden}, lasting(dice, [one["flow"] for one in flows])))
        flow["steps"].insert(at + 1, {"if": {"condition": asked, "then": {"stop": "seen"}}})
        flow["steps"].insert(at, {"set": dice.choice(SAID)})
    if dice.random() < 0.2:
        flow["entry"]["filter"] = {"not": golden}
    if dice.random() < 0.2:
        flow.setdefault("exit", []).append({"when": {"person": golden}, "reason": "golden"})
    for other in flows:
        met = {"in_flow": {"flow": flow["flow"], "ever": dice.random() < 0.2}}
        if dice.random() < 0.2:
            other["entry"]["filter"] = {"not": met}
        elif (at := _wait_of(dice, other)) is not None and dice.random() < 0.6:
            other["steps"].insert(at + 1, {"if": {"condition": met, "then": {"stop": "met"}}})


def _wait_of(dice: Random, flow: Raw) -> int | None:
    """One before which a step may stand."""
    waits = [at for at, step in enumerate(flow["steps"]) if {"wait", "wait_event"} & step.keys()]
    reached = [at for at in waits if at == 0 or not _LEADING & flow["steps"][at - 1].keys()]
    return dice.choice((reached[0], *reached)) if reached else None


def bound(flows: list[Raw]) -> None:
    """Whoever may be entered from a flow that it leads to, or by an event of our own, takes nobody in for ever."""
    for number, flow in enumerate(flows):
        for step in flow["steps"]:
            back = [one for one in flows[: number + 1] if one["flow"] == step.get("enter_flow", {}).get("flow")]
            for one in back:
                _admit_once(one["entry"])
        if flow["entry"]["trigger"].get("event") == "custom_vip":
            _admit_once(flow["entry"])


def _admit_once(entry: Raw) -> None:
    entry["reentry"] = "never"
    entry.pop("retrigger", None)


def _send(dice: Random) -> Raw:
    body: Raw = {"channel": dice.choice(CHANNELS)}
    if dice.random() < 0.1:
        body["class"] = "transactional"
    if dice.random() < 0.4:
        body["priority"] = dice.choice((1, 5, 8, 9))
    if dice.random() < 0.35:
        body["window"] = {"local": dice.choice(HOURS)} | _on_days(dice, holidays=True)
    if dice.random() < 0.5:
        body["cap"] = {"group": dice.choice(GROUPS)} | _room(dice)
    if dice.random() < 0.1:
        body["fresh"] = {dice.choice(("tier", "country")): dice.choice(("1h", "1d", "7d"))}
    if dice.random() < 0.4:
        body["valid"] = dice.choice(("1m", "1h", "6h", "2d"))
    if dice.random() < 0.3:
        body["storefront"] = dice.choice(("1", "2", "fact.tier"))
    if dice.random() < 0.3:
        body |= {"max_lateness": dice.choice(("1m", "1h")), "when_late": dice.choice(("skip", "send", "reevaluate"))}
    return body


def _insert(dice: Random, flow: Raw, names: list[str]) -> None:
    """Steps beside messages stand before a wait, or at the end; never between a gate and its message."""
    for _ in range(dice.choice((0, 1, 1, 2))):
        places = [0, len(flow["steps"]) - 1]
        places += [at for at, step in enumerate(flow["steps"]) if "wait" in step or "wait_event" in step]
        reached = [at for at in places if at == 0 or not _LEADING & flow["steps"][at - 1].keys()]
        flow["steps"].insert(dice.choice(reached), _beside(dice, names))


def _beside(dice: Random, names: list[str]) -> Raw:
    kind = dice.choice(("set", "set", "emit", "enter_flow", "enter_flow", "if"))
    if kind == "set":
        return {"set": dice.choice(({"tier": dice.choice(TIERS)}, {"renewal": "2025-06-04"}, {"points": 3},
                                    {"tier": "fact.country"}))}  # fmt: skip
    if kind == "emit":
        return {"emit": {"event": "custom_vip", "properties": {"code": dice.choice(("a", "fact.tier"))}}}
    if kind == "enter_flow":
        return {"enter_flow": {"flow": dice.choice((*names, *names, "nobody"))}}
    return {"if": {"condition": person(dice, names), "then": {"stop": "not_meant"}}}


def person(dice: Random, names: list[str]) -> Raw:
    """A condition on the person."""
    kind = dice.choice(("lasting", "lasting", "count", "last", "now", "consent", "not"))
    if kind == "count":
        return {"event_count": {"event": "order_placed", "in_last": dice.choice(("1h", "1d")), "lt": 2}}
    if kind == "last":
        return {"last_event": {"event": "product_viewed", "ago": {dice.choice(("lt", "gt")): "3h"}}}
    if kind == "now":
        return {"now_between": {"local": dice.choice(HOURS)} | ({"on": ["mon-fri"]} if dice.random() < 0.3 else {})}
    if kind == "consent":
        return {"consent": dice.choice(("email", "sms", {"channel": "email", "storefront": "2"}))}
    if kind == "not":
        return {"not": lasting(dice, names)}
    return lasting(dice, names)


def lasting(dice: Random, names: list[str]) -> Raw:
    """One that no time changes."""
    kind = dice.choice(("fact", "fact", "in_flow", "ever", "count", "consent"))
    if kind == "fact":
        return {"fact": dice.choice(({"tier": {"eq": "gold"}}, {"country": {"in": ["DE", "AT"]}},
                                     {"tier": {"is_not_set": True}}, {"points": {"gte": 3}},
                                     {"renewal": {"gt": "2025-06-03"}}))}  # fmt: skip
    if kind == "in_flow":
        return {"in_flow": dice.choice(names)}
    if kind == "ever":
        return {"in_flow": {"flow": dice.choice(names), "ever": True}}
    if kind == "consent":
        return {"consent": dice.choice(("email", "sms"))}
    return {"event_count": {"event": "order_placed", "gte": dice.choice((1, 2, 3))}}


# -- other triggers


def other_flow(dice: Random, name: str, names: list[str]) -> Raw:
    """A flow that begins by a list, a call, a date, a clock, or an event of our own."""
    trigger = dice.choice((_called, _listed, _dated, _factual, _scheduled, _own))(dice)
    entry: Raw = {"trigger": trigger, "reentry": dice.choice(LIMITED)}
    if ("schedule" in trigger or "date" in trigger) and dice.random() < 0.5:
        entry["reentry"] = dice.choice(("always", {"min_gap": "1d", "from": "start"}))
    if dice.random() < 0.4:
        entry["max_trigger_age"] = dice.choice(("10m", "1h", "3d"))
    if dice.random() < 0.4:
        entry["retrigger"] = dice.choice(("restart", "extend", "replace_context", "end_and_restart"))
    steps: list[Raw] = []
    for number in range(1, dice.randint(1, 3) + 1):
        if dice.random() < 0.7:
            steps.append({"label": f"wait_{number}", "wait": _pause(dice)})
        send = {"template": "reminder", "channel": "log", "class": "marketing"}
        steps.append({"label": f"send_{number}", "send": send})
    rule = {"when": {"event": "order_placed"}, "reason": "bought"}
    flow: Raw = {"flow": name, "entry": entry} | ({"exit": [rule]} if dice.random() < 0.5 else {})
    return flow | {"steps": [*steps, {"label": "last", "stop": "done"}]}


def _pause(dice: Random) -> Raw:
    return dice.choice(
        ({"for": "30m"}, {"for": "2h"}, {"for": "1d"}, {"until": "09:00"}, {"until_date": "fact.renewal"})
    )


def _called(dice: Random) -> Raw:
    return {"api": "win_a_mug", "words": {"code": "text"}}


def _listed(dice: Random) -> Raw:
    return {"list.join": dice.choice(("news", "vip"))}


def _dated(dice: Random) -> Raw:
    return {"date": {"event": "checkout_started", "word": "trigger.subject"} | _distance(dice)}


def _distance(dice: Random) -> Raw:
    distance: Raw = {dice.choice(("before", "after")): dice.choice(("1h", "1d", "0"))} if dice.random() < 0.6 else {}
    return distance | ({"at": dice.choice(("09:00", "02:30", "00:00"))} if dice.random() < 0.6 else {})


def _factual(dice: Random) -> Raw:
    if dice.random() < 0.5:
        return {"date": {"fact": "renewal"} | _distance(dice)}
    return {"date": {"fact": "birthday", "yearly": True} | _distance(dice)}


def _scheduled(dice: Random) -> Raw:
    schedule: Raw = {"at": dice.choice(("09:00", "08:00", "02:30", "00:00"))}
    schedule |= dice.choice(({}, {}, {"on": ["mon-fri"]}, {"day": 31}, {"day": dice.choice((3, 30))}))
    return {"schedule": schedule}


def _own(dice: Random) -> Raw:
    return {"event": "custom_vip", "words": {"code": "text"}}


# -- what happens


def properties(dice: Random, kind: str) -> Raw:
    """Of an event that tells of a person, of what they agree to, or of what they want."""
    if kind == "profile.updated.v1":
        said: Raw = {}
        for name, values in (
            ("tier", (*TIERS, "1")), ("country", ("DE", "JP", "AT")), ("points", (1, 3, 5)),
            ("renewal", ("2025-06-02", "2025-06-03", "2025-06-05", "2025-03-30", "2025-10-26")),
            ("birthday", ("1990-06-03", "1992-02-29", "1980-03-30", "1985-10-26")),
            ("timezone", ("Europe/Berlin", "Asia/Kolkata", "America/New_York", "Europe/Nowhere")),
        ):  # fmt: skip
            if dice.random() < 0.35:
                said[name] = None if dice.random() < 0.15 else dice.choice(values)
        return said
    if kind == "consent.changed.v1":
        said = {"status": dice.choice(("granted", "granted", "granted", "withdrawn", "withdrawn", "suppressed"))}
        if said["status"] == "granted" or dice.random() < 0.8:
            said["channel"] = dice.choice(("email", "email", "sms"))
        return said | ({"storefront": dice.choice(("1", "2"))} if dice.random() < 0.3 else {})
    if kind == "api.call.v1":
        return {"name": dice.choice(("win_a_mug", "win_a_mug", "other")), "code": "x"}
    if kind == "custom.vip":
        return {"code": dice.choice(("a", "b"))}
    return {"list_id": dice.choice(("news", "vip"))} if kind == "list.subscribed.v1" or dice.random() < 0.3 else {}


#: In place of a share of the ordinary ones.
TYPES = {
    "profile.updated.v1": 4, "consent.changed.v1": 4, "list.subscribed.v1": 2, "list.unsubscribed.v1": 1,
    "api.call.v1": 2, "custom.vip": 1,
}  # fmt: skip
