"""What is fuzzed: functions of bytes that may end well or with an error of our own (`lookalike.errors`), and in no other way.

Each target has seeds: inputs that are fine, which mutations start from. Files are written to a folder that the caller names.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

import lookalike as la
from lookalike import _flags, store
from lookalike.data.database import place_of
from lookalike.errors import LookalikeError
from lookalike.nets.checkpoint import Checkpoint
from lookalike.plan import Plan
from lookalike.privacy.accounting import Cost, Sampled
from lookalike.rules import Rules
from lookalike.schema import Schema

GOLDEN = Path(__file__).parents[1] / "golden"
CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Target:
    """run: takes an input and a folder for files; seeds: inputs that are fine; kind: how to mutate them (text, json, bytes, model)."""

    run: Callable[[bytes, Path], object]
    seeds: Callable[[], list[bytes]]
    kind: str = "bytes"
    each: int = 1
    """Its part of all inputs: quick targets get more."""


def ours(target: Target, data: bytes, folder: Path) -> LookalikeError | None:
    """Run a target; what it refuses is returned, any other error raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.run(data, folder)
    except LookalikeError as error:
        str(error)
        return error
    return None


# ------------------------------------------------------------------------------------------------------------------- tables


def frame() -> pd.DataFrame:
    """Forty rows of what ugly tables hold."""
    rng = np.random.default_rng(0)
    n = 40
    return pd.DataFrame(
        {
            "id": [f"K{k:04d}" for k in range(n)],
            "when": pd.date_range("2024-01-31", periods=n, freq="D").strftime("%d.%m.%Y"),
            "pay": [f"$ {x:,.2f}" for x in rng.gamma(2, 900, n)],
            "age": [None if k % 7 == 0 else int(k % 5 * 11) for k in range(n)],
            "sex": rng.choice(["f", "m", "ü"], n),
            "note": ['a, "b"\nc' if k % 9 == 0 else "plain words here" for k in range(n)],
            "mail": [f"a{k}@example.org" for k in range(n)],
            "yes": rng.choice(["yes", "no"], n),
        }
    )


def _read(name: str) -> Callable[[bytes, Path], object]:
    """A reader of files called `name`: reads all, and writes again what it read."""

    def run(data: bytes, folder: Path) -> None:
        place = folder / name
        place.write_bytes(data)
        read = la.Dataset.of(str(place))
        for table in read.schema.tables:
            read.table(table.name)
        if not read.schema.linked and len(data) % 4 == 0:
            read.write(folder / "again.csv")

    return run


def _csv_seeds() -> list[bytes]:
    text = frame().to_csv(index=False)
    return [
        text.encode(),
        text.encode("utf-16"),
        text.replace(",", ";").encode("latin-1"),
        b"a\n1\n\n2\n",
        b'"a","b"\r\n"1",""\r\n"x","2"\r\n',
        b"t\n" + b"\n".join(f"{k % 24:02d}:{k % 60:02d}".encode() for k in range(30)),
        b"d,e\n" + b"\n".join(f"2024-02-{k % 28 + 1:02d}T10:00:00+01:00,1e{k}".encode() for k in range(30)),
    ]


def _jsonl_seeds() -> list[bytes]:
    return [frame().to_json(orient="records", lines=True).encode(), b'{"a": 1}\n{"a": "x", "b": null}\n{"a": 1.5, "b": true}\n']


def _parquet_seeds() -> list[bytes]:
    made = []
    typed = frame().assign(when=pd.date_range("2024-01-31", periods=40), cat=frame()["sex"].astype("category"))
    for compression in ("none", "zstd"):
        out = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(typed), out, compression=compression)
        made.append(out.getvalue())
    return made


def _feather_seeds() -> list[bytes]:
    out = io.BytesIO()
    pyarrow.feather.write_feather(pa.Table.from_pandas(frame()), out, compression="uncompressed")
    return [out.getvalue()]


def _excel_seeds() -> list[bytes]:
    out = io.BytesIO()
    frame().head(8).to_excel(out, index=False, engine="xlsxwriter")
    return [out.getvalue()]


# --------------------------------------------------------------------------------------------------------- linked tables


