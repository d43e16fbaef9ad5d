"""The report's tables as rows of words, which terminal and Markdown draw each in its own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lookalike.report import page_links
from lookalike.report.view import number, span

AREAS = {"fidelity": "Fidelity", "diversity": "Diversity", "utility": "Utility", "fairness": "Fairness", "privacy": "Privacy"}
TONES = {"good": "as real", "fair": "near", "poor": "far", "open": "open"}
NONE = "–"


@dataclass(frozen=True)
class Grid:
    """A table: `head` names its columns, the first of which holds words and the others figures; `notes` stand below it."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: tuple[str, ...] = ()


def synthetic(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The synthetic tables of a report, the main one first; each has a name, rows, scores, attacks and a verdict."""
    return [data, *data["others"]]


def sizes(data: Mapping[str, Any]) -> str:
    """How many rows and columns were compared."""
    rows, about = data["rows"], "about " if data["audience"] == "public" else ""
    drawn = " + ".join(f"{t['rows']['synthetic']:,}" for t in synthetic(data))
    held = f"{rows['holdout']:,} held out" if rows["holdout"] else "no holdout"
    of = f" of {len(data['linked']['tables'])} tables" if data.get("linked") else ""
    return f"{about}{rows['real']:,} real rows · {drawn} synthetic · {held} · {len(data['compared']['columns'])} columns{of}"


def verdicts(data: Mapping[str, Any]) -> Grid:
    """The tone of each statement, a synthetic table a column."""
    tables = synthetic(data)
    tones = [{v["title"]: TONES[v["tone"]] for v in t["verdict"]} for t in tables]
    titles = dict.fromkeys(title for found in tones for title in found)
    return Grid("Verdict", ("", *(t["name"] for t in tables)), [(t, *(found.get(t, NONE) for found in tones)) for t in titles])


def areas(data: Mapping[str, Any], *, wide: bool, beside: bool) -> list[Grid]:
    """A table an area: of the report's main synthetic table with intervals if `wide`, or of all of them `beside` one another."""
    tables, out = synthetic(data), []
    for area, title in AREAS.items():
        found = [{s["name"]: s for s in t["scores"] if s["area"] == area} for t in tables]
        names = dict.fromkeys(name for scores in found for name in scores)
        if not names:
            continue
        grid = _beside(title, data, found, list(names)) if beside else _one(title, data, list(found[0].values()), wide=wide)
        out.append(grid)
    return out


def _one(title: str, data: Mapping[str, Any], scores: Sequence[Mapping[str, Any]], *, wide: bool) -> Grid:
    shown = [s for s in scores if s["value"] is not None]
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {"synthetic": lambda s: figure(data, s, "value")}
    if wide:
        columns["95 % interval"] = span
    columns["real rows"] = lambda s: figure(data, s, "ceiling")
    if wide:
        columns["independent"] = lambda s: figure(data, s, "floor")
    columns["skill"] = _skill
    columns["differ"] = _flagged
    rows = [(str(s["title"]), *(draw(s) for draw in columns.values())) for s in shown]
    return _lean(Grid(title, ("", *columns), rows, _notes(scores)))


def _beside(title: str, data: Mapping[str, Any], found: Sequence[Mapping[str, Mapping[str, Any]]], names: Sequence[str]) -> Grid:
    rows = []
    for name in names:
        some = next(scores[name] for scores in found if name in scores)
        cells = [figure(data, scores[name], "value") if name in scores else NONE for scores in found]
        rows.append((str(some["title"]), *cells, figure(data, some, "ceiling"), figure(data, some, "floor")))
    head = ("", *(t["name"] for t in synthetic(data)), "real rows", "independent")
    return Grid(title, head, rows, _notes(s for scores in found for s in scores.values()))


def attacks(data: Mapping[str, Any], table: Mapping[str, Any], *, wide: bool) -> Grid:
    """The attacks on one synthetic table."""
    ran = [a for a in table["attacks"] if a["value"] is not None or data["audience"] == "public"]
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {"holds": lambda a: str(a["threat"]["holds"])}
    columns["AUC"] = lambda a: number(a["value"], "")
    if wide:
        columns["95 % interval"] = lambda a: span({"unit": "", **a})
    columns["TPR at 1 %"] = _found
    columns["ε at least"] = lambda a: NONE if a["epsilon"] is None else f"{a['epsilon']:.2f}"
    columns["informative"] = lambda a: "yes" if a["informative"] else "no"
    rows = [(str(a["title"]), *(draw(a) for draw in columns.values())) for a in ran]
    return _lean(Grid("Attacks", ("", *columns), rows, _notes(table["attacks"])))


def rules(data: Mapping[str, Any], *, most: int) -> list[Grid]:
    """The rules that real rows obey and fewer synthetic ones, worst first, of each synthetic table; `most`: so many of them."""
    several, out = bool(data["others"]), []
    for table in synthetic(data):
        told = table.get("rules", [])
        broken = [r for r in told if r["synthetic"] < r["real"]]
        if not told:
            continue
        fresh = ("fresh rows",) if told[0]["holdout"] is not None else ()
        lines = [(r["text"], *(number(r[k], "%") for k in ("synthetic", "real", *(["holdout"] if fresh else [])))) for r in broken[:most]]
        more = f" Shown are the worst {most}." if len(broken) > most else ""
        found = f"{len(told)} rule{' was' if len(told) == 1 else 's were'} found that real rows obey"
        note = f"{found}; {len(broken) or 'none'} {'is' if len(broken) <= 1 else 'are'} obeyed by fewer synthetic ones.{more}"
        title = "Rules that real rows obey" + (f", in {table['name']}" if several else "")
        out.append(Grid(title, ("rule", "synthetic rows", "real rows", *fresh), lines, (note,)))
    return out


def linked(data: Mapping[str, Any], *, wide: bool) -> list[Grid]:
    """Tables and links, if `wide` each figure with that of fresh real rows in brackets; nothing where there is one table, or in public."""
    if not data.get("linked"):
        return []
    drawn = page_links.linked(data)
    heads = [title for _, title in drawn["table_figures"]]
    rows = [(t["name"], t["rows"], *(_beside_fresh(f, wide=wide) for f in t["figures"])) for t in drawn["linked_tables"]]
    said = ("In brackets: fresh real rows of the same number.",) if wide else ()
    grids = [Grid("Tables", ("", "rows", *heads), rows, said)]
    links = [
        (e["title"], f"{e['broken']:,} of {e['rows']:,}", e["mean"], *(_beside_fresh(f, wide=wide) for f in e["figures"] or [None, None]))
        for e in drawn["linked_links"]
    ]
    return [*grids, Grid("Links", ("", "broken", "children per parent", "trends", "dependence"), links)]


def _beside_fresh(found: Mapping[str, str] | None, *, wide: bool) -> str:
    return NONE if found is None else f"{found['value']} ({found['ceiling']})" if wide else found["value"]


def figure(data: Mapping[str, Any], score: Mapping[str, Any], what: str) -> str:
    """A figure of a score; a public one with no more digits than it has."""
    value, percent = score[what], score["unit"] == "%"
    if value is None or data["audience"] != "public":
        return number(value, score["unit"])
    value = round(value, 0 if percent else 2) + 0.0  # no minus before nothing
    return f"{value:.0f} %" if percent else f"{value:.2f}"


def _skill(score: Mapping[str, Any]) -> str:
    return NONE if score["skill"] is None else f"{score['skill']:.2f}"


def _flagged(score: Mapping[str, Any]) -> str:
    return f"{len(score['flagged'])} of {score['tested']}" if score["tested"] else NONE


def _found(attack: Mapping[str, Any]) -> str:
    """Members found when 1 % of the strangers are accused."""
    rate = attack["tpr"].get("0.01", {}).get("value")
    return NONE if rate is None else f"{100 * rate:.1f} %"


def _notes(entries: Any) -> tuple[str, ...]:
    """What is said of figures and attacks, once for all that it is said of."""
    said: dict[str, dict[str, None]] = {}
    for entry in entries:
        if entry["note"]:
            said.setdefault(entry["note"], {})[str(entry["title"])] = None
    return tuple(f"{', '.join(titles)}: {note}." for note, titles in said.items())


def _lean(grid: Grid) -> Grid:
    """Without columns that hold nothing, as most do in a public report."""
    keep = [j for j in range(len(grid.head)) if j == 0 or any(row[j] != NONE for row in grid.rows)]
    return Grid(grid.title, tuple(grid.head[j] for j in keep), [tuple(row[j] for j in keep) for row in grid.rows], grid.notes)


def gates(data: Mapping[str, Any]) -> list[tuple[bool | None, str]]:
    """Whether each requirement is met, and why, with the table's name where there are several."""
    several = bool(data["others"])
    return [(g["met"], (f"{g['table']}: " if several else "") + (g["text"] or g["require"])) for g in data["gates"]]
