"""The jars of Apache Kafka: copied once by Maven into the cache, checked against their checksums, shared by all stacks.

The folder appears under its final name only when it is complete and every checksum holds. So a fetch that was cut off
leaves nothing that a later one would take for whole, and two at once do not disturb each other.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from agents import resources
from agents.console import Console
from agents.errors import Misconfigured, Unavailable
from agents.stack import java

_WITHOUT_MAVEN = "install Maven 3, or set CARTWHEEL_KAFKA to the address of a broker that you run yourself"
_WITHOUT_NETWORK = "check that Maven reaches its repository, or set CARTWHEEL_KAFKA to a broker of your own"


def fetch(cache: Path, *, console: Console) -> Path:
    """The folder that holds the jars, fetched if it is not there yet.

    Raises `Unavailable` if Maven is missing and cannot be installed, or does not get the jars, and `Misconfigured` if
    what it got differs from the recorded checksums.
    """
    recipe = resources.local_stack()
    checksums = recipe / "kafka-jars.sha256"
    expected = {name: digest for digest, name in (line.split() for line in checksums.read_text().splitlines())}
    folder = cache / f"kafka-{hashlib.sha256(checksums.read_bytes()).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn") or _install_maven(console)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as scratch:
        jars = Path(scratch) / "jars"
        with console.working("Kafka: fetching its jars, once (43 MB)") as status:
            names: set[str] = set()

            def arrived(name: str) -> None:
                names.add(name)
                status.update(f"Kafka: fetching its jars, once: {len(names & expected.keys())} of {len(expected)}")

            _copy(maven, recipe / "pom.xml", into=jars, arrived=arrived)
        _verify(jars, expected)
        _move(jars, folder)
    console.say(f"Kafka: {len(expected)} jars in {folder}")
    return folder


def _copy(maven: str, pom: Path, *, into: Path, arrived: Callable[[str], None]) -> None:
    command = [maven, "--batch-mode", "--file", str(pom), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={into}"]
    complaint = "it ended without saying why"
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environ()
    ) as child:
        for line in child.stdout or ():
            if jar := re.search(r"(?:Downloaded from|Copying) .*?([^/ ]+\.jar)\b", line):
                arrived(jar[1])
            elif line.startswith("[ERROR] Failed"):
                complaint = line.removeprefix("[ERROR] ").strip()
    if child.returncode:
        raise Unavailable(f"Maven could not fetch the jars of Kafka: {complaint}", next_step=_WITHOUT_NETWORK)


def _environ() -> Mapping[str, str]:
    """Maven needs some Java; without one on the path it takes ours."""
    if "JAVA_HOME" in os.environ or shutil.which("java"):
        return os.environ
    return {**os.environ, "JAVA_HOME": str(java.find().parent.parent)}


def _verify(jars: Path, expected: Mapping[str, str]) -> None:
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars.iterdir()}
    if wrong := sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)):
        raise Misconfigured(
            f"Maven delivered other Kafka jars than deploy/local/kafka-jars.sha256 records: {', '.join(wrong)}",
            next_step="check where Maven gets its jars from; after a change of pom.xml run `make jars`",
        )


def _move(jars: Path, folder: Path) -> None:
    try:
        jars.rename(folder)
    except OSError:
        # Another command was faster, and its folder is as complete as ours.
        if not folder.is_dir():
            raise


def _install_maven(console: Console) -> str:
    """Install Maven where that needs no question: as root on a system with apt."""
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        with console.working("Maven is missing: installing it with apt-get"):
            for words in (["update"], ["install", "--yes", "--no-install-recommends", "maven"]):
                subprocess.run([apt, "-qq", *words], env=environ, stdin=subprocess.DEVNULL, capture_output=True)
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("Maven is missing, and it is what fetches the jars of Kafka", next_step=_WITHOUT_MAVEN)
    return maven
