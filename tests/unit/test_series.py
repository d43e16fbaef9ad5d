"""Series: spectra and autocorrelations are learned, labels obeyed, gaps and repeats drawn, known cells kept, long draws without seams."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lookalike import models
from lookalike.data import Dataset
from lookalike.errors import CannotError, DataError, SchemaError, UnknownName
from lookalike.models._windows_cells import Cells
from lookalike.models._windows_rows import Clock
from lookalike.protocol import Model
from lookalike.schema import Column, Schema, Table

pytest.importorskip("torch")

SMALL = {"width": 48, "depth": 1, "steps": 250, "batch": 256, "modes": 4}
START = pd.Timestamp("2024-01-01")


def ordered(frame: pd.DataFrame, order: str = "t", subject: str | None = None) -> Dataset:
    """A dataset of a frame whose rows are in order."""
    found = Dataset.of(frame).schema
    key = tuple(k for k in found.table.key if k != order)
    table = found.table.model_copy(update={"order": order, "key": key})
    return Dataset.of(frame, schema=found.model_copy(update={"tables": (table,), "subject": subject}))


def vector_autoregression(n: int, seed: int = 0) -> np.ndarray:
    """float64 [n, 2]: x_t = A x_{t-1} + e, A = [[.8, .1], [-.2, .6]], e normal with the correlation .5."""
    rng, x = np.random.default_rng(seed), np.zeros((n + 100, 2))
    noise = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], n + 100)
    for t in range(1, n + 100):
        x[t] = x[t - 1] @ np.array([[0.8, -0.2], [0.1, 0.6]]) + noise[t]
    return x[100:].round(3)


def correlations(x: np.ndarray, lag: int) -> np.ndarray:
    """float64 [k, k]: correlation of columns with columns `lag` steps later."""
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    return z[: len(z) - lag].T @ z[lag:] / (len(z) - lag)


def fitted(data: Dataset, seed: int = 0, **settings: object) -> Model:
    return models.build("series", SMALL | settings).fit(data, rng=np.random.default_rng(seed))


def numbers(data: Dataset, *names: str) -> np.ndarray:
    return np.stack([data.table()[name].to_numpy(zero_copy_only=False).astype(float) for name in names], axis=1)


@pytest.fixture(scope="module")
def walk() -> tuple[Dataset, Model]:
    x = vector_autoregression(3_000)
    data = ordered(pd.DataFrame({"t": pd.date_range(START, periods=len(x), freq="h"), "a": x[:, 0], "b": x[:, 1]}))
    return data, fitted(data)


def test_autocorrelations_of_a_known_process_are_learned(walk: tuple[Dataset, Model]) -> None:
    made = numbers(walk[1].sample(2_000, rng=np.random.default_rng(1)), "a", "b")
    truth = vector_autoregression(100_000, seed=5)
    for lag in (0, 1, 2, 5):
        assert np.abs(correlations(made, lag) - correlations(truth, lag)).max() < 0.15, lag
    assert np.abs(made.std(axis=0) / truth.std(axis=0) - 1).max() < 0.15


def test_a_long_draw_has_no_seams_and_does_not_run_away(walk: tuple[Dataset, Model]) -> None:
    data, model = walk
    made, window = numbers(model.sample(1_500, rng=np.random.default_rng(2)), "a", "b"), model.window_
    steps = np.abs(np.diff(made, axis=0))
    border = steps[window - 1 :: window]
    assert abs(border.mean() / steps.mean() - 1) < 4 * steps.std() / steps.mean() / np.sqrt(border.size)
    thirds = [part.std() for part in np.array_split(made, 3)]
    assert max(thirds) / min(thirds) < 1.4
    assert made.min() >= numbers(data, "a", "b").min() and made.max() <= numbers(data, "a", "b").max()


def test_steps_go_on_at_the_pace_of_the_data(walk: tuple[Dataset, Model]) -> None:
    data, model = walk
    made = model.sample(50, rng=np.random.default_rng(3), start=10).table()["t"].to_pandas()
    assert made[0] == START + pd.Timedelta(hours=10) and (made.diff()[1:] == pd.Timedelta(hours=1)).all()
    assert model.unit_ == "row" and model.sample(7, rng=np.random.default_rng(0)).schema == data.schema


def test_the_same_seed_gives_the_same_rows_after_keeping(walk: tuple[Dataset, Model]) -> None:
    data, model = walk
    again = models.build("series", SMALL).restore(data.schema, model.state())
    first, second, other = (m.sample(60, rng=np.random.default_rng(seed)).table() for m, seed in ((model, 4), (again, 4), (model, 5)))
    assert first.equals(second) and not first.equals(other)


def test_a_season_comes_back_at_its_hour() -> None:
    hours = np.arange(2_000)
    x = np.sin(2 * np.pi * hours / 24) + 0.5 * np.sin(2 * np.pi * hours / 12 + 1) + 0.15 * np.random.default_rng(0).standard_normal(2_000)
    data = ordered(pd.DataFrame({"t": pd.date_range(START, periods=2_000, freq="h"), "x": x.round(4)}))
    model = fitted(data)
    assert any(abs(season % 24) <= 1 or abs(season % 24) >= 23 for season in model.seasons_)
    made = numbers(model.sample(492, rng=np.random.default_rng(1)), "x")[:, 0]
    expected = np.sin(2 * np.pi * hours[:492] / 24) + 0.5 * np.sin(2 * np.pi * hours[:492] / 12 + 1)
    assert np.corrcoef(made, expected)[0, 1] > 0.93
    power = np.abs(np.fft.rfft(made)) ** 2
    assert abs(np.argmax(power[1:]) + 1 - 492 / 24) < 1 and abs(np.argmax(power[30:]) + 30 - 492 / 12) < 1


def test_forecasts_and_fillings_keep_what_is_known(walk: tuple[Dataset, Model]) -> None:
    data, model = walk
    table = data.table().slice(1_000, 400)
    gap = np.zeros(400, bool)
    gap[[*range(50, 53), *range(200, 201), *range(390, 400)]] = True
    values = table["a"].to_numpy()
    given = table.set_column(1, "a", pa.array(values, mask=gap))
    made = model.complete(given, ["a"], rng=np.random.default_rng(0), fill=True)
    assert made["a"].null_count == 0 and made["b"].equals(table["b"]) and made["t"].equals(table["t"])
    assert (made["a"].to_numpy()[~gap] == values[~gap]).all()
    shuffled = np.random.default_rng(1).permutation(400)
    other = model.complete(given.take(pa.array(shuffled)), ["a"], rng=np.random.default_rng(0), fill=True)
    assert (other["a"].to_numpy() == made["a"].to_numpy()[shuffled]).all()
    assert model.complete(table, ["a"], rng=np.random.default_rng(0)).equals(table)
    with pytest.raises(UnknownName, match="'a'"):
        model.complete(given, ["aa"], rng=np.random.default_rng(0))
    with pytest.raises(DataError, match="steps are not those"):
        model.complete(given.filter(pa.array(~gap)), ["a"], rng=np.random.default_rng(0))


def test_a_filling_knows_what_comes_after() -> None:
    x = np.cumsum(np.random.default_rng(0).standard_normal(3_000)) % 40
    x = np.abs(x - 20)  # a walk that is thrown back at both ends
    data = ordered(pd.DataFrame({"t": np.arange(3_000), "x": x.round(3)}))
    model = fitted(data, given=0.5, steps=700)
    holes = np.arange(20, 1_490, 7)
    mask = np.zeros(1_500, bool)
    mask[holes] = True
    given = data.table().slice(0, 1_500).set_column(1, "x", pa.array(x[:1_500].round(3), mask=mask))
    made = model.complete(given, ["x"], rng=np.random.default_rng(0), fill=True)["x"].to_numpy()
    between, before = x[holes] - (x[holes - 1] + x[holes + 1]) / 2, x[holes] - x[holes - 1]
    error = np.abs(made[holes] - x[holes]).mean()
    assert error < 0.9 * np.abs(before).mean() * np.sqrt(2)  # a draw by the past alone errs √2 times as much as its mean
    assert np.abs(between).mean() < 0.7 * np.abs(before).mean()


def test_labels_lengths_and_starts_of_subjects_are_obeyed() -> None:
    rng, rows = np.random.default_rng(0), []
    for k in range(120):
        wild, length = k % 3 == 0, 12 if k % 2 else 20
        level = 5.0 if wild else -5.0
        for t in range(length):
            rows.append((f"P{k:03d}", t, "wild" if wild else "calm", round(level + (2.0 if wild else 0.2) * rng.standard_normal(), 3)))
    data = ordered(pd.DataFrame(rows, columns=["who", "t", "label", "x"]), subject="who")
    model = fitted(data)
    made = model.sample(150, rng=np.random.default_rng(1))
    frame = made.table().to_pandas()
    assert model.unit_ == "subject" and frame["who"].nunique() == 150 and not set(frame["who"]) & {f"P{k:03d}" for k in range(120)}
    assert frame.groupby("who")["label"].nunique().max() == 1
    assert set(frame.groupby("who").size()) <= set(range(12, 21)) and (frame.groupby("who")["t"].min() == 0).all()
    assert (frame[frame["label"] == "wild"]["x"] > 0).mean() > 0.95 and (frame[frame["label"] == "calm"]["x"] < 0).mean() > 0.95
    assert frame[frame["label"] == "wild"]["x"].std() > 3 * frame[frame["label"] == "calm"]["x"].std()
    table = data.table().slice(0, 20)
    blank = table.set_column(3, "x", pa.nulls(20, pa.float64()))
    filled = model.complete(blank, ["x"], rng=np.random.default_rng(0), fill=True)
    assert (filled["x"].to_numpy() > -2).mean() > 0.9 and filled["label"].equals(table["label"])


def test_missing_cells_repeats_and_levels_come_as_in_the_data() -> None:
    rng, n = np.random.default_rng(0), 2_500
    state, held, x = 0, 0.0, np.zeros(n)
    states, gone = np.zeros(n, int), np.zeros(n, bool)
    for t in range(n):
        state = state if rng.random() < 0.9 else int(rng.integers(0, 3))
        held = held if rng.random() < 0.6 else round(float(rng.normal(state * 3, 1)), 3)
        states[t], x[t] = state, held
        gone[t] = rng.random() < (0.8 if t and gone[t - 1] else 0.05)
    x[gone] = np.nan
    data = ordered(pd.DataFrame({"t": np.arange(n), "x": x, "mode": np.array(["low", "mid", "top"])[states]}))
    made = fitted(data, steps=400).sample(1_500, rng=np.random.default_rng(1)).table().to_pandas()
    lost = made["x"].isna().to_numpy()
    assert abs(lost.mean() - gone.mean()) < 0.06 and abs(lost[1:][lost[:-1]].mean() - 0.8) < 0.12
    stays = (made["mode"].to_numpy()[1:] == made["mode"].to_numpy()[:-1]).mean()
    assert abs(stays - (states[1:] == states[:-1]).mean()) < 0.04
    both = ~lost[1:] & ~lost[:-1]
    real = ~gone[1:] & ~gone[:-1]
    same = (made["x"].to_numpy()[1:] == made["x"].to_numpy()[:-1])[both].mean()
    assert abs(same - (x[1:] == x[:-1])[real].mean()) < 0.06
    means = made.groupby("mode")["x"].mean()
    assert means["low"] < means["mid"] < means["top"]


def test_gaps_between_steps_are_learned_where_they_differ() -> None:
    days = pd.bdate_range(START, periods=900)
    x = np.cumsum(np.random.default_rng(0).standard_normal(900)).round(3)
    model = fitted(ordered(pd.DataFrame({"t": days.date, "x": x})))
    assert any("gaps are learned" in note for note in model.trained_["notes"])
    made = model.sample(250, rng=np.random.default_rng(1)).table()["t"].to_pandas()
    gaps = pd.to_datetime(made).diff().dt.days[1:]
    assert set(gaps) <= {1, 2, 3} and abs((gaps == 3).mean() - 0.2) < 0.08


def test_calendar_months_are_steps() -> None:
    clock = Clock("date", 1.0, True, 0.0, ())
    dates = clock.values(np.full(4, 30.0), np.arange(4), None)  # from 31 January 1970
    assert dates.astype("datetime64[D]").astype(str).tolist()[0] == "1970-01-31"
    months = pd.date_range("2001-01-01", periods=60, freq="MS")
    model = fitted(ordered(pd.DataFrame({"t": months.date, "x": np.arange(60.0)})))
    assert model.frame_.clock.months and not model.frame_.gaps
    made = pd.to_datetime(model.sample(30, rng=np.random.default_rng(0)).table()["t"].to_pandas())
    assert (made.dt.day == 1).all() and made.iloc[-1] == pd.Timestamp("2003-06-01")


def test_cells_and_arrays_are_two_sides_of_the_same() -> None:
    from lookalike.encode import Codebook

    rng = np.random.default_rng(0)
    values = {
        "spiky": np.where(rng.random(3_000) < 0.4, 0.0, rng.lognormal(0, 1, 3_000).round(2)),
        "even": rng.normal(100, 5, 3_000).round(2),
        "wide": rng.lognormal(3, 1.5, 3_000).round(3),
    }
    data = Dataset.of(pd.DataFrame(values))
    book = Codebook.measure_all(data)
    coded = book.encode(data.table())
    cells = Cells.of(book, coded, np.ones(2_999, bool))
    assert [cells.lines[p].kind for p in range(3)] == ["score", "same", "log"]
    state, there = cells.encode(coded)
    back = book.decode(cells.decode(state, there, rng=rng))
    seen = book.decode(coded)
    for name in values:
        assert np.abs(back[name].to_numpy() - seen[name].to_numpy()).max() <= 0.03 * max(1.0, seen[name].to_numpy().std()), name


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"order": None}, SchemaError, "orders the rows"),
        ({"twice": True}, DataError, "same value as the row before"),
        ({"short": True}, DataError, "16 are needed"),
        ({"window": 200}, DataError, "two windows"),
        ({"order": "word"}, CannotError, "cannot be put in order"),
        ({"gone": True}, DataError, "no value by which to order"),
    ],
)
def test_what_is_no_regular_series_is_refused_before_work_begins(change: dict, error: type[Exception], words: str) -> None:
    n = 8 if change.get("short") else 300
    frame = pd.DataFrame({"t": np.arange(n), "x": np.random.default_rng(0).standard_normal(n), "word": ["a", "b"] * (n // 2)})
    if change.get("twice"):
        frame.loc[1, "t"] = 0
    if change.get("gone"):
        frame["t"] = frame["t"].astype("Int64")
        frame.loc[3, "t"] = pd.NA
    kinds = {"t": "integer", "x": "number", "word": "category"}
    columns = tuple(Column(name=k, kind=kind) for k, kind in kinds.items())
    told = Schema(tables=(Table(columns=columns, order=change.get("order", "t")),))
    types = {"t": pa.int64(), "x": pa.float64(), "word": pa.dictionary(pa.int32(), pa.string())}
    table = pa.table(
        {k: pa.array(frame[k].tolist()).cast(pa.string()).cast(t) if k == "word" else pa.array(frame[k], t) for k, t in types.items()}
    )
    data = Dataset.from_arrow({"table": table}, told)
    for name, settings in (("series", {"window": change.get("window")}), ("surrogate", {})):
        if name == "series" or "window" not in change:
            with pytest.raises(error, match=words):
                models.build(name, settings).fit(data, rng=np.random.default_rng(0))


def traded(n: int, steps: int, seed: int = 0) -> pd.DataFrame:
    """Days of `n` papers: opened, highest, lowest and last price in cents, of which a tenth are equal, and what it was given out at."""
    rng = np.random.default_rng(seed)
    start, rise = rng.uniform(3, 6, (n, 1)), rng.normal(0, 0.02, (n, steps))
    last = np.exp(start + np.cumsum(rise, axis=1))
    opened = np.exp(start + np.cumsum(rise, axis=1) - rise + rng.normal(0, 0.004, (n, steps)))
    above, below = (rng.exponential(0.01, (n, steps)) * (rng.random((n, steps)) > 0.1) for _ in range(2))
    high, low = np.maximum(opened, last) * (1 + above), np.minimum(opened, last) * (1 - below)
    frame = pd.DataFrame({"paper": np.repeat(np.arange(n), steps), "t": np.tile(np.arange(steps), n)})
    return frame.assign(**{k: v.ravel().round(2) for k, v in {"opened": opened, "high": high, "low": low, "last": last}.items()})


@pytest.fixture(scope="module")
def market() -> tuple[pd.DataFrame, Model]:
    frame = traded(300, 12)
    return frame, fitted(ordered(frame, subject="paper"), steps=400)


def between(frame: pd.DataFrame) -> np.ndarray:
    return ((frame.high >= frame[["opened", "last"]].max(axis=1)) & (frame.low <= frame[["opened", "last"]].min(axis=1))).to_numpy()


def test_numbers_never_pass_those_that_they_never_passed(market: tuple[pd.DataFrame, Model]) -> None:
    real, model = market
    made = model.sample(200, rng=np.random.default_rng(1)).table().to_pandas()
    assert between(real).all() and between(made).all()
    for name in ("high", "low"):
        touched = [(f[name] == f[["opened", "last"]].agg("max" if name == "high" else "min", axis=1)).mean() for f in (real, made)]
        assert 0.5 < touched[1] / touched[0] < 2, name
    wide = [np.log(f.high / f.low).median() for f in (real, made)]
    assert 0.7 < wide[1] / wide[0] < 1.4
    kept = models.build("series", SMALL).restore(model.schema, model.state())
    assert kept.sample(3, rng=np.random.default_rng(2)).table().equals(model.sample(3, rng=np.random.default_rng(2)).table())


@pytest.mark.parametrize("lacking", [["high"], ["opened"], ["low", "last"]])
def test_what_is_filled_in_does_not_pass_what_is_given(market: tuple[pd.DataFrame, Model], lacking: list[str]) -> None:
    real, model = market
    part = ordered(real, subject="paper").table()
    gone = np.random.default_rng(3).random(len(part)) < 0.3
    holes = part
    for name in lacking:
        at = part.schema.get_field_index(name)
        holes = holes.set_column(at, name, pa.array(part[name].to_numpy(), mask=gone))
    made = model.complete(holes, lacking, rng=np.random.default_rng(4), fill=True).to_pandas()
    assert between(made).all()
    given = part.to_pandas()
    assert (made[~gone] == given[~gone]).all().all() and (made.drop(columns=lacking) == given.drop(columns=lacking)).all().all()
    assert (made[gone][lacking].to_numpy() != given[gone][lacking].to_numpy()).any()


def test_columns_that_pass_each_other_or_lie_far_apart_are_not_bound() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(10, 3, 2_000).round(2)
    frame = pd.DataFrame({"t": np.arange(2_000), "a": x, "crossed": (x + rng.normal(0.5, 0.5, 2_000)).round(2), "far": (x + 500).round(2)})
    assert len(fitted(ordered(frame), steps=1).frame_.bound) == 0
    over = frame.assign(over=(x + rng.exponential(1, 2_000)).round(2))
    over.loc[7, "over"] = 0.0  # one slip does not make a bound
    found = fitted(ordered(over), steps=1).frame_.bound
    assert [found._name(gap.channel) for gap in found.gaps] == ["over"]
