"""What the private benchmark found, as Markdown. Pure functions: figures in, text out."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from lines import APART, Origins, Results, figure, head, row, same  # noqa: E402  they live one folder up
from prepared import SETS  # noqa: E402
from table import BUSY  # noqa: E402
from tools import Tool  # noqa: E402

MARKS = "<!-- private: begin -->", "<!-- private: end -->"
TOOLS = {
    "marginals": Tool("lookalike, `marginals`", "lookalike", "marginals"),
    "autoregressive": Tool("lookalike, `autoregressive`", "lookalike", "autoregressive"),
    "diffusion": Tool("lookalike, `diffusion`", "lookalike", "diffusion"),
    "dpmm-mst": Tool("dpmm MST", "dpmm", "mst", env="dpmm"),
    "smartnoise-mst": Tool("smartnoise-synth MST", "smartnoise", "mst", env="smartnoise"),
    "mostlyai": Tool("mostlyai-engine with DP", "mostlyai", env="mostlyai"),
    "dpmm-aim": Tool("dpmm AIM", "dpmm", "aim", env="dpmm"),
    "smartnoise-aim": Tool("smartnoise-synth AIM", "smartnoise", "aim", env="smartnoise"),
    "open-forest": Tool("lookalike, `forest`, not private", "lookalike", "forest"),
    "open-autoregressive": Tool("lookalike, `autoregressive`, not private", "lookalike", "autoregressive"),
}
OWN = ("marginals", "autoregressive", "diffusion")
OPEN = ("open-forest", "open-autoregressive")
"""Not private."""
OURS = "marginals"
"""What must not be behind any rival."""
RIVALS = tuple(tool for tool in TOOLS if tool not in (*OWN, *OPEN))
WIDTH = tuple(f"width_{ways}" for ways in (1, 2, 3))
SHARE = tuple(f"share_{ways}" for ways in (1, 2, 3))
FASTER = 5.0
"""Times that the fit must be faster than the best rival's."""
MINUTES = 5.0
"""What the wide table may take."""
JUDGED = (("c2st_auc_hold", 3), ("tstr", 4), ("dcr_share", 3))
COLUMNS = (
    "runs", "fit s", "fit CPU s", "draw s", "peak MB", "TV 1, %", "TV 2, %", "TV 3, %", "TV 1, even bins", "TV 2, even bins",
    "TV 3, even bins", "C2ST vs holdout", "TSTR", "DCR share",
)  # fmt: skip


def key(name: str, tool: str, epsilon: float | None, seed: int) -> str:
    """The name of a cell."""
    return f"{name}/{tool}/{'open' if epsilon is None else f'{epsilon:g}'}/{seed}"


def runs(results: Results, name: str, tool: str, epsilon: float | None) -> list[dict[str, Any]]:
    """All repeats of a cell, in order."""
    start = key(name, tool, epsilon, 0).removesuffix("0")
    return [results[k] for k in sorted(k for k in results if k.startswith(start))]


def budgets(results: Results, name: str) -> list[float]:
    """Budgets at which anything was tried on a set, rising."""
    found = {k.split("/")[2] for k in results if k.startswith(f"{name}/") and k.count("/") == 3}
    return sorted(float(e) for e in found - {"open"})


def value(run: dict[str, Any], name: str) -> float | None:
    """A figure of one run: of the process, the distances or the judge."""
    places = (run, run.get("error", {}), run.get("score", {}))
    return next((place[name] for place in places if place.get(name) is not None), None)


def middle(found: list[dict[str, Any]], name: str) -> float | None:
    """Mean of a figure over the runs that have it."""
    known = [v for run in found if (v := value(run, name)) is not None]
    return statistics.fmean(known) if known else None


def spread(found: list[dict[str, Any]], name: str, digits: int) -> str:
    """Mean and range of a figure over the runs that have it."""
    known = [v for run in found if (v := value(run, name)) is not None]
    if not known:
        return "–"
    told = figure(statistics.fmean(known), digits)
    return told if len(known) < 2 else f"{told} ({figure(min(known), digits)} to {figure(max(known), digits)})"


def line(first: Iterable[str], found: list[dict[str, Any]]) -> str:
    """One tool at one budget: mean and range of its runs; where none got through, why."""
    done = [run for run in found if "error" in run]
    if not done:
        why = ", ".join(dict.fromkeys(run.get("failed", "no figures") for run in found))
        return row([*first, why, *["–"] * (len(COLUMNS) - 1)])
    star = "*" if any(run.get("busy", 0) > BUSY for run in done) else ""
    count = str(len(done)) if len(done) == len(found) else f"{len(done)} of {len(found)}"
    times = [spread(done, "fit_s", 1) + star, figure(middle(done, "fit_cpu_s"), 1)]
    times += [spread(done, "draw_s", 2), figure(middle(done, "process_mb"), 0)]
    return row([*first, count, *times, *(spread(done, n, 2) for n in (*WIDTH, *SHARE)), *(spread(done, n, digits) for n, digits in JUDGED)])


def ceiling(results: Results, name: str) -> str:
    """The unseen real rows in place of synthetic ones."""
    found = [results[f"{name}/ceiling"]] if f"{name}/ceiling" in results else []
    cells = [spread(found, n, 2) for n in (*WIDTH, *SHARE)] + [spread(found, n, digits) for n, digits in JUDGED]
    return row(["", "unseen real rows (ceiling)", *["–"] * (len(COLUMNS) - len(cells)), *cells])


def titled(tool: str, found: list[dict[str, Any]]) -> str:
    """The tool, and what its runs noted."""
    notes = "; ".join(dict.fromkeys(run["note"] for run in found if run.get("note")))
    return TOOLS[tool].title + (f" ({notes})" if notes else "")


