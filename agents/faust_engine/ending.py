"""The end of the process when going on would break a promise.

Faust restarts what fails, acknowledges the event it failed on and logs it; that loses records. So nothing that is not
one record's own fault is survived: the process ends at once, and starting it again is always safe.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import NoReturn

from aiokafka.errors import KafkaError

from agents.errors import CartwheelError, Halted, Misconfigured, Unavailable
from schemas.codec import Undecodable


def end_process(error: BaseException) -> NoReturn:
    """Say why on stderr, one line last, and leave with the error's exit code; 70 for one that is not ours.

    Works from any thread and waits for nothing, least of all for tasks that may be stuck.
    """
    error = explained(error)
    code = error.exit_code if isinstance(error, CartwheelError) else Halted.exit_code
    try:
        logging.shutdown()
        if isinstance(error, CartwheelError):
            last = f"error: {error.message}; next: {error.next_step}"
        else:
            traceback.print_exception(error, file=sys.stderr)
            last = f"error: {error!r} ended the process; next: start it again, and report this if it recurs"
        print(last.replace("\n", " "), file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def explained(error: BaseException) -> BaseException:
    """The same in words of ours, if it is one of those that have nothing to do with the program."""
    if isinstance(error, Undecodable):
        return Misconfigured(
            f"stored state: {error}",
            next_step="run the version that wrote it, or a newer one (deploy/runbooks/state-version.md)",
        )
    if isinstance(error, KafkaError) and error.retriable:
        # Whoever asked has tried long enough: at the start, or when the process has been paused over its own deadline.
        return Unavailable(
            f"Kafka has not done in time what the worker asked for: {error}",
            next_step="see whether the brokers run, then start the worker again; nothing is lost",
        )
    return error
