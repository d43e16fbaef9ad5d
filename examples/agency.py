"""An agency gives the public a file of its survey with a stated ε, and a variant of it in which income does not depend on gender.

American Community Survey 2018: levels and bounds are those of the public code book, and cost no budget. The fair variant is drawn from the
same private model, and costs none either. Trees that learned from each file are tried on real people.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from common import MADE, OTHER, REAL, asked, keep, panels
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import lookalike as la

FILE = "tabular/acs_income_2018/acs_income_2018.parquet"
NAMES = {"Workclass": "work", "Education": "education", "Marital Status": "marital", "Race": "race", "Gender": "gender"}
NAMES |= {"Means of transportation to work": "way", "Travel time to work": "travel", "Age": "age", "Income": "income"}
BOUNDS = {"age": (16, 99), "travel": (0, 200)}


def survey(path: object) -> pd.DataFrame:
    """Some questions, and whether a person earns more than 50,000 dollars."""
    people = pd.read_parquet(path, columns=list(NAMES)).rename(columns=NAMES).fillna({"travel": 0}).astype(dict.fromkeys(BOUNDS, int))
    rich = pd.Categorical(np.where(people.pop("income") > 50_000, "yes", "no"))
    return people.assign(rich=rich).sample(frac=1, random_state=0)


def code_book(people: pd.DataFrame) -> la.Schema:
    """Public facts: the levels that the file's code book lists, and bounds."""
    schema = la.privacy.skeleton(la.schema(people))
    for name in people.select_dtypes("category"):
        schema = schema.amend(name, kind="category", nullable=False, levels=list(people[name].cat.categories))
    for name, (low, high) in BOUNDS.items():
        schema = schema.amend(name, kind="integer", nullable=False, low=low, high=high)
    return schema


def judged(train: pd.DataFrame, test: pd.DataFrame) -> tuple[float, float]:
    """AUC of trees on real people, and by how many points of percent more men than women they call rich."""
    sides = [pd.get_dummies(t.drop(columns="rich")).astype(float) for t in (train, test)]
    judge = HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(sides[0], train.rich == "yes")
    score = judge.predict_proba(sides[1].reindex(columns=sides[0].columns, fill_value=0))[:, 1]
    called = pd.Series(score > 0.5).groupby(test.gender.to_numpy()).mean()
    return float(roc_auc_score(test.rich == "yes", score)), 100 * float(called.max() - called.min())


def main() -> None:
    args = asked(__doc__, FILE, rows=60_000)
    people = survey(args.data / FILE)
    train, test = people[: args.rows], people[args.rows : args.rows + 20_000]
    model = la.fit(train, schema=code_book(people), model=la.Private(epsilon=1.0, delta=1e-7))
    public = la.sample(model, args.rows, seed=1)
    fair = la.steer(model, la.Plan(parity={"target": "rich", "group": "gender", "seen": True}), n=args.rows, seed=1)
    print(la.privacy.Statement.from_json(model.privacy_).text(), fair.account.text(), sep="\n")
    files = {"real": train, "public use, ε = 1": public, "its fair variant": fair.rows}
    found = {name: judged(rows, test) for name, rows in files.items()}

    figure, (earn, trade) = panels("Over $50,000, by age", "Trees that learned from each file")
    for (name, rows), colour in zip(files.items(), (REAL, MADE, OTHER), strict=True):
        for gender, style in zip(sorted(train.gender.unique()), ("-", "--"), strict=True):
            mine = rows[rows.gender == gender]
            rate = (mine.rich == "yes").groupby(mine.age // 5 * 5).mean() * 100
            earn.plot(rate.index[:11], rate[:11], style, color=colour, lw=1.4, label=f"{name}: {gender}")
        trade.plot(found[name][1], found[name][0], "o", color=colour, ms=9, label=name)
    earn.set(xlabel="age", ylabel="%")
    trade.set(xlabel="more men than women called rich, points", ylabel="AUC on real people", xlim=(0, None), ylim=(0.7, 0.9))
    (real, gap), (auc, biased), (even, rest) = found.values()
    keep(
        figure,
        args.out / "agency.png",
        f"{len(public):,} records for everybody at ε = 1, which teach trees an AUC of {auc:.3f} (real ones: {real:.3f}); and, for no more,",
        f"a fair variant, whose trees call {rest:.0f} points more men than women rich, not {biased:.0f} (real: {gap:.0f}), at {even:.3f}.",
    )


if __name__ == "__main__":
    main()
