"""Every attack is tried on the synthetic table and, by the same code, on tables that must be caught and on rows that must not.

Rows the model learned from (members), rows it never saw (strangers) and fresh rows come shuffled in one call. A tenth of the members
leaked, and members a little moved, must be noticed, or the attack's silence says nothing; fresh rows must look like strangers. What is
chosen (thresholds, the best attack) is chosen on some of the rows and judged once on the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from lookalike import attacks
from lookalike.compare import roc
from lookalike.compare.boost import one_thread
from lookalike.compare.frame import Frame, stack
from lookalike.compare.stats import around
from lookalike.compare.threat import Attack, Guess, LogProb, Refit, Seen, Threat
from lookalike.errors import LookalikeError
from lookalike.protocol import OnStep, Step, quiet
from lookalike.report import rights
from lookalike.report.measure import Effort, Stage

STRANGER, MEMBER, FRESH = 0, 1, 2
RATES = {"0.001": 0.001, "0.01": 0.01, "0.1": 0.1}
LEAKED = 0.1
"""Share of the members that the leaking control holds."""
SURE = 3.0
"""Standard errors by which a control must differ from chance to count as caught."""
OUTLIERS, FEWEST_OUTLIERS = 0.01, 20
FEW = 100
FEWEST = 50
"""Members, strangers and reference rows without which nothing is tried."""
CHOICE = 0.3
"""Share of the rows on which thresholds, methods and the best attack are chosen; the others judge them."""
BEST = "best"
NO_HOLDOUT = "without rows that were certainly not learned from, no attack can be judged"


@dataclass(frozen=True)
class Budget:
    """Rows at most: of the pool of members that targets are drawn from, of the synthetic and of the reference table; targets × `more`."""

    pool: int
    synthetic: int
    reference: int
    more: float


BUDGETS: dict[Effort, Budget] = {"quick": Budget(4_000, 30_000, 10_000, 1.0), "standard": Budget(10_000, 100_000, 20_000, 2.0)}


@dataclass(frozen=True)
class Cast:
    """Rows attacked in one call: which are members, strangers or fresh (int8), which were drawn at random, and which are most unusual."""

    rows: Frame
    role: np.ndarray
    plain: np.ndarray
    odd: np.ndarray

    def sides(self, score: np.ndarray, *, role: int = MEMBER, of: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Scores of the rows in `role` and of the strangers, among the rows `of` (default: those drawn at random)."""
        of = self.plain if of is None else of
        return score[of & (self.role == role)], score[of & (self.role == STRANGER)]


