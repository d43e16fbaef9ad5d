"""Ordered rows are judged by their order, and whole subjects, not rows, by what attackers may learn of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from lookalike.compare import steps
from lookalike.compare.database import databases, owners
from lookalike.compare.frame import Frame, code
from lookalike.compare.stats import auc, blocks
from lookalike.data import Dataset
from lookalike.report import Report, build, linked, measure, ordered, verdict, windowed
from lookalike.report.attacked import attacked
from lookalike.report.items import ORDERED
from lookalike.report.views import Measured, View, measured, ordered_views, staged
from lookalike.schema import Column, Link, Schema, Table
from lookalike.score import Score

pytestmark = pytest.mark.usefixtures("fewer_trees")

PATIENTS = 165
SCHEMA = Schema(
    tables=(
        Table(
            name="visits",
            columns=(
                Column(name="patient", kind="key", storage="int64"),
                Column(name="hour", kind="integer"),
                Column(name="pulse", kind="number"),
                Column(name="ward", kind="category"),
            ),
            order="hour",
        ),
    ),
    subject="patient",
)


def ward(seed: int) -> dict[str, np.ndarray]:
    """Patients with a pulse of their own, which walks, and a ward that they seldom leave."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(6, 16, PATIENTS)
    owner = np.repeat(np.arange(PATIENTS), sizes)
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    pulse, place, hour = np.empty(len(owner)), np.empty(len(owner), int), np.empty(len(owner), np.int64)
    for start, size in zip(first, sizes, strict=True):
        at = slice(start, start + size)
        pulse[at] = 80 + rng.normal(0, 8) + np.cumsum(rng.normal(0, 3, size))
        place[at] = (rng.integers(0, 3) + np.cumsum(rng.random(size) < 0.15)) % 3
        hour[at] = np.cumsum(rng.integers(1, 5, size))
    return {"patient": owner, "hour": hour, "pulse": np.round(pulse, 1), "ward": np.array(["a", "b", "c"])[place]}


def table(columns: dict[str, np.ndarray]) -> pa.Table:
    return pa.table({n: pa.array(v).dictionary_encode() if n == "ward" else pa.array(v) for n, v in columns.items()})


