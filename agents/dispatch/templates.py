"""Message templates in Liquid: `NAME.subject.liquid`, `NAME.text.liquid` and, if wanted, `NAME.html.liquid`.

A template sees the variables of the command (`trigger`: the words of the event that enrolled) and `addresses`. A word
that the event did not have may be tested (`if`) and given a default, but printing it is an error: a hole in a message
is worse than no message. HTML parts escape whatever they print. Files are read again when they change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from liquid import CachingFileSystemLoader, Environment, FalsyStrictUndefined
from liquid.exceptions import LiquidError, TemplateNotFoundError, UndefinedError

from streams.flowfile.surroundings import Place, Template

OUTPUT_BYTES_MAX = 512 * 1024
LOOP_ITERATIONS_MAX = 5_000
ASSIGNED_BYTES_MAX = 256 * 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
SUFFIX = ".liquid"
PARTS = ("subject", "text", "html")  # the last need not be there


class CannotSend(Exception):
    """This command cannot be turned into a message. `reason` is a word for the receipt, `detail` a line for the log."""

    def __init__(self, reason: str, *, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Rendered(NamedTuple):
    """The parts of a message. The subject is one line."""

    subject: str
    text: str
    html: str | None


class _Bounded(Environment):
    output_stream_limit = OUTPUT_BYTES_MAX
    loop_iteration_limit = LOOP_ITERATIONS_MAX
    local_namespace_limit = ASSIGNED_BYTES_MAX


class Templates:
    """The templates of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._plain = _environment(folder, autoescape=False)
        self._html = _environment(folder, autoescape=True)

    def render(self, name: str, variables: Mapping[str, Any]) -> Rendered:
        """All parts of a message. Raises `CannotSend`: `template_missing` or `template_error`."""
        if not NAME.fullmatch(name):
            raise CannotSend("template_missing", detail=f"{name[:100]!r} is no name of a template")
        subject = self._part(self._plain, f"{name}.subject", variables)
        text = self._part(self._plain, f"{name}.text", variables)
        has_html = (self._folder / f"{name}.html{SUFFIX}").is_file()
        html = self._part(self._html, f"{name}.html", variables) if has_html else None
        return Rendered(" ".join(subject.split()), text, html)

    def look(self, name: str) -> Template:
        """What its parts ask for, or why one of them, or a file that they render, cannot be read. What such a file asks
        for is not told: one that several share may test what only some messages have.
        """
        files = [file for part in PARTS if (file := self._folder / f"{name}.{part}{SUFFIX}").is_file()]
        found: dict[tuple[str, str], Place] = {}
        for file in files:
            try:
                template = self._plain.get_template(file.name)
                asked = template.analyze(include_partials=False).globals
                with suppress(UndefinedError):  # `include` of a name that only a message knows
                    template.analyze(include_partials=True)
                text = file.read_text(encoding="utf-8")
            except (LiquidError, OSError, ValueError, RecursionError) as error:
                return Template(broken=_broken(file, error))
            for variable in (each for same in asked.values() for each in same):
                word = str(variable.segments[1]) if len(variable.segments) > 1 else ""
                before = text[: variable.span.index]
                place = Place(str(file), before.count("\n") + 1, len(before) - before.rfind("\n"))
                asks = (str(variable.segments[0]), word)
                found[asks] = min(found.get(asks, place), place)
        return Template(found)

    def _part(self, environment: Environment, part: str, variables: Mapping[str, Any]) -> str:
        file = part + SUFFIX
        try:
            # As one argument: a variable may have any name, also that of a parameter.
            return environment.get_template(file).render(dict(variables))
        except (LiquidError, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
            # Filters meet values of any kind, and not every failure of theirs is a Liquid error.
            if not (self._folder / file).is_file():
                raise CannotSend("template_missing", detail=f"{file} is not in {self._folder}") from error
            raise CannotSend("template_error", detail=_line(file, error)) from error


def money(value: Any) -> str:
    """Filter: `{"amount": "1234.5", "currency": "USD"}` as `1,234.50 USD`, whole amounts without a fraction."""
    fraction = value["amount"].partition(".")[2]
    decimals = max(2, len(fraction)) if fraction else 0
    return f"{Decimal(value['amount']):,.{decimals}f} {value['currency']}"


def web_link(value: Any) -> str:
    """Filter: the value if it is an http or https address, else nothing: `javascript:` must not become a link."""
    return value if isinstance(value, str) and urlsplit(value).scheme in ("http", "https") else ""


def _environment(folder: Path, *, autoescape: bool) -> Environment:
    loader = CachingFileSystemLoader(folder, reject_symlinks=True)
    environment = _Bounded(loader=loader, undefined=FalsyStrictUndefined, autoescape=autoescape)
    environment.add_filter("money", money)
    environment.add_filter("web_link", web_link)
    return environment


def _broken(file: Path, error: Exception) -> tuple[str, Place]:
    """Where it is, in the file or one that it renders."""
    if not isinstance(error, LiquidError):
        return str(error) or type(error).__name__, Place(str(file), 1, 1)
    text = str(error.message)
    if isinstance(error, TemplateNotFoundError):
        text = f"`{text}` is not in the folder"
    if error.token is not None:
        source = error.token.source
        file = next((one for one in (file, *sorted(file.parent.glob(f"*{SUFFIX}"))) if _says(one, source)), file)
    place = error.context()
    line, column = (place[0], place[1] + 1) if place else (1, 1)
    return text or type(error).__name__, Place(str(file), line, column)


def _says(file: Path, text: str) -> bool:
    with suppress(OSError, ValueError):
        return file.read_text(encoding="utf-8") == text
    return False


def _line(file: str, error: Exception) -> str:
    place = error.context() if isinstance(error, LiquidError) else None
    text = error.message if isinstance(error, LiquidError) else error
    return f"{file}{f', line {place[0]}' if place else ''}: {text or type(error).__name__}"
