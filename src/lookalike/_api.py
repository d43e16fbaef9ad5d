"""The verbs: make, fit, sample, stream, report, schema, save, load. Each refuses what cannot be done before any work starts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from lookalike import _told, models, store
from lookalike._drawing import AGAIN, BLOCK, FIT, SPLIT, Drawn, Steered, complete, counted, cut, randomness, together, whole_number
from lookalike._whole import NewFolder, whole
from lookalike.data import Dataset, Writer
from lookalike.errors import CannotError, DataError, FileError, SchemaError, SettingError
from lookalike.plan import Plan
from lookalike.private import Private, rows_told
from lookalike.protocol import Model, OnStep, Sampler, Step, part, quiet
from lookalike.schema import Schema

if TYPE_CHECKING:
    from lookalike.audit import Audit
    from lookalike.impute import Imputed
    from lookalike.report import Options, Report
    from lookalike.rules import Found
    from lookalike.steer import Account

FEWEST = 10
"""A model of fewer rows would tell of single people."""
HELD_SHARE, HELD_MOST = 0.2, 20_000
"""What `make` keeps aside to judge by, if no holdout is given."""

SchemaLike = Schema | str | os.PathLike[str]
PlanLike = Plan | Mapping[str, Any] | str | os.PathLike[str]


def schema(source: Any) -> Schema:
    """The schema of `source`: kinds, formats and keys of its columns.

    Args:
        source: a file, glob, folder or database URL; a pandas, polars, pyarrow or duckdb frame; or a `.json` file that holds a schema.

    Raises:
        FileError: the file cannot be read.
        DataError: it holds no table.
        SchemaError: the `.json` file is not a schema; names the place and the near match.
    """
    if isinstance(source, str | os.PathLike) and Path(source).suffix == ".json":
        return _schema(source)
    return Dataset.of(source).schema


def fit(
    source: Any,
    *,
    schema: SchemaLike | None = None,
    model: str | Model | Private = "forest",
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    on_step: OnStep = quiet,
) -> Model:
    """Learn a model of `source`.

    Args:
        source: a file, glob, folder or database URL; or a pandas, polars, pyarrow or duckdb frame.
        schema: what is known of the columns, or a JSON file of it; detected if not given.
        model: a name (`lookalike models` lists them); an object with the four verbs of `lookalike.protocol.Model`; or
            `lookalike.Private(epsilon=1.0)` for a fit under differential privacy, whose noise no seed repeats.
        settings: settings of a model given by name; those not named keep their defaults.
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
    """
    rng, learner = randomness(seed, FIT), _learner(model, settings)
    data = Dataset.of(source, schema=_schema(schema))
    _check(data, learner)
    return _like(learner.fit(data, rng=rng, on_step=on_step), data)


def sample(
    model: Sampler,
    n: int | None = None,
    *,
    plan: PlanLike | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    on_step: OnStep = quiet,
) -> Any:
    """Draw `n` rows.

    Args:
        model: what `fit` or `load` returned.
        n: rows, at least 1; not given where `plan` fixes rows in part, as many come as are given.
        plan: what is asked of the rows, or a JSON or YAML file of it; `steer` also returns the account of what was achieved.
        seed: the same seed gives the same rows; the first rows of a longer draw are those of a shorter one up to the last whole block.
        out: a file (.csv .parquet .jsonl …) or database URL to write to with constant memory, whatever `n` is.
        on_step: called with a `Step` as the work goes on.

    Returns:
        A frame of the kind that the model was fitted on (pandas for files and loaded models); the path if `out` is given.

    Raises:
        SettingError: `n` or `seed` has a bad value, or the plan contradicts itself.
        UnknownName: the plan names a column or level that is not there.
        CannotError: the model cannot draw what the plan asks.
        FileError: `out` cannot be written.
    """
    return steer(model, plan, n=n, seed=seed, out=out, on_step=on_step).rows


def steer(
    model: Sampler,
    plan: PlanLike | None,
    *,
    n: int | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    on_step: OnStep = quiet,
) -> Steered:
    """Draw rows as `plan` asks, and account for what was achieved; arguments and errors are those of `sample`.

    Returns:
        `.rows`, what `sample` returns, and `.account`, with `.lines`, `.accepted`, `.text()` and `.to_json()`.
    """
    asked = _plan(plan)
    if asked.fix is not None:
        return complete(model, asked, n, seed=seed, out=out, on_step=on_step)
    if n is None:
        raise SettingError("how many rows are to be drawn?", where="rows", fix="give a number such as 1000")
    drawn = Drawn(model, asked, n, seed)
    blocks = counted(drawn, n, on_step)
    if out is None:
        return Steered(together(model, list(blocks)).native(), drawn.account())
    with Writer(out, model.schema) as writer:
        for block in blocks:
            for batch in block.to_batches():
                writer.append(batch)
    return Steered(out, drawn.account())


def stream(model: Sampler, n: int, *, plan: PlanLike | None = None, batch: int = BLOCK, seed: int = 0) -> Iterator[Any]:
    """Draw `n` rows as frames of `batch` rows each (the last may be shorter), with constant memory.

    The frames, one after the other, are what `sample` returns for the same seed, whatever `batch` is.

    Raises:
        SettingError: `n`, `batch` or `seed` has a bad value, or the plan contradicts itself.
        UnknownName: the plan names a column or level that is not there.
        CannotError: the model cannot draw what the plan asks.
    """
    whole_number(batch, "batch", least=1)
    asked = _plan(plan)
    if asked.fix is not None:
        raise SettingError("rows that are given in part come as they are", where="fix", fix="lookalike.sample(model, plan=plan)")
    blocks = iter(Drawn(model, asked, n, seed))  # checked here, not at the first `next`
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
        synthetic: the synthetic table; or a list of tables, or a dict of names and tables, of which the first is the main one.
        holdout: real rows that the model never saw. Without them neither ceilings nor copies can be judged, and the report says so.
        schema: what is known of the columns, or a JSON file of it; detected from `real` if not given.
        model: the model that made the (first) synthetic table, or its file. Two more tables are drawn from it to see how much draws
            differ, and attacks may ask it what an attacker might ask.
        on_step: called with a `Step` as the work goes on.
        options: `target`, the column that a model trained on the synthetic rows is to predict, guessed if not given;
            `protected_columns`, whose groups fairness compares; `effort`, `quick` or `standard`; `audience`, `internal` or `public`;
            `require`, a list of gates such as `c2st<=0.6`; `seed`, the same seed gives the same report.

    Returns:
        A report with `.text()`, `.json()`, `.require(gates)`, `.public()` and `.write(path)`.

    Raises:
        UnknownName: no such target, protected column, effort or audience; names the near matches.
        SettingError: a requirement cannot be read.
        DataError: a table has no rows, or no column that fits the schema.
    """
    from lookalike.report import Plan, build
    from lookalike.report.fitting import fitting

    seed = options.get("seed", 0)
    whole_number(seed, "seed", least=0)
    options.setdefault("effort", "standard")
    Plan(**options)  # what cannot be read is refused before any work
    maker = load(model) if isinstance(model, str | os.PathLike) else model
    first = Dataset.of(real, schema=_schema(schema))
    tables = _several(synthetic)
    roles = dict.fromkeys(tables, "synthetic") if len(tables) == 1 else {name: f"synthetic ({name})" for name in tables}
    read = {name: fitting(table, first.schema, role=roles[name]) for name, table in tables.items()}
    held, lost = (None, []) if holdout is None else fitting(holdout, first.schema, role="holdout")
    notes = [note for _, found in read.values() for note in found] + lost
    name, *others = read
    if maker is not None:
        options |= _offers(maker, read[name][0].rows, seed)
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
    """
    from lookalike.rules import find

    return find(Dataset.of(source, schema=_schema(schema)), share=share)


def impute(
    source: Any,
    *,
    tables: int = 5,
    model: str | Model = "forest",
    schema: SchemaLike | None = None,
    seed: int = 0,
    on_step: OnStep = quiet,
) -> Imputed:
    """Draw the missing cells of `source`, several times over.

    Args:
        source: a file, glob, folder or database URL; or a pandas, polars, pyarrow or duckdb frame.
        tables: completed tables; their spread tells what is not known.
        model: a name, or a model not yet fitted, that can complete rows: forest, autoregressive, diffusion, gan.
        schema: what is known of the columns, or a JSON file of it; detected if not given.
        seed: the same seed gives the same tables.
        on_step: called with a `Step` as the work goes on.

    Returns:
        `.frames`, the completed tables; `.pool(estimate)`, an estimate by Rubin's rules; `.single()`, one table of best guesses.

    Raises:
        UnknownName: no such model.
        CannotError: the model cannot complete rows, or does not take such columns.
        DataError: nothing is missing, a column is missing throughout, or there are too few rows.
        SettingError: `tables` or `seed` has a bad value.
    """
    from lookalike.impute import impute

    whole_number(seed, "seed", least=0)
    learner = _learner(model, None)
    data = Dataset.of(source, schema=_schema(schema))
    _check(data, learner)
    return impute(data, learner, tables=tables, seed=seed, on_step=on_step)


def audit(
    model: Private, schema: SchemaLike, *, source: Any = None, runs: int = 400, canaries: int = 200, on_step: OnStep = quiet
) -> Audit:
    """Attack what a private fit promises, and say how much of it the attacks could show to be wrong: nothing, if all is well.

    Args:
        model: what is to be fitted, and what it promises. Its ledger is left alone: fits of an audit have ledgers of their own.
        schema: public facts; the table that is attacked is made up from them, so that nothing is looked at and no budget is spent.
        source: a real table to attack instead. The result then tells of it, and is internal.
        runs: fits with and without one person unlike all others. 0 leaves them out.
        canaries: unusual people that are in or out of one more fit by a coin. 0 leaves it out.
        on_step: called with a `Step` as the work goes on.

    Returns:
        An audit with `.epsilon`, a lower bound, `.passed`, `.text()` and `.to_json()`.

    Raises:
        SettingError: too few runs and canaries to show anything.
        SchemaError: the schema does not declare what a private fit needs.
        CannotError: a column is free text.
    """
    from lookalike.audit import Claim, audit

    facts = _schema(schema)
    learner = replace(model, ledger=None)

    def again(data: Dataset) -> Model:
        return learner.fit(data, rng=np.random.default_rng())

    claim = Claim(epsilon=model.epsilon, delta=model.delta, rows=model.rows_per_subject)
    data = None if source is None else Dataset.of(source, schema=facts)
    return audit(again, facts, claim=claim, data=data, runs=runs, canaries=canaries, on_step=on_step)


def save(what: Model | Schema | Plan, path: str | os.PathLike[str]) -> Path:
    """Write a fitted model as one file of JSON and plain arrays, or a schema or plan as JSON text that a person can edit.

    Raises:
        StoreError: the model is not fitted.
        FileError: the file cannot be written.
    """
    if not isinstance(what, Schema | Plan):
        return store.save(what, path)
    text = what.to_json() if isinstance(what, Schema) else json.dumps(what.to_json(), indent=1, ensure_ascii=False) + "\n"
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return Path(path)


def load(path: str | os.PathLike[str], *, model: Model | None = None) -> Model:
    """Read a model that `save` stored. A model from elsewhere is given as `model`, not yet fitted, to be restored.

    Raises:
        FileError: the file cannot be read.
        StoreError: not a model file, damaged, from a newer version, or of an unknown model.
    """
    return store.load(path, model=model)


def model(name: str, **settings: Any) -> Model:
    """The model `name`, not yet fitted; settings that are not given keep their defaults.

    Raises:
        UnknownName: no such model or setting; names the near matches.
        SettingError: a setting has a bad value.
    """
    return models.build(name, settings)


def known_models() -> dict[str, type[Model]]:
    """Every model by its name."""
    return {name: models.find(name) for name in models.names()}


class Asked(TypedDict, total=False):
    """What `make` may be asked besides; see there."""

    rows: int | None
    target: str | None
    plan: PlanLike | None


def make(
    source: Any,
    *,
    schema: SchemaLike | None = None,
    model: str | Model | Private = "forest",
    seed: int = 0,
    holdout: Any = None,
    on_step: OnStep = quiet,
    **asked: Unpack[Asked],
) -> Made:
    """Schema, split, fit, sample and report in one go.

    A fifth of the rows, 20,000 at most, is kept aside and never shown to the model, so that the report can judge by it; all rows
    are learned from if a `holdout` is given. Nothing is written: see `Made.write`.

    Args:
        source: a file, glob, folder or database URL; or a pandas, polars, pyarrow or duckdb frame.
        schema: what is known of the columns, or a JSON file of it; detected if not given.
        model: a name; a model not yet fitted, such as `lookalike.model("forest", leaf=20)`; or `lookalike.Private(epsilon=1.0)`.
        seed: the same seed on the same machine gives the same result.
        holdout: real rows to judge by, of the same columns.
        on_step: called with a `Step` as the work goes on.
        asked: `rows`, how many to draw, as many as `source` has if not given, of a private model as it learned from by its noisy count;
            `target`, the column that is to be predicted, by the report and by a model that has a setting of this name, guessed if not
            given; `plan`, what is asked of the rows, or a file of it.

    Raises:
        UnknownName: no such model or target; names the near matches.
        SettingError: `rows` or `seed` has a bad value.
        CannotError: the model does not take such columns or tables; names one that does.
        DataError: too few rows, or nothing but missing values.
    """
    from lookalike.report import build
    from lookalike.steer import check

    rows, target, plan = asked.get("rows"), asked.get("target"), _plan(asked.get("plan"))
    if plan.fix is not None:
        raise SettingError("rows that are given in part come as they are, not as many as the data has", where="fix", fix="use sample")
    learner = _aimed(_learner(model, None), target)
    if rows is not None:
        whole_number(rows, "rows", least=1)
    rng, known = randomness(seed, SPLIT), _schema(schema)
    reading, fitting, drawing, judging = _stages(on_step, reading=0.05, fitting=0.4, drawing=0.1, judging=0.45)
    reading(Step(0, 1, "reading"))
    data = Dataset.of(source, schema=known)
    check(plan, data.schema, private=isinstance(learner, Private))
    _check(data, learner)
    if target is not None:
        data.schema.column(target)
    train, held, how = _split(data, holdout, rng)
    reading(Step(1, 1, "read"))
    fitted = _like(learner.fit(train, rng=randomness(seed, FIT), on_step=fitting), data)
    wanted = rows or rows_told(fitted) or data.rows
    steered = Drawn(fitted, plan, wanted, seed)
    drawn = together(fitted, list(counted(steered, wanted, drawing)))
    about = {"source": _told.called(source), "holdout": how, "model": _told.described(fitted), **_told.tried(fitted), "seed": str(seed)}
    notes = [f"The model {note}." for note in fitted.notes_]
    found = {"target": target, "protected": _told.protected(fitted), "privacy": _told.promise(fitted)}
    found |= {"about": about, "notes": notes, "seed": seed}
    if plan.empty:
        found |= _offers(fitted, wanted, seed)
    else:
        found["notes"] += [
            "The rows were drawn as a plan asks, and are to be unlike the data in that:",
            *map(_told.line, steered.account().lines),
            *steered.account().notes,
        ]
    judged = build(train, drawn, holdout=held, on_step=judging, **found)
    return Made(model=fitted, report=judged, drawn=drawn, held=held, suffix=_told.suffix(source), account=steered.account())


@dataclass(frozen=True)
class Made:
    """What `make` made: a fitted model, the synthetic rows, the report on them, and the account of what a plan asked."""

    model: Model
    report: Report
    drawn: Dataset
    held: Dataset
    account: Account
    suffix: str = ".csv"

    @property
    def schema(self) -> Schema:
        """The schema that the model learned by."""
        return self.model.schema

    @property
    def synthetic(self) -> Any:
        """The synthetic rows, as a frame of the kind that the source was."""
        return self.drawn.native()

    @property
    def holdout(self) -> Any:
        """The real rows that were kept aside, as a frame of the kind that the source was."""
        return self.held.native()

    def write(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write synthetic rows (in the source's own format), report.html, report.json, schema.json and model.lookalike into `folder`.

        The folder appears when all of it is written. An older one is replaced if nothing else is in it; with `overwrite`, in any case,
        file by file.

        Raises:
            FileError: the folder cannot be written, or holds other files.
        """
        with NewFolder(folder, overwrite=overwrite) as unfinished:
            self.drawn.write(unfinished / f"synthetic{self.suffix}")
            self.report.write(unfinished / "report.html")
            self.report.write(unfinished / "report.json")
            save(self.schema, unfinished / "schema.json")
            save(self.model, unfinished / "model.lookalike")
        return Path(folder)


