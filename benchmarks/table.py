"""Draw `results/tables.json` as the tables of docs/benchmarks.md. Pure functions: figures in, text out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rivals
from data import REAL
from lines import Origins, Results, figure, head, row
from tools import TOOLS

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
BUSY = 0.1
"""Share of the processors in use by others from which on the times of a cell are marked."""
COLUMNS = (
    "fit s", "MB fit / all", "n rows s", "1M rows s", "rows/s", "shape %", "trend %", "null pp", "C2ST", "C2ST vs holdout", "LR det.",
    "TSTR / TRTR", "DCR share", "copies % (holdout)",
)  # fmt: skip


def pace(cell: dict[str, Any]) -> list[str]:
    """fit s, peak MB of the fit, seconds for n and for a million rows, rows per second; x = reckoned from n rows."""
    if not {"fit_s", "million_s"} & set(cell):
        return ["–"] * 5
    million, mark = cell.get("million_s"), "x" if cell.get("reckoned") else ""
    speed = None if million is None else 1e6 / million
    star = "*" if cell.get("busy", 0) > BUSY else ""
    fit = figure(cell.get("fit_s"), 1) + star
    memory = f"{figure(cell.get('fit_mb'), 0)} / {figure(cell.get('process_mb'), 0)}"
    return [fit, memory, figure(cell.get("draw_s"), 2), figure(million, 1) + mark, figure(speed, 0) + mark]


def grade(score: dict[str, Any]) -> list[str]:
    """The judge's figures."""
    if "shape_err" not in score:
        return [score.get("failed", "–")] + ["–"] * 8
    use = f"{score['tstr']:.4f} / {score['trtr']:.4f}"
    copies = f"{100 * score['copy_rate']:.2f}" + ("" if score.get("ceiling") else f" ({100 * score['copy_rate_hold']:.2f})")
    plain = [figure(score[name], 2) for name in ("shape_err", "trend_err", "null_err")]
    plain += [figure(score.get(name), 3) for name in ("c2st_auc", "c2st_auc_hold", "c2st_lr_score")]
    return [*plain, use, figure(score["dcr_share"], 3), copies]


def line(first: list[str], cell: dict[str, Any]) -> str:
    """One tool on one table; where it did not come to an end, why."""
    if "failed" in cell:
        return row([*first, f"{cell['failed']}", *["–"] * (len(COLUMNS) - 1)])
    timed = {k: v for k, v in cell.items() if k != "score"}
    return row([*first, *pace(timed), *grade(cell.get("score", {}))])


def beside(results: Results, name: str, origins: Origins) -> list[str]:
    """All tools on one table."""
    sizes = results[f"{name}/sizes"]
    real = REAL[name]
    size = f"{sizes['rows']:,} rows × {sizes['columns']} columns, {sizes['unseen']:,} unseen rows"
    out = [f"### {name}: {real.about}", "", f"{size}, target `{real.target}`.", ""]
    out += [*head(("tool", *COLUMNS), 1), line(["real holdout (ceiling)"], results.get(f"{name}/ceiling", {}))]
    for tool, about in TOOLS.items():
        cell = results.get(f"{name}/{tool}")
        if cell is not None:
            note = f" ({cell['note']})" if cell.get("note") else ""
            out.append(line([about.title + note + origins.mark(cell)], cell))
    return [*out, ""]


def alone(results: Results, names: list[str], origins: Origins) -> list[str]:
    """What was measured on the other tables: lookalike, its floor and the ceiling, and what was asked for by name."""
    out = ["### Other tables, lookalike alone", "", *head(("table", "rows × columns", "tool", *COLUMNS), 3)]
    for name in names:
        sizes = results[f"{name}/sizes"]
        first = [f"**{name}**: {REAL[name].about}; target `{REAL[name].target}`", f"{sizes['rows']:,} × {sizes['columns']}"]
        out.append(line([*first, "real holdout (ceiling)"], results.get(f"{name}/ceiling", {})))
        known = {t: results[f"{name}/{t}"] for t in TOOLS if f"{name}/{t}" in results}
        out += [line(["", "", TOOLS[t].title + origins.mark(cell)], cell) for t, cell in known.items()]
    return [*out, ""]


@dataclass(frozen=True)
class Ask:
    """One thing asked for: how it is measured, the least that will do and the aim."""

    what: str
    least: float | None
    aim: float | str | None
    measure: Callable[[Results], float | None]
    higher: bool = False
    digits: int = 2
    unit: str = ""
    unknown: Callable[[Results], str] = lambda results: "not measured"
    """Why there is no figure."""

    def line(self, results: Results) -> str:
        """asked, aim, measured, verdict."""
        sign = "≥" if self.higher else "≤"
        got, least, aim = self.measure(results), limit(self.least, results), limit(self.aim, results)
        verdict = self.unknown(results)
        if got is not None:
            met = [goal is not None and (got >= goal if self.higher else got <= goal) for goal in (least, aim)]
            verdict = "aim met" if met[1] else "met" if met[0] else "below the aim" if least is None else "**missed**"
        shown = [f"{sign} {figure(goal, self.digits)}{self.unit}" if goal is not None else "–" for goal in (least, aim)]
        return row([self.what, *shown, f"{figure(got, self.digits)}{self.unit}" if got is not None else "–", verdict])


def limit(goal: float | str | None, results: Results) -> float | None:
    """A goal as a number; a name means that figure of Adult's ceiling row."""
    return results.get("adult/ceiling", {}).get("score", {}).get(goal) if isinstance(goal, str) else goal


