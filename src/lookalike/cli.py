"""The command `lookalike`: each command is one or two calls of the public names. Results on stdout, all else on stderr.

Exit codes: 0 done, 1 done but a requirement is not met, 2 refused (with what, where and what to do), 130 stopped by Ctrl-C, 143 by
SIGTERM, 129 by a closed terminal. Nothing half-written is left in any case.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import lookalike as la
from lookalike import _shown

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import RenderableType

app = typer.Typer(
    name="lookalike",
    help="Turn a real table into a synthetic lookalike in seconds, with a report that says how good and how private it is.",
    epilog="Start with: lookalike make census.csv --target income",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _option(*names: str, help: str, metavar: str | None = None) -> Any:
    """An option whose default goes without saying."""
    return typer.Option(*names, help=help, metavar=metavar, show_default=False)


def _argument(metavar: str, help: str) -> Any:
    """An argument that must be given."""
    return typer.Argument(metavar=metavar, help=help, show_default=False)


DELTA = 1e-6
Source = Annotated[str, _argument("DATA", "file, glob, folder of shards, or database URL")]
Seed = Annotated[int, typer.Option("--seed", help="the same seed gives the same result")]
Rows = Annotated[int | None, _option("--rows", "-n", help="synthetic rows; as many as DATA has if not given")]
Holdout = Annotated[str | None, _option("--holdout", metavar="DATA", help="real rows that the model never saw, to judge by")]
Target = Annotated[str | None, _option("--target", metavar="COLUMN", help="what the report tries to predict; guessed if not given")]
Learner = Annotated[str | None, _option("--model", help="see: lookalike models; forest if not given, with --epsilon marginals")]
Set = Annotated[list[str] | None, _option("--set", metavar="KEY=VALUE", help="a setting of the model; may be repeated")]
Minutes = Annotated[float | None, _option("--minutes", help="time budget of a model that has one, such as auto: --set minutes=…")]
Facts = Annotated[str | None, _option("--schema", metavar="FILE", help="schema to go by, made by: lookalike schema")]
Epsilon = Annotated[float | None, _option("--epsilon", help="fit under differential privacy: what may be learned of one person, such as 1")]
Delta = Annotated[float, typer.Option("--delta", help="with --epsilon: the chance that its promise does not hold")]
LedgerFile = Annotated[
    str | None, _option("--ledger", metavar="FILE", help="with --epsilon: keeps what was spent on these data, over all fits")
]
PerSubject = Annotated[int, typer.Option("--rows-per-subject", help="with --epsilon: rows of a subject that are looked at")]
Buy = Annotated[bool, typer.Option("--buy", help="with --epsilon: buy levels and bounds that are not public from the budget")]
AsJson = Annotated[bool, typer.Option("--json", help="print the result as JSON")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print nothing but errors")]


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    if version:
        typer.echo(f"lookalike {la.__version__}")
        raise typer.Exit


@app.command()
def make(
    source: Source,
    out: Annotated[str | None, _option("--out", help="folder to write; <name of DATA>-lookalike if not given")] = None,
    target: Target = None,
    model: Learner = None,
    set: Set = None,
    minutes: Minutes = None,
    schema: Facts = None,
    holdout: Holdout = None,
    rows: Rows = None,
    seed: Seed = 0,
    epsilon: Epsilon = None,
    delta: Delta = DELTA,
    ledger: LedgerFile = None,
    rows_per_subject: PerSubject = 1,
    buy: Buy = False,
    force: Annotated[bool, typer.Option("--force", help="write into a folder that holds other files")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Real table in; synthetic table, report, schema and model out.

    \b
    lookalike make census.csv --target income
    lookalike make "sales/*.parquet" --out sales-lookalike --rows 1000000 --seed 7
    lookalike make census.csv --model auto --minutes 10
    lookalike make census.csv --schema public.json --epsilon 1 --ledger census-ledger.json
    lookalike make "postgresql://host/shop?table=orders" --out orders-lookalike
    """
    began = time.perf_counter()
    guard = {"epsilon": epsilon, "delta": delta, "ledger": ledger, "rows_per_subject": rows_per_subject, "buy": buy}
    learner = _learner(model, set=set, minutes=minutes, **guard)
    folder = Path(out or f"{_stem(source)}-lookalike")
    with la.NewFolder(folder, overwrite=force) as unfinished, _progress(quiet) as on_step:
        made = la.make(source, schema=schema, model=learner, seed=seed, rows=rows, holdout=holdout, target=target, on_step=on_step)
        made.write(unfinished)
    if as_json:
        _print_json({"folder": str(folder), "report": made.report.json(), **_tried(made.model)})
    elif not quiet:
        _print_report(made.report)
        _show_tried(made.model)
        _show_promise(made.model)
        _say(f"Made in {time.perf_counter() - began:.1f} s. Open {folder / 'report.html'}")


