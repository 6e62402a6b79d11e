"""`cartwheel flows init`: a recipe as a flow of one's own."""

from __future__ import annotations

import re
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from agents import flow_files, recipes
from agents.cli.options import takes_console
from agents.console import Console

_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")


class Source(click.ParamType):
    """The name of a source, as the events carry it."""

    name = "SOURCE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it is, if it can be one."""
        if not _SOURCE.fullmatch(str(value)):
            self.fail(f"{value!r} is no name of a source; one is like magento1 or shopify/emea", param, ctx)
        return str(value)


@click.command("init")
@click.argument("name", required=False)
@click.option(
    "--source", type=Source(), default=recipes.SHOP, show_default=True, help="Who reports the events: magento1 ..."
)
@click.option("--into", type=click.Path(path_type=Path), default=Path(), help="The folder of your flows [this one].")
@click.option("--list", "only_list", is_flag=True, help="Show the recipes and what each does.")
@takes_console
def command(*, name: str | None, source: str, into: Path, only_list: bool, console: Console) -> None:
    """Write the recipe NAME into a folder, for your own source: the flow, its timelines and its templates.

    Nothing is overwritten. Templates that are there already are kept, for two recipes may share one.
    """
    if only_list:
        _list(console)
        return
    if name is None:
        raise click.UsageError("Missing argument 'NAME'. `--list` shows the recipes.")
    prepared = recipes.prepare(name, source=source, lags=flow_files.around(into).lags)
    done = recipes.write(prepared, into)
    shown = Text()
    for path in done.written:
        shown.append(f"wrote {path}\n")
    for path in done.kept:
        shown.append(f"kept  {path}, which was there\n", "yellow")
    for note in prepared.notes:
        shown.append(f"{note}\n", "yellow")
    command = "check" if name == "policy" else "test --coverage"
    shown.append(f"next: `cartwheel flows {command} {into}`; docs/recipes/{name}.md says what to change", "bold")
    data = {
        "recipe": name,
        "source": source,
        "written": [str(path) for path in done.written],
        "kept": [str(path) for path in done.kept],
        "notes": list(prepared.notes),
    }
    console.result(data, shown)


def _list(console: Console) -> None:
    found = recipes.library().values()
    table = Table.grid(padding=(0, 2))
    for recipe in found:
        table.add_row(Text(recipe.name, "bold"), Text(recipe.summary))
    console.result({"recipes": [recipe._asdict() for recipe in found]}, table)
