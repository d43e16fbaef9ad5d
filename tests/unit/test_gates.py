"""Gates: what a pipeline may require, which end of an interval counts, and what is said of what is not met."""

from __future__ import annotations

from typing import Any

import pytest

from lookalike.errors import SettingError, UnknownName
from lookalike.report.gates import check, read

SCORE = {
    "name": "c2st",
    "unit": "",
    "value": 0.58,
    "low": 0.55,
    "high": 0.61,
    "ceiling": 0.5,
    "floor": 0.9,
    "copy": 0.5,
    "uniform": 1.0,
    "skill": 0.8,
    "skill_low": 0.7,
    "skill_high": 0.9,
    "detectable": 0.02,
    "flagged": [{"name": "age"}],
    "note": "",
}


def attack(name: str, found: float, *, informative: bool = True, wants: str = "membership", holds: str = "table") -> dict[str, Any]:
    return {
        "name": name,
        "threat": {"wants": wants, "holds": holds},
        "informative": informative,
        "note": "",
        "value": 0.5 + found,
        "low": 0.48 + found,
        "high": 0.52 + found,
        "epsilon": 10 * found,
        "tpr": {"0.01": {"value": found, "low": found / 2, "high": 2 * found}, "0.001": {"value": None, "note": "too few rows"}},
        "outliers": {"rows": 20, "value": 0.6, "low": 0.5, "high": 0.7},
    }


DATA = {
    "scores": [
        SCORE,
        SCORE | {"name": "exact_copies", "unit": "%", "value": 0.4, "low": 0.3, "high": 0.5},
        SCORE
        | {"name": "utility", "value": None, "low": None, "high": None, "skill": None, "skill_low": None, "note": "no target: name one"},
    ],
    "attacks": [
        attack("near", 0.01),
        attack("ratio", 0.03),
        attack("blind", 0.5, informative=False),
        attack("guess", 0.2, wants="attribute"),
        attack("exact_copies", 0.04),  # of the same name as a score
        attack("best", 0.02),
    ],
}


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("c2st<=0.62", True),
        ("c2st<=0.6", False),  # the figure is below, its interval reaches beyond
        ("c2st.value<=0.6", True),
        ("c2st<=62%", True),
        ("c2st >= 0.55", True),
        ("c2st>0.55", False),
        ("c2st.skill>=0.7", True),
        ("c2st.skill>=0.75", False),
        ("c2st.skill<=0.85", False),
        ("c2st.flagged<=1", True),
        ("c2st.flagged<1", False),
        ("exact_copies<=0.5%", True),  # already in percent
        ("exact_copies<=0.005", False),
        ("mia.tpr@1%<=0.04", True),  # of `best`; another one's reaches 0.06
        ("mia.tpr@1%<=3%", False),
        ("mia.tpr@1%>=0.01", True),
        ("mia.tpr@1%>=0.011", False),
        ("best.tpr@1%<=0.04", True),
        ("near.tpr@1%<=0.02", True),
        ("attacks.near.tpr@1%<=0.02", True),
        ("attacks.ratio.tpr@1%<=0.05", False),
        ("mia.auc<=0.55", True),
        ("mia<=0.53", False),
        ("attacks.mia<=0.55", True),
        ("mia.epsilon<=0.2", True),
        ("mia.outliers<=0.7", True),
        ("guess.auc<=0.73", True),
        ("exact_copies.tpr@1%<=0.08", True),
        ("exact_copies.epsilon<=0.3", False),
        ("attacks.exact_copies<=0.56", True),
        ("exact_copies.value<=0.4", True),
    ],
)
def test_the_worse_end_counts(text: str, met: bool) -> None:
    outcome = check(read(text), DATA)
    assert outcome.met is met, outcome.text
    assert outcome.require == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("c2st<=0.6", "c2st is 0.58, and up to 0.61 with 95 % confidence; not, as required, <= 0.6"),
        ("utility>=0.7", "no target: name one"),
        ("utility.skill>=0.7", "no target: name one"),
        ("blind.auc<=0.9", "uninformative"),
        ("mia.tpr@0.1%<=0.9", "too few rows"),
        ("attacks.near.tpr@1%<=0.01", "attacks.near.tpr@1% is 0.01, and up to 0.02 with 95 % confidence; not, as required"),
        ("mia.tpr@10%<=0.9", "too few rows to say"),
        ("exact_copies<=0.1", "0.5 %"),
    ],
)
def test_what_is_not_met_says_why(text: str, why: str) -> None:
    outcome = check(read(text), DATA)
    assert not outcome.met
    assert why in outcome.text


def test_an_uninformative_best_attack_meets_nothing() -> None:
    blind = DATA | {"attacks": [attack("near", 0.0), attack("best", 0.0, informative=False)]}
    outcome = check(read("mia<=0.9"), blind)
    assert not outcome.met and "uninformative" in outcome.text
    assert check(read("near<=0.9"), blind).met


def test_of_a_single_attack_on_membership_nothing_is_chosen() -> None:
    single = DATA | {"attacks": [attack("near", 0.01), attack("guess", 0.2, wants="attribute"), attack("likely", 0.3, holds="model")]}
    assert check(read("mia.tpr@1%<=0.02"), single).met
    unmade = attack("near", 0.0) | {"value": None, "note": "no holdout was given"}
    outcome = check(read("attacks.near<=1"), DATA | {"attacks": [unmade]})
    assert not outcome.met and "no holdout was given" in outcome.text


def test_without_attacks_no_gate_on_them_is_met() -> None:
    outcome = check(read("mia.tpr@1%<=1"), DATA | {"attacks": []})
    assert not outcome.met and "no such attack was run" in outcome.text


@pytest.mark.parametrize("text", ["", "c2st", "c2st=0.5", "c2st<=", "c2st<=abc", "<=0.5", "c2st<=0.5 0.6", "c2st..low<=1", "c2st<=nan"])
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="no requirement"):
        read(text)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("c2ts<=0.5", "did you mean 'c2st'"),
        ("c2st.skil>=0.5", "did you mean 'skill'"),
        ("mia.tpr@2%<=0.1", "did you mean"),
        ("ma<=1", "'mia'"),
        ("attacks.nearr<=1", "did you mean 'near'"),
        ("attacks.c2st<=1", "no attack named 'c2st'"),
    ],
)
def test_what_names_nothing_is_told_the_near_match(text: str, near: str) -> None:
    with pytest.raises(UnknownName) as caught:
        check(read(text), DATA)
    assert near in str(caught.value)
