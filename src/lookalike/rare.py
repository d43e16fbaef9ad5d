"""Rare and edge cases: rows of any model, tilted towards tails or a user's score; whether they could be real, and whether they are copies.

A tilt keeps what the model says of rows with equal rarity: each row drawn counts by exp(rate × rank), the rank being how rare it is among
rows drawn freely, and the rate is such that the rarest have the share that was asked (exponential tilting: Esscher 1932).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lookalike.errors import DataError, SettingError, UnknownName

if TYPE_CHECKING:
    from lookalike.compare.frame import Frame
    from lookalike.compare.plausible import Verdict
    from lookalike.data import Dataset
    from lookalike.schema import Schema

__all__ = ["Copied", "Rare", "Tilt", "Tilted", "copied", "plausible", "rarity", "tilt", "weights"]

Side = Literal["high", "low", "both"]
STEEPEST = 5_000.0
"""Rate beyond which nothing but the very rarest row would be left."""
FEWEST = 4
"""Rows on each side of a comparison of rare rows."""
LEAKED = 0.1
"""Share of the synthetic rows that the control replaces by real ones."""


class Rare(BaseModel):
    """Which rows are rare, and how many of them are wanted.

    columns: {column: "high", "low" or "both"}; a row is as rare as in that of them where it is rarest. score: instead, a function of a
    pandas frame that gives each row a number, the greater the rarer (Python only: it is in no file). beyond: rows rarer than this
    share of all are called rare. share: how many of the rows drawn are to be rare.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    columns: dict[str, Side] = Field(default_factory=dict)
    score: Callable[[Any], Any] | None = Field(None, exclude=True)
    beyond: float = Field(0.95, gt=0, lt=1)
    share: float = Field(0.5, gt=0, lt=1)

    @model_validator(mode="after")
    def _says_what(self) -> Rare:
        if bool(self.columns) == (self.score is not None):
            raise ValueError("give columns or a score, and not both")
        if self.share < 1 - self.beyond - 1e-12:
            raise ValueError(f"{1 - self.beyond:.3g} of all rows lie beyond {self.beyond:g} anyway: a share of {self.share:g} is less")
        return self

    @classmethod
    def of(cls, given: Any, *, where: str = "rare") -> Rare:
        """From the short forms: "amount" (its high end), {"amount": "both"}, a function, or the fields.

        Raises:
            SettingError: it is none of these, or a field has a bad value; names the near match.
        """
        if isinstance(given, Rare):
            return given
        if isinstance(given, str):
            given = {"columns": {given: "high"}}
        elif callable(given):
            given = {"score": given}
        elif isinstance(given, Mapping) and not set(given) & set(cls.model_fields) and all(isinstance(v, str) for v in given.values()):
            given = {"columns": dict(given)}
        if not isinstance(given, Mapping):
            raise SettingError(
                f"{given!r} does not say what is rare", where=where, fix='give {"amount": "high"} or {"columns": …, "share": 0.5}'
            )
        for name in given:
            if name not in cls.model_fields:
                raise UnknownName(str(name), cls.model_fields, what="field", where=where)
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join([where, *(str(part) for part in first["loc"])])
            raise SettingError(first["msg"].removeprefix("Value error, "), where=place, fix="see lookalike.rare.Rare") from None


@dataclass(frozen=True)
class Tilt:
    """How rows are weighed: `rate` of the exponential, `known` sorted rarities of rows drawn freely, `bound`: rows beyond it are rare."""

    rate: float
    bound: float
    known: np.ndarray
    share: float
    effective: float
    """Of rows drawn freely, as what share of them do weighed ones count (Kish's effective sample size): how many to draw for one kept."""

    def rank(self, rarity: np.ndarray) -> np.ndarray:
        """float64 [n], 0 to 1: the place of each row among rows drawn freely."""
        low, high = (np.searchsorted(self.known, rarity, side=side) for side in ("left", "right"))
        return (low + high) / (2 * len(self.known))

    def weights(self, rarity: np.ndarray) -> np.ndarray:
        """float64 [n], above 0 and at most 1: the chance that a row is kept."""
        return np.exp(self.rate * (self.rank(rarity) - 1))


