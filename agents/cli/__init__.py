"""The command line: `cartwheel COMMAND`. A command's module is imported only when that command is called.

Adding a command is one line in `COMMANDS` and one module that calls its click command `command`.
"""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from collections.abc import Sequence
from typing import NamedTuple

import click

from agents.cli.ownership import check_ownership
from agents.console import Console
from agents.errors import CartwheelError

DEFECT = 70
INTERRUPTED = 130
HELP = """Cartwheel: reminds shoppers, and never someone who already bought."""

EPILOG = """\b
Exit codes
   0  done
   1  the check that was asked for found something wrong
   2  the command line was not understood
  65  a file or an argument cannot be used as given
  69  Kafka, PostgreSQL or a tool is not available
  70  stopped, because going on would break a promise, or by a defect
  78  a setting or the installation is wrong

\b
State lies under CARTWHEEL_HOME (default ./.local). CARTWHEEL_KAFKA and
CARTWHEEL_POSTGRES name servers of your own instead of the local stack."""


class Entry(NamedTuple):
    """One command: the module that holds it and its line in the overview."""

    module: str
    summary: str


COMMANDS = {
    "up": Entry("agents.cli.up", "Start the local Kafka and PostgreSQL."),
    "down": Entry("agents.cli.down", "Stop what `up` started; data is kept."),
    "status": Entry("agents.cli.status", "Show the local stack, the running processes and their partitions."),
    "topics": Entry("agents.cli.topics", "Create the topics, or check that they are as declared."),
    "run": Entry("agents.cli.run", "Run intake, worker, dispatcher and projector together."),
    "intake": Entry("agents.cli.intake", "Run intake: raw records to the profile log."),
    "worker": Entry("agents.cli.worker", "Run a worker: the profile log to commands."),
    "dispatcher": Entry("agents.cli.dispatcher", "Run the dispatcher: commands to messages."),
    "projector": Entry("agents.cli.projector", "Run the projector: decisions to PostgreSQL, for `why` and `why-not`."),
    "why": Entry("agents.cli.why", "Say why a message was ordered."),
    "why-not": Entry("agents.cli.why_not", "Say why somebody got no message of a flow."),
    "revenue": Entry("agents.cli.revenue", "Show what orders were credited to which flow."),
    "dead-letters": Entry("agents.cli.dead_letters", "Look at what could not be taken; replay or dismiss it."),
    "feed": Entry("agents.cli.feed", "Write a file of events to the raw topic."),
    "replay": Entry("agents.cli.replay", "Run flows over a file of events, without a broker."),
    "rehearse": Entry("agents.cli.rehearse", "Walk one person through a flow, line by line."),
    "timers": Entry("agents.cli.timers", "Forecast how many timers will fire when."),
    "flows": Entry("agents.cli.flows", "Check and test flow files, publish them, hold, stop or change flows."),
    "demo": Entry("agents.cli.demo", "Play a day of a sample shop, and a year, through the real pipeline."),
}


class _Commands(click.Group):
    """A group that knows its commands by name and line, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name].module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=_Commands, help=HELP, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cartwheel", message="%(prog)s %(version)s")
def cartwheel() -> None:
    """The root of all commands."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The console command: run one command and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(words))


def _run(words: list[str]) -> int:
    console = Console(as_json="--json" in words)
    # The Kafka client logs what it then tries again by itself; what it gives up becomes an error of ours.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        check_ownership()
        # Not standalone: click would turn our errors into tracebacks.
        outcome = cartwheel.main(words, prog_name="cartwheel", standalone_mode=False)
    except CartwheelError as error:
        console.fail(error.message, next_step=error.next_step)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        usage = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "cartwheel"
        console.fail(error.format_message(), next_step=f"`{usage} --help` shows what is allowed")
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except Exception:  # noqa: BLE001
        # A defect of ours. It must not pass for a check that failed, which is what Python's own code 1 means here.
        traceback.print_exc()
        return DEFECT
    return outcome if isinstance(outcome, int) else 0
