"""Tests of the tests: faults are put into the source, and what the tests notice is counted: `tests/abuse/mutants.py` (make mutants).

The faults are those of Cosmic Ray – operators, comparisons, conditions, numbers, loops, decorators – and calls left out. Of each package
some places are drawn by chance, and one fault at each. Tests are collected once; every fault is put into a forked copy of that process
(one outside functions: into a process that imports anew), which runs the tests that pass by that line, quickest first, until one fails.
No file is changed. Results are kept in `build/mutants`: a run that was cut off goes on, `--again` tries survivors again after new tests.
Faults that change nothing are listed in `mutants_equal.json`, each with its reason, and not counted.
"""

from __future__ import annotations

import argparse
import ast
import gc
import hashlib
import importlib
import importlib.machinery
import json
import os
import random
import re
import resource
import signal
import sys
import threading
import time
import traceback
import types
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "lookalike"
PACKAGES = {"privacy": "privacy/*.py", "score": "score.py", "steer": "steer.py", "encode": "encode/*.py"}
TESTS = """accounting condition encode encode_key encode_kinds encode_looks encode_number encode_parts harness ledger look mechanisms
    personal private_parts score sgd statement steer steer_account"""
CONTRACTS = ("encoders",)
HEAVY = "hypothesis pandas pyarrow.parquet scipy.stats sklearn.ensemble numba faker torch dp_accounting opendp.prelude"
EQUAL = Path(__file__).with_name("mutants_equal.json")
Z = 1.959963984540054


@dataclass(frozen=True)
class Mutant:
    """The fault that `operator` makes at its place number `occurrence` of a file; `lines` of the statement that it is in."""

    package: str
    file: str
    operator: str
    occurrence: int
    line: int
    lines: tuple[int, int]

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line} {self.operator}#{self.occurrence}"


def main() -> None:
    """Draw, try, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=65, help="places drawn of each package")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=8.0, help="processor seconds of tests per fault at most")
    parser.add_argument("--again", action="store_true", help="try what survived again")
    parser.add_argument("--packages", nargs="+", default=list(PACKAGES), choices=PACKAGES)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutants")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for module in HEAVY.split():
        importlib.import_module(module)
    drawn = [m for package in asked.packages for m in draw(package, each=asked.each, seed=asked.seed)]
    kept = Kept(asked.out / "results.jsonl")
    todo = [m for m in drawn if kept.verdict(m) is None or (asked.again and kept.verdict(m)[0] == "survived")]
    _in_child(lambda: _session(Loop(todo, kept, asked.seconds, asked.out)), wall=None)
    kept.read()
    for mutant in todo:
        if (kept.verdict(mutant) or ("",))[0] == "anew":
            kept.add(mutant, *_anew(mutant, Covered(asked.out), asked.seconds))
    _show(drawn, kept, asked.out / f"survivors-{asked.seed}.txt")


# what can be changed


def draw(package: str, *, each: int, seed: int) -> list[Mutant]:
    """`each` places of a package, drawn by chance, with one of the faults that can be made there."""
    places: dict[tuple[Any, ...], list[Mutant]] = defaultdict(list)
    for path in sorted(SOURCE.glob(PACKAGES[package])):
        for place, mutant in _possible(package, path):
            places[place].append(mutant)
    rng = random.Random(f"{package} {seed}")
    chosen = rng.sample(sorted(places), min(each, len(places)))
    return [rng.choice(places[place]) for place in chosen]


def _possible(package: str, path: Path) -> Iterator[tuple[tuple[Any, ...], Mutant]]:
    """All faults of a file, by place and kind; types are left out, as nothing reads them."""
    from cosmic_ray.ast import ast_nodes, get_ast

    text = path.read_text()
    tree = ast.parse(text)
    types_ = [_span(t) for node in ast.walk(tree) for t in (getattr(node, "annotation", None), getattr(node, "returns", None)) if t]
    statements = [(_header(node), node) for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    nodes = list(ast_nodes(get_ast(text)))
    file = path.relative_to(SOURCE).as_posix()
    for name, operator in _operators().items():
        occurrence = -1
        for node in nodes:
            star = node.type == "operator" and node.parent.type in ("parameters", "dictorsetmaker")  # no product and no power
            for at, _ in operator.mutation_positions(node):
                occurrence += 1
                if star or any(low <= at < high for low, high in types_) or "TYPE_CHECKING" in text.splitlines()[at[0] - 1]:
                    continue
                lines = min((h for h, _ in statements if h[0] <= at[0] <= h[1]), key=lambda h: h[1] - h[0], default=(at[0], at[0]))
                yield (file, *at, name.split("_")[0]), Mutant(package, file, name, occurrence, at[0], lines)


def _span(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)


def _header(node: ast.stmt) -> tuple[int, int]:
    """The lines of a statement without those of its body."""
    body = getattr(node, "body", None)
    return node.lineno, max(body[0].lineno - 1, node.lineno) if body else node.end_lineno or node.lineno


def _operators() -> dict[str, Any]:
    from cosmic_ray.operators.provider import OperatorProvider

    provider = OperatorProvider()
    known = {name: provider[name]() for name in provider if not name.startswith("Variable")}
    return {**known, "LeaveOutCall": LeaveOutCall()}


class LeaveOutCall:
    """A call whose value is not used is not made."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if node.type in ("atom_expr", "power") and node.parent.type == "simple_stmt" and node.children[-1].type == "trailer":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        from parso.python.tree import Name

        return Name("None", node.start_pos, prefix=node.get_first_leaf().prefix)


