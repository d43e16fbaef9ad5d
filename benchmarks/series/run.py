"""Windows of regular series beside other tools in one command: how like the real ones, and how fast.

    python benchmarks/series/run.py                            # everything not yet done
    python benchmarks/series/run.py --sets etth1 --lengths 24 --tools series dgan --again
    python benchmarks/series/run.py --table                    # only the table, from what is known

Each tool learns the same windows, for `--cap` seconds at most, and draws as many as it is judged by. Measures are those of TSGBench and
TimeGAN (src/lookalike/compare/series.py), against the windows that were learned. Finished cells stay in `.work/series/results.json`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lines import figure, head, row  # noqa: E402
from run import SHARED, Results, machine  # noqa: E402
from sets import LENGTHS, SETS, windows  # noqa: E402  the benchmarks' own modules are not a package
from tools import environment, last, watch  # noqa: E402

from lookalike.compare import series as measures  # noqa: E402

WORK = HERE.parent / ".work" / "series"
TOOLS = {
    "series": ("lookalike, `series`", "ours", "series", ""),
    "surrogate": ("lookalike, `surrogate`", "ours", "surrogate", ""),
    "vae": ("TSGM, variational autoencoder", "generative", "vae", "tsgm"),
    "timegan": ("TSGM, TimeGAN", "generative", "timegan", "tsgm"),
    "dgan": ("gretel-synthetics, DoppelGANger", "dgan", "default", "gretel"),
    "par": ("SDV, PAR", "par", "default", "sdv"),
}
"""Title, script, model and environment."""
CONTROLS = {"ceiling": "ceiling: real windows again", "unseen": "unseen real windows", "floor": "floor: each column shuffled"}
COLUMNS = {
    "disc": ("discriminative", 3), "auc": ("its AUC", 3), "pred": ("predictive", 4), "fid": ("context-FID", 3), "mdd": ("margins", 4),
    "acd": ("autocorrelation", 4), "corr": ("correlation", 4), "spectrum": ("spectrum", 4), "skew": ("skewness", 3),
    "kurt": ("kurtosis", 3), "ed": ("Euclidean", 4), "dtw": ("DTW", 4),
}  # fmt: skip
JUDGED, REPEATS = 1_000, 2
"""Windows drawn and judged; random judges are asked so often, and the mean told."""


def judged(real: np.ndarray, made: np.ndarray) -> dict[str, float]:
    """All measures; those that hang on chance are means of repeats."""
    real, made = measures.scaled(real.astype(np.float64), made.astype(np.float64))
    told = [measures.discriminative(real, made, rng=np.random.default_rng(k)) for k in range(REPEATS)]
    ed, dtw = measures.distances(real, made, rng=np.random.default_rng(0), pairs=1_000)
    return {
        "disc": float(np.mean([t.score for t in told])),
        "auc": float(np.mean([t.auc for t in told])),
        "pred": float(np.mean([measures.predictive(made, real, rng=np.random.default_rng(k)) for k in range(REPEATS)])),
        "fid": measures.frechet(real, made),
        "mdd": measures.marginal_difference(real, made),
        "acd": measures.autocorrelation_difference(real, made),
        "corr": measures.correlation_difference(real, made),
        "spectrum": measures.spectrum_difference(real, made),
        "skew": measures.moment_difference(real, made, 3),
        "kurt": measures.moment_difference(real, made, 4),
        "ed": ed,
        "dtw": dtw,
    }


def shuffled(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each column's cells in random order: margins and nothing else."""
    out = np.empty_like(x)
    for c in range(x.shape[2]):
        out[:, :, c] = rng.permutation(x[:, :, c].ravel()).reshape(x.shape[:2])
    return out


def control(name: str, learn: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """Windows that were not drawn by a tool."""
    rng = np.random.default_rng(1)
    if name == "ceiling":
        return learn[rng.integers(0, len(learn), JUDGED)]
    return unseen[:JUDGED] if name == "unseen" else shuffled(learn[rng.permutation(len(learn))[:JUDGED]], rng)


def one(key: str, tool: str, learn: np.ndarray, cap: float) -> dict[str, Any]:
    """Fit, draw and judge, in a process of the tool's own."""
    _, script, model, env = TOOLS[tool]
    out = WORK / key.replace("/", "_")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    np.save(out / "train.npy", learn)
    command = [str(environment(env)), str(HERE / f"{script}.py"), model, str(out / "train.npy"), str(out)]
    command += ["--rows", str(JUDGED), "--cap", str(cap)]
    ran = watch(command, log=out / "log.txt", env={"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""})
    cell = json.loads((out / "cell.json").read_text()) if (out / "cell.json").exists() else {}
    cell["mb"] = ran["megabytes"]
    if not (out / "made.npy").exists():
        return cell | {"failed": last(out / "log.txt")}
    made = np.load(out / "made.npy")
    if not np.isfinite(made).all():
        return cell | {"failed": "drew numbers that are not finite"}
    (out / "train.npy").unlink()
    return cell | judged(learn[:JUDGED], made)


def table(results: dict[str, Any]) -> str:
    """What is known, as Markdown."""
    where = results.get("machine", {})
    names = ("data", "steps", "windows of", "fit s", "draw s", *(title for title, _ in COLUMNS.values()))
    lines = [f"Measured {where.get('date', '')} on {where.get('cores', '')} cores ({where.get('cpu', '')}).", "", *head(names, 3)]
    for name in SETS:
        for length in LENGTHS:
            for tool in (*TOOLS, *CONTROLS):
                cell = results.get(f"{name}/{length}/{tool}")
                if cell is None:
                    continue
                title = TOOLS[tool][0] if tool in TOOLS else CONTROLS[tool]
                title += f" ({cell['note']})" if cell.get("note") else ""
                first = [name, str(length), title, figure(cell.get("fit_s"), 1), figure(cell.get("draw_s"), 1)]
                rest = [figure(cell.get(k), digits) for k, (_, digits) in COLUMNS.items()]
                lines.append(row([*first, *([cell["failed"], *rest[1:]] if "failed" in cell else rest)]))
    return "\n".join(lines)


def main() -> None:
    """See the module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    ask.add_argument("--lengths", nargs="+", type=int, choices=LENGTHS, default=list(LENGTHS))
    ask.add_argument("--tools", nargs="+", choices=[*TOOLS, *CONTROLS], default=[*CONTROLS, *TOOLS])
    ask.add_argument("--cap", type=float, default=300, help="seconds of training at most")
    ask.add_argument("--again", action="store_true", help="measure cells anew")
    ask.add_argument("--table", action="store_true", help="only the table")
    got = ask.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    results = Results(WORK / "results.json")
    if not got.table:
        results.keep("machine", machine())
        for length in got.lengths:
            for name in got.sets:
                measure(results, name, length, got)
    print(table(results.all))


def measure(results: Any, name: str, length: int, got: argparse.Namespace) -> None:
    """The cells of one data set and length."""
    todo = [tool for tool in got.tools if got.again or f"{name}/{length}/{tool}" not in results.all]
    if not todo:
        return
    learn, unseen = windows(name, length, SHARED / "timeseries")
    make: dict[str, Callable[[], dict[str, Any]]] = {t: (lambda t=t: judged(learn[:JUDGED], control(t, learn, unseen))) for t in CONTROLS}
    for tool in todo:
        key = f"{name}/{length}/{tool}"
        print(key, flush=True)
        results.keep(key, make[tool]() if tool in CONTROLS else one(key, tool, learn, got.cap))


if __name__ == "__main__":
    main()
