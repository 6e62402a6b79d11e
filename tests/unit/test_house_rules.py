"""The house rules hold for every module and every file, and each of them bites."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from agents.cli.ownership import check_ownership
from agents.errors import Misconfigured
from tests.unit import house
from tests.unit.house import Module

ROOT = Path(__file__).parents[2]
PACKAGES = ("agents", "streams", "schemas")
HEAD = '"""Doc."""\n\nfrom __future__ import annotations\n\n'


def listed() -> list[str]:
    """Every file that is tracked, or will be when it is added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return sorted({path for path in found.split("\0") if path and (ROOT / path).is_file()})


FILES = listed()
MODULES = [path for path in FILES if path.endswith(".py")]


def test_there_is_something_to_judge() -> None:
    assert {module.split("/")[0] for module in MODULES} >= {"schemas", "streams", "agents", "tests"}
    assert len(MODULES) > 80


@pytest.mark.parametrize("rule", house.RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Callable[[Module], Iterator[str]]) -> None:
    modules = (Module(path, (ROOT / path).read_text(encoding="utf-8")) for path in MODULES)
    assert [f"{module.path}: {finding}" for module in modules for finding in rule(module)] == []


def test_no_file_speaks_of_one_machine() -> None:
    found = []
    for path in FILES:
        content = (ROOT / path).read_bytes()
        if b"\0" not in content and not path.endswith(".gz"):
            found += [f"{path}: {finding}" for finding in house.traces(content.decode("utf-8"))]
    assert found == []