def changed(mutant: Mutant) -> str:
    """The text of the file with the fault."""
    from cosmic_ray.mutating import mutate_code

    return mutate_code((SOURCE / mutant.file).read_text(), _operators()[mutant.operator], mutant.occurrence)


def difference(mutant: Mutant) -> tuple[str, str]:
    """What stood there, and what stands there now."""
    old, new = (SOURCE / mutant.file).read_text().splitlines(), changed(mutant).splitlines()
    pairs = [(a.strip(), b.strip()) for a, b in zip(old, new, strict=False) if a != b]
    return pairs[0] if pairs else ("", "")


# what is kept between runs


class Kept:
    """Verdicts, a line each; those of a file that has changed do not count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read()

    def read(self) -> None:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.known = {tuple(entry["key"]): (entry["verdict"], entry["by"]) for entry in map(json.loads, lines)}

    def verdict(self, mutant: Mutant) -> tuple[str, str] | None:
        return self.known.get(self._key(mutant))

    def add(self, mutant: Mutant, verdict: str, by: str) -> None:
        self.known[self._key(mutant)] = verdict, by
        with self.path.open("a") as file:
            file.write(json.dumps({"key": self._key(mutant), "verdict": verdict, "by": by, "mutant": asdict(mutant)}) + "\n")
        _say(f"{verdict:9} {mutant.name}  {by}")

    def _key(self, mutant: Mutant) -> tuple[Any, ...]:
        return mutant.file, _hash(SOURCE / mutant.file), mutant.operator, mutant.occurrence


def _hash(*paths: Path) -> str:
    return hashlib.sha256(b"".join(p.read_bytes() for p in paths)).hexdigest()[:16]


class Covered:
    """Which tests run which lines, and how long they take: measured once per test file and state of the source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tests: dict[str, tuple[float, dict[str, list[int]]]] = {}
        for path in self.files():
            if path.exists():
                self.tests |= json.loads(path.read_text())

    def files(self) -> dict[Path, Path]:
        """Where the measurement of each test file is kept."""
        sources = sorted(p for pattern in PACKAGES.values() for p in SOURCE.glob(pattern))
        return {self.folder / f"{test.stem}-{_hash(test, *sources)}.json": test for test in test_files()}

    def chosen(self, mutant: Mutant, seconds: float) -> list[str]:
        """Tests that pass by the fault, quickest first, for so many seconds; those of a file keep together."""
        low, high = mutant.lines
        passing = {}
        for name, (cost, lines) in self.tests.items():
            if any(low <= line <= high for line in lines.get(mutant.file, ())):
                passing[name] = cost
        return self._quickest(passing, seconds)

    def of_import(self, mutant: Mutant, seconds: float) -> list[str]:
        """Tests of what hangs on a fault that acts on import: of lines that name what is assigned, or what is defined; else of the file."""
        acting = _acting(mutant)
        file = {name: (cost, lines[mutant.file]) for name, (cost, lines) in self.tests.items() if mutant.file in lines}
        passing = {name: cost for name, (cost, lines) in file.items() if acting & set(lines)}
        return self._quickest(passing or {name: cost for name, (cost, _) in file.items()}, seconds)

    def _quickest(self, costs: dict[str, float], seconds: float) -> list[str]:
        spent, taken = 0.0, []
        for name in sorted(costs, key=lambda n: costs[n]):
            if taken and spent + costs[name] > seconds:
                break
            spent += costs[name]
            taken.append(name)
        total: dict[str, float] = defaultdict(float)
        for name in taken:
            total[name.split("::")[0]] += costs[name]
        return sorted(taken, key=lambda n: (total[n.split("::")[0]], n.split("::")[0], costs[n]))


