"""`make fuzz`: a million inputs, in as many processes as there are cores; the first that fails is shown with its seed.

python -m tests.fuzz [--inputs N] [--seed WORD] [--workers N] [--only SEED]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from agents.garbage import seldom_collected
from tests.fuzz.inputs import make
from tests.fuzz.properties import STAGES, Stage, hold

BATCH = 1_000
#: Work is counted for one input of so many: counting takes three times as long as compiling.
COUNTED = 20
SHOWN_MAX = 2_000


class Batch(NamedTuple):
    """How far some inputs came. `failure`: the seed of one that failed, and how."""

    came: Counter[Stage]
    failure: tuple[str, str] | None


def run(seed: str, start: int, count: int) -> Batch:
    """Try the inputs with these numbers, up to the first that fails."""
    came: Counter[Stage] = Counter()
    with seldom_collected():
        for number in range(start, start + count):
            own = f"{seed}:{number}"
            try:
                came[hold(make(own), bounded=number % COUNTED == 0)] += 1
            except Exception:  # noqa: BLE001  # whatever it is, it is what we look for
                return Batch(came, (own, traceback.format_exc()))
    return Batch(came, None)


def main(words: list[str]) -> int:
    """1 if an input failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the compiler of flow files.")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", default="cartwheel")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", metavar="SEED", help="one input again, as its failure named it")
    asked = parser.parse_args(words)
    if asked.only:
        made = make(asked.only)
        print(made.text if isinstance(made.text, str) else repr(made.text))
        came = hold(made)
        print(came if came == "compiled" else f"refused: {came}")
        return 0
    return _all(asked.seed, asked.inputs, asked.workers)


def _all(seed: str, inputs: int, workers: int) -> int:
    came: Counter[Stage] = Counter()
    began = time.monotonic()
    for batch in _batches(seed, inputs, workers):
        came += batch.came
        done = came.total()
        if batch.failure is not None:
            own, how = batch.failure
            print(f"\n{how[-SHOWN_MAX:]}\nfailed; again with: python -m tests.fuzz --only {own}", file=sys.stderr)
            return 1
        if (done // BATCH) % 10 == 0 or done == inputs:
            print(
                f"{done:,} of {inputs:,} inputs, {_said(came)}, {done / (time.monotonic() - began):,.0f} a second",
                flush=True,
            )
    return 0


def _said(came: Counter[Stage]) -> str:
    """How many were refused where, so that one sees how deep they go."""
    words = zip(STAGES, ("refused as YAML", "for a shape", "by the compiler", "compiled"), strict=True)
    return ", ".join(f"{word} {came[stage]:,} ({came[stage] / came.total():.0%})" for stage, word in words)


def _batches(seed: str, inputs: int, workers: int) -> Iterator[Batch]:
    """In the order of their numbers, so that the same seed fails at the same input."""
    starts = range(0, inputs, BATCH)
    sizes = [min(BATCH, inputs - start) for start in starts]
    with ProcessPoolExecutor(workers) as pool:
        try:
            yield from pool.map(run, [seed] * len(sizes), starts, sizes)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
