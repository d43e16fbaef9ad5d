"""The report as text for a terminal."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lookalike.report.view import number, span

MARKS = {"good": ("✓", "green"), "fair": ("~", "yellow"), "poor": ("✗", "red"), "open": ("?", "cyan")}


def render(data: dict[str, Any], *, width: int = 100, color: bool = False) -> str:
    """`data` drawn `width` characters wide, with terminal colours if `color`."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=color, color_system="truecolor" if color else None, legacy_windows=False
    )
    console.print(Group(_head(data), _verdict(data), _scores(data, wide=width >= 76), *_worst(data), _untested(data)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _head(data: dict[str, Any]) -> Group:
    rows = data["rows"]
    sizes = f"{rows['real']:,} real rows · {rows['synthetic']:,} synthetic"
    sizes += f" · {rows['holdout']:,} held out" if rows["holdout"] else " · no holdout"
    lines = [Text("Lookalike report", style="bold"), Text(f"{sizes} · {len(data['compared']['columns'])} columns", style="dim")]
    lines += [Text(f"! {note}", style="yellow") for note in data["notes"]]
    return Group(*lines, Text(""))


def _verdict(data: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for said in data["verdict"]:
        mark, style = MARKS[said["tone"]]
        table.add_row(Text(mark, style=style), Text(said["title"], style="bold", no_wrap=True), Text(said["text"]))
    return table


def _scores(data: dict[str, Any], *, wide: bool) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("score")
    shown = ("synthetic", "95 % interval", "real rows", "independent") if wide else ("synthetic", "real rows", "independent")
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for s in data["scores"]:
        value, ceiling, floor = (number(s[k], s["unit"]) for k in ("value", "ceiling", "floor"))
        table.add_row(Text(s["detail"]["title"]), *((value, span(s), ceiling, floor) if wide else (value, ceiling, floor)))
    target = data["target"]
    note = f"Utility predicts {target['name']} ({'given' if target['given'] else 'guessed: ' + target['why']})." if target["name"] else ""
    return Padding(Group(table, Text(note, style="dim")), (1, 0, 0, 0))


def _worst(data: dict[str, Any]) -> list[Text]:
    shapes = next((s["detail"]["synthetic"].get("columns", {}) for s in data["scores"] if s["name"] == "shape"), {})
    worst = sorted(shapes.items(), key=lambda item: -item[1]["value"])[:3]
    lines = []
    if worst:
        lines.append(Text("Worst columns: " + ", ".join(f"{name} ({c['value']:.1f} %)" for name, c in worst)))
    return lines


def _untested(data: dict[str, Any]) -> Text:
    return Text("Not tested: " + ", ".join(u["what"].lower() for u in data["untested"]) + ".", style="dim")
