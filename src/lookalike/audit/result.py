"""What an audit was held against (`Claim`), what it found (`Finding`) and what follows (`Audit`), as JSON and in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lookalike.errors import SettingError

Method = Literal["mechanism", "canary", "one run"]
Origin = Literal["inputs", "public", "real"]

_ORIGIN = {
    "inputs": "Inputs were given by whoever asked: if they hold real data, the result is internal.",
    "public": (
        "The table was made up from the schema's public facts; no data was looked at and no budget was spent, so the result may be told."
    ),
    "real": (
        "The models were fitted to the real table with nothing booked in its ledger: the result and all these models are internal, "
        "and telling them is outside the guarantee."
    ),
}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What is stated: (ε, δ), and where the accounting is in zCDP also ρ, with the chance `slack` that lies outside it.

    ρ is the sharper test of Gaussian noise: at a small δ, ε is decided by events too rare to be counted. `rows`: of a subject at most.
    """

    epsilon: float
    delta: float
    rho: float | None = None
    slack: float = 0.0
    rows: int = 1

    @classmethod
    def of(cls, statement: Mapping[str, Any], *, rows: int = 1) -> Claim:
        """What the statement of a private fit (`model.privacy_`) says; `rows` of a subject at most.

        ρ is what (ε, δ) allows, not what this fit booked: what another one books may hang on what it saw.
        """
        from lookalike.privacy.accounting import Budget

        epsilon, delta, booked = statement["epsilon"], statement["delta"], statement.get("rho")
        rho = None if booked is None else max(booked, Budget(epsilon, delta).rho)
        return cls(epsilon=epsilon, delta=delta, rho=rho, slack=statement.get("chance", 0.0), rows=rows)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and self.epsilon >= 0):
            raise SettingError(f"epsilon is {self.epsilon}", where="audit", fix="give the ε that is stated, 0 or more")
        for name, share in (("delta", self.delta), ("slack", self.slack)):
            if not 0 <= share < 1:
                raise SettingError(f"{name} is {share}", where="audit", fix="give a probability below 1")
        if self.rho is not None and not (math.isfinite(self.rho) and self.rho >= 0):
            raise SettingError(f"rho is {self.rho}", where="audit", fix="give the ρ that was booked, 0 or more, or none")
        if self.rows < 1:
            raise SettingError(f"rows is {self.rows}", where="audit", fix="give the most rows that a subject may have, 1 or more")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Of one method: lower bounds on ε (at the stated δ) and on ρ, and what they rest on.

    `event` says what was told apart, and by what; `runs` counts fits or calls, `canaries` the rows that were in or out.
    """

    method: Method
    epsilon: float
    rho: float | None = None
    runs: int
    canaries: int
    event: str


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The findings of an audit beside the claim; all lower bounds hold together with `confidence`."""

    claim: Claim
    confidence: float
    origin: Origin
    findings: tuple[Finding, ...]

    @property
    def epsilon(self) -> float:
        """The highest lower bound on ε."""
        return max((f.epsilon for f in self.findings), default=0.0)

    @property
    def rho(self) -> float | None:
        """The highest lower bound on ρ; None if ρ was not claimed."""
        return max((f.rho for f in self.findings if f.rho is not None), default=None)

    @property
    def passed(self) -> bool:
        """Whether nothing was found that contradicts the claim."""
        return self.epsilon <= self.claim.epsilon and (self.rho is None or self.claim.rho is None or self.rho <= self.claim.rho)

    def to_json(self) -> dict[str, Any]:
        """JSON values: what was stated, what was found and by which method; `internal` is None where nobody knows what the inputs hold."""
        stated = {
            "epsilon": self.claim.epsilon,
            "delta": self.claim.delta,
            "rho": self.claim.rho,
            "slack": self.claim.slack,
            "rows": self.claim.rows,
        }
        findings = [
            {"method": f.method, "epsilon": f.epsilon, "rho": f.rho, "runs": f.runs, "canaries": f.canaries, "event": f.event}
            for f in self.findings
        ]
        return {
            "passed": self.passed,
            "epsilon": self.epsilon,
            "rho": self.rho,
            "confidence": self.confidence,
            "stated": stated,
            "internal": {"public": False, "real": True, "inputs": None}[self.origin],
            "origin": self.origin,
            "findings": findings,
        }

    def text(self) -> str:
        """The audit in plain words."""
        sure = f"{100 * self.confidence:.4g} %"
        lines = [self._verdict(sure), _ORIGIN[self.origin]]
        lines += [f"- {_METHOD[f.method](f)}: ε ≥ {f.epsilon:.3g}{_also(f)}; {f.event}." for f in self.findings]
        lines.append("A lower bound is what was proven; a low one does not show that there is privacy, only that this attacker failed.")
        return "\n".join(lines) + "\n"

    def _verdict(self, sure: str) -> str:
        stated = f"ε = {self.claim.epsilon:.3g} at δ = {self.claim.delta:.1g}"
        found = f"ε is at least {self.epsilon:.3g} with {sure} confidence"
        if self.passed:
            return f"Audit passed: stated is {stated}; {found}."
        if self.epsilon > self.claim.epsilon:
            return f"Audit FAILED: stated is {stated}, but {found}. The guarantee does not hold."
        return (
            f"Audit FAILED: stated is {stated} by ρ = {self.claim.rho:.3g}, but ρ is at least {self.rho:.3g} with {sure} confidence. "
            "The accounting is wrong, and with it the guarantee."
        )


_METHOD = {
    "mechanism": lambda f: f"mechanism, {f.runs:,} calls, half on each of two neighbouring inputs",
    "canary": lambda f: f"worst-case canary, {f.runs:,} fits, half of them with one more subject",
    "one run": lambda f: f"one run, {f.canaries:,} canaries in or out by a fair coin",
}


def _also(finding: Finding) -> str:
    return "" if finding.rho is None else f", ρ ≥ {finding.rho:.3g}"


def together(audits: Iterable[Audit]) -> Audit:
    """One audit of several of the same claim and table; its confidence is what is left when any of them may be wrong."""
    parts = list(audits)
    missed = sum(1 - a.confidence for a in parts)
    findings = tuple(f for a in parts for f in a.findings)
    return Audit(claim=parts[0].claim, confidence=max(0.0, 1 - missed), origin=parts[0].origin, findings=findings)
