"""The flows of the saved week with waits of seconds, so that a run on a live clock comes to an end."""

from __future__ import annotations

import re
from pathlib import Path

from tests.data.expectations import FLOWS, ORDERS
from tests.oracle.flowfile import Flow, load_flow

#: What a duration of a flow file becomes. All differ, so that due times are spread.
SHORT = {"15m": "1500ms", "1h": "2s", "2h": "5s", "4h": "4s", "16h": "8s", "24h": "12s", "7d": "30s"}
DURATION = re.compile(rf"\b({'|'.join(SHORT)})\b")
WAITS_MS = (1_500, 2_000, 4_000, 5_000)
LONGEST_MS = 10_000  # a wait and the gate behind it


def write(folder: Path) -> Path:
    """The flow files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ORDERS:
        (folder / f"{name}.yaml").write_text(_text(name))
    return folder


def oracle() -> list[Flow]:
    """The flows as the oracle reads them."""
    return [load_flow(_text(name)) for name in ORDERS]


def _text(name: str) -> str:
    long = (FLOWS / f"{name}.yaml").read_text(encoding="utf-8")
    head, body = long.split("\n", 1)  # names are kept, whatever they say of hours
    return f"{head}\n{DURATION.sub(lambda found: SHORT[found[1]], body)}"
