"""What every model promises. Models are found by their folder: a new one is tested by being there."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from filelock import FileLock

from lookalike import models
from lookalike.data import Dataset
from lookalike.errors import DataError, SettingError, UnknownName
from lookalike.protocol import Model, Step
from lookalike.schema import Column, Schema, Table

ROWS = 400
QUICK = {
    "epochs": 1, "batch": 128, "width": 32, "depth": 1, "trees": 8, "rounds": 15, "models": ("copula", "independent"), "looks": 12,
}  # fmt: skip
"""Settings for the sake of time, of models that have them; settings with a `beside` in their schema show their effect beside those."""
CANONICAL = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "category": pa.dictionary(pa.int32(), pa.string()),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "time": pa.time64("us"),
    "duration": pa.duration("us"),
    "text": pa.string(),
    "key": pa.string(),
    "personal": pa.string(),
    "constant": pa.string(),
    "empty": pa.null(),
}
FIRST, LAST = ("Anna", "Peter", "Maria", "Paul", "Julia", "Max"), ("Adams", "Baker", "Clark", "Davis", "Evans")


def spec(name: str, kind: str, **facts: Any) -> Column:
    """A column of a kind; a personal one holds names."""
    return Column(name=name, kind=kind, personal="name" if kind == "personal" else None, **facts)


def values(kind: str, rows: int) -> list[Any]:
    """Plausible values of a kind: skewed, with spikes, rare ones, and missing ones where there may be."""
    rng = np.random.default_rng([7, len(kind), ord(kind[0])])
    days = rng.integers(0, 4_000, rows)
    if kind == "integer":
        made: list[Any] = [int(v) for v in np.where(rng.random(rows) < 0.6, 0, rng.geometric(0.02, rows))]
    elif kind == "number":
        made = [round(float(v), 2) for v in rng.lognormal(3, 1, rows)]
    elif kind == "category":
        made = [f"c{min(int(v), 30)}" for v in rng.geometric(0.2, rows)]
    elif kind == "boolean":
        made = [bool(v) for v in rng.random(rows) < 0.3]
    elif kind == "date":
        made = [datetime.date(2015, 1, 1) + datetime.timedelta(int(d)) for d in days]
    elif kind == "datetime":
        made = [
            datetime.datetime(2015, 1, 1) + datetime.timedelta(int(d), int(s))
            for d, s in zip(days, rng.integers(0, 86_400, rows), strict=True)
        ]
    elif kind == "time":
        made = [datetime.time(int(h), int(m)) for h, m in zip(rng.integers(8, 18, rows), rng.integers(0, 60, rows), strict=True)]
    elif kind == "duration":
        made = [datetime.timedelta(seconds=int(s)) for s in rng.geometric(0.001, rows)]
    elif kind == "text":
        words = np.array(["red", "small", "house", "by", "the", "river", "old", "garden"])
        made = [" ".join(rng.choice(words, rng.integers(2, 6))) for _ in range(rows)]
    elif kind == "key":
        return [f"A-{v:05d}" for v in rng.permutation(90_000)[:rows]]
    elif kind == "personal":
        made = [f"{name} {last}" for name, last in zip(rng.choice(FIRST, rows), rng.choice(LAST, rows), strict=True)]
    else:
        return ["same"] * rows if kind == "constant" else [None] * rows
    return [None if gone else v for gone, v in zip(rng.random(rows) < 0.1, made, strict=True)]


def dataset(kinds: Iterator[str] | frozenset[str] | list[str], rows: int = ROWS) -> Dataset:
    """A table with one column of each of `kinds`, in a fixed order."""
    chosen = [k for k in CANONICAL if k in set(kinds)]
    columns = tuple(spec(f"a_{k}", k, unique=k == "key", nullable=k not in ("key", "constant")) for k in chosen)
    table = pa.table({f"a_{k}": pa.array(values(k, rows)).cast(CANONICAL[k]) for k in chosen})
    return Dataset.from_arrow({"table": table}, Schema(tables=(Table(columns=columns, key=("a_key",) if "key" in chosen else ()),)))


def learnable(model: str, data: Dataset) -> Dataset:
    """`data` as a model can learn them: one of sequences needs rows in order, one of subjects also whose they are.

    A model that takes several tables takes also one as it is.
    """
    can, table, spec = models.find(model).can, data.table(), data.schema.table
    if not can.sequences or can.tables != 1:
        return data
    sizes = rng(3, table.num_rows).integers(1, max(3, table.num_rows // 25), table.num_rows + 1)
    whose = np.repeat(np.arange(len(sizes)), sizes)[: table.num_rows]
    gaps = rng(4, table.num_rows).integers(1, 9, table.num_rows)
    since = np.cumsum(gaps) - (np.cumsum(gaps) - gaps)[np.searchsorted(whose, whose)]
    extra = {
        "o_time": (pa.array(since if can.unit == "subject" else np.cumsum(gaps)), Column(name="o_time", kind="integer", nullable=False))
    }
    if can.unit == "subject":
        extra["o_whose"] = (pa.array([f"P{w + 100}" for w in whose]), Column(name="o_whose", kind="key", nullable=False))
    for name, (column, _) in extra.items():
        table = table.append_column(name, column)
    columns = (*spec.columns, *(column for _, column in extra.values()))
    whole = spec.model_copy(update={"columns": columns, "order": "o_time"})
    return Dataset.from_arrow({spec.name: table}, Schema(tables=(whole,), subject="o_whose" if can.unit == "subject" else None))


def units(model: Model, table: pa.Table) -> int:
    """How many of what `sample` counts are in `table`: rows, or subjects."""
    return len(table["o_whose"].unique()) if "o_whose" in table.column_names else table.num_rows


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed or 0)


def build(name: str, settings: dict[str, Any] | None = None) -> Model:
    """The model `name`, quick to fit, with `settings`."""
    fields = models.settings_of(name).model_fields
    return models.build(name, {k: v for k, v in QUICK.items() if k in fields} | (settings or {}))


def digest(table: pa.Table) -> str:
    """A hash of the values of a table, whatever its chunks and dictionaries are."""
    return hashlib.sha256(repr([c.to_pylist() for c in table.columns]).encode()).hexdigest()


def drawn(model: Model, n: int = 100, *, seed: int = 1, start: int = 0) -> pa.Table:
    return model.sample(n, rng=rng(seed), start=start).table()


@pytest.fixture(scope="module", autouse=True)
def few_settled() -> Iterator[None]:
    """Shares of codes are set right by fewer rows, in two pieces, which is a large part of what a small fit costs."""
    with pytest.MonkeyPatch.context() as patch:
        settle_few(patch)
        yield


def settle_few(patch: pytest.MonkeyPatch) -> None:
    for model in ("_modes", "vae"):
        patch.setattr(f"lookalike.models.{model}.SETTLED", 4_096)


@cache
def learned(name: str) -> tuple[Dataset, Model]:
    """A table of all kinds that a model takes, and the model fitted to it."""
    data = learnable(name, dataset(models.find(name).can.kinds))
    return data, build(name).fit(data, rng=rng())


@pytest.fixture(scope="module", params=models.names())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def data(name: str) -> Dataset:
    return learned(name)[0]


@pytest.fixture(scope="module")
def fitted(name: str) -> Model:
    return learned(name)[1]


class Again(NamedTuple):
    """A second fit of the same, the steps it told of, and hashes of what it must leave alone, before and after."""

    model: Model
    steps: list[Step]
    data: tuple[str, str]
    globals: tuple[str, str]


@pytest.fixture(scope="module")
def again(name: str, data: Dataset, fitted: Model) -> Again:
    def chance() -> str:
        torch = sys.modules.get("torch")
        known = (torch.get_rng_state().tolist(), torch.get_num_threads()) if torch else ()
        return repr((np.random.get_state()[1].tolist(), np.random.get_state()[2], random.getstate(), known))

    drawn(fitted)  # loads what is loaded when first used
    steps: list[Step] = []
    before = digest(data.table()), chance()
    model = build(name).fit(data, rng=rng(), on_step=steps.append)
    drawn(model)
    return Again(model, steps, *zip(before, (digest(data.table()), chance()), strict=True))


def test_is_a_model_that_does_nothing_until_asked(name: str) -> None:
    model = build(name)
    assert all(callable(getattr(model, verb)) for verb in ("fit", "sample", "state", "restore"))
    assert set(vars(model)) == {"settings"}
    assert model.can.kinds <= set(CANONICAL)
    assert models.name_of(model) == name


def test_settings_are_frozen_described_and_bounded(name: str) -> None:
    settings = models.settings_of(name)
    assert settings.model_config.get("frozen") and settings.model_config.get("extra") == "forbid"
    for field, facts in settings.model_json_schema().get("properties", {}).items():
        assert facts.get("description"), f"{name}.{field} has no description"
        assert "default" in facts, f"{name}.{field} has no default"
        kinds = [facts, *facts.get("anyOf", ())]
        if any(k.get("type") in ("integer", "number") for k in kinds):
            low = any({"minimum", "exclusiveMinimum"} & set(k) for k in kinds)
            assert low and any({"maximum", "exclusiveMaximum"} & set(k) for k in kinds), f"{name}.{field} has no bounds"


def test_fitted_model_obeys_the_protocol(fitted: Model, data: Dataset) -> None:
    assert isinstance(fitted, Model)
    assert fitted.schema == data.schema


@pytest.mark.parametrize("n", [1, 2, 257])
def test_rows_have_the_schema_that_was_learned(fitted: Model, data: Dataset, n: int) -> None:
    made = fitted.sample(n, rng=rng(1))
    assert made.schema == data.schema
    assert units(fitted, made.table()) == n
    assert made.table().schema.names == list(data.schema.table.names)
    assert made.table().schema.types == [CANONICAL[c.kind] for c in data.schema.table]


def test_what_is_never_missing_stays_so(fitted: Model, data: Dataset) -> None:
    made = drawn(fitted)
    for column in data.schema.table:
        if not column.nullable:
            assert made[column.name].null_count == 0, column.name


def test_missing_values_come_as_often(fitted: Model, data: Dataset) -> None:
    made, real = drawn(fitted, 1_000 if data.schema.table.order else 4_000), data.table()
    for column in data.schema.table:
        share, wanted = made[column.name].null_count / made.num_rows, real[column.name].null_count / ROWS
        assert abs(share - wanted) < 0.03, column.name


def test_values_stay_within_what_was_seen(fitted: Model, data: Dataset) -> None:
    made, real = drawn(fitted, 200 if data.schema.table.order else 2_000), data.table()
    for column in data.schema.table:
        if column.kind in ("category", "boolean", "constant"):
            assert set(made[column.name].to_pylist()) <= {None, *real[column.name].to_pylist()}, column.name
        elif column.name == data.schema.table.order and fitted.can.unit == "row":
            assert made[column.name].to_pylist() == sorted(made[column.name].to_pylist()), column.name  # a series goes on
        elif column.kind in ("integer", "number", "date", "datetime", "time", "duration"):
            low, high = (f(v for v in real[column.name].to_pylist() if v is not None) for f in (min, max))
            assert all(low <= v <= high for v in made[column.name].to_pylist() if v is not None), column.name


def test_same_random_numbers_same_model_and_rows(fitted: Model, again: Again) -> None:
    assert digest(drawn(again.model)) == digest(drawn(fitted)) == digest(drawn(fitted))
    assert digest(drawn(fitted, seed=2)) != digest(drawn(fitted))


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of each model a hash of its rows, fitted by a process with another number of threads, whose hashes of text are other ones.

    One such process is enough for all workers of a run.
    """
    folder = tmp_path_factory.getbasetemp()
    kept = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "elsewhere.json"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            kept.write_text(_elsewhere(), encoding="utf-8")
        return json.loads(kept.read_text(encoding="utf-8"))