SHOP = {
    "tables": {
        "parent": {"primary_key": ["id"], "foreign_keys": [], "file": "parent.csv", "public": False},
        "child": {
            "primary_key": ["id"],
            "foreign_keys": [{"columns": ["of"], "references": "parent", "ref_columns": ["id"]}],
            "unique": ["id"],
            "order": "at",
            "file": "child.csv",
        },
    },
    "subject": "parent.id",
}


def _shop(folder: Path) -> None:
    (folder / "parent.csv").write_text("id,name\n" + "".join(f"{k},n{k % 3}\n" for k in range(12)), encoding="utf-8")
    (folder / "child.csv").write_text("id,of,at\n" + "".join(f"{100 + k},{k % 12},{k}\n" for k in range(24)), encoding="utf-8")


def _keys(data: bytes, folder: Path) -> None:
    shop = folder / "shop"
    shop.mkdir(exist_ok=True)
    if not (shop / "child.csv").exists():
        _shop(shop)
    (shop / "keys.json").write_bytes(data)
    la.Dataset.of(str(shop))


def _sqlite(data: bytes, folder: Path) -> None:
    place = folder / "a.db"
    place.write_bytes(data)
    for tail in ("-journal", "-wal"):
        (folder / f"a.db{tail}").unlink(missing_ok=True)
    la.Dataset.of(f"sqlite:///{place}")


def _sqlite_seeds() -> list[bytes]:
    base = sqlite3.connect(":memory:")
    base.execute("PRAGMA page_size = 512")
    base.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT, born DATE)")
    base.execute("CREATE TABLE child (id INTEGER PRIMARY KEY, of INTEGER REFERENCES parent (id), x REAL)")
    base.executemany("INSERT INTO parent VALUES (?, ?, ?)", [(k, f"n{k % 3}", f"2001-01-{k % 28 + 1:02d}") for k in range(12)])
    base.executemany("INSERT INTO child VALUES (?, ?, ?)", [(k, k % 12, k / 3) for k in range(24)])
    base.commit()
    return [base.serialize()]


def _url(data: bytes, folder: Path) -> None:
    place_of("sqlite:///" + data.decode(errors="replace").replace("/", "")).shown.encode(errors="replace")


# ------------------------------------------------------------------------------------------------- schemas, plans, rules


@cache
def small() -> Any:
    """A fitted model of a small table, and its schema."""
    return la.fit(frame().drop(columns=["note", "mail"]), model="independent", settings={"cells": 16}, seed=0)


def _schema(data: bytes, folder: Path) -> None:
    made = Schema.from_json(data.decode(errors="replace"))
    assert Schema.from_json(made.to_json()) == made
    if not made.linked and len(data) % 8 == 0:
        la.Dataset.of(frame(), schema=made)


def _schema_seeds() -> list[bytes]:
    read = la.Dataset.of(frame()).schema
    return [
        read.to_json().encode(),
        read.amend("age", low=0, high=120).amend("sex", levels=("f", "m", "ü")).to_json().encode(),
        b'{"tables": [{"name": "a", "columns": [{"name": "k", "kind": "key"}], "key": ["k"]}, {"name": "b", "columns": [{"name": "k", '
        b'"kind": "key"}], "links": [{"columns": ["k"], "table": "a", "references": ["k"]}]}], "subject": "a.k"}',
    ]


PLAN = {
    "given": {"sex": "f", "age": {"low": 1, "high": 40}, "yes": ["yes", None], "pay": {"missing": False}},
    "shares": {"sex": {"f": 0.5, "*": 0.5}},
    "counts": {"yes": {"yes": 3}},
    "rebalance": {"sex": 0.3},
    "rules": ["age >= 0", 'if sex = "f" then pay is known', 'sex ~ "[fm]"'],
    "parity": {"target": "yes", "group": "sex", "notion": "demographic"},
    "rare": {"columns": {"age": "high"}, "share": 0.3},
    "found": ["rules"],
}


def _planned(made: Plan, data: bytes) -> None:
    made.check(small().schema)
    if made.rare is None or isinstance(made.rare, dict | str):
        again = Plan.from_json(json.loads(json.dumps(made.to_json(), default=str)))
        again.check(small().schema)
    if len(data) % 16 == 0 and made.fix is None:
        la.steer(small(), made, n=8)


