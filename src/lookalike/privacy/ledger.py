"""One ledger for all looks at a data set: each is booked before it is taken, and refused when the budget is spent.

A ledger in a file outlives its process and holds over all fits of the data set, also over fits that run at the same time: the
file is locked, read anew, checked, written whole under another name and moved into place, and only then may the look be taken.
What is booked stays booked, whatever becomes of the fit.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lookalike import _json
from lookalike._whole import whole
from lookalike.errors import BudgetError, FileError, LookalikeError, MissingExtra, SettingError, StoreError
from lookalike.privacy.accounting import SLACK, Budget, Cost, Sampled, Sum, least_noise

VERSION = 1
_KIND = "privacy ledger"
_WAIT = 60.0  # seconds for another fit to finish one booking, which takes milliseconds
_RESTORE = "restore it from a copy; without it, nothing says what was spent, so a new ledger would promise too much"


@dataclass(frozen=True)
class Entry:
    """One booked look: what was asked, what it cost, when (UTC, ISO 8601), and by which fit."""

    what: str
    cost: Cost
    when: str
    fit: str = ""

    def to_json(self) -> dict[str, Any]:
        cost = {"rho": self.cost.rho, "delta": self.cost.delta}
        if (s := self.cost.sampled) is not None:
            cost["sampled"] = {"noise": s.noise, "rate": s.rate, "steps": s.steps}
        return {"what": self.what, "fit": self.fit, "when": self.when, **cost}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Entry:
        sampled = None if raw.get("sampled") is None else Sampled(**raw["sampled"])
        if not all(isinstance(raw[name], str) for name in ("what", "fit", "when")):
            raise TypeError("what, fit and when are texts")
        return cls(raw["what"], Cost(raw["rho"], raw["delta"], sampled), raw["when"], raw["fit"])


class Ledger:
    """All that may be learnt of one data set, and all that was: `budget`, and one entry for each look. Entries are only added.

    With `path` the ledger is a new JSON file, without it lives in memory and covers this process only. `data` names the data
    set, `unit` what the guarantee protects: a row, or whose rows they are.

    Raises:
        FileError: there is a file already (`Ledger.open` reads it), or none can be made.
        MissingExtra: `path` is given, and filelock is not installed.
    """

    def __init__(self, budget: Budget, *, path: str | os.PathLike[str] | None = None, data: str = "", unit: str = "row") -> None:
        if not isinstance(budget, Budget):
            raise SettingError(f"not a budget: {budget!r}", where="budget", fix="give Budget(epsilon=1, delta=1e-6)")
        self.budget, self.data, self.unit = budget, data, unit
        self.path = None if path is None else Path(path)
        self._entries: list[Entry] = []
        self._sum = Sum()
        self._begun = _now()
        self._guard = threading.Lock()
        if self.path is not None:
            with self._held():
                if self.path.exists():
                    fix = "open it with Ledger.open, or choose another name"
                    raise FileError("there is a file of this name", where=str(self.path), fix=fix)
                self._write(())

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, budget: Budget | None = None, data: str = "", unit: str | None = None) -> Ledger:
        """The ledger in the file `path`, or a new one with `budget` if there is no file.

        Raises:
            BudgetError: the file has another budget, unit or data set than those that are given.
            FileError: the file cannot be read, or is missing and no budget was given.
            StoreError: the file is damaged, not a ledger, or from a newer version.
        """
        path = Path(path)
        if not path.exists():
            if budget is None:
                raise FileError("there is no such ledger", where=str(path), fix="check the path, or give a budget to begin one")
            try:
                return cls(budget, path=path, data=data, unit=unit or "row")
            except FileError:
                if not path.exists():
                    raise  # otherwise another process was quicker, and its ledger is the one
        raw = _read(path)
        try:
            ledger = cls(Budget(**raw["budget"]), data=str(raw["data"]), unit=str(raw["unit"]))
            ledger.path, ledger._begun = path, str(raw["begun"])
        except (KeyError, TypeError, LookalikeError) as error:
            raise _damaged(path, error) from None
        ledger._load()
        ledger._agree(budget, data, unit)
        return ledger

    # ---------------------------------------------------------------------------------------------------- what was spent

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All looks booked, oldest first, those of other processes included."""
        self._refresh()
        return tuple(self._entries)

    def epsilon(self) -> float:
        """The ε of all entries together, at the budget's δ."""
        self._refresh()
        return self._sum.epsilon(self.budget.delta)

    def left(self) -> float:
        """The ε that a further fit by zCDP may have at the budget's δ; 0 if all is spent.

        This is more than the difference of two ε, since looks together cost less than the sum of their ε.
        """
        self._refresh()
        return self._left()

    def to_json(self) -> dict[str, Any]:
        """What the file holds: data, unit, budget and every entry with its exact cost."""
        self._refresh()
        return self._json(self._entries)

    def text(self) -> str:
        """A table for a terminal: looks of one fit that ask the same are one line."""
        self._refresh()
        spent, budget = self._sum.epsilon(self.budget.delta), self.budget
        head = f"Privacy ledger{f' of {self.data}' if self.data else ''}: one {self.unit} is protected"
        lines = [head, f"budget ε = {budget.epsilon:g} at δ = {budget.delta:g}; spent ε = {spent:.4g}; left ε = {self._left():.4g}"]
        if not self._entries:
            return "\n".join([*lines, "nothing was asked yet"])
        groups: dict[tuple[str, str], list[Entry]] = {}
        for entry in self._entries:
            groups.setdefault((entry.fit, entry.what), []).append(entry)
        table = [("fit", "what", "looks", "ρ", "δ", "DP-SGD (noise, rate, steps)", "first")]
        for (fit, what), group in groups.items():
            summed = Sum.of(e.cost for e in group)
            trained = "; ".join(f"{s.noise:.4g}, {s.rate:.3g}, {s.steps}" for s in summed.sampled)
            table.append((fit, what, str(len(group)), _or_none(summed.rho), _or_none(summed.delta), trained, group[0].when[:16]))
        keep = [i for i in range(7) if any(row[i] for row in table[1:])]
        wide = {i: max(len(row[i]) for row in table) for i in keep}
        lines += ["", *("  ".join(row[i].ljust(wide[i]) for i in keep).rstrip() for row in table)]
        return "\n".join(lines)

    # ---------------------------------------------------------------------------------------------------------- spending

    def allow(self, epsilon: float | None = None, *, delta: float | None = None, fit: str = "") -> Allowance:
        """A part for one fit: `epsilon` at `delta` (the budget's, unless given); without `epsilon` all that is left.

        Nothing is set aside: what several fits may spend together is checked at every look.

        Raises:
            BudgetError: not so much is left.
        """
        self._refresh()
        left, rho = self._left(), self._sum.room(self.budget)
        if epsilon is None:
            epsilon = left or self.budget.epsilon
        asked = Budget(epsilon, self.budget.delta if delta is None else delta)
        if asked.delta > self.budget.delta:
            fix = f"ask for a delta of at most {self.budget.delta:g}"
            raise BudgetError(f"a delta of {asked.delta:g} is more than the ledger has", where=self._where(), fix=fix)
        if rho <= 0 or asked.rho > rho * (1 + 1e-9):  # the two conversions, there and back, round
            raise BudgetError(self._told(f"an epsilon of {asked.epsilon:.4g}"), where=self._where(), fix=_fix(left))
        return Allowance(self, asked, min(asked.rho, rho), fit)

    def _left(self) -> float:
        if not self._entries:
            return self.budget.epsilon
        rho = self._sum.room(self.budget)
        return 0.0 if rho <= 0 else min(self.budget.epsilon, Sum(rho).epsilon(self.budget.delta))

    def _book(self, cost: Cost, what: str, allowance: Allowance) -> None:
        """Check `cost` against the allowance and the ledger, and write it down; on any failure nothing is booked."""
        with self._held():
            if self.path is not None:
                self._load()
            own, after = allowance._sum.plus(cost), self._sum.plus(cost)
            if own.rho > allowance.rho * (1 + SLACK) or not own.within(allowance.budget):
                raise BudgetError(allowance._told(cost, what), where=self._where(), fix="ask less in this fit, or allow it more")
            if not after.within(self.budget):
                raise BudgetError(self._told(repr(what)), where=self._where(), fix=_fix(self._left()))
            entry = Entry(what, cost, _now(), allowance.fit)
            if self.path is not None:
                self._write((*self._entries, entry))
            self._entries.append(entry)
            allowance._entries.append(entry)
            self._sum, allowance._sum = after, own

    def _told(self, asked: str) -> str:
        """Why `asked` is refused: what is left, and on what the rest went."""
        parts: dict[str, int] = {}
        for entry in self._entries:
            key = entry.fit or entry.what
            parts[key] = parts.get(key, 0) + 1
        went = ", ".join(f"{name} ({n} look{'s' * (n > 1)})" for name, n in list(parts.items())[:5]) + (", …" if len(parts) > 5 else "")
        budget, spent = self.budget, self._sum.epsilon(self.budget.delta)
        told = f"the privacy budget does not allow {asked}: of epsilon {budget.epsilon:g} at delta {budget.delta:g}"
        return f"{told}, {spent:.4g} is spent and {self._left():.4g} is left" + (f"; spent on {went}" if went else "")

    def _where(self) -> str:
        return str(self.path) if self.path is not None else self.data

    # -------------------------------------------------------------------------------------------------------------- file

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Nobody else books meanwhile: no thread, and with a file no process."""
        with self._guard:
            if self.path is None:
                yield
                return
            try:
                import filelock
            except ImportError:
                raise MissingExtra("filelock", "dp", purpose="a ledger in a file") from None
            place = self.path.resolve()
            if not place.parent.is_dir():  # the lock would make it
                raise FileError("its folder is not there", where=str(self.path), fix="make the folder, or choose another")
            lock = filelock.FileLock(f"{place}.lock", timeout=_WAIT)
            try:
                lock.acquire(poll_interval=0.005)
            except filelock.Timeout:
                fix = "wait until it ends, or end it: a lock does not outlive its process"
                raise FileError("another fit holds the ledger", where=str(self.path), fix=fix) from None
            except OSError as error:
                raise FileError.of(error, where=str(self.path), doing="lock the ledger") from None
            try:
                yield
            finally:
                lock.release()

    def _refresh(self) -> None:
        """Take in what others booked. The file is moved into place whole, so that reading it needs no lock."""
        if self.path is not None:
            with self._guard:
                self._load()

    def _load(self) -> None:
        """Read the file again; it must still be this ledger, and begin with all that is known of it."""
        raw = _read(self.path)
        try:
            entries = [Entry.from_json(entry) for entry in raw["entries"]]
        except (KeyError, TypeError, AttributeError, LookalikeError) as error:
            raise _damaged(self.path, error) from None
        known = len(self._entries)
        same = raw.get("budget") == _budget(self.budget) and raw.get("unit") == self.unit and raw.get("begun") == self._begun
        if not same or entries[:known] != self._entries:
            what = "the ledger was changed by hand, or put back to an older state: entries may only be added"
            raise StoreError(what, where=str(self.path), fix=_RESTORE)
        if len(entries) > known:
            self._entries = entries
            self._sum = Sum.of(e.cost for e in entries)

    def _json(self, entries: Iterable[Entry]) -> dict[str, Any]:
        head = {"lookalike": _KIND, "version": VERSION, "data": self.data, "unit": self.unit, "begun": self._begun}
        return {**head, "budget": _budget(self.budget), "entries": [e.to_json() for e in entries]}

    def _write(self, entries: Iterable[Entry]) -> None:
        with whole(self.path) as file:
            file.write_text(json.dumps(self._json(entries), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        # the new name must survive a power cut too, or a look would be taken whose booking is lost; Windows has no such call
        with suppress(OSError):
            folder = os.open(self.path.resolve().parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _agree(self, budget: Budget | None, data: str, unit: str | None) -> None:
        """Refuse a ledger that was begun with other terms than those given."""
        asked = (("budget", budget, self.budget), ("unit", unit, self.unit), ("data set", data or None, self.data or None))
        for name, given, has in asked:
            if given is not None and has is not None and given != has:
                shown = [f"epsilon {v.epsilon:g}, delta {v.delta:g}" if isinstance(v, Budget) else repr(v) for v in (has, given)]
                fix = "a budget is set once: go on with the one it has" if name == "budget" else "give the ledger of these data"
                raise BudgetError(f"the ledger has another {name}: {shown[0]}, not {shown[1]}", where=str(self.path), fix=fix)


class Allowance:
    """What one fit may spend: `budget` at most, and never more than the ledger has left. Ask `spend` before every look.

    `rho` is the zCDP that the fit may spend in all, as of the moment it was allowed. `most` is the number of rows that one unit
    may have, `buy` whether levels and bounds that are not public may be bought.
    """

    def __init__(self, ledger: Ledger, budget: Budget, rho: float, fit: str = "") -> None:
        self.ledger, self.budget, self.rho, self.fit = ledger, budget, rho, fit
        self.most, self.buy = 1, False
        self._entries: list[Entry] = []
        self._sum = Sum()

    @property
    def unit(self) -> str:
        """What the guarantee protects."""
        return self.ledger.unit

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The looks of this fit."""
        return tuple(self._entries)

    @property
    def left(self) -> float:
        """The zCDP that this fit may still spend."""
        return self.rho_with(self._sum.delta) - self._sum.rho

    def rho_with(self, delta: float) -> float:
        """The zCDP that the fit may spend in all, if its looks have the chance `delta` in all, as thresholds do."""
        self.ledger._refresh()
        return self._rho_with(delta)

    def _rho_with(self, delta: float) -> float:
        more = max(0.0, delta - self._sum.delta)
        own, ledger = self._sum.room(self.budget, more), self.ledger._sum.room(self.ledger.budget, more)
        return self._sum.rho + max(0.0, min(self.rho - self._sum.rho, own, ledger))

    def epsilon(self) -> float:
        """The ε that this fit spent, at its δ."""
        return self._sum.epsilon(self.budget.delta)

    def spend(self, cost: Cost, what: str) -> None:
        """Book `cost` for the look `what`, which may be taken when this returns.

        Raises:
            BudgetError: the fit, or the ledger, does not have so much left; nothing is booked then.
        """
        self.ledger._book(cost, what, self)

    def noise(self, *, rate: float, steps: int) -> float:
        """The least noise multiplier with which `steps` sums over rows sampled at `rate` may still be spent here.

        Raises:
            BudgetError: nothing is left.
        """
        if self.left <= 0:
            raise BudgetError(
                "nothing is left for a training", where=self.ledger._where(), fix="look less before it, or allow the fit more"
            )

        def fits(noise: float) -> bool:
            cost = Cost(sampled=Sampled(noise, rate, steps))
            return self._sum.plus(cost).within(self.budget) and self.ledger._sum.plus(cost).within(self.ledger.budget)

        return least_noise(fits)

    def _told(self, cost: Cost, what: str) -> str:
        """Why a look goes over this allowance."""
        budget = self.budget
        head = f"{what!r} would go over what this fit may spend (epsilon {budget.epsilon:.4g} at delta {budget.delta:g})"
        if cost.sampled is not None:
            return f"{head}: {self.epsilon():.4g} is spent, and the training is too costly for the rest"
        left = self._rho_with(self._sum.delta) - self._sum.rho
        return f"{head}: rho {cost.rho:.4g} and delta {cost.delta:.3g} asked, rho {left:.4g} left"


