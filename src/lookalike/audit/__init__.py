"""Is a private fit as private as it says? Attacks that prove lower bounds on ε, which must not lie above what is stated.

`mechanism` calls one mechanism on two neighbouring inputs, `canary` fits a model many times with and without one subject, `one_run` once
with many canaries; `audit` does both to a model, on a table made up from public facts unless it is given a real one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lookalike.audit.domain import crowd, scattered, stranger
from lookalike.audit.events import Run, each, mechanism
from lookalike.audit.fits import Fit, Score, canary, one_run
from lookalike.audit.result import Audit, Claim, Finding, together
from lookalike.data import Dataset
from lookalike.errors import SettingError
from lookalike.protocol import OnStep, Step, part, quiet
from lookalike.schema import Schema

__all__ = ["Audit", "Claim", "Finding", "Fit", "Run", "Score", "audit", "canary", "each", "mechanism", "one_run"]

ROWS = 500
"""Rows of a made-up table, beside its canaries."""


def audit(
    fit: Fit, schema: Schema, *, claim: Claim, data: Dataset | None = None, runs: int = 400, canaries: int = 200,
    confidence: float = 0.95, on_step: OnStep = quiet,
) -> Audit:  # fmt: skip
    """Audit of a private model: worst-case canary over many fits, and many canaries in one more fit.

    By default the table is the worst one, made up from the schema's public facts: a crowd of equal rows, canaries as unlike it as can be.
    No data is looked at then and no budget is spent. With `data`, the canaries join the real rows; the result is internal.

    Args:
        fit: fits the model to a table, under the claim, and with a ledger of its own that is kept nowhere.
        schema: its public facts make the canaries, and the table.
        claim: what is stated of a fit; ρ is taken from the model's own statement where it has one.
        data: the real table.
        runs: fits with and without the worst-case canary; 0 leaves that part out.
        canaries: rows that are in or out in one more fit; 0 leaves that part out.
        confidence: that all lower bounds hold together.

    Raises:
        SettingError: nothing to do, or too little to prove anything.
        SchemaError: the schema does not declare what a private fit needs.
        CannotError: a column is free text.
    """
    if not runs and not canaries:
        raise SettingError("neither runs nor canaries are asked for", where="audit", fix="give 400 runs, or 200 canaries, or both")
    table = Dataset.of(data, schema=schema) if data is not None else crowd(schema, ROWS)
    each_sure = 1 - (1 - confidence) / (bool(runs) + bool(canaries))
    parts = []
    if runs:
        claim = _sharper(claim, getattr(fit(table), "privacy_", None))
        steps = part(on_step, 0, runs / (runs + bool(canaries)))
        parts.append(canary(fit, table, stranger(schema, rows=claim.rows), claim=claim, runs=runs, confidence=each_sure, on_step=steps))
    if canaries:
        rows = scattered(schema, canaries, np.random.default_rng(secrets.randbits(128)))
        parts.append(one_run(fit, table, rows, claim=claim, confidence=each_sure))
    on_step(Step(1, 1, "audited"))
    return replace(together(parts), confidence=confidence, origin="public" if data is None else "real")


def _sharper(claim: Claim, statement: Mapping[str, Any] | None) -> Claim:
    """The claim with ρ, if the statement of a fit has it and the claim does not."""
    if claim.rho is not None or statement is None:
        return claim
    own = Claim.of(statement, rows=claim.rows)
    return replace(claim, rho=own.rho, slack=own.slack)
