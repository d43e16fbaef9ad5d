"""What a private fit promises, in words for a person and as JSON for a machine: the whole promise, and all that it leaves out."""

from __future__ import annotations

import math
import textwrap
from importlib import metadata
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lookalike.errors import SettingError, StoreError
from lookalike.privacy.accounting import CURVE, Budget, Sum, curve, epsilon_of

if TYPE_CHECKING:
    from lookalike.privacy.ledger import Allowance

VERSION = 1
DEFINITION = "differential privacy (ε, δ), central: whoever runs the fit is trusted with the data"
NEIGHBOURS = "add or remove one unit: two data sets are neighbours if one has all that belongs to one unit more than the other"
RANDOMNESS = "noise is drawn from the operating system's secure randomness; a seed steers nothing but how rows are drawn from the model"
STRETCHED = "the noise of a training comes from a generator that is keyed anew from that randomness at every step"
ALWAYS_OUT = (
    "the report on these data, unless it was paid for: it looks at the real rows, and is as secret as they are",
    "the schema: kinds, formats and declared facts, which were given as public",
    "names of tables and columns",
    "how long the fit took, and how much memory",
    "logs, progress and error messages of the fit",
    "that the number of rows was compared with 1/δ, and with the least that can be learned from, before the fit",
    "whatever else is published about the same people",
)
GROUPS = (2, 5)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Point(_Frozen):
    """One point of a curve."""

    delta: float
    epsilon: float


class Group(_Frozen):
    """What holds for `size` units together; without numbers nothing does."""

    size: int
    epsilon: float | None = None
    delta: float | None = None


class Account(_Frozen):
    """The ledger of the data set when the statement was made."""

    data: str
    epsilon: float = Field(description="spent by all fits together, at `delta`")
    budget: float
    delta: float
    fits: int
    looks: int


