"""What a pipeline requires of a report: `c2st<=0.6`. The burden of proof is on the table, so the worse end of an interval counts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lookalike.errors import SettingError, UnknownName

FORM = re.compile(
    r"\s*(attacks\.)?([A-Za-z]\w*)(?:\.([A-Za-z_]+(?:@[\d.]+%)?))?\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(%?)\s*"
)
SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}
RATES = {"tpr@0.1%": "0.001", "tpr@1%": "0.01", "tpr@10%": "0.1"}
ALL, BEST = "mia", "best"
"""Membership inference is the best of its attacks, chosen on some rows and judged on others: of ten figures, one is bad by chance."""
PLAIN = ("value", "low", "high", "ceiling", "floor", "copy", "uniform", "detectable")
OF_SCORES = ("skill", *PLAIN, "flagged")
OF_ATTACKS = ("auc", *RATES, "epsilon", "outliers")


@dataclass(frozen=True)
class Gate:
    """A requirement that was read: the `field` of what is called `name` must stand in this relation to `bound`.

    `attack`: it asks for an attack, not for a score of the same name.
    """

    text: str
    attack: bool
    name: str
    field: str | None
    sign: str
    bound: float
    percent: bool

    @property
    def upper(self) -> bool:
        """Whether the upper end of an interval is the worse one."""
        return self.sign in ("<=", "<")


@dataclass(frozen=True)
class Outcome:
    """Whether a gate is met, and why."""

    require: str
    met: bool
    text: str


@dataclass(frozen=True)
class _Figure:
    """What a gate looks at: the end that counts (None: unknown), the figure itself, its unit, and why there is none."""

    counts: float | None
    value: float | None
    unit: str = ""
    why: str = ""


def read(text: str) -> Gate:
    """A gate from its expression.

    Raises:
        SettingError: it is no expression; shows one.
    """
    found = FORM.fullmatch(text)
    if not found:
        raise SettingError(
            f"{text!r} is no requirement", where="require", fix='write name<=number, such as "c2st<=0.6" or "mia.tpr@1%<=0.02"'
        )
    attack, name, field, sign, bound, percent = found.groups()
    return Gate(text.strip(), bool(attack) or field in OF_ATTACKS, name, field, sign, float(bound), bool(percent))


def check(gate: Gate, data: Mapping[str, Any]) -> Outcome:
    """Whether the report's `data` meet the gate.

    Raises:
        UnknownName: the gate names nothing that was measured; names the near match.
    """
    scores = {s["name"]: s for s in data["scores"]}
    attacks = {a["name"]: a for a in data["attacks"]}
    if gate.name in attacks and (gate.attack or gate.name not in scores):
        figure = _of_attack(gate, attacks[gate.name])
    elif gate.name in scores and not gate.text.startswith("attacks."):
        figure = _of_score(gate, scores[gate.name])
    elif gate.name == ALL:
        figure = _of_membership(gate, attacks)
    else:
        known = [*attacks, ALL] if gate.text.startswith("attacks.") else [*scores, *attacks, ALL]
        raise UnknownName(gate.name, known, what="attack" if gate.attack else "score", where=f"require {gate.text}")
    bound = gate.bound / 100 if gate.percent and figure.unit != "%" else gate.bound
    met = figure.counts is not None and math.isfinite(figure.counts) and SIGNS[gate.sign](figure.counts, bound)
    return Outcome(gate.text, met, _told(gate, figure, met))


def _told(gate: Gate, figure: _Figure, met: bool) -> str:
    label = "attacks." * gate.text.startswith("attacks.") + gate.name + (f".{gate.field}" if gate.field else "")
    if figure.counts is None:
        return f"{label} cannot be shown to be {gate.sign} {gate.bound:g}{'%' * gate.percent}: {figure.why or 'it was not computed'}."
    unit = " %" if figure.unit == "%" else ""
    shown = f"{figure.counts:.4g}{unit}"
    if figure.value is not None and figure.value != figure.counts:
        shown = f"{figure.value:.4g}{unit}, and up to {shown}" if gate.upper else f"{figure.value:.4g}{unit}, and down to {shown}"
        shown += " with 95 % confidence"
    return f"{label} is {shown}; {'as' if met else 'not, as'} required, {gate.sign} {gate.bound:g}{'%' * gate.percent}."


def _known(gate: Gate, fields: Iterable[str]) -> None:
    if gate.field is not None and gate.field not in fields:
        raise UnknownName(gate.field, fields, what=f"field of {gate.name}", where=f"require {gate.text}")


def _of_score(gate: Gate, score: Mapping[str, Any]) -> _Figure:
    _known(gate, OF_SCORES)
    why = score["note"]
    if gate.field in PLAIN:
        value = score[gate.field]
        return _Figure(value, value, score["unit"], why)
    if gate.field == "flagged":
        return _Figure(float(len(score["flagged"])), None)
    if gate.field == "skill":
        end = score["skill_high" if gate.upper else "skill_low"]
        why = why or "no control is clearly worse than real rows, or the interval has no end"
        return _Figure(end, score["skill"], "", why)
    end = score["high" if gate.upper else "low"]
    return _Figure(end if end is not None else score["value"], score["value"], score["unit"], why)


def _of_membership(gate: Gate, attacks: Mapping[str, Mapping[str, Any]]) -> _Figure:
    """The figure of `best`; of the only attack on membership by who holds the table, where there was nothing to choose from."""
    _known(gate, OF_ATTACKS)
    if BEST in attacks:
        return _of_attack(gate, attacks[BEST])
    on_table = [a for a in attacks.values() if (a["threat"]["wants"], a["threat"]["holds"]) == ("membership", "table")]
    ran = [a for a in on_table if a["value"] is not None]
    return _of_attack(gate, ran[0]) if len(ran) == 1 else _Figure(None, None, why="no such attack was run")


def _of_attack(gate: Gate, attack: Mapping[str, Any]) -> _Figure:
    _known(gate, OF_ATTACKS)
    if attack["value"] is None:
        return _Figure(None, None, why=attack["note"] or "no such attack was run")
    if not attack["informative"]:
        return _Figure(None, None, why="uninformative: not even a planted leak was noticed")
    if gate.field == "epsilon":
        return _Figure(attack["epsilon"], attack["epsilon"])
    auc = gate.field in (None, "auc")
    part = attack if auc else attack["outliers"] if gate.field == "outliers" else attack["tpr"].get(RATES[str(gate.field)])
    if not part or part.get("value") is None:
        return _Figure(None, None, why=(part or {}).get("note") or "too few rows to say")
    end = part.get("high" if gate.upper else "low")
    return _Figure(part["value"] if end is None else end, part["value"])