@app.command()
def schema(
    source: Source,
    out: Annotated[str | None, _option("--out", metavar="FILE", help="write the schema there, to look at and correct")] = None,
    public: Annotated[bool, typer.Option("--public", help="a skeleton of public facts to fill in, for fits with --epsilon")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is known of the columns: a table on a terminal, else JSON that a person can edit.

    \b
    lookalike schema census.csv
    lookalike schema census.csv > schema.json
    lookalike schema census.csv --public --out public.json
    """
    data = None if source.endswith(".json") else la.Dataset.of(source)
    found = la.schema(source) if data is None else data.schema
    if public:
        found = la.privacy.skeleton(found)
    _tell(data)
    if out is not None:
        la.save(found, out)
        _say(f"Wrote {out}")
    elif as_json or not sys.stdout.isatty():
        typer.echo(found.to_json(), nl=False)
    else:
        for table in found.tables:
            _show(_shown.schema(table))


@app.command()
def fit(
    source: Source,
    out: Annotated[str, _option("--out", metavar="FILE", help="the model file to write: census.lookalike")],
    model: Learner = None,
    set: Set = None,
    minutes: Minutes = None,
    schema: Facts = None,
    seed: Seed = 0,
    epsilon: Epsilon = None,
    delta: Delta = DELTA,
    ledger: LedgerFile = None,
    rows_per_subject: PerSubject = 1,
    buy: Buy = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Learn a model and store it.

    \b
    lookalike fit census.csv --out census.lookalike
    lookalike fit census.csv --model independent --set cells=64 --out census.lookalike
    lookalike fit census.csv --model auto --minutes 10 --set models=forest,copula --out census.lookalike
    lookalike fit census.csv --schema public.json --epsilon 1 --ledger census-ledger.json --out census.lookalike
    """
    began = time.perf_counter()
    _check_place(out)
    guard = {"epsilon": epsilon, "delta": delta, "ledger": ledger, "rows_per_subject": rows_per_subject, "buy": buy}
    learner = _learner(model, set=set, minutes=minutes, **guard)
    with _progress(quiet) as on_step:
        fitted = la.fit(source, schema=schema, model=learner, seed=seed, on_step=on_step)
        la.save(fitted, out)
    seconds = round(time.perf_counter() - began, 3)
    if not quiet:
        _tell(fitted.like_)
        for note in fitted.notes_:
            _say(f"note: {note}")
    if as_json:
        promised = {"privacy": fitted.privacy_} if getattr(fitted, "privacy_", None) else {}
        _print_json(
            {"model": out, "name": _named(model, epsilon), "seconds": seconds, "notes": fitted.notes_, **_tried(fitted), **promised}
        )
    elif not quiet:
        _show_tried(fitted)
        _show_promise(fitted)
        _say(f"Wrote {out} in {seconds:.1f} s. Draw rows: lookalike sample {shlex.quote(out)} -n 1000 --out synthetic.csv")


@app.command()
def sample(
    model: Annotated[str, _argument("MODEL", "a model file, made by `lookalike fit` or `make`")],
    rows: Annotated[int, _option("--rows", "-n", help="rows to draw")],
    out: Annotated[str | None, _option("--out", help="file or database URL to write; CSV on stdout if not given")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Draw rows from a stored model, as many as wanted, in constant memory.

    \b
    lookalike sample census.lookalike -n 5000 --out synthetic.csv
    lookalike sample census.lookalike -n 100000000 --out synthetic.parquet
    lookalike sample census.lookalike -n 1000 | head
    """
    fitted = la.load(model)
    with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
        with _progress(quiet) as on_step:
            path = la.sample(fitted, rows, seed=seed, out=out or Path(folder) / "synthetic.csv", on_step=on_step)
        if out is None:
            with open(path, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
        elif not quiet:
            _say(f"Wrote {rows:,} rows to {out}")


@app.command()
def report(
    real: Annotated[str, _argument("REAL", "the rows that the synthetic table was made from")],
    synthetic: Annotated[list[str], _argument("SYNTHETIC…", "the synthetic table; several are compared")],
    holdout: Holdout = None,
    target: Target = None,
    protect_column: Annotated[
        list[str] | None, _option("--protect-column", metavar="COLUMN", help="its groups must be treated alike; may be repeated")
    ] = None,
    schema: Facts = None,
    model: Annotated[
        str | None, _option("--model", metavar="FILE", help="the model that made SYNTHETIC, to draw from it again and to attack it")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick/--standard", help="the cheap metrics and attacks only, or all")] = False,
    audience: Annotated[
        str, typer.Option("--audience", help="internal: everything; public: coarse figures that may be published")
    ] = "internal",
    require: Annotated[
        list[str] | None, _option("--require", metavar="GATE", help='exit with 1 unless met, such as "c2st<=0.6"; may be repeated')
    ] = None,
    out: Annotated[list[str] | None, _option("--out", metavar="FILE", help=".html, .md or .json to write; may be repeated")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say how good and how private a synthetic table is, whoever made it.

    \b
    lookalike report census.csv synthetic.csv --holdout later.csv --target income --out report.html
    lookalike report census.csv a.csv b.csv --holdout later.csv --quick --out report.html --out report.md
    lookalike report census.csv synthetic.csv --holdout later.csv --require "c2st<=0.6" --require "mia.tpr@1%<=0.02"
    """
    for path in out or ():
        _check_place(path)
    asked = {"target": target, "protected_columns": protect_column or (), "effort": "quick" if quick else "standard", "audience": audience}
    with _progress(quiet) as on_step:
        tables = synthetic if len(synthetic) > 1 else synthetic[0]
        found = la.report(
            real, tables, holdout=holdout, schema=schema, model=model, on_step=on_step, require=require or (), seed=seed, **asked
        )
    for path in out or ():
        found.write(path)
    if as_json:
        _print_json(found.json())
    elif not quiet:
        _print_report(found)
        for path in out or ():
            _say(f"Wrote {path}")
    _pass_gates(found.json()["gates"])


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models, what they take, and their settings.

    \b
    lookalike models
    lookalike models --json
    """
    known = la.known_models()
    if as_json:
        _print_json(
            {
                name: {"about": _shown.about(m), "kinds": sorted(m.can.kinds), "private": m.can.private, "settings": _shown.settings(m)}
                for name, m in known.items()
            }
        )
        return
    for name, made in known.items():
        _show(_shown.model(name, made))


@app.command()
def audit(
    schema: Annotated[str, _argument("SCHEMA", "public facts, made by: lookalike schema DATA --public")],
    epsilon: Annotated[float, typer.Option("--epsilon", help="what the fit promises")],
    delta: Delta = DELTA,
    model: Learner = None,
    set: Set = None,
    rows_per_subject: PerSubject = 1,
    buy: Buy = False,
    runs: Annotated[int, typer.Option("--runs", help="fits with and without one person unlike all others")] = 400,
    canaries: Annotated[int, typer.Option("--canaries", help="unusual people, in or out of one more fit by a coin")] = 200,
    data: Annotated[str | None, _option("--data", help="a real table to attack, instead of one made up from public facts")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Attack what a private fit promises; exit with 1 if an attack shows that it is wrong.

    \b
    lookalike audit public.json --epsilon 1
    lookalike audit public.json --epsilon 3 --model autoregressive --runs 0 --canaries 1000
    """
    guard = {"epsilon": epsilon, "delta": delta, "ledger": None, "rows_per_subject": rows_per_subject, "buy": buy}
    learner = _learner(model, set=set, minutes=None, **guard)
    with _progress(quiet) as on_step:
        found = la.audit(learner, schema, source=data, runs=runs, canaries=canaries, on_step=on_step)
    if as_json:
        _print_json(found.to_json())
    elif not quiet:
        typer.echo(found.text())
    if not found.passed:
        sys.exit(1)


@app.command()
def privacy(
    path: Annotated[str, _argument("FILE", "a ledger, or a model that was fitted with --epsilon")],
    epsilon: Annotated[float | None, _option("--epsilon", help="begin a ledger with this budget, for all fits together")] = None,
    delta: Delta = DELTA,
    subject: Annotated[str, typer.Option("--subject", help="whose rows the new ledger protects: row, or a column")] = "row",
    as_json: AsJson = False,
) -> None:
    """Show what a model promises or what a ledger holds, or begin a ledger.

    \b
    lookalike privacy census.lookalike
    lookalike privacy census-ledger.json --epsilon 3 --delta 1e-6
    lookalike privacy census-ledger.json
    """
    if epsilon is not None:
        _check_place(path)
        shown: Any = la.privacy.Ledger.open(path, budget=la.privacy.Budget(epsilon, delta), unit=subject)
    elif path.endswith(".json"):
        shown = la.privacy.Ledger.open(path)
    else:
        promised = getattr(la.load(path), "privacy_", None)
        if promised is None:
            fix = "fit with a budget: lookalike fit DATA --epsilon 1"
            raise la.errors.CannotError("the model promises nothing: it was fitted without --epsilon", where=path, fix=fix)
        shown = la.privacy.Statement.from_json(promised)
    if as_json:
        _print_json(shown.to_json())
    else:
        typer.echo(shown.text())


def main(args: Sequence[str] | None = None) -> None:
    """Run the command `lookalike` with `args` (those of the process if not given), and exit."""
    command = typer.main.get_command(app)
    try:
        with _stoppable():
            command.main(args=None if args is None else list(args), prog_name="lookalike")
    except la.LookalikeError as error:
        _complain(error.what, where=error.where, fix=error.fix)
    except OSError as error:
        _complain(error.strerror or str(error), where=str(error.filename or ""), fix="")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(2)


class _Stop:
    """What Ctrl-C, a signal to end and a closed terminal do: the work ends, and what is half-written is removed on the way out.

    An exit that is raised in a callback, or amid an import, may be lost or take another shape: `again` raises it at the next step.
    """

    number = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        sys.exit(128 + number)

    def again(self) -> None:
        """End, if a signal to end has come."""
        if self.number:
            sys.exit(128 + self.number)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Signals to end do what `_Stop` does; only a main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = _Stop()
    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.again()  # whatever it became on its way here


def _complain(what: str, *, where: str, fix: str) -> None:
    """Print an error on stderr: what, where, what to do."""
    from rich.console import Console
    from rich.text import Text

    text = Text.assemble(("error ", "bold red"), (f"{where}: " if where else "", "bold"), what, ("\n      → " if fix else "", "green"), fix)
    Console(stderr=True, soft_wrap=True, highlight=False).print(text)


def _say(line: str) -> None:
    """One line for the person at the terminal, on stderr."""
    typer.echo(line, err=True)


def _tell(data: la.Dataset | None) -> None:
    """What a reader of the data should be told, on stderr."""
    for note in data.notes if data is not None else ():
        _say(f"note: {note}")


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


def _print_report(report: Any) -> None:
    """The report as text, as wide as the terminal is, coloured if there is one."""
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    typer.echo(report.text(width=width, color=color), color=color)


def _pass_gates(gates: list[dict[str, Any]]) -> None:
    """Exit with 2 if a requirement names nothing, with 1 if one is not met, and say which and why."""
    for gate in gates:
        if not gate["met"]:
            _complain(gate["text"] or "not met", where=f"--require {gate['require']}", fix="")
    if any(not g["met"] for g in gates):
        sys.exit(2 if any(g["met"] is None for g in gates) else 1)


def _show(table: RenderableType) -> None:
    from rich.console import Console

    Console().print(table)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[la.Step], None]]:
    """A progress bar on stderr, if someone is there to look at it."""
    stop = signal.getsignal(signal.SIGTERM)
    again = stop.again if isinstance(stop, _Stop) else lambda: None
    if quiet or not sys.stderr.isatty():
        yield lambda step: again()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<26}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1)

        def show(step: la.Step) -> None:
            again()
            bar.update(task, completed=step.done, total=step.total, description=step.note or "working")

        yield show


