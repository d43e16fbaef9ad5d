"""What the attacks say, in plain words: how many members the best of them finds, and which of them say nothing here."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

Attack = dict[str, Any]
CERTAIN = 0.01
"""Chance, over all attacks together, of calling one successful that is not."""
MUCH_AUC, MUCH_FOUND = 0.6, 0.05
"""From here on a success is called much: area under the curve, and members found when 1 % of the strangers are accused."""


def attacked(attacks: Sequence[Attack], *, given: bool) -> list[dict[str, str]]:
    """One statement on all attacks together, one on those that are uninformative."""
    title = "Attacks"
    if not given:
        text = "None was made: without a holdout nobody knows how often an attack succeeds on people who were never in the data."
        return [_say("open", title, text)]
    on_model = [a for a in attacks if a["threat"]["holds"] == "model" and a["value"] is not None and a["informative"]]
    attacks = [a for a in attacks if a["threat"]["holds"] == "table"]
    ran = [a for a in attacks if a["value"] is not None]
    telling = [a for a in ran if a["informative"]]
    said = [_told(telling, title)] if telling else []
    said += [_shared(on_model)] if on_model else []
    silent = [a for a in ran if not a["informative"]]
    if silent or not ran:
        said.append(_silent(silent, [a for a in attacks if a["value"] is None], everything=not telling))
    return said


def _say(tone: str, title: str, text: str) -> dict[str, str]:
    return {"tone": tone, "area": "privacy", "title": title, "text": text}


def _silent(silent: list[Attack], unrun: list[Attack], *, everything: bool) -> dict[str, str]:
    title = "Attacks" if everything else "Attacks that say nothing here"
    if not silent:
        why = "; ".join(dict.fromkeys(a["note"] for a in unrun if a["note"]))
        return _say("open", title, f"None could be made{': ' + why if why else ''}.")
    named = ", ".join(a["title"] for a in silent[:4]) + (f" and {len(silent) - 4} more" if len(silent) > 4 else "")
    text = f"Uninformative: {named}. Not even a planted leak was noticed, so that finding nothing means nothing."
    return _say("open", title, text)


def _told(attacks: list[Attack], title: str) -> dict[str, str]:
    """The most successful of the attacks that can notice a leak."""
    bar = NormalDist().inv_cdf(1 - CERTAIN / (2 * max(1, 2 * len(attacks))))
    found = [a for a in attacks if max(_surety(a, 0.5), _surety(_at(a), 0.01)) > bar]
    none = f"None of {len(attacks)} attacks does" if len(attacks) > 1 else "The one attack does not do"
    if not found:
        best = max(attacks, key=lambda a: a["value"])
        seen = max((_at(a).get("high") or 0.0 for a in attacks), default=0.0)
        most = f"; none finds more than {100 * seen:.1f} % of the members when 1 % of strangers are accused" if seen else ""
        text = f"{none} better than chance (the greatest AUC is {best['value']:.3f}){most}. Other attacks may."
        return _say("good", title, text)
    worst = max(found, key=lambda a: (_at(a).get("value") or 0.0, a["value"]))
    share = _at(worst).get("value")
    of = f"{len(found)} of {len(attacks)} attacks" if len(attacks) > 1 else "The one attack"
    text = f"{of} {'tells' if len(found) == 1 else 'tell'} members from strangers. {worst['title']}: AUC {worst['value']:.3f}"
    if share is not None:
        times = f", {share / 0.01:.0f} times as often as a blind guess" if share >= 0.02 else ""
        text += f"; it finds {100 * share:.1f} % of the members when 1 % of strangers are accused{times}"
    bound = max(float(a["epsilon"] or 0.0) for a in found)
    text += f". The release is no more private than ε = {bound:.2f}." if bound > 0.05 else "."
    much = max(a["value"] for a in found) >= MUCH_AUC or max(_at(a).get("value") or 0.0 for a in found) >= MUCH_FOUND
    return _say("poor" if much else "fair", title, text)


def _shared(attacks: list[Attack]) -> dict[str, str]:
    """What the model itself would tell, were it given away with the table."""
    told = _told(attacks, "If the model file were shared too")
    if told["tone"] == "good":
        return told
    return told | {"text": f"{told['text']} Keep the model file as secret as the data, and share rows drawn from it."}


def _at(attack: Attack) -> dict[str, Any]:
    """Members found when 1 % of the strangers are accused."""
    return attack["tpr"].get("0.01") or {}


def _surety(figure: dict[str, Any], chance: float) -> float:
    """Standard errors by which a figure exceeds chance."""
    value, low = figure.get("value"), figure.get("low")
    if value is None or low is None or value <= chance:
        return 0.0
    return (value - chance) / max((value - low) / 1.96, 1e-9)