def _acting(mutant: Mutant) -> set[int]:
    """Lines of the file on which a fault shows that acts while the module is imported."""
    text = (SOURCE / mutant.file).read_text()
    around = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.stmt) and _first(n) <= mutant.line <= (n.end_lineno or 0)]
    node = min(around, key=lambda n: (n.end_lineno or 0) - _first(n))
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
        uses = re.compile(rf"\b(?:{'|'.join(names)})\b")
        return {k for k, line in enumerate(text.splitlines(), start=1) if uses.search(line)}
    return set(range(mutant.line, (node.end_lineno or mutant.line) + 1))


def _first(node: ast.stmt) -> int:
    """The first line of a statement, decorators included."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])


def test_files() -> list[Path]:
    unit = [ROOT / "tests" / "unit" / f"test_{name}.py" for name in TESTS.split()]
    return [p for p in [*unit, *(ROOT / "tests" / "contract" / f"test_{name}.py" for name in CONTRACTS)] if p.exists()]


# processes


def _session(loop: Any, *names: str) -> int:
    """Tests are collected and handed to `loop`."""
    from hypothesis import HealthCheck, settings

    few = {"max_examples": 10, "derandomize": True, "deadline": None, "database": None}
    settings.register_profile("mutants", suppress_health_check=list(HealthCheck), **few)
    settings.load_profile("mutants")
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "src"))
    _plain("lookalike.encode._curve")
    chosen = list(names) or [str(p) for p in test_files()]
    how = "-q -s --no-header --tb=no -p no:cacheprovider -p no:xdist -W ignore::pytest.PytestAssertRewriteWarning"
    return pytest.main([*how.split(), *chosen], plugins=[loop])


def _plain(name: str) -> None:
    """Import a module of compiled code as plain Python: machine code has no lines to follow, and would be kept on disk, faults and all."""
    import numba

    importlib.import_module(name.rpartition(".")[0])
    numba.config.DISABLE_JIT = True
    importlib.import_module(name)
    numba.config.DISABLE_JIT = False


def _in_child(work: Callable[[], int], *, wall: float | None, processor: float | None = None) -> int | None:
    """The exit code of a forked process that does the work; None if it took too long or died."""
    child = os.fork()
    if not child:
        code = 3
        try:
            os.setpgid(0, 0)
            if processor:
                resource.setrlimit(resource.RLIMIT_CPU, (int(processor) + 1, int(processor) + 2))
            code = int(work())
        except BaseException:  # a fork must not go on as its parent would
            traceback.print_exc()
        finally:
            os._exit(code)
    start = time.monotonic()
    try:
        while not (ended := os.waitpid(child, 0 if wall is None else os.WNOHANG))[0]:
            if wall is not None and time.monotonic() - start > wall:
                os.killpg(child, signal.SIGKILL)
            time.sleep(0.02)
    except KeyboardInterrupt:
        os.killpg(child, signal.SIGKILL)
        raise
    return os.WEXITSTATUS(ended[1]) if os.WIFEXITED(ended[1]) else None


class Loop:
    """In place of pytest's own loop: measures what tests run, then tries each fault in a fork."""

    def __init__(self, mutants: list[Mutant], kept: Kept, seconds: float, folder: Path) -> None:
        self.mutants, self.kept, self.seconds, self.folder = mutants, kept, seconds, folder
        self.failed = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed = report.nodeid

    def pytest_runtestloop(self, session: Any) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        for place, test in Covered(self.folder).files().items():
            if not place.exists():
                _say(f"measuring {test.name}")
                _in_child(lambda place=place, test=test: self._measure(place, test), wall=None)
        gc.unfreeze()  # what is frozen is not among all objects
        covered, self.living = Covered(self.folder), _living()
        gc.freeze()  # forks share what is not written to
        for mutant in self.mutants:
            self.kept.add(mutant, *self._try(mutant, covered))
        return True

    def _run(self, names: list[str]) -> Iterator[str]:
        """Each test that was run; `failed` is the name of one that did."""
        for name, after in zip(names, [*names[1:], None], strict=True):
            item = self.items[name]
            item.ihook.pytest_runtest_protocol(item=item, nextitem=self.items[after] if after else None)
            yield name

    def _measure(self, place: Path, test: Path) -> int:
        _quiet()
        found: dict[str, Any] = {}
        prefix, hit = f"{SOURCE}/", defaultdict(set)
        wanted = {str(p): str(p)[len(prefix) :] for pattern in PACKAGES.values() for p in SOURCE.glob(pattern)}

        def line(frame: Any, event: str, arg: Any) -> Any:
            hit[wanted[frame.f_code.co_filename]].add(frame.f_lineno)
            return line

        def call(frame: Any, event: str, arg: Any) -> Any:
            return line(frame, event, arg) if frame.f_code.co_filename in wanted else None

        def follow(tracer: Any) -> None:
            threading.settrace(tracer)
            sys.settrace(tracer)

        start = time.process_time()
        follow(call)
        for name in self._run([n for n, item in self.items.items() if item.path == test]):
            follow(None)
            if not self.failed:
                found[name] = time.process_time() - start, {file: sorted(lines) for file, lines in hit.items()}
            self.failed = ""
            hit.clear()
            start = time.process_time()
            follow(call)
        follow(None)
        place.write_text(json.dumps(found))
        return 0

    def _try(self, mutant: Mutant, covered: Covered) -> tuple[str, str]:
        """How it ended, and by which test."""
        try:
            codes = _functions(mutant)
        except SyntaxError:
            return "killed", "the compiler"
        if codes is None or not any(_place(code) in self.living for code in codes):
            return "anew", ""
        names = covered.chosen(mutant, self.seconds)
        if not names:
            return "survived", "no test runs it"
        by = self.folder / "by.txt"
        by.write_text("")

        def work() -> int:
            _quiet()
            if not self._swap(codes):
                return 4
            for name in self._run(names):
                if self.failed:
                    by.write_text(name)
                    return 1
            return 0

        code = _in_child(work, **_limits(names, covered, loading=8))
        if code == 4:
            return "anew", ""
        return ("survived", f"{len(names)} tests") if code == 0 else ("killed", by.read_text() or "takes too long")

    def _swap(self, codes: list[types.CodeType]) -> bool:
        """Living functions get the new code; False if there is none."""
        done = False
        for code in codes:
            for function in self.living.get(_place(code), ()):
                if len(code.co_freevars) == len(function.__code__.co_freevars):
                    function.__code__, done = code, True
        return done