def _settings(pairs: list[str] | None, *, model: str, minutes: float | None) -> dict[str, Any]:
    """`key=value` pairs as settings; a value is JSON if it can be, else text. `minutes` is short for the setting of that name."""
    settings: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise la.errors.SettingError(f"{pair!r} is not a setting", where="--set", fix="write --set key=value")
        try:
            settings[key] = json.loads(value)
        except json.JSONDecodeError:
            settings[key] = value
    if minutes is None:
        return settings
    if "minutes" in settings:
        raise la.errors.SettingError("given twice", where="minutes", fix="leave out --minutes, or --set minutes=")
    known = la.known_models()
    timed = [name for name, made in known.items() if "minutes" in _shown.settings(made)]
    if model in known and model not in timed:
        fix = f"leave it out, or take --model {', '.join(timed[:-1])} or {timed[-1]}"
        raise la.errors.SettingError(f"the model {model!r} has no time budget: it ends by itself", where="--minutes", fix=fix)
    return settings | {"minutes": minutes}


def _named(model: str | None, epsilon: float | None) -> str:
    """The name of the model that is meant."""
    return model or ("forest" if epsilon is None else "marginals")


def _learner(model: str | None, *, set: list[str] | None, minutes: float | None, epsilon: float | None, **guard: Any) -> Any:
    """The model to fit, under differential privacy if there is an epsilon; flags that would then do nothing are refused."""
    name = _named(model, epsilon)
    made = la.model(name, **_settings(set, model=name, minutes=minutes))
    if epsilon is not None:
        return la.Private(made, epsilon=epsilon, **guard)
    for flag, unset in (("delta", DELTA), ("ledger", None), ("rows_per_subject", 1), ("buy", False)):
        if guard[flag] != unset:
            shown = f"--{flag.replace('_', '-')}"
            raise la.errors.SettingError("says something only of a fit under differential privacy", where=shown, fix="give --epsilon, too")
    return made


