"""What an attack says of itself (`Threat`), what its attacker holds (`Seen`), and what comes out (`Guess`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.compare.space import Cloud, neighbours

Wants = Literal["membership", "attribute", "link", "single out", "reconstruct"]
Need = Literal["refit", "log_prob"]
NEAR = 32
"""Nearest rows that are looked up once and shared by all attacks."""

LogProb = Callable[[Frame], np.ndarray]
"""Log-likelihood of each row under the released model, float64 [rows]."""
Refit = Callable[[Frame], Frame]
"""What the same model with the same settings draws after learning these rows instead."""


@dataclass(frozen=True, kw_only=True)
class Threat:
    """An attack in words, and how the harness has to run it.

    `knows`: what the attacker holds; `wants`: what it is after; `strength`: how far such attackers get as far as is known. `quick`: cheap
    enough for the quick report. `targets`: members attacked at most, and strangers. `unusual`: of these, only the rows that lie farthest
    from all others. `needs`: what a setting must offer besides tables.
    """

    title: str
    definition: str
    source: str
    knows: str
    wants: Wants
    strength: Literal["weak", "medium", "strong"]
    rank: int = 100
    quick: bool = True
    targets: int = 2_000
    unusual: bool = False
    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True)
class Guess:
    """`score` float64 [targets]: the higher, the surer the attacker is that the row was learned from.

    In attacks that guess something which can be right or wrong, the score says how right the guess about the target was, and `hits`
    has its parts: `(item, attacker)` → success for each target, 1 or 0, NaN where nothing was to be guessed. The attacker `real` holds
    real rows of the same law instead of synthetic ones; all others hold the synthetic table and differ in their method.
    """

    score: np.ndarray
    hits: Mapping[tuple[str, str], np.ndarray] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Seen:
    """What an attacker may look at: the released rows, other real rows of the same law (`reference`), and what the model offers.

    `kept` holds what does not depend on the synthetic table, so that the controls need not compute it again.
    """

    synthetic: Frame
    reference: Frame
    log_prob: LogProb | None = None
    refit: Refit | None = None
    kept: dict[Any, Any] = field(default_factory=dict, repr=False)
    own: dict[Any, Any] = field(default_factory=dict, repr=False)

    def instead(self, synthetic: Frame) -> Seen:
        """The same attacker before another synthetic table; the likelihood belonged to the first."""
        return Seen(synthetic, self.reference, None, self.refit, self.kept)

    @property
    def cloud(self) -> Cloud:
        """The space in which rows are near, learned from the reference rows."""
        return once(self.kept, "cloud", lambda: Cloud(self.reference))

    def points(self, frame: Frame) -> np.ndarray:
        """float32 [rows, axes] of a frame, kept."""
        memory = self.own if frame is self.synthetic else self.kept
        # The frame is stored beside its points: an id is its own only as long as the frame lives.
        return once(memory, ("points", id(frame)), lambda: (self.cloud.points(frame), frame))[0]

    def near(self, targets: Frame, of: Frame) -> tuple[np.ndarray, np.ndarray]:
        """Distances and rows, [targets, NEAR], of the nearest rows of `of`: the synthetic or the reference rows."""
        memory = self.own if of is self.synthetic else self.kept
        return once(memory, ("near", id(targets), id(of)), lambda: neighbours(self.points(targets), self.points(of), NEAR))


class Attack(Protocol):
    """What an attack of the caller's own has; those of the folder have it as modules, whose file names them."""

    name: str
    THREAT: Threat

    def attack(self, targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
        """How sure the attacker is of each target; ValueError or ArithmeticError where it cannot be computed."""
        ...


def once(memory: dict[Any, Any], key: Any, compute: Callable[[], Any]) -> Any:
    """What `compute` gives, computed the first time only."""
    if key not in memory:
        memory[key] = compute()
    return memory[key]
