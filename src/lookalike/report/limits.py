"""What limits a verdict, and what no figure of the report answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lookalike import metrics
from lookalike.report.measure import Stage, chosen
from lookalike.score import Score

ALWAYS = (
    "Whoever analyses synthetic rows as if they were real gets intervals that are too narrow: the model's own error is not in them.",
    "No figure here proves privacy. Attacks give a lower bound of the risk; only a differential privacy guarantee gives an upper one.",
)
UNTESTED = (
    ("Differential privacy", "Nothing here measures or proves a differential privacy guarantee.", ()),
    (
        "Subjects with several rows",
        "Every row was taken as one person; a person with many rows is exposed more than these figures say.",
        (),
    ),
    ("Order in time", "Rows were compared as a set; sequences within a person or over time were not.", ()),
    ("Free text", "Text columns were compared only by length, keys not at all.", ()),
    ("Other fits", "One fitted model was judged; the same model learned from other rows would score a little differently.", ()),
    (
        "Membership inference",
        "Whether an attacker can tell that a given person was in the training data. Copies and nearness do not answer it.",
        ("member",),
    ),
    (
        "Attribute inference",
        "Whether a secret of a known person can be guessed better with the synthetic table than without it.",
        ("attribute", "secret"),
    ),
    ("Singling out and linkability", "The other two risks that European data protection guidance names.", ("singl", "link")),
    ("Fairness", "Whether groups of people are treated alike: name the columns that say who belongs to which.", ("fairness",)),
)
"""What, why, and words that say that it was tested after all: of what an attacker wants, or an area with figures."""


def untested(scores: Sequence[Score], attacks: Sequence[Mapping[str, Any]], *answered: str) -> list[dict[str, str]]:
    """What this report does not answer; nothing of what was `answered` after all."""
    tested = {s.area for s in scores if s.value is not None}
    tested |= {f"{a['name']} {a['threat'].get('wants', '')}".lower() for a in attacks if a["value"] is not None and a["informative"]}
    return [
        {"what": what, "why": why}
        for what, why, words in UNTESTED
        if what not in answered and not any(w in t for w in words for t in tested)
    ]


def limits(setting: Stage, scores: Sequence[Score], attacks: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> list[str]:
    """Sentences on what limits the verdict, the gravest first."""
    said = []
    if facts["split"]["tone"] == "poor":
        said.append("The holdout is not what it must be, and every comparison with it is in doubt: see the first statement.")
    if not setting.given:
        said.append(
            "There is no holdout. Ceilings come from two halves of the real table; copies, nearness and attacks cannot be judged. "
            "Keep real rows from the model and give them as the holdout."
        )
    said += _fewness(setting, {s.name: s for s in scores}, alike=facts["split"]["tone"] != "poor")
    silent = [str(a["title"]) for a in attacks if a["value"] is not None and not a["informative"]]
    if silent:
        said.append(f"Uninformative attacks: {_listed(silent)}. They did not notice a planted leak.")
    said += _choices(setting, scores, facts)
    return said + list(ALWAYS)


def _fewness(setting: Stage, scores: Mapping[str, Score], *, alike: bool) -> list[str]:
    """What so many rows cannot show."""
    fewest = min(setting.synthetic.rows, setting.holdout.rows)
    said = [f"With only {fewest:,} rows on a side, little can be shown either way."] if fewest < 1_000 else []
    c2st = scores.get("c2st")
    if alike and c2st is not None and c2st.detectable is not None and c2st.ceiling is not None:
        least = max(0.5, c2st.ceiling) + c2st.detectable
        said.append(f"A classifier's AUC below {min(least, 1.0):.3f} could not be told from that of real rows with so few rows.")
    return said


def _choices(setting: Stage, scores: Sequence[Score], facts: Mapping[str, Any]) -> list[str]:
    """What was decided before measuring."""
    said = []
    target = facts["target"]
    if target["name"] and not target["given"]:
        said.append(f"The target {target['name']} was guessed: {target['why']}.")
    left = [metrics.load(n).ABOUT.title.lower() for n in metrics.names() if n not in set(chosen(facts["effort"]))]
    if left:
        said.append(f"A quick report leaves out: {_listed(left, most=40)}.")
    if setting.draws:
        said.append(f"{len(setting.draws) + 1} tables were drawn from one fitted model; other fits were not seen.")
    else:
        said.append("One synthetic table was judged; others from the same model would score a little differently.")
    if not any(s.area == "fairness" and s.value is not None for s in scores):
        said.append("No column was named whose groups must be treated alike: fairness was not judged.")
    return said


def _listed(names: Collection[str], *, most: int = 6) -> str:
    shown = list(names)[:most]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
