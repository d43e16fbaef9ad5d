"""The training loop and its blocks: exact gradients, the same on any number of threads, resumed after a kill, within its time."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lookalike.errors import MissingExtra, StoreError, TrainingError
from lookalike.nets import checkpoint as checkpoint
from lookalike.nets import need_torch
from lookalike.nets.blocks import Embedding, Heads, Layout, Linear, Residual, arrays_of, draw_codes, put_arrays, start
from lookalike.nets.checkpoint import Checkpoint
from lookalike.nets.quick import Trunk, add_rows, folded, joined
from lookalike.nets.rows import counts_of
from lookalike.nets.train import Course, Turn, _Run, choose_device, generator, train, whole_threads
from lookalike.protocol import Step

LAYOUT = Layout((3, 40, 5), (False, True, False))
ROWS = 1_200


class Line(torch.nn.Module):
    """y = a x + b, with noise of its own in each loss; `spoil` makes the loss infinite from that call on."""

    def __init__(self, *, spoil: int = 10**9) -> None:
        super().__init__()
        self.layer, self.calls, self.spoil = Linear(2, 1), 0, spoil
        start(self, generator(1))

    def forward(self, batch: tuple[torch.Tensor, ...], draw: torch.Generator, turn: str) -> torch.Tensor:
        x, y = batch
        self.calls += self.training
        noise = 0.1 * torch.randn(len(y), generator=draw)
        loss = ((self.layer(x).float().squeeze(1) + noise - y) ** 2).mean()
        return loss * (math.inf if self.calls > self.spoil else 1)


def points(rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 2))
    return x, x @ [2.0, -1.0] + 0.5


def course(**other: object) -> Course:
    return Course(**{"epochs": 12, "batch": 1_024, "rate": 0.05, "warm": 5, "patience": 100} | other)


def test_a_line_is_learned_and_the_best_weights_are_kept() -> None:
    net, steps = Line(), []
    done = train(net, points(), course=course(epochs=40), seed=3, on_step=steps.append)
    assert np.allclose(net.layer.weight.detach().numpy(), [[2, -1]], atol=0.1)
    assert not net.training
    assert done.history[-1]["judged"] < 0.05 < done.history[0]["judged"]
    shares = [s.done / s.total for s in steps]
    assert shares == sorted(shares) and shares[-1] == 1 and "held-out loss" in steps[-1].note
    assert isinstance(steps[0], Step)


def test_neither_threads_nor_global_random_numbers_matter() -> None:
    found, before, allowed = [], torch.get_rng_state(), torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            net = Line()
            train(net, points(), course=course(), seed=3)
            assert torch.get_num_threads() == threads
            found.append(net.layer.weight.detach().numpy().tobytes())
    finally:
        torch.set_num_threads(allowed)
    assert found[0] == found[1]
    assert torch.equal(before, torch.get_rng_state())
    other = Line()
    train(other, points(), course=course(), seed=4)
    assert other.layer.weight.detach().numpy().tobytes() != found[0]


class Often(torch.nn.Module):
    """A loss in which the same weights are used several times, as a critic's are, by pieces that take differently long."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Linear(64, 64)
        start(self, generator(1))

    def forward(self, batch: tuple[torch.Tensor, ...], draw: torch.Generator, turn: str) -> torch.Tensor:
        (x,) = batch
        told = 0.0
        for _ in range(6):
            told = told + self.layer(x * torch.randn(x.shape, generator=draw)).float().tanh().mean()
        return told


def test_weights_that_are_used_several_times_learn_the_same_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})  # short numbers, on any processor
    rows, found, allowed = (np.random.default_rng(0).normal(size=(4_000, 64)),), set(), torch.get_num_threads()
    try:
        for threads in (1, 2, 4, 2):
            torch.set_num_threads(threads)
            net = Often()
            train(net, rows, course=course(epochs=6, batch=1_024, piece=128), seed=3)
            found.add(net.layer.weight.detach().numpy().tobytes())
    finally:
        torch.set_num_threads(allowed)
    assert len(found) == 1


