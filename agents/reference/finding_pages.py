"""The pages of findings. Examples and prose are written by hand; what the compiler says of them is put in here.

A page has a section `Wrong` and a section `Right`. Their code blocks are files: ```yaml is `flow.yaml`, and another
name may stand behind it, with `latin-1` for how it is saved and `times=201` for how often its last line is repeated.
`Right` replaces the files of `Wrong` that it names.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from agents.flow_files import check_flows, timelines_of
from agents.plugins import load_plugins
from streams.flowfile import Finding
from streams.flowfile.findings import Code
from streams.flowfile.meanings import MEANINGS, PAGES, Meaning, page_of
from streams.plugins import NO_PLUGINS, registry

INDEX = f"{PAGES}/README.md"
_BLOCK = re.compile(r"^```(\S+)(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANSWER = re.compile(r"^```text\n.*?^```$", re.MULTILINE | re.DOTALL)
_OPTIONS = {"latin-1"}
_FLOW = "flow.yaml"
_PLUGINS = "plugins"
_HEADS = ("An error.", "A warning.")


class Page(NamedTuple):
    """A page as it was written: its two sections; None when the code cannot be shown."""

    wrong: str | None
    right: str | None
    rest: str


def read(text: str) -> Page:
    """Take a page apart."""
    body = text.partition("\n## Wrong\n")
    if not body[1]:
        _, *paragraphs = text.split("\n\n")
        return Page(None, None, "\n\n".join(each for each in paragraphs if not each.startswith(_HEADS)))
    wrong, _, right = body[2].partition("\n## Right\n")
    return Page(wrong, right, "")


def findings_of(*sections: str) -> list[Finding]:
    """What `cartwheel flows check` finds in the files of these sections, the later of one name taking its place."""
    with tempfile.TemporaryDirectory() as folder:
        for section in sections:
            _save(section, Path(folder))
        plugins = Path(folder) / _PLUGINS
        flows = check_flows(Path(folder), registry(load_plugins(plugins)) if plugins.is_dir() else NO_PLUGINS)
        found = [finding for flow in flows for finding in flow.findings]
        found += [finding for flow in flows if (beside := timelines_of(flow)) for finding in beside.findings]
        return [_without(finding, folder) for finding in found]


def _without(finding: Finding, folder: str) -> Finding:
    bare = {"file": finding.file.removeprefix(f"{folder}/"), "message": finding.message.replace(f"{folder}/", "")}
    return msgspec.structs.replace(finding, **bare)


def _save(section: str, folder: Path) -> None:
    for language, words, text in _BLOCK.findall(section):
        options = words.split()
        if language == "text":
            continue
        names = [word for word in options if "=" not in word and word not in _OPTIONS]
        times = next((int(word.removeprefix("times=")) for word in options if word.startswith("times=")), 1)
        *lines, last = text.splitlines(keepends=True)
        path = folder / (names[0] if names else _FLOW)
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join([*lines, last * times]), encoding="latin-1" if "latin-1" in options else "utf-8")


def made(code: Code, text: str) -> str:
    """The page with what the compiler says of it today."""
    meaning = MEANINGS[code]
    page = read(text)
    head = f"# `{code}`\n\n{_head(meaning)}\n\n"
    if page.wrong is None:
        return head + page.rest
    said = "".join(f"{finding}\n" for finding in findings_of(page.wrong))
    wrong = _ANSWER.sub(lambda _: f"```text\n{said}```", page.wrong)
    return f"{head}## Wrong\n{wrong}\n## Right\n{page.right}"


def _head(meaning: Meaning) -> str:
    return f"{_HEADS[meaning.severity == 'warning']} {meaning.says} {meaning.next_step}"


def files(root: Path) -> dict[str, str]:
    """Every page and the index of them, by path. Raises FileNotFoundError for a code without a page."""
    pages = {page_of(code): made(code, (root / page_of(code)).read_text(encoding="utf-8")) for code in MEANINGS}
    return {**pages, INDEX: _index(MEANINGS.items())}


def _index(meanings: Iterable[tuple[str, Meaning]]) -> str:
    rows = [
        f"| [`{code}`]({code}.md) | {meaning.severity} | {meaning.says} | {meaning.next_step} |"
        for code, meaning in meanings
    ]
    return "\n".join([*_INDEX_HEAD, *rows]) + "\n"


_INDEX_HEAD = (
    "# Findings",
    "",
    "What `cartwheel flows check` finds in flow files and timelines, each with a page of its own: a wrong example,",
    "what the compiler says about it, and the right way. `cartwheel flows explain CODE` prints the page. An error",
    "keeps a flow from compiling; a warning is something to reconsider.",
    "",
    "A finding has its code, file, line and column, a message that says what is wrong, and a `suggestion`: what to",
    "write instead, where that is known (then `instead` is true), else what to do next.",
    "",
    "| Code | Severity | What is wrong | What to do |",
    "|---|---|---|---|",
)
