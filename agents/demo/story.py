"""What the demo tells at the end: who was reminded, who was not, and why; and whether the promise was kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from agents.demo.shop import DAY_ENDS_AT
from schemas.command import Command
from schemas.decision import Decision
from schemas.instants import from_wire

REMINDED = "reminded"
THANKED = "thanked"
#: What became of those who were written to, where it is no reminder.
SENT = {
    "birthday": "greeted",
    "cross_sell": "got a suggestion",
    "prime_winback_prime": "asked to come back",
    "prime_winback_shop": "asked to come back",
    "repeat_purchase": "nudged",
    "review_request": "asked for a review",
    "thank_you_first_order": THANKED,
    "welcome": "welcomed, or told more later",
    "winback": "asked to come back",
}
#: Flows that an order begins and the next order ends: a message of theirs after it would break the promise, too.
UNTIL_THE_NEXT_ORDER = frozenset({"repeat_purchase", "winback", "prime_winback_prime", "prime_winback_shop"})
LATE_ORDER = "order arrived late, the settle gate waited for it"
#: The words for each reason. A reason that is not here is shown as it is.
WORDS = {
    "bought_this_cart": "bought this cart",
    "bought_something": "bought elsewhere",
    "bought": "bought",
    "bought_again": "bought again",
    "bought_with_prime": "bought with Prime",
    "bought_in_the_shop": "bought in the shop",
    "sent_back": "sent it back",
    "bought_a_game": "bought a game",
    "filter_false": "not one of those whom the flow is for",
    "put_into_cart": "went on to the cart",
    "went_on_to_checkout": "went on to the checkout",
    "went_on_with_prime": "went on to the checkout with Prime",
    "went_on_in_the_shop": "went on to the checkout of the shop",
    "no_branch_matched": "a storefront that the flow does not know",
    "not_the_first": "not the first order",
    "reentry_min_gap": "too soon again",
    "reentry_never": "once is enough",
    "anonymous": "anonymous, nobody to write to",
    "trigger_too_old": "reported too late",
    "no_address": "no e-mail address known",
    "settle_timeout": "the order system did not report in time",
}
ORDER_REASONS = frozenset({"bought_this_cart", "bought_something", "bought_with_prime", "bought"})


@dataclass
class Story:
    """Counts by flow and words; an example sentence for each; the reminders that broke the promise (none)."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return {"flows": {flow: dict(counts) for flow, counts in self.counts.items()}, "broken": self.broken}


def tell(decisions: Iterable[Decision], commands: Iterable[Command], lines: Iterable[Mapping[str, Any]]) -> Story:
    """Read the day from its decisions, and check it against the lines that were fed."""
    story = Story()
    held: dict[str, Decision] = {}
    for decision in decisions:
        if decision.outcome == "held" and decision.enrollment_id:
            held[decision.enrollment_id] = decision
        words = _words(decision, held)
        if words is not None:
            story.counts[decision.flow][words] += 1
            story.examples.setdefault((decision.flow, words), _sentence(decision, held))
    story.broken = _reminded_after_buying(commands, lines)
    return story


def table(story: Story) -> Table:
    """The story: for each flow how many were written to, then why others were not, most frequent first."""
    shown = Table.grid(padding=(0, 2))
    shown.add_column(justify="right")
    shown.add_column()
    shown.add_column(style="dim")
    for flow, counts in sorted(story.counts.items()):
        shown.add_row("", f"[bold]{flow}[/]", "for example")
        sent = SENT.get(flow, REMINDED)
        for words in sorted(counts, key=lambda words: (words != sent, -counts[words], words)):
            label = f"[bold green]{words}[/]" if words == sent else f"not: {words}"
            shown.add_row(f"{counts[words]:,}", label, story.examples[flow, words])
        shown.add_row()
    return shown


def _words(decision: Decision, held: Mapping[str, Decision]) -> str | None:
    if decision.outcome == "sent":
        return SENT.get(decision.flow, REMINDED)
    if decision.outcome in ("refused", "skipped"):
        return WORDS.get(decision.reason, decision.reason)
    if decision.outcome == "ended" and decision.reason != "done":
        if decision.reason in ORDER_REASONS and decision.enrollment_id in held:
            return LATE_ORDER
        return WORDS.get(decision.reason, decision.reason)
    return None


def _sentence(decision: Decision, held: Mapping[str, Decision]) -> str:
    at = _when(decision.decided_at)
    if decision.outcome == "sent":
        return f"sent at {at}"
    if decision.outcome != "ended" or "event" not in decision.values:
        return f"at {at}"
    what = str(decision.values["event"]).replace("_", " ")
    sentence = f"{what} {_when(str(decision.values['occurred_at']))}, seen {at}"
    due = held.get(decision.enrollment_id or "")
    return f"due {_when(str(due.values['due_at']))}, {sentence}" if due else sentence


def _when(wire: str) -> str:
    """The time alone on the day itself, with the date after it."""
    return wire[11:16] if from_wire(wire) < DAY_ENDS_AT else f"{wire[5:10]} {wire[11:16]}"


def _reminded_after_buying(commands: Iterable[Command], lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Messages to people whose order had happened between the trigger and the decision. Read from the lines alone."""
    bought: dict[str, list[int]] = defaultdict(list)
    known: set[str] = set()  # of several copies of an order the first one counts
    for line in lines:
        if line.get("type") == "commerce.order.placed.v1" and line["properties"]["order_id"] not in known:
            known.add(line["properties"]["order_id"])
            bought[line["identity"].get("email", "")].append(from_wire(line["time"]))
    started: dict[tuple[str, str | None], int] = {}
    for line in lines:
        if "email" in line.get("identity", {}):
            subject = _subject(line["properties"])
            started.setdefault((line["identity"]["email"], subject), from_wire(line["time"]))
    broken = []
    for command in commands:
        trigger = command.variables["trigger"]
        if _subject(trigger) is None or ("order_id" in trigger and command.flow not in UNTIL_THE_NEXT_ORDER):
            continue  # It reminds of nothing.
        email = command.addresses["email"]
        began = started[(email, _subject(trigger))]
        if any(began < order <= from_wire(command.decided_at) for order in bought[email]):
            broken.append(command.command_id)
    return broken


def _subject(words: Mapping[str, Any]) -> str | None:
    """What an event is about: an order before the checkout that it came of, and that before a product."""
    return words.get("order_id") or words.get("checkout_id") or words.get("product_id")
