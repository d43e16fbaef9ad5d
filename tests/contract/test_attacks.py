"""What every attack must do, whichever it is: found by folder, so that a new attack is a new file and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from lookalike import attacks
from lookalike.compare import roc
from lookalike.compare.boost import one_thread
from lookalike.compare.frame import Frame, code, stack
from lookalike.compare.threat import Guess, LogProb, Seen, Threat
from lookalike.schema import Column

KINDS = {"age": "integer", "pay": "number", "rent": "number", "job": "category", "day": "date", "rich": "boolean", "town": "category"}
COLUMNS = tuple(Column(name=name, kind=kind) for name, kind in KINDS.items())
ROWS = 300


def people(seed: int, rows: int = ROWS) -> pa.Table:
    """Rows of mixed kinds that depend on each other, with missing cells."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    job = rng.choice(["clerk", "nurse", "cook", "judge"], rows, p=[0.4, 0.3, 0.2, 0.1])
    pay = np.round(age * 100 + (job == "judge") * 3_000 + rng.normal(0, 900, rows), 2)
    return pa.table(
        {
            "age": pa.array(age, pa.int64()),
            "pay": pa.array(pay, mask=rng.random(rows) < 0.05),
            "rent": pa.array(np.round(pay / 4 + rng.normal(0, 200, rows), 2)),
            "job": pa.array(job).dictionary_encode(),
            "day": pa.array((age * 30 + rng.integers(0, 300, rows)).astype(np.int32)).cast(pa.date32()),
            "rich": pa.array(pay + rng.normal(0, 1_000, rows) > 5_000),
            "town": pa.array(rng.choice(list("abcdefgh"), rows)).dictionary_encode(),
        }
    )


def remembers(rows: Frame) -> Frame:
    """A model that learns nothing but its rows by heart."""
    rng = np.random.default_rng(rows.rows)
    return rows.take(rng.integers(0, rows.rows, rows.rows))


def likelihood(known: Frame, scale: float) -> LogProb:
    """The likelihood of a model that holds rows likely that are near those it knows."""

    def log_prob(rows: Frame) -> np.ndarray:
        a, b = (np.column_stack([np.nan_to_num(f["age"] / 20), np.nan_to_num(f["rent"]) / scale]) for f in (rows, known))
        return np.log(np.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(2) / 0.01**2).sum(1) + 1e-9)

    return log_prob


@pytest.fixture(scope="module")
def frames() -> dict[str, Frame]:
    tables = {"members": people(1), "strangers": people(2), "reference": people(3, 2 * ROWS), "fresh": people(4)}
    return code(tables, COLUMNS)


@pytest.fixture(scope="module")
def targets(frames: dict[str, Frame]) -> tuple[Frame, np.ndarray]:
    """Members and strangers shuffled, and which are members."""
    order = np.random.default_rng(0).permutation(2 * ROWS)
    return stack([frames["members"], frames["strangers"]]).take(order), order < ROWS


def seen(frames: dict[str, Frame], synthetic: Frame) -> Seen:
    return Seen(synthetic, frames["reference"], likelihood(synthetic, 400.0), remembers)


@one_thread()
def attack(name: str, rows: Frame, view: Seen, seed: int = 0) -> Guess:
    return attacks.load(name).attack(rows, view, rng=np.random.default_rng(seed))


@pytest.fixture(scope="module")
def usual(frames: dict[str, Frame], targets: tuple[Frame, np.ndarray]) -> Callable[[str, str], Guess]:
    """What an attack guesses where the synthetic rows are those of a table; made once."""
    return cache(lambda name, synthetic: attack(name, targets[0], seen(frames, frames[synthetic])))


@pytest.mark.parametrize("name", attacks.names())
def test_it_says_what_it_is(name: str) -> None:
    threat = attacks.load(name).THREAT
    assert isinstance(threat, Threat)
    assert threat.title and threat.definition.endswith(".") and threat.source and threat.knows
    assert threat.quick is False or not threat.needs - {"log_prob"}


