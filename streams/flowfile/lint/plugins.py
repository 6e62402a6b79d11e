"""`unknown_plugin`: a plug-in that is not there, or not in this version; and one that does not fit where it is asked.

name: is_wroth_a_call    -> unknown_plugin, did you mean is_worth_a_call?
version: 3, of 1 and 2   -> unknown_plugin, did you mean 2?
a transform as condition -> wrong_kind
it asks for trigger.code, of a trigger that has no such word -> unknown_word: it would be told None forever
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from streams.flowfile.findings import Findings
from streams.flowfile.lint.subject import Subject
from streams.flowfile.nodes import at, cut
from streams.flowfile.reader import TRIGGER, PluginAsked, listed
from streams.plugins import Name, Plugin


def unknown_plugin(subject: Subject, findings: Findings) -> None:
    """Only where it is known which plug-ins there are."""
    known = subject.around.plugins
    if known is None:
        return
    for asked in subject.plugins:
        plugin = known.get((asked.name, asked.version))
        if plugin is None:
            _note_missing(asked, known, findings)
        elif plugin.kind not in asked.kinds:
            kinds = listed(sorted(asked.kinds), "or")
            message = f"`{plugin.name}` is a {plugin.kind}, and here only a {kinds} can be asked"
            findings.note("wrong_kind", at(asked.node, "name"), message)
        else:
            _note_words(asked, plugin, findings)


def _note_missing(asked: PluginAsked, known: Mapping[Name, Plugin], findings: Findings) -> None:
    versions = sorted(version for name, version in known if name == asked.name)
    if versions:
        message = f"there is no version {asked.version} of the plug-in `{asked.name}`, only {_numbers(versions)}"
        findings.note("unknown_plugin", at(asked.node, "version"), message, suggestion=str(versions[-1]))
        return
    near = get_close_matches(asked.name, sorted({name for name, _ in known}), n=1)
    where = "" if known else "; `--plugins` names the folder of those there are"
    message = f"there is no plug-in `{cut(asked.name)}`{where}"
    findings.note("unknown_plugin", at(asked.node, "name"), message, suggestion=near[0] if near else None)


def _note_words(asked: PluginAsked, plugin: Plugin, findings: Findings) -> None:
    for word in sorted(plugin.inputs_of(TRIGGER)):
        if asked.words is not None and word not in asked.words:
            near = get_close_matches(word, sorted(asked.words), n=1)
            message = f"the plug-in `{plugin.name}` asks for `{TRIGGER}{word}`, which the trigger has not"
            findings.note(
                "unknown_word", at(asked.node, "name"), message, suggestion=TRIGGER + near[0] if near else None
            )


def _numbers(versions: Iterable[int]) -> str:
    return " and ".join(map(str, versions))
