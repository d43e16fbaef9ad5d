"""Rows become points of a latent space and points become rows: a variational autoencoder over the codes of a table.

Every part of a row has a softmax over its levels or cells. Points are drawn from a mixture that is learned with the networks, columns of
few levels are drawn after the others and told of them, and all columns keep their shares exactly. `encode`, `decode`, `interpolate` and
`around` give access to the latent space.
(Kingma and Welling 2014; Xu et al. 2019, TVAE; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from lookalike.errors import DataError, SettingError
from lookalike.models._learned import OverCodes, each, numbers
from lookalike.nets import need_torch
from lookalike.nets.settings import Learning, passes, waits
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from torch import Tensor

    from lookalike.data import Dataset
    from lookalike.models._variational import Variational

__all__ = ["Vae"]

PIECE, BIT = 2_048, 512
"""Rows drawn by one thread at a time, and rows whose logits are made at once: what they take stays near the processor."""
FEW, LATE = 8, 8
"""Codes of a part at most that is told after the others, and how many such parts there are at most."""
SETTLED = 40_960
"""Rows by which the shares are set right."""


class Settings(Learning):
    """What can be set."""

    cells: int = Field(96, ge=4, le=1_024, description="cells that a number or a moment is cut into at most")
    latent: int = Field(24, ge=1, le=1_024, description="dimensions of the latent space")
    modes: int = Field(128, ge=1, le=4_096, description="Gaussians of the mixture that points are drawn from")
    beta: float = Field(
        0.5,
        ge=0.001,
        le=100,
        description="weight of the latent law: low makes rows exact, high makes the space smooth",
        json_schema_extra={"beside": {"epochs": 8}},
    )
    warm: float = Field(0.2, ge=0, le=1, description="share of the training over which beta rises from 0")
    width: int = Field(256, ge=8, le=4_096, description="units of each layer; more can learn more, and are slower")
    depth: int = Field(2, ge=0, le=16, description="residual layers of the encoder; the decoder has half as many")
    vector: int = Field(16, ge=2, le=256, description="length of the vector that stands for a code")
    epochs: int = passes(40)
    patience: int = waits(10, warm=0.0)


class Vae(OverCodes):
    """A variational autoencoder over the parts of a codebook.

    Fitted attributes: `codebook_` (how cells become codes), `net_` (the networks, on the CPU), `counts_` (int64 [codes], how often each
    code occurred), `shift_` (float32 [codes], added to logits of rows that are drawn), `trained_` (how the training went).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    net_: Variational

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn codebook, networks and shares; codes are read in batches and are all that is kept in memory.

        Raises:
            MissingExtra: torch is not installed.
            TrainingError: the training diverged, memory is full, or there is no such device.
            StoreError: the checkpoint is of another training.
        """
        need_torch("vae")
        from lookalike.models._variational import settled

        first, second, third = numbers(rng, 3)
        codes = self._coded(data, on_step)
        self.net_ = self._net()
        self._train(codes, (first, second), self.net_.clock(part(on_step, 0.05, 0.95)))
        counts = [self.counts_[span] for span in self._spans()]
        self.shift_ = settled(self.net_, counts, first=self._early_firsts(), pieces=SETTLED // PIECE, rows=PIECE, seed=third)
        on_step(Step(1, 1, "setting shares right"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows; they are the same on any number of threads."""
        from lookalike.nets.train import generator

        (seed,), prior = numbers(rng, 1), self.net_.prior
        return self._drawn(lambda low, rows: prior.sample(rows, generator(seed, 0, low)), n, rng, start=start, shift=self.shift_)

    def encode(self, data: Dataset) -> np.ndarray:
        """float32 [n, latent]: the points that the rows of `data` are most likely at."""
        import torch

        from lookalike.nets.train import precision

        codes = self.codebook_.encode(data.table()).codes.T
        found = np.empty((len(codes), self.settings.latent), np.float32)

        def piece(low: int) -> None:
            with torch.inference_mode(), precision(torch.device("cpu")):
                rows = torch.from_numpy(codes[low : low + PIECE].astype(np.int64))
                found[low : low + PIECE] = self.net_.reader(rows)[0].numpy()

        each(piece, range(0, len(codes), PIECE))
        return found

    def decode(self, z: np.ndarray, *, rng: np.random.Generator) -> Dataset:
        """One row drawn at each point z [n, latent].

        Raises:
            SettingError: `z` has another shape, or holds what is no number.
        """
        import torch

        z = np.asarray(z, np.float32)
        if z.ndim != 2 or z.shape[1] != self.settings.latent or not np.isfinite(z).all():
            raise SettingError(f"points of shape {z.shape}", where="vae.decode", fix=f"give finite numbers [rows, {self.settings.latent}]")
        return self._drawn(lambda low, rows: torch.from_numpy(z[low : low + rows]), len(z), rng)

    def interpolate(self, a: Dataset, b: Dataset, steps: int, *, rng: np.random.Generator) -> Dataset:
        """`steps` rows on the straight way from the row `a` to the row `b`, both ends included.

        Raises:
            DataError: `a` or `b` is not one row.
            SettingError: fewer than two steps.
        """
        if steps < 2:
            raise SettingError(f"{steps} steps", where="vae.interpolate", fix="at least 2, the two ends")
        one, other = (self._point(row) for row in (a, b))
        along = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        return self.decode(one * (1 - along) + other * along, rng=rng)

    def around(self, row: Dataset, n: int, radius: float, *, rng: np.random.Generator) -> Dataset:
        """`n` rows drawn about one row, at Gaussian steps of `radius` times the spread of all rows in the latent space.

        Raises:
            DataError: `row` is not one row.
        """
        import torch

        from lookalike.nets.train import generator

        with torch.inference_mode():
            spread = self.net_.prior.sample(PIECE, generator(0)).std(0).numpy()
        z = self._point(row)
        return self.decode(z + radius * spread * rng.standard_normal((n, z.shape[1]), dtype=np.float32), rng=rng)

    def _remade(self, state: State) -> Variational:
        """The networks of `state`, their weights not yet filled."""
        return self._net()

    def _net(self) -> Variational:
        """The networks, their weights not yet filled."""
        from lookalike.models._variational import Variational
        from lookalike.nets.blocks import Layout

        s = self.settings
        sizes = {"space": (s.latent, s.modes), "beta": (s.beta, s.warm), "width": s.width, "depth": s.depth, "vector": s.vector}
        return Variational(Layout.of(self.codebook_.parts), self.counts_, late=self._late(), **sizes)

    def _late(self) -> tuple[int, ...]:
        """Parts that are told after the others: the columns of fewest levels, the fewest last."""
        alone = np.bincount(self._firsts(), minlength=len(self.codebook_.parts)) == 1
        few = [p for p, part in enumerate(self.codebook_.parts) if part.size <= FEW and alone[p]]
        few.sort(key=lambda p: (-self.codebook_.parts[p].size, p))
        return tuple(few[-min(LATE, len(alone) - 1) :] if len(alone) > 1 else ())

    def _spans(self) -> list[slice]:
        """Where the codes of each part lie."""
        ends = np.cumsum([0, *(p.size for p in self.codebook_.parts)])
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]

    def _drawn(
        self,
        points: Callable[[int, int], Tensor],
        n: int,
        rng: np.random.Generator,
        *,
        start: int = 0,
        shift: np.ndarray | None = None,
    ) -> Dataset:
        """One row drawn at each of `n` points. points: (first, how many) → float32 [how many, latent]."""
        import torch

        from lookalike.data import Dataset
        from lookalike.models._variational import Writer
        from lookalike.nets.lots import Lots
        from lookalike.nets.train import generator

        (seed,) = numbers(rng, 1)
        writer, spans, late = Writer(self.net_), self._spans(), self.net_.late
        added = writer.bias.numpy() if shift is None else writer.bias.numpy() + shift
        lots = Lots([added[spans[p]] for p in late.early], first=self._early_firsts())
        later = [Lots([added[spans[p]]]) for p in late.parts]
        weight = torch.cat([writer.weight[spans[p]] for p in late.early])
        codes, drawn = (np.zeros((parts, n), np.uint16) for parts in (len(spans), len(late.early)))

        def piece(low: int) -> None:
            draw = generator(seed, low)
            with torch.inference_mode():
                hidden, here = [], slice(low, min(low + PIECE, n))
                for at, some in zip(range(low, n, BIT), points(low, here.stop - low).split(BIT), strict=False):
                    hidden.append(writer(some))
                    lots.draw(torch.nn.functional.linear(hidden[-1], weight), drawn[:, at : at + len(some)], draw)
                total, alone = writer.begun(torch.cat(hidden), drawn[:, here]) if late.parts else (None, [])
                for turn, p in enumerate(late.parts):
                    later[turn].draw(writer.late_told(turn, total, alone[turn]), codes[p : p + 1, here], draw)
                    total = writer.on(turn, total, codes[p, here])

        each(piece, range(0, n, PIECE))
        codes[late.early] = drawn
        return Dataset.from_arrow({self.schema.table.name: self._decode(codes.T, rng, start)}, self.schema)

    def _early_firsts(self) -> np.ndarray:
        """For each part that is not late, the first part of its column, in their order."""
        owners = np.asarray(self.codebook_.owners)[self.net_.late.early]
        return np.searchsorted(owners, owners)

    def _point(self, row: Dataset) -> np.ndarray:
        """float32 [1, latent]."""
        if row.rows != 1:
            raise DataError(f"{row.rows} rows", where="vae", fix="give one row, such as data.take(np.array([0]))")
        return self.encode(row)
