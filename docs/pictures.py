"""Draws the pictures of the guides, from the bundled census and from rows that are made up here: `python docs/pictures.py [NAME …]`.

About two minutes for all. Needs matplotlib (the extra `docs`). The pictures of the toys, of fairness and of the examples have scripts of
their own.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lookalike as la

HERE = Path(__file__).parent
CENSUS = HERE.parent / "src" / "lookalike" / "samples" / "adult.csv.gz"
REAL, MADE, OTHER, PALE = "#5f6b7a", "#1a73e8", "#d67000", "#d5dae0"


def panels(*titles: str, wide: float = 4.4, tall: float = 3.2) -> tuple[plt.Figure, list[plt.Axes]]:
    """A figure with a panel for each title, side by side."""
    figure, axes = plt.subplots(1, len(titles), figsize=(wide * len(titles), tall), dpi=130, layout="constrained", squeeze=False)
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title, loc="left", fontsize=10, fontweight="bold")
        panel.spines[["top", "right"]].set_visible(False)
    return figure, list(axes[0])


def halves() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the census to learn from, and rows that are kept aside."""
    census = pd.read_csv(CENSUS, keep_default_na=False).sample(frac=1, random_state=0)
    return census[: len(census) // 2], census[len(census) // 2 :]


def skill() -> plt.Figure:
    """Four tables, from good to useless to copied, in four figures with their controls."""
    train, held = halves()
    rng = np.random.default_rng(0)
    drawn = la.sample(la.fit(train, seed=0), len(train), seed=1)
    fifth = drawn.copy()
    for name in fifth:
        some = np.flatnonzero(rng.random(len(fifth)) < 0.2)
        fifth.loc[fifth.index[some], name] = fifth[name].to_numpy()[rng.permutation(some)]
    alone = train.apply(lambda column: rng.permutation(column))
    tables = {"a model's rows": drawn, "a fifth of the cells shuffled": fifth, "columns shuffled": alone, "training rows": train}
    data = la.report(train, tables, holdout=held, effort="quick", target="income").json()
    entries = [data, *data["others"]]
    shown = {"c2st": "Told apart (AUC)", "trend": "Pairs, error in %", "exact_copies": "Copied rows, %", "best": "Best attack (AUC)"}
    figure, axes = panels(*shown.values(), wide=3.0, tall=2.5)
    for axis, name in zip(axes, shown, strict=True):
        for place, entry in enumerate(entries):
            found = next(s for s in (*entry["scores"], *entry["attacks"]) if s["name"] == name)
            axis.plot([found["low"], found["high"]], [place, place], color=MADE, lw=2)
            axis.plot(found["value"], place, "o", color=MADE)
            if found.get("ceiling") is not None and place == 0:
                axis.axvline(found["ceiling"], color="#00856e", ls="--", lw=1)
        if name == "best":
            axis.axvline(0.5, color="#00856e", ls="--", lw=1)
        axis.set(yticks=range(4), yticklabels=list(tables) if name == "c2st" else [""] * 4)
        axis.invert_yaxis()
    figure.supxlabel("dashed: fresh real rows (of the attack: chance)", fontsize=8, color=REAL)
    return figure


def far(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Mean total variation of all pairs of columns, in percent; numbers in tenths of `one`."""
    coded = []
    for table in (one, other):
        cut = {
            n: np.searchsorted(one[n].quantile(np.linspace(0.1, 0.9, 9)), table[n]) if one[n].dtype.kind in "if" else table[n] for n in one
        }
        coded.append(pd.DataFrame(cut))
    apart = []
    for pair in itertools.combinations(one.columns, 2):
        shares = [t.value_counts(list(pair), normalize=True) for t in coded]
        apart.append(50 * shares[0].subtract(shares[1], fill_value=0).abs().sum())
    return float(np.mean(apart))


def epsilon() -> plt.Figure:
    """The error of pairs of columns by what is promised."""
    train, held = halves()
    public = la.privacy.skeleton(la.schema(train))
    levels = {c.name: sorted(train[c.name].unique()) for c in public.table if c.kind == "category"}
    for name, known in levels.items():
        public = public.amend(name, levels=[v for v in known if v != "?"])
    budgets = (0.1, 0.3, 1.0, 3.0, 10.0)
    errors = []
    for budget in budgets:
        model = la.fit(train, schema=public, model=la.Private(epsilon=budget, delta=1e-6, buy=True))
        errors.append(far(held, la.sample(model, len(train), seed=1)))
    figure, (axis,) = panels("Error of pairs of columns, %", wide=5.2)
    axis.plot(budgets, errors, "o-", color=MADE, label="drawn under a promise")
    free = far(held, la.sample(la.fit(train, seed=0), len(train), seed=1))
    for error, colour, name in ((free, OTHER, "drawn without one (forest)"), (far(held, train), REAL, "other real rows")):
        axis.axhline(error, color=colour, ls="--", lw=1, label=name)
    axis.set(
        xscale="log", xticks=budgets, xticklabels=[f"{b:g}" for b in budgets], xlabel="ε: the smaller, the stronger the promise", ylim=0
    )
    axis.minorticks_off()
    axis.legend(frameon=False, fontsize=8)
    return figure


def plan() -> plt.Figure:
    """Rows under a condition and a share, beside the real rows that meet them."""
    train, _ = halves()
    asked = {"given": {"sex": "Female", "age": {"low": 20, "high": 30}}, "shares": {"income": {">50K": 0.5, "*": 0.5}}}
    rows = la.sample(la.fit(train, seed=0), 4_000, plan=asked, seed=1)
    young = train[(train.sex == "Female") & train.age.between(20, 30)]
    figure, (share, what) = panels("Women of 20 to 30: over 50K", "Education of those over 50K")
    for place, (table, colour) in enumerate(((young, REAL), (rows, MADE))):
        share.barh(place, 100 * (table.income == ">50K").mean(), color=colour, height=0.6)
    share.set(
        yticks=range(2), yticklabels=[f"real, {len(young):,}", f"asked and drawn, {len(rows):,}"], xlabel="% of the rows", xlim=(0, 60)
    )
    share.invert_yaxis()
    rich = [t[t.income == ">50K"].education.value_counts(normalize=True) * 100 for t in (young, rows)]
    names = list(rich[0].index[:6])
    for shift, found, colour in zip((-0.2, 0.2), rich, (REAL, MADE), strict=True):
        what.barh(np.arange(6) + shift, [found.get(n, 0) for n in names], 0.38, color=colour)
    what.set(yticks=range(6), yticklabels=names, xlabel="% of them")
    what.invert_yaxis()
    return figure


def obeyed() -> plt.Figure:
    """Orders by a model that does not know the rules of the shop, and by one that does."""
    rng = np.random.default_rng(0)
    ordered = rng.integers(0, 300, 4_000)
    net, days = rng.gamma(2, 40, 4_000).round(2), rng.geometric(0.35, 4_000) - 1
    dates = [pd.Timestamp("2024-01-01") + pd.to_timedelta(d, unit="D") for d in (ordered, ordered + days)]
    orders = pd.DataFrame({"ordered": dates[0], "shipped": dates[1], "net": net, "tax": (net * 0.19).round(2)}).assign(
        gross=lambda t: (t.net + t.tax).round(2)
    )
    rules = ["ordered <= shipped", "gross = net + tax"]
    figure, (gap, bars) = panels("Days from order to shipment", "Rows that break a rule, %")
    models = {"without rules": ("forest", OTHER), "with rules": (la.model("ruled", rules=rules), MADE)}
    for place, (name, (model, colour)) in enumerate(models.items()):
        rows = la.sample(la.fit(orders, model=model, seed=0), 4_000, seed=1)
        span = (pd.to_datetime(rows.shipped) - pd.to_datetime(rows.ordered)).dt.days
        gap.hist(span.clip(-8, 14), bins=np.arange(-8.5, 15), color=colour, alpha=0.6, label=name)
        broken = [100 * (span < 0).mean(), 100 * ((rows.gross - rows.net - rows.tax).abs() > 0.005).mean()]
        shown = bars.barh(np.arange(2) + 0.2 * (2 * place - 1), broken, 0.38, color=colour)
        bars.bar_label(shown, [f" {b:.1f}" for b in broken], fontsize=8)
    gap.set(xlabel="days", ylabel="rows")
    gap.legend(frameon=False, fontsize=8)
    bars.set_yticks(range(2), rules)
    bars.invert_yaxis()
    return figure


def stays() -> plt.Figure:
    """The pulse of patients in two wards, made up here, and drawn by a model that has seen them."""
    rng = np.random.default_rng(1)
    hour, ward = np.tile(np.arange(24), 200), np.repeat(rng.choice(["surgery", "sepsis"], 200), 24)
    level = np.repeat(rng.normal(80, 8, 200), 24) + np.where(ward == "sepsis", 30 * np.exp(-hour / 8), -0.3 * hour)
    pulse = (level + rng.normal(0, 3, 4_800)).round().astype(int)
    real = pd.DataFrame({"stay": np.repeat(np.arange(1, 201), 24), "hour": hour, "ward": ward, "pulse": pulse})
    made = la.sample(la.fit(real, subject="stay", order="hour", seed=0), 200, seed=1)
    figure, axes = panels("Real stays", "Drawn stays")
    for axis, table in zip(axes, (real, made), strict=True):
        for name, colour in (("surgery", MADE), ("sepsis", OTHER)):
            mine = table[table.ward == name]
            for stay in mine.stay.unique()[:15]:
                one = mine[mine.stay == stay]
                axis.plot(one.hour, one.pulse, color=colour, lw=0.5, alpha=0.5)
            axis.plot(mine.groupby("hour").pulse.mean(), color=colour, lw=2.5, label=f"{name}, mean")
        axis.set(xlabel="hour", ylabel="pulse", ylim=(50, 135))
        axis.legend(frameon=False, fontsize=8)
    return figure


def shop() -> Path:
    """Tables of a shop and their links, as a schema draws itself."""
    rng = np.random.default_rng(0)
    ids = np.arange(1, 201)
    customers = pd.DataFrame({"customer_id": ids, "country": rng.choice(["NO", "SE"], 200), "since": rng.integers(2010, 2024, 200)})
    products = pd.DataFrame({"product_id": ids[:80], "group": rng.choice(["toys", "books"], 80), "price": rng.gamma(2, 9, 80).round(2)})
    orders = pd.DataFrame({"order_id": np.arange(1, 501), "customer_id": rng.choice(ids, 500), "paid": rng.choice(["card", "cash"], 500)})
    lines = {"line_id": np.arange(1, 1_201), "order_id": rng.integers(1, 501, 1_200), "product_id": rng.choice(ids[:80], 1_200)}
    lines |= {"pieces": rng.integers(1, 6, 1_200)}
    tables = {"customers": customers, "products": products, "orders": orders, "lines": pd.DataFrame(lines)}
    return la.save(la.schema(tables), HERE / "shop.svg")


PICTURES: dict[str, Callable[[], plt.Figure | Path]] = {
    "skill": skill,
    "epsilon": epsilon,
    "plan": plan,
    "rules": obeyed,
    "stays": stays,
    "shop": shop,
}


def main() -> None:
    """Draw those that are named, or all."""
    for name in sys.argv[1:] or PICTURES:
        path = made = PICTURES[name]()
        if not isinstance(made, Path):
            path = HERE / f"{name}.png"
            made.savefig(path)
            plt.close(made)
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1024:.0f} KB\n")


if __name__ == "__main__":
    main()