class Statement(_Frozen):
    """The guarantee of one fit. `epsilon` and `delta` are what was allowed and hence holds; `spent` is what its looks came to."""

    version: int = VERSION
    definition: str = DEFINITION
    neighbours: str = NEIGHBOURS
    unit: str
    bound: str = Field(description="how much of the data may belong to one unit")
    epsilon: float
    delta: float
    spent: float = Field(description="ε of the looks that were booked, at `delta`")
    rho: float | None = Field(None, description="zCDP of the looks; none where a training by DP-SGD is among them")
    chance: float = Field(0.0, description="part of δ that is not of zCDP: thresholds")
    curve: tuple[Point, ...]
    group: tuple[Group, ...]
    accountant: str
    versions: dict[str, str]
    covered: tuple[str, ...]
    public: tuple[str, ...]
    uncovered: tuple[str, ...]
    rows: str
    numerics: str
    randomness: str = RANDOMNESS
    ledger: Account
    audit: dict[str, Any] | None = Field(None, description="what an attack on the mechanism showed: `epsilon` is a lower bound")

    def to_json(self) -> dict[str, Any]:
        """All fields, and the two sentences of `meaning`, as JSON values."""
        return {**self.model_dump(mode="json"), "meaning": list(self.meaning())}

    @classmethod
    def from_json(cls, raw: dict[str, Any], *, where: str = "privacy statement") -> Statement:
        """The statement that `to_json` gave.

        Raises:
            StoreError: it is damaged, or from a newer version.
        """
        if not isinstance(raw, dict) or raw.get("version") != VERSION:
            has = raw.get("version") if isinstance(raw, dict) else type(raw).__name__
            fix = "use the version of Lookalike that wrote it, or a newer one"
            raise StoreError(f"a privacy statement of format {has!r}; this Lookalike reads {VERSION}", where=where, fix=fix)
        try:
            return cls.model_validate({name: value for name, value in raw.items() if name != "meaning"})
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise StoreError(f"the privacy statement is damaged: {place}: {first['msg']}", where=where, fix="fit again") from None

    def with_audit(self, audit: dict[str, Any]) -> Statement:
        """The same statement with the result of an audit: `epsilon` (a lower bound), and if known whether it `passed`, its
        `confidence` and its `findings` (each with its `method`).

        Raises:
            SettingError: `epsilon` is not a number from 0 up.
        """
        low = audit.get("epsilon")
        if isinstance(low, bool) or not isinstance(low, int | float) or not low >= 0:
            raise SettingError(f"an audit tells a lower bound on epsilon, not {low!r}", where="audit", fix="give {'epsilon': …}")
        return self.model_copy(update={"audit": dict(audit)})

    @property
    def contradicted(self) -> bool:
        """Whether an audit found more than is promised, in ε or by its own measure: then the promise is wrong."""
        return self.audit is not None and (self.audit["epsilon"] > self.epsilon or self.audit.get("passed") is False)

    def meaning(self) -> tuple[str, str]:
        """What it means for one unit, in two sentences."""
        grown, shrunk = math.exp(min(self.epsilon, 700.0)), math.exp(-self.epsilon)
        odds = 1 / (1 + shrunk)
        caught = min(1.0, 0.01 * grown + self.delta, 1 - shrunk * (0.99 - self.delta))
        first = (
            f"Somebody who gives even odds (50 %) that one {self.unit} is in the data, and then sees all that came out of the fit, "
            f"can be at most {_percent(odds)} sure of it, but for a chance of {_chance(self.delta)}."
        )
        second = (
            f"Whatever test is made to tell who is in the data, its true positives are at most e^ε = {_plain(grown)} times its "
            f"false positives plus δ: one that accuses 1 % of those who are not finds at most {_percent(caught)} of those who are."
        )
        return first, second

    def text(self, *, width: int = 100) -> str:
        """The statement for a person, in plain English."""
        parts = [
            f"Privacy statement: ε = {self.epsilon:g}, δ = {self.delta:g}, for one {self.unit}",
            *(textwrap.fill(sentence, width) for sentence in self.meaning()),
            "",
            *self._said("Definition", self.definition, width),
            *self._said("Neighbours", self.neighbours, width),
            *self._said("Unit", f"{self.unit}: {self.bound}", width),
            *self._said("Rows", self.rows, width),
            *self._said("Spent by this fit", self._spent(), width),
            *self._said("ε at other δ", "; ".join(f"{p.epsilon:.4g} at {p.delta:g}" for p in self.curve) or "none finite", width),
            *self._said("Groups", "; ".join(self._group(g) for g in self.group), width),
            *self._said("All fits of these data", self._account(), width),
            *self._said("Accountant", self._accounted(), width),
            *self._said("Numbers", self.numerics, width),
            *self._said("Randomness", self.randomness, width),
            *self._said("Audit", self._audited(), width),
            *_listed("Covered by the guarantee", self.covered, width),
            *_listed("Taken as public, and not protected", self.public, width),
            *_listed("NOT covered", self.uncovered, width),
        ]
        return "\n".join(parts)

    @staticmethod
    def _said(head: str, body: str, width: int) -> list[str]:
        return textwrap.wrap(f"{head}: {body}", width, subsequent_indent="  ")

    def _spent(self) -> str:
        zcdp = (
            "" if self.rho is None else f", which is {self.rho:.6g}-zCDP" + (f" but for a chance of {self.chance:g}" if self.chance else "")
        )
        return f"ε = {self.spent:.4g} at δ = {self.delta:g}{zcdp}"

    def _group(self, group: Group) -> str:
        if group.epsilon is None:
            return f"nothing is promised to {group.size} together"
        return f"{group.size} together have ε = {group.epsilon:.4g}, δ = {group.delta:.3g}"

    def _account(self) -> str:
        a = self.ledger
        of = f" of {a.data}" if a.data else ""
        looks, fits = f"{a.looks} look{'s' * (a.looks != 1)}", f"{a.fits} fit{'s' * (a.fits != 1)}"
        return f"ledger{of}: {looks} in {fits} came to ε = {a.epsilon:.4g} of {a.budget:g} at δ = {a.delta:g}"

    def _accounted(self) -> str:
        return f"{self.accountant} ({', '.join(f'{name} {version}' for name, version in self.versions.items())})"

    def _audited(self) -> str:
        if self.audit is None:
            return "none yet; the guarantee rests on proof and on the tests of its parts"
        sure = self.audit.get("confidence")
        by = dict.fromkeys(str(f["method"]) for f in self.audit.get("findings", ()) if "method" in f)
        methods = f" ({', '.join(by)})" if by else ""
        found = f"attacks{methods} showed that ε is at least {self.audit['epsilon']:.4g}"
        found += f", with {100 * sure:g} % confidence" if isinstance(sure, int | float) else ""
        if self.contradicted:
            return f"{found}. THE PROMISE IS CONTRADICTED: the guarantee does not hold, do not publish"
        return f"{found}, which does not contradict the guarantee"