def _quiet() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _anew(mutant: Mutant, covered: Covered, seconds: float) -> tuple[str, str]:
    """A fault that acts while the module is imported, or that no living function has: everything of ours is imported with it."""
    names = covered.chosen(mutant, seconds) or covered.of_import(mutant, seconds)
    if not names:
        return "survived", "no test runs it"
    made, path = _compiled(changed(mutant), mutant), str(SOURCE / mutant.file)

    def work() -> int:
        _quiet()
        usual = importlib.machinery.SourceFileLoader.get_code

        def get_code(self: Any, fullname: str) -> Any:
            return made if self.path == path else usual(self, fullname)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        return 0 if _session(_Nothing(), "-x", *names) == 0 else 1

    code = _in_child(work, **_limits(names, covered, loading=20))
    return ("survived", f"{len(names)} tests") if code == 0 else ("killed", "imported anew")


def _limits(names: list[str], covered: Covered, *, loading: float) -> dict[str, float]:
    """How long a process may take that runs these tests, in seconds; `loading`: for what they need beside."""
    spent = sum(covered.tests[name][0] for name in names)
    return {"wall": 20 * spent + 300, "processor": 2 * spent + loading}


class _Nothing:
    """A plugin that does nothing."""


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _codes(const)


def _functions(mutant: Mutant) -> list[types.CodeType] | None:
    """The code of the functions that the fault changes; None if it changes more than functions' bodies."""
    old, new = (list(_codes(_compiled(text, mutant))) for text in ((SOURCE / mutant.file).read_text(), changed(mutant)))
    if len(old) != len(new):
        return None
    differ = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    if any(not a.co_flags & 1 and _own(a) != _own(b) for a, b in differ):
        return None
    return [b for _, b in differ if b.co_flags & 1]


