"""`python -m agents.reference [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from agents.reference.files import ROOT, files, outdated


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with `--check` say which are out of date; 1 if any is."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m agents.reference [--check]", file=sys.stderr)
        return 2
    stale = outdated()
    if arguments:
        for name in stale:
            print(f"{name} is out of date; run python -m agents.reference", file=sys.stderr)
        return 1 if stale else 0
    wanted = files()
    for name in stale:
        (ROOT / name).write_text(wanted[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
