"""A masked network tells any columns from any others, and draws them one after the other: an any-order autoregressive model.

While it learns, some columns of each row are hidden and all hidden ones are predicted at once; so any columns can be the condition.
Numbers are cells and a position inside. Columns keep their shares exactly: what each step tells is set right as in use.
(Uria et al. 2014, order-agnostic NADE; Tiwald et al. 2025, TabularARGN; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lookalike.errors import CannotError, SettingError
from lookalike.models._learned import WholeRows, each, numbers
from lookalike.nets import need_torch
from lookalike.nets.settings import Learning, waits
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa
    import torch

    from lookalike.data import Dataset
    from lookalike.encode import Within
    from lookalike.models._grouped import Groups
    from lookalike.models._masked import Masked
    from lookalike.privacy.ledger import Allowance
    from lookalike.privacy.sgd import Plan

__all__ = ["Autoregressive"]

MATCHED_LEAST, MATCHED_MOST = 4_000, 40_000
"""Rows drawn to set the shares right: four times as many as were learned from, within these."""
MOST_TURNS, FEWEST_BEGUN = 200, 4_096
"""Where something is asked of rows: times that rows are begun at most, and how many at least."""
WIDE, NARROW = (256, 32), (64, 8)
"""Units of a layer and length of a vector; in a private fit fewer, as every weight has its noise."""
PUBLIC_ONLY = ("epochs", "batch", "rate", "patience", "minutes", "checkpoint")
"""Settings of a training that looks at its rows as often as it likes, and at how well it does: a private one cannot."""


def _private(default: float, *, what: str, **bounds: float) -> Any:
    """A setting that matters in a private fit only."""
    return Field(default, description=f"private fit: {what}", json_schema_extra={"inert": "it matters in a private fit only"}, **bounds)


class Settings(Learning):
    """What can be set."""

    width: int | None = Field(
        None, ge=8, le=4_096, description="units of each layer; more can learn more, and are slower; not given: 256, of a private fit 64"
    )
    depth: int = Field(1, ge=0, le=16, description="residual layers")
    vector: int | None = Field(
        None, ge=2, le=256, description="length of the vector that stands for a code; not given: 32, of a private fit 8"
    )
    drop: float = Field(0.0, ge=0, le=0.9, description="share of the units silenced while learning, against learning by heart")
    chain: float = Field(
        0.7, ge=0, le=1, description="share of learning spent on the order in which columns are drawn; the rest goes to any order"
    )
    order: Literal["table", "small"] = Field("table", description="order of drawing: as in the table, or columns with few levels first")
    patience: int = waits(5)
    private_steps: int = _private(300, ge=1, le=100_000, what="steps; more of them learn more, and each needs more noise")
    private_batch: int = _private(2_048, ge=1, le=10_000_000, what="rows of a step, on average")
    private_rate: float = _private(0.01, gt=0, le=0.1, what="highest learning rate")
    clip: float = _private(1.0, gt=0, le=1_000, what="length to which the gradient of a row is cut; noise is in proportion to it")
    views: int = _private(4, ge=1, le=64, what="ways in which columns of a row are hidden, in each step that it is in")
    groups: int = _private(32, ge=2, le=65_536, what="groups of codes of a column, about, that the network tells apart")
    counted: float = _private(0.2, gt=0, lt=1, what="share of the budget that buys cells and how often each occurs, not training")


class Autoregressive(WholeRows):
    """An any-order autoregressive network over the parts of a codebook.

    Fitted attributes: `codebook_` (how cells become codes), `net_` (the network, on the CPU), `counts_` (int64 [codes], how often each code
    occurred, one part after the other), `shift_` (float32 [codes], added to logits when whole rows are drawn), `trained_` (how the
    training went: `history`, `notes`), `privacy_` (what is promised of a private fit; None of any other), `groups_` (the groups of
    codes that the network of a private fit tells apart; None of any other). The counts of a private fit are noisy: float64.
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), given=True, private=True)

    net_: Masked
    privacy_: dict[str, Any] | None
    groups_: Groups | None

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

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
        need_torch("autoregressive")
        if allowance is not None:
            return self._fit_private(data, allowance, rng=rng, on_step=on_step)
        first, second, third = numbers(rng, 3)
        codes = self._coded(data, on_step)
        self.privacy_ = self.groups_ = None
        self.net_ = self._net()
        self._train(codes, (first, second), part(on_step, 0.05, 0.95))
        self._set_right(4 * len(codes), third)
        on_step(Step(1, 1, "setting shares right"))
        return self

    def within(self, n: int, within: Within, *, rng: np.random.Generator, start: int = 0) -> tuple[pa.Table, float]:
        """Draw `n` rows, or fewer if hardly any can be drawn, with cells `within` some codes; and which share of free draws would be.

        What is asked of a row is drawn first, in any order of columns, the rest given that.

        Raises:
            CannotError: none can be drawn.
        """
        codes, chance = self._begun(n, within.weight, rng)
        known = np.zeros(codes.shape, bool)
        asked = {int(self._firsts()[p]) for p in within.weight}
        known[:, [p for p, f in enumerate(self._firsts()) if int(f) in asked]] = True
        self._draw(codes, known, rng, whole=False, fill=False)
        groups = codes
        if self.groups_ is not None:
            codes = self.groups_.fine(groups, rng, weight=within.weight)
        inside = rng.random((len(self.codebook_.books), len(codes)), dtype=np.float32)
        first = {int(self.codebook_.owners[p]): p for p in sorted(within.weight, reverse=True)}
        for column in within.inside:
            inside[column] = within.place(inside[column], codes[:, first[column]], column)
        table = self._decode(codes, rng, start, inside=inside)
        return within.settled(table, {column: codes[:, first[column]] for column in within.put}, rng), chance

    def _begun(self, n: int, weight: dict[int, np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """Codes uint16 [n, parts] (of groups, in a private fit) of rows whose parts are as asked, the others not yet drawn; and the
        chance of such a row. Rows that are likelier as a whole than others go on, also more than once."""
        import torch

        from lookalike.models._guide import LEAST, gate_of, going_on
        from lookalike.models._masked import Teller, begin_within
        from lookalike.nets.train import generator

        if self.groups_ is not None:
            weight = {p: self.groups_.willing(p, w) for p, w in weight.items()}
        told = {p: torch.from_numpy(w) for p, w in weight.items()}
        seed, how = int(rng.integers(0, 1 << 62)), {"order": self._order(), "first": self._firsts()}
        teller, found, weights, gate = Teller(self.net_), [], [], 0.0
        for turn in range(MOST_TURNS):
            codes, _, log = begin_within(teller, max(n, FEWEST_BEGUN), told, draw=generator(seed, turn), **how)
            weights.append(log.exp().numpy())
            gate = gate or gate_of(weights[0])
            found.append(codes.numpy()[going_on(weights[-1], gate, rng)].astype(np.uint16))
            if sum(map(len, found)) >= n:
                break
        chance = float(np.concatenate(weights).mean())
        if chance < LEAST:
            raise CannotError("no row that the model draws meets all conditions at once", where="given", fix="ask for less")
        return np.concatenate(found)[:n], chance

    def log_prob(self, data: Dataset) -> np.ndarray:
        """float64 [n]: log of the probability that a row drawn has the cells of each row of `data`; −1e9 or less if it cannot be drawn."""
        import torch

        from lookalike.models._masked import PIECE, Teller, chances

        codes, shift = self.codebook_.encode(data.table()).codes.T, torch.from_numpy(self.shift_)
        inside = 0.0 if self.groups_ is None else self.groups_.log_share(codes)
        codes = codes if self.groups_ is None else self.groups_.coarse(codes)
        found, teller = np.empty(len(codes)), Teller(self.net_)

        def piece(low: int) -> None:
            rows = torch.from_numpy(codes[low : low + PIECE].astype(np.int64))
            found[low : low + PIECE] = chances(teller, rows, order=self._order(), first=self._firsts(), shift=shift).numpy()

        each(piece, range(0, len(codes), PIECE))
        return found + inside

    def state(self) -> State:
        """The codebook and the course of the training as JSON, weights and counts as arrays."""
        made = super().state()
        arrays = made.arrays if self.groups_ is None else made.arrays | {"groups": self.groups_.of}
        return State(card=made.card | {"privacy": self.privacy_}, arrays=arrays)

    def _remade(self, state: State) -> Masked:
        """The network of `state`, its weights not yet filled."""
        from lookalike.models._grouped import Groups

        self.privacy_ = state.card.get("privacy")
        self.groups_ = Groups(state.arrays["groups"], self.counts_, self._offsets()) if "groups" in state.arrays else None
        return self._net()

    def _fit_private(self, data: Dataset, allowance: Allowance, *, rng: np.random.Generator, on_step: OnStep) -> Self:
        """Codebook and shares by noisy counts, of a part of `allowance`; the network by DP-SGD, of the rest."""
        from lookalike.encode import Codebook
        from lookalike.models._grouped import grouped
        from lookalike.nets.train import choose_device
        from lookalike.privacy import domain

        s, usual = self.settings, type(self.settings)()
        barred = [name for name in PUBLIC_ONLY if getattr(s, name) != getattr(usual, name)]
        if barred:
            fix = "leave them out, and set private_steps, private_batch or private_rate"
            raise SettingError(f"a private fit takes a number of steps that was set before, and no {', '.join(barred)}", fix=fix)
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
        self._set_right(round(4 * self._rows()), seed)
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

    def _set_right(self, wanted: int, seed: int) -> None:
        """Find what brings the columns' shares to `counts_`, by about `wanted` rows drawn."""
        from lookalike.models._masked import Teller, match
        from lookalike.nets.train import whole_threads

        rows = min(max(wanted, MATCHED_LEAST), MATCHED_MOST)
        with whole_threads() as pool:
            how = {"order": self._order(), "first": self._firsts(), "rows": rows, "seed": seed, "pool": pool}
            self.shift_ = match(Teller(self.net_), self._told(), **how).numpy()

    def _net(self) -> Masked:
        """The network, its weights not yet filled."""
        from lookalike.models._masked import Masked
        from lookalike.nets.blocks import Layout

        s = self.settings
        parts = self.codebook_.parts
        told = tuple(p.size for p in parts) if self.groups_ is None else self.groups_.sizes
        width, vector = WIDE if self.groups_ is None else NARROW
        sizes = {"width": s.width or width, "vector": s.vector or vector, "depth": s.depth, "drop": s.drop, "chain": s.chain}
        return Masked(Layout(told, tuple(p.ordered for p in parts)), self._told(), order=self._order(), **sizes)

    def _told(self) -> np.ndarray:
        """How often each thing that the network tells apart occurred: codes, or groups of them."""
        return self.counts_ if self.groups_ is None else self.groups_.counts

    def _offsets(self) -> list[int]:
        """Where the codes of each part begin, and last where they end."""
        return [0, *np.cumsum([p.size for p in self.codebook_.parts]).tolist()]

    def _order(self) -> tuple[int, ...]:
        """Parts in the order in which they are drawn; those of a column together."""
        parts, owners = self.codebook_.parts, self.codebook_.owners
        if self.settings.order == "table":
            return tuple(range(len(parts)))
        largest = np.zeros(len(self.codebook_.books), int)
        np.maximum.at(largest, owners, [p.size for p in parts])
        return tuple(int(p) for p in np.lexsort((np.arange(len(parts)), owners, largest[owners])))

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

    def _draw(self, codes: np.ndarray, known: np.ndarray, rng: np.random.Generator, *, whole: bool, fill: bool) -> None:
        """The same for what the network tells apart."""
        import torch

        from lookalike.models._masked import PIECE, Teller, draw_rows
        from lookalike.nets.train import generator

        seed, shift = int(rng.integers(0, 1 << 62)), torch.from_numpy(self.shift_) if whole else None
        teller, first = Teller(self.net_), self._firsts()
        how = {"order": self._order(), "first": first, "lots": teller.lots(first, shift=shift, fill=fill)}

        def piece(low: int) -> None:
            here = slice(low, low + PIECE)
            mine = torch.from_numpy(codes[here].astype(np.int64))
            draw_rows(teller, mine, torch.from_numpy(known[here].copy()), draw=generator(seed, low), **how)
            codes[here] = mine.numpy()

        each(piece, range(0, len(codes), PIECE))
