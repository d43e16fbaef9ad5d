"""Fairness: groups, rates and differences counted by hand, and the bias that each metric is there to notice."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from lookalike.compare import groups
from lookalike.compare.about import Context, Finding
from lookalike.compare.frame import Frame, code
from lookalike.compare.stats import wilson
from lookalike.metrics import bias, fairness
from lookalike.schema import Column


def frames(**tables: dict[str, np.ndarray]) -> dict[str, Frame]:
    """Frames of arrays; text arrays are categories."""
    first = next(iter(tables.values()))
    kinds = [Column(name=k, kind="number" if np.issubdtype(v.dtype, np.number) else "category") for k, v in first.items()]
    return code({role: pa.table({k: pa.array(v, from_pandas=True) for k, v in t.items()}) for role, t in tables.items()}, kinds)


def context(seed: int = 0, **more: object) -> Context:
    return Context(np.random.default_rng(seed), target="rich", **more)


def by_name(found: list[Finding]) -> dict[str, Finding]:
    return {f.name: f for f in found}


def counted(*cells: tuple[str, str, int]) -> dict[str, np.ndarray]:
    """So many rows of each (group, outcome)."""
    return {
        "sex": np.repeat([g for g, _, _ in cells], [n for *_, n in cells]),
        "rich": np.repeat([y for _, y, _ in cells], [n for *_, n in cells]),
    }


def people(rng: np.random.Generator, rows: int = 3_000, *, gap: float = 0.8, flip: bool = False) -> dict[str, np.ndarray]:
    """An outcome that depends on skill and, by `gap`, on the sex; `flip`: turned round for the women of one region."""
    sex, region = rng.choice(["f", "m"], rows), rng.choice(["n", "s", "e"], rows)
    skill = rng.normal(size=rows)
    rich = skill + gap * (sex == "m") + 0.7 * rng.normal(size=rows) > 0.8
    if flip:
        rich = np.where((sex == "f") & (region == "s"), ~rich, rich)
    return {"skill": skill, "sex": sex, "region": region, "rich": np.where(rich, "yes", "no")}


# ---- groups


def test_protected_columns_are_those_given_or_those_whose_names_tell() -> None:
    words = ["age", "Sex", "wage", "RaceEthnicity", "passenger", "ageGroup", "essex", "gender_code", "average", "Ethnic.group"]
    table = frames(a={w: np.arange(9.0) for w in words})["a"]
    found, note = groups.protected(table, ())
    assert found == ("Sex", "gender_code", "RaceEthnicity", "Ethnic.group", "age", "ageGroup")
    assert "guessed" in note
    assert groups.protected(table, ("wage", "nobody")) == (("wage",), "")
    assert groups.protected(table, (), target="age")[0][0] == "Sex"
    assert groups.protected(frames(a={"x": np.arange(3.0)})["a"], ()) == ((), groups.NONE)


def test_facets_part_rows_by_level_by_quarter_and_where_they_cross() -> None:
    rng = np.random.default_rng(0)
    sex = np.where(np.arange(2_000) < 20, "x", rng.choice(["f", "m"], 2_000))  # too few of x for a group
    age = rng.integers(18, 90, 2_000).astype(float)
    age[:100] = np.nan
    table = frames(a={"sex": sex, "age": age})["a"]
    by_sex, by_age, both = groups.facets(table, ("sex", "age"))
    assert by_sex.texts == ("sex = f", "sex = m")
    assert np.array_equal(by_sex.codes(table) == 0, sex == "f")
    assert (by_sex.codes(table)[sex == "x"] == -1).all()
    assert len(by_age.texts) == 5
    assert by_age.texts[-1] == "age missing"
    assert both.name == "sex × age"
    for i, text in enumerate(both.texts):
        here = both.codes(table) == i
        assert here.sum() >= groups.FEWEST
        assert len(set(sex[here])) == 1
        assert set(sex[here]) == {text.split(", ")[0].removeprefix("sex = ")}


def test_the_outcome_is_the_yes_or_the_rarer_level_or_above_the_median() -> None:
    table = frames(a={"u": np.array(["no"] * 3 + ["yes"] * 7), "v": np.array(["a"] * 7 + ["b"] * 3), "x": np.arange(10.0)})["a"]
    assert [groups.positive(table, n)[1] for n in "uvx"] == ["u = yes", "v = b", "x > 4.5"]
    assert groups.selected(table, "x", 4.5).sum() == 5


# ---- bias of the table


def test_amplification_is_counted() -> None:
    real = counted(("f", "yes", 300), ("f", "no", 700), ("m", "yes", 500), ("m", "no", 500))
    other = counted(("f", "yes", 200), ("f", "no", 800), ("m", "yes", 600), ("m", "no", 400))
    pair = frames(real=real, other=other)
    found = bias.measure(pair["real"], pair["other"], context=context())[0]
    assert found.value == pytest.approx(0.1)  # advantages of ∓0.1 became ∓0.2
    assert bias.measure(pair["other"], pair["real"], context=context())[0].value == pytest.approx(-0.1)
    assert bias.measure(pair["real"], pair["real"], context=context())[0].value == 0
    low, high = wilson(300, 1_000)
    assert found.detail["groups"][0]["real"] == {"rows": 1_000, "rate": 0.3, "low": round(low, 4), "high": round(high, 4)}
    parity = found.detail["parity"][0]
    assert parity["real"] == {"difference": 0.2, "ratio": 0.6}
    assert parity["other"] == {"difference": 0.4, "ratio": pytest.approx(1 / 3, abs=1e-4)}


def test_a_label_flipped_in_a_subgroup_is_named() -> None:
    rng = np.random.default_rng(1)
    tables = frames(real=people(rng), same=people(rng), flipped=people(rng, flip=True))
    found = {k: bias.measure(tables["real"], tables[k], context=context(protected=("sex", "region")))[0] for k in ("same", "flipped")}
    assert min(found["same"].tests.values()) > 0.001
    flagged = sorted(found["flipped"].tests, key=found["flipped"].tests.get)
    assert flagged[0] == "sex = f, region = s"
    assert found["flipped"].tests[flagged[0]] < 1e-6
    assert "sex = m, region = s" not in {k for k, p in found["flipped"].tests.items() if p < 0.001}


def test_tests_of_groups_hold_their_level() -> None:
    rng, chances = np.random.default_rng(2), []
    for k in range(40):
        pair = frames(a=people(rng, 600), b=people(rng, 600))
        chances += bias.measure(pair["a"], pair["b"], context=context(k, protected=("sex", "region")))[0].tests.values()
    assert 0.02 < np.mean(np.array(chances) < 0.05) < 0.09


def test_bias_amplified_and_levelled() -> None:
    rng = np.random.default_rng(3)
    tables = frames(real=people(rng), same=people(rng), more=people(rng, gap=1.6), none=people(rng, gap=0.0))
    found = {k: bias.measure(tables["real"], tables[k], context=context())[0] for k in ("same", "more", "none")}
    assert found["same"].low < 0.02
    assert found["same"].high > -0.02
    assert found["more"].low > 0.05
    assert found["none"].high < -0.05
    assert "guessed" in found["same"].note


# ---- bias of models


def test_differences_between_groups_are_counted() -> None:
    code_ = np.repeat([0, 0, 1, 1], [100, 100, 100, 100])
    truth = np.repeat([True, False, True, False], 100)
    picked = np.zeros(400, bool)
    picked[:80] = picked[100:110] = picked[200:250] = picked[300:330] = True  # of f: 80 of 100, 10 of 100; of m: 50 and 30
    judged = fairness.Judged(truth, picked, None, np.arange(400) % 20)
    parts = [("sex", code_)]
    found = {n: fairness._worst(n, parts, [judged] * 3, "", {}) for n in fairness.TITLES}
    assert found["demographic_parity"].value == pytest.approx(0.45 - 0.40)
    assert found["equalised_odds"].value == pytest.approx(max(0.8 - 0.5, 0.3 - 0.1))
    other = fairness.Judged(truth, truth, None, judged.block)  # nobody is treated unlike others
    unsure = fairness._worst("equalised_odds", parts, [judged, judged, other, judged], "", {})
    assert unsure.value == found["equalised_odds"].value
    assert unsure.high - unsure.low > found["equalised_odds"].high - found["equalised_odds"].low  # models of parts that differ
    part = groups.Facet(("sex",), (np.empty(0),), np.array([0, 1]), ("f", "m"))
    first = fairness._groups(part, code_, judged)[0]
    assert first["selected"][0] == 0.45
    assert first["true_positive"][0] == 0.8
    assert first["false_positive"][0] == 0.1
    assert first["precision"][0] == pytest.approx(80 / 90, abs=1e-4)
    assert first["precision"][1:] == pytest.approx(wilson(80, 90), abs=1e-4)


def test_a_model_of_a_biased_table_is_seen_on_real_rows() -> None:
    rng = np.random.default_rng(4)
    tables = frames(held=people(rng), same=people(rng), more=people(rng, gap=2.5), none=people(rng, gap=0.0))
    found = {k: by_name(fairness.measure(tables["held"], tables[k], context=context())) for k in ("same", "more", "none")}
    for name in fairness.TITLES:
        assert found["more"][name].low > found["same"][name].high
    # Of a table without the gap nothing is learned of it; odds are another matter, for the real outcomes that they count by have it.
    assert found["none"]["demographic_parity"].high < found["same"]["demographic_parity"].low
    assert found["same"]["demographic_parity"].detail["column"] == "sex"
    of_men = next(g for g in found["more"]["demographic_parity"].detail["groups"] if g["group"] == "sex = m")
    assert of_men["calibration"] > 0.05  # it says too much of them


def test_a_number_is_judged_by_its_middle() -> None:
    rng = np.random.default_rng(5)
    table = people(rng)
    table["rich"] = table["skill"] + (table["sex"] == "m") + 0.5 * rng.normal(size=3_000)
    pair = frames(held=table, same=table)
    found = by_name(fairness.measure(pair["held"], pair["same"], context=context()))["demographic_parity"]
    assert found.value > 0.2
    assert found.detail["outcome"].startswith("rich > ")


@pytest.mark.parametrize("metric", [bias, fairness])
def test_odd_tables_get_a_value_or_a_reason(metric: object) -> None:
    rng = np.random.default_rng(6)
    good = people(rng, 200)
    odd = frames(
        good=good,
        one=good | {"sex": np.full(200, "f")},
        none=good | {"sex": np.full(200, None, object)},
        certain=good | {"rich": np.full(200, "no")},
        few={k: v[:20] for k, v in good.items()},
    )
    for real in odd.values():
        for other in odd.values():
            for given in ((), ("sex", "region"), ("nobody",), ("rich",)):
                for found in metric.measure(real, other, context=context(protected=given)):
                    assert found.note if found.value is None else np.isfinite([found.value, found.low, found.high]).all()
                    json.dumps([found.detail, dict(found.tests)], allow_nan=False)