def state(
    allowance: Allowance,
    *,
    covered: list[str],
    public: list[str],
    uncovered: list[str],
    numerics: str,
    accountant: str,
    rows: str,
) -> Statement:
    """The statement of a fit that is done, from its allowance.

    `covered`, `public` and `uncovered` name what the fit looked at under the guarantee, what it took as public, and what else
    it did; what is never covered is added. `rows` says how the number of rows stands to 1/δ.
    """
    costs = [entry.cost for entry in allowance.entries]
    summed, budget, ledger = Sum.of(costs), allowance.budget, allowance.ledger
    entries = ledger.entries
    bound = f"at most {allowance.most} row{'s' * (allowance.most > 1)} of one {allowance.unit}, chosen at random; the others are left out"
    if allowance.unit == "row":
        bound = "each stands for itself, so somebody with several is protected for each apart"
    account = Account(
        data=ledger.data,
        epsilon=ledger.epsilon(),
        budget=ledger.budget.epsilon,
        delta=ledger.budget.delta,
        fits=len({entry.fit for entry in entries}),
        looks=len(entries),
    )
    return Statement(
        unit=allowance.unit,
        bound=bound,
        epsilon=budget.epsilon,
        delta=budget.delta,
        spent=allowance.epsilon(),
        rho=None if summed.sampled else summed.rho,
        chance=summed.delta,
        curve=tuple(Point(delta=d, epsilon=e) for d, e in curve(costs, deltas=CURVE)),
        group=tuple(_together(size, budget, summed) for size in GROUPS),
        accountant=accountant,
        versions=_versions(),
        covered=tuple(covered),
        public=tuple(public),
        uncovered=tuple(dict.fromkeys((*uncovered, *ALWAYS_OUT))),
        rows=rows,
        numerics=numerics,
        randomness=f"{RANDOMNESS}; {STRETCHED}" if summed.sampled else RANDOMNESS,
        ledger=account,
    )


def _together(size: int, budget: Budget, summed: Sum) -> Group:
    """Group privacy: ρ grows with the square of `size` (Bun and Steinke 2016); else (ε, δ) becomes (kε, δ(e^kε − 1)/(e^ε − 1))."""
    if not summed.sampled and not summed.delta:
        return Group(size=size, epsilon=epsilon_of(size * size * summed.rho, budget.delta), delta=budget.delta)
    grown = math.fsum(math.exp(min(i * budget.epsilon, 700.0)) for i in range(size))
    if budget.delta * grown >= 1:
        return Group(size=size)
    return Group(size=size, epsilon=size * budget.epsilon, delta=budget.delta * grown)


def _versions() -> dict[str, str]:
    found = {}
    for name in ("opendp", "dp-accounting", "lookalike"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _listed(head: str, items: tuple[str, ...], width: int) -> list[str]:
    body = [line for item in items for line in textwrap.wrap(item, width - 4, initial_indent="  - ", subsequent_indent="    ")]
    return ["", f"{head}:", *(body or ["  - nothing"])]


def _percent(share: float) -> str:
    """A share, rounded up, and to as many digits as it takes not to show as certainty what is none."""
    for decimals in range(1, 13):
        shown = math.ceil(share * 100 * 10**decimals - 1e-6) / 10**decimals
        if shown < 100:
            return f"{shown:.{decimals}f} %"
    return "100 %"


def _chance(delta: float) -> str:
    return f"1 in {1 / delta:,.0f}" if delta < 0.1 else f"{delta:g}"


def _plain(value: float) -> str:
    return f"{value:.3g}" if value < 1e4 else f"{value:.2e}"
