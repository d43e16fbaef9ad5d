"""Windows of regular series beside other tools in one command: how like the real ones, and how fast.

    python benchmarks/series/run.py                               # everything not yet done, then the table
    python benchmarks/series/run.py --sets etth1-24 --tools series dgan --again
    python benchmarks/series/run.py --table                       # only the table, from what is known

A set is a table and a length of windows. Each tool learns the same windows, for `--cap` seconds at most, and draws as many as it is judged
by. Measures are those of TSGBench and TimeGAN (src/lookalike/compare/series.py), against the windows that were learned.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import sets  # noqa: E402  the benchmarks' own modules are not a package
from lines import figure  # noqa: E402
from run import SHARED  # noqa: E402
from side import Side  # noqa: E402
from tools import environment, last, watch  # noqa: E402

from lookalike.compare import series as measures  # noqa: E402

TOOLS = {
    "series": ("lookalike, `series`", "ours", "series", ""),
    "surrogate": ("lookalike, `surrogate`", "ours", "surrogate", ""),
    "vae": ("TSGM, variational autoencoder", "generative", "vae", "tsgm"),
    "timegan": ("TSGM, TimeGAN", "generative", "timegan", "tsgm"),
    "dgan": ("gretel-synthetics, DoppelGANger", "dgan", "default", "gretel"),
    "par": ("SDV, PAR", "par", "default", "sdv"),
}
COLUMNS = {
    "disc": ("discriminative", 3), "auc": ("its AUC", 3), "pred": ("predictive", 4), "fid": ("context-FID", 3), "mdd": ("margins", 4),
    "acd": ("autocorrelation", 4), "corr": ("correlation", 4), "spectrum": ("spectrum", 4), "skew": ("skewness", 3),
    "kurt": ("kurtosis", 3), "ed": ("Euclidean", 4), "dtw": ("DTW", 4),
}  # fmt: skip
SECONDS = {"fit_s": ("fit s", 1), "cpu_s": ("CPU s", 1), "draw_s": ("draw s", 1)}
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


@cache
def windows(name: str) -> tuple[np.ndarray, np.ndarray]:
    """See `sets.windows`; of `table-length`."""
    table, _, length = name.rpartition("-")
    return sets.windows(table, int(length), SHARED / "timeseries")


def control(name: str, which: str) -> dict[str, Any]:
    """The judge of windows that no tool drew."""
    rng, (learn, unseen) = np.random.default_rng(1), windows(name)
    if which == "ceiling":
        return judged(learn[:JUDGED], learn[rng.integers(0, len(learn), JUDGED)])
    some = unseen[:JUDGED] if which == "unseen" else shuffled(learn[rng.permutation(len(learn))[:JUDGED]], rng)
    return judged(learn[:JUDGED], some)


def one(name: str, tool: str, cap: int) -> dict[str, Any]:
    """Fit, draw and judge, in a process of the tool's own."""
    _, script, model, env = TOOLS[tool]
    learn, _ = windows(name)
    out = BENCH.work / "out" / f"{name}-{tool}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    np.save(out / "train.npy", learn)
    command = [str(environment(env)), str(HERE / f"{script}.py"), model, str(out / "train.npy"), str(out)]
    command += ["--rows", str(JUDGED), "--cap", str(cap)]
    ran = watch(command, log=out / "log.txt", env={"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""})
    cell = json.loads((out / "cell.json").read_text()) if (out / "cell.json").exists() else {}
    cell["mb"] = ran["megabytes"]
    if not (out / "made.npy").exists():
        step = "fit" if "fit_s" not in cell else "draw"
        late = ran["code"] == -signal.SIGALRM
        return cell | {"failed": f"{step} not done in {cap} s" if late else f"{step} failed: {last(out / 'log.txt')}"}
    (out / "train.npy").unlink()
    return cell | (again(name, tool) or {})


def again(name: str, tool: str) -> dict[str, Any] | None:
    """The judge of what was drawn, if it is kept."""
    path = BENCH.work / "out" / f"{name}-{tool}" / "made.npy"
    if not path.exists():
        return None
    made = np.load(path)
    return judged(windows(name)[0][:JUDGED], made) if np.isfinite(made).all() else {"failed": "drew numbers that are not finite"}


def figures(cell: dict[str, Any]) -> list[str]:
    """The figures of a line."""
    return [figure(cell.get(n), digits) for n, (_, digits) in (*SECONDS.items(), *COLUMNS.items())]


BENCH = Side(
    name="series",
    sets=tuple(f"{table}-{length}" for table in sets.SETS for length in sets.LENGTHS),
    tools=TOOLS,
    controls={"ceiling": "ceiling: real windows again", "unseen": "unseen real windows", "floor": "floor: each column shuffled"},
    heads=tuple(title for title, _ in (*SECONDS.values(), *COLUMNS.values())),
    figures=figures,
    prepare=lambda name: None,
    one=one,
    control=control,
    judged=again,
    cap=300,
)

if __name__ == "__main__":
    BENCH.main(__doc__)