def test_weights_lent_to_a_second_device_learn_the_same() -> None:
    """The same processor under two names: what several cards would do."""
    found = []
    for devices in ([torch.device("cpu")], [torch.device("cpu"), torch.device("cpu", 0)]):
        net = Line()
        run = _Run(net, points(), course(), 3)
        run.devices = devices
        with whole_threads() as pool:
            run.go(pool, lambda step: None, None)
        found.append(net.layer.weight.detach())
    assert torch.device("cpu") != torch.device("cpu", 0)
    assert torch.allclose(*found, atol=1e-5)


def test_it_stops_when_nothing_gets_better() -> None:
    values = iter([3.0, 2.0, 5.0, 4.0, 1.0, *[9.0] * 99])
    done = train(Line(), points(), course=course(epochs=99, patience=2), seed=3, judge=lambda net: next(values))
    assert [h["judged"] for h in done.history] == [3, 2, 5, 4]


def test_time_budget_is_kept() -> None:
    began = time.monotonic()
    train(Line(), points(20_000), course=course(epochs=10_000, minutes=1 / 200), seed=3)
    assert 0.25 < time.monotonic() - began < 60  # all epochs would take many minutes


def test_divergence_keeps_the_last_good_weights_and_says_so() -> None:
    net = Line(spoil=60)
    done = train(net, points(), course=course(epochs=200), seed=3)
    assert "diverged" in done.notes[0]
    assert all(math.isfinite(v) for w in arrays_of(net).values() for v in w.ravel())
    with pytest.raises(TrainingError, match=r"diverged[\s\S]*rate=0.005"):
        train(Line(spoil=0), points(), course=course(), seed=3)


def test_a_full_memory_is_told_as_such() -> None:
    class Huge(Line):
        def forward(self, batch: tuple[torch.Tensor, ...], draw: torch.Generator, turn: str) -> torch.Tensor:
            return torch.empty(2**60).sum()

    with pytest.raises(TrainingError, match="out of memory"):
        train(Huge(), points(), course=course(), seed=3)


def test_a_device_that_is_not_there_is_refused() -> None:
    gone = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(TrainingError, match="device=auto"):
        choose_device(gone)