@dataclass(frozen=True)
class Tilted:
    """What `spec` asks of rows of one model, of which `free` were drawn freely: canonical, some thousands of them at best.

    Raises (`of`):
        UnknownName: no such column or field.
        SettingError: a column has no order, the score is not a number a row, or no tilt gives the share.
    """

    spec: Rare
    free: pa.Table
    tilt: Tilt

    @classmethod
    def of(cls, given: Any, free: pa.Table) -> Tilted:
        """From what a plan says (`Rare.of`) and rows drawn freely."""
        spec = Rare.of(given)
        return cls(spec, free, tilt(rarity(free, spec), spec))

    def weights(self, table: pa.Table) -> np.ndarray:
        """float64 [n], above 0 and at most 1: how much each row counts."""
        return self.tilt.weights(rarity(table, self.spec, known=self.free))

    def keep(self, table: pa.Table, *, rng: np.random.Generator) -> np.ndarray:
        """bool [n]: rows drawn that are kept, each by chance and apart from the others, so that rows kept are tilted."""
        return rng.random(table.num_rows) < self.weights(table)

    def rare(self, table: pa.Table) -> np.ndarray:
        """bool [n]: the row is rare; the mean over rows kept is the share that was achieved."""
        return rarity(table, self.spec, known=self.free) > self.tilt.bound


def weights(table: pa.Table, spec: Rare, *, reference: pa.Table | None = None) -> np.ndarray:
    """float64 [n], above 0 and at most 1: how much each row counts, or the chance that it is kept.

    table: canonical rows of any model. reference: rows drawn freely from the same model, by which ranks are told; the table itself if
    not given.

    Raises:
        UnknownName: no such column.
        SettingError: a column has no order, the score is not a number a row, or no tilt gives the share.
    """
    return Tilted.of(spec, table if reference is None else reference).weights(table)


def tilt(free: np.ndarray, spec: Rare) -> Tilt:
    """The tilt under which rows drawn freely, of rarities `free` (float64 [n]), are rare as often as `spec` asks.

    Raises:
        SettingError: none gives this share: too few rows, or nearly all equally rare.
    """
    known = np.sort(free)
    bound = float(np.quantile(known, spec.beyond, method="inverted_cdf")) if len(known) else 0.0
    rank, rare = Tilt(0.0, bound, known, spec.share, 1.0).rank(known), known > bound
    if not rare.any():
        what = f"none of {len(known):,} rows is rarer than {spec.beyond:.0%} of them: they are equally rare"
        raise SettingError(what, where="rare", fix="choose another column, a lower `beyond`, or a finer score")

    def share(rate: float) -> float:
        weight = np.exp(rate * (rank - rank[-1]))
        return float(weight[rare].sum() / weight.sum())

    low, high = -STEEPEST, STEEPEST
    if share(high) < spec.share:
        raise SettingError(f"no tilt makes {spec.share:.0%} of the rows rare", where="rare.share", fix="ask for a smaller share")
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) < spec.share else (low, middle)
    weight = np.exp(high * (rank - rank[-1]))
    effective = float(weight.sum() ** 2 / (weight**2).sum() / len(weight))
    return Tilt(high, bound, known, spec.share, effective)


def rarity(table: pa.Table, spec: Rare, *, known: pa.Table | None = None) -> np.ndarray:
    """float64 [n]: the greater the rarer. Of columns, 0 to 1: the rank of the value among `known` rows (the table itself if not given),
    from the side asked, in the column where it is rarest; a missing value is not rare.

    Raises:
        UnknownName: no such column.
        SettingError: a column has no order, or the score is not a number a row.
    """
    if spec.score is not None:
        return _scored(table, spec.score)
    known = table if known is None else known
    out = np.zeros(table.num_rows)
    for name, side in spec.columns.items():
        own, all_ = _numbers(table, name), _numbers(known, name)
        order = np.sort(all_[~np.isnan(all_)])
        low, high = (np.searchsorted(order, own, side=s) for s in ("left", "right"))
        rank = (low + high) / max(2 * len(order), 1)
        told = {"high": rank, "low": 1 - rank, "both": np.abs(2 * rank - 1)}[side]
        out = np.maximum(out, np.where(np.isnan(own), 0.0, told))
    return out


