"""Imports point down only: each module knows what lies below it, and nothing above or beside it."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src"
PACKAGE = "lookalike"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("_compile", "_json", "errors"),
    ("schema", "_folder", "_whole"),
    ("data",),
    ("condition", "privacy", "rules"),
    ("_account", "plan", "protocol", "score"),
    ("encode", "nets", "compare"),
    ("models", "simulate", "metrics", "attacks"),
    ("augment", "fair", "federated", "impute", "pseudonyms", "rare", "report", "scenario", "store", "audit", "private"),
    ("steer",),
    ("_drawing", "_told"),
    ("_asking",),
    ("_api",),
    ("_making",),
    ("",),  # the package's own __init__, which resolves names when they are used
    ("_shown",),
    ("_console", "_flags"),
    ("cli", "service"),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules() -> dict[str, Path]:
    """Dotted name of every module of the package, and its file."""
    files = sorted((ROOT / PACKAGE).rglob("*.py"))
    return {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in files}


def imports(file: Path) -> Iterator[tuple[str, bool]]:
    """Names that `file` imports from the package, and whether it does so when it is itself imported."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {id(n) for branch in ast.walk(tree) if _is_typing(branch) for child in branch.body for n in ast.walk(child)}
    lazy = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", id(node) not in lazy
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    yield alias.name, id(node) not in lazy
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"


def _is_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def target(name: str, known: dict[str, Path]) -> str:
    """The module that an imported name is, or lies in."""
    while name not in known:
        name = name.rpartition(".")[0]
    return name


def layer(module: str) -> str:
    """The part of the package that a module belongs to."""
    return module.removeprefix(PACKAGE).strip(".").split(".")[0]


KNOWN = modules()


@cache
def imported() -> dict[str, list[tuple[str, bool]]]:
    """What each module imports: see `imports`."""
    gc.disable()  # looking for rubbish among so many nodes takes as long as making them
    try:
        return {module: list(imports(file)) for module, file in KNOWN.items()}
    finally:
        gc.enable()


def test_every_module_has_a_layer() -> None:
    assert len(KNOWN) > 100
    assert [m for m in KNOWN if layer(m) not in LEVEL] == [], "say in LAYERS where they belong"


def test_imports_point_down() -> None:
    wrong = []
    for module, found in imported().items():
        here = layer(module)
        for name, _ in found:
            if not here or name == f"{PACKAGE}.__version__":
                continue
            there = layer(target(name, KNOWN))
            if there != here and LEVEL[there] >= LEVEL[here]:
                wrong.append(f"{module} imports {name}: that points up or sideways")
    assert wrong == []


def test_peers_do_not_know_each_other() -> None:
    wrong = []
    for module, found in imported().items():
        folder, _, own = module.rpartition(".")
        if layer(module) not in ("models", "metrics", "attacks", "simulate", "encode") or module.count(".") < 2 or own.startswith("_"):
            continue
        for name, _ in found:
            there = target(name, KNOWN)
            if there.rpartition(".")[0] == folder and there != module and not there.rpartition(".")[2].startswith("_"):
                wrong.append(f"{module} imports its peer {there}")
    assert wrong == []


def test_no_cycles() -> None:
    graph: dict[str, set[str]] = {}
    for module, names in imported().items():
        found = {target(name, KNOWN) for name, now in names if now}
        graph[module] = found - {module, PACKAGE}  # names of a package resolve lazily, its __init__ knows nobody
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' → '.join(error.args[1])}")


def test_the_command_uses_public_names_only() -> None:
    import lookalike

    file = ROOT / PACKAGE / "cli.py"
    terminal = {f"{PACKAGE}.{name}" for name in ("_console", "_flags", "_shown")}  # how public things are printed
    assert {name for name, _ in imports(file)} == {PACKAGE, *terminal}
    used = {
        node.attr
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "la"
    }
    assert used <= {*lookalike.__all__, "__version__"}


def test_the_test_finds_what_it_is_for(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("from lookalike import cli\ndef f():\n    import lookalike.report\n", encoding="utf-8")
    assert list(imports(planted)) == [("lookalike.cli", True), ("lookalike.report", False)]
    assert LEVEL[layer(target("lookalike.cli", KNOWN))] > LEVEL["models"]
