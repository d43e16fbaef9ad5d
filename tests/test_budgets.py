"""The house's budgets: small files, short functions, few parameters, flat inheritance, no broad except, no pickle, no global state."""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "lookalike"

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
STATE = re.compile("|".join(GLOBAL_STATE))
FOREIGN_NAMES = re.compile(r"(Manager|Handler|Processor|Mixin|Base|Utils?)$")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources() -> dict[str, tuple[str, ast.Module, list[ast.AST]]]:
    """Of every file: its text, its tree, and all nodes of it."""
    texts = {str(f.relative_to(SOURCE)): f.read_text(encoding="utf-8") for f in sorted(SOURCE.rglob("*.py"))}
    gc.disable()  # looking for rubbish among so many nodes takes three times as long as making them
    try:
        trees = {name: ast.parse(text) for name, text in texts.items()}
        return {name: (text, trees[name], list(ast.walk(trees[name]))) for name, text in texts.items()}
    finally:
        gc.enable()


def nodes() -> Iterator[tuple[str, ast.AST]]:
    return ((name, node) for name, (_, _, found) in sources().items() for node in found)


def functions() -> Iterator[tuple[str, Function]]:
    return ((name, node) for name, node in nodes() if isinstance(node, Function))


def place(name: str, node: ast.AST) -> str:
    return f"{name}:{getattr(node, 'lineno', 1)} {getattr(node, 'name', '')}".strip()


def body_lines(function: Function) -> int:
    """Lines of the body, without its docstring."""
    statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def is_command(function: Function) -> bool:
    """A command of the CLI: its parameters are flags, given by name and never passed on as they are."""
    return any(isinstance(d, ast.Call) and ast.unparse(d.func) in ("app.command", "app.callback") for d in function.decorator_list)


def test_files_are_short() -> None:
    long = {name: len(text.splitlines()) for name, (text, _, _) in sources().items()}
    assert len(long) > 100
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_functions_are_short_and_take_little() -> None:
    assert [f"{place(name, f)}: {body_lines(f)} lines" for name, f in functions() if body_lines(f) > MOST_BODY] == []
    assert [place(name, f) for name, f in functions() if takes_too_much(f)] == []


def takes_too_much(function: Function) -> bool:
    """More parameters than may be, or, of a public function, an option that can be given without its name."""
    if is_command(function):
        return False
    positional = [a.arg for a in (*function.args.posonlyargs, *function.args.args) if a.arg not in ("self", "cls")]
    options = len(positional) - len(function.args.defaults) < len(positional) > MOST_POSITIONAL
    many = len(positional) + len(function.args.kwonlyargs) > MOST_PARAMETERS
    return many or (options and not function.name.startswith("_"))


def test_most_functions_are_very_short() -> None:
    lengths = sorted(body_lines(f) for _, f in functions())
    assert lengths[int(0.95 * len(lengths))] <= USUAL_BODY


def test_every_function_is_annotated_and_every_public_one_described() -> None:
    public = [(name, n) for name, (_, tree, _) in sources().items() for n in tree.body if isinstance(n, Function | ast.ClassDef)]
    assert [place(name, n) for name, n in public if not n.name.startswith("_") and not ast.get_docstring(n)] == []
    assert [place(name, f) for name, f in functions() if f.returns is None] == []


def test_modules_say_their_idea_and_postpone_annotations() -> None:
    assert [name for name, (_, tree, _) in sources().items() if not ast.get_docstring(tree)] == []
    future = {name for name, n in nodes() if isinstance(n, ast.ImportFrom) and n.module == "__future__"}
    assert {name for name, _ in functions()} - future == set()


def test_no_broad_except() -> None:
    assert [place(name, n) for name, n in nodes() if isinstance(n, ast.ExceptHandler) and catches_all(n)] == []


def catches_all(handler: ast.ExceptHandler) -> bool:
    """Whether a handler names no error, or the root of all."""
    names = {ast.unparse(n) for n in ast.walk(handler.type) if isinstance(n, ast.Name)} if handler.type else {"BaseException"}
    return bool(names & {"Exception", "BaseException"})


def test_no_pickle() -> None:
    assert [place(name, n) for name, n in nodes() if pickles(n)] == []


def pickles(node: ast.AST) -> bool:
    """An import that can run what it reads, or leave to do so."""
    named = [a.name for a in node.names] if isinstance(node, ast.Import) else []
    named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    allowed = isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False"
    return allowed or bool({n.split(".")[0] for n in named} & FORBIDDEN_IMPORTS)


def test_no_global_state() -> None:
    lines = [(f"{name}:{k}", line) for name, (text, _, _) in sources().items() for k, line in enumerate(text.splitlines(), start=1)]
    assert [f"{at}: {line.strip()}" for at, line in lines if STATE.search(line)] == []
    assert [place(name, n) for name, n in nodes() if isinstance(n, ast.Global)] == []


def test_inheritance_is_flat_and_names_are_nouns() -> None:
    for name in sources().keys() - {"errors.py"}:
        classes = {n.name: [ast.unparse(b) for b in n.bases] for n in sources()[name][2] if isinstance(n, ast.ClassDef)}
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
    function = planted.body[0]
    assert isinstance(function, Function)
    assert body_lines(function) == 4
    assert takes_too_much(function)
    assert all(pickles(n) for n in ast.parse("import pickle\nfrom joblib import load").body)
    assert any(pickles(n) for n in ast.walk(ast.parse("np.load(f, allow_pickle=True)")))
    assert STATE.search("np.random.seed(0)")
    assert not STATE.search("rng = np.random.default_rng(seed)")
