"""What the command line shows of schemas and models, as tables for a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType


def tried(model: Any) -> RenderableType:
    """A table of the models that `model` has chosen among."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    head = ("fit", "told apart (0.5 is best)", "95 % interval", "nearer to rows learned from (0.5 is chance)")
    shown = Table("model", title="Models tried", title_justify="left", box=box.SIMPLE_HEAD)
    for name in head:
        shown.add_column(name, justify="right")
    shown.add_column("")
    for t in model.tried_:
        seconds = "" if t["seconds"] is None else f"{t['seconds']:.1f} s"
        figures = ("", "", "") if t["c2st"] is None else (f"{t['c2st']:.3f}", f"{t['low']:.3f} – {t['high']:.3f}", f"{t['nearer']:.3f}")
        # Not markup: names of columns and packages may have brackets in them.
        notes = ("time was over before its training was", *t["notes"]) if t["cut"] else t["notes"]
        said = Text("; ".join((f"{t['verdict']}: {t['why']}", *notes)))
        shown.add_row(t["model"], seconds, *figures, said, style="bold" if t["verdict"] == "kept" else "")
    return shown


def schema(table: Any) -> RenderableType:
    """A table of columns for the terminal, and under it what was noticed of some."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = Table("column", "kind", "written as", "missing", "unique", "notes", title=table.name, title_justify="left", box=box.SIMPLE_HEAD)
    for c in table.columns:
        spelt = ", ".join(m or "empty" for m in c.missing) or ("yes" if c.nullable else "")
        shown.add_row(c.name, c.kind, _written(c), spelt, "yes" if c.unique else "", _notes(table, c))
    return Group(shown, *(Text(f"  {c.name}: {c.note}") for c in table.columns if c.note))


def links(schema: Any) -> RenderableType:
    """How tables hang together, for the terminal."""
    from rich.text import Text

    from lookalike.data import draw

    return Text(draw.text(schema))


def _written(column: Any) -> str:
    """How values of a column are written, in short."""
    if column.labels:
        return " / ".join(column.labels)
    if column.format:
        return column.format + (f" {column.zone}" if column.zone else "")
    number = column.number
    if number and (number.decimals or number.thousands or number.prefix or number.suffix or number.width):
        grouped = f"1{number.thousands}000" if number.thousands else "1"
        decimals = f"{number.point}{'0' * number.decimals}" if number.decimals else ""
        return f"{number.prefix}{grouped.zfill(number.width or 1)}{decimals}{number.suffix}"
    return "" if column.storage == "string" else column.storage


def _notes(table: Any, column: Any) -> str:
    """Key, links, bounds and what is declared."""
    notes = ["primary key"] if column.name in table.key else []
    notes += [f"→ {link.table}" for link in table.links if column.name in link.columns]
    if column.low is not None or column.high is not None:
        notes.append(f"{'' if column.low is None else column.low} … {'' if column.high is None else column.high}")
    if column.declared:
        notes.append(f"declared: {', '.join(column.declared)}")
    return "; ".join(notes)


def name(model: Any) -> str:
    """The name of a model, fitted or not."""
    import lookalike as la

    return next((name for name, made in la.known_models().items() if type(model) is made), type(model).__name__)


def about(model: type) -> str:
    """The first sentence of the module that a model is alone in."""
    return (sys.modules[model.__module__].__doc__ or "").strip().partition("\n")[0]


def settings(model: type) -> dict[str, Any]:
    """The settings of a model: type, default and description, from its pydantic class."""
    described = sys.modules[model.__module__].Settings.model_json_schema()["properties"]
    return {name: {k: v for k, v in facts.items() if k != "title"} for name, facts in described.items()}


def model(name: str, made: type) -> RenderableType:
    """A table of a model's settings for the terminal."""
    from rich import box
    from rich.table import Table

    kinds = ", ".join(sorted(made.can.kinds))
    private = "\ncan be fitted under differential privacy: --epsilon" if made.can.private else ""
    title = f"[bold]{name}[/bold]  {about(made)}\ntakes {kinds}{private}"
    shown = Table("setting", "default", "bounds", "what it does", title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD)
    for setting, facts in settings(made).items():
        bounds = f"{facts.get('minimum', facts.get('exclusiveMinimum', ''))} … {facts.get('maximum', facts.get('exclusiveMaximum', ''))}"
        shown.add_row(setting, json.dumps(facts.get("default")), bounds if bounds != " … " else "", facts.get("description", ""))
    return shown


def rules(found: list[Any]) -> RenderableType:
    """A table of rules that were found."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = "1 rule found: confirm it" if len(found) == 1 else f"{len(found)} rules found: confirm them"
    shown = Table("rule", "kind", title=title, title_justify="left", box=box.SIMPLE_HEAD)
    shown.add_column("rows", justify="right")
    shown.add_column("hold", justify="right")
    for rule in found:
        shown.add_row(Text(rule.text), rule.kind, f"{rule.support:,}", f"{100 * rule.share:.6g} %")
    return shown
