"""What is asked of a report besides its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, get_args

from lookalike import attacks, metrics
from lookalike.compare.about import Metric
from lookalike.compare.threat import Attack, LogProb, Refit
from lookalike.errors import SettingError, UnknownName
from lookalike.report.gates import Gate, read
from lookalike.report.measure import Effort

AUDIENCES = ("internal", "public")


class Options(TypedDict, total=False):
    """The fields of `Plan`, by name."""

    target: str | None
    protected_columns: Sequence[str]
    effort: Effort
    audience: str
    require: Sequence[str]
    seed: int
    name: str
    others: Mapping[str, Any]
    draws: Sequence[Any]
    refit: Refit | None
    log_prob: LogProb | None
    protected: Mapping[str, Any] | None
    privacy: Mapping[str, Any] | None
    about: Mapping[str, str] | None
    notes: Sequence[str]
    metrics: Sequence[Metric]
    attacks: Sequence[Attack]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure and for whom.

    Attributes:
        target: the column to predict in the utility test; guessed if None.
        protected_columns: columns whose groups fairness compares.
        effort: `quick` or `standard`.
        audience: `internal` or `public`.
        require: gates, such as `c2st<=0.6`.
        seed: the same seed gives the same report.
        name: what the synthetic table is called beside others.
        others: further synthetic tables to judge, by name.
        draws: further tables that the same model drew, to see how much draws differ.
        refit: real rows, a number and random numbers → so many rows that the same model draws after learning those instead.
        log_prob: rows → logarithm of the probability that the model gives each.
        protected: what the model did not publish (column → figures), as its codebook says.
        privacy: what a private fit promises, as `privacy.Statement` has it in JSON.
        about: lines for the head of the report, such as the model and its settings.
        notes: what to say of how the tables were read.
        metrics: metrics of the caller's own, run beside the others and whatever the effort.
        attacks: attacks of the caller's own, likewise.

    Raises:
        UnknownName: no such effort or audience; names the near match.
        SettingError: a metric or attack of the caller's own lacks what it needs, or has the name of one that is there.
        SettingError: a requirement cannot be read.
    """

    target: str | None = None
    protected_columns: Sequence[str] = ()
    effort: Effort = "quick"
    audience: str = "internal"
    require: Sequence[str] = ()
    seed: int = 0
    name: str = "synthetic"
    others: Mapping[str, Any] = field(default_factory=dict)
    draws: Sequence[Any] = ()
    refit: Refit | None = None
    log_prob: LogProb | None = None
    protected: Mapping[str, Any] | None = None
    privacy: Mapping[str, Any] | None = None
    about: Mapping[str, str] | None = None
    notes: Sequence[str] = ()
    metrics: Sequence[Metric] = ()
    attacks: Sequence[Attack] = ()

    def __post_init__(self) -> None:
        if self.effort not in get_args(Effort):
            raise UnknownName(str(self.effort), get_args(Effort), what="effort")
        if self.audience not in AUDIENCES:
            raise UnknownName(str(self.audience), AUDIENCES, what="audience")
        _fit("metric", self.metrics, ("name", "ABOUT", "BETTER", "measure"), metrics.names())
        _fit("attack", self.attacks, ("name", "THREAT", "attack"), (*attacks.names(), "best"))
        self.gates()

    def gates(self) -> list[Gate]:
        """The requirements, read."""
        return [read(text) for text in self.require]

    def sources(self) -> dict[str, Any]:
        """Further tables by role: `draw 1` …, `other: name` …"""
        drawn = {f"draw {i}": d for i, d in enumerate(self.draws, start=1)}
        return drawn | {f"other: {name}": other for name, other in self.others.items()}


def _fit(what: str, own: Sequence[Any], needed: Sequence[str], taken: Sequence[str]) -> None:
    """Refuse metrics or attacks that lack something, or whose name is another's."""
    for k, one in enumerate(own):
        called = str(getattr(one, "name", type(one).__name__))
        lost = [n for n in needed if not hasattr(one, n)]
        if lost:
            raise SettingError(f"your own {what} has no {' and no '.join(lost)}", where=called, fix="docs/extend.md shows one")
        if called in taken or called in [getattr(o, "name", "") for o in own[:k]]:
            raise SettingError(f"there is a {what} of this name already", where=called, fix="give yours another name")
