"""The machine: two pinned cores, how fast the measured one is right now, and what else was running on it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version

import msgspec
import psutil

from agents.errors import Misconfigured

DRIVER_CORE = 0  # broker and driver
MEASURED_CORE = 1  # the system under test, alone
PACKAGES = ("faust-streaming", "mode-streaming", "aiokafka", "rocksdict", "msgspec", "orjson", "uvloop", "cramjam")

#: A loop of pure Python. CPU time per turn says how fast the core is, CPU time over wall time who else wanted it.
_SPIN = """
import json, sys, time
seconds, turns, total = float(sys.argv[1]), 0, 0
wall, cpu = time.perf_counter(), time.process_time()
while time.perf_counter() - wall < seconds:
    for number in range(10_000):
        total += number & 7
    turns += 10_000
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print(json.dumps({"ns_per_turn": cpu / turns * 1e9, "cpu_share": cpu / wall}))
"""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """One spin on the measured core: nanoseconds of CPU per turn, and the share of the core that the spin got."""

    ns_per_turn: float
    cpu_share: float


@dataclass(frozen=True, slots=True)
class CoreTime:
    """How long the measured core has been busy since the machine started, in seconds."""

    busy: float

    @classmethod
    def now(cls) -> CoreTime:
        """As the system counts it."""
        times = psutil.cpu_times(percpu=True)[MEASURED_CORE]
        return cls(sum(times) - times.idle - times.iowait)


def pin_driver() -> None:
    """Keep this process, and the broker that it starts, off the measured core. Raises Misconfigured where it cannot."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        raise Misconfigured(
            "the benchmark keeps what it measures on a core of its own, which needs Linux and two cores",
            next_step="run it on such a machine; `python -m benchmarks core` runs anywhere",
        )
    os.sched_setaffinity(0, {DRIVER_CORE})


def pin_measured() -> None:
    """In a child process, before its program starts: onto the measured core, with all threads to come."""
    os.sched_setaffinity(0, {MEASURED_CORE})


def is_pinned(process: psutil.Process, *, core: int) -> bool:
    """Whether every thread of a process stays on one core."""
    return all(os.sched_getaffinity(thread.id) == {core} for thread in process.threads())


def calibrate(seconds: float) -> Calibration:
    """Spin on the measured core for so long."""
    spun = subprocess.run(
        [sys.executable, "-c", _SPIN, str(seconds)], preexec_fn=pin_measured, capture_output=True, check=True
    )
    return msgspec.json.decode(spun.stdout, type=Calibration)


def describe() -> dict[str, object]:
    """What a reader must know of the machine to judge the numbers."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _cpu_model() -> str:
    with open("/proc/cpuinfo") as lines:
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
