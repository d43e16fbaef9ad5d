"""Where figures lie on a line: the synthetic table's, its interval, and the controls', in percent of a drawing's width."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lookalike.report.view import number, span

AREAS = {"fidelity": "Fidelity", "diversity": "Diversity", "utility": "Utility", "fairness": "Fairness", "privacy": "Privacy"}
BETTER = {"lower": "lower is better", "higher": "higher is better", "target": "best at the ceiling"}
LISTED = 6
"""Names of what differs that stand in the overview."""
CHANCE = 0.5
"""Area under the curve of a coin toss."""

Scale = Callable[[float | None], float | None]


def scale(start: float, end: float) -> Scale:
    """Value → percent of the width, kept inside; None stays None."""
    wide = end - start or 1.0
    return lambda value: None if value is None else round(min(100.0, max(0.0, 100 * (value - start) / wide)), 2)


def figure(value: float | None, unit: str, *, coarse: bool = False) -> str:
    """A figure as text; `coarse`: whole percents are all that is known of it."""
    if value is None or not coarse:
        return number(value, unit)
    return f"{value:.0f} %" if unit == "%" else f"{value:.2f}"


def overview(scores: Sequence[Mapping[str, Any]], *, coarse: bool) -> list[dict[str, Any]]:
    """Scores by area: `name`, `title` and `rows`."""
    known = {s["area"] for s in scores}
    order = [*AREAS, *sorted(known - set(AREAS))]
    areas = [(a, AREAS.get(a, a.capitalize()), [s for s in scores if s["area"] == a]) for a in order if a in known]
    return [{"name": name, "title": title, "rows": [row(s, coarse=coarse) for s in found]} for name, title, found in areas]


def row(score: Mapping[str, Any], *, coarse: bool = False) -> dict[str, Any]:
    """One score as text and as places on a scale of its own."""
    start, end = _ends(score, [score])
    return {
        "score": score,
        "better": BETTER[score["better"]],
        "at": _places(score, scale(start, end)),
        "ends": [figure(v, score["unit"], coarse=coarse) for v in (start, end)],
        **_texts(score, coarse=coarse),
        "flagged": [f["name"] for f in score["flagged"][:LISTED]],
        "more": max(0, len(score["flagged"]) - LISTED),
    }


def compared(tables: Sequence[Mapping[str, Any]], *, coarse: bool) -> list[dict[str, Any]]:
    """The scores of several tables, one scale a score; areas as in the overview, each row with a cell a table."""
    by_name: list[dict[str, Mapping[str, Any]]] = [{s["name"]: s for s in t["scores"]} for t in tables]
    out = []
    for area in overview(tables[0]["scores"], coarse=coarse):
        rows = []
        for first in (r["score"] for r in area["rows"]):
            found = [named.get(first["name"]) for named in by_name]
            start, end = _ends(first, [s for s in found if s])
            at = scale(start, end)
            cells = [None if s is None or s["value"] is None else {"at": _places(s, at), **_texts(s, coarse=coarse)} for s in found]
            ceiling = figure(first["ceiling"], first["unit"], coarse=coarse)
            rows.append({"score": first, "better": BETTER[first["better"]], "cells": cells, "ceiling": ceiling})
        out.append({"title": area["title"], "rows": rows})
    return out


def compared_attacks(tables: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Attacks on several tables, one scale for all: a row an attack, a cell (or None) a table."""
    by_name = [{a["name"]: a for a in t["attacks"] if a["value"] is not None} for t in tables]
    places = attacks([a for named in by_name for a in named.values()])
    at = {id(p["attack"]): p for p in places}
    names = dict.fromkeys(n for named in by_name for n in named)
    return [
        {
            "title": next(named[name]["title"] for named in by_name if name in named),
            "cells": [at[id(named[name])] if name in named else None for named in by_name],
        }
        for name in names
    ]


def tones(tables: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the verdict says of each of several tables: a row a statement, a tone (or None) a table."""
    titles = dict.fromkeys(v["title"] for t in tables for v in t["verdict"])
    said = [{v["title"]: v["tone"] for v in t["verdict"]} for t in tables]
    return [{"title": title, "tones": [one.get(title) for one in said]} for title in titles]


def attacks(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The attacks, with the places of their areas under the curve on one scale."""
    ends = [v for a in found for v in (a["low"], a["high"], a["value"]) if v is not None]
    start, end = min([0.4, *(v - 0.02 for v in ends)]), min(1.0, max([0.7, *(v + 0.02 for v in ends)]))
    at = scale(start, end)
    rows = []
    for a in found:
        places = {"value": at(a["value"]), "low": at(a["low"]), "high": at(a["high"]), "ceiling": at(CHANCE), "floor": None}
        rows.append({"attack": a, "at": places | {"ceiling_low": None, "ceiling_high": None}, "ends": [f"{start:.2f}", f"{end:.2f}"]})
    return rows


def rates(groups: Iterable[tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]]) -> dict[str, Any]:
    """Groups (name, real, synthetic; each `rate`, `low`, `high` and perhaps `rows`) with their places on one scale from 0."""
    given = list(groups)
    most = max((g["high"] for _, *pair in given for g in pair if g), default=1.0)
    at = scale(0.0, 1.04 * most or 1.0)

    def side(group: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return group and {"at": [at(group["low"]), at(group["rate"]), at(group["high"])], **group}

    return {"rows": [{"name": n, "real": side(a), "synthetic": side(b)} for n, a, b in given], "end": f"{100 * most:.0f} %"}


def _texts(score: Mapping[str, Any], *, coarse: bool) -> dict[str, str]:
    unit, skill = score["unit"], score.get("skill")
    known = None not in (score.get("skill_low"), score.get("skill_high"))
    return {
        "value": figure(score["value"], unit, coarse=coarse),
        "span": span(dict(score)) if score["low"] is not None else "",
        "ceiling": figure(score["ceiling"], unit, coarse=coarse),
        "floor": figure(score["floor"], unit, coarse=coarse),
        "skill": "–" if skill is None else f"{skill:.2f}",
        "skill_span": f"{score['skill_low']:.2f} – {score['skill_high']:.2f}" if known else "",
    }


def _places(score: Mapping[str, Any], at: Scale) -> dict[str, float | None]:
    ceiling = score.get("ceiling_interval") or (None, None)
    found = {k: at(score[k]) for k in ("value", "low", "high", "ceiling", "floor")}
    return found | {"ceiling_low": at(ceiling[0]), "ceiling_high": at(ceiling[1])}


def _ends(score: Mapping[str, Any], same: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """From the best or least that can be to a little beyond what was seen of these scores of one name."""
    seen = [s[k] for s in same for k in ("value", "low", "high", "ceiling", "floor")]
    seen += [v for s in same for v in (s.get("ceiling_interval") or ())]
    known = [v for v in seen if v is not None]
    if not known:
        return 0.0, 1.0
    least, most = min(known), max(known)
    room = 0.06 * (most - least) or 0.02 * (abs(most) or 1.0)
    whole = 100.0 if score["unit"] == "%" else 1.0
    start = least - room if score["better"] != "lower" or least > 0.4 * whole else 0.0
    if least >= 0:
        start = max(0.0, start)
    return start, min(most + room, whole) if most <= whole else most + room
