"""What is told of sources and models: names, settings, notes and promises, for reports and files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lookalike import models
from lookalike.data.read import EXCEL, readable, suffix_of
from lookalike.errors import FileError
from lookalike.protocol import Model, inner


def noted(model: Model) -> list[str]:
    """What a reader should be told of a training, after the model's name: deep models note modes that collapsed, or a divergence."""
    drawing = inner(model)
    trained = getattr(drawing, "trained_", None)
    notes = trained.get("notes", ()) if isinstance(trained, Mapping) else ()
    return [f"{models.name_of(drawing)}: {note}" for note in notes]


def tried(model: Model) -> dict[str, str]:
    """A line on the models that `model` has chosen among, if it did: area under the curve with its interval, and what became of each."""
    told = []
    for t in model.tried_ if inner(model) is not model else ():
        figures = "" if t["c2st"] is None else f" {t['c2st']:.3f} ({t['low']:.3f} – {t['high']:.3f})"
        told.append(f"{t['model']}{figures}: {t['verdict']}, {t['why']}")
    return {"tried": "; ".join(told)} if told else {}


def called(source: Any) -> str:
    """What a reader of the report knows the source by: never a whole path or a password."""
    if isinstance(source, Mapping):
        return f"the tables {', '.join(map(str, source))}"
    if not isinstance(source, str | os.PathLike):
        return f"a {type(source).__module__.partition('.')[0]} {type(source).__name__}"
    return str(source).partition("?")[0].rstrip("/").rpartition("/")[2]


def suffix(source: Any) -> str:
    """The file type in which what is made of `source` is written: its own; CSV for a database, Parquet for a frame in memory."""
    if not isinstance(source, str | os.PathLike):
        return ".parquet"
    path = Path(source)
    try:
        kind, pressed = suffix_of(readable(path)[0] if path.is_dir() else path)
    except FileError:
        return ".csv"
    return (".xlsx" if kind in EXCEL else kind) + pressed


def described(model: Model) -> str:
    """The model's name and the settings that say something; of one that has chosen among several, also those of the one it kept."""
    settings = getattr(model, "settings", None)
    shown = settings.model_dump(mode="json") if settings is not None else {}
    listed = [f"{k}={','.join(v) if isinstance(v, list) else v}" for k, v in shown.items() if v is not None and v != []]
    words = f"{models.name_of(model)} ({', '.join(listed)})" if listed else models.name_of(model)
    return words if inner(model) is model else f"{words}, which kept {described(inner(model))}"


def promise(model: Model) -> dict[str, Any] | None:
    """The statement of what a private fit promises, as JSON; None of a model that promises nothing."""
    return getattr(inner(model), "privacy_", None)


def protected(model: Model) -> dict[str, Any] | None:
    """What the model's codebook kept from being given out; None if it has none."""
    codebook = getattr(inner(model), "codebook_", None)
    return None if codebook is None else codebook.protected()


def line(line: Any) -> str:
    """A line of an account, for the report."""
    return f"{line.what}: asked {line.asked}, got {line.achieved}."