def _elsewhere() -> str:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_models as t; import json; t.settle_few(t.pytest.MonkeyPatch());"
        "print(json.dumps({name: t.digest(t.drawn(t.learned(name)[1])) for name in t.models.names()}))"
    )
    folder = str(Path(__file__).parent)
    threads = "3" if os.environ.get("OMP_NUM_THREADS") == "1" else "1"
    other = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    env = {**os.environ, **other, "PYTHONHASHSEED": "7"}
    there = subprocess.run([sys.executable, "-c", code, folder], env=env, capture_output=True, text=True, check=True, timeout=900)
    return there.stdout


def test_threads_change_nothing_nor_does_another_process(name: str, fitted: Model, elsewhere: dict[str, str]) -> None:
    assert elsewhere[name] == digest(drawn(fitted))


def test_global_random_numbers_are_left_alone(again: Again) -> None:
    before, after = again.globals
    assert after == before


def test_input_is_left_alone(name: str, again: Again) -> None:
    before, after = again.data
    assert after == before == digest(learnable(name, dataset(models.find(name).can.kinds)).table())


def test_state_restores_the_same_model(name: str, fitted: Model) -> None:
    state = fitted.state()
    assert json.loads(json.dumps(state.card, allow_nan=False)) == state.card
    assert all(isinstance(a, np.ndarray) and a.dtype.kind in "iufb" for a in state.arrays.values())
    again = build(name).restore(fitted.schema, state)
    assert digest(drawn(again)) == digest(drawn(fitted))
    assert json.dumps(again.state().card) == json.dumps(state.card)