@pytest.mark.parametrize("name", attacks.names())
def test_it_catches_a_table_of_training_rows(name: str, usual: Callable[[str, str], Guess], targets: tuple[Frame, np.ndarray]) -> None:
    member, score = targets[1], usual(name, "members").score
    value, error = roc.area(score[member], score[~member])
    assert value - 3 * error > 0.5


@pytest.mark.parametrize("name", attacks.names())
def test_it_finds_nothing_in_fresh_rows(name: str, usual: Callable[[str, str], Guess], targets: tuple[Frame, np.ndarray]) -> None:
    member, score = targets[1], usual(name, "fresh").score
    value, error = roc.area(score[member], score[~member])
    assert abs(value - 0.5) < 4 * max(error, 1e-3)


@pytest.mark.parametrize("name", attacks.names())
def test_every_target_gets_a_finite_score_and_guesses_are_right_or_wrong(
    name: str, usual: Callable[[str, str], Guess], targets: tuple
) -> None:
    guess = usual(name, "fresh")
    assert guess.score.shape == (targets[0].rows,) and guess.score.dtype == np.float64 and np.isfinite(guess.score).all()
    assert bool(guess.hits) == (attacks.load(name).THREAT.wants != "membership")
    for hits in guess.hits.values():
        assert hits.shape == guess.score.shape and set(np.unique(hits[~np.isnan(hits)])) <= {0.0, 1.0}


@pytest.mark.parametrize("name", [n for n in attacks.names() if n != "shadow"])
def test_who_stands_where_among_the_targets_does_not_matter(
    name: str, frames: dict[str, Frame], targets: tuple[Frame, np.ndarray], usual: Callable[[str, str], Guess]
) -> None:
    # Shadow models learn half of the targets, chosen at random: another order is another choice.
    rows = targets[0]
    order = np.random.default_rng(5).permutation(rows.rows)
    plain = usual(name, "members").score
    turned = attack(name, rows.take(order), seen(frames, frames["members"])).score
    np.testing.assert_allclose(turned, plain[order], atol=1e-3 * max(1.0, float(np.abs(plain).max())))


@pytest.mark.parametrize("name", attacks.names())
def test_it_changes_nothing_and_repeats_itself(
    name: str, frames: dict[str, Frame], targets: tuple[Frame, np.ndarray], usual: Callable[[str, str], Guess]
) -> None:
    before = {role: {k: v.copy() for k, v in f.values.items()} for role, f in frames.items()}
    np.testing.assert_array_equal(usual(name, "fresh").score, attack(name, targets[0], seen(frames, frames["fresh"])).score)
    for role, values in before.items():
        for k, v in values.items():
            np.testing.assert_array_equal(frames[role][k], v)


@pytest.mark.parametrize("name", attacks.names())
@pytest.mark.parametrize("odd", ["one column", "constant", "missing", "few"])
def test_an_odd_table_gets_a_finite_score(name: str, odd: str, frames: dict[str, Frame], targets: tuple[Frame, np.ndarray]) -> None:
    def oddly(frame: Frame) -> Frame:
        if odd == "one column":
            return frame.only(["pay"])
        if odd == "few":
            return frame.take(np.arange(3))
        gone = {k: np.full_like(v, -1 if frame.is_label(k) else np.nan if odd == "missing" else 1) for k, v in frame.values.items()}
        kept = {"constant": ("age",), "missing": ("job",)}[odd]
        return Frame(frame.columns, {k: frame[k] if k in kept else v for k, v in gone.items()}, frame.levels, frame.rows)

    view = Seen(oddly(frames["fresh"]), oddly(frames["reference"]), lambda rows: np.zeros(rows.rows), remembers)
    rows = oddly(targets[0])
    guess = attack(name, rows, view)
    assert guess.score.shape == (rows.rows,) and np.isfinite(guess.score).all()