def beside(results: Results, name: str, origins: Origins) -> list[str]:
    """All tools on one set at the budgets asked for, and then where the budget hides nothing."""
    sizes, real = results[f"{name}/sizes"], SETS[name]
    size = f"{sizes['rows']:,} rows × {sizes['columns']} columns, {sizes['unseen']:,} unseen rows, target `{real.target}`."
    out = [f"#### {name}: {real.about}", "", size, "", *head(("ε", "tool", *COLUMNS), 2), ceiling(results, name)]
    for epsilon in budgets(results, name):
        for tool in TOOLS:
            found = runs(results, name, tool, epsilon)
            if found:
                out.append(line([f"{epsilon:g}", titled(tool, found) + origins.mark(*found)], found))
    for tool in OPEN:
        found = runs(results, name, tool, None)
        if found:
            out.append(line(["–", titled(tool, found) + origins.mark(*found)], found))
    return [*out, ""]


def mean(found: list[dict[str, Any]], names: tuple[str, ...]) -> float | None:
    """Mean of the distances of one, two and three columns."""
    each = [middle(found, name) for name in names]
    return None if None in each else statistics.fmean(each)


def faster(mine: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> float | None:
    """Times that a fit is faster than another, if on one machine: by the wall clock, or by processor time where it had other work."""
    if not same(*mine, *theirs):
        return None
    late = any(run.get("busy", 0) > BUSY for run in mine + theirs)
    took, other = (middle(found, "fit_cpu_s" if late else "fit_s") for found in (mine, theirs))
    return other / took if took and other else None


def asked(results: Results, name: str, epsilon: float) -> list[str] | None:
    """One line: this project's error beside the best rival's on both grids, and how much faster it is; None where nothing is known."""
    mine = runs(results, name, OURS, epsilon)
    rivals = {tool: found for tool in RIVALS if (found := runs(results, name, tool, epsilon))}
    cells, above = [], []
    for names in (WIDTH, SHARE):
        errors = {tool: e for tool, found in rivals.items() if (e := mean(found, names)) is not None}
        best, own = min(errors, key=lambda tool: errors[tool], default=None), mean(mine, names)
        cells += [figure(own, 2), "–" if best is None else f"{figure(errors[best], 2)} ({TOOLS[best].title})"]
        above.append(None if own is None or best is None else own > errors[best])
        if names == WIDTH:
            beside = rivals.get(best or "", [])
            times = faster(mine, beside)
    if all(cell == "–" for cell in cells):
        return None
    short = [
        word for word, fails in (("equal bins", above[0]), ("even bins", above[1]), ("time", times is not None and times < FASTER)) if fails
    ]
    apart = None not in above and not same(*mine, *beside)
    said = f"**below** ({', '.join(short)})" if short else "nearer" if apart else "met"
    said = f"{said}; time: {APART}" if apart else "not measured" if None in (*above, times) else said
    absent = [TOOLS[tool].title for tool in RIVALS if tool not in rivals]
    if absent and said != "not measured":
        said += f"; not measured: {', '.join(absent)}"
    return [name, f"{epsilon:g}", *cells, "–" if times is None else f"{times:.1f} ×", said]


def verdicts(results: Results, names: list[str]) -> list[str]:
    """What was asked of `marginals`, and whether it does it."""
    lines = [line for name in names for epsilon in budgets(results, name) if epsilon < 100 and (line := asked(results, name, epsilon))]
    titles = ("table", "ε", "TV, `marginals`", "best rival", "even bins, `marginals`", "best rival", "fit, times faster", "")
    out = ["#### Asked and measured", ""]
    if lines:
        out += [*head(titles, 1), *(row(line) for line in lines), ""]
    runs_ = runs(results, "wide", OURS, 1.0)
    if runs_:
        sizes, took = results["wide/sizes"], middle(runs_, "fit_s")
        size = f"{sizes['rows']:,} rows × {sizes['columns']} columns"
        said = "not measured" if took is None else "met" if took <= 60 * MINUTES else "**missed**"
        shown = [figure(took, 1), figure(middle(runs_, "process_mb"), 0), *(spread(runs_, n, 2) for n in WIDTH)]
        real = [spread([results["wide/ceiling"]], n, 2) for n in WIDTH]
        failed = [run["failed"] for run in runs_ if "failed" in run]
        out += [f"A made-up table of {size}, `marginals` at ε = 1, fit in at most {60 * MINUTES:.0f} s:", ""]
        out += [
            *head(("", "fit s", "peak MB", "TV 1, %", "TV 2, %", "TV 3, %", ""), 1),
            row(["`marginals`", *shown, ", ".join(failed) or said]),
        ]
        out += [row(["unseen rows of the same law (ceiling)", "–", "–", *real, ""]), ""]
    return out


def versions(results: Results) -> list[str]:
    """Which versions made each tool's rows."""
    made: dict[str, list[str]] = {}
    for tool, about in TOOLS.items():
        found = [cell["versions"] for k, cell in results.items() if f"/{tool}/" in k and cell.get("versions")]
        if found:
            made.setdefault(", ".join(f"{name} {number}" for name, number in found[-1].items()), []).append(about.title)
    return [f"- {'; '.join(titles)}: {numbers}" for numbers, titles in made.items()]


def page(results: Results) -> str:
    """Everything measured, as Markdown."""
    origins = Origins(results.values())
    names = [name for name in SETS if f"{name}/sizes" in results]
    out = [origins.told(), "", *verdicts(results, names)]
    for name in names:
        out += beside(results, name, origins)
    if any(cell.get("busy", 0) > BUSY for cell in results.values()):
        out += [f"\\* more than {BUSY:.0%} of the processors were in other use when one of the runs started.", ""]
    return "\n".join([*out, "Versions:", "", *versions(results)])
