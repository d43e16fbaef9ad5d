"""What was asked, made of what was given: data, schemas, models and plans; what cannot be done is refused here, before any work starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from lookalike import _told, models, store
from lookalike._drawing import unit
from lookalike.data import Dataset
from lookalike.errors import CannotError, DataError, FileError, SchemaError, SettingError
from lookalike.plan import Plan
from lookalike.private import Private
from lookalike.protocol import Model, Sampler
from lookalike.schema import ORDERING, Schema

FEWEST = 10
"""A model of fewer rows would tell of single people."""
MOST_TIMES = 1_000_000
"""Times as many subjects as were learned from, at most."""

SchemaLike = Schema | str | os.PathLike[str]
PlanLike = Plan | Mapping[str, Any] | str | os.PathLike[str]


def read(source: Any, *, schema: SchemaLike | None = None, subject: str | None = None, order: str | Sequence[str] | None = None) -> Dataset:
    """The data at or in `source`; `subject` and `order` are facts of the schema that stand above it, if they are given."""
    data = Dataset.of(source, schema=schema_of(schema))
    if subject is None and order is None:
        return data
    return data.seen_as(sequenced(data.schema, subject=subject, order=(order,) if isinstance(order, str) else order or ()))


def sequenced(schema: Schema, *, subject: str | None, order: Sequence[str]) -> Schema:
    """`schema` with this subject (a column, or a table by its key) and with tables in the order of these columns.

    Raises:
        UnknownName: no such column or table; names the near matches.
        SchemaError: a column that cannot put rows in order, a second one for a table, or a table without a key as the subject.
    """
    tables = {t.name: t for t in schema.tables}
    if subject in tables and schema.linked:
        if not tables[subject].key:
            raise SchemaError("has no key that would tell its rows apart", where=subject, fix="name its key in the schema")
        subject = f"{subject}.{tables[subject].key[0]}"
    ordered: dict[str, str] = {}
    for path in order:
        table, column = schema.column(path)
        if ordered.setdefault(table.name, column.name) != column.name:
            day, hour = ordered[table.name], column.name
            fix = f"join them first: frame['when'] = pandas.to_datetime(frame[{day!r}] + ' ' + frame[{hour!r}]), and leave the two out"
            raise SchemaError(f"{day!r} and {hour!r} are both to order the rows, and a table has one order", where=table.name, fix=fix)
        if column.kind not in ORDERING:
            fix = "name a column of numbers, dates or times"
            raise SchemaError(f"a column of kind {column.kind} puts no rows in order", where=f"{table.name}.{column.name}", fix=fix)
        tables[table.name] = table.model_copy(update={"order": column.name})
    if subject is not None:
        schema.column(subject)
    found = schema.model_copy(update={"tables": tuple(tables.values()), "subject": subject or schema.subject})
    for table in found.tables:
        if table.order is not None and found.subject in (table.order, f"{table.name}.{table.order}"):
            fix = "order is a time or number within the subject"
            raise SchemaError("is both the subject and the order", where=f"{table.name}.{table.order}", fix=fix)
    return found


def schema_of(given: SchemaLike | None) -> Schema | None:
    """The schema that was given, read if it is a path."""
    if given is None or isinstance(given, Schema):
        return given
    try:
        text = Path(given).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FileError.of(
            error, where=str(given), doing="read the schema", fix="make one: lookalike schema DATA --out schema.json"
        ) from None
    except UnicodeDecodeError:
        raise SchemaError("not a text file", where=str(given), fix="make one: lookalike schema DATA --out schema.json") from None
    return Schema.from_json(text, where=str(given))


def plan_of(given: PlanLike | None) -> Plan:
    """The plan that was given, read if it is a path."""
    if given is None:
        return Plan()
    if isinstance(given, Plan):
        return given
    return Plan.from_json(given) if isinstance(given, Mapping) else Plan.read(given)


def usual(schema: Schema) -> str:
    """The model that is taken where none is named: what the tables ask for."""
    if schema.linked or (schema.table.links and schema.table.order is None):
        return "relational"  # a table that links to itself as well: other models draw its keys anew, so that no link leads anywhere
    if schema.table.order is None:
        return "forest"
    return "series" if schema.subject is None else "sequence"


def learner(model: str | Model | Private | None, settings: Mapping[str, Any] | None, *, schema: Schema | None = None) -> Model | Private:
    """An unfitted model: looked up by name, as given, or the usual one for `schema`."""
    if model is None:
        model = "forest" if schema is None else usual(schema)
    if isinstance(model, str):
        return models.build(model, settings)
    if isinstance(model, Private):
        if settings:
            raise SettingError("settings belong to a model given by name", fix="lookalike.Private(lookalike.model(name, …), epsilon=…)")
        return model
    lacking = [verb for verb in ("can", "fit", "sample", "state", "restore") if not hasattr(model, verb)]
    if lacking:
        raise CannotError(f"{type(model).__name__} is not a model: it has no {', '.join(lacking)}", fix="see lookalike.protocol.Model")
    if settings:
        raise SettingError("settings belong to a model given by name", fix=f"give them to {type(model).__name__}(…)")
    return model


def fitted_so(path: str | os.PathLike[str], asked: Private, schema: Schema, *, internal: bool) -> Model:
    """The model of a file, fitted as `asked` says: the same model, settings and promise, and the same public facts.

    Raises:
        SettingError: it was fitted otherwise, or not privately; or what is to be told of it is `internal`.
        FileError, StoreError: it cannot be read, or is no model.
    """
    if internal:
        fix = "leave out the data, or --into: what is found on a real table is as secret as that"
        raise SettingError("an audit of real rows does not go into a statement", where="into", fix=fix)
    model = store.load(path)
    said = getattr(model, "privacy_", None)
    if not said:
        raise SettingError("the model promises nothing", where=os.fspath(path), fix="give one that was fitted with --epsilon")
    theirs = (models.name_of(model), model.settings, said["epsilon"], said["delta"])
    ours = (models.name_of(asked.model), asked.model.settings, asked.epsilon, asked.delta)
    for what, one, other in zip(("model", "settings", "epsilon", "delta"), theirs, ours, strict=True):
        if one != other:
            raise SettingError(f"{what} of the file is {one}, not {other}", where=os.fspath(path), fix="audit what was fitted")
    for one, other in zip_longest(_public(model.schema), _public(schema)):
        if one != other:
            what = f"its column {one['name']!r} is another than in the schema" if one else "the schema has columns that it has not"
            raise SettingError(what, where=os.fspath(path), fix="audit by the schema that it was fitted with")
    if said["unit"] != "row" and not said["bound"].startswith(f"at most {asked.rows_per_subject} row"):
        raise SettingError(f"the file looked at {said['bound']}", where=os.fspath(path), fix="give as many rows per subject")
    return model


def _public(schema: Schema) -> list[dict[str, Any]]:
    """What a private fit takes as public of each column."""
    facts = {"name", "kind", "nullable", "levels", "low", "high", "number", "format"}
    return [c.model_dump(include=facts) for table in schema.tables for c in table]


def aimed(learner: Model | Private, target: str | None) -> Model | Private:
    """The same learner with `target` as its setting of that name, if it has one that was not set."""
    if isinstance(learner, Private):
        return replace(learner, model=aimed(learner.model, target))
    settings = getattr(learner, "settings", None)
    unset = target is not None and getattr(settings, "target", target) is None and models.name_of(learner) in models.names()
    return models.build(models.name_of(learner), settings.model_dump() | {"target": target}) if unset else learner


def check(data: Dataset, learner: Model | Private) -> None:
    """Refuse data that `learner` does not take, or that nothing can be learned from."""
    tables, can = data.schema.tables, learner.can
    name = models.name_of(learner.model if isinstance(learner, Private) else learner)
    if can.tables is not None and len(tables) > can.tables:
        fix = f"take the model {usual(data.schema)!r}, or give one table"
        if isinstance(learner, Private):
            fix = "a guarantee would have to bound what a subject adds to every table: join what is needed into one table with a subject"
        raise CannotError(
            f"the model {name!r} takes {can.tables} table, not {len(tables)}", where=", ".join(t.name for t in tables), fix=fix
        )
    for table in tables:
        own = [c.name for c in table if c.encoder is not None]
        if own and (len(tables) > 1 or table.order is not None):
            what = "an encoder of your own codes a column of one table whose rows have no order"
            raise CannotError(what, where=f"{table.name}.{own[0]}", fix="leave it out, or give that table alone")
        odd = [c for c in table if c.kind not in can.kinds]
        if odd:
            others = [n for n in models.names() if {c.kind for t in tables for c in t} <= models.find(n).can.kinds]
            fix = f"take the model {' or '.join(map(repr, others))}" if others else "leave the column out"
            raise CannotError(f"the model {name!r} does not take the kind {odd[0].kind!r}", where=f"{table.name}.{odd[0].name}", fix=fix)
        if table.order is not None and not can.sequences and not isinstance(learner, Private):
            fix = f"take the model {usual(data.schema)!r}, or leave out the order"
            raise CannotError(f"the model {name!r} does not learn in which order rows come", where=f"{table.name}.{table.order}", fix=fix)
        if all(c.kind == "empty" for c in table):
            raise DataError("no column holds any value", where=table.name, fix="check the file, its delimiter, and how it spells missing")
    if data.rows < FEWEST:
        what = f"{data.rows} row{'' if data.rows == 1 else 's'}; a model needs {FEWEST} at least, or it would tell of single people"
        raise DataError(what, where=data.schema.subject_table.name, fix="give more rows")
    if isinstance(learner, Private):
        learner.check(data)


def one_table(data: Dataset, doing: str) -> Dataset:
    """`data`, if it is one table; `doing` cannot be done with several."""
    if data.schema.linked:
        raise CannotError(f"{doing} takes one table, not {len(data.schema.tables)}", where=doing, fix="give the file of one table")
    return data


def units(data: Dataset, model: Sampler) -> int:
    """How many `data` has of what `model` counts when it draws: rows of the table or of the subjects' table, or subjects."""
    subjects = data.subjects() if unit(model) == "subject" and not data.schema.linked else None
    return data.rows if subjects is None else len(np.unique(subjects))


def scaled(model: Sampler, n: int | None, scale: float) -> int:
    """`scale` times as many subjects as `model` learned from.

    Raises:
        SettingError: `n` is given, too, or `scale` is no number above 0.
        CannotError: the model does not tell how many it learned from.
    """
    if n is not None:
        raise SettingError("given beside a number", where="scale", fix="give one of them")
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < MOST_TIMES:
        raise SettingError(f"must be a number above 0 and below {MOST_TIMES:,}, not {scale!r}", where="scale", fix="2 draws twice as many")
    learned = getattr(model, "units_", None)
    if learned is None:
        fix = "give the number of rows"
        raise CannotError("the model does not tell how many rows it learned from", where="scale", fix=fix)
    return max(1, round(scale * learned))


def like(model: Model, data: Dataset) -> Model:
    """`model`, which now knows what kind of frame it was fitted on (and no row of it), and what to tell of its training."""
    model.like_ = Dataset.from_arrow({}, data.schema, like=data)
    model.notes_ = _told.noted(model)
    return model
