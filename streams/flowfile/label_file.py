"""Maps of labels: strict YAML, `old: new` for each step whose label is another one in the newer version of a flow."""

from __future__ import annotations

from streams.flowfile.findings import FlowFileError, Unreadable
from streams.flowfile.nodes import Mapping, shown
from streams.flowfile.reader import Reader
from streams.flowfile.strict_yaml import parse


def load_labels(text: str | bytes, *, name: str) -> dict[str, str]:
    """Raises FlowFileError with every mistake in it."""
    reader = Reader(name)
    labels: dict[str, str] = {}
    try:
        root = parse(text, reader.findings)
        if isinstance(root, Mapping):
            for old, (_, new) in root.entries.items():
                labels[old] = reader.text(new, f"`{old}`") or ""
        else:
            reader.note("wrong_shape", root, f"a map of labels is `old: new`, not {shown(root)}")
    except Unreadable:
        pass
    findings = reader.findings.in_order()
    if findings:
        raise FlowFileError(findings)
    return labels