DRAWS, DRAWN = 2, 10_000
"""Further tables that a report draws from a model, and their rows at most."""


def _schema(given: SchemaLike | None) -> Schema | None:
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


def _learner(model: str | Model | Private, settings: Mapping[str, Any] | None) -> Model | Private:
    """An unfitted model: looked up by name, or as given."""
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


def _aimed(learner: Model | Private, target: str | None) -> Model | Private:
    """The same learner with `target` as its setting of that name, if it has one that was not set."""
    if isinstance(learner, Private):
        return replace(learner, model=_aimed(learner.model, target))
    settings = getattr(learner, "settings", None)
    unset = target is not None and getattr(settings, "target", target) is None and models.name_of(learner) in models.names()
    return models.build(models.name_of(learner), settings.model_dump() | {"target": target}) if unset else learner


def _check(data: Dataset, learner: Model | Private) -> None:
    """Refuse data that `learner` does not take, or that nothing can be learned from."""
    tables, can = data.schema.tables, learner.can
    name = models.name_of(learner.model if isinstance(learner, Private) else learner)
    if can.tables is not None and len(tables) > can.tables:
        raise CannotError(f"the model {name!r} takes {can.tables} table, not {len(tables)}", fix="give one table at a time")
    for table in tables:
        odd = [c for c in table if c.kind not in can.kinds]
        if odd:
            others = [n for n, m in known_models().items() if {c.kind for t in tables for c in t} <= m.can.kinds]
            fix = f"take the model {' or '.join(map(repr, others))}" if others else "leave the column out"
            raise CannotError(f"the model {name!r} does not take the kind {odd[0].kind!r}", where=f"{table.name}.{odd[0].name}", fix=fix)
        if all(c.kind == "empty" for c in table):
            raise DataError("no column holds any value", where=table.name, fix="check the file, its delimiter, and how it spells missing")
    if data.rows < FEWEST:
        what = f"{data.rows} row{'' if data.rows == 1 else 's'}; a model needs {FEWEST} at least, or it would tell of single people"
        raise DataError(what, where=tables[0].name, fix="give more rows")
    if isinstance(learner, Private):
        learner.check(data)


