"""Categories, moments and texts: what is kept, what is protected, what comes back."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike.encode import category, constant, moment, text
from lookalike.schema import Column


def redrawn(module: Any, values: pa.Array, column: Column, **options: Any) -> list[Any]:
    book = module.freeze(module.measure(values, column, **options), column)
    return module.decode(module.encode(values, book, column), np.random.default_rng(0).random(len(values)), book, column).to_pylist()


def test_rare_levels_go_to_kept_ones_and_shares_stay() -> None:
    values = ["a"] * 700 + ["b"] * 300 + [f"rare{i}" for i in range(200)]
    made = redrawn(category, pa.array(values), Column(name="x", kind="category"))
    assert set(made) == {"a", "b"} and abs(made.count("a") / 1_200 - 0.7) < 0.05


def test_mostly_rare_levels_are_pooled() -> None:
    column = Column(name="x", kind="category")
    made = redrawn(category, pa.array(["a"] * 10 + [f"r{i}" for i in range(50)]), column)
    assert made.count("(rare)") == 50 and made.count("a") == 10
    codes = redrawn(category, pa.array([str(i) for i in range(50)] + ["7"] * 9), column)
    assert set(codes) == {"7"}


def test_declared_levels_are_public_and_numbers_are_in_order() -> None:
    column = Column(name="x", kind="category", levels=("z", "a"))
    assert redrawn(category, pa.array(["a", "z", None]), column) == ["a", "z", None]
    column = Column(name="x", kind="category")
    book = category.freeze(category.measure(pa.array(["10", "9", "2"] * 9), column), column)
    assert book["levels"] == ["2", "9", "10"] and book["parts"][0]["ordered"]


def test_a_level_of_one_persons_many_rows_is_rare() -> None:
    values, who = ["a"] * 30 + ["b"] * 20, np.array([*range(30), *[99] * 20])
    assert set(redrawn(category, pa.array(values), Column(name="x", kind="category"), subjects=who)) == {"a"}


def test_a_constant_of_few_is_not_told_unless_declared() -> None:
    values = pa.array(["secret", None, "secret"])
    assert redrawn(constant, values, Column(name="x", kind="constant")) == [None] * 3
    assert redrawn(constant, values, Column(name="x", kind="constant", levels=("secret",))) == ["secret", None, "secret"]


def test_dates_keep_their_weekdays_and_range() -> None:
    rng = np.random.default_rng(1)
    days = rng.integers(-9_000, 9_000, 40_000)
    days = days[(days + 3) % 7 < 5]
    made = np.array(
        redrawn(moment, pa.array(days.astype(np.int32)).cast(pa.date32()), Column(name="x", kind="date")), "datetime64[D]"
    ).astype(int)
    assert ((made + 3) % 7 < 5).mean() > 0.99 and days.min() < made.min() and made.max() < days.max()
    assert np.abs(np.quantile(made, np.linspace(0, 1, 21)) - np.quantile(days, np.linspace(0, 1, 21))).max() < 60


@pytest.mark.parametrize(("unit", "named"), [("s", ["day", "clock"]), ("h", ["day", "clock"]), ("D", [""])])
def test_datetimes_keep_their_unit(unit: str, named: list[str]) -> None:
    rng, column = np.random.default_rng(2), Column(name="x", kind="datetime")
    seconds = rng.integers(-(10**9), 10**9, 5_000).astype("datetime64[s]").astype(f"datetime64[{unit}]").astype("datetime64[us]")
    values = pa.array(seconds)
    book = moment.freeze(moment.measure(values, column), column)
    assert [p["name"] for p in book["parts"]] == named
    made = np.array(redrawn(moment, values, column), "datetime64[us]")
    assert (made.astype(f"datetime64[{unit}]") == made).all() and made.min() < np.datetime64("1939-01-01")


def test_nine_oclock_stays_nine_oclock_in_its_zone() -> None:
    """Local time is learnt, summer time or not."""
    column = Column(name="x", kind="datetime", zone="Europe/Berlin")
    naive = pa.array([dt.datetime(2023, 1, 1, 9) + dt.timedelta(days=i % 700) for i in range(3_000)], pa.timestamp("us"))
    values = pa.compute.assume_timezone(naive, "Europe/Berlin")
    made = redrawn(moment, values, column)
    assert {(m.hour, m.minute, m.second) for m in made} == {(9, 0, 0)}
    assert len({m.utcoffset() for m in made}) == 2


def test_times_that_a_zone_skips_or_has_twice() -> None:
    column = Column(name="x", kind="datetime", zone="America/New_York")
    hours = [dt.datetime(2024, 3, 9, tzinfo=dt.UTC) + dt.timedelta(hours=i % 72) for i in range(2_000)]
    made = redrawn(moment, pa.array(hours, pa.timestamp("us", "America/New_York")), column)
    assert len(made) == 2_000 and None not in made


def test_both_positions_of_a_datetime_come_back() -> None:
    rng, column = np.random.default_rng(3), Column(name="x", kind="datetime")
    values = pa.array(rng.integers(0, 10**15, 6_000).astype("datetime64[us]"))
    book = moment.freeze(moment.measure(values, column), column)
    codes, inside = moment.encode(values, book, column), moment.locate(values, book, column)
    back = moment.decode(codes, inside, book, column).to_numpy().astype(int)
    gap = np.abs(back - values.to_numpy().astype(int))
    assert np.median(gap % moment.DAY) < 60 * 10**6 * 10


def test_durations_and_times_stay_in_range() -> None:
    rng = np.random.default_rng(4)
    hours = pa.array(rng.integers(0, 500, 3_000) * 3_600_000_000).cast(pa.duration("us"))
    made = redrawn(moment, hours, Column(name="x", kind="duration"))
    assert all(m.total_seconds() % 3_600 == 0 and dt.timedelta(0) <= m <= dt.timedelta(hours=500) for m in made)
    times = pa.array(rng.integers(0, 86_400, 3_000) * 1_000_000).cast(pa.time64("us"))
    assert all(m.microsecond == 0 for m in redrawn(moment, times, Column(name="x", kind="time")))


SUBJECTS = ["The patient", "A nurse", "My doctor", "The old man", "Her sister", "Nobody"]
VERBS = ["called", "asked about", "forgot", "wrote down", "repeated", "paid for", "liked"]
OBJECTS = ["the bill", "a second dose", "the long letter", "our visit", "the medicine", "every answer", "a form"]


def sentences(n: int) -> list[str]:
    rng = np.random.default_rng(5)
    lists = (SUBJECTS, VERBS, OBJECTS)
    one = [" ".join(str(rng.choice(part)) for part in lists) for _ in range(2 * n)]
    return [f"{a} and then {b}, {rng.integers(10, 10**6)} times." for a, b in zip(one[:n], one[n:], strict=True)]


def test_texts_look_alike_and_are_no_copies() -> None:
    real = sentences(3_000)
    made = redrawn(text, pa.array(real), Column(name="x", kind="text"))
    words = {w.strip(".,") for r in real for w in r.split()}
    told = [w.strip(".,") for m in made for w in m.split()]
    assert np.mean([w in words or w.isdigit() for w in told]) > 0.99
    assert abs(np.mean([len(m.split()) for m in made]) / np.mean([len(r.split()) for r in real]) - 1) < 0.25
    assert len(set(made)) > 2_500 and not set(made) & set(real)


def test_runs_of_six_words_are_not_copied_from_few() -> None:
    rng = np.random.default_rng(6)
    vocabulary = np.array([f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(300)])
    real = [" ".join(vocabulary[np.minimum(rng.geometric(0.02, 30), 299)]) for _ in range(1_500)]

    def runs(texts: list[str]) -> set[tuple[str, ...]]:
        return {tuple(ws[i : i + 6]) for ws in map(str.split, texts) for i in range(len(ws) - 5)}

    made = redrawn(text, pa.array(real), Column(name="x", kind="text"))
    assert len(runs(made) & runs(real)) <= 1e-3 * len(runs(made)) and len(runs(made)) > 1_000


def test_no_sentence_of_six_words_comes_out_whole() -> None:
    """Not even one that all texts begin with, nor those whose every word pair is common."""
    rng = np.random.default_rng(7)
    who, does, what = ("the cat", "a dog", "my aunt", "the mayor"), ("sees", "likes", "paints"), ("a red house", "an old boat", "the moon")
    when = ("at night", "on sunday", "in spring")
    told = [f"{rng.choice(who)} {rng.choice(does)} {rng.choice(what)} {rng.choice(when)}." for _ in range(2_400)]
    real = [f"This is how we always begin our letters! {a} {b} Yours!" for a, b in zip(told[::2], told[1::2], strict=True)]
    column = Column(name="x", kind="text")
    book = text.freeze(text.measure(pa.array(real), column), column)

    def whole(texts: list[str]) -> set[str]:
        parts = {" ".join(s.split()) for t in texts for s in re.split(r"(?<=[.!?])\s", t)}
        return {s for s in parts if len(s.split()) >= 6}

    made = text.decode(np.ones((1, 6_000), np.int32), rng.random(6_000), book, column).to_pylist()
    assert len(whole(made)) > 1_500 and not whole(made) & whole(real)
    known = whole(real)
    assert not any(s in m for m in made[:1_000] for s in known)
    old = {k: v for k, v in book.items() if k != "never"}  # as models of 0.1 have it
    assert whole(text.decode(np.ones((1, 2_000), np.int32), rng.random(2_000), old, column).to_pylist()) & whole(real)


def test_a_name_of_few_is_never_written() -> None:
    real = [f"seen by Dr Zyx{chr(97 + i)}q today" for i in range(20) for _ in range(4)]
    made = redrawn(text, pa.array(real), Column(name="x", kind="text"))
    names = {word for m in real for word in m.split() if word.startswith("Zyx")}
    assert not any(name in m for name in names for m in made) and any("today" in m for m in made)


FORE, MIDDLE, LAST = (
    ("Bra", "Cor", "Del", "Fen", "Gal", "Hom", "Jun", "Kel"),
    ("a", "e", "o", "ani", "eli"),
    ("mont", "ric", "stad", "vin", "ler"),
)


def test_words_of_few_are_spelled_anew() -> None:
    """As many words, in the same manner, of steps between letters that are common; and hardly ever one that somebody wrote."""
    rng = np.random.default_rng(8)

    def name() -> str:
        return str(rng.choice(FORE)) + str(rng.choice(MIDDLE)) + str(rng.choice(LAST)) + str(rng.choice(LAST))

    real = [f"The {name()} {name().upper()}" for _ in range(400)]
    made = redrawn(text, pa.array(real), Column(name="x", kind="text"))
    assert np.mean([m.startswith("The ") for m in made]) > 0.9
    assert np.mean([len(m.split()) == 3 for m in made]) > 0.9
    words = [m.split() for m in made if len(m.split()) == 3]
    assert np.mean([w[1].istitle() and w[2].isupper() for w in words]) > 0.95
    assert len({w[1] for w in words}) > 0.7 * len(words)
    written = {w.lower() for r in real for w in r.split()} - {"the"}
    assert np.mean([w.lower() in written for three in words for w in three[1:]]) < 0.01
    steps = {(a, b) for w in written for a, b in itertools.pairwise(w)}
    assert np.mean([(a, b) in steps for three in words for w in three[1:] for a, b in itertools.pairwise(w.lower())]) > 0.85


def test_texts_depend_on_position_and_row_only() -> None:
    column = Column(name="x", kind="text")
    values = pa.array(sentences(200))
    book = text.freeze(text.measure(values, column), column)
    inside = np.random.default_rng(7).random(50)
    codes = np.ones((1, 50), np.int32)
    whole = text.decode(codes, inside, book, column, start=10).to_pylist()
    assert (
        whole
        == text.decode(codes[:, :20], inside[:20], book, column, start=10).to_pylist()
        + text.decode(codes[:, 20:], inside[20:], book, column, start=30).to_pylist()
    )
