"""Scenarios: shares that add up, paths between margins, and times that keep their rhythm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lookalike.errors import LookalikeError, SettingError, UnknownName
from lookalike.scenario import drift, margin, months, volume, what_if

NOW = {"ok": 0.9, "late": 0.08, "fraud": 0.02}


def test_margin_counts_what_is_known() -> None:
    table = pa.table({"k": pa.array(["a", "b", "a", None, "a"]).dictionary_encode(), "gone": pa.nulls(5, pa.string())})
    assert margin(table, "k") == {"a": 0.75, "b": 0.25}
    with pytest.raises(SettingError, match="no shares"):
        margin(table, "gone")
    with pytest.raises(UnknownName):
        margin(table, "kk")


def test_what_if_changes_one_margin() -> None:
    plan = what_if("state", {"fraud": 0.1}, NOW)
    assert plan["shares"]["state"] == pytest.approx({"ok": 0.9 * 0.9 / 0.98, "late": 0.9 * 0.08 / 0.98, "fraud": 0.1})


@pytest.mark.parametrize(
    ("path", "middle"), [("linear", 0.25), ("smooth", (1 - np.cos(np.pi / 4)) / 2), ("sudden", 0.0), ([0, 0.9, 1, 0.2, 0], 0.9)]
)
def test_drift_goes_from_one_margin_to_the_other(path: Any, middle: float) -> None:
    series = drift("k", {"a": 1.0}, {"a": 0.2, "b": 0.8}, labels=months("2026-11", 5), path=path)
    assert [label for label, _ in series] == ["2026-11", "2026-12", "2027-01", "2027-02", "2027-03"]
    shares = [plan["shares"]["k"] for _, plan in series]
    assert all(sum(s.values()) == pytest.approx(1) for s in shares)
    assert shares[0] == {"a": 1.0, "b": 0.0}
    assert shares[1]["b"] == pytest.approx(0.8 * middle)
    if isinstance(path, str):
        assert shares[-1] == pytest.approx({"a": 0.2, "b": 0.8})


def orders(rows: int = 2_000) -> pa.Table:
    """Moments of four weeks, working hours of working days only, some missing; each is sent two days later."""
    rng = np.random.default_rng(0)
    day = rng.integers(0, 20, rows)
    at = (
        np.datetime64("2026-03-02T09:00", "us")
        + (day // 5 * 7 + day % 5) * np.timedelta64(1, "D")
        + rng.integers(0, 8 * 3_600, rows) * np.timedelta64(1, "s")
    )
    at[:20] = np.datetime64("NaT")
    return pa.table({"id": np.arange(rows), "at": pa.array(at), "sent": pa.array((at + np.timedelta64(2, "D")).astype("datetime64[D]"))})


def test_longer_keeps_rhythm_spans_and_rate() -> None:
    table = orders()
    out = volume(table, ["at", "sent"], 10, rng=np.random.default_rng(1))
    assert out.schema == table.schema and out["id"].equals(table["id"]) and out["at"].null_count == 20
    before, after = (t["at"].to_numpy()[20:] for t in (table, out))
    moved = (after - before) / np.timedelta64(7, "D")
    assert set(np.unique(moved)) == set(4.0 * np.arange(10))  # the times span four weeks
    np.testing.assert_array_equal(after - after.astype("datetime64[D]"), before - before.astype("datetime64[D]"))
    np.testing.assert_array_equal((out["sent"].to_numpy() - table["sent"].to_numpy())[20:] / np.timedelta64(7, "D"), moved)
    counts = np.unique(moved, return_counts=True)[1]
    assert counts.min() > 0.75 * len(moved) / 10


def test_denser_and_once_leave_times_alone() -> None:
    table = orders(50)
    assert volume(table, ["at"], 100, rng=np.random.default_rng(0), how="denser").equals(table)
    assert volume(table, ["at"], 1, rng=np.random.default_rng(0)).equals(table)


def test_zoned_moments_keep_their_zone() -> None:
    table = pa.table({"at": pa.array([0, 3_600_000_000], pa.timestamp("us", tz="Europe/Oslo"))})
    out = volume(table, ["at"], 3, rng=np.random.default_rng(0))
    assert out.schema == table.schema
    moved = np.array(out["at"].cast(pa.int64())) - np.array([0, 3_600_000_000])
    assert (moved % (7 * 86_400 * 1_000_000) == 0).all()


@pytest.mark.parametrize(
    ("work", "error", "told"),
    [
        (lambda: what_if("k", {"fraude": 0.1}, NOW), UnknownName, "fraud"),
        (lambda: what_if("k", {"fraud": 0.7, "ok": 0.6}, NOW), SettingError, "1.3"),
        (lambda: what_if("k", {"ok": 0.1, "late": 0.1, "fraud": 0.1}, NOW), SettingError, "0.3"),
        (lambda: what_if("k", {"ok": -0.1}, NOW), SettingError, "no shares"),
        (lambda: what_if("k", {"a": 0.5}, {"a": 1.0, "b": 0.0}), SettingError, "name all levels"),
        (lambda: drift("k", NOW, {"ok": 0.5}, labels=["a", "b"]), SettingError, "drift.end"),
        (lambda: drift("k", NOW, NOW, labels=["a"]), SettingError, "two labels"),
        (lambda: drift("k", NOW, NOW, labels=["a", "b"], path=[0.0, 2.0]), SettingError, "path"),
        (lambda: drift("k", NOW, NOW, labels=["a", "b"], path="liner"), UnknownName, "linear"),
        (lambda: months("soon", 3), SettingError, "soon"),
        (lambda: volume(orders(5), ["id"], 2, rng=np.random.default_rng(0)), SettingError, "no dates"),
        (lambda: volume(orders(5), ["att"], 2, rng=np.random.default_rng(0)), UnknownName, "at"),
        (lambda: volume(orders(50), ["at"], 0, rng=np.random.default_rng(0)), SettingError, "from 1"),
        (lambda: volume(orders(50), ["at"], 10**6, rng=np.random.default_rng(0)), SettingError, "9999"),
        (lambda: volume(orders(50), ["at"], 2, rng=np.random.default_rng(0), how="long"), UnknownName, "longer"),
    ],
)
def test_bad_input_is_refused(work: Any, error: type[LookalikeError], told: str) -> None:
    with pytest.raises(error) as found:
        work()
    assert told in str(found.value)


def test_frames_are_taken_and_come_back() -> None:
    frame = pd.DataFrame({"at": pd.date_range("2025-01-06", periods=28, freq="D"), "k": ["a", "b", "b", "b"] * 7})
    assert margin(frame, "k") == {"b": 0.75, "a": 0.25}
    moved = volume(frame, ["at"], 5, rng=np.random.default_rng(0))
    assert list(moved.columns) == ["at", "k"] and (moved["at"] >= frame["at"]).all()
    assert (moved["at"].dt.day_of_week == frame["at"].dt.day_of_week).all() and (moved["at"] != frame["at"]).any()