def _show_promise(model: Any) -> None:
    """What a private fit promises, in two sentences; the command `privacy` says the rest."""
    if getattr(model, "privacy_", None) is not None:
        made = la.privacy.Statement.from_json(model.privacy_)
        typer.echo(f"Privacy: ε = {made.epsilon:g}, δ = {made.delta:g}, for one {made.unit}. {' '.join(made.meaning())}")


def _tried(model: Any) -> dict[str, Any]:
    """The models that `model` has chosen among, if it did, for JSON."""
    return {"tried": model.tried_} if hasattr(model, "tried_") else {}


def _show_tried(model: Any) -> None:
    """The models that `model` has chosen among, if it did."""
    if hasattr(model, "tried_"):
        _show(_shown.tried(model))


def _check_place(path: str) -> None:
    """Refuse a file whose folder is not there, before the work rather than after it."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise la.errors.FileError("its folder is not there", where=path, fix=f"mkdir -p {folder}")


def _stem(source: str) -> str:
    """What a folder made of `source` is called after: the name of its file, folder or database."""
    place = Path(re.sub(r"[?].*", "", source))
    names = [place.name, place.parent.name] if not place.is_dir() else [place.resolve().name]
    stems = (re.split(r"[.*\[]", name)[0].strip("-_ ") for name in names)
    return next(filter(None, stems), "table")