def anchors(path: Path) -> set[str]:
    """What a link may name behind `#`: the headings of a page, as sites that show pages spell them."""
    prose = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    """Links of a page to files or headings that are not there."""
    links = re.findall(
        r"(?:\]\(|^\[[^\]]+\]: )(?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?",
        path.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    found = []
    for file, anchor in links:
        target = path.parent.joinpath(file) if file else path
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            found.append(f"{path.name}: {file}#{anchor}")
    return found


def test_every_link_between_documents_leads_somewhere() -> None:
    assert [link for path in FILES if path.endswith(".md") for link in broken_links(ROOT / path)] == []


def test_every_page_is_found_from_the_first_one() -> None:
    front, seen = [ROOT / "README.md"], set[Path]()
    while front:
        page = front.pop().resolve()
        if page in seen:
            continue
        seen.add(page)
        links = re.findall(r"\]\((?!https?:|mailto:)([^)#\s]+\.md)", page.read_text(encoding="utf-8"))
        front += [page.parent / link for link in links]
    assert [path for path in FILES if re.match(r"docs/.*\.md$", path) and (ROOT / path).resolve() not in seen] == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# One, two\n\n```sh\n# no heading\n```\n")
    page = tmp_path / "a.md"
    page.write_text("# A\n\n[a](b.md#one-two) [b](#a) [c](https://example.com/x#y) [3.1]\n\n[3.1]: b.md#one-two\n")
    assert broken_links(page) == []
    page.write_text("[a](c.md) [b](b.md#two) [c](b.md#no-heading) [d](#e) [3.1]\n\n[3.1]: b.md#three\n")
    assert [link.partition(" ")[2] for link in broken_links(page)] == [
        "c.md#",
        "b.md#two",
        "b.md#no-heading",
        "#e",
        "b.md#three",
    ]


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (house.arrows, "schemas/x.py", "from streams.decide import decide"),
        (house.arrows, "streams/x.py", "import agents.settings"),
        (house.arrows, "agents/x.py", "from tests.unit import stage"),
        (house.arrows, "agents/x.py", "def f():\n    from benchmarks import table"),
        (house.arrows, "streams/x.py", "import importlib\nimportlib.import_module('agents.worker')"),
        (house.arrows, "deploy/postgres/x.py", "import agents"),
        (house.sizes, "streams/x.py", "\n" * 401),
        (house.sizes, "agents/x.py", "\n" * 301),
        (house.sizes, "tests/x.py", "def long():\n" + "    x = 1\n" * 60),
        (house.sizes, "tests/x.py", "class C:\n    async def long(self):\n" + "        x = 1\n" * 60),
        (house.names, "agents/utils.py", ""),
        (house.names, "agents/db_helpers.py", ""),
        (house.names, "streams/common/x.py", ""),
        (house.names, "tests/test_manager.py", ""),
        (house.docstring, "agents/x.py", "from __future__ import annotations\n"),
        (house.docstring, "agents/__init__.py", ""),
        (house.docstring, "agents/x.py", '"""Doc."""\nimport re\n'),
        (house.purity, "streams/x.py", "import time"),
        (house.purity, "streams/x.py", "from random import choice"),
        (house.purity, "streams/x.py", "import secrets"),
        (house.purity, "streams/x.py", "import os.path"),
        (house.purity, "streams/x.py", "import logging"),
        (house.purity, "streams/x.py", "import asyncio"),
        (house.purity, "streams/x.py", "import socket"),
        (house.purity, "streams/x.py", "from pathlib import Path"),
        (house.purity, "streams/x.py", "import subprocess"),
        (house.purity, "streams/x.py", "import threading"),
        (house.purity, "streams/x.py", "import sys"),
        (house.purity, "streams/x.py", "import uuid"),
        (house.purity, "streams/x.py", "import orjson"),
        (house.purity, "streams/x.py", "import importlib"),
        (house.purity, "streams/x.py", "from zoneinfo import ZoneInfo\nZONE = ZoneInfo('Europe/Berlin')"),
        (house.purity, "streams/x.py", "import zoneinfo\nNAMES = zoneinfo.available_timezones()"),
        (house.purity, "streams/x.py", "from datetime import datetime, UTC\nNOW = datetime.now(UTC)"),
        (house.purity, "streams/x.py", "x = thing.uuid4()"),
        (house.purity, "streams/x.py", "open('x')"),
        (house.purity, "streams/x.py", "print('x')"),
        (house.purity, "streams/x.py", "key = hash('x')"),
        (house.purity, "streams/x.py", "async def f():\n    pass"),
        (house.purity, "streams/x.py", "def f():\n    global x\n    x = 1"),
        (house.purity, "schemas/x.py", "import random"),
        (house.purity, "schemas/x.py", "import datetime\ndatetime.datetime.now(datetime.UTC)"),
        (house.naive_datetimes, "agents/x.py", "datetime(2026, 1, 1)"),
        (house.naive_datetimes, "agents/x.py", "datetime.datetime(2026, 1, 1, 0, 0)"),
        (house.naive_datetimes, "agents/x.py", "datetime.now()"),
        (house.naive_datetimes, "agents/x.py", "datetime.utcnow()"),
        (house.naive_datetimes, "agents/x.py", "datetime.fromtimestamp(0)"),
        (house.naive_datetimes, "agents/x.py", "date.today()"),
        (house.faust, "agents/worker/x.py", "import faust"),
        (house.faust, "agents/worker/x.py", "from mode.services import Service"),
        (house.faust, "streams/x.py", "from faust.types import TP"),
        (house.faust, "tests/integration/x.py", "from faust.tables.recovery import Recovery"),
        (house.honest_tests, "tests/unit/x.py", "from unittest import mock"),
        (house.honest_tests, "tests/unit/x.py", "from unittest.mock import Mock"),
        (house.honest_tests, "tests/simulation/x.py", "import time"),
        (house.honest_tests, "tests/unit/x.py", "import asyncio\nasyncio.sleep(1)"),
        (house.honest_tests, "tests/integration/x.py", "import pytest\npytest.skip('no broker')"),
        (house.honest_tests, "tests/integration/x.py", "import pytest\n@pytest.mark.skipif(True)\ndef f(): ..."),
    ],
)
def test_the_rule_bites(rule: Callable[[Module], Iterator[str]], path: str, source: str) -> None:
    assert list(rule(Module(path, source)))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("schemas/x.py", HEAD + "import json\nfrom pathlib import Path\nfrom schemas import money\n"),
        (
            "streams/x.py",
            HEAD + "from datetime import UTC, datetime\n\nfrom . import y\n\nX = datetime(1970, 1, 1, tzinfo=UTC)\n",
        ),
        (
            "agents/x.py",
            HEAD + "import time\n\nfrom streams import decide\n\nasync def f():\n    print(datetime.now(UTC))\n",
        ),
        ("agents/faust_engine/x.py", HEAD + "from faust.transport import consumer\n"),
        ("benchmarks/stock.py", HEAD + "import faust\n"),
        ("tests/integration/x.py", HEAD + "import time\n\ntime.sleep(1)\n"),
        ("agents/database.py", HEAD + "\n" * 290),
        ("agents/__init__.py", '"""Doc."""\n'),
    ],
)
def test_what_keeps_the_rules_is_left_alone(path: str, source: str) -> None:
    assert [finding for rule in house.RULES for finding in rule(Module(path, source))] == []