def _read(path: Path) -> dict[str, Any]:
    """What the file holds, if it is a ledger of this version."""
    try:
        raw = _json.read(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError("the ledger is gone", where=str(path), fix=_RESTORE) from None
    except OSError as error:
        raise FileError.of(error, where=str(path), doing="read the ledger") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _damaged(path, error) from None
    if not isinstance(raw, dict) or raw.get("lookalike") != _KIND:
        raise StoreError("this file is not a privacy ledger", where=str(path), fix="check the path")
    if raw.get("version") != VERSION:
        fix = "use the version of Lookalike that wrote it, or a newer one"
        raise StoreError(f"the ledger has format {raw.get('version')!r}; this Lookalike reads {VERSION}", where=str(path), fix=fix)
    return raw


def _damaged(path: Path, error: Exception) -> StoreError:
    detail = error.what if isinstance(error, LookalikeError) else f"{type(error).__name__}: {error}"
    return StoreError(f"the ledger is damaged ({detail})", where=str(path), fix=_RESTORE)


def _fix(left: float) -> str:
    reuse = "use what was already fitted: sampling from a model costs nothing"
    return f"ask for at most {left:.4g}, or {reuse}" if left > 0 else reuse


def _or_none(value: float) -> str:
    return f"{value:.4g}" if value else ""


def _budget(budget: Budget) -> dict[str, float]:
    return {"epsilon": budget.epsilon, "delta": budget.delta}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
