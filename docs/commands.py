"""Writes the page of all commands and their flags, `cli.md`, from the parser itself: `python docs/commands.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from lookalike.cli import app

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# Commands

`lookalike COMMAND --help` says the same in a terminal. Results go to standard output, all else to standard error. Exit codes: 0 done,
1 done but a requirement of `--require` is not met, 2 refused (with what, where and what to do), 130 stopped by Ctrl-C. Nothing
half-written is left in any case. This page is written by `python docs/commands.py`.
"""
KINDS = {int: "NUMBER", float: "NUMBER"}


def value(param: Any) -> str:
    """What a flag takes, or nothing if it is a switch."""
    if getattr(param, "is_flag", False):
        return ""
    return f" {param.metavar or KINDS.get(param.type_descriptor.annotation, 'TEXT')}"


def line(param: Any) -> str:
    """One argument or flag as a line of a table."""
    if param.param_type_name == "argument":
        shown, default = f"`{param.metavar}`", ""
    else:
        shown = ", ".join(f"`{name}{value(param)}`" for name in sorted(param.opts, key=len, reverse=True))
        default = "" if param.default in (None, False) else f"; if not given: {param.default}"
    must = " **(needed)**" if param.required and param.param_type_name == "option" else ""
    words = f"{param.help}{default}{must}".replace("\n", " ").replace("<", "&lt;")
    return "| {} | {} |".format(*(cell.replace("|", "\\|") for cell in (shown, words)))


def section(name: str, command: Any) -> str:
    """A command: what it does, how it is called, and its flags."""
    about, _, calls = command.help.partition("\n\n\b\n")
    shown = f"```text\n{calls.strip()}\n```\n\n" if calls else ""
    head = "| argument or flag | what it says |\n|---|---|"
    return "\n".join([f"## {name}\n\n{about.strip()}\n\n{shown}{head}", *map(line, command.params)]) + "\n"


def written() -> str:
    """The whole page."""
    known: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return "\n".join([HEAD, *(section(name, command) for name, command in known.items())])


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
