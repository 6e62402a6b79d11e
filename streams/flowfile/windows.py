"""Windows as flow files write them: `{ local: "22:00-07:00", on: [mon-fri], except: ["2026-12-25"] }`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from schemas.policy import HOLIDAYS
from schemas.window import Window
from streams.clock.wall import parse_weekdays
from streams.clock.window import parse_window
from streams.flowfile.calendar import nearest_time
from streams.flowfile.nodes import Node, shown
from streams.flowfile.reader import Reader


def window(reader: Reader, node: Node | None, what: str, *, holidays: bool = False) -> Window:
    """Hours of a day, and on which days it starts. With `holidays`, `except` may have this word for the policy's."""
    return window_of(
        reader, reader.fields(node, what, required=("local",), optional=("on", "except")), holidays=holidays
    )


def window_of(reader: Reader, found: Mapping[str, Node], *, holidays: bool = False) -> Window:
    """The keys `local`, `on` and `except` of a mapping that has been read."""
    text = reader.text(found.get("local"), "`local`")
    hours = None if text is None else parse_window(text)
    if text is not None and hours is None:
        expected = f'`local` must be two different times such as "08:00-21:00", not {shown(found["local"])}'
        times = [nearest_time(part) for part in text.split("-")]
        near = "-".join(filter(None, times)) if len(times) == 2 and None not in times else None
        reader.note("bad_time", found["local"], expected, suggestion=near if near and parse_window(near) else None)
    start_ms, end_ms = hours or (0, 1)
    days = [_day(reader, day, holidays=holidays) for day in reader.items(found.get("except"), "`except`")]
    return Window(start_ms, end_ms, weekdays(reader, found.get("on"), "`on`"), tuple(sorted(days)))


def weekdays(reader: Reader, node: Node | None, what: str) -> tuple[int, ...]:
    """`[mon, wed-fri]` as numbers; absent: all, as none."""
    words = [(part, reader.text(part, "a weekday")) for part in reader.items(node, what)]
    known = [(part, word) for part, word in words if word is not None]
    for part, word in known:
        if parse_weekdays([word]) is None:
            reader.note(
                "bad_choice",
                part,
                f"a weekday is `mon`, or a range as `mon-fri`, not {shown(part)}",
                advice="Write it with three letters, such as `mon`.",
            )
            return ()
    return tuple(sorted(parse_weekdays([word for _, word in known]) or ()))


def _day(reader: Reader, node: Node, *, holidays: bool) -> str:
    text = reader.text(node, "a day") or ""
    return text if holidays and text == HOLIDAYS else day(reader, node)


def day(reader: Reader, node: Node) -> str:
    """A date such as 2026-12-25; YAML takes it for text, with quotes or without."""
    text = reader.text(node, "a day") or ""
    try:
        if not text or date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    reader.note("bad_time", node, f'a day must be a date such as "2026-12-25", not {shown(node)}')
    return text