def test_keys_are_fresh_and_unique(name: str, fitted: Model, data: Dataset) -> None:
    if "key" not in fitted.can.kinds:
        pytest.skip(f"{name} does not take keys")
    n = 100 if data.schema.table.order else 500  # what is drawn step by step is slow
    first, second = (drawn(fitted, n, seed=s, start=n * s)["a_key"].to_pylist() for s in (0, 1))
    assert len({*first, *second}) == len(first) + len(second) >= 2 * n
    assert not {*first, *second} & set(data.table()["a_key"].to_pylist())
    assert all(len(k) == 7 and k.startswith("A-") and k[2:].isdigit() for k in first)


def test_one_row_is_learned_from_unless_rows_must_follow_one_another(name: str) -> None:
    data = learnable(name, dataset(models.find(name).can.kinds, 1))
    if data.schema.table.order:
        with pytest.raises(DataError, match=r"row|one subject"):
            build(name).fit(data, rng=rng())
        return
    assert drawn(build(name).fit(data, rng=rng()), 5).num_rows == 5


@pytest.mark.parametrize("kind", list(CANONICAL))
def test_each_kind_alone(name: str, kind: str) -> None:
    if kind not in models.find(name).can.kinds:
        pytest.skip(f"{name} does not take {kind}")
    data = learnable(name, dataset([kind], 40))
    model = build(name).fit(data, rng=rng())
    made = drawn(model, 10)
    assert made[f"a_{kind}"].type == CANONICAL[kind] and units(model, made) == 10


