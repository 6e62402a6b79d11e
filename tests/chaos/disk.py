"""The local disk of a worker in trouble: full, or with other bytes in its files than were written."""

from __future__ import annotations

import resource
from pathlib import Path
from random import Random

from tests.integration.engine_rig import Rig

DAMAGED_BYTES = 200


class Disk:
    """Of one worker."""

    #: Files of a RocksDB database: tables, the list of tables, its name, the log of what is not in a table yet.
    KINDS = ("*.sst", "MANIFEST-*", "CURRENT", "*.log")

    def __init__(self, rig: Rig, instance: str) -> None:
        self.folder = rig.home / "worker" / rig.namespace / instance

    @staticmethod
    def fill(pid: int) -> None:
        """From now on this process cannot write to any file, as if there were no room left."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def damage(self, kind: str, dice: Random) -> str:
        """Overwrite bytes in each file of a kind. Returns what was done."""
        files = [file for file in self.folder.rglob(f"*.db/{kind}") if file.stat().st_size]
        for file in files:
            _overwrite(file, dice)
        return f"damaged {kind}" if files else f"no {kind} to damage"


def _overwrite(file: Path, dice: Random) -> None:
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(dice.randrange(size))
        opened.write(dice.randbytes(min(DAMAGED_BYTES, size)))