def ours(name: str, factor: float = 1.0) -> Callable[[Results], float | None]:
    """The judge's figure for lookalike on Adult."""

    def get(results: Results) -> float | None:
        value = results.get("adult/lookalike", {}).get("score", {}).get(name)
        return None if value is None else factor * value

    return get


def both(results: Results) -> tuple[Results, Results]:
    """The cells of lookalike and of mostlyai-engine on Adult."""
    return results.get("adult/lookalike", {}), results.get("adult/mostlyai", {})


def ratio(name: str) -> Callable[[Results], float | None]:
    """Seconds of mostlyai-engine over those of lookalike on Adult."""
    return lambda results: rivals.ratio(*both(results), name)


def apart(name: str) -> Callable[[Results], str]:
    """Why there is no such ratio."""
    return lambda results: rivals.unknown(*both(results), name)


def waited(name: str) -> Callable[[Results], float | None]:
    """A figure of the clock."""
    return lambda results: results.get("clock", {}).get(name)


def share(results: Results) -> float | None:
    """TSTR as a share of TRTR."""
    score = results.get("adult/lookalike", {}).get("score", {})
    return score["tstr"] / score["trtr"] if "tstr" in score else None


def speed(results: Results) -> float | None:
    """Rows per second of the million."""
    cell = results.get("adult/lookalike", {})
    return 1e6 / cell["million_s"] if cell.get("million_s") and not cell.get("reckoned") else None


def copied(results: Results) -> float | None:
    """Copies of training rows over what unseen real rows have, in percent points."""
    score = results.get("adult/lookalike", {}).get("score", {})
    return 100 * (score["copy_rate"] - score["copy_rate_hold"]) if "copy_rate" in score else None


ASKS = (
    Ask("`lookalike make` end to end, report included", 60, 15, waited("make_s"), unit=" s", digits=1),
    Ask("the same, first run ever (compiling included)", 60, 15, waited("first_make_s"), unit=" s", digits=1),
    Ask("fit, times faster than mostlyai-engine", 20, 100, ratio("fit_s"), higher=True, digits=0, unit=" ×", unknown=apart("fit_s")),
    Ask(
        "1M rows to Parquet, times faster than mostlyai-engine",
        5,
        25,
        ratio("million_s"),
        higher=True,
        digits=1,
        unit=" ×",
        unknown=apart("million_s"),
    ),
    Ask("rows per second, 1M rows to Parquet", None, 1e6, speed, higher=True, digits=0),
    Ask("C2ST AUC, LightGBM, against the holdout", 0.56, 0.52, ours("c2st_auc_hold"), digits=3),
    Ask("shape error against train", 1.0, "shape_err", ours("shape_err"), unit=" %"),
    Ask("trend error against train", 2.0, "trend_err", ours("trend_err"), unit=" %"),
    Ask("TSTR AUC, share of TRTR", 0.985, 0.995, share, higher=True, digits=4),
    Ask("DCR share (train vs holdout, 0.5 ideal)", 0.53, 0.51, ours("dcr_share"), digits=3),
    Ask("exact copies beyond the holdout's own rate", 0, None, copied, unit=" pp"),
    Ask("diabetes130 whole (101,766 × 50), fit", 60, 15, waited("whole_s"), unit=" s", digits=1),
    Ask("the same, peak memory", 3 * 1024, None, waited("whole_mb"), unit=" MB", digits=0),
    Ask("`import lookalike`, process included", 0.5, None, waited("import_s"), unit=" s"),
    Ask("the same beyond numpy and pyarrow", 0.35, 0.15, lambda r: extra(r.get("clock", {})), unit=" s"),
    Ask("`lookalike --help`", 0.7, 0.5, waited("help_s"), unit=" s"),
)


def extra(clock: dict[str, float]) -> float | None:
    """Seconds that importing lookalike costs over importing numpy and pyarrow."""
    return clock["import_s"] - clock["bare_s"] if "bare_s" in clock else None


def versions(results: Results) -> list[str]:
    """Which versions made each tool's rows; tools that ran on the same ones share a line."""
    made: dict[str, list[str]] = {}
    for tool, about in TOOLS.items():
        found = [cell for key, cell in results.items() if key.endswith(f"/{tool}") and cell.get("versions")]
        if found and tool != "floor":
            last = max(found, key=lambda cell: cell.get("date", ""))["versions"]
            made.setdefault(", ".join(f"{name} {number}" for name, number in last.items()), []).append(about.title)
    return [f"- {'; '.join(titles)}: {numbers}" for numbers, titles in made.items()]


def page(results: Results) -> str:
    """Everything measured, as Markdown."""
    origins = Origins(results.values())
    known = [name for name in REAL if f"{name}/sizes" in results]
    out = [origins.told(), "", "### Asked and measured (Adult unless said)", ""]
    out += [*head(("what", "at least", "aim", "measured", ""), 1), *(ask.line(results) for ask in ASKS), "", *rivals.verdicts(results)]
    for name in known:
        if REAL[name].peers:
            out += beside(results, name, origins)
    others = [name for name in known if not REAL[name].peers]
    out += (alone(results, others, origins) if others else []) + ["### Versions", "", *versions(results), ""]
    late = [key for key, cell in results.items() if cell.get("busy", 0) > BUSY]
    if late:
        out += [f"\\* more than {BUSY:.0%} of the processors were in other use when this started: " + ", ".join(late) + ".", ""]
    return "\n".join(out)


def write(path: Path, text: str, *, marks: tuple[str, str] = (BEGIN, END)) -> None:
    """Put the measured part between its marks; what people wrote around it stays."""
    begin, end = marks
    before, _, rest = path.read_text().partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"{path.name} lacks the marks {begin} and {end}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")
