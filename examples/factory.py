"""A factory has seen each of its faults a few dozen times: any of them comes on demand, and obeys the physics that made the real ones.

Milling machines fail by heat, power or overstrain (AI4I 2020, whose author has published the laws): rows are drawn under the condition
that a mode occurs. Aero engines run to failure (C-MAPSS): more engines are drawn, a whole life each.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from common import MADE, REAL, asked, keep, panels

import lookalike as la

MILLS, ENGINES = "predictive_maintenance/ai4i2020/ai4i2020.csv.gz", "predictive_maintenance/cmapss_fd001/train_FD001.parquet"
NAMES = ["type", "air", "process", "speed", "torque", "wear", "fault", "TWF", "HDF", "PWF", "OSF", "RNF"]
MODES = {"HDF": "heat", "PWF": "power", "OSF": "overstrain"}
WANTED = 500


def engineered(mills: pd.DataFrame) -> pd.DataFrame:
    """What an engineer would have learned: faults first, then heat gap, power (watts) and strain, from which they follow."""
    power = mills.torque * mills.speed * 2 * np.pi / 60
    made = mills.assign(gap=(mills.process - mills.air).round(1), power=power.round(1), strain=(mills.torque * mills.wear).round(1))
    return made[["fault", "TWF", *MODES, "type", "air", "speed", "gap", "power", "strain"]]


def lawful(mills: pd.DataFrame, mode: str) -> pd.Series:
    """Whether the law of a mode, as its author wrote it, explains each row."""
    if mode == "HDF":
        return (mills.gap < 8.65) & (mills.speed < 1_380)  # 8.6, in tenths
    limit = mills.type.map({"L": 11_000, "M": 12_000, "H": 13_000}).astype(float)
    return ~mills.power.between(3_500, 9_000) if mode == "PWF" else mills.strain > limit


def main() -> None:
    args = asked(__doc__, MILLS, ENGINES, rows=10_000)
    mills = pd.read_csv(args.data / MILLS, header=0, names=["id", "product", *NAMES])
    mills = engineered(mills).sample(frac=1, random_state=0)[: args.rows]
    model = la.fit(mills, seed=0)
    faults = {mode: la.sample(model, WANTED, plan={"given": {mode: 1, "fault": 1}}, seed=1) for mode in MODES}
    engines = pd.read_parquet(args.data / ENGINES, columns=["unit", "cycle", "s2", "s4", "s7", "s11", "s12", "s15"])
    engines = engines[engines.unit <= max(20, args.rows // 100)]
    lives = la.sample(la.fit(engines, subject="unit", order="cycle", seed=0), 40, seed=1)

    figure, (where, obey, run) = panels("Faults on demand", "Explained by the law of the fault", "Temperature before failure")
    where.scatter(mills.speed, mills.power / 1_000, s=2, color="#d5dae0", linewidths=0)
    explained = {}
    for place, (mode, drawn) in enumerate(faults.items()):
        real = mills[mills[mode] == 1]
        explained[mode] = [100 * lawful(rows, mode).mean() for rows in (real, drawn, mills[mills[mode] == 0])]
        where.scatter(drawn.speed, drawn.power / 1_000, s=5, linewidths=0, label=MODES[mode], alpha=0.6)
        for shift, share, colour in zip((-0.26, 0, 0.26), explained[mode], (REAL, MADE, "#d5dae0"), strict=True):
            obey.bar(place + shift, share, 0.24, color=colour)
    where.set(xlabel="rpm", ylabel="kW")
    obey.set(xticks=range(3), xticklabels=MODES.values(), ylabel="%", ylim=(0, 118))
    obey.legend(["real faults", "drawn faults", "no fault"], frameon=False, fontsize=8, ncols=3, loc="upper center")
    for rows, colour, name in ((engines, REAL, "real engines"), (lives, MADE, "drawn engines")):
        left = rows.groupby("unit").cycle.transform("max") - rows.cycle
        for unit in rows.unit.unique()[:12]:
            run.plot(-left[rows.unit == unit], rows.s4[rows.unit == unit].rolling(5).mean(), color=colour, lw=0.6, alpha=0.6)
        run.plot([], color=colour, label=name)
    run.set(xlabel="cycles before failure", ylabel="outlet temperature, °R", xlim=(-250, 0))
    seen = int((mills[list(MODES)] == 1).any(axis=1).sum())
    obeyed, true, chance = (np.mean([e[k] for e in explained.values()]) for k in (1, 0, 2))
    lengths = [rows.groupby("unit").size().median() for rows in (engines, lives)]
    keep(
        figure,
        args.out / "factory.png",
        f"{WANTED * len(MODES):,} faults of three modes out of {seen} seen; {obeyed:.0f} % of them obey the published law of their mode",
        f"(real faults: {true:.0f} %, rows without: {chance:.0f} %); and {lives.unit.nunique()} engines run to failure, after",
        f"{lengths[1]:.0f} cycles (real: {lengths[0]:.0f}).",
    )


if __name__ == "__main__":
    main()
