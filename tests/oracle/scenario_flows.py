"""Random flow definitions over everything a flow file can say today, as mappings ready to be written as YAML.

Every send has a label, and a gate always stands right before the one send that it guards. Branches lead forward; but
some flows begin anew, once, until a date is past.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.oracle.scenario_words import AMOUNTS, CHANNELS, CHECKOUTS, PRODUCTS

Raw = dict[str, Any]

DURATIONS = ("5m", "10m", "15m", "30m", "1h", "2h")
SPANS = ("1d", "2d", "1mo", "1d2h", "24h")
CLOCKS = ("08:00", "08:05", "09:00", "10:30", "02:30", "00:00")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC")
RETRIGGERS = ("ignore", "restart", "replace_context", "extend", "end_and_restart")
TRIGGERS = ("checkout_started", "checkout_started", "cart_item_added", "product_viewed")
MONEY_WORDS = {"checkout_started": "total", "cart_item_added": "total", "product_viewed": "price"}
TEXT_WORDS = {
    "checkout_started": {"checkout_id": CHECKOUTS, "channel_id": CHANNELS},
    "cart_item_added": {"product_id": PRODUCTS, "channel_id": CHANNELS},
    "product_viewed": {"product_id": PRODUCTS, "channel_id": CHANNELS},
}


def random_flow(dice: Random, name: str) -> Raw:
    """One flow file."""
    trigger = dice.choice(TRIGGERS)
    flow: Raw = {"flow": name, "entry": _entry(dice, trigger), "exit": _exits(dice, trigger)}
    if dice.random() < 0.5:
        flow["exit_check"] = dice.choice(("continuous", "at_send"))
    if dice.random() < 0.5:
        flow["timezone"] = dice.choice((*ZONES, *({"from": ["phone"], "default": zone} for zone in ZONES)))
    if dice.random() < 0.7:
        flow["skew"] = dice.choice(("0s", "1s", "5m", "1h"))
    return flow | {"steps": _steps(dice, trigger)}


def _entry(dice: Random, trigger: str) -> Raw:
    entry: Raw = {"trigger": {"event": trigger}}
    if dice.random() < 0.1:
        entry["trigger"]["source"] = ["shop.site"]
    if dice.random() < 0.4:
        entry["where"] = _condition(dice, trigger, depth=2)
    if trigger != "product_viewed" and dice.random() < 0.4:
        entry["key"] = "trigger.checkout_id"
    if dice.random() < 0.7:
        entry["retrigger"] = dice.choice((*RETRIGGERS, "parallel") if "key" in entry else RETRIGGERS)
    entry["reentry"] = _reentry(dice, keyed="key" in entry)
    if dice.random() < 0.4:
        entry["max_trigger_age"] = dice.choice(("10m", "1h", "24h"))
    return entry


def _reentry(dice: Random, *, keyed: bool) -> str | Raw:
    policy = dice.choice(("always", "never", "min_gap", "min_gap", "max", "sent"))
    if policy in ("always", "never"):
        return policy
    gap: Raw = {"min_gap": dice.choice(("15m", "1h", "3h", "1d")), "from": dice.choice(("start", "end"))}
    most: Raw = {"max": dice.randint(1, 3), "per": dice.choice(("1h", "3h", "1d"))}
    rule: Raw = {"min_gap": gap, "max": most}.get(policy) or dice.choice((gap, most, {"never": True}))
    rule |= {"scope": dice.choice(("profile", "key") if keyed else ("profile",))} if dice.random() < 0.6 else {}
    return rule | ({"count_only_if_sent": True} if policy == "sent" else {})


def _exits(dice: Random, trigger: str) -> list[Raw]:
    rules: list[Raw] = []
    if trigger != "product_viewed" and dice.random() < 0.5:
        match = {"checkout_id": "trigger.checkout_id"}
        rules.append({"when": {"event": "order_placed", "match": match}, "reason": "bought_this"})
    if dice.random() < 0.7:
        rules.append({"when": {"event": "order_placed"}, "reason": "bought"})
    if trigger != "cart_item_added" and dice.random() < 0.2:
        rules.append({"when": {"event": "cart_item_added"}, "reason": "back_in_the_shop"})
    dice.shuffle(rules)
    return rules or [{"when": {"event": "order_placed"}, "reason": "bought"}]


def _condition(dice: Random, trigger: str, *, depth: int) -> Raw:
    shape = dice.choice(("word", "word", "words", "all", "any", "not")) if depth else "word"
    if shape in ("all", "any"):
        return {shape: [_condition(dice, trigger, depth=depth - 1) for _ in range(dice.randint(1, 3))]}
    if shape == "not":
        return {"not": _condition(dice, trigger, depth=depth - 1)}
    if shape == "words":
        return _money(dice, trigger) | _text(dice, trigger)
    return dice.choice((_money, _text, _number))(dice, trigger)


def _money(dice: Random, trigger: str) -> Raw:
    comparator = dice.choice(("eq", "ne", "gt", "gte", "lt", "lte", "is_set", "is_not_set"))
    currency = dice.choice(("USD", "USD", "USD", "EUR"))
    wanted: Any = True if comparator.startswith("is_") else {"money": dice.choice(AMOUNTS), "currency": currency}
    return {MONEY_WORDS[trigger]: {comparator: wanted}}


def _text(dice: Random, trigger: str) -> Raw:
    word, values = dice.choice(list(TEXT_WORDS[trigger].items()))
    comparator = dice.choice(("eq", "ne", "in", "not_in", "contains", "not_contains", "starts_with", "is_set"))
    value = dice.choice(values)
    wanted = {"in": [value, "other"], "not_in": [value, "other"], "is_set": True}.get(comparator, value)
    return {word: {comparator: wanted}}


def _number(dice: Random, trigger: str) -> Raw:
    if trigger == "checkout_started":
        return _text(dice, trigger)
    comparator = dice.choice(("eq", "ne", "gt", "gte", "lt", "lte"))
    return {"quantity": {comparator: dice.randint(1, 3)}}


def _steps(dice: Random, trigger: str) -> list[Raw]:
    steps: list[Raw] = []
    channel = "email" if dice.random() < 0.1 else "log"
    rounds = dice.randint(1, 3)
    for number in range(1, rounds + 1):
        steps += _round(
            dice, trigger, number, follows=f"wait_{number + 1}" if number < rounds else "last", channel=channel
        )
    if dice.random() < 0.15:
        pause = {"for": dice.choice(("1h", "2h"))} if dice.random() < 0.5 else {"until": dice.choice(CLOCKS)}
        until_then = {"label": "until_then", "wait": {"until_date": "trigger.subject", "when_past": "stop"}}
        back = {"if": {"condition": {"trigger.subject": {"is_set": True}}, "then": "again", "otherwise": "last"}}
        steps = [{"label": "again", "wait": pause}, *steps, until_then, back]
    return [*steps, {"label": "last", "stop": dice.choice(("done", "finished"))}]


def _round(dice: Random, trigger: str, number: int, *, follows: str, channel: str) -> list[Raw]:
    """A wait, perhaps a gate, perhaps a branch, and a message or two to choose from."""
    send = f"send_{number}"
    gate = _gate(dice) if dice.random() < 0.5 else None
    as_step = gate is not None and dice.random() < 0.5
    steps: list[Raw] = []
    if number > 1 or dice.random() < 0.95:
        steps.append({"label": f"wait_{number}"} | _wait(dice, trigger, follows=follows))
        steps += [{"settle": gate}] if as_step else []
    message = {"template": "reminder", "channel": channel, "class": "marketing"}
    if dice.random() < 0.2:
        message |= {
            "max_lateness": dice.choice(("1m", "1h", "6h")),
            "when_late": dice.choice(("skip", "skip", "reevaluate")),
        }
    body = message | ({"settle": gate} if gate is not None and not as_step else {})
    branch = dice.choice(("none", "none", "if", "route", "split"))
    elsewhere = dice.choice(({"stop": "not_wanted"}, follows))
    if branch == "if":
        condition = _of_trigger(_condition(dice, trigger, depth=1))
        steps.append({"if": {"condition": condition, "then": send, "otherwise": elsewhere}})
    if branch == "route":
        cases = {CHANNELS[0]: send, CHANNELS[1]: f"{send}_b"}
        steps.append({"route": {"by": "trigger.channel_id", "cases": cases, "otherwise": elsewhere}})
        steps += [{"label": f"{send}_b", "send": body}, {"stop": "other_branch"}]
    if branch == "split":
        arms = {"a": {"weight": dice.randint(1, 3), "then": send}, "b": {"weight": 2, "then": elsewhere}}
        split: Raw = {"arms": arms} | ({"holdout": dice.choice((10, 0.5, 50))} if dice.random() < 0.4 else {})
        steps.append({"label": f"split_{number}", "split": split | ({"salt": "s"} if dice.random() < 0.3 else {})})
    return [*steps, {"label": send, "send": body}]


def _wait(dice: Random, trigger: str, *, follows: str) -> Raw:
    """A wait of any kind; most are short, as most of what happens is near."""
    kind = dice.choice(("for", "for", "for", "for", "span", "until", "date", "event", "event"))
    if kind == "for":
        return {"wait": {"for": dice.choice(DURATIONS)}}
    if kind == "span":
        return {"wait": {"for": dice.choice(SPANS)}}
    if kind == "until":
        days = {"on": dice.choice((["mon-fri"], ["sat", "sun"], ["tue"]))} if dice.random() < 0.3 else {}
        return {"wait": {"until": dice.choice(CLOCKS)} | days}
    if kind == "date":
        date: Raw = {"until_date": "trigger.subject"}
        if dice.random() < 0.5:
            date[dice.choice(("before", "after"))] = dice.choice(("1h", "1d", "1mo", "0"))
        date |= {"at": dice.choice(CLOCKS)} if dice.random() < 0.3 else {}
        return {"wait": date | ({"when_past": "stop"} if dice.random() < 0.5 else {})}
    awaited = _awaited(dice, trigger) | {"timeout": dice.choice((*DURATIONS, "1d"))}
    way = dice.choice(("then", "on_timeout", "")) if "branches" not in awaited else ""
    return {"wait_event": awaited | ({way: follows} if way else {})}


def _awaited(dice: Random, trigger: str) -> Raw:
    if dice.random() < 0.4:
        branches = [_event(dice, trigger) | {"then": {"stop": "seen"}} for _ in range(dice.randint(1, 2))]
        return {"branches": branches}
    return _event(dice, trigger)


def _event(dice: Random, trigger: str) -> Raw:
    name = dice.choice(("order_placed", "order_placed", "product_viewed", "checkout_started"))
    event: Raw = {"event": name}
    if dice.random() < 0.3:
        event["where"] = {"channel_id": {"in": list(CHANNELS[:2])}}
    if name != "product_viewed" and trigger != "product_viewed" and dice.random() < 0.4:
        event["match"] = {"checkout_id": "trigger.checkout_id"}
    return event


def _of_trigger(condition: Raw) -> Raw:
    """The same condition where words need their owner: `trigger.total` for `total`."""
    found: Raw = {}
    for name, part in condition.items():
        if name in ("all", "any"):
            found[name] = [_of_trigger(one) for one in part]
        elif name == "not":
            found[name] = _of_trigger(part)
        else:
            found[f"trigger.{name}"] = part
    return found


def _gate(dice: Random) -> Raw:
    sources = dice.choice((["shop.orders"], ["shop.orders"], ["shop.orders", "shop.site"]))
    return {
        "sources": sources,
        "max_hold": dice.choice(("10m", "1h", "2h")),
        "on_timeout": dice.choice(("skip", "send")),
    }