@pytest.mark.parametrize("path", ["work/main/x", "root/.m2", "tmp/x", "home/ann/x", "Users/ann/x"])
def test_a_trace_of_a_machine_is_found(path: str) -> None:
    assert list(house.traces(f"see /{path}"))
    assert list(house.traces("pip install --index" + "-url=https://packages.example"))
    assert list(house.traces("see deploy/" + "work/main, ~/tmp/x, the root/ of it and GET /work")) == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Built by the build backend itself, in this environment and without network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


class TestTheWheel:
    """What is installed: three packages, and the resources of one of them."""

    def test_it_holds_the_three_packages_and_nothing_else(self, wheel: zipfile.ZipFile) -> None:
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        tops = {name.split("/")[0] for name in wheel.namelist()}
        assert tops == {*PACKAGES, f"cartwheel-{version}.dist-info"}

    def test_it_holds_every_file_of_the_packages(self, wheel: zipfile.ZipFile) -> None:
        held = {name for name in wheel.namelist() if name.startswith(PACKAGES) and "/_resources/" not in name}
        assert held == {path for path in FILES if path.split("/")[0] in PACKAGES}

    def test_it_holds_the_resources_byte_for_byte(self, wheel: zipfile.ZipFile) -> None:
        prefix = "agents/_resources/"
        held = {name.removeprefix(prefix) for name in wheel.namelist() if name.startswith(prefix)}
        folders = ("deploy/flows/", "deploy/local/", "deploy/postgres/migrations/", "docs/reference/findings/")
        wanted = {re.sub("^(deploy|docs/reference)/", "", path): path for path in FILES if path.startswith(folders)}
        assert held == wanted.keys()
        for name, path in wanted.items():
            assert wheel.read(prefix + name) == (ROOT / path).read_bytes()

    def test_it_brings_the_command(self, wheel: zipfile.ZipFile) -> None:
        (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        assert "cartwheel = agents.cli:main" in wheel.read(name).decode()


class TestOwnership:
    """The three package names are words that others use too."""

    def test_they_are_ours_alone_here(self) -> None:
        check_ownership()

    @pytest.mark.parametrize(
        "owners", [{}, {"agents": ["cartwheel"]}, {"streams": ["Cartwheel", "cartwheel"], "x": ["y"]}]
    )
    def test_ours_and_what_is_not_ours_may_stay(self, owners: Mapping[str, Sequence[str]]) -> None:
        check_ownership(owners)

    @pytest.mark.parametrize("package", PACKAGES)
    def test_another_distribution_is_named(self, package: str) -> None:
        with pytest.raises(Misconfigured, match="other-thing"):
            check_ownership({package: ["cartwheel", "other-thing"]})
