"""Where peers live: the project's own environment, or one that is built when a peer is first asked for.

A built environment appears under its final name only when it is whole, and that name has the digest of what it is built
from: an attempt that was cut off leaves nothing that a later one would take for an environment.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.console import Console
from agents.errors import Misconfigured, Unavailable
from agents.stack import java

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"
LANGUAGE = "17"
STEP_SECONDS = 900.0  # for one step of a build; a registry that is slower counts as not there
NETWORK = "see whether its package registry can be reached, then run it again; --system names systems"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """How a peer is started, and of which versions it is."""

    command: Sequence[str]
    environ: Mapping[str, str]
    versions: Mapping[str, str]


Environment = Callable[[Path, Console], Built]
"""Builds in this folder what is not there yet. Raises Unavailable, saying what to install."""


def own(module: str) -> Environment:
    """A module in the project's environment."""

    def build(folder: Path, console: Console) -> Built:
        return Built(command=(sys.executable, "-m", module), environ={}, versions={})

    return build


def python(name: str, module: str, *, newest: tuple[int, int]) -> Environment:
    """A module in an environment of its own, made from `NAME.txt`. `newest` Python for which there are wheels."""
    requirements = HERE / f"{name}.txt"

    def build(folder: Path, console: Console) -> Built:
        program = _interpreter(name, newest)
        versions = dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", requirements.read_text(), re.MULTILINE))
        with made(folder, name, [requirements], salt=program) as (home, empty):
            if empty:
                with console.working(f"{name}: installing {len(versions)} packages, once"):
                    venv = [program, "-m", "venv", str(empty)]
                    _run(
                        venv, what=f"{name}: making its environment", next_step=f"install the venv module of {program}"
                    )
                    pip = [str(empty / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
                    words = ["install", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "-r"]
                    _run([*pip, *words, str(requirements)], what=f"{name}: installing its packages")
        command = (str(home / "bin" / "python"), "-m", module)
        return Built(command=command, environ={"PYTHONPATH": str(ROOT)}, versions=versions)

    return build


def jvm(name: str, main: str, *, options: Sequence[str]) -> Environment:
    """A Java program in the folder of this name: its jars come from Maven, and one of them compiles it."""
    project = HERE / name.replace("-", "_")

    def build(folder: Path, console: Console) -> Built:
        sources = [project / "pom.xml", project / "jars.sha256", *sorted(project.rglob("*.java"))]
        program = java.find()
        with made(folder, name, sources, salt=str(program)) as (home, empty):
            if empty:
                with console.working(f"{name}: fetching its jars and compiling it, once (80 MB)"):
                    _jars(name, project, into=empty / "lib")
                    _compile(name, program, project, empty)
        versions = {"java": _java_version(program)}
        versions |= dict(re.findall(r"(\S+?)-(\d\S*)\.jar$", (project / "jars.sha256").read_text(), re.MULTILINE))
        classpath = f"{home / 'classes'}{os.pathsep}{home / 'lib'}/*"
        return Built(command=(str(program), *options, "-cp", classpath, main), environ={}, versions=versions)

    return build


@contextmanager
def made(folder: Path, name: str, sources: Sequence[Path], *, salt: str) -> Iterator[tuple[Path, Path | None]]:
    """The folder of an environment, and a scratch folder to build it in if it is not there."""
    digest = hashlib.sha256(salt.encode())
    for source in sources:
        digest.update(source.read_bytes())
    home = folder / f"{name}-{digest.hexdigest()[:12]}"
    if home.is_dir():
        yield home, None
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="building-") as scratch:
        made = Path(scratch, "made")
        made.mkdir()
        yield home, made
        made.rename(home)


def _interpreter(name: str, newest: tuple[int, int]) -> str:
    """Our own Python if it is not too new for the packages, else one that is on the path."""
    if sys.version_info[:2] <= newest:
        return str(Path(sys.executable).resolve())
    for candidate in (f"python{newest[0]}.{newest[1]}", "python3.11"):
        if found := shutil.which(candidate):
            return found
    raise Unavailable(
        f"{name} has no packages for a Python newer than {newest[0]}.{newest[1]}, and there is no older one here",
        next_step=f"install python{newest[0]}.{newest[1]} with its venv module",
    )


def _jars(name: str, project: Path, *, into: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable(
            f"{name}: Maven is missing, and it is what fetches the jars",
            next_step="install Maven 3 (Debian: apt-get install maven)",
        )
    environ = {} if "JAVA_HOME" in os.environ or shutil.which("java") else {"JAVA_HOME": str(java.find().parent.parent)}
    words = ["--quiet", "--batch-mode", "--file", str(project / "pom.xml"), "dependency:copy-dependencies"]
    _run([maven, *words, f"-DoutputDirectory={into}"], what=f"{name}: fetching its jars", environ=environ)
    found = {f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}" for jar in into.iterdir()}
    if found != set((project / "jars.sha256").read_text().splitlines()):
        raise Misconfigured(
            f"{name}: Maven delivered other jars than {project.name}/jars.sha256 records",
            next_step="check where Maven gets its jars from; after a change of pom.xml write the checksums anew",
        )


def _compile(name: str, program: Path, project: Path, into: Path) -> None:
    jars = os.pathsep.join(str(jar) for jar in (into / "lib").iterdir())
    words = [f"-{LANGUAGE}", "-nowarn", "-encoding", "UTF-8", "-cp", jars, "-d", str(into / "classes")]
    _run([str(program), "-cp", jars, COMPILER, *words, str(project / "src")], what=f"{name}: compiling it")


def _java_version(program: Path) -> str:
    told = subprocess.run([str(program), "-version"], capture_output=True, text=True, check=False).stderr
    return told.split('"')[1] if '"' in told else "unknown"


def _run(
    command: Sequence[str], *, what: str, environ: Mapping[str, str] | None = None, next_step: str = NETWORK
) -> None:
    surroundings = {**os.environ, **(environ or {})}
    try:
        done = subprocess.run(
            command, env=surroundings, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STEP_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{what} took more than {STEP_SECONDS:g} s", next_step=next_step) from None
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        telling = next((line for line in said if "ERROR" in line), said[-1] if said else "it did not say why")
        raise Unavailable(f"{what} failed: {telling.strip()}", next_step=next_step)
