"""How time and memory grow with rows and with columns: the default model fits, draws and is reported on, each in a process of its own.

    python benchmarks/scale.py                             # everything not yet done, then the table and its picture
    python benchmarks/scale.py --sizes 10000x20 --again    # ROWSxCOLUMNS, also others than those of the page
    python benchmarks/scale.py --table                     # only table and picture, from what is known

Tables are made up on the way (see `made.py`), as Parquet, and are gone when they are measured. Cells stand in `results/scale.json` as
soon as they are there, so that a run that was stopped goes on where it was. A fit includes reading and saving, a draw is of as many rows
as the table has and includes loading and writing, a report is the standard one, with unseen rows. Clocks run from when `lookalike` is
imported; processor seconds are those of all threads; memory is the highest of the whole process.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import table
from data import REAL
from lines import Origins, figure, head, row, same
from run import RESULTS, ROOT, SHARED, Results
from tools import HERE, last, watch

WORK = HERE / ".work" / "scale"
ROWS, COLUMNS = (10_000, 100_000, 1_000_000, 10_000_000), (10, 30, 100, 300, 1_000)
WIDE, SHORT = 20, 10_000
"""Columns of the tables that grow by rows, and rows of those that grow by columns."""
UNSEEN = 250_000
"""Fresh rows for a report: a quarter as many as the table has, and so many at most."""
STEPS = ("fit", "sample", "report")
PICTURE = "scale.png"


@dataclass(frozen=True)
class Ask:
    """One thing asked for: the cell, its figure, and the most that will do."""

    what: str
    cell: str
    figure: str
    most: float
    unit: str

    def line(self, results: dict[str, Any]) -> str:
        """What, at most, measured, verdict; where the clock alone says that it is missed, what the processor says."""
        cell = results.get(self.cell, {})
        got, work = cell.get(self.figure), cell.get("cpu_s", math.inf)
        if got is None:
            return row([self.what, f"≤ {self.most:,.0f} {self.unit}", "–", "not measured"])
        spent = f" ({work:,.0f} CPU s)" if self.figure == "seconds" else ""
        alone = self.figure == "seconds" and work <= self.most
        verdict = "met" if got <= self.most else "missed beside other work, met by one core alone" if alone else "**missed**"
        return row([self.what, f"≤ {self.most:,.0f} {self.unit}", f"{got:,.0f} {self.unit}{spent}", verdict])


ASKS = (
    Ask("fit 10M rows × 20 columns", "10000000x20/fit", "seconds", 300, "s"),
    Ask("the same, peak memory", "10000000x20/fit", "megabytes", 8 * 1024, "MB"),
    Ask("sample 10M rows to Parquet", "10000000x20/sample", "seconds", 30, "s"),
    Ask("the same, peak memory", "10000000x20/sample", "megabytes", 1024, "MB"),
    Ask("fit 10,000 rows × 1,000 columns", "10000x1000/fit", "seconds", 300, "s"),
)


# ------------------------------------------------------------------------------------------------- one step, in a process of its own


def make(folder: Path, rows: int, columns: int) -> None:
    """The table and fresh rows of the same law."""
    from made import write

    census = SHARED / REAL["adult"].path
    write(census, rows, columns, folder / "real.parquet", seed=0)
    write(census, min(max(rows // 4, 1), UNSEEN), columns, folder / "fresh.parquet", seed=1)


def fit(folder: Path, rows: int, columns: int) -> None:
    """Read, learn, save."""
    import lookalike as la

    la.save(la.fit(folder / "real.parquet", seed=0), folder / "model.lookalike")


def sample(folder: Path, rows: int, columns: int) -> None:
    """Load, draw, write."""
    import lookalike as la

    la.sample(la.load(folder / "model.lookalike"), rows, seed=1, out=folder / "drawn.parquet")


def report(folder: Path, rows: int, columns: int) -> None:
    """Read three tables, compare."""
    import lookalike as la

    found = la.report(folder / "real.parquet", folder / "drawn.parquet", holdout=folder / "fresh.parquet", seed=0)
    found.write(folder / "report.json")


DO: dict[str, Callable[[Path, int, int], None]] = {"make": make, "fit": fit, "sample": sample, "report": report}


def do(step: str, folder: Path, rows: int, columns: int) -> None:
    """One step, and into `STEP.json` the seconds that it took."""
    import lookalike  # noqa: F401  what it loads is no part of a step

    began, work = time.perf_counter(), time.process_time()
    DO[step](folder, rows, columns)
    took = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - work}
    (folder / f"{step}.json").write_text(json.dumps(took))


# ------------------------------------------------------------------------------------------------------------------------ all of it


def shape(size: str) -> tuple[int, int]:
    """Rows and columns of a size such as 10000x20."""
    rows, _, columns = size.partition("x")
    return int(rows), int(columns)


def watched(step: str, size: str, folder: Path) -> dict[str, Any]:
    """One cell: what a step took, or under `failed` why it is not known."""
    command = [sys.executable, str(HERE / "scale.py"), "--do", step, str(folder), "--sizes", size]
    seen, log = folder / f"{step}.json", folder / f"{step}.txt"
    seen.unlink(missing_ok=True)
    ran = watch(command, log=log)
    if ran["code"]:
        return {"failed": last(log) if ran["code"] > 0 else f"ended by signal {-ran['code']}"}
    made = {"fit": "model.lookalike", "sample": "drawn.parquet"}.get(step, "real.parquet")
    found = json.loads(seen.read_text())
    return found | {"megabytes": ran["megabytes"], "file_mb": round((folder / made).stat().st_size / 1e6, 1)}


def measure(given: argparse.Namespace, results: Results) -> None:
    """Every cell that is not known, or all that are asked for again."""
    for size in given.sizes:
        wanted = [step for step in given.steps if given.again or f"{size}/{step}" not in results.all]
        if not wanted:
            continue
        folder = given.folder / size
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "make.json").exists():
            print(size, "is made", flush=True)
            if "failed" in watched("make", size, folder):
                raise SystemExit(f"the table could not be made: {folder / 'make.txt'}")
        needed = [step for step in STEPS[: STEPS.index(wanted[-1]) + 1] if step in wanted or not (folder / f"{step}.json").exists()]
        for step in needed:
            cell = watched(step, size, folder)
            results.keep(f"{size}/{step}", cell)
            print(size, step, *cells(cell), flush=True)
            if "failed" in cell:
                break
        if not given.keep:
            shutil.rmtree(folder)


def cells(cell: dict[str, Any]) -> list[str]:
    """Seconds, processor seconds and MB of a step."""
    if "failed" in cell:
        return [cell["failed"], "–", "–"]
    digits = 0 if cell.get("seconds", 0) >= 10 else 1
    return [figure(cell.get("seconds"), digits), figure(cell.get("cpu_s"), digits), figure(cell.get("megabytes"), 0)]


def grown(results: dict[str, Any], sizes: list[str], step: str, what: str) -> str:
    """The power of the size by which a figure grew from the last size but one to the last, if both are of one machine."""
    found = [(math.prod(shape(size)), results[f"{size}/{step}"]) for size in sizes if what in results.get(f"{size}/{step}", {})]
    if len(found) < 2 or not same(found[-2][1], found[-1][1]):
        return "–"
    (a, x), (b, y) = found[-2:]
    return f"{math.log(y[what] / x[what]) / math.log(b / a):.2f}"


def families() -> dict[str, list[str]]:
    """The sizes that grow by rows, and those that grow by columns."""
    return {"rows": [f"{n}x{WIDE}" for n in ROWS], "columns": [f"{SHORT}x{n}" for n in COLUMNS]}


def page(results: dict[str, Any]) -> Iterator[str]:
    """The table in Markdown."""
    origins = Origins(results.values())
    yield f"{origins.told()} Lines of one core were taken beside other work: their clock says more than an"
    yield "idle machine's would, processor seconds (CPU s) hardly more."
    yield ""
    yield from [*head(("what", "at most", "measured", ""), 1), *(ask.line(results) for ask in ASKS), ""]
    names = ("rows × columns", *(f"{step} {unit}" for step in STEPS for unit in ("s", "CPU s", "MB")), "model MB", "drawn MB")
    yield from head(names, 1)
    for family, sizes in families().items():
        for size in sizes:
            mine = [results.get(f"{size}/{step}", {}) for step in STEPS]
            files = [figure(cell.get("file_mb"), 1) for cell in mine[:2]]
            first = " × ".join(f"{n:,}" for n in shape(size)) + origins.mark(*mine)
            yield row([first, *(text for cell in mine for text in cells(cell)), *files])
        power = [grown(results, sizes, step, what) for step in STEPS for what in ("seconds", "cpu_s", "megabytes")]
        yield row([f"growth of the last step ∝ {family}^", *power, "–", "–"])
    yield ""
    yield f"![Seconds and memory of fit, sample and report by rows and by columns, log-log]({PICTURE})"


def picture(results: dict[str, Any], out: Path) -> None:
    """Processor seconds and memory by rows and by columns, both axes logarithmic."""
    sys.path.append(str(ROOT / "docs"))
    from pictures import MADE, OTHER, PALE, REAL, panels

    whats = {"cpu_s": "processor seconds", "megabytes": "peak memory, MB"}
    figure_, axes = panels(*(f"{name} by {family}" for family in families() for name in whats.values()), wide=3.3, tall=3.0)
    spots = [(family, what) for family in families() for what in whats]
    for axis, (family, what) in zip(axes, spots, strict=True):
        for step, colour in zip(STEPS, (MADE, OTHER, REAL), strict=True):
            found = [(shape(s), results.get(f"{s}/{step}", {}).get(what)) for s in families()[family]]
            line = [(size[family == "columns"], value) for size, value in found if value is not None]
            axis.plot(*zip(*line, strict=True), marker="o", ms=4, color=colour, label=step) if line else None
        ends = [math.log10(y) for line in axis.lines for y in line.get_ydata()] or [0, 1]
        axis.set(xscale="log", yscale="log", ylim=(10 ** math.floor(min(ends)), 10 ** math.ceil(max(ends) + 1e-9)))
        axis.yaxis.set_major_formatter("{x:,g}")
        axis.set(xlabel=f"{family} ({f'{WIDE} columns' if family == 'rows' else f'{SHORT:,} rows'})")
        axis.grid(color=PALE, lw=0.6)
        axis.set_axisbelow(True)
    if axes[0].lines:
        axes[0].legend(frameon=False, fontsize=8)
    figure_.savefig(out)


def main() -> None:
    """Measure what was asked for, then table and picture; or, for a process that is watched, do one step."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sizes", nargs="+", default=[s for sizes in families().values() for s in sizes], metavar="ROWSxCOLUMNS")
    asked.add_argument("--steps", nargs="+", default=list(STEPS), choices=STEPS)
    asked.add_argument("--again", action="store_true", help="measure what is known again")
    asked.add_argument("--table", action="store_true", help="only table and picture, from what is known")
    asked.add_argument("--folder", type=Path, default=WORK, help="where tables are kept while they are measured (about 1 GB)")
    asked.add_argument("--keep", action="store_true", help="leave tables and models there")
    asked.add_argument("--do", nargs=2, metavar=("STEP", "FOLDER"), help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.do:
        do(given.do[0], Path(given.do[1]), *shape(given.sizes[0]))
        return
    results = Results(RESULTS / "scale.json")
    if not given.table:
        measure(given, results)
    text = "\n".join(page(results.all))
    print(text)
    if importlib.util.find_spec("matplotlib"):
        picture(results.all, ROOT / "docs" / PICTURE)
    else:
        print("the picture is as it was: drawing it needs matplotlib (the extra docs)", file=sys.stderr)
    table.write(ROOT / "docs" / "benchmarks.md", text, marks=("<!-- scale: begin -->", "<!-- scale: end -->"))


if __name__ == "__main__":
    main()
