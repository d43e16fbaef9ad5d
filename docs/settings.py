"""Writes the table of settings of every model into `models.md`: `python docs/settings.py`. What else stands there is left as it is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import lookalike

PAGE = Path(__file__).with_name("models.md")


def table(name: str) -> str:
    """The settings of a model as a Markdown table."""
    fields = type(lookalike.model(name).settings).model_fields
    rows = [f"| `{setting}` | {field.default!r} | {field.description} |" for setting, field in fields.items()]
    return "\n".join(["| setting | default | what it does |", "|---|---|---|", *rows]) + "\n"


def about(name: str) -> str:
    """The first paragraph of the docstring of a model's module, on one line."""
    text = sys.modules[lookalike.known_models()[name].__module__].__doc__ or ""
    return " ".join(text.strip().partition("\n\n")[0].split())


def main() -> None:
    """Replace each model's table; add a section for a model that has none, in alphabetical order."""
    head, *parts = re.split(r"^(?=## )", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = {part.split("\n", 1)[0].removeprefix("## "): part for part in parts}
    for name in lookalike.known_models():
        old = sections.get(name, f"## {name}\n\n{about(name)}\n\n| setting |\n")
        sections[name] = re.sub(r"^\| setting \|.*\n(?:\|.*\n)*", lambda _, n=name: table(n), old, flags=re.MULTILINE).rstrip() + "\n"
    PAGE.write_text("\n".join([head.rstrip() + "\n", *(sections[n] for n in sorted(sections))]), encoding="utf-8")


if __name__ == "__main__":
    main()