def _plan(data: bytes, folder: Path) -> None:
    (folder / "plan.json").write_bytes(data)
    _planned(Plan.read(folder / "plan.json"), data)


def _yaml(data: bytes, folder: Path) -> None:
    (folder / "plan.yaml").write_bytes(data)
    _planned(Plan.read(folder / "plan.yaml"), data)


def _plan_seeds() -> list[bytes]:
    parts = [{k: v} for k, v in PLAN.items()]
    both = {k: PLAN[k] for k in ("rules", "found")}
    listed = {"shares": [{"columns": ["sex", "yes"], "of": [[["f", "yes"], 0.25], ["*", 0.75]]}]}
    dated = {"given": {"when": {"low": "2024-02-01", "high": "2024-02-20"}}}
    return [json.dumps(p).encode() for p in (*parts, both, listed, dated)]


def _yaml_seeds() -> list[bytes]:
    return [b"given: {sex: f, when: {low: 2024-02-01}}\nrules:\n  - age >= 0\n", b'counts:\n  "yes": {"yes": 3}\nrare: age\n']


def _rule(data: bytes, folder: Path) -> None:
    text = data.decode(errors="replace")
    rules = Rules.of([text], small().schema)
    if len(data) % 4 == 0:
        rules.check(_rows())


@cache
def _rows() -> pa.Table:
    return la.Dataset.of(frame().drop(columns=["note", "mail"]), schema=small().schema).table()


def _rule_seeds() -> list[bytes]:
    return [
        b"age >= 0 and age + 1 < 2 * age / (3 - 1) + 9",
        b'if sex in ("f", "m") then not (pay is missing) or yes = "no"',
        b'when <= "2024-12-31" and days(when - when) = 0',
        b'combination(sex, yes) in (("f", "yes"), ("m", null))',
        b"unique(id)",
        b"together_missing(age, pay)",
        b"step(pay, 0.05, 1e-2)",
        b'sex ~ "(f|m|[^x]{1,3})+"',
        b"min(age, pay, 3) <= max(age, pay) and abs(floor(age)) != -age",
    ]


def _flag(data: bytes, folder: Path) -> None:
    text = data.decode(errors="replace")
    flag, _, value = text.partition(" ")
    name = {"s": "share", "r": "rebalance", "p": "parity"}.get(flag, "given")
    _flags.planned(None, **{name: [value]}).check(small().schema)
    if "=" in value:
        _flags.settings([value], model="forest", minutes=None)


def _flag_seeds() -> list[bytes]:
    given = [b"sex=f", b"age=1..30", b"age=[1,2,null]", b'when={"low": "2024-02-01"}']
    return [b"s sex=f:0.5", b"r sex=0.2", b"p yes:sex,age", *(b"g " + g for g in given)]


# ------------------------------------------------------------------------------------------------------------ stored state


def _model(data: bytes, folder: Path) -> None:
    place = folder / "a.lookalike"
    place.write_bytes(data)
    model = la.load(place)
    la.sample(model, 20, seed=1)


def _model_seeds() -> list[bytes]:
    """The golden files, and those that `fitted` has put into the folder LOOKALIKE_FUZZ_MODELS."""
    more = os.environ.get("LOOKALIKE_FUZZ_MODELS")
    return [f.read_bytes() for folder in (GOLDEN, *([Path(more)] if more else [])) for f in sorted(folder.glob("*.lookalike"))]


DEEP = {
    "autoregressive": {"epochs": 1, "width": 16, "vector": 4},
    "gan": {"epochs": 1, "width": 16, "noise": 8, "depth": 1},
    "ctgan": {"epochs": 1, "width": 16, "noise": 8, "depth": 1},
    "vae": {"epochs": 1, "width": 16, "latent": 4, "modes": 4, "vector": 4},
    "diffusion": {"epochs": 1, "width": 16, "steps": 4},
}


