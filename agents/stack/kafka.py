"""The local broker: Apache Kafka as one process that is broker and controller (KRaft), on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from signal import SIGTERM

from agents import resources
from agents.console import Console
from agents.errors import Unavailable
from agents.settings import LOOPBACK, Settings
from agents.stack import availability, jars, java, process

FORMAT_SECONDS = 120.0
_JAVA_OPTIONS = (
    "-Xmx768m",
    "-Xms128m",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


class Kafka:
    """The broker of one stack. It takes two ports: one for clients, one for the controller in the same process."""

    name = "kafka"
    title = "Kafka"
    ports_needed = 2
    ask_with = SIGTERM
    # An orderly end writes out every segment; on a busy disk that takes a while.
    patience_seconds = 60.0

    def __init__(self, settings: Settings, *, console: Console) -> None:
        self.log = settings.home / "logs" / "kafka.log"
        self._folder = settings.home / "kafka"
        self._properties = self._folder / "server.properties"
        # Java takes no notice of it. The path of the settings file would not do: an editor may have that open too.
        self.marker = f"-Dcartwheel.stack={self._folder}"
        self._cache = settings.cache
        self._console = console

    def fetch(self) -> None:
        """Bring what a start needs; starts nothing."""
        java.find()
        jars.fetch(self._cache, console=self._console)

    def start(self, ports: Sequence[int]) -> process.Running:
        """Start the broker on these ports; the first time, format its data folder before."""
        classpath = jars.fetch(self._cache, console=self._console) / "*"
        command = [str(java.find()), *_JAVA_OPTIONS, "-cp", str(classpath)]
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write_properties(*ports)
        self._format(command)
        return process.start(
            [*command, self.marker, "kafka.Kafka", str(self._properties)],
            marker=self.marker,
            log=self.log,
            folder=self._folder,
            environ=os.environ,
        )

    def address(self, ports: Sequence[int]) -> str:
        """Where clients connect."""
        return f"{LOOPBACK}:{ports[0]}"

    async def answers(self, address: str) -> None:
        """Returns once the broker serves clients; raises whatever says that it does not yet."""
        await availability.kafka_answers(address)

    def _write_properties(self, clients: int, controller: int) -> None:
        chosen = {
            "listeners": f"PLAINTEXT://{LOOPBACK}:{clients},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{clients}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "log.dirs": str(self._folder / "data"),
        }
        fixed = (resources.local_stack() / "server.properties").read_text()
        added = "".join(f"{key}={value}\n" for key, value in chosen.items())
        self._properties.write_text(f"{fixed}\n# Chosen by `cartwheel up`.\n{added}")

    def _format(self, command: Sequence[str]) -> None:
        done = self._folder / "formatted"
        if done.exists():
            return
        # A format that was cut off may have left half a data folder, and nothing in it is of value yet.
        shutil.rmtree(self._folder / "data", ignore_errors=True)
        # One id in 64 begins with a dash, which the tool would take for an option, were it a word of its own.
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        formatting = subprocess.run(
            [*command, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(self._properties)],
            capture_output=True,
            text=True,
            timeout=FORMAT_SECONDS,
            check=False,
        )
        if formatting.returncode:
            raise Unavailable(
                f"Kafka could not format {self._folder / 'data'}:\n{(formatting.stderr or formatting.stdout).strip()}",
                next_step="free disk space or correct the permissions there, then run `cartwheel up` again",
            )
        done.write_text(cluster)
