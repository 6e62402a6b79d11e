"""What several commands take: the settings, `--namespace`, `--json`, `--plugins` and `--resume-stopped`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from agents.console import Console
from agents.plugins import load_plugins
from agents.settings import Settings
from streams.plugins import NO_PLUGINS, registry


class Stop(click.ParamType):
    """A partition and the offset at which it stopped."""

    name = "PARTITION@OFFSET"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Both as numbers."""
        partition, _, offset = str(value).partition("@")
        if not (partition.isdigit() and offset.isdigit()):
            self.fail(f"{value!r} is not like 3@120440", param, ctx)
        return int(partition), int(offset)


takes_stops = click.option(
    "--resume-stopped",
    type=Stop(),
    multiple=True,
    help="Go on with a partition that has stopped for too much poison, as its log line says; may be repeated.",
)


names_plugins = click.option(
    "--plugins",
    "plugins_path",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder of the plug-ins that flows may ask [CARTWHEEL_PLUGINS].",
)


def takes_plugins(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the plug-ins to a command as `plugins`: those of `--plugins`, else of `CARTWHEEL_PLUGINS`, else none."""

    @names_plugins
    @functools.wraps(function)
    def wrapped(*args: Any, plugins_path: Path | None, **kwargs: Any) -> Any:
        folder = plugins_path or Settings.from_environ(os.environ).plugins
        plugins = NO_PLUGINS if folder is None else registry(load_plugins(folder))
        return function(*args, plugins=plugins, **kwargs)

    return wrapped


def takes_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the settings to a command as `settings`, with `--namespace` over `CARTWHEEL_NAMESPACE`."""

    @click.option("--namespace", metavar="WORD", help="First word of the topic names [CARTWHEEL_NAMESPACE].")
    @functools.wraps(function)
    def wrapped(*args: Any, namespace: str | None, **kwargs: Any) -> Any:
        environ = {**os.environ, "CARTWHEEL_NAMESPACE": namespace} if namespace else os.environ
        return function(*args, settings=Settings.from_environ(environ), **kwargs)

    return wrapped


def takes_local_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the settings to a command that touches no topic."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return function(*args, settings=Settings.from_environ(os.environ), **kwargs)

    return wrapped


def takes_console(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand a console to a command as `console`; with `--json` it prints one JSON object."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result, or the error, as one JSON object.")
    @functools.wraps(function)
    def wrapped(*args: Any, as_json: bool, **kwargs: Any) -> Any:
        return function(*args, console=Console(as_json=as_json), **kwargs)

    return wrapped
