"""What each finding means: how bad it is, in one line what is wrong, and what to do about it.

What to do is the suggestion of every finding whose place does not know a better one.

The reference has a page of every code, made from this table and the examples in the page itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from streams.flowfile.findings import Code

Severity = Literal["error", "warning"]

#: Where the pages stand, below the root of the project.
PAGES = "docs/reference/findings"


class Meaning(NamedTuple):
    """One code. Both sentences stand in the reference."""

    severity: Severity
    says: str
    next_step: str


def _error(says: str, next_step: str) -> Meaning:
    return Meaning("error", says, next_step)


def _warning(says: str, next_step: str) -> Meaning:
    return Meaning("warning", says, next_step)


MEANINGS: dict[Code, Meaning] = {
    # --- the text is no strict YAML ---
    "too_large": _error(
        "The file is larger than a flow file may be.", "Split it: one flow a file, 256 KiB and 10,000 values each."
    ),
    "not_utf8": _error("The file holds bytes that are not UTF-8.", "Save it as UTF-8 in your editor."),
    "syntax": _error(
        "The text is not YAML, so nothing behind this place was read.",
        "Look at the place and just above it: a bracket or quote left open, a tab, an indent that fits nothing.",
    ),
    "too_deep": _error("Lists and mappings are nested deeper than 24 levels.", "Say it flatter, with labels."),
    "directive": _error("A YAML directive (`%YAML`, `%TAG`) stands in the file.", "Remove it."),
    "second_document": _error("A second document begins with `---`.", "Move it to a file of its own."),
    "anchor": _error("An anchor, alias or merge key stands in the file.", "Write the value out where it is meant."),
    "tag": _error("A YAML tag (`!name`) stands in the file.", "Remove it; put text in quotes."),
    "duplicate_key": _error("One mapping has the same key twice.", "Keep one of the two."),
    "key_not_text": _error("The key of a mapping is a list or a mapping.", "Write a word as the key."),
    "empty_file": _error("The file says nothing.", "Write a flow, or remove the file."),
    # --- the shape is wrong ---
    "wrong_shape": _error(
        "A mapping, a list or a single value was expected, and something else is there.",
        "Write it in the shape that the message names; the page of the code has an example.",
    ),
    "unknown_key": _error(
        "A key is not known in this place.", "Write one of the keys that the message lists, or remove this one."
    ),
    "missing_key": _error("A key that is needed is not there.", "Add the key that the message names."),
    "quotes_needed": _error(
        "Text was expected, and what stands there means a number, a boolean or nothing to YAML.",
        "Put it in quotes. Text is never guessed from another kind.",
    ),
    "not_a_number": _error("A whole number was expected.", "Write it in digits, without quotes: `3`."),
    "bad_name": _error(
        "A name holds a character that names may not have, or is too long.",
        "Use 1 to 64 letters, digits, `_` or `-`; a source may have `.` and `/` too.",
    ),
    "bad_duration": _error("This is no duration.", "Write a number and a unit: `90s`, `15m`, `4h`, `1d`, `2w`."),
    "bad_choice": _error(
        "The word is none of those that are possible here.", "Write one of the words that the message lists."
    ),
    "out_of_range": _error(
        "A number or duration is outside its bounds.", "Write a value within the bounds that the message names."
    ),
    "empty": _error("A list or mapping that must say something is empty.", "Fill it, or leave its key out."),
    # --- the words are wrong ---
    "not_available_yet": _error(
        "The language has this word, and this version cannot do it yet.", "Leave it out until it is there."
    ),
    "unknown_event": _error(
        "There is no event of this name.",
        "Take a short name from `docs/reference/flow-files.md`; an event type of your own begins with `custom_`.",
    ),
    "unknown_word": _error(
        "The event does not have this word.",
        "Take a word that `docs/reference/flow-files.md` lists for it, bare in `where`, and with `trigger.` before it "
        "everywhere else.",
    ),
    "unknown_fact": _error(
        "There is no fact of this name.", "Take one from the reference, or declare one of your own in the policy file."
    ),
    "out_of_place": _error(
        "Something is asked, or declared, in a place where that means nothing.",
        "Ask about the person in `filter`, in an exit rule with `person`, or in a step; `where` judges the event.",
    ),
    "unknown_operator": _error("There is no such comparison.", "Write one of the operators that the message lists."),
    "wrong_kind": _error(
        "Values of two kinds are compared, an operator is used that the kind does not have, or a word of an event of "
        "your own is declared of two kinds.",
        "Compare money with money, text with text, numbers with numbers; declare a word of one kind.",
    ),
    "bad_money": _error(
        "An amount of money is not written as a decimal and a currency.", 'Write `{ money: "20.00", currency: USD }`.'
    ),
    "bad_instant": _error(
        "This is no moment, or no day.", "Write it as RFC 3339, `2026-11-21T10:00:00Z`; a day as `2026-11-21`."
    ),
    "scope_without_key": _error(
        "Re-entry is judged per key, and the flow has none.",
        "Add `key: trigger.WORD` to `entry`, or leave `scope` out.",
    ),
    "parallel_without_key": _error(
        "`retrigger: parallel` means one enrollment per key, and the flow has none.",
        "Add `key: trigger.WORD` to `entry`, or choose another `retrigger`.",
    ),
    "unknown_zone": _error(
        "The time zone database does not have this name.",
        "Write one such as `Europe/Berlin`: a continent and a city, no abbreviation and no offset.",
    ),
    "field_not_sent": _error(
        "The flow needs a word that its source never sends with this event.",
        "Take a word that the source sends, or an event or a source that has it.",
    ),
    "event_not_sent": _error(
        "The flow names an event that its source never reports.",
        "Take an event that the source reports, or a source that reports it.",
    ),
    "unknown_template": _error(
        "There is no template of this name beside the flows.",
        "Correct the name, or write `templates/NAME.subject.liquid` and `templates/NAME.text.liquid`.",
    ),
    "no_templates": _warning(
        "A message is to be rendered, and there is no folder of templates beside the flow.",
        "Make the folder `templates` beside the flow file, with `NAME.subject.liquid` and `NAME.text.liquid`.",
    ),
    "bad_template": _error(
        "A template cannot be read, so no message could be made of it.",
        "Correct it at this place; the language is in `docs/reference/templates.md`."
    ),
    "unknown_plugin": _error(
        "There is no plug-in of this name and version.",
        "Correct the name or the version, put its file into the folder that `--plugins` names, or name the folder.",
    ),
    # --- the steps do not fit together ---
    "no_step": _error("A step says nothing.", "Give it one of the kinds of steps."),
    "two_steps_in_one": _error("One step, or one line of a timeline, says two things.", "Make two of it."),
    "too_many_steps": _error("The flow has more than 200 steps.", "Split it into two flows."),
    "unknown_label": _error("A way leads to a label that no step has.", "Correct the label, or add the step."),
    "label_twice": _error("Two steps have one label.", "Rename one of them."),
    "unreachable_step": _error("No way leads to a step.", "Name its label in a way, or remove it."),
    "cycle": _error(
        "Steps repeat forever, without a wait of a minute between, or without a way out that ends.",
        "Break the circle, or wait a minute in it and let one of its ways lead to the end.",
    ),
    # --- files beside each other ---
    "flow_twice": _error("Two files of a folder hold flows of one name.", "Rename one of the flows."),
    # --- a test timeline is wrong ---
    "bad_time": _error("This is no time.", 'Write `"10:40"`, `"10:40:05"`, or a full RFC 3339 time.'),
    "not_in_order": _error(
        "The lines of a timeline do not stand in the order in which they arrive.", "Move the line."
    ),
    # --- things to reconsider ---
    "no_reentry_chosen": _warning(
        "Nothing says whether somebody may enter again after the end, so anybody may, at once.",
        "Say `reentry: always`, `never`, or a gap.",
    ),
    "delay_below_source_lag": _warning(
        "A message may go out before the source has reported what would stop it.",
        "Wait as long as the source may be late, or hold the message with `settle` until the source is complete.",
    ),
    "missing_exit": _warning(
        "A reminder has nothing that stops it when the person has bought.",
        "Add `exit: [{ when: { event: order_placed } }]`.",
    ),
    "always_true_negation": _warning(
        "A condition that nearly everything satisfies, such as several negations of one thing joined by `any`.",
        "Join them with `all`, say `not_in`, or leave them out.",
    ),
    "never_true": _warning(
        "Comparisons that cannot hold together must all hold.", "Join them with `any`, or remove one of them."
    ),
    "not_in_message": _warning(
        "A template asks for something that the message never brings; where it is printed, the message cannot be sent.",
        "Correct the word in the template, or bring it by `variables`.",
    ),
    "asks_itself": _warning(
        "A flow asks whether somebody is in this very flow, which is true of everybody who is in it.",
        "Leave it out: a flow has one enrollment per person or `key`, and `reentry` says who may enter again.",
    ),
    "no_effect": _warning(
        "Something stands there that never makes a difference.",
        "Put the narrower rule first, or remove what changes nothing.",
    ),
}  # fmt: skip


def page_of(code: str) -> str:
    """Where the page of a code stands, below the root of the project."""
    return f"{PAGES}/{code}.md"