def _scored(table: pa.Table, score: Callable[[Any], Any]) -> np.ndarray:
    """What a user's score says of each row."""
    found = np.asarray(score(table.to_pandas()))
    if found.shape != (table.num_rows,) or found.dtype.kind not in "fiub":
        what = f"the score gave {found.dtype} of shape {found.shape} for {table.num_rows:,} rows"
        raise SettingError(what, where="rare.score", fix="return one number for each row of the frame")
    found = found.astype(np.float64)
    if np.isnan(found).any():
        raise SettingError(
            f"the score is missing for {int(np.isnan(found).sum()):,} rows", where="rare.score", fix="return a number for all"
        )
    return found


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    """float64 [n]: a column that has an order; missing is NaN."""
    if name not in table.column_names:
        raise UnknownName(name, table.column_names, what="column", where="rare.columns")
    values = table[name]
    kind = values.type
    if pa.types.is_temporal(kind):
        values = values.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        what = f"{name!r} has no order, and so no tails"
        raise SettingError(what, where="rare.columns", fix="give a score: rare=lambda rows: (rows['kind'] == 'odd').astype(float)")
    return pc.cast(values, pa.float64(), safe=False).to_numpy().astype(np.float64)


def plausible(real: Dataset, table: pa.Table, *, pilot: pa.Table | None = None, rng: np.random.Generator) -> Verdict:
    """Whether each row could be real: it lies as near to real rows as they lie to each other, and a classifier that tells real rows from
    rows drawn freely does not tell it. `.plausible` is bool [n], `.account()` says how many were refused, and why.

    real: rows that the model learned from. table: canonical rows, tilted. pilot: rows drawn freely; if not given, nothing is asked of a
    classifier: tilted rows differ from real ones as they should.
    """
    from lookalike.compare.frame import code
    from lookalike.compare.plausible import Verdict, judged, supported

    tables = {"real": real.table(), "made": table} | ({} if pilot is None else {"pilot": pilot})
    frames = code(tables, real.schema.table.columns)
    if pilot is None:
        inside = supported(frames["real"], frames["made"], rng=rng)
        return Verdict(inside, np.ones(len(inside), bool), np.zeros(len(inside)))
    return judged(frames["real"], frames["pilot"], frames["made"], rng=rng)


@dataclass(frozen=True)
class Copied:
    """Whether synthetic rows repeat the few real rare ones they were made after, beside how they repeat rare rows never seen.

    rows: of the synthetic, real and held rows. exact, near: share of the synthetic rows that equal a real row in all columns, in all but
    one at most; and of real rare rows held back, by which chance is judged. attacks: {name: {"area", "low", "high", "leak"}}, how well
    an attacker tells real rare rows from held ones (0.5 is chance), and how well had a tenth of the rows been leaked.
    """

    rows: dict[str, int]
    exact: dict[str, float]
    near: dict[str, float]
    attacks: dict[str, dict[str, float | None]]

    @property
    def copies(self) -> bool:
        """Whether surely more rows are exact or near copies of rows learned from than of rows never seen."""
        from lookalike.compare.stats import wilson

        n = self.rows["synthetic"]
        return any(wilson(round(s["real"] * n), n)[0] > wilson(round(s["held"] * n), n)[1] for s in (self.exact, self.near))

    @property
    def noticed(self) -> bool:
        """Whether an attacker surely does better than chance, if only a little."""
        return any((a["low"] or 0) > 0.5 for a in self.attacks.values())

    def text(self) -> str:
        """In plain words."""
        lines = [
            f"{self.rows['synthetic']:,} synthetic rare rows, made after {self.rows['real']:,} real ones; {self.rows['held']:,} held back.",
            f"Exact copies: {self.exact['real']:.2%} of them, and {self.exact['held']:.2%} equal a row held back.",
            f"Near copies (one column may differ): {self.near['real']:.2%}, and {self.near['held']:.2%} of rows held back.",
        ]
        for name, a in self.attacks.items():
            found = (
                "not tried"
                if a["area"] is None
                else f"{a['area']:.3f} ({a['low']:.3f} – {a['high']:.3f}); a leak would give {a['leak']:.3f}"
            )
            lines.append(f"Attack {name}: {found}; 0.5 is chance.")
        told = "No more copies than by chance."
        if self.copies:
            told = f"They repeat rows learned from more often than rows never seen ({self.near['real']:.2%} and {self.near['held']:.2%})."
        if self.noticed:
            told += " An attacker tells rows that were learned from better than by chance: see by how much."
        return "\n".join([*lines, told])

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rows": self.rows,
            "exact": self.exact,
            "near": self.near,
            "attacks": self.attacks,
            "copies": self.copies,
            "noticed": self.noticed,
        }


