"""The command `lookalike`: each command is one or two calls of the public names. Results on stdout, all else on stderr.

Exit codes: 0 done, 1 done but a requirement is not met, 2 refused (with what, where and what to do), 130 stopped by Ctrl-C, 143 by
SIGTERM, 129 by a closed terminal. Nothing half-written is left in any case.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import lookalike as la
from lookalike import _console, _flags, _shown

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


Source = Annotated[str, _argument("DATA", "file, glob, folder of shards or of linked tables, or database URL")]
Seed = Annotated[int, typer.Option("--seed", help="the same seed gives the same result")]
Rows = Annotated[int | None, _option("--rows", "-n", help="synthetic rows; as many as DATA has if not given")]
Holdout = Annotated[str | None, _option("--holdout", metavar="DATA", help="real rows that the model never saw, to judge by")]
Target = Annotated[str | None, _option("--target", metavar="COLUMN", help="what the report tries to predict; guessed if not given")]
Learner = Annotated[
    str | None,
    _option("--model", help="see: lookalike models; if not given what the data ask for: forest, relational, sequence, series"),
]
Subject = Annotated[
    str | None, _option("--subject", metavar="COLUMN", help="the column that says whose a row is; of linked tables also a table")
]
Order = Annotated[
    list[str] | None, _option("--order", metavar="COLUMN", help="the column that orders the rows of a subject, or of a series: a time")
]
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
PlanFile = Annotated[
    str | None, _option("--plan", metavar="FILE", help="what is asked of the rows, as JSON or YAML; the flags below add to it")
]
Given = Annotated[
    list[str] | None,
    _option("--given", metavar="COLUMN=VALUE", help="every row has it: sex=Female, age=20..30, note=null; may be repeated"),
]
Shares = Annotated[
    list[str] | None, _option("--share", metavar="COLUMN=LEVEL:SHARE", help="this share of the rows: sex=Female:0.5; may be repeated")
]
Rebalance = Annotated[
    list[str] | None, _option("--rebalance", metavar="COLUMN[=SHARE]", help="levels equally frequent, or this share for the rarest")
]
Parity = Annotated[
    str | None, _option("--parity", metavar="TARGET:GROUP", help="the target is drawn free of the group: income:sex; more of it in a plan")
]
RuleText = Annotated[list[str] | None, _option("--rule", metavar="RULE", help='every row obeys it: "start <= end"; may be repeated')]
RuleFile = Annotated[str | None, _option("--rules", metavar="FILE", help="rules of a plan, made by: lookalike rules DATA --out FILE")]
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
    subject: Subject = None,
    order: Order = None,
    holdout: Holdout = None,
    rows: Rows = None,
    plan: PlanFile = None,
    given: Given = None,
    share: Shares = None,
    rebalance: Rebalance = None,
    parity: Parity = None,
    rule: RuleText = None,
    rules: RuleFile = None,
    seed: Seed = 0,
    epsilon: Epsilon = None,
    delta: Delta = _flags.DELTA,
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
    lookalike make cards.csv --rebalance is_fraud --rule "amount >= 0"
    lookalike make census.csv --schema public.json --epsilon 1 --ledger census-ledger.json
    lookalike make "postgresql://host/shop?table=orders" --out orders-lookalike
    lookalike make shop/ --subject customers
    lookalike make vitals.csv --subject stay --order hour
    """
    began = time.perf_counter()
    guard = {"epsilon": epsilon, "delta": delta, "ledger": ledger, "rows_per_subject": rows_per_subject, "buy": buy}
    learned = _flags.rules(rule, rules) if epsilon is None else []
    learner = _flags.learner(model, set=set, minutes=minutes, rules=learned, **guard)
    steered = {} if learned else {"rule": rule, "rules": [rules] if rules else []}  # a private fit learns no rules: its rows obey them
    asked = _flags.planned(plan, given=given, share=share, rebalance=rebalance, parity=[parity] if parity else [], **steered)
    folder = Path(out or f"{_flags.stem(source)}-lookalike")
    with la.NewFolder(folder, overwrite=force) as unfinished, _console.progress(quiet) as on_step:
        wanted = {"rows": rows, "target": target, "plan": asked, "subject": subject, "order": order}
        made = la.make(source, schema=schema, model=learner, seed=seed, holdout=holdout, on_step=on_step, **wanted)
        made.write(unfinished)
    if as_json:
        _console.print_json({"folder": str(folder), "report": made.report.json(), "account": made.account.to_json(), **_tried(made.model)})
    elif not quiet:
        _console.print_report(made.report)
        _show_tried(made.model)
        _show_promise(made.model)
        if not asked.empty:
            _console.say(made.account.text())
        _console.say(f"Made in {time.perf_counter() - began:.1f} s. Open {folder / 'report.html'}")