def shuffled(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same rows of each patient in another order: every row, and every patient's set of rows, is as it was."""
    rng = np.random.default_rng(8)
    order = np.lexsort((rng.random(len(columns["patient"])), columns["patient"]))
    return columns | {n: columns[n][order] for n in ("pulse", "ward")}


def few_windows(patch: pytest.MonkeyPatch, *more: str) -> None:
    """Of windows only the two figures that cost least, and `more`; a second sample, and a process of the same law, are held against all."""
    patch.setattr(windowed, "MEASURES", tuple(m for m in windowed.MEASURES if m.name in ("cross_correlation", "spectrum", *more)))


@cache
def judged(what: str) -> Report:
    second = ward(3)
    made = {
        "second": second,
        "shuffled": shuffled(second),
        "copy": ward(1),
    }[what]
    real, synthetic, held = (Dataset.from_arrow({"visits": table(c)}, SCHEMA) for c in (ward(1), made, ward(2)))
    with pytest.MonkeyPatch.context() as patch:
        if what != "second":
            few_windows(patch)
        return build(real, synthetic, holdout=held)


def scores(what: str) -> dict[str, dict[str, object]]:
    return {s["name"]: s for s in judged(what).json()["scores"]}


def worse(what: str, name: str) -> bool:
    found = scores(what)[name]
    return found["low"] > found["ceiling_interval"][1]


def said(what: str) -> dict[str, str]:
    return {v["title"]: v["tone"] for v in judged(what).json()["verdict"]}


def test_a_second_sample_passes_everything() -> None:
    assert "poor" not in said("second").values(), judged("second").text()
    assert said("second")["Order"] == said("second")["A classifier's view of sequences"] == "good"


def test_another_order_of_the_same_rows_is_seen_only_by_what_looks_at_order() -> None:
    assert worse("shuffled", "step_dependence")
    assert said("shuffled")["Order"] == "poor"
    # The pulse goes with the one before, and the ward changes seldom: whole sequences are told.
    assert scores("shuffled")["c2st_sequence"]["low"] > 0.7
    for name in ("shape", "length", "intervals"):
        assert not worse("shuffled", name), name


def test_intervals_twice_as_long_are_seen() -> None:
    second = ward(3)
    tables = {"real": table(ward(1)), "holdout": table(ward(2)), "synthetic": table(second | {"hour": second["hour"] * 2})}
    frames = ordered.owned(code(tables, SCHEMA.table.columns), ordered.whose(tables, SCHEMA))
    gaps = [v for v in ordered.order(tables, SCHEMA, frames, 0).views if v.kind == "gaps"]
    (found,) = measured(gaps, ORDERED, seed=0, effort="quick", subject=None, on_view=lambda _: None)[0].scores
    assert found.name == "intervals" and found.low > found.ceiling_interval[1]
    assert not worse("second", "intervals")


def test_whole_patients_are_attacked() -> None:
    copied = judged("copy").json()
    best = next(a for a in copied["attacks"] if a["name"] == "distance")
    assert best["value"] > 0.9
    assert best["rows"]["members"] <= PATIENTS
    assert scores("copy")["exact_copies"]["value"] == 100
    assert scores("second")["exact_copies"]["value"] == 0
    titles = {u["what"] for u in copied["untested"]}
    assert not titles & {"Order in time", "Subjects with several rows"}


def test_the_subject_is_no_column_to_compare() -> None:
    compared = judged("second").json()["compared"]
    assert "patient" not in compared["columns"]
    assert compared["left_out"] == [{"name": "patient", "why": "says whose a row is"}]


# ---- the views themselves


def frame(columns: dict[str, list[object]]) -> Frame:
    kinds = {"pulse": "number", "ward": "category"}
    made = pa.table({n: pa.array(v).dictionary_encode() if n == "ward" else pa.array(v) for n, v in columns.items()})
    return code({"a": made}, [Column(name=n, kind=kinds[n]) for n in columns])["a"]


def test_steps_gaps_and_lengths_by_hand() -> None:
    rows = frame({"pulse": [3.0, 1.0, 2.0, 9.0, 5.0], "ward": ["x", "y", "y", "x", "x"]})
    owner, order = np.array([7, 7, 7, 2, -1]), np.array([30.0, 10.0, 15.0, 1.0, 0.0])
    of = steps.sequences(rows, owner, order)
    pairs, part = steps.steps(of)
    assert pairs["pulse"].tolist() == [2.0, 3.0] and pairs["pulse before"].tolist() == [1.0, 2.0]
    assert part == {"pulse": "now", "ward": "now", "pulse before": "before", "ward before": "before"}
    assert steps.gaps(of)["interval"].tolist() == [5.0, 15.0]
    assert steps.lengths(of)["length"].tolist() == [1.0, 3.0]


def test_features_by_hand() -> None:
    rows = frame({"pulse": [1.0, 3.0, 1.0, 3.0, 5.0], "ward": ["x", "y", "x", "x", "x"]})
    owner, order = np.array([0, 0, 0, 0, 1]), np.arange(5.0)
    found = steps.features(steps.sequences(rows, owner, order), steps.commonest(rows))
    assert found["pulse mean"].tolist() == [2.0, 5.0]
    assert found["pulse first"].tolist() == [1.0, 5.0] and found["pulse last"].tolist() == [3.0, 5.0]
    assert found["pulse spread"][0] == 1.0 and np.isnan(found["pulse spread"][1])
    # Deviations −1 1 −1 1 at places −1.5 −0.5 0.5 1.5: slope 2/5; products of neighbours −1 −1 −1 over four squares.
    assert found["pulse slope"][0] == pytest.approx(0.4)
    assert found["pulse with the one before"][0] == pytest.approx(-0.75)
    assert found["ward is x"].tolist() == [0.75, 1.0] and found["ward changes"][0] == pytest.approx(2 / 3)


def test_blocks_and_cuts_keep_owners_together() -> None:
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(50), 4)
    group = blocks(200, rng, owner=owner)
    assert all(len(set(group[owner == k])) == 1 for k in range(50))
    rows = Frame((Column(name="x", kind="number"),), {"x": np.arange(200.0)}, {}, 200, owner)
    half = rows.cut(41, rng)
    assert half.rows == 41
    sizes = np.unique(half.owner, return_counts=True)[1]
    assert sorted(sizes.tolist()) == [1, *[4] * 10]
    first, second = rows.halves(rng)
    assert not set(first.owner) & set(second.owner) and first.rows == second.rows == 100


