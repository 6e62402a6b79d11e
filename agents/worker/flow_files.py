"""Reads the flows that a worker is given: one file, or every flow file of a folder."""

from __future__ import annotations

from pathlib import Path

from agents.errors import InputRefused
from schemas.flow import Flow
from streams import program
from streams.flowfile import FlowFileError, load
from streams.program import DuplicateFlow, Program


def read_program(path: Path) -> Program:
    """The compiled flows. In a folder, `*.test.yaml` are test timelines and are passed over.

    Raises InputRefused with every error of the first file that has any, for a folder without flows, and for two flows
    of one name.
    """
    files = [path] if path.is_file() else sorted(path.glob("*.yaml"))
    flows = [_read(file) for file in files if not file.name.endswith(".test.yaml")]
    if not flows:
        raise InputRefused(f"{path} holds no flow file", next_step="name a flow file, or a folder with *.yaml in it")
    try:
        return program.build(flows)
    except DuplicateFlow as error:
        raise InputRefused(f"{path}: {error}", next_step="rename one of them") from error


def _read(file: Path) -> Flow:
    try:
        return load(file.read_bytes(), name=str(file))
    except OSError as error:
        raise InputRefused(f"{file} cannot be read: {error.strerror}", next_step="check --flows") from error
    except FlowFileError as error:
        raise InputRefused(str(error), next_step="correct the file; `cartwheel flows check` says more") from error