@pytest.mark.parametrize("kind", [k for k in CANONICAL if k not in ("key", "constant", "empty")])
def test_column_without_a_value_in_sight(name: str, kind: str) -> None:
    if kind not in models.find(name).can.kinds:
        pytest.skip(f"{name} does not take {kind}")
    schema = Schema(tables=(Table(columns=(spec("a", kind), spec("b", kind))),))
    table = pa.table({"a": pa.array([None] * 60).cast(CANONICAL[kind]), "b": pa.array(values(kind, 60)).cast(CANONICAL[kind])})
    made = drawn(build(name).fit(learnable(name, Dataset.from_arrow({"table": table}, schema)), rng=rng()), 20)
    assert made["a"].null_count == made.num_rows
    assert made["b"].null_count < made.num_rows


@pytest.mark.parametrize("kind", ["integer", "number", "category", "boolean", "date", "text"])
def test_column_with_one_value(name: str, kind: str) -> None:
    if kind not in models.find(name).can.kinds:
        pytest.skip(f"{name} does not take {kind}")
    one = next(v for v in values(kind, 20) if v is not None)
    table = pa.table({"a": pa.array([one] * 60).cast(CANONICAL[kind])})
    data = Dataset.from_arrow({"table": table}, Schema(tables=(Table(columns=(spec("a", kind),)),)))
    made = drawn(build(name).fit(learnable(name, data), rng=rng()), 20)["a"].to_pylist()
    assert kind == "text" or set(made) == {one}
    assert None not in made


def test_progress_goes_forward_to_the_end(again: Again) -> None:
    shares = [s.done / s.total for s in again.steps]
    assert shares and shares == sorted(shares) and shares[-1] == 1


def test_unknown_setting_is_refused(name: str) -> None:
    field = next(iter(models.settings_of(name).model_fields))
    with pytest.raises(UnknownName, match=f"did you mean '{field}'"):
        models.build(name, {field + "x": 1})
    with pytest.raises(SettingError, match=field):
        models.build(name, {field: "much"})