def test_the_error_of_an_area_grows_with_what_owners_share() -> None:
    rng = np.random.default_rng(1)
    owner = np.repeat(np.arange(60), 10)
    truth = owner < 30
    score = rng.normal(0, 1, 60)[owner]
    plain, clustered = auc(truth, score)[1], auc(truth, score, owner=owner)[1]
    one_each = auc(truth[::10], score[::10])[1]
    # Ten equal rows of one owner say no more than one.
    assert clustered == pytest.approx(one_each, rel=0.05)
    assert clustered == pytest.approx(plain * np.sqrt(10), rel=0.05)


# ---- windows

MEMORY = 0.9


def walks(seed: int, *, memory: float = MEMORY, owners: int = 60, length: int = 60) -> steps.Sequences:
    """Two numbers of an autoregressive process, the second following the first."""
    rng = np.random.default_rng(seed)
    x = np.empty((owners, length))
    x[:, 0] = rng.normal(0, 1 / np.sqrt(1 - memory**2), owners)
    for t in range(1, length):
        x[:, t] = memory * x[:, t - 1] + rng.normal(0, 1, owners)
    values = {"x": x.ravel(), "y": x.ravel() + rng.normal(0, 0.5, x.size)}
    rows = Frame((Column(name="x", kind="number"), Column(name="y", kind="number")), values, {}, x.size)
    return steps.sequences(rows, np.repeat(np.arange(owners), length), np.tile(np.arange(float(length)), owners))


@cache
def windowed_scores(memory: float) -> dict[str, Score]:
    size = {"owners": 45, "length": 32}
    of = windowed.windows({"real": walks(1, **size), "synthetic": walks(3, memory=memory, **size), "holdout": walks(2, **size)}, 0)
    with pytest.MonkeyPatch.context() as patch:
        if memory != MEMORY:
            few_windows(patch)
        return {s.name: s for s in windowed.scores(of, 0, "standard")}


def test_a_process_of_the_same_law_is_at_the_ceiling_in_every_window_measure() -> None:
    found = windowed_scores(MEMORY)
    assert set(found) == {m.name for m in windowed.MEASURES}
    for name, score in found.items():
        assert not verdict.worse(score), name
    # What the rows of a window are is perfect in the floor; when they come is not.
    assert found["spectrum"].zero == found["predictive"].zero == "floor"
    # Windows that overlap would be told by their neighbours.
    assert found["discriminative"].value < 0.25


def test_a_process_of_shorter_memory_is_seen() -> None:
    for name, score in windowed_scores(0.3).items():
        assert verdict.worse(score), name


def test_windows_are_of_one_owner_and_missing_numbers_are_those_before() -> None:
    of = walks(4, owners=30, length=30)
    of.frame.values["x"][of.order == 5] = np.nan
    made = windowed.windows({"real": of, "synthetic": of, "holdout": of}, 0)["real"]
    assert made.values.shape[1:] == (24, 2) and np.isfinite(made.values).all()
    own = of.frame["x"].reshape(30, 30)
    for window, owner in zip(made.values[:20, :, 1], made.owner[:20], strict=True):
        assert window.min() >= 0 and window.max() <= 1
        assert 0 <= owner < 30
    assert np.isnan(own[:, 5]).all()


def test_too_few_rows_make_no_windows() -> None:
    few = walks(1, owners=5, length=8)
    assert windowed.windows({"real": few, "synthetic": few}, 0) is None