class Pair(torch.nn.Module):
    """Two parts that each move in their own turn, towards the value the other one does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = Linear(1, 1, bias=False), Linear(1, 1, bias=False)
        start(self, generator(2))

    def forward(self, batch: tuple[torch.Tensor, ...], draw: torch.Generator, turn: str) -> torch.Tensor:
        return (self.one.weight - 3).pow(2).sum() if turn == "one" else (self.two.weight + 2).pow(2).sum()


def test_each_turn_moves_its_own_part() -> None:
    net = Pair()
    turns = (Turn("one", "one", times=3), Turn("two", "two", rate=0.5))
    train(net, (np.zeros((ROWS, 1)),), course=course(epochs=40, average=0.5, turns=turns), seed=1)
    assert abs(net.one.weight.item() - 3) < 0.1 and abs(net.two.weight.item() + 2) < 0.2
    still = Pair()
    before = still.two.weight.item()
    train(still, (np.zeros((ROWS, 1)),), course=course(turns=turns[:1]), seed=1)
    assert still.two.weight.item() == before


KILLED = """
import os, sys, time; sys.path.insert(0, sys.argv[1])
import test_nets as t
waits = lambda step: os.path.exists(sys.argv[2]) and time.sleep(600)  # to be killed
t.checkpoint.EVERY = 0.0  # at each judgement
t.train(t.Line(), t.points(), course=t.course(epochs=30), seed=3, on_step=waits, checkpoint=sys.argv[2])
"""


def test_a_killed_training_goes_on_to_the_same_end(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(Path(__file__).parent), str(path)], env={**os.environ})
    try:
        while not path.exists() and child.poll() is None:
            time.sleep(0.02)
        assert child.poll() is None, "it was over before it was killed"
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    whole, halved = Line(), Line()
    straight = train(whole, points(), course=course(epochs=30), seed=3)
    resumed = train(halved, points(), course=course(epochs=30), seed=3, checkpoint=path)
    assert "taken up again" in resumed.notes[0]
    curves = [[(h["step"], h["loss"], h["judged"]) for h in done.history] for done in (straight, resumed)]
    assert np.allclose(*curves, rtol=1e-5)
    assert np.allclose(whole.layer.weight.detach(), halved.layer.weight.detach(), rtol=1e-5)
    assert not path.exists(), "it is removed at the end"


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    Checkpoint(path, fingerprint={"seed": 1}).write({"step": 4}, {"x": np.ones(3)})
    assert Checkpoint(path, fingerprint={"seed": 1}).read()[0] == {"step": 4}
    with pytest.raises(StoreError, match="another training"):
        Checkpoint(path, fingerprint={"seed": 2}).read()
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(StoreError, match="damaged"):
        Checkpoint(path, fingerprint={"seed": 1}).read()


def codes(rows: int = 300) -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.stack([rng.integers(0, k, rows) for k in LAYOUT.sizes], axis=1)


@pytest.mark.parametrize("steepness", [1, 30, 1_500])
def test_surprise_is_the_cross_entropy_and_its_gradient(steepness: float) -> None:
    y, weights = torch.from_numpy(codes()), torch.rand(300, 3, generator=generator(1))
    heads = Heads(LAYOUT, 8)
    start(torch.nn.ModuleList([heads]), generator(2))
    mine = (steepness * torch.randn(300, 48, generator=generator(3))).requires_grad_()
    usual = mine.detach().clone().requires_grad_()
    loss = heads.loss(mine, y, weights)
    spans = [usual[:, a:b] for a, b in zip(LAYOUT.offsets[:-1], LAYOUT.offsets[1:], strict=True)]
    each = torch.stack([torch.nn.functional.cross_entropy(z, y[:, p], reduction="none") for p, z in enumerate(spans)], dim=1)
    known = (each * weights).sum(1).mean()
    assert torch.allclose(loss, known, atol=1e-5)
    loss.backward()
    known.backward()
    assert torch.allclose(mine.grad, usual.grad, atol=1e-6)


def test_heads_start_from_the_shares_and_hidden_codes_do_not_show() -> None:
    y = codes(5_000)
    net = torch.nn.ModuleDict({"embed": Embedding(LAYOUT, 6), "heads": Heads(LAYOUT, 18, counts=counts_of(y, LAYOUT.sizes))})
    start(net, generator(7))
    rows, seen = torch.from_numpy(y[:50]), torch.zeros(50, 3, dtype=torch.bool)
    x = net["embed"](rows, seen).flatten(1)
    assert (x == x[0]).all()
    seen[:, 1] = True
    assert not (net["embed"](rows, seen).flatten(1) == x).all()
    share = net["heads"].part(torch.zeros(1, 18), 0).softmax(1)[0]
    assert np.allclose(share.detach(), np.bincount(y[:, 0]) / 5_000, atol=1e-3)


def test_near_codes_of_a_number_start_alike() -> None:
    embed = Embedding(Layout((200,), (True,)), 64)
    start(torch.nn.ModuleList([embed]), generator(7))
    with torch.no_grad():
        embed.vectors.free.zero_()
    line = embed.table()[1:200].detach()
    near, far = (line[1:] - line[:-1]).norm(dim=1).mean(), (line - line.flip(0)).norm(dim=1).mean()
    assert near < 0.3 * far


def test_codes_are_drawn_by_their_chances() -> None:
    logits = torch.tensor([[0.0, math.log(3), -1e9]]).expand(40_000, 3)
    drawn = np.bincount(draw_codes(logits, generator(3)), minlength=3) / 40_000
    assert np.allclose(drawn, [0.25, 0.75, 0], atol=0.01) and drawn[2] == 0


def test_sums_of_rows_are_those_of_plain_indexing() -> None:
    draw = torch.Generator().manual_seed(3)
    whole, table = torch.randn(50, 8, generator=draw) * 100, torch.randn(7, 8, generator=draw)
    rows, codes = torch.arange(0, 50, 3), torch.randint(7, (17,), generator=draw)
    wanted = whole.clone()
    wanted[rows] += table[codes]
    assert torch.equal(joined(whole, table, rows.numpy(), codes.numpy()), wanted[rows])
    add_rows(whole, table, rows.numpy(), codes.numpy())
    assert torch.equal(whole, wanted)


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize(("precision", "far"), [("float32", 2e-6), ("bfloat16", 8e-3)])
def test_layers_made_ready_tell_what_the_layers_tell(precision: str, far: float, depth: int) -> None:
    draw, dtype = generator(5), getattr(torch, precision)
    blocks, norm = torch.nn.ModuleList(Residual(40, plain=True) for _ in range(depth)), torch.nn.LayerNorm(40)
    start(blocks, draw)
    with torch.no_grad():
        for one in (norm, *(block.norm for block in blocks)):
            one.weight.normal_(1, 0.3, generator=draw), one.bias.normal_(0, 0.3, generator=draw)
    head, bias = torch.randn(9, 40, generator=draw), torch.randn(9, generator=draw)
    h = 3 * torch.randn(33, 40, generator=draw)
    before, wanted = h.clone(), h
    with torch.no_grad():
        for block in blocks:
            wanted = block(wanted)
        wanted = torch.nn.functional.linear(norm(wanted), head, bias)
        weight, more = folded(head, bias, norm)
        inner = Trunk(blocks, norm, dtype)(h)
        told = torch.nn.functional.linear(inner.float(), weight, more)
    assert inner.dtype == dtype and torch.equal(h, before)
    assert (told - wanted).abs().max() < far * wanted.abs().max()


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize(("precision", "far"), [("float32", 1e-5), ("bfloat16", 8e-3)])
def test_layers_tell_of_sums_what_they_tell_of_the_whole(precision: str, far: float, depth: int) -> None:
    draw = generator(8)
    blocks, norm = torch.nn.ModuleList(Residual(40, plain=True) for _ in range(depth)), torch.nn.LayerNorm(40)
    start(blocks, draw)
    with torch.no_grad():
        for one in (norm, *(block.norm for block in blocks)):
            one.weight.normal_(1, 0.3, generator=draw), one.bias.normal_(0, 0.3, generator=draw)
        for block in blocks:
            block.up.bias.normal_(0, 0.5, generator=draw)
        vectors = [3 * torch.randn(33, 40, generator=draw) + 1 for _ in range(4)]
        trunk = Trunk(blocks, norm, getattr(torch, precision))
        sums = sum(trunk.kept(v) for v in vectors)
        before, wanted = sums.clone(), Trunk(blocks, norm, torch.float32)(sum(vectors))
        told = trunk.of_sums(sums)
    assert torch.equal(sums, before) and (told - wanted).abs().max() < far * wanted.abs().max()


def test_weights_go_out_and_come_back() -> None:
    first, second = (torch.nn.Sequential(Linear(4, 8), Residual(8)) for _ in range(2))
    start(first, generator(1)), start(second, generator(2))
    put_arrays(second, arrays_of(first))
    x = torch.randn(5, 4, generator=generator(3))
    assert torch.equal(first.eval()(x), second(x))
    with pytest.raises(ValueError, match="shape"):
        put_arrays(torch.nn.Sequential(Linear(3, 8), Residual(8)), arrays_of(first))


def test_missing_torch_is_an_error_with_the_line_that_helps() -> None:
    code = (
        "import sys, importlib.abc\n"
        "class Gone(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.split('.')[0] == 'torch': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "import lookalike as la\n"
        "from lookalike.models import names, find\n"
        "[find(n) for n in names()]\n"
        "import pandas as pd\n"
        "try: la.fit(pd.DataFrame({'a': range(50), 'b': list('xy') * 25}), model='autoregressive')\n"
        "except la.errors.MissingExtra as error: print(error)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout
    assert "'autoregressive' needs 'torch'" in shown and 'pip install "lookalike[torch]"' in shown
    assert issubclass(MissingExtra, ImportError) and need_torch("x") is None


def test_listing_models_does_not_load_torch() -> None:
    code = "import sys, lookalike as la; la.known_models(); la.model('autoregressive'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.strip() == "False"
