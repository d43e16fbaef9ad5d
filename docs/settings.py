"""Writes the table of settings of every model into `models.md`: `python docs/settings.py`. What else stands there is left as it is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import lookalike

PAGE = Path(__file__).with_name("models.md")


def within(page: str, mark: str) -> tuple[str, str, str]:
    """`page` up to and with the line `<!-- mark: begin -->`, what stands between, and `<!-- mark: end -->` with all after it."""
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->"
    before, first, rest = page.partition(begin)
    inner, last, after = rest.partition(end)
    if not (first and last):
        raise SystemExit(f"{PAGE.name} lacks the lines {begin.strip()} and {end}")
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


def main() -> None:
    """Write the page."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
