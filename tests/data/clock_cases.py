"""The golden cases of local time: `clock_cases.yaml` as values, and as the tables of `docs/reference/clock.md`."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from schemas.instants import from_datetime

ASKS = ("next", "add", "subtract", "wall", "opens", "closes", "quiet")
TITLES = {
    "next": "The next time of day",
    "add": "Spans",
    "wall": "Wall times",
    "opens": "Windows and quiet hours",
}
_SHARED_TABLE = {"subtract": "add", "closes": "opens", "quiet": "opens"}


class Case(NamedTuple):
    """One question and its answer, as written."""

    says: str
    public: bool
    zone: str
    at: str | None
    ask: str  # one of ASKS
    value: str
    weekdays: tuple[str, ...]
    except_days: tuple[str, ...]
    gives: str | None

    @property
    def day(self) -> date:
        """Of a wall time."""
        return date.fromisoformat(self.value.partition(" ")[0])

    @property
    def asked_at(self) -> int:
        """As an instant."""
        assert self.at is not None
        return instant(self.at)

    @property
    def answer_at(self) -> int | None:
        """As an instant."""
        return None if self.gives is None else instant(self.gives)


def instant(text: str) -> int:
    """Milliseconds of `2026-03-07T10:00-05:00`."""
    return from_datetime(datetime.fromisoformat(text))


def cases() -> list[Case]:
    """All of them, in the order of the file."""
    rows = YAML(typ="safe", pure=True).load((Path(__file__).parent / "clock_cases.yaml").read_text(encoding="utf-8"))
    return [_case(row) for row in rows]


def _case(row: dict[str, object]) -> Case:
    (ask,) = (ask for ask in ASKS if ask in row)
    known = {"says", "public", "zone", "at", "on", "except", "gives", ask}
    assert set(row) <= known, row
    at, gives, weekdays, except_days = (row.get(key) for key in ("at", "gives", "on", "except"))
    return Case(
        says=str(row["says"]),
        public=row.get("public") is True,
        zone=str(row["zone"]),
        at=None if at is None else str(at),
        ask=ask,
        value=str(row[ask]),
        weekdays=tuple(weekdays) if isinstance(weekdays, list) else (),
        except_days=tuple(except_days) if isinstance(except_days, list) else (),
        gives=None if gives is None else str(gives),
    )


def page() -> str:
    """The public cases as they stand in the reference, a table for each kind of question."""
    parts = []
    for table, title in TITLES.items():
        parts += [f"### {title}\n", "| | Zone | Asked at | Question | Answer |", "|---|---|---|---|---|"]
        parts += [_row(case) for case in cases() if case.public and _SHARED_TABLE.get(case.ask, case.ask) == table]
        parts += [""]
    return "\n".join(parts)


def _row(case: Case) -> str:
    question = {
        "next": "next `{}`", "add": "`{}` later", "subtract": "`{}` before", "wall": "when is `{}`?",
        "opens": "`{}` opens", "closes": "`{}` closes", "quiet": "quiet `{}` ends",
    }[case.ask].format(case.value)  # fmt: skip
    question += f", {', '.join(case.weekdays)}" if case.weekdays else ""
    question += f", except {', '.join(case.except_days)}" if case.except_days else ""
    asked = "" if case.at is None else shown(case.at)
    answer = "never" if case.gives is None else "now" if case.gives == case.at else shown(case.gives)
    return f"| {case.says} | {case.zone} | {asked} | {question} | **{answer}** |"


def shown(text: str) -> str:
    """`Sat 7 Mar 2026 10:00 -05:00`."""
    moment = datetime.fromisoformat(text)
    clock = moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
    return f"{moment:%a} {moment.day} {moment:%b %Y} {clock} {text[-6:]}"


if __name__ == "__main__":
    print(page())
