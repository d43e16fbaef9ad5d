"""What can be set of the training of any deep model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from lookalike.nets.train import Course

__all__ = ["Contest", "Learning", "PrivateLearning", "budget", "passes", "waits"]


def passes(default: int) -> Any:
    """The setting `epochs`, whose default each model has of its own."""
    return Field(default, ge=1, le=10_000, description="passes over the rows at most", examples=[2])


def waits(default: int, what: str = "judgements by held-out rows", **beside: float) -> Any:
    """The setting `patience`, whose default each model has of its own. `beside`: other settings with which it shows what it does."""
    # With large steps the loss on held-out rows soon goes up, and what was best before is kept however long it learns.
    wild = {"beside": {"rate": 0.1, "epochs": 12, "batch": 64, **beside}, "shows": "how long it learns"}
    return Field(default, ge=1, le=1_000, description=f"{what} without a better one before learning stops", json_schema_extra=wild)


def budget() -> Any:
    """The setting `minutes`."""
    beside = {"beside": {"epochs": 5}}  # as many as take longer than the least budget, on a small table
    what = "time budget of the training in minutes; not given: none"
    return Field(None, ge=0.001, le=10_000, description=what, json_schema_extra=beside)


class Learning(BaseModel):
    """Settings of the training; a model's own come before and after."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = passes(30)
    batch: int = Field(512, ge=16, le=65_536, description="rows of one step")
    rate: float = Field(0.003, gt=0, le=0.1, description="highest learning rate")
    patience: int = waits(10)
    minutes: float | None = budget()
    protect: int = Field(5, ge=1, le=1_000, description="values held by fewer subjects than this are not given out as they are")
    cells: int = Field(255, ge=4, le=1_024, description="cells that a number or a moment is cut into at most")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto",
        description="where to train: auto takes a graphics card if there is one",
        json_schema_extra={"inert": "where it is computed is no part of the model"},
    )
    checkpoint: str | None = Field(
        None,
        description="file that keeps an unfinished training; the same fit goes on from it, and removes it at the end",
        json_schema_extra={"inert": "a training that was taken up again ends in the same model"},
        exclude=True,
    )

    def course(self, **more: Any) -> Course:
        """How the training goes; `more`: what only some models set."""
        from lookalike.nets.train import Course

        named = ("epochs", "batch", "rate", "patience", "minutes", "device")
        return Course(**{name: getattr(self, name) for name in named}, **more)


def _private(default: float, *, what: str, **bounds: float) -> Any:
    """A setting that matters in a private fit only."""
    return Field(default, description=f"private fit: {what}", json_schema_extra={"inert": "it matters in a private fit only"}, **bounds)


class PrivateLearning(Learning):
    """Settings of a network that can also be learned privately."""

    width: int | None = Field(
        None, ge=8, le=4_096, description="units of each layer; more can learn more, and are slower; not given: 256, of a private fit 64"
    )
    vector: int | None = Field(
        None, ge=2, le=256, description="length of the vector that stands for a code; not given: 32, of a private fit 8"
    )
    private_steps: int = _private(300, ge=1, le=100_000, what="steps; more of them learn more, and each needs more noise")
    private_batch: int = _private(2_048, ge=1, le=10_000_000, what="rows of a step, on average")
    private_rate: float = _private(0.01, gt=0, le=0.1, what="highest learning rate")
    clip: float = _private(1.0, gt=0, le=1_000, what="length to which the gradient of a row is cut; noise is in proportion to it")
    views: int = _private(4, ge=1, le=64, what="ways in which columns of a row are hidden, in each step that it is in")
    groups: int = _private(32, ge=2, le=65_536, what="groups of codes of a column, about, that the network tells apart")
    counted: float = _private(0.2, gt=0, lt=1, what="share of the budget that buys cells and how often each occurs, not training")


class Contest(Learning):
    """Settings of a generator and a critic."""

    noise: int = Field(64, ge=1, le=4_096, description="numbers drawn that a row is made of")
    width: int = Field(256, ge=8, le=4_096, description="units of each layer; more can learn more, and are slower")
    depth: int = Field(2, ge=0, le=16, description="layers of generator and critic, each")
    line: int = Field(
        40,
        ge=4,
        le=1_024,
        description="numbers with more cells than this are told as modes and places, others as levels",
        json_schema_extra={"beside": {"protect": 2}},
    )
    loss: Literal["wasserstein", "hinge"] = Field(
        "wasserstein",
        description="what the critic learns by: Wasserstein with gradient penalty, or the faster hinge loss with spectral norm",
        json_schema_extra={"beside": {"epochs": 8}},
    )
    critic: int = Field(2, ge=1, le=20, description="steps of the critic for each of the generator")
    patience: int = waits(15, "looks at the generator")
    minutes: float | None = budget()
