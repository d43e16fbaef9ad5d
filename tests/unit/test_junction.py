"""Junction trees against the whole table, which is small enough here to be written out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from lookalike.models._junction import Junction, Measured, cells, fit, pick, spread, summed
from lookalike.models._tabulate import count, grown, stretched

SIZES = (2, 3, 4, 3, 2)
CLIQUES = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)]


def whole(tree: Junction, logs: list[np.ndarray]) -> np.ndarray:
    """The table of all columns that the potentials stand for, summed out by hand."""
    every = tuple(range(len(tree.sizes)))
    total = sum((spread(x, c, every) for c, x in zip(tree.cliques, logs, strict=True)), np.zeros(tree.sizes))
    made = np.exp(total - total.max())
    return made / made.sum()


def random_logs(tree: Junction) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(0, 2, tree.shape(c)) for c in tree.cliques]


def test_every_wanted_clique_has_a_home_and_columns_that_meet_in_two_cliques_meet_on_the_way() -> None:
    tree = Junction.of(SIZES, CLIQUES)
    assert all(tree.home(c) is not None for c in CLIQUES)
    for a, b in itertools.combinations(range(len(tree.cliques)), 2):
        path, shared = {a, b}, set(tree.cliques[a]) & set(tree.cliques[b])
        while a != b:
            a, b = (tree.parents[a], b) if a > b else (a, tree.parents[b])
            path |= {a, b}
        assert all(shared <= set(tree.cliques[k]) for k in path)


def test_messages_give_the_marginals_of_the_whole_table() -> None:
    tree = Junction.of(SIZES, CLIQUES)
    logs = random_logs(tree)
    table = whole(tree, logs)
    for clique, belief in zip(tree.cliques, tree.calibrate(logs), strict=True):
        np.testing.assert_allclose(belief, summed(table, tuple(range(len(SIZES))), clique), atol=1e-12)


def test_log_probabilities_are_those_of_the_whole_table_and_sum_to_one() -> None:
    tree = Junction.of(SIZES, CLIQUES)
    logs = random_logs(tree)
    rows = np.array(list(itertools.product(*map(range, SIZES))))
    found = tree.log_prob(tree.calibrate(logs), rows)
    np.testing.assert_allclose(np.exp(found), whole(tree, logs).ravel(), atol=1e-12)
    assert math.isclose(np.exp(found).sum(), 1)


def test_columns_without_a_clique_are_drawn_too() -> None:
    tree = Junction.of((2, 3, 2), [(0, 1)])
    drawn = tree.draw(tree.calibrate(tree.zeros()), 600, np.random.default_rng(0))
    assert [np.bincount(drawn[:, c]).tolist() for c in range(3)] == [[300, 300], [200, 200, 200], [300, 300]]


def test_drawn_rows_hold_as_many_of_each_cell_as_they_should() -> None:
    tree = Junction.of(SIZES, CLIQUES)
    beliefs = tree.calibrate(random_logs(tree))
    drawn = tree.draw(beliefs, 50_000, np.random.default_rng(1))
    for clique, belief in zip(tree.cliques, beliefs, strict=True):
        at = np.ravel_multi_index([drawn[:, c] for c in clique], tree.shape(clique))
        seen = np.bincount(at, minlength=belief.size) / len(drawn)
        assert np.abs(seen - belief.ravel()).sum() < 0.01  # independent rows would be off by about 0.03


def test_a_fit_without_noise_finds_the_marginals_and_the_greatest_entropy() -> None:
    rng = np.random.default_rng(5)
    table = rng.dirichlet(np.full(math.prod(SIZES), 0.5)).reshape(SIZES)
    every, cliques = tuple(range(len(SIZES))), [(0, 1, 2), (2, 3), (3, 4)]
    measured = [Measured(c, 1_000 * summed(table, every, c), 1.0) for c in cliques]
    tree = Junction.of(SIZES, cliques)
    logs, beliefs = fit(tree, tree.zeros(), measured, total=1_000, most=2_000)
    for m in measured:
        home = tree.home(m.clique)
        assert home is not None
        np.testing.assert_allclose(1_000 * summed(beliefs[home], tree.cliques[home], m.clique), m.counts, atol=0.5)
    # of all tables with these marginals the product over cliques has the greatest entropy: p(0,1,2) p(3|2) p(4|3)
    three, two, last = (summed(table, every, c) for c in cliques)
    product = three[..., None] * (two / two.sum(1, keepdims=True))[None, None]
    product = product[..., None] * (last / last.sum(1, keepdims=True))[None, None, None]
    assert np.abs(whole(tree, logs) - product).sum() < 0.01


def test_noisy_counts_below_zero_and_contradictions_are_borne() -> None:
    tree = Junction.of((2, 2), [(0, 1)])
    measured = [Measured((0,), np.array([90.0, 12.0]), 2.0), Measured((0, 1), np.array([[60.0, 28.0], [-5.0, 9.0]]), 2.0)]
    _, beliefs = fit(tree, tree.zeros(), measured, total=100, most=500)
    assert np.isfinite(beliefs[0]).all()
    assert beliefs[0].min() >= 0
    assert 100 * beliefs[0][1, 0] < 1.5
    assert 86 < 100 * beliefs[0][0].sum() < 92


def test_moving_to_a_larger_tree_keeps_the_table() -> None:
    small = Junction.of(SIZES, [(0, 1), (1, 2), (3, 4)])
    logs = random_logs(small)
    large = Junction.of(SIZES, [(0, 1), (1, 2), (3, 4), (2, 3)])
    np.testing.assert_allclose(whole(large, large.moved(small, logs)), whole(small, logs), atol=1e-12)


@pytest.mark.parametrize("wanted", [[(0, 1)], [(0, 1), (1, 2), (0, 2)], CLIQUES])
def test_cells_are_counted_before_a_tree_is_made(wanted: list[tuple[int, ...]]) -> None:
    assert cells(SIZES, wanted) == Junction.of(SIZES, wanted).cells


def test_choices_are_shared_out_evenly_and_in_random_order() -> None:
    rng = np.random.default_rng(2)
    at = rng.integers(0, 2, 1_000)
    chances = np.array([[0.2, 0.0, 0.8], [0.0, 0.0, 0.0]])
    found = pick(chances, at, rng)
    first = found[at == 0]
    assert abs(np.mean(first == 0) - 0.2) < 0.01
    assert not (first == 1).any()
    assert abs(np.corrcoef(np.arange(len(first)), first)[0, 1]) < 0.15
    assert set(np.bincount(found[at == 1], minlength=3) // (max(int((at == 1).sum()) // 3, 1) + 2)) == {0}  # nothing known: all alike


def test_growth_of_candidates_is_that_of_the_trees_they_make() -> None:
    have, candidates = [(0, 1), (1, 2), (3, 4)], [(0, 2), (0, 4), (2, 3), (0, 1, 2), (0, 2, 4), (1, 2)]
    assert np.allclose(grown(SIZES, have, candidates), [cells(SIZES, [*have, c]) for c in candidates])


def test_a_pair_stretches_a_tree_at_least_as_far_as_elimination_does() -> None:
    tree = Junction.of(SIZES, [(0, 1), (1, 2), (2, 3), (3, 4)])
    pairs = list(itertools.combinations(range(5), 2))
    for pair, most in zip(pairs, stretched(tree, pairs), strict=True):
        assert cells(SIZES, [*tree.cliques, pair]) <= most < math.inf
        assert (most == tree.cells) == (tree.home(pair) is not None)


def test_rows_are_counted_by_combinations() -> None:
    rng = np.random.default_rng(4)
    values = np.stack([rng.integers(0, s, 500) for s in SIZES]).astype(np.uint16)
    found = count(values, (0, 2, 3), SIZES).reshape(2, 4, 3)
    for cell in itertools.product(range(2), range(4), range(3)):
        assert found[cell] == (values[[0, 2, 3]] == np.array(cell)[:, None]).all(0).sum()
