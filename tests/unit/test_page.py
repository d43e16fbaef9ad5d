"""The page without a browser: what is drawn, what is escaped, what a public page must not have, and how large it is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lookalike.report import drill, hexes, page, tracks


def score(name: str = "shape", **more: Any) -> dict[str, Any]:
    given = {"name": name, "title": name.capitalize(), "metric": name, "area": "fidelity", "unit": "%", "better": "lower"}
    given |= {"value": 2.0, "low": 1.5, "high": 2.5, "ceiling": 1.0, "ceiling_interval": [0.8, 1.2], "floor": 8.0, "floor_interval": None}
    given |= {"copy": 0.5, "uniform": 50.0, "skill": 0.86, "skill_low": 0.8, "skill_high": 0.9, "draws": [2.0, 2.1], "detectable": 0.4}
    return given | {"tested": 0, "flagged": [], "note": "", "detail": {}} | more


def attack(name: str, *, informative: bool = True) -> dict[str, Any]:
    rate = {"value": 0.02, "low": 0.01, "high": 0.03}
    control = {"value": 0.6, "low": 0.55, "high": 0.65, "tpr01": 0.1}
    return {
        "name": name,
        "title": name.capitalize(),
        "threat": {"knows": "the table", "wants": "membership", "strength": "weak"},
        "value": 0.52,
        "low": 0.5,
        "high": 0.54,
        "tpr": {"0.001": {"value": None, "low": None, "high": None, "note": "too few"}, "0.01": rate, "0.1": rate},
        "epsilon": 0.0,
        "roc": {"fpr": [0.0, 0.01, 1.0], "tpr": [0.0, 0.02, 1.0]},
        "controls": {"leak": control | {"caught": informative}, "noise": control | {"caught": True}, "fresh": control | {"caught": False}},
        "informative": informative,
        "outliers": {"rows": 20, "value": 0.5, "low": 0.4, "high": 0.6},
        "rows": {"members": 500, "strangers": 500, "reference": 200},
        "note": "",
        "detail": {"synthetic_rows": 900},
    }


def report(columns: int = 3, **more: Any) -> dict[str, Any]:
    names = [f"column {i}" for i in range(columns)]
    square = [[0.123] * columns for _ in names]
    chart = {"type": "histogram", "labels": [f"{i} – {i + 1}" for i in range(32)], "ticks": [str(i) for i in range(32)]}
    chart |= dict.fromkeys(("real", "synthetic", "holdout"), [3.12] * 32)
    card = {"kind": "number", "missing": {"real": 0.0, "synthetic": 0.0, "holdout": 0.0}, "figures": [["median", "1", "2"]], "chart": chart}
    trend = {"names": names, "error": square, "association": {"real": square, "other": square}}
    trend["correlation"] = {"names": names, "real": square, "other": square}
    shape = {"columns": {n: {"value": 1.0, "low": 0.5, "high": 1.5} for n in names}}
    cells = [[x + 0.5 * (y % 2), 0.866 * y, 0.1, 0.2, None] for x in range(30) for y in range(30)]
    axis = {"share": 0.3, "columns": [{"name": names[0], "weight": 0.7}]}
    data = {
        "format": "lookalike.report",
        "version": 2,
        "audience": "internal",
        "effort": "quick",
        "name": "synthetic",
        "rows": {"real": 1000, "synthetic": 1000, "holdout": 500},
        "about": {},
        "target": {"name": None, "given": False, "why": ""},
        "protected_columns": [],
        "notes": [],
        "seed": 0,
        "compared": {"columns": names, "left_out": []},
        "protected": {},
        "privacy": None,
        "split": {"tone": "good", "text": "A fresh sample.", "c2st": None, "overlap": None, "doubts": []},
        "verdict": [{"tone": "good", "area": "fidelity", "title": "Columns", "text": "As real."}],
        "limits": ["Few rows."],
        "scores": [
            score(detail={"synthetic": shape, "ceiling": shape}),
            score("trend", detail={"synthetic": trend, "ceiling": trend}),
        ],
        "attacks": [attack("near"), attack("deaf", informative=False), attack("best")],
        "columns": [{"name": n, **card} for n in names],
        "map": {"axes": [axis, axis], "cells": cells},
        "untested": [{"what": "Time", "why": "no order"}],
        "definitions": [],
        "others": [],
        "gates": [],
    }
    return data | more


def section(html: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', html, re.DOTALL)
    assert found, f"no section {name}"
    return found.group()


def test_a_wide_page_is_small_enough() -> None:
    assert len(page.render(report(50)).encode()) < 5_000_000


def test_a_score_nobody_knew_of_is_drawn_with_its_detail() -> None:
    new = score("brand_new", area="novelty", detail={"synthetic": {"things": [{"name": "hat <b>", "real": 1.5, "other": 2.5}]}})
    fidelity = new | {"area": "fidelity", "flagged": [{"name": "hat <b>", "p": 0.001, "q": 0.01}], "tested": 9}
    html = page.render(report(scores=[new, fidelity]))
    assert "Novelty" in section(html, "overview") and "1 of 9 differ" in section(html, "overview")
    assert "hat &lt;b&gt;" in section(html, "fidelity") and "<b>hat" not in html and "hat <b>" not in html


def test_a_figure_lies_where_its_scale_says() -> None:
    drawn = tracks.row(score())["at"]
    assert drawn["ceiling"] < drawn["low"] < drawn["value"] < drawn["high"] < drawn["floor"] <= 100
    assert drawn["ceiling"] / drawn["floor"] == pytest.approx(1 / 8, rel=1e-3)  # from 0: half as long is half as much
    target = tracks.row(score(better="target", unit="", value=-0.2, low=-0.3, high=-0.1, ceiling=0.0, ceiling_interval=None, floor=None))[
        "at"
    ]
    assert 0 <= target["low"] < target["ceiling"] <= 100 and target["floor"] is None
    alike = tracks.row(score(value=0.0, low=0.0, high=0.0, ceiling=0.0, ceiling_interval=[0, 0], floor=0.0))["at"]
    assert all(0 <= v <= 100 for v in alike.values() if v is not None)


def test_an_uninformative_attack_is_marked_and_the_best_stands_first() -> None:
    attacks = section(page.render(report()), "privacy")
    assert attacks.count("uninformative</span>") == 1
    assert attacks.index("Best") < attacks.index("Near") < attacks.index("Deaf")
    assert "2.0 %" in attacks and "✗ leak" in attacks


def test_what_is_the_matter_with_the_split_stands_above_all() -> None:
    split = {"tone": "poor", "text": "The holdout is another year.", "c2st": None, "overlap": None, "doubts": []}
    html = page.render(report(split=split, verdict=[{"tone": "poor", "area": "split", "title": "The holdout", "text": split["text"]}]))
    assert html.index("another year") < html.index('id="verdict"')
    assert "As confidential as the data" in html


def test_reasons_pairs_and_rules_of_the_classifier_are_told() -> None:
    reasons = [{"name": "age", "loss": 0.2}, {"name": "pay", "loss": 0.1}]
    rules = [{"text": "age > 90", "columns": ["age"], "hidden": False, "real": 1.5, "other": 20.25}]
    detail = {"rows": 500, "saturated": False, "reasons": reasons, "pairs": [{"a": "age", "b": "pay", "loss": 0.05}], "rules": rules}
    told = section(page.render(report(scores=[score("c2st", unit="", detail={"synthetic": detail})])), "classifier")
    assert 'width="100.0%"' in told and 'width="50.0%"' in told
    assert "age × pay" in told and "age &gt; 90" in told and "20.25" in told


def test_several_tables_stand_side_by_side_on_one_scale() -> None:
    other = {
        "name": "<rival>",
        "rows": {"real": 1000, "synthetic": 700, "holdout": 500},
        "scores": [score(value=4.0)],
        "attacks": [],
        "verdict": [],
    }
    data = report(others=[other])
    side = section(page.render(data), "compared")
    assert "&lt;rival&gt;" in side and "4.00 %" in side and "2.00 %" in side
    first, second = (c["at"]["value"] for c in tracks.compared([data, other], coarse=False)[0]["rows"][0]["cells"])
    assert second == pytest.approx(2 * first, rel=1e-3)
    assert 'id="compared"' not in page.render(report())


def test_without_a_map_columns_or_attacks_it_says_so() -> None:
    html = page.render(report(map=None, attacks=[], scores=[score("utility", area="utility", value=None, note="no target")]))
    assert 'id="map"' not in html and "#map" not in html
    assert "No attack was tried" in html and "no target" in section(html, "utility")


RATE = {"rate": 0.5, "low": 0.25, "high": 0.75, "rows": 1200}
SAID = [
    (0.12345, "0.1235"),
    (True, "yes"),
    (None, "–"),
    ([0.25, 0.5], "0.25 → 0.5"),
    ([0.5, 0.25, 0.75], "0.5 (0.25 – 0.75)"),
    ([], "none"),
    (["a", "b"], "a, b"),
    ({"real": 1, "other": 2}, "1 → 2"),
    (RATE, "0.5 (0.25 – 0.75) of 1,200"),
]


@pytest.mark.parametrize(("value", "said"), SAID)
def test_values_are_told_in_words(value: Any, said: str) -> None:
    assert drill.text(value) == said


def test_the_worst_come_first_and_the_rest_is_counted() -> None:
    columns = {f"c{i}": {"value": float(i), "low": 0.0, "high": 99.0} for i in range(30)}
    found = drill.table("columns", columns)
    assert found and found["rows"][0] == ["c29", "29 (0 – 99)"] and found["left_out"] == 30 - drill.ROWS
    good = drill.table("columns", columns, worst_low=True)
    assert good and good["rows"][0][0] == "c0"
    assert drill.table("x", 3) is None and drill.table("x", [1, 2]) is None


def test_hexagons_are_shaded_by_how_full_they_are() -> None:
    plane = {"cells": [[0, 0, 8.0, 8.0, None], [1, 0, 0.01, None, 0.01], [2, 0, 2.0, 6.0, 2.0]]}
    found = hexes.panels(plane, held="held-out real")
    real, synthetic, held = ([name for name, _ in p["paths"]] for p in found["tables"])
    assert real == ["h1", "h4", "h6"] and synthetic == ["h6"] and held == ["h1", "h4"]
    more = found["gaps"][0]["paths"]
    assert [name.split()[0] for name, _ in more] == ["plus"]