# ---- a sequence that hangs on another table


def hospital(seed: int, *, shuffle: bool = False) -> dict[str, pa.Table]:
    """Patients, and their visits in the order of the hours."""
    rows = ward(seed)
    visits = table(shuffled(rows) if shuffle else rows)
    people = np.random.default_rng(seed).integers(20, 90, PATIENTS)
    return {"people": pa.table({"id": pa.array(range(PATIENTS)), "age": pa.array(people)}), "visits": visits}


def test_a_child_table_in_an_order_is_a_sequence_of_its_parents() -> None:
    whose = Column(name="id", kind="key", storage="int64")
    visits = SCHEMA["visits"].model_copy(update={"links": (Link(columns=("patient",), table="people", references=("id",)),)})
    people = Table(name="people", columns=(whose, Column(name="age", kind="integer")), key=("id",))
    schema = Schema(tables=(people, visits), subject="people.id")
    found = databases({"real": hospital(1), "synthetic": hospital(3, shuffle=True), "holdout": hospital(2)}, schema)
    path = owners(found["real"])
    bases = {role: base.owned(path) for role, base in found.items()}
    of = linked.sequences(bases, visits, {"people", "visits"}, path["visits"])
    views = [v for v in ordered_views(of, "visits") if v.kind in ("steps", "gaps", "lengths")]
    out = measured(views, ORDERED, seed=0, effort="quick", subject=None, on_view=lambda _: None)[0]
    scores = {s.name: s for s in out.scores}
    assert verdict.worse(scores["step_dependence"])
    assert not verdict.worse(scores["length"]) and not verdict.worse(scores["intervals"])


def test_windows_of_ordered_tables_stand_beside_the_other_figures_of_linked_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    few_windows(monkeypatch, "dtw")  # which a quick report leaves out
    out = Measured()
    far, near, few = ({"real": walks(1), "synthetic": s, "holdout": walks(2)} for s in (walks(3, memory=0.3), walks(3), walks(3)))
    few = {role: walks(1, owners=5, length=8) for role in few}
    windowed.measured({"visits": far, "tests": near, "rare": few}, out, 0, "quick")
    assert out.skipped == {"windows": ["rare"]}
    bad, good = ({s.name: s for s in out.by_view["windows", name]} for name in ("visits", "tests"))
    mean = {s.name: s for s in out.scores}
    assert set(mean) == set(good) == {"cross_correlation", "spectrum"}
    assert [d["name"] for d in windowed.definitions(set(mean))] == ["cross_correlation", "spectrum"]
    assert verdict.worse(bad["spectrum"]) and not verdict.worse(good["spectrum"])
    for name, score in mean.items():
        assert score.value == pytest.approx((bad[name].value + good[name].value) / 2)
        assert score.ceiling == pytest.approx((bad[name].ceiling + good[name].ceiling) / 2)


def test_a_holdout_of_too_few_subjects_is_said_to_be_small_not_missing() -> None:
    many, few = (steps.features(walks(k, owners=n), {}) for k, n in ((1, 60), (2, 12)))
    small = staged(View("subject", "walks", {"real": many, "synthetic": many, "holdout": few}), 0)
    none = staged(View("subject", "walks", {"real": many, "synthetic": many}), 0)
    assert not small.given and not none.given
    for stage, said in ((small, "the holdout has 12 subjects, and 20 are needed: "), (none, "no holdout was given: ")):
        for entry in attacked(stage, seed=0):
            assert entry["value"] is None and entry["note"].startswith(said)
        found = {s.name: s for name in ("copies", "nearness") for s in measure.trial(name, stage, seed=0)}
        copies = found["exact_copies"]
        assert copies.note.startswith(said) and found["dcr_share"].note.startswith(said)
        word = {s["title"]: s["text"] for s in verdict.judged([copies], given=stage is small, target=None)}["Copied rows"]
        assert ("Not judged: the holdout has 12 subjects" in word) == (stage is small)
