"""The numbers of the Python process itself: memory and files, pauses for garbage, and what it is made of."""

from __future__ import annotations

import gc
import platform
import time
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from agents.worker.series import Histogram

GENERATIONS = ("0", "1", "2")
PAUSE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


def register_runtime(registry: CollectorRegistry) -> None:
    """Register all of them, once in a process."""
    ProcessCollector(registry=registry)
    build = Gauge(
        "cartwheel_build_info",
        "1; what this process is made of.",
        ["version", "python", "faust", "aiokafka"],
        registry=registry,
    )
    build.labels(version("cartwheel"), platform.python_version(), version("faust-streaming"), version("aiokafka")).set(
        1
    )
    pauses = Histogram(
        "cartwheel_gc_pause_seconds",
        "Pauses for garbage collection.",
        PAUSE_SECONDS,
        ["generation"],
        [(generation,) for generation in GENERATIONS],
    )
    registry.register(pauses)
    _time_pauses(pauses)


def _time_pauses(pauses: Histogram) -> None:
    began = 0.0

    def on_collection(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        else:
            pauses.observe_ms([(time.perf_counter() - began) * 1000], (GENERATIONS[info["generation"]],))

    gc.callbacks.append(on_collection)
