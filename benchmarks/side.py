"""Tools side by side on several data sets: the loop that the benchmarks of linked tables, sequences and series share.

Each has its cells in `results/NAME.json` as soon as they are there, so that a run that was stopped goes on where it was, and its
table between marks in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import table
from lines import Origins
from run import RESULTS, ROOT, Results
from tools import environment, last, watch

HERE = Path(__file__).resolve().parent
Cell = dict[str, Any]
LONG = 40
"""Characters of a note beyond which it stands below the table."""


@dataclass(frozen=True)
class Side:
    """One benchmark. tools: {name: (title, script, model, environment)}; controls: {name: title}, tables that no tool drew.

    one: measures a tool on a set, given seconds at most; control: judges a control; judged: judges once more what a tool drew, None where
    that is not kept. heads: titles of the columns after set and tool; figures: what stands in them.
    """

    name: str
    sets: tuple[str, ...]
    tools: dict[str, tuple[str, str, str, str]]
    controls: dict[str, str]
    heads: tuple[str, ...]
    figures: Callable[[Cell], list[str]]
    prepare: Callable[[str], None]
    one: Callable[[str, str, int], Cell]
    control: Callable[[str, str], Cell]
    judged: Callable[[str, str], Cell | None]
    cap: int = 600

    @property
    def work(self) -> Path:
        """Where tables are kept."""
        return HERE / ".work" / self.name

    def line(self, cell: Cell) -> list[str]:
        """The figures of a line; a failure in their place."""
        return [cell["failed"], *["–"] * (len(self.heads) - 1)] if "failed" in cell else self.figures(cell)

    def page(self, results: Cell) -> Iterator[str]:
        """The table in Markdown."""
        origins = Origins(results.values())
        yield origins.told()
        yield ""
        yield f"| data | tool | {' | '.join(self.heads)} |"
        yield f"|---|---|{'--:|' * len(self.heads)}"
        titles = {**{tool: about[0] for tool, about in self.tools.items()}, **self.controls}
        for name in self.sets:
            for tool, title in titles.items():
                if (cell := results.get(f"{name}/{tool}")) is not None:
                    said = f"{title} ({cell['note']})" if 0 < len(cell.get("note", "")) < LONG else title
                    yield f"| {name} | {said}{origins.mark(cell)} | {' | '.join(self.line(cell))} |"
        cells = [(name, tool, results.get(f"{name}/{tool}", {}).get("note", "")) for name in self.sets for tool in self.tools]
        yield from ["", *(f"- {name}, {titles[tool]}: {note}." for name, tool, note in cells if len(note) >= LONG)]

    def measure(self, given: argparse.Namespace, results: Results) -> None:
        """Every chosen cell that is not known."""
        os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
        for name in given.sets:
            self.prepare(name)
            for tool in (*self.controls, *given.tools):
                key = f"{name}/{tool}"
                if given.judge and tool in self.tools:
                    anew = self.judged(name, tool)
                    found = None if anew is None else results.all.get(key, {}) | anew
                elif key in results.all and not (given.again and tool in self.tools) and not (given.judge and tool in self.controls):
                    found = None
                else:
                    found = self.control(name, tool) if tool in self.controls else self.one(name, tool, given.cap)
                if found is not None:
                    results.keep(key, found)
                    print(name, tool, *self.line(found), flush=True)

    def main(self, about: str) -> None:
        """Measure what was asked for, and write the table."""
        asked = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
        asked.add_argument("--sets", nargs="+", default=list(self.sets), choices=self.sets)
        asked.add_argument("--tools", nargs="+", default=list(self.tools), choices=self.tools)
        asked.add_argument("--cap", type=int, default=self.cap, help="seconds that a fit, and a draw, may take (default %(default)s)")
        asked.add_argument("--again", action="store_true", help="measure chosen cells again that are done")
        asked.add_argument("--judge", action="store_true", help="judge once more what was drawn")
        asked.add_argument("--table", action="store_true", help="only write the table from what is known")
        given = asked.parse_args()
        self.work.mkdir(parents=True, exist_ok=True)
        results = Results(RESULTS / f"{self.name}.json")
        if not given.table:
            self.measure(given, results)
        page = "\n".join(self.page(results.all))
        print(page)
        table.write(ROOT / "docs" / "benchmarks.md", page, marks=(f"<!-- {self.name}: begin -->", f"<!-- {self.name}: end -->"))


def ran(bench: str, script: Path, data: Path, name: str, cap: int, *, model: str, env: str) -> tuple[Path, Cell]:
    """Fit and draw in a process of the tool's own (see `linked/worker.py`): its folder, and what is known of it, `failed` if it failed."""
    out = HERE / ".work" / bench / "out" / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    log = out / "log.txt"
    command = [str(environment(env)), "-P", str(HERE / "linked" / "worker.py"), str(script), str(data), str(out), model, "--cap", str(cap)]
    done = watch(command, log=log)
    cell = out / "cell.json"
    found = json.loads(cell.read_text()) if cell.exists() else {}
    found |= {"process_mb": done["megabytes"], "wall_s": done["seconds"]}
    if "draw_s" not in found:
        step = "fit" if "fit_s" not in found else "draw"
        found["failed"] = f"{step} not done in {cap} s" if done["code"] == -signal.SIGALRM else f"{step} failed: {last(log)}"
    return out, found


def told(command: list[str], seen: Path, log: Path, *, env: dict[str, str] | None = None) -> Cell:
    """What a judge wrote into `seen`, or why it did not."""
    done = watch(command, log=log, env=env)
    return json.loads(seen.read_text()) if done["code"] == 0 else {"failed": last(log)}
