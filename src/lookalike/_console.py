"""The terminal: errors, progress, signals to end, and how results are printed. Results on stdout, all else on stderr."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

import lookalike as la

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import RenderableType


class Stop:
    """What Ctrl-C, a signal to end and a closed terminal do: the work ends, and what is half-written is removed on the way out.

    An exit that is raised in a callback, or amid an import, may be lost or take another shape: `again` raises it at the next step.
    """

    number = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        sys.exit(128 + number)

    def again(self) -> None:
        """End, if a signal to end has come."""
        if self.number:
            sys.exit(128 + self.number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Signals to end do what `Stop` does; only a main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = Stop()
    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.again()  # whatever it became on its way here


def legible() -> None:
    """What the terminal's encoding has no character for is printed as an escape, as JSON has it, and ends no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def complain(what: str, *, where: str, fix: str) -> None:
    """Print an error on stderr: what, where, what to do."""
    from rich.console import Console
    from rich.text import Text

    text = Text.assemble(("error ", "bold red"), (f"{where}: " if where else "", "bold"), what, ("\n      → " if fix else "", "green"), fix)
    Console(stderr=True, soft_wrap=True, highlight=False).print(text)


def say(line: str) -> None:
    """One line for the person at the terminal, on stderr."""
    typer.echo(line, err=True)


def tell(data: la.Dataset | None) -> None:
    """What a reader of the data should be told, on stderr."""
    for note in data.notes if data is not None else ():
        say(f"note: {note}")


def print_json(value: Any) -> None:
    """A value as JSON, on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


def print_report(report: Any) -> None:
    """The report as text, as wide as the terminal is, coloured if there is one."""
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    typer.echo(report.text(width=width, color=color), color=color)


def show(table: RenderableType) -> None:
    """A table, on stdout."""
    from rich.console import Console

    Console().print(table)


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[Any], None]]:
    """A progress bar on stderr, if someone is there to look at it."""
    stop = signal.getsignal(signal.SIGTERM)
    again = stop.again if isinstance(stop, Stop) else lambda: None
    if quiet or not sys.stderr.isatty():
        yield lambda step: again()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<26}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1)

        def told(step: Any) -> None:
            again()
            bar.update(task, completed=step.done, total=step.total, description=step.note or "working")

        yield told