class Scene:
    """Who is who: a pool of members and as many strangers, fresh rows, reference rows, and the attacker before each table."""

    def __init__(self, setting: Stage, budget: Budget, rng: np.random.Generator, *, refit: Refit | None, log_prob: LogProb | None) -> None:
        holdout = setting.holdout.take(rng.permutation(setting.holdout.rows))
        half, third = holdout.rows // 2, holdout.rows // 3
        reference = holdout.take(np.arange(min(half, budget.reference)))
        strangers, rest = np.arange(half, half + third), np.arange(half + third, holdout.rows)
        pool = min(setting.train.rows, len(strangers), budget.pool)
        members = setting.train.take(rng.permutation(setting.train.rows)[:pool])
        self.everyone = stack([members, holdout.take(strangers[:pool]), holdout.take(rest[:pool])])
        self.role = np.repeat(np.array([MEMBER, STRANGER, FRESH], np.int8), [pool, pool, min(pool, len(rest))])
        made = setting.synthetic.cut(budget.synthetic, rng)
        self.pool, self.budget, self.rng = pool, budget, rng
        self.seen = {"main": Seen(made, reference, log_prob, refit)}
        self.able = min(pool, reference.rows) >= FEWEST and bool(made.names) and made.rows > 0
        if not self.able:
            return
        leaked = members.take(np.arange(max(1, int(LEAKED * pool))))
        kept = made.take(np.arange(min(leaked.rows, made.rows // 2), made.rows))
        self.seen["leak"] = self.seen["main"].instead(stack([kept, leaked]))
        self.seen["noise"] = self.seen["main"].instead(moved(members, rng))
        self.unusual = self.seen["main"].near(self.everyone, reference)[0][:, :5].mean(1)
        self.casts: dict[tuple[int, bool], Cast] = {}

    def cast(self, threat: Threat) -> Cast:
        """The rows that this attack tries."""
        key = (min(self.pool, int(threat.targets * self.budget.more)), threat.unusual)
        if key not in self.casts:
            self.casts[key] = self._cast(*key)
        return self.casts[key]

    def _cast(self, most: int, unusual: bool) -> Cast:
        known = self.role != FRESH
        # One threshold for members and strangers, or the two would not be alike.
        ranked = np.sort(self.unusual[known])
        odd = self.unusual >= ranked[-2 * max(int(OUTLIERS * self.pool), min(FEWEST_OUTLIERS, self.pool))]
        if unusual:
            plain = self.unusual >= ranked[-min(2 * most, len(ranked))]
        else:
            place = np.concatenate([self.rng.permutation(int((self.role == r).sum())) for r in (MEMBER, STRANGER, FRESH)])
            plain = place < np.where(known, most, max(most // 2, FEWEST))
        chosen = self.rng.permutation(np.flatnonzero(plain | (odd & known)))
        return Cast(self.everyone.take(chosen), self.role[chosen], plain[chosen], odd[chosen])


def moved(rows: Frame, rng: np.random.Generator) -> Frame:
    """The rows with a little noise: numbers by 1 % of their usual range, 1 % of the levels drawn anew."""
    values = {}
    for column in rows.columns:
        name, own = column.name, rows[column.name]
        if rows.is_label(name):
            values[name] = np.where(rng.random(len(own)) < 0.01, rng.permutation(own), own).astype(np.int32)
            continue
        seen = own[~np.isnan(own)]
        low, high = np.quantile(seen, [0.01, 0.99]) if len(seen) else (0.0, 0.0)
        noisy = own + rng.normal(0, 0.01 * (high - low), len(own))
        values[name] = noisy if column.kind == "number" else np.rint(noisy)
    return Frame(rows.columns, values, rows.levels, rows.rows, rows.owner)


def chosen(effort: Effort, own: Sequence[Attack] = ()) -> dict[str, ModuleType | Attack]:
    """The attacks that are tried, by name: those of the folder that the effort allows, and the caller's own."""
    found = {n: attacks.load(n) for n in attacks.names()}
    return {n: a for n, a in found.items() if effort == "standard" or a.THREAT.quick} | {a.name: a for a in own}


def attacked(
    setting: Stage,
    *,
    seed: int,
    effort: Effort = "quick",
    on_step: OnStep = quiet,
    refit: Refit | None = None,
    log_prob: LogProb | None = None,
    own: Sequence[Attack] = (),
) -> list[dict[str, Any]]:
    """One entry an attack, as `docs/report.md` names them; the last, `best`, is the best of those on the table, chosen and judged apart.

    The same seed gives the same numbers. Attacks on membership need a holdout: without one, entries say so and have no value.
    """
    known = chosen(effort, own)
    if not setting.given:
        return [_silent(n, a.THREAT, f"{setting.why}: {NO_HOLDOUT}") for n, a in known.items()]
    offered = {"refit": refit, "log_prob": log_prob}
    with one_thread():
        scene = Scene(setting, BUDGETS[effort], np.random.default_rng([seed, 7]), refit=refit, log_prob=log_prob)
        found, runs = [], {}
        for at, (name, attack) in enumerate(known.items()):
            threat: Threat = attack.THREAT
            on_step(Step(at, len(known) + 1, f"attack: {threat.title.lower()}"))
            lost = [need for need in sorted(threat.needs) if offered[need] is None]
            if not scene.able or lost:
                why = f"needs {FEWEST} rows that can be compared on each side" if not lost else LACKING[lost[0]]
                found.append(_silent(name, threat, why))
                continue
            try:
                run = {role: _tried(name, attack, scene.cast(threat), seen, seed) for role, seen in scene.seen.items()}
            except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError, LookalikeError) as error:
                found.append(_silent(name, threat, f"could not be computed: {error}"))
                continue
            found.append(_entry(name, threat, scene, run, seed))
            # The best is chosen among attacks on the same rows.
            if threat.wants == "membership" and scene.cast(threat) is scene.cast(THREAT) and _holds(threat) == "table":
                runs[name] = run
        on_step(Step(len(known), len(known) + 1, "attack: the best of all"))
        if len(runs) > 1:
            found.append(_best(runs, scene, seed))
    on_step(Step(len(known) + 1, len(known) + 1, "attacked"))
    return found


UNPLANTED = "no leak can be planted in a fitted model: whether this attack would notice one is not known"
LACKING = {
    "refit": "needs the model, to fit it again: give the model that drew the table",
    "log_prob": "needs a model that tells the likelihood of a row; this one does not, or was not given",
}


def _tried(name: str, module: ModuleType | Attack, cast: Cast, seen: Seen, seed: int) -> Guess:
    """All roles have the same random numbers, so that what the attack draws is the same for each table."""
    return module.attack(cast.rows, seen, rng=np.random.default_rng([seed, *f"{attacks.__name__}.{name}".encode()]))


def _silent(name: str, threat: Threat, why: str) -> dict[str, Any]:
    """An entry of an attack that was not tried."""
    return {
        **_head(name, threat),
        "value": None,
        "low": None,
        "high": None,
        "tpr": {rate: {"value": None, "low": None, "high": None, "note": why} for rate in RATES},
        "epsilon": None,
        "roc": {"fpr": [], "tpr": []},
        "controls": {},
        "informative": False,
        "outliers": {"rows": 0, "value": None, "low": None, "high": None},
        "rows": {"members": 0, "strangers": 0, "reference": 0},
        "note": why,
        "detail": {},
    }


def _head(name: str, threat: Threat) -> dict[str, Any]:
    return {
        "name": name,
        "title": threat.title,
        "threat": {"knows": threat.knows, "wants": threat.wants, "strength": threat.strength, "holds": _holds(threat)},
    }


def _holds(threat: Threat) -> str:
    """What was given away for the attack to work: the `table`, or the `model` itself."""
    return "model" if "log_prob" in threat.needs else "table"


def _entry(name: str, threat: Threat, scene: Scene, run: Mapping[str, Guess], seed: int) -> dict[str, Any]:
    """What is told of an attack that was tried on all tables."""
    cast, main = scene.cast(threat), run["main"]
    yes, no = cast.sides(main.score)
    choice = np.random.default_rng([seed, 11]).random(len(cast.role)) < CHOICE
    first, second = (cast.sides(main.score, of=cast.plain & rows) for rows in (choice, ~choice))
    controls = {"leak": _control(*cast.sides(run["leak"].score)), "noise": _control(*cast.sides(run["noise"].score))}
    controls["fresh"] = _control(*cast.sides(main.score, role=FRESH))
    if "log_prob" in threat.needs:
        # The likelihood is the model's own: it does not know of rows that were leaked into a table.
        controls |= {role: {"value": None, "low": None, "high": None, "tpr01": None, "caught": None} for role in ("leak", "noise")}
    entry = _figures(yes, no, rates=threat.wants == "membership")
    entry |= {
        "epsilon": rights.rounded(roc.bound(*first, *second)),
        "controls": controls,
        "informative": _informative(controls),
        "outliers": {"rows": int((cast.odd & (cast.role == MEMBER)).sum()), **_area(*cast.sides(main.score, of=cast.odd))},
        "rows": {"members": len(yes), "strangers": len(no), "reference": scene.seen["main"].reference.rows},
        "note": "; ".join(filter(None, (main.note, _doubt(controls), UNPLANTED if "log_prob" in threat.needs else ""))),
        "detail": {"synthetic_rows": scene.seen["main"].synthetic.rows},
    }
    if main.hits:
        entry["detail"] |= rights.success(main.hits, cast, choice)
    return {**_head(name, threat), **entry}


def _figures(yes: np.ndarray, no: np.ndarray, *, rates: bool = True) -> dict[str, Any]:
    """Area, rates and curve."""
    return {**_area(yes, no), "tpr": {key: _rate(yes, no, rate, told=rates) for key, rate in RATES.items()}, "roc": roc.drawn(yes, no)}


def _area(yes: np.ndarray, no: np.ndarray) -> dict[str, Any]:
    if min(len(yes), len(no)) < 2:
        return {"value": None, "low": None, "high": None}
    value, error = roc.area(yes, no)
    m, n = len(yes), len(no)
    if value in (0.0, 1.0):
        error = 1 / min(m, n)  # perfectly separated scores have no variance to estimate: the rule of three, roughly
    elif min(m, n) < FEW:
        # DeLong's error is itself unsure here: not less than that of ranks without ties.
        error = max(error, float(np.sqrt(4 * value * (1 - value) * (m + n + 1) / (12 * m * n))))
    low, high = around(value, error, least=0, most=1)
    return {"value": rights.rounded(value), "low": rights.rounded(low), "high": rights.rounded(high)}


def _rate(yes: np.ndarray, no: np.ndarray, rate: float, *, told: bool = True) -> dict[str, Any]:
    none = {"value": None, "low": None, "high": None}
    if not told:
        return none | {"note": "each guess is right or wrong: see the rates of success"}
    found = roc.found_at(yes, no, rate)
    if found is None:
        return none | {"note": f"needs {roc.FEWEST[rate]:,} strangers, has {len(no):,}"}
    return dict(zip(("value", "low", "high"), map(rights.rounded, found), strict=True))


def _control(yes: np.ndarray, no: np.ndarray) -> dict[str, Any]:
    """A control's area and rate, and whether it stands out beyond doubt."""
    if min(len(yes), len(no)) < 2:
        return {"value": None, "low": None, "high": None, "tpr01": None, "caught": None}
    value, error = roc.area(yes, no)
    sure = roc.found_at(yes, no, 0.01, miss=0.003)
    caught = value - SURE * max(error, 1e-6) > 0.5 or (sure is not None and sure[1] > 0.01)
    return {**_area(yes, no), "tpr01": None if sure is None else rights.rounded(sure[0]), "caught": bool(caught)}


def _informative(controls: Mapping[str, Mapping[str, Any]]) -> bool:
    return all(controls[role]["caught"] is not False for role in ("leak", "noise")) and not controls["fresh"]["caught"]


def _doubt(controls: Mapping[str, Mapping[str, Any]]) -> str:
    """Why an attack is not to be believed, if it is not."""
    missed = {"leak": "a tenth of the training rows leaked", "noise": "training rows moved a little"}
    not_seen = [what for role, what in missed.items() if controls[role]["caught"] is False]
    if controls["fresh"]["caught"]:
        return "uninformative: it took fresh rows for training rows; the holdout may be of another law"
    return f"uninformative: it did not notice {' nor '.join(not_seen)}" if not_seen else ""


def _best(runs: Mapping[str, Mapping[str, Guess]], scene: Scene, seed: int) -> dict[str, Any]:
    """The attack that does best on some of the rows, judged on the others; candidates are all on the table, and their mean rank."""
    cast = scene.cast(THREAT)
    choice = np.random.default_rng([seed, 13]).random(len(cast.role)) < CHOICE
    picked = {role: _picked(_candidates(runs, role), cast, choice) for role in ("main", "leak", "noise")}
    fresh = _picked(_candidates(runs, "main"), cast, choice, role=FRESH)
    name, score = picked["main"]
    yes, no = cast.sides(score, of=cast.plain & ~choice)
    controls = {role: _control(*cast.sides(picked[role][1], of=cast.plain & ~choice)) for role in ("leak", "noise")}
    controls["fresh"] = _control(*cast.sides(fresh[1], role=FRESH, of=cast.plain & ~choice))
    seen = scene.seen["main"]
    return {
        **_head(BEST, THREAT),
        **_figures(yes, no),
        "epsilon": rights.rounded(roc.bound(*cast.sides(score, of=cast.plain & choice), yes, no)),
        "controls": controls,
        "informative": _informative(controls),
        "outliers": {
            "rows": int((cast.odd & ~choice & (cast.role == MEMBER)).sum()),
            **_area(*cast.sides(score, of=cast.odd & ~choice)),
        },
        "rows": {"members": len(yes), "strangers": len(no), "reference": seen.reference.rows},
        "note": _doubt(controls),
        "detail": {"chosen": name, "candidates": sorted(runs), "synthetic_rows": seen.synthetic.rows},
    }


THREAT = Threat(
    title="Best attack",
    definition=(
        "Of all attacks on membership by who holds the table, not the model, and the mean of their ranks, the one that finds most on a "
        "random third of the rows (ε that it proves, then area under the curve) is judged on the others, so that choosing the best does "
        "not flatter it."
    ),
    source="sample splitting",
    knows="what the chosen attack knows",
    wants="membership",
    strength="strong",
    rank=90,
)


def _candidates(runs: Mapping[str, Mapping[str, Guess]], role: str) -> Iterator[tuple[str, np.ndarray]]:
    ranks = []
    for name, run in runs.items():
        yield name, run[role].score
        ranks.append(np.argsort(np.argsort(run[role].score, kind="stable")))
    yield "mean rank", np.mean(ranks, axis=0)


def _picked(candidates: Iterator[tuple[str, np.ndarray]], cast: Cast, choice: np.ndarray, *, role: int = MEMBER) -> tuple[str, np.ndarray]:
    def worth(candidate: tuple[str, np.ndarray]) -> tuple[float, float]:
        yes, no = cast.sides(candidate[1], role=role, of=cast.plain & choice)
        return roc.bound(yes, no, yes, no), roc.area(yes, no)[0]

    return max(candidates, key=worth)
