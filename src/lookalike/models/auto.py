"""Tries models in order of promise while a time budget lasts, judges each by rows kept aside, and keeps the best.

A fifth of the rows is kept aside, 5,000 at most, by the schema's subject if it has one. Boosted trees tell each candidate's rows from
them: the lowest area under the curve wins, and of those whose 95 % intervals overlap the winner's, the one that comes first in the list. A
candidate whose rows lie nearer to those it learned from than to those kept aside is refused. The winner learns anew from all rows if
there is time. What was tried stands in `tried_`.
(Lopez-Paz and Oquab 2017, classifier two-sample tests; docs/decisions.md has what it picks.)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from lookalike import models
from lookalike.errors import CannotError, DataError, MissingExtra, TrainingError, UnknownName
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from lookalike.data import Dataset
    from lookalike.models._trial import Judge, Trial
    from lookalike.protocol import Model
    from lookalike.schema import Schema

__all__ = ["Auto"]

_SELF = __name__.rpartition(".")[2]
PROMISING = ("forest", "autoregressive", "diffusion", "vae", "copula", "ctgan")
"""Models by how well they did on most tables for their time, the best first."""
LEAST_MINUTES = 0.01
"""The shortest training that a deep model can be asked for."""
CHEAP, AMPLE = 0.2, 3.0
"""A fit that took less than this share of the budget is made anew even if that takes longer than what is left; and so many times what it
took must be left for a training that may end when it likes."""
TRYING = 0.9
"""Share of the progress that trying takes; the rest is for the winner, which learns anew."""


class Settings(BaseModel):
    """What can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: float = Field(
        10,
        ge=0,
        le=10_000,
        description="time budget in minutes, which a model without one of its own may overrun; 0: the first model, not judged",
        examples=[0],
        json_schema_extra={"beside": {"models": ["independent", "copula"]}},
    )
    models: tuple[str, ...] = Field(
        PROMISING,
        min_length=1,
        description="models to try, the most promising first; several names have commas between them",
        examples=[["independent"]],
    )
    target: str | None = Field(
        None,
        description="column to be predicted, for models that have such a setting",
        json_schema_extra={"beside": {"models": ["forest"], "minutes": 0}},
    )
    protect: int = Field(5, ge=1, le=1_000, description="values held by fewer subjects than this are not given out as they are")

    @field_validator("models", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        """One text of names with commas between them is a list."""
        return [n for n in (n.strip() for n in given.split(",")) if n] if isinstance(given, str) else given

    @field_validator("models")
    @classmethod
    def _known(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        """Names of models, each once.

        Raises:
            UnknownName: there is no such model; names the near matches.
        """
        for name in given:
            if name == _SELF:
                raise ValueError(f"{_SELF} cannot try itself")
            if name not in models.names():
                raise UnknownName(name, [n for n in models.names() if n != _SELF], what="model", where=f"{_SELF}.models")
        return tuple(dict.fromkeys(given))


class Auto:
    """The best of several models, by rows kept aside, within a time budget.

    The same seed gives the same model wherever the same candidates finish; how many finish, and how long a deep one may train, the clock
    decides. A deep winner that ended before its time was over learns anew without a clock, and is then the same on each run.

    Fitted attributes: `winner_`, the model that was kept, of which all that it offers besides drawing can be asked
    (`model.winner_.log_prob(data)`, `model.winner_.complete(…)`); `tried_`, a dict for each model of the list: `model`, `seconds` of its
    fit, `cut` (the clock ended its training), `c2st` with `low` and `high`, `nearer` (share of its rows nearer to those it learned from
    than to those kept aside, as if there were as many of each: 0.5 is chance), `verdict` (kept, as good, worse, refused, failed, left
    out, not tried), `why`, `notes`.
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    schema: Schema
    winner_: Model
    tried_: list[dict[str, Any]]

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Try the models one after the other, and keep the best. The first that can be fitted is, whatever the budget.

        Raises:
            UnknownName: the table has no column that is named like the setting `target`.
            CannotError: not one model could be fitted, or all were refused; says why.
        """
        s, names = self.settings, data.schema.table.names
        if s.target is not None and s.target not in names:
            raise UnknownName(s.target, names, what="column", where="target")
        self.schema = data.schema
        race = _Race(s, data, rng)
        self.winner_ = race.run(on_step)
        self.tried_ = [trial.to_json() for trial in race.trials]
        on_step(Step(1, 1, "learned"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows from the winner."""
        return self.winner_.sample(n, rng=rng, start=start)

    def state(self) -> State:
        """The winner's name, settings and state, and what was tried; its arrays."""
        inner, settings = self.winner_.state(), self.winner_.settings.model_dump(mode="json")
        card = {"winner": models.name_of(self.winner_), "settings": settings, "tried": self.tried_, "state": inner.card}
        return State(card=card, arrays=inner.arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from.

        Raises:
            MissingExtra: the winner needs a package that is not installed.
        """
        self.schema, self.tried_ = schema, state.card["tried"]
        inner = State(card=state.card["state"], arrays=state.arrays)
        self.winner_ = models.build(state.card["winner"], state.card["settings"]).restore(schema, inner)
        return self


class _Race:
    """Models tried one after the other, and the clock."""

    def __init__(self, settings: Settings, data: Dataset, rng: np.random.Generator) -> None:
        from lookalike.models._trial import Judge, Trial

        self.began, self.over = time.monotonic(), 0.0
        self.s, self.data = settings, data
        self.trials = [Trial(name) for name in settings.models]
        # Random numbers belong to a place in the list: a model that is left out changes nothing for the others.
        self.seeds = rng.integers(0, 1 << 62, (1 + len(self.trials), 3))
        self.learn: Dataset = data
        self.judge: Judge | None = None
        if settings.minutes > 0:
            self.learn, self.judge = Judge.aside(data, seed=int(self.seeds[-1, 0]))

    def left(self) -> float:
        """Seconds that are left of the budget; below 0 when it is overrun."""
        return 60 * self.s.minutes - (time.monotonic() - self.began)

    def run(self, on_step: OnStep) -> Model:
        """The winner; what became of each model stands in `trials`.

        Raises:
            CannotError: there is none.
        """
        each = TRYING / len(self.trials)
        for k, trial in enumerate(self.trials):
            why = self._barred(trial)
            if why:
                trial.ends("not tried", why)
            else:
                self._try(trial, k, part(on_step, each * k, each * (k + 1)))
        there = [t for t in self.trials if t.fitted is not None]
        if not there:
            told = "; ".join(f"{t.model}: {t.why}" for t in self.trials)
            raise CannotError(f"not one of the models could be kept: {told}", where=_SELF, fix="name others: models=forest,copula")
        winner = self._chosen(there)
        fitted = self._anew(winner, self.trials.index(winner), part(on_step, TRYING, 1))
        for trial in there:
            trial.fitted = None
        return fitted

    def _barred(self, trial: Trial) -> str:
        """Why a model is not to be tried, if it is not; there must be one in any case."""
        first = next((t for t in self.trials if t.fitted is not None), None)
        if first is None:
            return ""
        if self.judge is None:
            return f"nothing to judge it by, so {first.model}, which comes first, was taken"
        enough = self._share() > LEAST_MINUTES if _timed(trial.model) else self.left() > 0
        return "" if enough else "no time was left"

    def _share(self) -> float:
        """Minutes that a deep model may train: half of what is left, so that the most promising get most and others get some.

        What trainings have needed beyond that so far, to start and to set shares right, is taken off.
        """
        return (self.left() / 2 - self.over) / 60

    def _try(self, trial: Trial, k: int, on_step: OnStep) -> None:
        """Fit a model and judge it."""
        odd = [c for c in self.data.schema.table if c.kind not in models.find(trial.model).can.kinds]
        if odd:
            trial.ends("left out", f"it does not take the kind {odd[0].kind!r} of {odd[0].name!r}")
            return
        minutes, began = max(LEAST_MINUTES, self._share()), time.monotonic()
        telling = _telling(part(on_step, 0, 0.9), trial.model)
        try:
            fitted = self._unfitted(trial.model, minutes).fit(self.learn, rng=np.random.default_rng(self.seeds[k, 0]), on_step=telling)
            trial.seconds = round(time.monotonic() - began, 2)
            if _timed(trial.model):
                self.over = max(self.over, trial.seconds - 60 * minutes)
                trial.cut = _trained(fitted) + 0.01 >= 60 * minutes  # which is rounded
            if self.judge is not None:
                on_step(Step(9, 10, f"{trial.model}: judging"))
                made = fitted.sample(self.judge.rows, rng=np.random.default_rng(self.seeds[k, 1])).table()
        except (MissingExtra, CannotError) as error:
            trial.ends("left out", f"{error.what} ({error.fix})")
            return
        except (TrainingError, DataError, MemoryError) as error:
            trial.ends("failed", str(getattr(error, "what", "out of memory")))
            return
        trial.fitted, trial.notes = fitted, _notes(fitted)
        if self.judge is not None:
            self.judge.judge(trial, made)
        on_step(Step(1, 1, f"{trial.model}: judged"))

    def _unfitted(self, name: str, minutes: float | None) -> Model:
        """A candidate, with those of the settings that it has."""
        given = {"protect": self.s.protect, "target": self.s.target, "minutes": minutes}
        return models.build(name, {k: v for k, v in given.items() if k in models.settings_of(name).model_fields})

    def _chosen(self, there: list[Trial]) -> Trial:
        """The winner of those that are there; says of the others what they lacked."""
        if self.judge is None:
            return there[0]
        best = min(there, key=lambda t: t.c2st)
        equal = [t for t in there if t.low <= best.high]
        for trial in there:
            if trial in equal:
                trial.ends("as good", f"told apart no more surely than {equal[0].model}, which comes first in the list")
            else:
                trial.ends("worse", f"told apart more surely than {equal[0].model}")
        return equal[0]

    def _anew(self, winner: Trial, k: int, on_step: OnStep) -> Model:
        """The winner, having learned from all rows if there is time; else as it is."""
        assert winner.fitted is not None and winner.seconds is not None
        rows, all_rows, left = self.learn.rows, self.data.rows, self.left()
        if self.judge is None:
            few = "there was no time" if self.s.minutes == 0 else f"{all_rows:,} rows are too few, or have nothing to compare"
            winner.ends("kept", f"not judged: {few}; learned from all rows")
            return winner.fitted
        need = winner.seconds * all_rows / rows
        if need > left and winner.seconds >= CHEAP * 60 * self.s.minutes:
            winner.ends("kept", f"learned from {rows:,} of {all_rows:,} rows: no time was left to learn from all")
            return winner.fitted
        # Without a clock the result is always the same. That is for trainings that end by themselves, where there is time enough.
        minutes = max(LEAST_MINUTES, left / 60, need / 60) if winner.cut or AMPLE * need > left else None
        began, rng = time.monotonic(), np.random.default_rng(self.seeds[k, 2])
        try:
            fitted = self._unfitted(winner.model, minutes).fit(self.data, rng=rng, on_step=_telling(on_step, winner.model))
        except (TrainingError, MemoryError) as error:
            what = getattr(error, "what", "out of memory")
            winner.ends("kept", f"learned from {rows:,} of {all_rows:,} rows: to learn from all of them failed, {what}")
            return winner.fitted
        winner.ends("kept", f"learned anew from all {all_rows:,} rows in {time.monotonic() - began:.1f} s")
        winner.notes = _notes(fitted)
        return fitted


def _timed(name: str) -> bool:
    """Whether a model has a time budget of its own."""
    return "minutes" in models.settings_of(name).model_fields


def _trained(model: Model) -> float:
    """Seconds that the training of a deep model took."""
    history = (getattr(model, "trained_", None) or {}).get("history", [])
    return float(history[-1]["seconds"]) if history else 0.0


def _telling(on_step: OnStep, name: str) -> OnStep:
    """`on_step`, told which model the work is for."""
    return lambda step: on_step(Step(step.done, step.total, f"{name}: {step.note}"))


def _notes(model: Model) -> list[str]:
    """What a reader should be told of a training."""
    return list((getattr(model, "trained_", None) or {}).get("notes", []))
