"""Fuzz all readers of what others wrote: `python tests/abuse/fuzz.py` (make fuzz). An input may be read, or refused in our own words.

A child process runs each target, so that a crash, a hang or memory out of bounds ends it and not the run; the input it was at is kept in
`--keep`, with what happened.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import mmap
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

HANG, SLOW, MOST = 600, 20, 96 * 2**20
"""Seconds that an input may take, of the clock and of the processor; and bytes by which memory may grow for one below a megabyte."""
BIG = 8 * 2**20


def main() -> None:
    """Run all targets, or those that are named."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("targets", nargs="*", metavar="TARGET", help="names in fuzz_targets.TARGETS; all if none is named")
    asked.add_argument("--inputs", type=int, default=1_000_000)
    asked.add_argument("--minutes", type=float, default=0, help="stop then, 0: never")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--keep", type=Path, default=Path("fuzz-found"), help="folder for inputs that went wrong")
    asked.add_argument("--guided", action="store_true", help="inputs by the branches that they reach (atheris)")
    asked.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = asked.parse_args()
    if args.child:
        child(args.targets[0], first=int(args.child[0]), last=int(args.child[1]), current=Path(args.child[2]), keep=args.keep)
        return
    if args.guided:
        guided(args.targets[0] if args.targets else "rule", args.inputs, keep=args.keep)
        return
    import fuzz_targets
    from fuzz_targets import TARGETS

    models = tempfile.TemporaryDirectory(prefix="fuzz-models-")
    if not args.targets or "model" in args.targets:
        fuzz_targets.fitted(Path(models.name))
        os.environ["LOOKALIKE_FUZZ_MODELS"] = models.name
    names, began = args.targets or list(TARGETS), time.monotonic()
    shares = {name: TARGETS[name].each / sum(TARGETS[n].each for n in names) for name in names}
    told: dict[str, dict[str, int]] = {}
    for name in names:
        told[name] = campaign(name, args.seed * 10**9, max(1, round(args.inputs * shares[name])), args, began)
        inputs, refused, wrong, seconds = told[name].values()
        say(f"{name:<11}{inputs:>10,} inputs {refused:>10,} refused {wrong:>4} wrong  {seconds} s")
    say(f"{'all':<11}{sum(t['inputs'] for t in told.values()):>10,} inputs, {sum(t['wrong'] for t in told.values())} went wrong")
    sys.exit(any(t["wrong"] for t in told.values()))


def campaign(name: str, first: int, inputs: int, args: argparse.Namespace, began: float) -> dict[str, int]:
    """`inputs` inputs of one target, in as many children as crash."""
    told, at, start = {"inputs": 0, "refused": 0, "wrong": 0}, first, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        current = Path(folder) / "current"
        while at < first + inputs:
            if args.minutes and time.monotonic() - began > 60 * args.minutes:
                break
            last = min(first + inputs, at + 20_000)
            command = [sys.executable, __file__, name, "--keep", str(args.keep), "--child", str(at), str(last), str(current)]
            done = subprocess.run(command, capture_output=True, check=False, cwd=folder)
            lines = done.stdout.decode().splitlines()
            got = json.loads(lines[-1]) if done.returncode == 0 and lines else None
            if got is not None:
                sys.stderr.write(done.stderr.decode(errors="replace"))
                told = {k: v + got[k] for k, v in told.items()}
                at = last
                continue
            reached, data = _current(current)
            told["wrong"], told["inputs"] = told["wrong"] + 1, told["inputs"] + reached - at + 1
            kept(args.keep, name, data, f"ended with {done.returncode}\n{done.stderr.decode(errors='replace')[-6000:]}")
            at = reached + 1
    return told | {"seconds": round(time.monotonic() - start)}


def child(name: str, *, first: int, last: int, current: Path, keep: Path) -> None:
    """Inputs number `first` to `last`, each made of its number alone."""
    import fuzz_targets
    import mutate

    faulthandler.enable()
    target, seeds = fuzz_targets.TARGETS[name], fuzz_targets.TARGETS[name].seeds()
    seeds += [p.read_bytes() for p in sorted((fuzz_targets.CORPUS / name).glob("*"))]
    fuzz_targets.small()
    current.write_bytes(bytes(16 + BIG))
    told, seen = {"inputs": 0, "refused": 0, "wrong": 0}, set[str]()
    with current.open("r+b") as file, mmap.mmap(file.fileno(), 0) as now, tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        peak = 0
        for number in range(first, last):
            data = mutate.mutated(random.Random(f"{name} {number}"), target.kind, seeds)[:BIG]
            now[:16] = number.to_bytes(8, "little") + len(data).to_bytes(8, "little")
            now[16 : 16 + len(data)] = data
            faulthandler.dump_traceback_later(HANG, exit=True)
            began = time.process_time()
            what = attempt(fuzz_targets.ours, target, data, Path(folder), told)
            if time.process_time() - began > SLOW:
                what = what or f"took {time.process_time() - began:.0f} s"
            faulthandler.cancel_dump_traceback_later()
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            if number - first > 200 and grown - peak > MOST:
                what = what or f"memory grew by {(grown - peak) >> 20} MB for {len(data):,} bytes"
            peak = max(peak, grown)
            if what is not None and (sign := what.strip().splitlines()[-1][:60] + _place(what)) not in seen:
                seen.add(sign)
                kept(keep, name, data, what)
            told["wrong"] += what is not None
            told["inputs"] += 1
    sys.stdout.write(json.dumps(told) + "\n")


def guided(name: str, inputs: int, *, keep: Path) -> None:
    """Inputs of one target that atheris (libFuzzer) makes of those that reached branches of ours which none had reached before."""
    import atheris

    with atheris.instrument_imports(include=["lookalike"]):
        import fuzz_targets
    target, told = fuzz_targets.TARGETS[name], {"refused": 0}
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    (folder / "corpus").mkdir()
    for k, seed in enumerate([*target.seeds(), *(p.read_bytes() for p in sorted((fuzz_targets.CORPUS / name).glob("*")))]):
        (folder / "corpus" / str(k)).write_bytes(seed)

    def one(data: bytes) -> None:
        if (what := attempt(fuzz_targets.ours, target, data, folder, told)) is not None:
            kept(keep, name, data, what)

    limits = (f"-atheris_runs={inputs}", "-max_len=8192", "-timeout=120")
    atheris.Setup([__file__, *limits, str(folder / "corpus")], one)
    atheris.Fuzz()


def attempt(run: object, target: object, data: bytes, folder: Path, told: dict[str, int]) -> str | None:
    """What went wrong, if something did."""
    try:
        told["refused"] += run(target, data, folder) is not None  # type: ignore[operator]
    except KeyboardInterrupt:
        raise
    except BaseException:
        return traceback.format_exc()
    return None


def _place(what: str) -> str:
    """The last line of our own code that a traceback names."""
    lines = [line.strip() for line in what.splitlines() if "/lookalike/" in line and line.strip().startswith("File")]
    return lines[-1] if lines else ""


def _current(path: Path) -> tuple[int, bytes]:
    raw = path.read_bytes()
    size = int.from_bytes(raw[8:16], "little")
    return int.from_bytes(raw[:8], "little"), raw[16 : 16 + size]


def kept(folder: Path, name: str, data: bytes, what: str) -> None:
    """Keep an input and what happened."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    stem.with_suffix(".bin").write_bytes(data)
    stem.with_suffix(".txt").write_text(what, encoding="utf-8")
    say(f"  {stem}: {what.strip().splitlines()[-1][:150]}")


def say(line: str) -> None:
    """One line for whoever waits."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
