"""The tables of the private benchmark: each is cut once into rows to learn from and unseen rows, written the same way for every tool."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import data  # noqa: E402  it lives one folder up
from facts import Fact, load  # noqa: E402

if TYPE_CHECKING:
    import pandas as pd

SETS = {
    "adult": data.REAL["adult"],
    "credit_default": data.REAL["credit_default"],
    "acs_ma2019": data.Real(
        path="nist/nist_acs_ma_national/ma2019.csv.gz",
        target="OWN_RENT",
        # DENSITY repeats PUMA, PINCP_DECILE repeats PINCP, and INDP is INDP_CAT in 271 codes.
        drop=("DENSITY", "PINCP_DECILE", "INDP"),
        about="NIST excerpt of the American Community Survey, Massachusetts 2019",
    ),
}


def known(name: str) -> Path:
    """The file of what is publicly known of a set."""
    return HERE / f"{name}.json"


def judged(name: str) -> data.Real:
    """The set as the judge is told it: which columns are categories is public."""
    return dataclasses.replace(SETS[name], cats=tuple(c for c, fact in load(known(name)).items() if not fact.numeric))


def written(frame: pd.DataFrame, facts: dict[str, Fact]) -> pd.DataFrame:
    """The columns of `facts`; whole numbers without a point, and whatever is no number missing."""
    import pandas as pd

    out = frame[list(facts)].copy()
    for name, fact in facts.items():
        if fact.kind == "integer":
            out[name] = pd.to_numeric(out[name], errors="coerce").astype("Int64")
    return out


def prepare(name: str, shared: Path, folder: Path, *, most: int | None = None) -> dict[str, int]:
    """Write train.csv and holdout.csv of one set into `folder`, and the same for the judge; give back the sizes."""
    facts, real = load(known(name)), SETS[name]
    train, holdout = (written(part, facts) for part in data.parts(real, shared, most=most))
    folder.mkdir(parents=True, exist_ok=True)
    for part, frame in (("train", train), ("holdout", holdout)):
        frame.to_csv(folder / f"{part}.csv", index=False)
        data.judged(frame, real).to_csv(folder / f"judge-{part}.csv", index=False)
    return {"rows": len(train), "unseen": len(holdout), "columns": train.shape[1]}


def main() -> None:
    """`prepared.py NAME SHARED FOLDER [--most N]`; prints the sizes as JSON."""
    asked = argparse.ArgumentParser()
    asked.add_argument("name", choices=sorted(SETS))
    asked.add_argument("shared", type=Path)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--most", type=int)
    given = asked.parse_args()
    sys.stdout.write(json.dumps(prepare(given.name, given.shared, given.folder, most=given.most)))


if __name__ == "__main__":
    main()
