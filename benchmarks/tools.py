"""The tools compared, each in an environment of its own, and how a process of theirs is run and watched."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ENVS = HERE / ".envs"
BY_OTHERS = ("auto", "relational", "ruled", "sequence", "series", "surrogate")
"""Models that draw by others, or draw sequences."""
UNWANTED = dict.fromkeys(("mostlyai", "mostlyai_sdk"), ("torchvision", "torchaudio"))
"""Packages that come along unasked, do not match the torch wheel and break the import."""
ALONE_IN = {"gretel": ("gretel-synthetics==0.22.20",), "tsgm": ("tsgm==0.1.0", "tf-keras==2.20.1")}
"""Packages installed without what they ask for: old versions that their models of series do not need, or a second TensorFlow."""


@dataclass(frozen=True)
class Tool:
    """A line of the tables."""

    title: str
    script: str
    model: str = "default"
    env: str = ""
    """Requirements `peers/ENV.txt`; empty for the interpreter that runs the benchmark, where this project is installed."""
    on: str = "peers"
    """The tables that it runs on unless asked otherwise: `all`, or those that have this mark in `data.REAL` (`peers`, `models`)."""


def own_models() -> tuple[str, ...]:
    """Names of this project's models beside `forest` and the floor; found as the project finds them, by their files.

    Not those that draw by these, or draw sequences.
    """
    found = sorted(file.stem for file in (HERE.parent / "src" / "lookalike" / "models").glob("[!_]*.py"))
    return tuple(name for name in found if name not in ("forest", "independent", *BY_OTHERS))


TOOLS = {
    "lookalike": Tool("lookalike, `forest`", "lookalike", "forest", on="all"),
    "floor": Tool("floor: lookalike, `independent`", "lookalike", "independent", on="all"),
    **{f"lookalike-{name}": Tool(f"lookalike, `{name}`", "lookalike", name, on="models") for name in own_models()},
    "synthpop": Tool("synthpop-py, CART", "synthpop", env="synthpop"),
    "mostlyai": Tool("mostlyai-engine", "mostlyai", env="mostlyai"),
    "sdv-tvae": Tool("SDV TVAE", "sdv", "tvae", env="sdv"),
    "sdv-ctgan": Tool("SDV CTGAN", "sdv", "ctgan", env="sdv"),
    "sdv-copula": Tool("SDV GaussianCopula", "sdv", "copula", env="sdv"),
}
ALONE = ("lookalike", "floor")
"""Shown on tables that no other tool runs on."""


def environment(name: str) -> Path:
    """The interpreter of one environment, which is made anew whenever its requirements have changed."""
    if not name:
        return Path(sys.executable)
    asked, folder = (HERE / "peers" / f"{name}.txt").read_text(), ENVS / name
    python, done = folder / "bin" / "python", folder / "installed.txt"
    if done.is_file() and done.read_text() == asked:
        return python
    print(f"installing the environment {name} …", flush=True)
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([*pip, "install", "-r", str(HERE / "peers" / f"{name}.txt")], check=True)
    if name in ALONE_IN:
        subprocess.run([*pip, "install", "--no-deps", *ALONE_IN[name]], check=True)
    if name in UNWANTED:
        subprocess.run([*pip, "uninstall", "--yes", *UNWANTED[name]], check=True)
    done.write_text(asked)
    return python


def busy(seconds: float = 1.0) -> float:
    """Share of the processors' time that others use now, looked at for so long; 0 where it cannot be known."""

    def read() -> tuple[int, int]:
        idle = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(idle[:8]), idle[3] + idle[4]

    if not Path("/proc/stat").exists():
        return 0.0
    all0, idle0 = read()
    time.sleep(seconds)
    all1, idle1 = read()
    return 1 - (idle1 - idle0) / max(1, all1 - all0)


def watch(command: list[str], *, log: Path, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Run to the end in a process group of its own, ended whole when this one is: {code, seconds, megabytes at the peak}."""
    start = time.perf_counter()
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, **(env or {})})
        try:
            _, status, used = os.wait4(child.pid, 0)
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    child.returncode = os.waitstatus_to_exitcode(status)
    return {"code": child.returncode, "seconds": time.perf_counter() - start, "megabytes": used.ru_maxrss // 1024}


def measure(
    tool: Tool, train: Path, out: Path, *, rows: int, cap: int, million: bool, settings: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One cell: the figures that were reached, and under `failed` why the rest is missing. `settings` go to the tool's `fit`."""
    out.mkdir(parents=True, exist_ok=True)
    cell, log = out / "cell.json", out / "log.txt"
    cell.unlink(missing_ok=True)
    load = busy()
    command = [str(environment(tool.env)), "-P", str(HERE / "worker.py"), str(HERE / "peers" / f"{tool.script}.py"), tool.model]
    command += [str(train), str(out), "--rows", str(rows), "--cap", str(cap)] + (["--million"] if million else [])
    command += ["--settings", json.dumps(settings)] if settings else []
    ran = watch(command, log=log)
    found = json.loads(cell.read_text()) if cell.exists() else {}
    found |= {"process_mb": ran["megabytes"], "busy": load, "wall_s": ran["seconds"]}
    if "draw_s" not in found:
        step = "fit" if "fit_s" not in found else "draw"
        found["failed"] = f"{step} not done in {cap} s" if ran["code"] == -signal.SIGALRM else f"{step} failed: {last(log)}"
    return found


def last(log: Path) -> str:
    """The kind of the last error in a log, without its message (which may name folders of this machine)."""
    named = re.findall(r"^([A-Za-z_][\w.]*)(?::|$)", log.read_text(errors="replace"), re.MULTILINE)
    return named[-1].rpartition(".")[2] if named else "no message"
