"""Writes the settings of every model into `models.md`, and what a schema can say into `schema.md`: `python docs/settings.py`.

What else stands on these pages is left as it is.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import lookalike
from lookalike.schema import Column, Limits, Link, NumberFormat, Table

PAGE, FACTS = Path(__file__).with_name("models.md"), Path(__file__).with_name("schema.md")


def within(page: str, mark: str) -> tuple[str, str, str]:
    """`page` up to and with the line `<!-- mark: begin -->`, what stands between, and `<!-- mark: end -->` with all after it."""
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->"
    before, first, rest = page.partition(begin)
    inner, last, after = rest.partition(end)
    if not (first and last):
        raise SystemExit(f"the page lacks the lines {begin.strip()} and {end}")
    return before + begin, inner, end + after


def table(name: str) -> str:
    """The settings of a model as a Markdown table."""
    fields = type(lookalike.model(name).settings).model_fields
    rows = [f"| `{setting}` | {field.default!r} | {field.description} |" for setting, field in fields.items()]
    return "\n".join(["| setting | default | what it does |", "|---|---|---|", *rows]) + "\n"


def about(name: str) -> str:
    """The first paragraph of the docstring of a model's module, on one line."""
    text = sys.modules[lookalike.known_models()[name].__module__].__doc__ or ""
    return " ".join(text.strip().partition("\n\n")[0].split())


def written(page: str) -> str:
    """`page` with each model's table replaced, between its marks; a model without a section gets one, in alphabetical order."""
    before, inner, after = within(page, "settings")
    head, *parts = re.split(r"^(?=## )", inner, flags=re.MULTILINE)
    sections = {part.split("\n", 1)[0].removeprefix("## "): part.rstrip() + "\n" for part in parts}
    for name in lookalike.known_models():
        old = sections.get(name, f"## {name}\n\n{about(name)}\n\n| setting |\n")
        sections[name] = re.sub(r"^\| setting \|.*\n(?:\|.*\n)*", lambda _, n=name: table(n), old, flags=re.MULTILINE).rstrip() + "\n"
    chunks = [f"{head.strip()}\n"] if head.strip() else []
    return "\n".join([before, *chunks, *(sections[n] for n in sorted(sections)), after])


def facts(page: str) -> str:
    """`page` with what can be said of columns, numbers, tables and links, between its marks."""
    before, _, after = within(page, "facts")
    told: dict[str, type[BaseModel]] = {
        "a column": Column,
        "How numbers are written (`number`)": NumberFormat,
        "How bounds among numbers are marked (`limits` of `number`)": Limits,
        "A table": Table,
        "A link": Link,
    }
    parts = []
    for what, made in told.items():
        rows = [f"| `{name}` | {said(field.default)} | {field.description or ABOUT[name]} |" for name, field in made.model_fields.items()]
        parts.append("\n".join([f"### {what}\n", "| fact | if not given | what it says |", "|---|---|---|", *rows]) + "\n")
    return before + "\n" + "\n".join(parts) + "\n" + after


ABOUT = {
    "name": "how it is called",
    "kind": "what it holds: see above",
    "columns": "the columns; of a link, those of this table that refer",
    "links": "foreign keys",
    "dialect": "how a delimited file was written; found, not given",
    "table": "the table that is referred to",
    "references": "its columns, in the same order",
}
"""What facts say that have no description of their own, as their names do."""


def said(default: object) -> str:
    """A default in words."""
    return "needed" if default is PydanticUndefined else "" if default is None else f"`{json.dumps(default)}`"


def main() -> None:
    """Write the pages."""
    for path, made in ((PAGE, written), (FACTS, facts)):
        path.write_text(made(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