def _compiled(text: str, mutant: Mutant) -> types.CodeType:
    """Code; SyntaxError where the compiler warns, as of `is` beside a literal: tests take warnings for errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)
        return compile(text, str(SOURCE / mutant.file), "exec", dont_inherit=True)


def _own(code: types.CodeType) -> tuple[Any, ...]:
    return code.co_code, code.co_names, [(type(c), c) for c in code.co_consts if not isinstance(c, types.CodeType)]


def _living() -> dict[tuple[str, str, int], list[types.FunctionType]]:
    """All functions of ours, by file, name and line."""
    found = defaultdict(list)
    for thing in gc.get_objects():
        if type(thing) is types.FunctionType and thing.__code__.co_filename.startswith(str(SOURCE)):
            found[_place(thing.__code__)].append(thing)
    return found


def _place(code: types.CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


# the table


def _show(drawn: list[Mutant], kept: Kept, place: Path) -> None:
    equal = {(e["file"], e["was"], e["became"]) for e in json.loads(EQUAL.read_text())} if EQUAL.exists() else set()
    told = []
    lines = [f"{'package':10} {'drawn':>6} {'killed':>6} {'equal':>6} {'lived':>6}  killed, 95 % interval"]
    for package in dict.fromkeys(m.package for m in drawn):
        ours = [m for m in drawn if m.package == package]
        alive = [m for m in ours if (kept.verdict(m) or ("",))[0] != "killed"]
        lived = [m for m in alive if (m.file, *difference(m)) not in equal]
        counted, killed = len(ours) - len(alive) + len(lived), len(ours) - len(alive)
        low, high = _wilson(killed, counted)
        counts = f"{len(ours):6} {killed:6} {len(alive) - len(lived):6} {len(lived):6}"
        lines.append(f"{package:10} {counts}  {killed / counted:.0%} ({low:.0%} to {high:.0%})")
        told += [f"{m.name}  {kept.verdict(m)}\n  - {difference(m)[0]}\n  + {difference(m)[1]}\n" for m in lived]
    place.write_text("".join(told))
    sys.stdout.write("\n".join([*lines, f"what lived: {place}", ""]))


def _say(line: str) -> None:
    sys.__stderr__.write(f"{line}\n")
    sys.__stderr__.flush()


def _wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    middle, half = hits / of + Z**2 / (2 * of), Z * (hits * (of - hits) / of**3 + Z**2 / (4 * of**2)) ** 0.5
    return (middle - half) / (1 + Z**2 / of), (middle + half) / (1 + Z**2 / of)


if __name__ == "__main__":
    main()
