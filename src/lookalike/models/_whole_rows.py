"""Networks that draw what is missing of rows, also learned under differential privacy.

A private network learns by DP-SGD, of groups of codes as coarse as the noise asks; cells and shares come of noisy counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lookalike.errors import SettingError
from lookalike.models._learned import Completes, OverCodes, numbers
from lookalike.nets import need_torch
from lookalike.protocol import OnStep, State, Step, part, quiet

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa
    import torch

    from lookalike.data import Dataset
    from lookalike.models._grouped import Groups
    from lookalike.nets.blocks import Layout
    from lookalike.nets.settings import PrivateLearning
    from lookalike.privacy.ledger import Allowance
    from lookalike.privacy.sgd import Plan

__all__ = ["PUBLIC_ONLY", "WholeRows"]

WIDE, NARROW = (256, 32), (64, 8)
"""Units of a layer and length of a vector; in a private fit fewer, as every weight has its noise."""
PUBLIC_ONLY = ("epochs", "batch", "rate", "patience", "minutes", "checkpoint")
"""Settings of a training that looks at its rows as often as it likes, and at how well it does: a private one cannot."""


class WholeRows(Completes, OverCodes):
    """A network over codes that draws what is missing of rows, and rows of which nothing is known.

    `privacy_`: what is promised of a private fit; `groups_`: the groups of codes that its network tells apart; both None of any other fit.
    The counts of a private fit are noisy: float64.
    """

    public_only: ClassVar[tuple[str, ...]] = PUBLIC_ONLY

    settings: PrivateLearning
    privacy_: dict[str, Any] | None
    groups_: Groups | None

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet, allowance: Allowance | None = None) -> Self:
        """Learn codebook, network and shares; codes are read in batches and are all that is kept in memory.

        With an `allowance` the fit is private: cells and shares come of noisy counts, the network of DP-SGD, and all is paid for
        before it is looked at. `rng` then decides where the weights begin, and nothing else before the last look.

        Raises:
            MissingExtra: torch is not installed.
            TrainingError: the training diverged, memory is full, or there is no such device.
            StoreError: the checkpoint is of another training.
            SchemaError: a private fit needs facts that are not declared.
            CannotError: a private fit of free text.
            BudgetError: the allowance does not go so far.
            SettingError: a setting cannot be obeyed in a private fit.
        """
        need_torch(type(self).__module__.rpartition(".")[2])
        if allowance is not None:
            return self._fit_private(data, allowance, rng=rng, on_step=on_step)
        first, second, third = numbers(rng, 3)
        codes = self._coded(data, on_step)
        self.privacy_ = self.groups_ = None
        self.net_ = self._net()
        self._train(codes, (first, second), part(on_step, 0.05, 0.95))
        self._set_right(len(codes), third)
        on_step(Step(1, 1, "setting shares right"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows; they are the same on any number of threads."""
        from lookalike.data import Dataset

        codes = np.zeros((n, len(self.codebook_.parts)), np.uint16)
        self._fill(codes, np.zeros(codes.shape, bool), rng, whole=True)
        return Dataset.from_arrow({self.schema.table.name: self._decode(codes, rng, start)}, self.schema)

    def _completed(self, codes: np.ndarray, known: np.ndarray, *, rng: np.random.Generator, start: int, fill: bool) -> pa.Table:
        """See `Completes`."""
        self._fill(codes, known, rng, whole=False, fill=fill)
        return self._decode(codes, rng, start)

    def state(self) -> State:
        """The codebook and the course of the training as JSON, weights and counts as arrays."""
        made = super().state()
        arrays = made.arrays if self.groups_ is None else made.arrays | {"groups": self.groups_.of}
        return State(card=made.card | {"privacy": self.privacy_}, arrays=arrays)

    def _remade(self, state: State) -> Any:
        """The network of `state`, its weights not yet filled."""
        from lookalike.models._grouped import Groups

        self.privacy_ = state.card.get("privacy")
        self.groups_ = Groups(state.arrays["groups"], self.counts_, self._offsets()) if "groups" in state.arrays else None
        return self._net(state)

    def check_private(self) -> None:
        """Refuse settings that a private fit cannot have.

        Raises:
            SettingError: there are some.
        """
        usual = type(self.settings)()
        barred = [name for name in self.public_only if getattr(self.settings, name) != getattr(usual, name)]
        if barred:
            what = f"a private fit takes its steps as they were set before, of rows whole or hidden, and cannot take {', '.join(barred)}"
            raise SettingError(what, fix="leave them out; private_steps, private_batch and private_rate can be set")

    def _fit_private(self, data: Dataset, allowance: Allowance, *, rng: np.random.Generator, on_step: OnStep) -> Self:
        """Codebook and shares by noisy counts, of a part of `allowance`; the network by DP-SGD, of the rest."""
        from lookalike.encode import Codebook
        from lookalike.models._grouped import grouped
        from lookalike.nets.train import choose_device
        from lookalike.privacy import domain

        self.check_private()
        s = self.settings
        device = choose_device(s.device)
        domain.check(data.schema, buy=allowance.buy)
        self.schema, data = data.schema, domain.bounded(data, allowance.most)
        on_step(Step(0, 1_000, "counting columns alone"))
        rho = s.counted * allowance.rho
        self.codebook_, counts = Codebook.private(data, allowance, rho=rho, sensitivity=allowance.most, cells=s.cells)
        self.counts_ = np.concatenate([np.zeros(0), *counts])
        self.groups_ = grouped(self.codebook_.parts, self.counts_, s.groups)
        seed = int(rng.integers(0, 1 << 62))
        first = int(rng.integers(0, 1 << 62))
        plan = self._learn_private(data, allowance, seed=first, device=device, on_step=part(on_step, 0.05, 0.95))
        self._set_right(round(self._rows()), seed)
        note = (
            f"learned privately: {plan.steps} steps of about {plan.batch:.0f} rows, each row in with chance {plan.rate:.4g}; "
            f"noise of {plan.noise:.4g} times the most that one {allowance.unit} can add"
        )
        self.trained_ = {"history": [], "notes": [note]}
        self.privacy_ = self._statement(allowance)
        on_step(Step(1, 1, "setting shares right"))
        return self

    def _learn_private(self, data: Dataset, allowance: Allowance, *, seed: int, device: torch.device, on_step: OnStep) -> Plan:
        """The network, of what is left of `allowance`; all else that it hangs on was paid for. Returns how it went."""
        from lookalike.nets.blocks import start
        from lookalike.nets.rows import codes_of
        from lookalike.nets.rowwise import RULES
        from lookalike.nets.train import generator, whole_threads
        from lookalike.privacy.sgd import planned, train

        s = self.settings
        size = {"batch": s.private_batch, "steps": s.private_steps, "clip": s.clip, "per_unit": allowance.most}
        plan = planned(allowance, rows=self._rows(), **size, views=s.views, speed=s.private_rate)
        self.net_ = self._net()
        start(self.net_, generator(seed))
        (codes,) = codes_of(data, self.codebook_)
        present = [k for k, p in enumerate(self.codebook_.parts) if not self.schema.table[p.column].nullable and p.size > 1]
        codes[:, present] = np.maximum(codes[:, present], 1)  # what must not be missing is the first code that is there
        codes = codes if self.groups_ is None else self.groups_.coarse(codes)
        how = {"rules": RULES, "allowance": allowance, "units": data.subjects(), "device": device}
        with whole_threads() as pool:
            train(self.net_, (codes,), plan=plan, pool=pool, on_step=lambda k: on_step(Step(k, plan.steps, "training")), **how)
        return plan

    def _statement(self, allowance: Allowance) -> dict[str, Any]:
        """What is promised of a private fit."""
        from lookalike.privacy.statement import state

        made = state(
            allowance,
            covered=[
                "counts of every column alone, by which cells and shares are made",
                "the training of the network: every gradient",
                "all that is drawn from the model or asked of it",
            ],
            public=["names and order of columns, kinds, formats, declared levels and bounds", "the settings of the model"],
            uncovered=["how the file is written: delimiter and quotes"],
            numerics=(
                "counts: exact discrete Gaussian noise on whole numbers. Training: Gaussian noise in 64-bit floating point, taken to be "
                "real numbers; its generator (Philox) gets 128 fresh random bits of the operating system for each step"
            ),
            accountant="privacy loss distributions and Rényi divergences of Poisson-sampled Gaussian noise, with zCDP for counts",
            rows="not told: a noisy count stands for it, and sets the chance of a row to be in a step",
        )
        return made.to_json()

    def _rows(self) -> float:
        """How many rows there are, by the counts."""
        return max(float(self.counts_[: self.codebook_.parts[0].size].sum()), 1.0) if self.codebook_.parts else 1.0

    def _told(self) -> np.ndarray:
        """How often each thing that the network tells apart occurred: codes, or groups of them."""
        return self.counts_ if self.groups_ is None else self.groups_.counts

    def _layout(self) -> Layout:
        """How many things of each part the network tells apart."""
        from lookalike.nets.blocks import Layout

        parts = self.codebook_.parts
        return Layout(tuple(p.size for p in parts) if self.groups_ is None else self.groups_.sizes, tuple(p.ordered for p in parts))

    def _size(self) -> dict[str, int]:
        """Width and vector of the network, as set or as usual."""
        s, (width, vector) = self.settings, WIDE if self.groups_ is None else NARROW
        return {"width": s.width or width, "vector": s.vector or vector}

    def _offsets(self) -> list[int]:
        """Where the codes of each part begin, and last where they end."""
        return [0, *np.cumsum([p.size for p in self.codebook_.parts]).tolist()]

    def _fill(self, codes: np.ndarray, known: np.ndarray, rng: np.random.Generator, *, whole: bool, fill: bool = False) -> None:
        """Draw `codes` [n, parts] where not `known`, in place.

        whole: rows of which nothing is known keep the columns' shares. fill: nothing that is drawn is missing.
        """
        if self.groups_ is not None:
            groups = self.groups_.coarse(codes)
            self._draw(groups, known, rng, whole=whole, fill=fill)
            codes[...] = np.where(known, codes, self.groups_.fine(groups, rng))
            return
        self._draw(codes, known, rng, whole=whole, fill=fill)

    def _net(self, state: State | None = None) -> Any:
        """The network, its weights not yet filled; of `state`, if there is one."""
        raise NotImplementedError

    def _set_right(self, rows: int, seed: int) -> None:
        """Find what brings the columns' shares to `counts_`; `rows`: how many were learned from."""
        raise NotImplementedError

    def _draw(self, codes: np.ndarray, known: np.ndarray, rng: np.random.Generator, *, whole: bool, fill: bool) -> None:
        """As `_fill`, of what the network tells apart."""
        raise NotImplementedError
