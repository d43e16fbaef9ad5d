"""The ledger never lets more be spent than its budget, by whomever and however often, and says what went where."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from lookalike.errors import BudgetError, FileError, SettingError, StoreError
from lookalike.privacy import ledger as module
from lookalike.privacy import mechanisms
from lookalike.privacy.accounting import Budget, Cost, Sampled
from lookalike.privacy.ledger import Allowance, Ledger

BUDGET = Budget(1.0, 1e-6)


# ------------------------------------------------------------------------------------- an accountant that knows only the log


def recomputed(log: dict[str, Any]) -> float:
    """ε of all queries of a ledger's log, from its JSON alone: ρ summed; for every order α the δ that it gives at an ε (Canonne,
    Kamath and Steinke 2020, Proposition 12), the least of them, and the ε at which that is the log's δ.
    """
    rho = math.fsum(entry["rho"] for entry in log["entries"])
    delta = log["budget"]["delta"] - math.fsum(entry["delta"] for entry in log["entries"])
    if rho == 0:
        return 0.0

    def log_delta(epsilon: float) -> float:
        def of(u: float) -> float:
            x = math.exp(u)  # α − 1
            return x * ((1 + x) * rho - epsilon) - u - (1 + x) * math.log1p(1 / x)

        around = 0.5 * math.log(max(math.log(1 / delta), 1e-3) / rho)
        return float(optimize.minimize_scalar(of, bracket=(around - 1, around + 1), tol=1e-14).fun)

    return float(optimize.brentq(lambda e: log_delta(e) - math.log(delta), 1e-9, 1e3, xtol=1e-14, rtol=1e-14))


def agrees(log: dict[str, Any], stated: float) -> bool:
    """Whether what a ledger states is what its log comes to: the check that wrong ledgers are held against."""
    return abs(stated - recomputed(log)) <= 1e-9 * max(1.0, stated)


def spend_all(allowance: Allowance, looks: int = 200) -> None:
    for _ in range(looks):
        allowance.spend(Cost(rho=allowance.rho / looks), "pair")


# ------------------------------------------------------------------------------------------------------------------ what it adds up


@given(st.lists(st.tuples(st.floats(1e-6, 0.2), st.sampled_from([0.0, 0.0, 1e-8, 2e-7])), max_size=25), st.floats(0.1, 8))
@settings(max_examples=60, deadline=None)
def test_whatever_is_asked_the_total_is_right_and_within_the_budget(looks: list[tuple[float, float]], epsilon: float) -> None:
    ledger = Ledger(Budget(epsilon, 1e-6))
    allowance, refused = ledger.allow(), 0
    for rho, delta in looks:
        before = ledger.to_json()
        try:
            allowance.spend(Cost(rho=rho, delta=delta), "a look")
        except BudgetError:
            refused += 1
            assert ledger.to_json() == before  # nothing is booked
            grown = {**before, "entries": [*before["entries"], {"rho": rho, "delta": delta}]}
            over = sum(e["delta"] for e in grown["entries"]) >= 1e-6 or recomputed(grown) > epsilon * (1 - 1e-9)
            assert over  # and it would have been too much
    assert len(ledger.entries) == len(looks) - refused
    assert ledger.epsilon() <= epsilon
    assert agrees(ledger.to_json(), ledger.epsilon())


def test_ledgers_that_add_up_wrongly_are_caught_by_the_check_that_ours_passes() -> None:
    ledger = Ledger(Budget(3.0, 1e-6))
    for share in (0.3, 0.2):
        allowance = ledger.allow(0.5, fit="f")
        allowance.spend(Cost(rho=allowance.rho * share, delta=1e-7), "look")
    log, right = ledger.to_json(), ledger.epsilon()
    assert agrees(log, right)
    rho = sum(e["rho"] for e in log["entries"])
    assert not agrees(log, rho + 2 * math.sqrt(rho * math.log(1e6)))  # the loose conversion
    assert not agrees({**log, "entries": [{**e, "delta": 0.0} for e in log["entries"]]}, right)  # chances forgotten
    assert not agrees({**log, "entries": log["entries"][:1]}, right)  # a look forgotten
    assert not agrees({**log, "entries": [{**e, "rho": e["rho"] / 2} for e in log["entries"]]}, right)  # half the cost


def test_a_budget_can_be_spent_to_the_end_and_not_beyond() -> None:
    ledger = Ledger(BUDGET, data="adult")
    allowance = ledger.allow(fit="one")
    assert allowance.budget == BUDGET and allowance.rho == BUDGET.rho
    spend_all(allowance)
    assert 1 - 1e-9 < ledger.epsilon() <= 1 and ledger.left() < 1e-3
    with pytest.raises(BudgetError):
        allowance.spend(Cost(rho=1e-9), "more")
    with pytest.raises(BudgetError):
        ledger.allow(0.01)
    with pytest.raises(BudgetError):
        ledger.allow()
    assert len(ledger.entries) == 200


def test_what_is_left_can_be_had_and_is_then_gone() -> None:
    ledger = Ledger(Budget(3.0, 1e-6))
    spend_all(ledger.allow(1.0, fit="first"), 3)
    left = ledger.left()
    assert 2 < left < 3  # together they cost less than their sum
    with pytest.raises(BudgetError, match="is left"):
        ledger.allow(left * 1.001)
    second = ledger.allow(left, fit="second")
    spend_all(second, 7)
    assert second.epsilon() == pytest.approx(left, rel=1e-6)
    assert 3 - 1e-6 < ledger.epsilon() <= 3
    with pytest.raises(BudgetError):
        ledger.allow(0.01)


def test_a_fit_is_held_to_its_part_even_if_the_ledger_has_more() -> None:
    ledger = Ledger(Budget(10.0, 1e-6))
    allowance = ledger.allow(1.0, delta=1e-8, fit="f")
    assert allowance.budget == Budget(1.0, 1e-8) and allowance.rho == Budget(1.0, 1e-8).rho and allowance.unit == "row"
    with pytest.raises(BudgetError, match="what this fit may spend") as caught:
        allowance.spend(Cost(rho=allowance.rho * 1.01), "'sex' alone")
    assert "'sex' alone" in str(caught.value) and f"rho {allowance.rho:.4g} left" in str(caught.value) and caught.value.fix
    assert ledger.entries == allowance.entries == ()
    with pytest.raises(BudgetError, match=r"delta of 0\.1 is more"):
        ledger.allow(1.0, delta=0.1)


def test_chances_of_thresholds_shorten_the_rest() -> None:
    allowance = Ledger(BUDGET).allow()
    assert allowance.rho_with(0.0) == pytest.approx(allowance.rho, rel=1e-9)
    planned = allowance.rho_with(5e-7)
    assert planned == pytest.approx(Budget(1.0, 5e-7).rho, rel=1e-9)
    assert allowance.rho_with(1e-6) == 0 < planned < allowance.rho
    allowance.spend(Cost(rho=planned / 4, delta=5e-7), "levels")
    assert allowance.left == pytest.approx(planned * 3 / 4, rel=1e-9)
    allowance.spend(Cost(rho=planned * 3 / 4), "counts")
    with pytest.raises(BudgetError):
        allowance.spend(Cost(delta=5e-7), "levels")
    assert allowance.epsilon() <= 1


def test_two_fits_at_once_cannot_spend_the_same_twice() -> None:
    ledger = Ledger(BUDGET)
    one, two = ledger.allow(fit="one"), ledger.allow(fit="two")
    one.spend(Cost(rho=one.rho * 0.7), "look")
    assert two.left == pytest.approx(two.rho * 0.3, rel=1e-9)
    with pytest.raises(BudgetError, match=r"spent on one \(1 look\)"):
        two.spend(Cost(rho=two.rho * 0.7), "look")
    two.spend(Cost(rho=two.rho * 0.3), "look")
    assert 1 - 1e-9 < ledger.epsilon() <= 1
    assert [e.fit for e in ledger.entries] == ["one", "two"]


def test_threads_together_cannot_overspend() -> None:
    ledger, wins = Ledger(BUDGET), []
    start = threading.Barrier(8)

    def work() -> None:
        allowance = ledger.allow()
        start.wait()
        try:
            while True:
                allowance.spend(Cost(rho=BUDGET.rho / 4000), "look")
                wins.append(1)
        except BudgetError:
            return

    threads, pause = [threading.Thread(target=work) for _ in range(8)], sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that they do interrupt one another
    try:
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(pause)
    assert len(wins) == len(ledger.entries) == 4000
    assert ledger.epsilon() <= 1


def test_trainings_are_counted_with_what_was_looked_at() -> None:
    ledger = Ledger(Budget(3.0, 1e-6))
    spend_all(ledger.allow(1.0, fit="marginals"), 2)
    allowance = ledger.allow(fit="net")
    allowance.spend(Cost(rho=allowance.rho * 0.05), "levels")
    noise = allowance.noise(rate=0.02, steps=300)
    allowance.spend(Cost(sampled=Sampled(noise, 0.02, 300)), "training")
    assert 2.9 < ledger.epsilon() <= 3
    assert ledger.to_json()["entries"][-1]["sampled"] == {"noise": noise, "rate": 0.02, "steps": 300}
    with pytest.raises(BudgetError, match="training is too costly"):
        allowance.spend(Cost(sampled=Sampled(noise, 0.02, 300)), "again")
    allowance.spend(Cost(rho=allowance.left), "the rest")
    assert ledger.epsilon() <= 3
    with pytest.raises(BudgetError, match="nothing is left for a training"):
        Ledger.allow(full := Ledger(BUDGET)).spend(Cost(rho=BUDGET.rho), "all")
        Allowance(full, BUDGET, BUDGET.rho).noise(rate=0.1, steps=1)


def test_noise_for_a_training_allows_for_what_others_spent_meanwhile() -> None:
    ledger = Ledger(BUDGET)
    net, other = ledger.allow(fit="net"), ledger.allow(fit="other")
    alone = net.noise(rate=1.0, steps=5)
    other.spend(Cost(rho=BUDGET.rho / 2), "look")
    noise = net.noise(rate=1.0, steps=5)
    assert noise > alone
    net.spend(Cost(sampled=Sampled(noise, 1.0, 5)), "training")
    assert 0.9 < ledger.epsilon() <= 1


def test_a_look_in_memory_costs_microseconds() -> None:
    import time

    allowance = Ledger(BUDGET).allow()
    began = time.process_time()
    spend_all(allowance, 3000)
    assert time.process_time() - began < 1.5  # 8 µs a look, and a wide margin for a machine that has other things to do


# -------------------------------------------------------------------------------------------------------------------------- file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.json"


def test_a_file_holds_over_fits_and_processes(path: Path) -> None:
    first = Ledger.open(path, budget=Budget(2.0, 1e-6), data="adult", unit="person")
    first.allow(1.0, fit="one").spend(Cost(rho=0.02, delta=1e-8), "levels of job")
    second = Ledger.open(path)
    assert (second.budget, second.data, second.unit) == (first.budget, "adult", "person")
    assert second.entries == first.entries and second.epsilon() == first.epsilon()
    entry = second.entries[0]
    assert (entry.what, entry.fit, entry.cost) == ("levels of job", "one", Cost(rho=0.02, delta=1e-8))
    assert entry.when[:2] == "20" and entry.when.endswith("+00:00")
    second.allow(fit="two").spend(Cost(rho=0.01), "more")
    assert [e.fit for e in first.entries] == ["one", "two"]  # the other is told
    assert json.loads(path.read_text(encoding="utf-8")) == second.to_json()
    assert agrees(second.to_json(), first.epsilon())
    assert sorted(p.name for p in path.parent.iterdir() if not p.name.endswith(".lock")) == ["ledger.json"]


def test_a_refusal_keeps_neither_lock_nor_booking(path: Path) -> None:
    allowance = Ledger.open(path, budget=BUDGET).allow(0.5)
    before = path.read_bytes()
    for cost in (Cost(rho=1.0), Cost(sampled=Sampled(0.5, 1.0, 10)), Cost(rho=1e-6, delta=1e-6)):
        with pytest.raises(BudgetError):
            allowance.spend(cost, "too much")
    assert path.read_bytes() == before
    allowance.spend(Cost(rho=allowance.left), "all")


def test_costs_come_back_to_the_last_bit(path: Path) -> None:
    ledger = Ledger.open(path, budget=Budget(5.0, 1e-6))
    costs = [Cost(rho=0.1 + 0.2), Cost(rho=1e-300, delta=1 / 3e9), Cost(sampled=Sampled(math.pi, 1 / 3, 7))]
    for cost in costs:
        ledger.allow().spend(cost, "é “quoted” 数")
    assert [e.cost for e in Ledger.open(path).entries] == costs


BOOKING = """
import sys
from lookalike.privacy.ledger import Ledger
from lookalike.privacy.accounting import Cost
from lookalike.errors import BudgetError
allowance = Ledger.open(sys.argv[1]).allow(fit=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
done = 0
try:
    while True:
        allowance.spend(Cost(rho=float(sys.argv[3])), "look")
        done += 1
except BudgetError:
    print(done)
"""


def test_processes_together_cannot_overspend(path: Path) -> None:
    ledger = Ledger.open(path, budget=BUDGET)
    each = str(BUDGET.rho / 40)
    command = [sys.executable, "-c", BOOKING, str(path)]
    running = [subprocess.Popen([*command, name, each], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "abc"]
    for p in running:
        assert p.stdout is not None and p.stdout.readline() == "ready\n"
    for p in running:
        assert p.stdin is not None
        p.stdin.write("go\n")
        p.stdin.flush()
    wins = [int(p.communicate(timeout=300)[0]) for p in running]
    assert sum(wins) == len(ledger.entries) == 40
    assert ledger.epsilon() <= 1 and agrees(ledger.to_json(), ledger.epsilon())


def test_a_fit_that_dies_has_paid(path: Path) -> None:
    Ledger.open(path, budget=BUDGET)
    code = (
        "import os, sys; from lookalike.privacy.ledger import Ledger; from lookalike.privacy.accounting import Cost\n"
        "Ledger.open(sys.argv[1]).allow(fit='dies').spend(Cost(rho=0.01), 'look'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    after = Ledger.open(path)
    assert [e.fit for e in after.entries] == ["dies"]
    after.allow().spend(Cost(rho=0.001), "goes on")  # and its lock died with it


def test_the_booking_is_on_the_disk_before_the_look_is_taken(path: Path) -> None:
    seen: list[int] = []

    class Watched(dict[str, int]):
        def items(self) -> Any:
            seen.append(len(json.loads(path.read_text(encoding="utf-8"))["entries"]))
            return super().items()

    allowance = Ledger.open(path, budget=BUDGET).allow()
    mechanisms.levels(Watched(a=10**6), allowance, rho=0.01, delta=1e-7, what="levels")
    assert seen == [1]
    path.unlink()
    with pytest.raises(FileError, match="the ledger is gone"):
        mechanisms.levels(Watched(a=10**6), allowance, rho=0.001, delta=1e-7, what="levels")
    assert len(seen) == 1 and len(allowance.entries) == 1  # no look without a booking


def test_a_budget_is_set_once(path: Path) -> None:
    Ledger.open(path, budget=BUDGET, data="adult", unit="person")
    before = path.read_bytes()
    with pytest.raises(BudgetError, match=r"another budget: epsilon 1, delta 1e-06, not epsilon 5"):
        Ledger.open(path, budget=Budget(5.0, 1e-6))
    with pytest.raises(BudgetError, match="another unit: 'person', not 'row'"):
        Ledger.open(path, unit="row")
    with pytest.raises(BudgetError, match="another data set: 'adult', not 'census'") as caught:
        Ledger.open(path, data="census")
    assert caught.value.where == str(path) and caught.value.fix
    with pytest.raises(FileError, match=r"file of this name") as refused:
        Ledger(BUDGET, path=path)
    assert "Ledger.open" in refused.value.fix
    Ledger.open(path, budget=BUDGET, data="adult", unit="person")
    assert path.read_bytes() == before


def test_places_where_no_ledger_can_be(path: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such ledger") as caught:
        Ledger.open(path)
    assert caught.value.where == str(path) and "budget" in caught.value.fix
    with pytest.raises(FileError, match="its folder is not there"):
        Ledger.open(tmp_path / "nowhere" / "ledger.json", budget=BUDGET)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(FileError):
        Ledger.open(tmp_path)
    with pytest.raises(SettingError, match="not a budget"):
        Ledger(1.0)  # type: ignore[arg-type]


def _entry(**changed: Any) -> Callable[[dict[str, Any]], Any]:
    def change(log: dict[str, Any]) -> dict[str, Any]:
        return {**log, "entries": [{**log["entries"][0], **changed}]}

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda log: json.dumps(log)[:-20], "damaged"),
        (lambda log: "", "damaged"),
        (lambda log: b"\xff\xfe\x00", "damaged"),
        (lambda log: [], "not a privacy ledger"),
        (lambda log: {"budget": 1}, "not a privacy ledger"),
        (lambda log: {**log, "version": 99}, "format 99"),
        (lambda log: {**log, "budget": {"epsilon": -1, "delta": 1e-6}}, "damaged"),
        (lambda log: {**log, "budget": {"epsilon": 1}}, "damaged"),
        (lambda log: {k: v for k, v in log.items() if k != "entries"}, "damaged"),
        (lambda log: {**log, "entries": 7}, "damaged"),
        (lambda log: {**log, "entries": ["x"]}, "damaged"),
        (_entry(rho=-1.0), "damaged"),
        (_entry(rho=math.nan), "damaged"),
        (_entry(rho="0"), "damaged"),
        (_entry(delta=2), "damaged"),
        (_entry(what=None), "damaged"),
        (_entry(sampled={"noise": 0}), "damaged"),
        (_entry(sampled={"noise": 0, "rate": 1, "steps": 1}), "damaged"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_and_left_alone(path: Path, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    ledger = Ledger.open(path, budget=BUDGET)
    allowance = ledger.allow()
    allowance.spend(Cost(rho=0.001), "look")
    made = change(ledger.to_json())
    path.write_bytes(made if isinstance(made, bytes) else (made if isinstance(made, str) else json.dumps(made)).encode())
    before = path.read_bytes()
    for use in (lambda: Ledger.open(path), lambda: Ledger.open(path, budget=BUDGET)):
        with pytest.raises(StoreError, match=said) as caught:
            use()
        assert caught.value.where == str(path) and caught.value.fix
    with pytest.raises(StoreError, match=f"{said}|changed by hand"):
        allowance.spend(Cost(rho=0.001), "look")
    assert path.read_bytes() == before and len(allowance.entries) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda log: {**log, "entries": log["entries"][:1]},
        lambda log: {**log, "entries": log["entries"][::-1]},
        lambda log: {**log, "entries": [{**e, "rho": 0.0} for e in log["entries"]]},
        lambda log: {**log, "budget": {"epsilon": 100.0, "delta": 1e-6}},
        lambda log: {**log, "unit": "person"},
        lambda log: {**log, "begun": "2020-01-01"},
    ],
)
def test_a_ledger_that_was_set_back_is_noticed(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    ledger = Ledger.open(path, budget=BUDGET)
    allowance = ledger.allow()
    allowance.spend(Cost(rho=0.001), "one")
    allowance.spend(Cost(rho=0.002), "two")
    path.write_text(json.dumps(change(ledger.to_json())), encoding="utf-8")
    for use in (lambda: allowance.spend(Cost(rho=0.001), "three"), ledger.epsilon, ledger.text, lambda: ledger.entries):
        with pytest.raises(StoreError, match="entries may only be added"):
            use()


def test_a_lock_that_is_held_is_waited_for_and_then_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    allowance = Ledger.open(path, budget=BUDGET).allow()
    monkeypatch.setattr(module, "_WAIT", 0.1)
    with filelock.FileLock(f"{path.resolve()}.lock"), pytest.raises(FileError, match="another fit holds the ledger"):
        allowance.spend(Cost(rho=0.001), "look")
    allowance.spend(Cost(rho=0.001), "look")
    assert len(allowance.entries) == 1


# ------------------------------------------------------------------------------------------------------------------------ what it says


def test_the_table_says_what_was_spent_on_what() -> None:
    ledger = Ledger(Budget(3.0, 1e-6), data="adult", unit="person")
    assert "nothing was asked yet" in ledger.text()
    allowance = ledger.allow(1.0, fit="marginals of adult")
    for _ in range(12):
        allowance.spend(Cost(rho=allowance.rho / 24), "choice of a marginal")
    allowance.spend(Cost(rho=0.001, delta=1e-8), "levels of job")
    shown = ledger.text()
    assert "adult" in shown and "one person is protected" in shown and "budget ε = 3 at δ = 1e-06" in shown
    assert f"spent ε = {ledger.epsilon():.4g}" in shown and f"left ε = {ledger.left():.4g}" in shown
    line = next(line for line in shown.splitlines() if "choice of a marginal" in line)
    assert line.split()[:3] == ["marginals", "of", "adult"] and " 12 " in line and "DP-SGD" not in shown
    assert "1e-08" in next(line for line in shown.splitlines() if "levels of job" in line)
    ledger.allow(fit="net").spend(Cost(sampled=Sampled(2.0, 0.01, 100)), "training")
    assert "2, 0.01, 100" in ledger.text()


def test_a_refusal_says_what_is_left_and_how_the_rest_went() -> None:
    ledger = Ledger(Budget(2.0, 1e-6), data="adult")
    spend_all(ledger.allow(1.5, fit="marginals"), 30)
    with pytest.raises(BudgetError) as caught:
        ledger.allow(1.9)
    said = str(caught.value)
    assert "epsilon 2 at delta 1e-06" in said and "1.5 is spent" in said and f"{ledger.left():.4g} is left" in said
    assert "marginals (30 looks)" in said and f"at most {ledger.left():.4g}" in caught.value.fix and caught.value.where == "adult"


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf, True, "1"])
def test_a_part_that_is_none(bad: Any) -> None:
    with pytest.raises(SettingError, match="epsilon"):
        Ledger(BUDGET).allow(bad)


def test_numbers_of_numpy_are_numbers(path: Path) -> None:
    ledger = Ledger.open(path, budget=Budget(np.float64(1.0), 1e-6))
    ledger.allow(np.float32(0.5)).spend(Cost(rho=np.float64(0.001), sampled=Sampled(np.float32(8.0), 0.5, np.int64(2))), "look")
    assert Ledger.open(path).entries[0].cost == Cost(rho=0.001, sampled=Sampled(8.0, 0.5, 2))