def alternatives(facts: dict[str, Any]) -> list[Any]:
    """Other values that a setting may take, by its JSON schema; numbers first and rising, since small models are quick to fit."""
    found = list(facts.get("examples", ()))
    for kind in [facts, *facts.get("anyOf", ())]:
        if kind.get("type") == "boolean":
            found += [True, False]
        elif kind.get("type") in ("integer", "number"):
            low = kind.get("minimum", kind.get("exclusiveMinimum"))
            high = kind.get("maximum", kind.get("exclusiveMaximum"))
            mean = facts["default"] if isinstance(facts["default"], int | float) else (low + high) / 2
            near = [mean / 4, mean * 4, (low + mean) / 2, (mean + high) / 2]
            found += [int(v) if kind["type"] == "integer" else v for v in near if low < v < high]
            found += [kind[bound] for bound in ("minimum", "maximum") if bound in kind and abs(kind[bound]) <= 100]
        elif kind.get("type") == "null":
            found.append(None)
        elif kind.get("type") == "string" and "enum" not in kind:
            found += ["b_level", "b_number"]  # what such a setting may name: the columns of `dependent`
        found += kind.get("enum", [])
    other = [v for v in found if v != facts["default"]]
    numbers = [v for v in other if isinstance(v, int | float) and not isinstance(v, bool)]
    return sorted(set(numbers)) + [v for v in other if v not in numbers]


QUICKLY, SLOW = {"integer", "number", "category", "text", "key"}, {"integer", "category"}
"""Kinds of columns in which settings show their effect, of models that are quick to fit and of those that learn in epochs."""


def dependent(kinds: frozenset[str], rows: int = 300) -> Dataset:
    """Columns of some of `kinds`, a number that follows from two others, and a level that follows from it."""
    data, made = dataset(kinds, rows), rng(11)
    x, z = made.lognormal(3, 1, rows).round(2), made.normal(50, 9, rows).round(1)
    y = (2 * np.log(x) + z + made.normal(0, 0.5, rows)).round(3)
    level = pa.array(np.where(y > np.median(y), "high", "low")).cast(CANONICAL["category"])
    table = data.table()
    for name, values_ in (("b_first", pa.array(x)), ("b_second", pa.array(z)), ("b_number", pa.array(y)), ("b_level", level)):
        table = table.append_column(name, values_)
    columns = (*data.schema.table.columns, *(Column(name=n, kind="number") for n in table.schema.names if n[:2] == "b_" and n != "b_level"))
    columns = (*columns, Column(name="b_level", kind="category"))
    return Dataset.from_arrow({"table": table}, Schema(tables=(Table(columns=columns, key=data.schema.table.key),)))


@cache
def to_learn(model: str) -> Dataset:
    can, slow = models.find(model).can, "epochs" in models.settings_of(model).model_fields
    return learnable(model, dependent(can.kinds & (SLOW if slow else QUICKLY), 300 if slow and not can.sequences else 700))


@cache
def effect(model: str, settings: str, *, steps: bool) -> str:
    """What a model with `settings`, JSON, comes to: a hash of its rows, or how many `steps` it learned."""
    fitted = build(model, json.loads(settings)).fit(to_learn(model), rng=rng())
    return str(fitted.trained_["history"][-1]["step"]) if steps else digest(drawn(fitted))


def every_setting() -> list[tuple[str, str, dict[str, Any]]]:
    return [(m, s, facts) for m in models.names() for s, facts in models.settings_of(m).model_json_schema().get("properties", {}).items()]


@pytest.mark.parametrize(("model", "setting", "facts"), every_setting(), ids=lambda v: v if isinstance(v, str) else "")
def test_setting_has_an_effect(model: str, setting: str, facts: dict[str, Any]) -> None:
    if facts.get("inert"):
        pytest.skip(f"{model}.{setting} changes no row, as declared: {facts['inert']}")
    beside, steps = facts.get("beside", {}), facts.get("shows") == "how long it learns"
    usual = effect(model, json.dumps(beside), steps=steps)
    others = [v for v in alternatives(facts) if setting in beside or v != QUICK.get(setting)]  # QUICK has that one already
    found = (effect(model, json.dumps(beside | {setting: v}), steps=steps) for v in others)
    assert any(other != usual for other in found), f"no other value of {model}.{setting} changes a row, or how long it learns"