def fitted(folder: Path, *, names: Sequence[str] = ()) -> None:
    """Write small models, to be spoilt: one of every kind, or those with `names`."""
    table, few = frame(), {"trees": 3, "rounds": 4}
    who, at = np.divmod(np.arange(72), 6)
    steps = pd.DataFrame({"who": who, "at": at, "x": np.arange(72) % 7 / 2, "c": ["a", "b"] * 36})
    line = steps.assign(at=np.arange(72)).drop(columns="who")
    _shop(folder)
    shop = {name: pd.read_csv(folder / f"{name}.csv") for name in ("parent", "child")}
    flat = DEEP | {"copula": {}, "forest": few, "marginals": {}, "ruled": {"rules": ["age >= 0"], "inner_settings": few}}
    known: dict[str, tuple[Any, dict[str, Any]]] = {name: (table, {"model": name, "settings": s}) for name, s in flat.items()}
    known["sequence"] = (steps, {"subject": "who", "order": "at", "settings": few})
    known["surrogate"] = (line, {"order": "at", "model": "surrogate", "settings": {"lags": 2}})
    known["series"] = (line, {"order": "at", "model": "series", "settings": {"epochs": 1, "width": 16, "window": 8, "steps": 4}})
    known["relational"] = (shop, {"subject": "parent", "settings": {"inner_settings": few}})
    for name in names or known:
        data, how = known[name]
        la.save(la.fit(data, seed=0, **how), folder / f"{name}.lookalike")


def _ledger(data: bytes, folder: Path) -> None:
    place = folder / "ledger.json"
    place.write_bytes(data)
    la.privacy.Ledger.open(place).text()


def _ledger_seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "ledger.json"
        ledger = la.privacy.Ledger.open(place, budget=la.privacy.Budget(3.0, 1e-6), unit="row")
        empty = place.read_bytes()
        ledger.allow(1.0, delta=1e-7).spend(Cost(rho=0.01), "a look")
        looked = place.read_bytes()
        ledger.allow(1.0, delta=1e-7).spend(Cost(sampled=Sampled(4.0, 0.01, 20)), "a training")
        return [empty, looked, place.read_bytes()]


def _checkpoint(data: bytes, folder: Path) -> None:
    place = folder / "training"
    place.write_bytes(data)
    Checkpoint(place, fingerprint={"rows": 3}).read()


def _checkpoint_seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        kept = Checkpoint(Path(folder) / "training", fingerprint={"rows": 3})
        kept.write({"step": 1, "loss": 0.5}, {"w": np.ones((2, 3), np.float32)})
        return [kept.path.read_bytes()]


TARGETS: dict[str, Target] = {
    "csv": Target(_read("t.csv"), _csv_seeds, "text", 3),
    "gzip": Target(_read("t.csv.gz"), lambda: [gzip.compress(s, mtime=0) for s in _csv_seeds()[:1]], "bytes", 2),
    "jsonl": Target(_read("t.jsonl"), _jsonl_seeds, "lines", 3),
    "parquet": Target(_read("t.parquet"), _parquet_seeds, "bytes", 4),
    "feather": Target(_read("t.feather"), _feather_seeds, "bytes", 4),
    "excel": Target(_read("t.xlsx"), _excel_seeds, "zip", 1),
    "keys": Target(_keys, lambda: [json.dumps(SHOP).encode()], "json", 1),
    "sqlite": Target(_sqlite, _sqlite_seeds, "bytes", 5),
    "url": Target(_url, lambda: [b"shop.db?table=orders", b"%20a?query=select%201&table=x#y"], "text", 100),
    "schema": Target(_schema, _schema_seeds, "json", 120),
    "plan": Target(_plan, _plan_seeds, "json", 60),
    "yaml": Target(_yaml, _yaml_seeds, "text", 20),
    "rule": Target(_rule, _rule_seeds, "text", 300),
    "flag": Target(_flag, _flag_seeds, "text", 250),
    "model": Target(_model, _model_seeds, "model", 2),
    "ledger": Target(_ledger, _ledger_seeds, "json", 30),
    "checkpoint": Target(_checkpoint, _checkpoint_seeds, "bytes", 60),
}


def packed(card: bytes, arrays: bytes) -> bytes:
    """A model file of a card and arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(store.CARD, card)
        file.writestr(store.ARRAYS, arrays)
    return out.getvalue()


def unpacked(data: bytes) -> tuple[bytes, bytes]:
    """Card and arrays of a model file."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return file.read(store.CARD), file.read(store.ARRAYS)
