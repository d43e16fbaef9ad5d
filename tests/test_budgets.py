"""The house's budgets: small files, short functions, few parameters, flat inheritance, no broad except, no pickle, no global state."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "lookalike"
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [str(f.relative_to(SOURCE)) for f in FILES]
TREES = {name: ast.parse(f.read_text(encoding="utf-8")) for name, f in zip(NAMES, FILES, strict=True)}

MOST_LINES, MOST_BODY, USUAL_BODY, MOST_PARAMETERS, MOST_POSITIONAL, MOST_DEPTH = 600, 80, 40, 8, 2, 2
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
GLOBAL_STATE = (
    r"\b(np|numpy)\.random\.(?!default_rng|Generator|SeedSequence|PCG64|Philox|BitGenerator)\w+",
    r"\btorch\.manual_seed\b",
    r"(?<![\w.])random\.(seed|random|choice|shuffle|randint)\b",
    r"\bwarnings\.(simplefilter|filterwarnings)\b",
    r"\bos\.environ\[[^\]]+\]\s*=(?!=)",
    r"\bos\.(putenv|environ\.(update|setdefault|pop))\b",
    r"\b(pd|pandas)\.(set_option|options\.\w+.*=)",
    r"\blogging\.(basicConfig|disable)\b",
    r"\b(np|numpy)\.(seterr|set_printoptions)\b",
)
FOREIGN_NAMES = re.compile(r"(Manager|Handler|Processor|Mixin|Base|Utils?)$")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    return (n for n in ast.walk(tree) if isinstance(n, Function))


def body_lines(function: Function) -> int:
    """Lines of the body, without its docstring."""
    statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def is_command(function: Function) -> bool:
    """A command of the CLI: its parameters are flags, given by name and never passed on as they are."""
    return any(isinstance(d, ast.Call) and ast.unparse(d.func) in ("app.command", "app.callback") for d in function.decorator_list)


@pytest.mark.parametrize("name", NAMES)
def test_file_is_short(name: str) -> None:
    lines = len((SOURCE / name).read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES


@pytest.mark.parametrize("name", NAMES)
def test_functions_are_short_and_take_little(name: str) -> None:
    for f in functions(TREES[name]):
        assert body_lines(f) <= MOST_BODY, f"{name}:{f.lineno} {f.name} has {body_lines(f)} lines"
        if is_command(f):
            continue
        positional = [a.arg for a in (*f.args.posonlyargs, *f.args.args) if a.arg not in ("self", "cls")]
        assert len(positional) + len(f.args.kwonlyargs) <= MOST_PARAMETERS, f"{name}:{f.lineno} {f.name} takes too much"
        if not f.name.startswith("_"):
            options = len(positional) - len(f.args.defaults) < len(positional) > MOST_POSITIONAL
            assert not options, f"{name}:{f.lineno} {f.name}: options are keyword-only after the first two parameters"


def test_most_functions_are_very_short() -> None:
    lengths = sorted(body_lines(f) for tree in TREES.values() for f in functions(tree))
    assert lengths[int(0.95 * len(lengths))] <= USUAL_BODY


@pytest.mark.parametrize("name", NAMES)
def test_every_function_is_annotated_and_every_public_one_described(name: str) -> None:
    for node in TREES[name].body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{name}:{node.lineno} {node.name} has no docstring"
    for f in functions(TREES[name]):
        assert f.returns is not None, f"{name}:{f.lineno} {f.name} has no return annotation"


@pytest.mark.parametrize("name", NAMES)
def test_module_says_its_idea_and_postpones_annotations(name: str) -> None:
    tree = TREES[name]
    assert ast.get_docstring(tree), f"{name} has no docstring"
    future = any(isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in tree.body)
    assert future or not any(functions(tree)), f"{name}: from __future__ import annotations"


@pytest.mark.parametrize("name", NAMES)
def test_no_broad_except(name: str) -> None:
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ExceptHandler):
            assert not catches_all(node), f"{name}:{node.lineno} catches everything"


def catches_all(handler: ast.ExceptHandler) -> bool:
    """Whether a handler names no error, or the root of all."""
    names = {ast.unparse(n) for n in ast.walk(handler.type) if isinstance(n, ast.Name)} if handler.type else {"BaseException"}
    return bool(names & {"Exception", "BaseException"})


@pytest.mark.parametrize("name", NAMES)
def test_no_pickle(name: str) -> None:
    for node in ast.walk(TREES[name]):
        named = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {n.split(".")[0] for n in named} & FORBIDDEN_IMPORTS, f"{name}: {named}"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert ast.unparse(node.value) == "False", f"{name}: allow_pickle"


@pytest.mark.parametrize("name", NAMES)
def test_no_global_state(name: str) -> None:
    for number, line in enumerate((SOURCE / name).read_text(encoding="utf-8").splitlines(), start=1):
        for pattern in GLOBAL_STATE:
            assert not re.search(pattern, line), f"{name}:{number}: {line.strip()}"
    for node in ast.walk(TREES[name]):
        assert not isinstance(node, ast.Global), f"{name}:{node.lineno}: global"


@pytest.mark.parametrize("name", NAMES)
def test_inheritance_is_flat_and_names_are_nouns(name: str) -> None:
    if name == "errors.py":
        return
    classes = {n.name: [ast.unparse(b) for b in n.bases] for n in ast.walk(TREES[name]) if isinstance(n, ast.ClassDef)}
    for one, bases in classes.items():
        assert not FOREIGN_NAMES.search(one), f"{name}: {one}"
        depth, at = 0, bases
        while at:
            depth, at = depth + 1, [b for base in at for b in classes.get(base, ())]
        assert depth <= MOST_DEPTH, f"{name}: {one} inherits {depth} deep"


def test_the_tests_find_what_they_are_for() -> None:
    planted = ast.parse("def f(a, b, c=1):\n    try:\n        pass\n    except (ValueError, Exception):\n        pass\n")
    handler = next(n for n in ast.walk(planted) if isinstance(n, ast.ExceptHandler))
    assert catches_all(handler)
    assert body_lines(next(functions(planted))) == 4
    assert any(re.search(p, "np.random.seed(0)") for p in GLOBAL_STATE)
    assert not any(re.search(p, "rng = np.random.default_rng(seed)") for p in GLOBAL_STATE)
