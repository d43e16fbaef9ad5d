"""A model that is to be fitted under differential privacy: which one, what it may spend, and whom the guarantee is for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike import models
from lookalike.errors import BudgetError, CannotError, SettingError
from lookalike.protocol import Can, OnStep, quiet

if TYPE_CHECKING:
    from lookalike.data import Dataset
    from lookalike.privacy.ledger import Ledger
    from lookalike.protocol import Model

DEFAULT = "marginals"
MOST_ROWS_PER_SUBJECT = 1_000


@dataclass(frozen=True)
class Private:
    """A model, not yet fitted, whose fit spends (`epsilon`, `delta`) and promises no more: `fit(data, model=Private(epsilon=1.0))`.

    Attributes:
        model: a name, or a model not yet fitted, that can do it (`lookalike models` says which).
        epsilon: what may be learned of one person: the odds of anything change by a factor of e^epsilon at most. Finite, above 0.
        delta: the chance that the promise does not hold, below one over the number of rows.
        ledger: a file that keeps what was spent on these data, over all fits, or a `Ledger`; without one only this fit is counted.
        rows_per_subject: rows of a subject (`schema.subject`) that are looked at, the others are left out.
        buy: levels and bounds that are not public are bought from the budget.

    Raises:
        SettingError: a budget or number is not one.
        CannotError: the model cannot be fitted so.
        UnknownName: there is no such model.
    """

    model: str | Model = DEFAULT
    epsilon: float = 1.0
    delta: float = 1e-6
    ledger: str | os.PathLike[str] | Ledger | None = None
    rows_per_subject: int = 1
    buy: bool = False

    def __post_init__(self) -> None:
        from lookalike.privacy.accounting import Budget

        Budget(self.epsilon, self.delta)
        most = self.rows_per_subject
        if isinstance(most, bool) or not isinstance(most, int | np.integer) or not 1 <= most <= MOST_ROWS_PER_SUBJECT:
            what = f"rows_per_subject must be a whole number from 1 to {MOST_ROWS_PER_SUBJECT:,}, not {most!r}"
            raise SettingError(what, fix="give as many rows as a subject usually has; more rows need more noise")
        if isinstance(self.model, str):
            object.__setattr__(self, "model", models.build(self.model))
        if not self.can.private:
            able = [name for name in models.names() if models.find(name).can.private]
            what = f"the model {models.name_of(self.model)!r} cannot be fitted under differential privacy"
            raise CannotError(what, fix=f"take {' or '.join(able)}")

    @property
    def can(self) -> Can:
        """What the model takes."""
        return self.model.can  # type: ignore[union-attr]

    def check(self, data: Dataset) -> None:
        """Refuse what cannot be done before anything is looked at or spent.

        Raises:
            SchemaError: facts that are needed were read from the data, and are not declared.
            CannotError: there is free text, or several tables.
            SettingError: `rows_per_subject` is given where no subject is; or the model has a setting that a private fit cannot have.
            BudgetError: delta is not below one over the number of rows, or the ledger has not so much left.
        """
        from lookalike.privacy import domain
        from lookalike.privacy.ledger import Ledger

        if hasattr(self.model, "check_private"):
            self.model.check_private()
        domain.check(data.schema, buy=self.buy)
        if self.rows_per_subject > 1 and data.schema.subject is None:
            fix = "name the column that says whose a row is, as subject in the schema, or leave it at 1"
            raise SettingError("says nothing where each row is a subject of its own", where="rows_per_subject", fix=fix)
        if self.delta * data.rows >= 1:
            what = f"delta {self.delta:g} is not below one over the number of rows: somebody's row could be given away whole"
            raise BudgetError(what, where="delta", fix="give a delta well below it, such as 1e-6 or less")
        if isinstance(self.ledger, Ledger) or (self.ledger is not None and os.path.exists(self.ledger)):
            self._ledger(data).allow(self.epsilon, delta=self.delta)  # a new one has what is asked, and is made when the fit begins

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Model:
        """The fitted model; every look at `data` is booked before it is taken. `rng` makes no noise: the operating system does."""
        from lookalike.privacy import domain

        called = f"{models.name_of(self.model)} of {data.schema.table.name}"
        allowance = self._ledger(data).allow(self.epsilon, delta=self.delta, fit=called)
        allowance.most, allowance.buy = self.rows_per_subject, self.buy
        made = self.model.fit(data, rng=rng, on_step=on_step, allowance=allowance)  # type: ignore[union-attr, call-arg]
        made.schema = domain.published(made.schema)
        return made

    def _ledger(self, data: Dataset) -> Ledger:
        """The ledger of these data; where a file is named that is not there yet, one that this fit may use up."""
        from lookalike.privacy.accounting import Budget
        from lookalike.privacy.ledger import Ledger

        if isinstance(self.ledger, Ledger):
            return self.ledger
        budget, unit = Budget(self.epsilon, self.delta), unit_of(data)
        if self.ledger is None:
            return Ledger(budget, data=data.schema.table.name, unit=unit)
        if os.path.exists(self.ledger):
            return Ledger.open(self.ledger, unit=unit)
        return Ledger.open(self.ledger, budget=budget, data=data.schema.table.name, unit=unit)


def unit_of(data: Dataset) -> str:
    """Whom a guarantee on `data` protects: a row, or all rows of one value of the subject's column."""
    return "row" if data.schema.subject is None else data.schema.subject


def rows_told(model: Any) -> int | None:
    """The noisy number of rows that a private model may tell; None of a model that promises nothing."""
    if getattr(model, "privacy_", None) is None:
        return None
    return max(round(float(model.counts_[: model.codebook_.parts[0].size].sum())), 1)