def _split(data: Dataset, holdout: Any, rng: np.random.Generator) -> tuple[Dataset, Dataset, str]:
    """Rows to learn from, rows to judge by, and a sentence on how they were told apart."""
    if holdout is not None:
        held = Dataset.of(holdout, schema=data.schema)
        return data, held, f"given: {held.rows:,} rows of {_told.called(holdout)}"
    train, held = data.split(HELD_SHARE, rng=rng, most=HELD_MOST)
    return train, held, f"{held.rows:,} of {data.rows:,} rows, drawn at random and never shown to the model"


def _plan(given: PlanLike | None) -> Plan:
    """The plan that was given, read if it is a path."""
    if given is None:
        return Plan()
    if isinstance(given, Plan):
        return given
    return Plan.from_json(given) if isinstance(given, Mapping) else Plan.read(given)


def _offers(model: Model, rows: int, seed: int) -> Options:
    """What a report may ask of the model: further draws, how likely it holds a row, and what it would have drawn from other rows."""
    from lookalike.report import again

    rows = min(rows, DRAWN)
    draws = [together(model, [model.sample(rows, rng=randomness(seed, AGAIN, k)).table()]) for k in range(DRAWS)]
    drawing = _told.inner(model)
    return {"draws": draws, "refit": again.refit(drawing, seed=seed), "log_prob": again.log_prob(drawing)}


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


def _like(model: Model, data: Dataset) -> Model:
    """`model`, which now knows what kind of frame it was fitted on (and no row of it), and what to tell of its training."""
    model.like_ = Dataset.from_arrow({}, data.schema, like=data)
    model.notes_ = _told.noted(model)
    return model


def _stages(on_step: OnStep, **shares: float) -> list[OnStep]:
    """One progress function for each stage, which take the whole one after the other."""
    ends = np.cumsum([0.0, *shares.values()])
    return [part(on_step, low, high) for low, high in pairwise(ends)]
