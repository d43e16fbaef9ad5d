"""The report as text for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lookalike.report import tables
from lookalike.report.tables import Grid

MARKS = {"good": ("✓", "green"), "fair": ("~", "yellow"), "poor": ("✗", "red"), "open": ("?", "cyan")}
GATES = {True: ("met", "green"), False: ("not met", "red"), None: ("not measured", "cyan")}
WIDE = 96
"""Characters from which on intervals and floors have columns of their own."""
FULL = 130
"""Characters from which on figures of linked tables have those of fresh rows beside them."""
RULES = 8
"""Rules that are shown at most."""
TITLE, FIGURE = 22, 12
"""Characters that a title and a figure need, to tell whether several tables fit beside one another."""


def render(data: Mapping[str, Any], *, width: int = 100, color: bool = False) -> str:
    """`data` drawn `width` characters wide, with terminal colours if `color`."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=color, color_system="truecolor" if color else None, legacy_windows=False
    )
    parts = [
        _head(data),
        *_verdict(data, width),
        *_gates(data),
        *_limits(data),
        *_figures(data, width),
        *_linked(data, width),
        *(_drawn(grid) for grid in tables.rules(data, most=RULES)),
        *_attacks(data, width),
    ]
    console.print(Group(*parts, *_worst(data), _untested(data)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _text(words: object, style: str = "", *, wrap: bool = True) -> Text:
    """Words from outside, in which nothing steers the terminal."""
    clean = "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in str(words))
    return Text(clean, style=style, no_wrap=not wrap, overflow="ellipsis" if not wrap else "fold")


def _headed(title: str, *parts: RenderableType) -> Padding:
    return Padding(Group(_text(title, "bold"), *parts), (1, 0, 0, 0))


def _marked(rows: Iterable[tuple[tuple[str, str], str, str]]) -> Table:
    """Lines of a mark, a title (perhaps none) and a text."""
    rows = list(rows)
    table = Table.grid(padding=(0, 2, 0, 0))
    for (mark, style), title, text in rows:
        table.add_row(_text(mark, style, wrap=False), *([_text(title, "bold")] if any(r[1] for r in rows) else []), _text(text))
    return table


def _head(data: Mapping[str, Any]) -> Group:
    split = data["split"]
    lines: list[RenderableType] = [_text("Lookalike report", "bold"), _text(tables.sizes(data), "dim")]
    lines += [_text(f"! {note}", "yellow") for note in data["notes"]]
    return Group(*lines, Padding(_marked([(MARKS[split["tone"]], "Split", split["text"])]), (1, 0, 0, 0)))


def _verdict(data: Mapping[str, Any], width: int) -> list[RenderableType]:
    found = tables.synthetic(data)
    parts: list[RenderableType] = []
    if len(found) > 1 and _fit(data, width):
        parts.append(_headed("Verdict", _table(tables.verdicts(data))))
    for table in found:
        # The word on a bad holdout stands on top already.
        said = [(MARKS[v["tone"]], v["title"], v["text"]) for v in table["verdict"] if v["area"] != "split"]
        parts.append(_headed(f"Verdict on {table['name']}" if len(found) > 1 else "Verdict", _marked(said)))
    return parts


def _fit(data: Mapping[str, Any], width: int) -> bool:
    """Whether all tables have room beside one another."""
    return TITLE + sum(max(FIGURE, min(len(t["name"]), 24) + 2) for t in tables.synthetic(data)) + 2 * FIGURE <= width


def _gates(data: Mapping[str, Any]) -> list[RenderableType]:
    lines = [(GATES[met], "", text) for met, text in tables.gates(data)]
    return [_headed("Required", _marked(lines))] if lines else []


def _limits(data: Mapping[str, Any]) -> list[RenderableType]:
    return [_headed("What limits this", _marked((("·", "dim"), "", limit) for limit in data["limits"]))] if data["limits"] else []


def _figures(data: Mapping[str, Any], width: int) -> list[RenderableType]:
    found = tables.synthetic(data)
    if len(found) > 1 and _fit(data, width):
        parts = [_drawn(g) for g in tables.areas(data, wide=False, beside=True)]
    else:
        parts = []
        for table in found:
            own = {**data, **table, "others": []}
            grids = tables.areas(own, wide=width >= WIDE, beside=False)
            parts += [_drawn(g, f" of {table['name']}" if len(found) > 1 else "") for g in grids]
    target = data["target"]
    why = "given" if target["given"] else f"guessed: {target['why']}" if target["why"] else "guessed"
    note = [_text(f"Utility predicts {target['name']} ({why}).", "dim")] if target["name"] else []
    return [*parts, *note]


def _linked(data: Mapping[str, Any], width: int) -> list[RenderableType]:
    return [_drawn(grid) for grid in tables.linked(data, wide=width >= FULL)]


def _attacks(data: Mapping[str, Any], width: int) -> list[RenderableType]:
    found = tables.synthetic(data)
    grids = [(t, tables.attacks(data, t, wide=width >= WIDE)) for t in found]
    return [_drawn(g, f" on {t['name']}" if len(found) > 1 else "") for t, g in grids if g.rows or g.notes]


def _drawn(grid: Grid, of: str = "") -> Padding:
    parts: list[RenderableType] = [_table(grid)] if grid.rows else []
    return _headed(grid.title + of, *parts, *(_text(note, "dim") for note in grid.notes))


def _table(grid: Grid) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for j, name in enumerate(grid.head):
        table.add_column(_text(name, "dim", wrap=False), justify="right" if j else "left", no_wrap=j > 0, max_width=24 if j else None)
    for row in grid.rows:
        table.add_row(*(_text(cell, wrap=j == 0) for j, cell in enumerate(row)))
    return table


def _worst(data: Mapping[str, Any]) -> list[RenderableType]:
    shapes = next((s["detail"].get("synthetic", {}).get("columns", {}) for s in data["scores"] if s["name"] == "shape"), {})
    worst = sorted(shapes.items(), key=lambda item: -item[1]["value"])[:3]
    named = ", ".join(f"{name} ({c['value']:.1f} %)" for name, c in worst)
    return [Padding(_text(f"Worst columns: {named}"), (1, 0, 0, 0))] if worst else []


def _untested(data: Mapping[str, Any]) -> Padding:
    return Padding(_text("Not tested: " + ", ".join(u["what"].lower() for u in data["untested"]) + ".", "dim"), (1, 0, 0, 0))
