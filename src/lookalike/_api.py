"""The verbs, but for `make`: fit, sample, stream, report, schema, save, load. Each refuses what cannot be done before any work starts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from lookalike import _asking, _told, models, store
from lookalike._asking import PlanLike, SchemaLike
from lookalike._drawing import AGAIN, BLOCK, FIT, Drawn, Steered, complete, cut, randomness, together, unit, whole_number
from lookalike._whole import whole
from lookalike.data import Dataset
from lookalike.errors import CannotError, SettingError
from lookalike.plan import Plan
from lookalike.private import Private
from lookalike.protocol import Encoder, Model, OnStep, Sampler, inner, quiet
from lookalike.schema import Schema

if TYPE_CHECKING:
    from lookalike.audit import Audit
    from lookalike.impute import Imputed
    from lookalike.report import Options, Report
    from lookalike.rules import Found


def schema(source: Any) -> Schema:
    """The schema of `source`: kinds, formats and keys of its columns.

    Of linked tables also where keys or links do not hold in all rows, which `fit` and `make` refuse.

    Args:
        source: a file, glob, folder or database URL; a pandas, polars, pyarrow or duckdb frame; or a `.json` file that holds a schema.

    Raises:
        FileError: the file cannot be read.
        DataError: it holds no table.
        SchemaError: the `.json` file is not a schema; names the place and the near match.

    Examples:
        >>> import lookalike as la
        >>> la.schema("census.csv").amend("age", low=0, high=120).table["age"].high
        120.0
    """
    if isinstance(source, str | os.PathLike) and Path(source).suffix == ".json":
        return _asking.schema_of(source)
    return Dataset.of(source, strict=False).schema


def fit(
    source: Any,
    *,
    schema: SchemaLike | None = None,
    model: str | Model | Private | None = None,
    settings: Mapping[str, Any] | None = None,
    subject: str | None = None,
    order: str | Sequence[str] | None = None,
    seed: int = 0,
    on_step: OnStep = quiet,
) -> Model:
    """Learn a model of `source`.

    Args:
        source: a file, glob, folder or database URL; or a pandas, polars, pyarrow or duckdb frame; or a dict of several linked tables.
        schema: what is known of the columns, or a JSON file of it; detected if not given.
        model: a name (`lookalike models` lists them); an object with the four verbs of `lookalike.protocol.Model`; or
            `lookalike.Private(epsilon=1.0)` for a fit under differential privacy, whose noise no seed repeats. If not given: forest for one
            table, relational for linked tables, sequence for the rows of subjects in an order, series for one series.
        settings: settings of a model given by name; those not named keep their defaults.
        subject: the column that says whose a row is; of linked tables also the name of a table.
        order: the column that orders rows, of a subject or of all; or a list of one column each of several tables.
        seed: the same seed on the same machine gives the same model.
        on_step: called with a `Step` as the work goes on.

    Returns:
        The fitted model, for `sample`, `stream` and `save`. Its `like_` is a `Dataset` without rows: what kind of frame to give back,
        and in `like_.notes` what a reader of the data should be told; its `notes_` says what a reader should be told of the training.

    Raises:
        UnknownName: no such model or setting; names the near matches.
        SettingError: a setting or the seed has a bad value.
        CannotError: the model does not take such columns or tables; names one that does.
        DataError: too few rows, or nothing but missing values.
        SchemaError: a private fit needs facts that were read from the data, and are not declared.
        BudgetError: a private fit asks for more than is left.

    Examples:
        >>> import lookalike as la
        >>> model = la.fit("census.csv", seed=0)
        >>> la.sample(model, 3, seed=1).shape
        (3, 15)
    """
    rng = randomness(seed, FIT)
    if model is not None:
        _asking.learner(model, settings)  # a name that is none is refused before anything is read
    data = _asking.read(source, schema=schema, subject=subject, order=order)
    learner = _asking.learner(model, settings, schema=data.schema)
    _asking.check(data, learner)
    return _asking.like(learner.fit(data, rng=rng, on_step=on_step), data)


def sample(
    model: Sampler,
    n: int | None = None,
    *,
    scale: float | None = None,
    plan: PlanLike | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    on_step: OnStep = quiet,
) -> Any:
    """Draw `n` rows.

    Args:
        model: what `fit` or `load` returned.
        n: rows, at least 1; of a model of linked tables or sequences, subjects with all their rows. Not given where `plan` fixes rows in
            part: as many come as are given.
        scale: instead of `n`, of a model of linked tables or sequences: times as many subjects as it learned from.
        plan: what is asked of the rows, or a JSON or YAML file of it; `steer` also returns the account of what was achieved.
        seed: the same seed gives the same rows; the first rows of a longer draw are those of a shorter one up to the last whole block.
        out: a file (.csv .parquet .jsonl …) or database URL to write to with constant memory, whatever `n` is; for linked tables a folder,
            or the URL of a database that names no table.
        on_step: called with a `Step` as the work goes on.

    Returns:
        A frame of the kind that the model was fitted on (pandas for files and loaded models), of linked tables a dict of them; the path if
        `out` is given.

    Raises:
        SettingError: `n` or `seed` has a bad value, or the plan contradicts itself.
        UnknownName: the plan names a column or level that is not there.
        CannotError: the model cannot draw what the plan asks.
        FileError: `out` cannot be written.

    Examples:
        >>> import lookalike as la
        >>> model = la.fit("census.csv", seed=0)
        >>> set(la.sample(model, 50, plan={"given": {"sex": "Female", "age": {"high": 30}}}).sex)
        {'Female'}
    """
    return steer(model, plan, n=n, scale=scale, seed=seed, out=out, on_step=on_step).rows


def steer(
    model: Sampler,
    plan: PlanLike | None,
    *,
    n: int | None = None,
    scale: float | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    on_step: OnStep = quiet,
) -> Steered:
    """Draw rows as `plan` asks, and account for what was achieved.

    Args:
        model: what `fit` or `load` returned.
        plan: what is asked of the rows, or a JSON or YAML file of it; None asks nothing.
        n: rows, or subjects with all their rows; not given where `plan` fixes rows in part.
        scale: instead of `n`, times as many subjects as the model learned from.
        seed: the same seed gives the same rows.
        out: a file, folder or database URL to write to; `.rows` is then its path.
        on_step: called with a `Step` as the work goes on.

    Raises:
        SettingError, UnknownName, CannotError, FileError: as `sample`.

    Returns:
        `.rows`, what `sample` returns, and `.account`, with `.lines`, `.accepted`, `.text()` and `.to_json()`.

    Examples:
        >>> import lookalike as la
        >>> model = la.fit("census.csv", seed=0)
        >>> drawn = la.steer(model, {"shares": {"income": {">50K": 0.5, "*": 0.5}}}, n=100)
        >>> int((drawn.rows.income == ">50K").sum())
        50
    """
    asked = _asking.plan_of(plan)
    n = n if scale is None else _asking.scaled(model, n, scale)
    if asked.fix is not None:
        return complete(model, asked, n, seed=seed, out=out, on_step=on_step)
    if n is None:
        raise SettingError("how many rows are to be drawn?", where="rows", fix="give a number such as 1000")
    drawn = Drawn(model, asked, n, seed)
    if out is None:
        return Steered(drawn.together(on_step).native(), drawn.account())
    drawn.write(out, on_step)
    return Steered(out, drawn.account())


def stream(model: Sampler, n: int, *, plan: PlanLike | None = None, batch: int = BLOCK, seed: int = 0) -> Iterator[Any]:
    """Draw `n` rows as frames of `batch` rows each (the last may be shorter), with constant memory.

    The frames, one after the other, are what `sample` returns for the same seed, whatever `batch` is.

    Raises:
        SettingError: `n`, `batch` or `seed` has a bad value, or the plan contradicts itself.
        UnknownName: the plan names a column or level that is not there.
        CannotError: the model cannot draw what the plan asks.

    Examples:
        >>> import lookalike as la
        >>> model = la.fit("census.csv", model="independent")
        >>> [len(rows) for rows in la.stream(model, 2_500, batch=1_000)]
        [1000, 1000, 500]
    """
    whole_number(batch, "batch", least=1)
    asked = _asking.plan_of(plan)
    if asked.fix is not None:
        raise SettingError("rows that are given in part come as they are", where="fix", fix="lookalike.sample(model, plan=plan)")
    drawn = Drawn(model, asked, n, seed)  # checked here, not at the first `next`
    if model.schema.linked:
        raise CannotError("a stream is of one table, and the model draws linked tables", where="stream", fix="lookalike.sample(model, n)")
    blocks = iter(drawn)
    return (together(model, [table]).native() for table in cut(blocks, batch))


def report(
    real: Any,
    synthetic: Any,
    *,
    holdout: Any = None,
    schema: SchemaLike | None = None,
    model: Model | str | os.PathLike[str] | None = None,
    on_step: OnStep = quiet,
    **options: Unpack[Options],
) -> Report:
    """Compare a synthetic table, or several, with the real one they were made from.

    Args:
        real: the rows that the synthetic table was made from.
        synthetic: the synthetic table; or a list of tables, or a dict of names and tables, of which the first is the main one. A dict of
            the linked tables that `real` has is one database.
        holdout: real rows that the model never saw. Without them neither ceilings nor copies can be judged, and the report says so.
        schema: what is known of the columns, or a JSON file of it; detected from `real` if not given.
        model: the model that made the (first) synthetic table, or its file. Two more tables are drawn from it to see how much draws
            differ, and attacks may ask it what an attacker might ask.
        on_step: called with a `Step` as the work goes on.
        options: `target`, the column that a model trained on the synthetic rows is to predict, guessed if not given;
            `protected_columns`, whose groups fairness compares; `effort`, `quick` or `standard`; `audience`, `internal` or `public`;
            `require`, a list of gates such as `c2st<=0.6`; `seed`, the same seed gives the same report; `metrics` and `attacks`, lists of
            your own, run beside the others (one table only).

    Returns:
        A report with `.text()`, `.json()`, `.require(gates)`, `.public()` and `.write(path)`.

    Raises:
        UnknownName: no such target, protected column, effort or audience; names the near matches.
        SettingError: a requirement cannot be read, or a metric or attack of your own lacks something.
        CannotError: metrics or attacks of your own are given, and the tables are linked ones.
        DataError: a table has no rows, or no column that fits the schema.
    """
    from lookalike.report import Plan, build
    from lookalike.report.fitting import fitting

    seed = options.get("seed", 0)
    whole_number(seed, "seed", least=0)
    options.setdefault("effort", "standard")
    Plan(**options)  # what cannot be read is refused before any work
    maker = load(model) if isinstance(model, str | os.PathLike) else model
    first = Dataset.of(real, schema=_asking.schema_of(schema))
    tables = {"synthetic": synthetic} if _linked(synthetic, first.schema) else _several(synthetic)
    roles = dict.fromkeys(tables, "synthetic") if len(tables) == 1 else {name: f"synthetic ({name})" for name in tables}
    read = {name: fitting(table, first.schema, role=roles[name]) for name, table in tables.items()}
    held, lost = (None, []) if holdout is None else fitting(holdout, first.schema, role="holdout")
    notes = [note for _, found in read.values() for note in found] + lost
    name, *others = read
    if maker is not None:
        options |= offers(maker, read[name][0].rows, seed)
    told = [] if maker is None else _told.noted(maker)
    options |= {"name": name, "others": {n: read[n][0] for n in others}, "notes": notes + [f"The model {note}." for note in told]}
    return build(first, read[name][0], holdout=held, on_step=on_step, **options)


def rules(source: Any, *, schema: SchemaLike | None = None, share: float = 1.0) -> list[Found]:
    """Rules that the rows of `source` obey, beyond chance: identities, orders, combinations, what is missing together, steps and so on.

    They are found in private data, and are guesses: confirm them before they are given to a fit or a plan.

    Args:
        source: a file, glob, folder or database URL; or a pandas, polars, pyarrow or duckdb frame.
        schema: what is known of the columns, or a JSON file of it; detected if not given.
        share: of the rows in which an identity, inequality or combination must hold.

    Returns:
        Each with `.text`, `.kind`, `.support` (rows in which it says something) and `.share` (of those the share in which it holds).

    Raises:
        SettingError: `share` is not above 0.5 and at most 1.

    Examples:
        >>> import lookalike as la
        >>> "gross = net + tax" in [rule.text for rule in la.rules("orders.csv")]
        True
    """
    from lookalike.rules import find

    return find(_asking.one_table(_asking.read(source, schema=schema), "finding rules"), share=share)


def impute(
    source: Any,
    *,
    tables: int = 5,
    columns: Sequence[str] | None = None,
    model: str | Model = "forest",
    schema: SchemaLike | None = None,
    seed: int = 0,
    on_step: OnStep = quiet,
) -> Imputed:
    """Draw the missing cells of `source`, several times over.

    Args:
        source: a file, glob, folder or database URL; or a pandas, polars, pyarrow or duckdb frame.
        tables: completed tables; their spread tells what is not known. 0: none, for best guesses alone.
        columns: those whose missing cells are drawn; cells of all others stay as they are. If not given: all.
        model: a name, or a model not yet fitted, that can complete rows: forest, autoregressive, diffusion, gan.
        schema: what is known of the columns, or a JSON file of it; detected if not given.
        seed: the same seed gives the same tables.
        on_step: called with a `Step` as the work goes on.

    Returns:
        `.frames`, the completed tables; `.pool(estimate)`, an estimate by Rubin's rules; `.single()`, one table of best guesses.

    Raises:
        UnknownName: no such model or column.
        CannotError: the model cannot complete rows, or does not take such columns.
        DataError: nothing is missing, a column is missing throughout, or there are too few rows.
        SettingError: `tables`, `columns` or `seed` has a bad value.
    """
    from lookalike.impute import impute

    whole_number(seed, "seed", least=0)
    learner = _asking.learner(model, None)
    data = _asking.one_table(_asking.read(source, schema=schema), "imputing")
    _asking.check(data, learner)
    return impute(data, learner, tables=tables, columns=columns, seed=seed, on_step=on_step)


def audit(
    model: Private,
    schema: SchemaLike,
    *,
    source: Any = None,
    runs: int = 400,
    canaries: int = 200,
    into: str | os.PathLike[str] | None = None,
    on_step: OnStep = quiet,
) -> Audit:
    """Attack what a private fit promises, and say how much of it the attacks could show to be wrong: nothing, if all is well.

    Args:
        model: what is to be fitted, and what it promises. Its ledger is left alone: fits of an audit have ledgers of their own.
        schema: public facts; the table that is attacked is made up from them, so that nothing is looked at and no budget is spent.
        source: a real table to attack instead. The result then tells of it, and is internal.
        runs: fits with and without one person unlike all others. 0 leaves them out.
        canaries: unusual people that are in or out of one more fit by a coin. 0 leaves it out.
        into: the file of a model that was fitted so: its statement then tells what was found.
        on_step: called with a `Step` as the work goes on.

    Returns:
        An audit with `.epsilon`, a lower bound, `.passed`, `.text()` and `.to_json()`.

    Raises:
        SettingError: too few runs and canaries to show anything; the model of `into` was fitted otherwise, or a real table is attacked,
            which a statement must not tell of.
        SchemaError: the schema does not declare what a private fit needs.
        CannotError: a column is free text.
        FileError, StoreError: `into` cannot be read or written, or is no model.
    """
    from lookalike.audit import Claim, audit
    from lookalike.privacy.statement import Statement

    facts = _asking.schema_of(schema)
    fitted = None if into is None else _asking.fitted_so(into, model, facts, internal=source is not None)
    learner = replace(model, ledger=None)

    def again(data: Dataset) -> Model:
        return learner.fit(data, rng=np.random.default_rng())

    claim = Claim(epsilon=model.epsilon, delta=model.delta, rows=model.rows_per_subject)
    data = None if source is None else Dataset.of(source, schema=facts)
    found = audit(again, facts, claim=claim, data=data, runs=runs, canaries=canaries, on_step=on_step)
    if fitted is not None:
        fitted.privacy_ = Statement.from_json(fitted.privacy_).with_audit(found.to_json()).to_json()
        store.save(fitted, into)
    return found


def save(what: Model | Schema | Plan, path: str | os.PathLike[str]) -> Path:
    """Write a fitted model as one file of JSON and plain arrays, or a schema or plan as JSON text that a person can edit.

    Args:
        what: a fitted model, a schema or a plan.
        path: the file. A schema whose file is an .svg is drawn: its tables and how they hang together.

    Returns:
        The path.

    Raises:
        StoreError: the model is not fitted.
        FileError: the file cannot be written.

    Examples:
        >>> import lookalike as la
        >>> model = la.fit("census.csv", model="independent")
        >>> la.save(model, "census.lookalike").name
        'census.lookalike'
    """
    if not isinstance(what, Schema | Plan):
        return store.save(what, path)
    if isinstance(what, Schema):
        from lookalike.data import draw

        text = draw.svg(what) if Path(path).suffix.lower() == ".svg" else what.to_json()
    else:
        text = json.dumps(what.to_json(), indent=1, ensure_ascii=False) + "\n"
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return Path(path)


def load(path: str | os.PathLike[str], *, model: Model | None = None, encoders: Mapping[str, Encoder] | None = None) -> Model:
    """Read a model that `save` stored; no code is in such a file.

    Args:
        path: the file.
        model: a model from elsewhere, not yet fitted, that takes the stored state.
        encoders: by column, those of your own that the model was fitted with.

    Raises:
        FileError: the file cannot be read.
        StoreError: not a model file, damaged, from a newer version, or of an unknown model.

    Examples:
        >>> import lookalike as la
        >>> kept = la.save(la.fit("census.csv", model="independent"), "census.lookalike")
        >>> len(la.sample(la.load(kept), 10))
        10
    """
    return store.load(path, model=model, encoders=encoders)


def model(name: str, **settings: Any) -> Model:
    """The model `name`, not yet fitted; settings that are not given keep their defaults.

    Raises:
        UnknownName: no such model or setting; names the near matches.
        SettingError: a setting has a bad value.

    Examples:
        >>> import lookalike as la
        >>> la.model("forest", leaf=20).settings.leaf
        20
    """
    return models.build(name, settings)


def known_models() -> dict[str, type[Model]]:
    """Every model by its name.

    Examples:
        >>> import lookalike as la
        >>> "forest" in la.known_models()
        True
    """
    return {name: models.find(name) for name in models.names()}


DRAWS, DRAWN = 2, 10_000
"""Further tables that a report draws from a model, and their rows at most."""


def offers(model: Model, rows: int, seed: int) -> Options:
    """What a report may ask of a model of rows: further draws, how likely it holds a row, and what it would have drawn from other rows."""
    from lookalike.report import again

    if unit(model) != "row" or model.schema.table.order is not None:
        return {}
    rows = min(rows, DRAWN)
    draws = [together(model, [model.sample(rows, rng=randomness(seed, AGAIN, k)).table()]) for k in range(DRAWS)]
    drawing = inner(model)
    return {"draws": draws, "refit": again.refit(drawing, seed=seed), "log_prob": again.log_prob(drawing)}


def _linked(synthetic: Any, schema: Schema) -> bool:
    """Whether a dict of tables is one database of linked tables, as `sample` gives them: its keys are names of the schema's tables."""
    return schema.linked and isinstance(synthetic, Mapping) and {str(name) for name in synthetic} <= {t.name for t in schema.tables}


def _several(synthetic: Any) -> dict[str, Any]:
    """Tables to judge by their names; a single one is called `synthetic`."""
    if isinstance(synthetic, Mapping):
        named = {str(name): table for name, table in synthetic.items()}
    elif isinstance(synthetic, list | tuple):
        called = [_told.called(t) if isinstance(t, str | os.PathLike) else f"table {i}" for i, t in enumerate(synthetic, start=1)]
        named = {n if called.count(n) == 1 else f"{n} ({i})": t for i, (n, t) in enumerate(zip(called, synthetic, strict=True), start=1)}
    else:
        return {"synthetic": synthetic}
    if not named:
        raise SettingError("there is no synthetic table to judge", where="report", fix="give one, or several")
    return named
