"""The errors that end a command, each with its exit code and the next step for the reader.

    CartwheelError
    ├── CheckFailed        1  the check that was asked for found something wrong
    ├── InputRefused      65  a file or an argument cannot be used as given
    ├── Unavailable       69  Kafka, PostgreSQL or a tool is not there; later it may be (retriable)
    ├── Halted            70  going on would break a promise, so the process stops
    └── Misconfigured     78  a setting or the installation is wrong

The numbers from 64 up are those of `sysexits.h`. What happens to one record is never an error here: it is data with
a reason. An error that is not in this tree is a defect and shows its traceback.
"""

from __future__ import annotations

from typing import ClassVar


class CartwheelError(Exception):
    """A command cannot go on. `message` says what and where, `next_step` says what to do about it."""

    exit_code: ClassVar[int] = 70
    retriable: ClassVar[bool] = False

    def __init__(self, message: str, *, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class CheckFailed(CartwheelError):
    """The check that was asked for found something wrong."""

    exit_code = 1


class InputRefused(CartwheelError):
    """A file or an argument cannot be used as given."""

    exit_code = 65


class Unavailable(CartwheelError):
    """Something that the command needs is not there now and may be there later."""

    exit_code = 69
    retriable = True


class Halted(CartwheelError):
    """The process stops because going on would break a promise."""

    exit_code = 70


class Misconfigured(CartwheelError):
    """A setting or the installation is wrong; trying again changes nothing."""

    exit_code = 78
