"""Figures that others compute too: scipy, scikit-learn and, from a frozen file, SDMetrics (where its definition is sound), to 1e-9."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from lookalike import metrics
from lookalike.compare import chance, pairs, roc, stats
from lookalike.compare.about import Context, Finding
from lookalike.compare.frame import Frame, grid
from lookalike.compare.judge import figure
from lookalike.compare.learn import Guess
from lookalike.schema import Column

FROZEN = json.loads((Path(__file__).parents[1] / "golden" / "sdmetrics-0.32.0.json").read_text(encoding="utf-8"))
CLOSE = 1e-9


def frames(*names: str, tables: dict[str, dict[str, list[Any]]] = FROZEN) -> tuple[Frame, Frame]:
    """Columns of the frozen tables, or of others, as the metrics get them: the real and the other table."""
    cells, levels, columns = ({}, {}), {}, []
    for name in names:
        both = [tables["real"][name], tables["other"][name]]
        texts = sorted({v for values in both for v in values if isinstance(v, str)})
        columns.append(Column(name=name, kind="category" if texts else "number"))
        if texts:
            levels[name] = tuple(texts)
        for out, values in zip(cells, both, strict=True):
            coded = [texts.index(v) if texts and v is not None else v for v in values]
            out[name] = np.array(coded, np.int32) if texts else np.array([np.nan if v is None else v for v in values], float)
    real, other = (Frame(tuple(columns), c, levels, len(c[names[0]])) for c in cells)
    return real, other


def found(metric: str, name: str, real: Frame, other: Frame) -> Finding:
    """One figure of a metric."""
    findings = metrics.load(metric).measure(real, other, context=Context(np.random.default_rng(0)))
    return next(f for f in findings if f.name == name)


def said(name: str) -> float:
    """What SDMetrics says, as an error in percent."""
    return 100 * (1 - FROZEN["scores"][name])


@pytest.mark.parametrize("column", ["height", "weight"])
def test_shape_of_a_number_is_ks_of_scipy_and_sdmetrics(column: str) -> None:
    real, other = frames(column)
    value = found("shape", "shape", real, other).value
    assert value == pytest.approx(100 * scipy.stats.ks_2samp(real[column], other[column]).statistic, abs=CLOSE)
    assert value == pytest.approx(said(f"KSComplement {column}"), abs=CLOSE)


@pytest.mark.parametrize("column", ["town", "kind"])
def test_shape_of_a_label_is_the_total_variation_of_sdmetrics(column: str) -> None:
    assert found("shape", "shape", *frames(column)).value == pytest.approx(said(f"TVComplement {column}"), abs=CLOSE)


def test_shape_of_several_columns_is_their_mean() -> None:
    each = [said("KSComplement height"), said("TVComplement town"), said("TVComplement kind")]
    assert found("shape", "shape", *frames("height", "town", "kind")).value == pytest.approx(np.mean(each), abs=CLOSE)


def test_trend_of_two_labels_is_the_contingency_of_sdmetrics() -> None:
    assert found("trend", "trend", *frames("town", "kind")).value == pytest.approx(said("ContingencySimilarity"), abs=CLOSE)


def test_correlation_is_spearmans_of_scipy_and_sdmetrics() -> None:
    real, other = frames("height", "weight")
    value = found("correlation", "correlation", real, other).value
    ours = [scipy.stats.spearmanr(f["height"], f["weight"]).statistic for f in (real, other)]
    assert value == pytest.approx(50 * abs(ours[0] - ours[1]), abs=CLOSE)
    assert value == pytest.approx(said("CorrelationSimilarity Spearman"), abs=CLOSE)


def test_pearson_is_scipys_and_sdmetrics() -> None:
    coefficients = []
    for frame in frames("height", "weight"):
        coefficients.append(pairs.pearson(frame, ["height", "weight"])[0, 1])
        assert coefficients[-1] == pytest.approx(scipy.stats.pearsonr(frame["height"], frame["weight"]).statistic, abs=CLOSE)
    assert 50 * abs(coefficients[0] - coefficients[1]) == pytest.approx(said("CorrelationSimilarity Pearson"), abs=CLOSE)


def test_missing_cells_are_as_many_as_sdmetrics_counts() -> None:
    assert found("missing", "missing_patterns", *frames("paid", "kind")).value == pytest.approx(
        said("MissingValueSimilarity paid"), abs=CLOSE
    )


@pytest.mark.parametrize("column", ["town", "kind"])
def test_values_reached_are_the_category_coverage_of_sdmetrics(column: str) -> None:
    value = found("coverage", "values_reached", *frames(column)).value
    assert value == pytest.approx(100 * FROZEN["scores"][f"CategoryCoverage {column}"], abs=CLOSE)


def test_exact_copies_are_the_rows_that_are_not_new_to_sdmetrics() -> None:
    towns = ["z" if i % 4 == 0 else t for i, t in enumerate(FROZEN["other"]["town"])]
    tables = {"real": FROZEN["real"], "other": FROZEN["other"] | {"town": towns}}
    assert found("copies", "exact_copies", *frames("town", "kind", tables=tables)).value == pytest.approx(
        said("NewRowSynthesis"), abs=CLOSE
    )


def test_moved_mass_and_jensen_shannon_are_scipys() -> None:
    real, other = frames("town")
    p, q = (np.bincount(f["town"], minlength=5) / f.rows for f in (real, other))
    value = found("shape", "jensen_shannon", real, other).value
    assert value == pytest.approx(100 * scipy.spatial.distance.jensenshannon(p, q, base=2), abs=CLOSE)
    real, other = frames("height")
    low, high = np.quantile(real["height"], [0.01, 0.99])
    a, b = (np.clip((f["height"] - low) / (high - low), 0, 1) for f in (real, other))
    value = found("shape", "wasserstein", real, other).value
    assert value == pytest.approx(100 * scipy.stats.wasserstein_distance(a, b), abs=CLOSE)


def test_information_is_scikit_learns_and_cramers_v_is_bergsmas() -> None:
    real, _ = frames("town", "kind")
    bins = grid(real, ("town", "kind"))
    counts = pairs.tables(real, bins, np.random.default_rng(0)).sum(0, dtype=np.float64)
    mutual, entropy = pairs.information(counts, bins, corrected=False)
    assert mutual[0, 1] == pytest.approx(sklearn.metrics.mutual_info_score(real["town"], real["kind"]), abs=CLOSE)
    assert entropy[0] == pytest.approx(scipy.stats.entropy(np.bincount(real["town"])), abs=CLOSE)
    table = sklearn.metrics.cluster.contingency_matrix(real["town"], real["kind"])
    n, (r, c) = real.rows, table.shape
    phi = max(0.0, scipy.stats.contingency.association(table, "cramer") ** 2 * (min(r, c) - 1) - (r - 1) * (c - 1) / (n - 1))
    fair = [k - (k - 1) ** 2 / (n - 1) for k in (r, c)]
    assert pairs.association(counts, bins)[0, 1] == pytest.approx(np.sqrt(phi / (min(fair) - 1)), abs=CLOSE)


@pytest.mark.parametrize("ties", [False, True])
def test_area_under_the_curve_is_scikit_learns_and_its_error_delongs(ties: bool) -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(120) < 0.4
    score = rng.normal(0, 1, 120) + truth
    score = np.round(score) if ties else score
    value, error = stats.auc(truth, score)
    assert value == pytest.approx(sklearn.metrics.roc_auc_score(truth, score), abs=CLOSE)
    yes, no = score[truth], score[~truth]
    wins = (yes[:, None] > no) + 0.5 * (yes[:, None] == no)
    slow = wins.mean(1).var(ddof=1) / len(yes) + wins.mean(0).var(ddof=1) / len(no)
    assert error == pytest.approx(np.sqrt(slow), abs=CLOSE)


def test_figures_of_predictions_are_scikit_learns() -> None:
    rng = np.random.default_rng(4)
    truth, raw = rng.integers(0, 3, 150), rng.random((150, 3))
    chance_ = raw / raw.sum(1, keepdims=True)
    value = figure(truth, Guess(classes=np.arange(3), chance=chance_))
    assert value == pytest.approx(sklearn.metrics.roc_auc_score(truth, chance_, multi_class="ovr", average="macro"), abs=CLOSE)
    number = rng.normal(0, 1, 150)
    guess = number + rng.normal(0, 0.5, 150)
    assert figure(number, Guess(value=guess)) == pytest.approx(sklearn.metrics.r2_score(number, guess), abs=CLOSE)


@pytest.mark.parametrize(("hits", "rows"), [(0, 40), (1, 40), (17, 40), (40, 40), (3, 5_000)])
def test_intervals_of_rates_are_scipys(hits: int, rows: int) -> None:
    test = scipy.stats.binomtest(hits, rows)
    assert stats.wilson(hits, rows) == pytest.approx(tuple(test.proportion_ci(method="wilson")), abs=CLOSE)
    assert roc.clopper(hits, rows) == pytest.approx(tuple(test.proportion_ci(method="exact")), abs=CLOSE)


def test_many_tests_are_corrected_as_by_scipy() -> None:
    p = np.random.default_rng(5).random(50) ** 3
    assert stats.false_discovery(p) == pytest.approx(scipy.stats.false_discovery_control(p), abs=CLOSE)


def test_p_values_of_columns_are_scipys() -> None:
    rng = np.random.default_rng(6)
    p, q = rng.integers(20, 60, 7), rng.integers(20, 60, 7)
    told = scipy.stats.chi2_contingency([p, q], correction=False)
    assert chance.chi_square(p, q) == pytest.approx((told.statistic, told.pvalue), abs=CLOSE)
    a, b = rng.normal(0, 1, 300), rng.normal(0.2, 1, 200)
    test = scipy.stats.ks_2samp(a, b, method="asymp")
    assert chance.kolmogorov(test.statistic, 300, 200) == pytest.approx(test.pvalue, abs=CLOSE)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(8).normal(0, 1, stats.BLOCKS)
    left_out = (values.sum() - values) / (len(values) - 1)
    assert stats.jackknife(left_out) == pytest.approx(scipy.stats.sem(values), abs=CLOSE)


def test_the_frozen_file_says_how_it_was_made() -> None:
    assert FROZEN["made"] == "benchmarks/evidence/frozen.py with sdmetrics 0.32.0"
    assert (Path(__file__).parents[2] / FROZEN["made"].split()[0]).is_file()