ATTACKS = ("near_copies", "distance")


def copied(real: pa.Table, synthetic: pa.Table, holdout: pa.Table, *, schema: Schema, rng: np.random.Generator) -> Copied:
    """The report on copies of the rare rows alone; all tables canonical, and hold rare rows only.

    real: those that were learned from; synthetic: those made; holdout: those never seen. Half of the holdout is what the attacker knows
    of such rows, the other half are strangers; for the shares of copies, real rows and holdout are cut to the same number.

    Raises:
        DataError: fewer than four rows on a side.
    """
    from lookalike.compare.frame import code

    for name, table in (("real", real), ("synthetic", synthetic), ("holdout", holdout)):
        if table.num_rows < (2 * FEWEST if name == "holdout" else FEWEST):
            what = f"{table.num_rows} rare rows are too few to tell a copy from chance"
            raise DataError(what, where=name, fix=f"give {FEWEST} at least, and {2 * FEWEST} held back")
    frames = code({"real": real, "made": synthetic, "held": holdout}, schema.table.columns)
    mine, made, held = frames["real"], frames["made"], frames["held"].take(rng.permutation(holdout.num_rows))
    same = min(mine.rows, held.rows)
    shares = [_copies(f.cut(same, rng), made) for f in (mine, held)]
    exact, near = ({"real": a, "held": b} for a, b in zip(*shares, strict=True))
    rows = {"real": mine.rows, "synthetic": made.rows, "held": held.rows}
    return Copied(rows, exact, near, {name: _attack(name, mine, made, held, rng) for name in ATTACKS})


def _copies(real: Frame, made: Frame) -> tuple[float, float]:
    """Share of the rows made that equal a real one in all columns, and in all but one at most."""
    from lookalike.compare.about import Context
    from lookalike.metrics import copies

    exact, near = copies.measure(real, made, context=Context(np.random.default_rng(0)))
    return (exact.value or 0.0) / 100, (near.value or 0.0) / 100


def _attack(name: str, mine: Frame, made: Frame, held: Frame, rng: np.random.Generator) -> dict[str, float | None]:
    """How well an attack tells the rows learned from among rows never seen, and had a tenth of the synthetic rows been such rows."""
    from lookalike import attacks
    from lookalike.compare.frame import stack
    from lookalike.compare.stats import around, auc
    from lookalike.compare.threat import Seen

    half = held.rows // 2
    reference, strangers = held.take(np.arange(half)), held.take(np.arange(half, held.rows))
    targets = stack([mine, strangers])
    order = rng.permutation(targets.rows)
    truth = order < mine.rows
    targets, seed = targets.take(order), int(rng.integers(1 << 62))
    leaked = stack([made, mine.take(rng.integers(0, mine.rows, max(1, int(LEAKED * made.rows))))])
    tried = []
    for table in (made, leaked):
        guess = attacks.load(name).attack(targets, Seen(table, reference), rng=np.random.default_rng(seed))
        tried.append(auc(truth, guess.score))
    (value, error), (leak, _) = tried
    low, high = around(value, error, least=0, most=1)
    return {"area": value, "low": low, "high": high, "leak": leak}
