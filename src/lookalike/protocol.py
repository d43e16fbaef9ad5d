"""What a model must be able to do: four verbs and a frozen `Can`. No base class; any object with these will do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.schema import Column, Schema


@dataclass(frozen=True, kw_only=True)
class Can:
    """What a model takes. Each flag is a promise that the contract tests cash."""

    kinds: frozenset[str]
    """Column kinds the model accepts."""
    tables: int | None = 1
    """Number of tables at most; None means any number, with links kept."""
    sequences: bool = False
    """Rows of one owner follow one another as they do in the data: the order of a table is learned, not only its rows."""
    unit: Literal["row", "subject"] = "row"
    """What `sample` counts: rows of the only table, or subjects, each of whom may have many rows."""
    given: bool = False
    """Conditions are obeyed natively, without rejection."""
    private: bool = False
    """A fit with a ledger spends from it, never over, and carries a differential privacy guarantee."""


@dataclass(frozen=True)
class Step:
    """One report of progress from long work: `done` of `total` units, and what is being done."""

    done: int
    total: int
    note: str = ""


OnStep = Callable[[Step], None]


def quiet(step: Step) -> None:
    """Ignore progress."""


def part(on_step: OnStep, low: float, high: float) -> OnStep:
    """`on_step` for a piece of work that takes the whole from share `low` to share `high`."""

    def scaled(step: Step) -> None:
        share = step.done / step.total if step.total else 1.0
        on_step(Step(round(1_000 * (low + (high - low) * share)), 1_000, step.note))

    return scaled


@dataclass(frozen=True)
class State:
    """A fitted model as JSON values and plain arrays; never code."""

    card: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class Encoder(Protocol):
    """How a column becomes codes that models learn, and codes become values; those of the folder `encode` have these as functions.

    One of your own is given as a fact of a column of kind text: `schema.amend("diagnosis", kind="text", encoder=Icd())`. Its `decode` is
    called from several threads, on blocks of rows.
    """

    def measure(self, values: pa.Array | pa.ChunkedArray, column: Column, *, subjects: Any = None) -> dict[str, Any]:
        """Statistics as JSON values. subjects: whose each row is, int64 [n], or None where each row is its own."""
        ...

    def merge(self, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
        """The statistics of both: `merge(measure(a), measure(b))` equals `measure` of all rows."""
        ...

    def freeze(self, stats: dict[str, Any], column: Column, *, protect: int = 5, cells: int = 256) -> dict[str, Any]:
        """A book of JSON values: `parts`, a list of {"name", "size", "ordered"}, sizes up to 65,536 and code 0 for missing; `protected`,
        {what: how many were left out}. What fewer than `protect` subjects hold must not stand in it."""
        ...

    def encode(self, values: pa.Array | pa.ChunkedArray, book: dict[str, Any], column: Column) -> np.ndarray:
        """int32 [parts, n]; the first part is 0 where the value is missing, and nowhere else."""
        ...

    def decode(self, codes: np.ndarray, inside: np.ndarray, book: dict[str, Any], column: Column, *, start: int = 0) -> pa.Array:
        """string [n], null where the first part is 0. inside: float32 [n], uniform in [0, 1); start: rows made before."""
        ...

    def locate(
        self, values: pa.Array | pa.ChunkedArray, book: dict[str, Any], column: Column, *, codes: np.ndarray | None = None
    ) -> np.ndarray:
        """float64 [n] in [0, 1): what `inside` would have been for these values; 0.5 where they have no inside."""
        ...


@runtime_checkable
class Sampler(Protocol):
    """Something that draws rows: a fitted model, or a simulator that never learned."""

    schema: Schema

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` units (rows, or subjects with all their rows: `Can.unit`); `start` were drawn before (fresh keys go on from there)."""
        ...


def inner(model: Any) -> Any:
    """The model that draws: the one that was kept, of a model that has chosen among several."""
    kept = getattr(model, "winner_", None)
    return model if kept is None else kept


def in_turn(model: Sampler) -> Sampler:
    """What blocks are drawn from that follow one another, from `start=0` on: `model`, or what its own `in_turn` returns, which remembers
    the blocks before where rows of one must be unlike those of another."""
    made = getattr(model, "in_turn", None)
    return model if made is None else made()


@runtime_checkable
class Model(Sampler, Protocol):
    """A `Sampler` that learns from data and can be stored."""

    can: ClassVar[Can]

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn from `data`; the same `rng` state gives the same model, whatever the number of threads."""
        ...

    def state(self) -> State:
        """Everything `restore` needs."""
        ...

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        ...
