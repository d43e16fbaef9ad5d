"""A hospital shares what it knows of readmissions under differential privacy, and fills a trial's cohort that it could not recruit.

Diabetes-130: encounters of patients, of whom two each count; levels and bounds are those of the published form. eICU: the first day of
a stay in intensive care; a cohort is asked for by conditions and shares, and compared with the few real patients that meet them.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from common import MADE, OTHER, REAL, asked, keep, panels
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import lookalike as la

STAYS, CARE = "healthcare/diabetes130/diabetic_data.parquet", "healthcare/eicu_demo_icu"
LEVELS = ["race", "gender", "age", "max_glu_serum", "A1Cresult", "insulin", "change", "diabetesMed", "readmitted"]
BOUNDS = {"time_in_hospital": 14, "num_procedures": 6, "num_medications": 90, "number_emergency": 80, "number_inpatient": 25}
COHORT = {"given": {"age": {"low": 50, "high": 75}, "highest_pulse": {"low": 120}}, "shares": {"sex": {"Male": 0.5, "Female": 0.5}}}


def form(stays: pd.DataFrame) -> la.Schema:
    """What the published form says."""
    schema = la.privacy.skeleton(la.schema(stays)).amend("patient_nbr", kind="key", nullable=False)
    for name in LEVELS:
        schema = schema.amend(name, kind="category", nullable=name == "race", levels=sorted(stays[name].dropna().unique()))
    for name, most in BOUNDS.items():
        schema = schema.amend(name, kind="integer", nullable=False, low=0, high=most)
    return schema


def auc(train: pd.DataFrame, test: pd.DataFrame) -> float:
    """How well trees that learned from `train` tell who comes back within 30 days."""
    x, y = (pd.get_dummies(t[[*LEVELS[:-1], *BOUNDS]]).astype(float) for t in (train, test))
    judge = HistGradientBoostingClassifier(max_iter=80, learning_rate=0.05, random_state=0).fit(x, train.readmitted == "<30")
    return float(roc_auc_score(test.readmitted == "<30", judge.predict_proba(y.reindex(columns=x.columns, fill_value=0))[:, 1]))


def first_day(folder: Path) -> pd.DataFrame:
    """One row a stay: who, the extremes of the first day, and whether the patient died."""
    who, hours, end = (pd.read_parquet(folder / f"{name}.parquet") for name in ("sta", "dyn", "outc"))
    day = hours.groupby("stay_id").agg(highest_pulse=("hr", "max"), lowest_pressure=("map", "min"), highest_lactate=("lact", "max"))
    return (
        who.merge(day, on="stay_id").merge(end, on="stay_id").rename(columns={"label": "died"}).drop(columns="stay_id").dropna(subset="age")
    )


def main() -> None:
    args = asked(__doc__, STAYS, *(f"{CARE}/{name}.parquet" for name in ("sta", "dyn", "outc")), rows=80_000)
    stays = pd.read_parquet(args.data / STAYS, columns=["patient_nbr", *LEVELS, *BOUNDS]).sample(frac=1, random_state=0)
    test, train = stays[stays.patient_nbr % 5 == 0][: args.rows // 2], stays[stays.patient_nbr % 5 > 0][: args.rows]
    model = la.fit(train, schema=form(train), subject="patient_nbr", model=la.Private(epsilon=1.0, delta=1e-6, rows_per_subject=2))
    shared = la.sample(model, len(train), seed=1)
    care = first_day(args.data / CARE)
    drawn = la.steer(la.fit(care, seed=0), COHORT, n=1_000, seed=1)
    cohort, few = drawn.rows, care[care.age.between(50, 75) & (care.highest_pulse >= 120)]
    print(drawn.account.text())

    figure, (back, trial) = panels("Back within 30 days, by earlier stays", "A cohort of 1,000 by conditions")
    for rows, colour, name in ((train, REAL, "real"), (shared, MADE, "shared, ε = 1")):
        rate = (rows.readmitted == "<30").groupby(rows.number_inpatient.clip(upper=5)).mean() * 100
        back.plot(rate.index, rate, "o-", color=colour, label=name)
    back.set(xlabel="stays in the year before (5: or more)", ylabel="% of encounters", ylim=0)
    for rows, colour, size, name in ((care, "#d5dae0", 4, "all real"), (cohort, MADE, 4, "drawn"), (few, OTHER, 9, f"real, {len(few)}")):
        trial.scatter(rows.age, rows.highest_pulse, s=size, color=colour, linewidths=0, label=name)
    trial.set(xlabel="age", ylabel="highest pulse of the first day")
    deaths = [100 * t.groupby("sex").died.mean().mean() for t in (cohort, few)]
    keep(
        figure,
        args.out / "hospital.png",
        f"{len(shared):,} encounters to share at ε = 1, from which trees learn who comes back to an AUC of {auc(shared, test):.3f}",
        f"(real rows: {auc(train, test):.3f}); and a cohort of {len(cohort):,}, half of them women, where {len(few)} real patients met the",
        f"conditions (mortality, both sexes alike: {deaths[0]:.0f} %; real: {deaths[1]:.0f} %).",
    )


if __name__ == "__main__":
    main()
