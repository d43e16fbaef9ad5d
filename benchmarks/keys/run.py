"""Keys and links found where nobody names them: Chinook and Northwind, also with other names, and databases made up after known ones.

python benchmarks/keys/run.py            # lookalike
python benchmarks/keys/run.py --sdv      # and SDV's detection, in an environment of its own
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import schemas  # noqa: E402
from tools import environment  # noqa: E402

SHARED = Path(os.environ.get("LOOKALIKE_DATA", HERE.parents[1].parent / "shared" / "data")) / "relational"
Links, Keys = set[tuple[str, str, str]], dict[str, tuple[str, ...]]
_SDV = """
import json, pathlib, sys, time
import pandas as pd
from sdv.metadata import Metadata
tables = {p.stem: pd.read_parquet(p) for p in sorted(pathlib.Path(sys.argv[1]).iterdir())}
start = time.perf_counter()
try:
    found = Metadata.detect_from_dataframes(tables, infer_keys="primary_and_foreign").to_dict()
except Exception as error:
    found = {"tables": {}, "relationships": [], "error": str(error)}
found["seconds"] = time.perf_counter() - start
print("\\n" + json.dumps(found))
"""


def real(name: str, how: str) -> tuple[dict[str, pd.DataFrame], Links, Keys]:
    """A real database under its own names, in snake_case, with every key of one column called id, or under names that say nothing."""
    from lookalike.data._names import words

    said = json.loads((SHARED / name / "keys.json").read_text())["tables"]
    frames = {t: pd.read_csv(SHARED / name / f"{t}.csv") for t in said}
    at = {t: number for number, t in enumerate(said)}

    def renamed(table: str, column: str) -> str:
        if how == "nameless":
            return f"c{list(frames[table]).index(column)}"
        if how == "as it is":
            return column
        return "id" if how == "id" and said[table]["primary_key"] == [column] else "_".join(words(column))

    called = {t: t if how == "as it is" else f"t{at[t]}" if how == "nameless" else "_".join(words(t)) for t in said}
    links = {
        (called[t], "+".join(renamed(t, c) for c in x["columns"]), called[x["references"]])
        for t, e in said.items()
        for x in e["foreign_keys"]
    }
    keys = {called[t]: tuple(renamed(t, c) for c in e["primary_key"]) for t, e in said.items()}
    return {called[t]: f.rename(columns={c: renamed(t, c) for c in f}) for t, f in frames.items()}, links, keys


def ours(frames: dict[str, pd.DataFrame]) -> tuple[Links, Keys, float]:
    """What `lookalike.data.Dataset.of` finds, and seconds."""
    from lookalike.data import Dataset

    start = time.perf_counter()
    schema = Dataset.of(frames).schema
    links = {(t.name, "+".join(x.columns), x.table) for t in schema.tables for x in t.links}
    return links, {t.name: t.key for t in schema.tables}, time.perf_counter() - start


def sdv(frames: dict[str, pd.DataFrame]) -> tuple[Links, Keys, float]:
    """What SDV's metadata detection finds, and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in frames.items():
            frame.to_parquet(Path(folder) / f"{name}.parquet")
        done = subprocess.run([environment("sdv"), "-c", _SDV, folder], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    links = {(x["child_table_name"], x["child_foreign_key"], x["parent_table_name"]) for x in found["relationships"]}
    keys = {n: t.get("primary_key") for n, t in found["tables"].items()}
    return links, {n: (k,) if isinstance(k, str) else tuple(k or ()) for n, k in keys.items()}, found["seconds"]


def main() -> None:
    """Print a table for the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sdv", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    databases: dict[str, Any] = {}
    for name in ("chinook", "northwind"):
        for how in ("as it is", "snake", "id", "nameless"):
            databases[f"{name}, {how}"] = real(name, how)
    for name, text in schemas.KNOWN.items():
        databases[name] = (schemas.made(text, asked.seed), *schemas.truth(text))
    tools = {"lookalike": ours} | ({"SDV": sdv} if asked.sdv else {})
    print("| database | tables | links | " + " | ".join(f"{t}: links found | wrong | keys found | seconds" for t in tools) + " |")
    print("|---|---|---|" + "---|---|---|---|" * len(tools))
    total: dict[str, list[int]] = {t: [0, 0, 0] for t in tools}
    for name, (frames, links, keys) in databases.items():
        cells = []
        for tool, find in tools.items():
            found, named, seconds = find(frames)
            right = sum(named.get(n, ()) == k for n, k in keys.items())
            cells.append(f"{len(found & links)} | {len(found - links)} | {right} | {seconds:.1f}")
            if "nameless" not in name or name == "nameless":
                for at, count in enumerate((len(found & links), len(found - links), right)):
                    total[tool][at] += count
        print(f"| {name} | {len(frames)} | {len(links)} | " + " | ".join(cells) + " |", flush=True)
    named = [d for n, d in databases.items() if "nameless" not in n or n == "nameless"]
    sums = " | ".join(" | ".join([*map(str, total[t]), ""]) for t in tools)
    print(f"| all whose names say something | {sum(len(d[0]) for d in named)} | {sum(len(d[1]) for d in named)} | {sums} |")


if __name__ == "__main__":
    main()