@app.command()
def schema(
    source: Source,
    out: Annotated[str | None, _option("--out", metavar="FILE", help="write the schema there, to look at and correct")] = None,
    draw: Annotated[str | None, _option("--draw", metavar="FILE", help="draw the tables and their links as an SVG picture")] = None,
    public: Annotated[bool, typer.Option("--public", help="a skeleton of public facts to fill in, for fits with --epsilon")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is known of the columns: a table on a terminal, else JSON that a person can edit.

    \b
    lookalike schema census.csv
    lookalike schema census.csv > schema.json
    lookalike schema census.csv --public --out public.json
    lookalike schema shop/ --draw shop.svg
    """
    if draw is not None:
        _flags.check_picture(draw)
    data = None if source.endswith(".json") else la.Dataset.of(source, strict=False)
    found = la.schema(source) if data is None else data.schema
    if public:
        found = la.privacy.skeleton(found)
    _console.tell(data)
    written = [path for path in (draw, out) if path is not None]
    for path in written:
        la.save(found, path)
        _console.say(f"Wrote {path}")
    if written:
        return
    if as_json or not sys.stdout.isatty():
        typer.echo(found.to_json(), nl=False)
    else:
        for table in found.tables:
            _console.show(_shown.schema(table))
        if found.linked:
            _console.show(_shown.links(found))


@app.command()
def fit(
    source: Source,
    out: Annotated[str, _option("--out", metavar="FILE", help="the model file to write: census.lookalike")],
    model: Learner = None,
    set: Set = None,
    minutes: Minutes = None,
    rule: RuleText = None,
    rules: RuleFile = None,
    schema: Facts = None,
    subject: Subject = None,
    order: Order = None,
    seed: Seed = 0,
    epsilon: Epsilon = None,
    delta: Delta = _flags.DELTA,
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
    lookalike fit orders.csv --rule "start <= end" --rule "total = price * quantity" --out orders.lookalike
    lookalike fit census.csv --schema public.json --epsilon 1 --ledger census-ledger.json --out census.lookalike
    """
    began = time.perf_counter()
    _flags.check_place(out)
    guard = {"epsilon": epsilon, "delta": delta, "ledger": ledger, "rows_per_subject": rows_per_subject, "buy": buy}
    learner = _flags.learner(model, set=set, minutes=minutes, rules=_flags.rules(rule, rules), **guard)
    with _console.progress(quiet) as on_step:
        fitted = la.fit(source, schema=schema, model=learner, subject=subject, order=order, seed=seed, on_step=on_step)
        la.save(fitted, out)
    seconds = round(time.perf_counter() - began, 3)
    if not quiet:
        _console.tell(fitted.like_)
        for note in fitted.notes_:
            _console.say(f"note: {note}")
    if as_json:
        promised = {"privacy": fitted.privacy_} if getattr(fitted, "privacy_", None) else {}
        _console.print_json(
            {"model": out, "name": _shown.name(fitted), "seconds": seconds, "notes": fitted.notes_, **_tried(fitted), **promised}
        )
    elif not quiet:
        _show_tried(fitted)
        _show_promise(fitted)
        _console.say(f"Wrote {out} in {seconds:.1f} s. Draw rows: lookalike sample {shlex.quote(out)} -n 1000 --out synthetic.csv")


@app.command()
def sample(
    model: Annotated[str, _argument("MODEL", "a model file, made by `lookalike fit` or `make`")],
    rows: Annotated[int | None, _option("--rows", "-n", help="rows to draw, or subjects; as many as --fix gives, with that")] = None,
    scale: Annotated[
        float | None, _option("--scale", help="instead of --rows, for linked tables and sequences: times as many subjects")
    ] = None,
    out: Annotated[
        str | None, _option("--out", help="file, folder for linked tables, or database URL to write; CSV on stdout if not given")
    ] = None,
    plan: PlanFile = None,
    given: Given = None,
    share: Shares = None,
    rebalance: Rebalance = None,
    parity: Parity = None,
    rule: RuleText = None,
    fix: Annotated[str | None, _option("--fix", metavar="DATA", help="rows given in part: what is missing in them is drawn")] = None,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print the account of what was asked and achieved as JSON; needs --out")] = False,
    quiet: Quiet = False,
) -> None:
    """Draw rows from a stored model, as many as wanted, in constant memory; and just what is asked for.

    \b
    lookalike sample census.lookalike -n 5000 --out synthetic.csv
    lookalike sample census.lookalike -n 100000000 --out synthetic.parquet
    lookalike sample census.lookalike -n 1000 --given sex=Female --given age=20..30 --share "income=>50K:0.5" --out some.csv
    lookalike sample census.lookalike -n 1000 --rule "capital_gain >= capital_loss" | head
    lookalike sample census.lookalike --fix partly.csv --out completed.csv
    lookalike sample shop.lookalike --scale 10 --out sqlite:///shop.db
    """
    if as_json and out is None:
        raise la.errors.SettingError("the rows take the standard output", where="--json", fix="give --out, too")
    asked = _flags.planned(plan, given=given, share=share, rebalance=rebalance, parity=[parity] if parity else [], rule=rule, fix=fix)
    fitted = la.load(model)
    if out is None and fitted.schema.linked:
        raise la.errors.SettingError("linked tables need a place of their own", where="--out", fix="name a folder or a database URL")
    with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
        with _console.progress(quiet) as on_step:
            made = la.steer(fitted, asked, n=rows, scale=scale, seed=seed, out=out or Path(folder) / "synthetic.csv", on_step=on_step)
        if out is None:
            with open(made.rows, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
    if as_json:
        _console.print_json(made.account.to_json())
    elif not quiet:
        for told in [made.account.text()] if not asked.empty else [f"note: {note}" for note in made.account.notes]:
            _console.say(told)
        if out is not None:
            several = fitted.schema.linked or fitted.schema.subject is not None  # else a table that links to itself
            subjects = asked.fix is None and several and getattr(fitted, "unit_", fitted.can.unit) == "subject"
            counted = "subjects, with all their rows," if subjects else "rows"
            _console.say(f"Wrote {made.account.kept:,} {counted} to {out}")


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
        _flags.check_place(path)
    asked = {"target": target, "protected_columns": protect_column or (), "effort": "quick" if quick else "standard", "audience": audience}
    with _console.progress(quiet) as on_step:
        tables = synthetic if len(synthetic) > 1 else synthetic[0]
        found = la.report(
            real, tables, holdout=holdout, schema=schema, model=model, on_step=on_step, require=require or (), seed=seed, **asked
        )
    for path in out or ():
        found.write(path)
    if as_json:
        _console.print_json(found.json())
    elif not quiet:
        _console.print_report(found)
        for path in out or ():
            _console.say(f"Wrote {path}")
    _pass_gates(found.json()["gates"])


@app.command()
def rules(
    source: Source,
    out: Annotated[str | None, _option("--out", metavar="FILE", help="a plan of the rules to write, to look at and correct")] = None,
    share: Annotated[float, typer.Option("--share", help="of the rows in which an identity, order or combination must hold")] = 1.0,
    schema: Facts = None,
    as_json: AsJson = False,
) -> None:
    """Find rules that the rows obey: identities, orders, combinations, what is missing together; guesses, to be confirmed.

    \b
    lookalike rules orders.csv
    lookalike rules orders.csv --out plan.json
    lookalike fit orders.csv --rule "total = price * quantity" --out orders.lookalike
    """
    if out is not None:
        _flags.check_place(out)
    found = la.rules(source, schema=schema, share=share)
    if out is not None:
        plan = la.Plan(rules=[rule.text for rule in found], found=["rules"])
        la.save(plan, out)
    if as_json:
        _console.print_json([rule.to_json() for rule in found])
    elif out is None:
        _console.show(_shown.rules(found))
    else:
        _console.say(f"Wrote {out}")


@app.command()
def impute(
    source: Source,
    out: Annotated[str, _option("--out", metavar="FILE", help="file to write; {} in its name is the number of the table")],
    tables: Annotated[int | None, typer.Option("--tables", help="completed tables, 5 if not given")] = None,
    best: Annotated[bool, typer.Option("--best", help="one table of best guesses instead: the mean, the likeliest level")] = False,
    columns: Annotated[str | None, _option("--columns", metavar="NAME,…", help="those whose missing cells are drawn")] = None,
    model: Annotated[str, typer.Option("--model", help="a model that completes rows")] = "forest",
    set: Set = None,
    schema: Facts = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Draw the missing cells of a table, several times over.

    \b
    lookalike impute patients.csv --out "patients-{}.csv"
    lookalike impute patients.csv --best --columns age,income --out patients-completed.csv
    """
    many = _flags.tables(tables, best=best, out=out)
    for name in [out.replace("{}", str(k)) for k in range(1, many + 1)] or [out]:
        _flags.check_place(name)
        if Path(name).resolve() == Path(source).resolve():
            raise la.errors.SettingError("the real table would be replaced", where=f"--out {out}", fix="write into another file")
    with _console.progress(quiet) as on_step:
        made = la.impute(
            source,
            tables=many,
            columns=None if columns is None else [name.strip() for name in columns.split(",")],
            model=la.model(model, **_flags.settings(set, model=model, minutes=None)),
            schema=schema,
            seed=seed,
            on_step=on_step,
        )
    written = {out: made.best()} if best else {out.replace("{}", str(k)): whole for k, whole in enumerate(made.datasets, start=1)}
    for path, whole in written.items():
        whole.write(path)
    if not quiet:
        for name, count in made.drawn.items():
            _console.say(f"{name}: {count:,} cells {'guessed' if best else 'drawn'}")
        _console.say(f"Wrote {', '.join(written)}")


@app.command()
def pseudonyms(
    sources: Annotated[list[str], _argument("DATA…", "real tables: the same value gets the same pseudonym in all of them")],
    out: Annotated[str, _option("--out", metavar="FOLDER", help="folder to write the tables into, under the names of their files")],
    key: Annotated[
        str | None, _option("--key", metavar="FILE", help="the secret, made if it is not there; without it nobody can do the same again")
    ] = None,
    locale: Annotated[str, typer.Option("--locale", help="of names and addresses whose column declares none")] = "en_US",
    quiet: Quiet = False,
) -> None:
    """Replace names, e-mails, phones and other personal values of real tables, consistently. A pseudonym is not anonymity.

    \b
    lookalike pseudonyms customers.csv orders.csv --key secret.key --out pseudonymised
    """
    names = [Path(source).name for source in sources]
    if len(set(names)) < len(names):
        raise la.errors.SettingError("two tables have files of the same name", where=names[0], fix="rename one of them")
    kept = Path(key) if key is not None else None
    secret = kept.read_bytes() if kept is not None and kept.exists() else None
    if kept is not None:
        _flags.check_place(str(kept))
    with la.NewFolder(Path(out), overwrite=False) as unfinished:
        made = la.pseudonyms(dict(zip(names, sources, strict=True)), key=secret, locale=locale)
        for name, table in made.datasets.items():
            table.write(unfinished / name)
        if kept is not None and secret is None:
            _flags.keep_secret(kept, made.key)
    if not quiet:
        for name, columns in made.columns.items():
            _console.say(f"{name}: {', '.join(columns) or 'nothing'} replaced")
        for what, count in made.merged.items():
            _console.say(f"note: {count:,} values of kind {what} share their pseudonym with another")
        _console.say("These are real rows of real people: what was not replaced still tells them apart.")


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models, what they take, and their settings.

    \b
    lookalike models
    lookalike models --json
    """
    known = la.known_models()
    if as_json:
        _console.print_json(
            {
                name: {"about": _shown.about(m), "kinds": sorted(m.can.kinds), "private": m.can.private, "settings": _shown.settings(m)}
                for name, m in known.items()
            }
        )
        return
    for name, made in known.items():
        _console.show(_shown.model(name, made))


@app.command()
def audit(
    schema: Annotated[str, _argument("SCHEMA", "public facts, made by: lookalike schema DATA --public")],
    epsilon: Annotated[float, typer.Option("--epsilon", help="what the fit promises")],
    delta: Delta = _flags.DELTA,
    model: Learner = None,
    set: Set = None,
    rows_per_subject: PerSubject = 1,
    runs: Annotated[int, typer.Option("--runs", help="fits with and without one person unlike all others")] = 400,
    canaries: Annotated[int, typer.Option("--canaries", help="unusual people, in or out of one more fit by a coin")] = 200,
    data: Annotated[str | None, _option("--data", help="a real table to attack, instead of one made up from public facts")] = None,
    into: Annotated[str | None, _option("--into", help="file of a model that was fitted so, whose statement is to tell the result")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Attack what a private fit promises; exit with 1 if an attack shows that it is wrong.

    \b
    lookalike audit public.json --epsilon 1 --into private.lookalike
    lookalike audit public.json --epsilon 3 --model autoregressive --runs 0 --canaries 1000
    """
    guard = {"epsilon": epsilon, "delta": delta, "ledger": None, "rows_per_subject": rows_per_subject, "buy": False}
    learner = _flags.learner(model, set=set, minutes=None, rules=[], **guard)
    with _console.progress(quiet) as on_step:
        found = la.audit(learner, schema, source=data, runs=runs, canaries=canaries, into=into, on_step=on_step)
    if as_json:
        _console.print_json(found.to_json())
    elif not quiet:
        typer.echo(found.text())
    if not found.passed:
        sys.exit(1)


@app.command()
def privacy(
    path: Annotated[str, _argument("FILE", "a ledger, or a model that was fitted with --epsilon")],
    epsilon: Annotated[float | None, _option("--epsilon", help="begin a ledger with this budget, for all fits together")] = None,
    delta: Delta = _flags.DELTA,
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
        _flags.check_place(path)
        shown: Any = la.privacy.Ledger.open(path, budget=la.privacy.Budget(epsilon, delta), unit=subject)
    elif path.endswith(".json") or (Path(path).is_file() and not zipfile.is_zipfile(path)):  # a ledger may have any name
        shown = la.privacy.Ledger.open(path)
    else:
        promised = getattr(la.load(path), "privacy_", None)
        if promised is None:
            fix = "fit with a budget: lookalike fit DATA --epsilon 1"
            raise la.errors.CannotError("the model promises nothing: it was fitted without --epsilon", where=path, fix=fix)
        shown = la.privacy.Statement.from_json(promised)
    if as_json:
        _console.print_json(shown.to_json())
    else:
        typer.echo(shown.text())


def main(args: Sequence[str] | None = None) -> None:
    """Run the command `lookalike` with `args` (those of the process if not given), and exit."""
    command = typer.main.get_command(app)
    _console.legible()
    try:
        with _console.stoppable():
            command.main(args=None if args is None else list(args), prog_name="lookalike")
    except la.LookalikeError as error:
        _console.complain(error.what, where=error.where, fix=error.fix)
    except OSError as error:
        _console.complain(error.strerror or str(error), where=str(error.filename or ""), fix="")
    except UnicodeEncodeError as error:  # a name whose bytes are no UTF-8
        _console.complain("not a name that can be used: its bytes are no UTF-8", where=ascii(error.object), fix="rename it")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(2)


def _pass_gates(gates: list[dict[str, Any]]) -> None:
    """Exit with 2 if a requirement names nothing, with 1 if one is not met, and say which and why."""
    for gate in gates:
        if not gate["met"]:
            _console.complain(gate["text"] or "not met", where=f"--require {gate['require']}", fix="")
    if any(not g["met"] for g in gates):
        sys.exit(2 if any(g["met"] is None for g in gates) else 1)


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
        _console.show(_shown.tried(model))
