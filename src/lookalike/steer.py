"""Any model made to draw what a plan asks: natively where it can, by guided rejection where it cannot; and an account of what was achieved.

Shares become strata, each drawn under conditions of its own. Where shares of several columns are asked, the strata are the joint shares
nearest to what the model draws (iterative proportional fitting, Deming and Stephan 1940). Nothing is met by half: what cannot be met is
refused, and the reason named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike import fair, rare
from lookalike._account import Account, Line
from lookalike.condition import ORDERED, Condition, unknown_level
from lookalike.data import Dataset, columns_of
from lookalike.errors import CannotError, SettingError
from lookalike.plan import Plan, Share
from lookalike.protocol import inner
from lookalike.rules import Rules, Seen
from lookalike.store import sound

if TYPE_CHECKING:
    from lookalike.protocol import Sampler
    from lookalike.schema import Column, Schema

__all__ = ["Account", "Line", "Steering", "check", "completed", "given_in_part"]

PILOT, PARITY_PILOT = 20_000, 50_000
"""Rows drawn to learn how columns hang together, for shares of several columns and rare cases, and for parity."""
LEAST_TRIED, MOST_TRIED, AT_ONCE = 200_000, 400, 262_144
"""Rows that are tried before a plan is given up, at least, and for each row that is wanted; rows tried at once at most."""
SPARE = 1.03
"""How many more rows are tried than should be needed."""
MANY, FEW_EACH, POOL = 64, 1_000, 4
"""Strata from which on, if so few rows are due of each, rows are first drawn for all of them together; how many times as many."""
REDRAWN = 50
"""Times that a row is drawn anew whose given part and drawn part together break a rule."""
TURNS, NEAR = 500, 1e-7
"""Rounds of proportional fitting at most, and by how much margins may be missed."""


@dataclass
class Stratum:
    """Rows under conditions of their own: `share` of all rows; cells that they must not be in, where they are the rest of others."""

    conditions: dict[str, Condition]
    share: float
    outside: list[tuple[tuple[str, ...], tuple[Condition, ...]]] = field(default_factory=list)
    cells: tuple[int, ...] = ()


class Steering:
    """A model and a plan, ready to draw `n` rows: what cannot be done is refused when it is made, before rows are drawn.

    Raises:
        UnknownName: the plan names a column or level that is not there; names the near matches.
        SettingError: the plan contradicts itself or the columns.
        CannotError: the model cannot draw what is asked, or the plan was read from private data and the model is private.
    """

    def __init__(self, model: Sampler, plan: Plan, n: int, *, rng: np.random.Generator) -> None:
        self.model, self.plan, self.n = model, plan, n
        self.schema: Schema = model.schema
        self.native = _native(model)
        self.parity, self.rare = check(plan, self.schema, private=_is_private(model))
        self.rules, self.seen = _rules(plan, model), Seen()
        self.drawn = self.tried = self.obeyed = self.kept = 0
        self.refused: dict[str, int] = {}
        self.met: list[np.ndarray] = []
        self._within: dict[int, Any] = {}
        self.targets = plan.targets
        self._pilot = self._try_out(rng)
        self.targets = (*plan.targets, *(self._balanced(name, share) for name, share in plan.rebalance.items()))
        self.strata = self._strata()
        self.wanted = [_apportioned(_margin(share, n), n) for share in self.targets]
        self.whole = self._evened(_apportioned(np.array([s.share for s in self.strata]), n))
        self.given = np.zeros(len(self.strata), int)
        self.repair = None if self.parity is None else fair.Repair.learn(self._pilot, self.parity, self.schema, rng=rng)
        self._repaired: Any = None
        self.tilt = None if self.rare is None else rare.Tilted.of(self.rare, self._pilot)

    def draw(self, rows: int, *, first: int, rng: np.random.Generator) -> pa.Table:
        """The next `rows` rows, canonical; `first`: rows drawn before. Strata come mixed, each as many rows as is due by then.

        Raises:
            CannotError: hardly any row obeys; names what hinders.
        """
        due = self._due(first + rows, rows)
        parts = self._together(due, rng) if MANY <= np.count_nonzero(due) and rows < FEW_EACH * np.count_nonzero(due) else []
        parts += [self._stratum(k, count, rng=rng) for k, count in enumerate(due) if count]
        table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
        table = table.take(pa.array(rng.permutation(table.num_rows)))
        table = self._renewed(table, first, rng)
        self._count(table)
        return table

    def account(self) -> Account:
        """What was asked and achieved so far."""
        lines, met = [], np.sum(self.met, axis=0)
        at = 0
        for name, condition in self.plan.given.items():
            lines.append(Line(f"given {name}", condition.text(), _share(met[at], self.kept), bool(met[at] == self.kept)))
            at += 1
        for share, wanted in zip(self.targets, self.wanted, strict=True):
            shares = _margin(share, self.n)
            for cell in range(len(share.cells)):
                asked = f"{wanted[cell]:,} rows" if share.rows else f"{100 * shares[cell]:.4g} %"
                achieved = f"{int(met[at]):,} rows" if share.rows else _share(met[at], self.kept)
                lines.append(Line(share.text(cell), asked, achieved, self.kept < self.n or bool(met[at] == wanted[cell])))
                at += 1
        for rule in self.rules:
            lines.append(Line("rule", rule.text, f"{self.kept - int(met[at]):,} violations", bool(met[at] == self.kept)))
            at += 1
        if self.tilt is not None:
            lines.append(_tilted(self.rare, met[at], self.kept))
        for told in [] if self._repaired is None else self.repair.told(self._repaired):
            lines.append(_repaired(told, self.kept))
        return Account(tuple(lines), self.tried, self.obeyed, self.kept, tuple(self._notes()))

    # ------------------------------------------------------------------------------------------------------ making ready

    def _try_out(self, rng: np.random.Generator) -> pa.Table | None:
        """A pilot, if one is needed, of rows that meet what is given; fewer than usual where they are rare and the model draws freely."""
        if len(self.targets) < 2 and not self.plan.rebalance and self.parity is None and self.rare is None:
            return None
        given, wanted = self.plan.given, PILOT if self.parity is None else PARITY_PILOT
        found, got, tried = [], 0, 0
        while got < wanted and tried < max(LEAST_TRIED, wanted):
            table = self._candidates(given, wanted, rng=rng, key=-1, start=tried)
            met = np.ones(table.num_rows, bool)
            for name, condition in given.items():
                met &= condition.met(table[name], self.schema.table[name])
            found.append(table if met.all() else table.filter(pa.array(met)))
            got, tried = got + found[-1].num_rows, tried + wanted
        if not got:
            self._give_up(Stratum(dict(given), 1.0), got, tried)
        return pa.concat_tables(found).unify_dictionaries().combine_chunks().slice(0, wanted)

    def _balanced(self, name: str, share: float | None) -> Share:
        """Shares of the levels of a column: all alike, or `share` for the rarest and the others among themselves as they are."""
        texts = self._pilot[name].drop_null().cast(pa.string()).combine_chunks()
        counted = sorted(((c["counts"], c["values"]) for c in texts.value_counts().to_pylist()), key=lambda c: (c[0], c[1]))
        if len(counted) < 2:
            raise CannotError("has one level only in what the model draws", where=f"rebalance.{name}", fix="balance another column")
        cells = tuple((Condition.of(level),) for _, level in counted)
        if share is None:
            return Share((name,), cells, (1 / len(cells),) * len(cells))
        rest = sum(n for n, _ in counted[1:])
        return Share((name,), cells, (share, *((1 - share) * n / rest for n, _ in counted[1:])))

    def _strata(self) -> list[Stratum]:
        """The strata of all shares together; levels that the model does not know are refused now, not when their turn comes."""
        made = self._crossed() if self.targets else [Stratum(dict(self.plan.given), 1.0)]
        for k, stratum in enumerate(made):
            for name, condition in stratum.conditions.items():
                _known(self.model, self.schema.table[name], condition)
            if self.native is not None and stratum.conditions:
                self._conditions(k, stratum.conditions)
        return made

    def _crossed(self) -> list[Stratum]:
        """A stratum for each combination of the cells of all shares."""
        targets = self.targets
        margins = [_margin(share, self.n) for share in targets]
        joint = margins[0] if len(targets) == 1 else self._joint(margins)
        made = []
        for cells in product(*(range(len(share.cells)) for share in targets)):
            if joint[cells] <= 0:
                continue
            stratum = Stratum(dict(self.plan.given), float(joint[cells]), cells=cells)
            for share, cell in zip(targets, cells, strict=True):
                found = share.cells[cell]
                if found is None:
                    stratum.outside += [(share.columns, c) for c in share.cells if c is not None]
                else:
                    stratum.outside += [(share.columns, c) for c in share.cells[:cell] if c is not None and not _apart(c, found)]
                    stratum.conditions |= dict(zip(share.columns, found, strict=True))
            made.append(stratum)
        return made

    def _joint(self, margins: list[np.ndarray]) -> np.ndarray:
        """Joint shares with these margins, as near as can be to those of the pilot."""
        masks = [_memberships(self._pilot, share, self.schema) for share in self.targets]
        joint = np.array([np.all([m[c] for m, c in zip(masks, cells, strict=True)], axis=0).sum() for cells in _all(masks)], float)
        joint = joint.reshape([len(m) for m in masks])
        for _ in range(TURNS):
            missed = 0.0
            for axis, margin in enumerate(margins):
                others = tuple(a for a in range(joint.ndim) if a != axis)
                missed = max(missed, float(np.abs(joint.sum(axis=others) / max(joint.sum(), NEAR) - margin).max()))
                have = joint.sum(axis=others, keepdims=True)
                wanted = margin.reshape([-1 if a == axis else 1 for a in range(joint.ndim)])
                if (wanted[have == 0] > 0).any():
                    share = self.targets[axis]
                    what = f"the model hardly ever draws {share.text(int(np.flatnonzero((have == 0).ravel() & (margin > 0))[0]))}"
                    raise CannotError(what, where="shares", fix="ask for one share at a time, or give joint shares")
                joint = joint * (wanted / np.where(have > 0, have, 1))
            if missed < NEAR:
                return joint
        what = "shares of several columns cannot all be met at once: levels that would have to go together never do"
        raise CannotError(what, where="shares", fix="give joint shares, or change one of them")

    def _evened(self, whole: np.ndarray) -> np.ndarray:
        """Rows of each stratum such that every share and count is met to the row: rows move between strata that differ in one of them only,
        which leaves all others as they are. Where none can move, the account says so."""
        cells = np.array([s.cells for s in self.strata], int).reshape(len(self.strata), len(self.targets))
        for axis, wanted in enumerate(self.wanted):
            over = np.bincount(cells[:, axis], whole, len(wanted)).astype(int) - wanted
            alike: dict[tuple[int, ...], list[int]] = {}
            for k, others in enumerate(map(tuple, np.delete(cells, axis, axis=1).tolist())):
                alike.setdefault(others, []).append(k)
            for k, m in ((k, m) for group in alike.values() for k, m in product(group, repeat=2)):
                if over[cells[k, axis]] > 0 > over[cells[m, axis]]:
                    moved = min(over[cells[k, axis]], -over[cells[m, axis]], whole[k])
                    whole[k], whole[m] = whole[k] - moved, whole[m] + moved
                    over[cells[k, axis]] -= moved
                    over[cells[m, axis]] += moved
        return whole

    # ---------------------------------------------------------------------------------------------------------- drawing

    def _due(self, upto: int, rows: int) -> list[int]:
        """Rows of each stratum among the next `rows`: over all blocks together as near to the shares as whole numbers can be."""
        counts = np.maximum(np.floor(self.whole * (upto / self.n) + 1e-9).astype(int) - self.given, 0)
        behind = np.where(self.given + counts < self.whole, self.whole * (upto / self.n) - self.given - counts, -np.inf)
        counts[np.argsort(-behind, kind="stable")[: max(rows - counts.sum(), 0)]] += 1
        self.given += counts
        return counts.tolist()

    def _together(self, due: list[int], rng: np.random.Generator) -> list[pa.Table]:
        """Rows of many strata out of one lot that the model draws freely; `due` is lowered by them. A row is of its stratum as it would be
        if it had been drawn under the conditions of that, and each lot that is drawn under conditions costs as much as a large one."""
        size, parts = min(POOL * sum(due), AT_ONCE), []
        table = self._candidates(self.plan.given, size, rng=rng, key=-1, start=self.drawn)
        self.drawn += size
        sides = tuple(len(share.cells) for share in self.targets)
        cells = [np.argmax(_memberships(table, share, self.schema), axis=0) for share in self.targets]
        whose = np.ravel_multi_index(cells, sides)
        order = np.argsort(whose, kind="stable")
        for k, stratum in enumerate(self.strata):
            low, high = np.searchsorted(whose[order], np.ravel_multi_index(stratum.cells, sides) + np.arange(2))
            if due[k] and high > low:
                kept, last = self._accepted(table.take(pa.array(order[low:high])), stratum, rng=rng, most=due[k])
                due[k] -= kept.num_rows
                self.tried, self.obeyed = self.tried + last, self.obeyed + kept.num_rows
                parts.append(kept)
        return parts

    def _stratum(self, k: int, rows: int, *, rng: np.random.Generator) -> pa.Table:
        """`rows` rows of a stratum."""
        stratum, found, got, tried, rate = self.strata[k], [], 0, 0, 1.0
        while got < rows:
            if tried > max(LEAST_TRIED, MOST_TRIED * rows) or (tried >= LEAST_TRIED and not got):
                self._give_up(stratum, got, tried)
            size = min(math.ceil(SPARE * (rows - got) / rate) + 16, AT_ONCE)
            table = self._candidates(stratum.conditions, size, rng=rng, key=k, start=self.drawn)  # no key twice
            kept, last = self._accepted(table, stratum, rng=rng, most=rows - got)
            self.drawn += size
            got += kept.num_rows
            tried += size if got < rows else last  # what follows the last row that was needed was not looked at
            rate = max((got + 1) / (tried + 1), 1e-4)
            found.append(kept)
        self.tried += tried
        self.obeyed += got
        return pa.concat_tables(found)

    def _renewed(self, table: pa.Table, first: int, rng: np.random.Generator) -> pa.Table:
        """`table` with keys that follow one another and people of their own, as refused rows took some with them; rules that speak of such
        a column were met by its values as they are, which stay."""
        codebook = getattr(inner(self.model), "codebook_", None)
        if codebook is None:
            return table
        free = [name for name in table.column_names if name not in self.rules.columns]
        made = codebook.renewed(table.select(free), rng=rng, start=first)
        return pa.table({name: (made if name in free else table)[name] for name in table.column_names})

    def _candidates(self, conditions: Mapping[str, Condition], n: int, *, rng: np.random.Generator, key: int, start: int) -> pa.Table:
        """`n` rows or fewer, under `conditions` where the model can."""
        with sound(self.model):
            if conditions and self.native is not None:
                return self.native.within(n, self._conditions(key, conditions), rng=rng, start=start)[0]
            return self.model.sample(n, rng=rng, start=start).table()

    def _conditions(self, key: int, conditions: Mapping[str, Condition]) -> Any:
        """What conditions mean for the model's codes, found once."""
        if key not in self._within:
            plain = getattr(self.native, "plain_", conditions)  # columns that are recast are looked at when rows are drawn
            self._within[key] = self.native.codebook_.within({n: c for n, c in conditions.items() if n in plain})
        return self._within[key]

    def _accepted(self, table: pa.Table, stratum: Stratum, *, rng: np.random.Generator, most: int) -> tuple[pa.Table, int]:
        """The first candidates that obey all of the plan, `most` at most, mended and repaired where that can be done; and the number of
        candidates up to the last of them."""
        drawn = table
        if self.repair is not None:
            table = self.repair.apply(table, rng=rng)
        if self.rules:
            table = self.rules.mend(table)
        able = np.ones(table.num_rows, bool)
        for name, condition in stratum.conditions.items():
            able = self._also(able, condition.met(table[name], self.schema.table[name]), f"{name} = {condition.text()}")
        for columns, cell in stratum.outside:
            able = self._also(able, ~_in(table, columns, cell, self.schema), "the rest of a share")
        if self.tilt is not None:
            able = self._also(able, self.tilt.keep(table, rng=rng), "the tilt towards rare rows")
        if self.rules:
            fine = self.rules.check(table, self.seen, most=most, able=able)
            if fine.sum() < min(most, able.sum()):
                for text, holds in self.rules.holds(table).items():
                    self.refused[f"rule {text}"] = self.refused.get(f"rule {text}", 0) + int((able & ~holds).sum())
            able = fine
        able = able & (np.cumsum(able) <= most)
        kept = table.filter(pa.array(able))
        if self.repair is not None:
            counts = self.repair.counts(drawn.filter(pa.array(able)), kept)
            self._repaired = counts if self._repaired is None else self._repaired + counts
        return kept, int(np.flatnonzero(able).max(initial=-1)) + 1

    def _also(self, able: np.ndarray, this: np.ndarray, what: str) -> np.ndarray:
        """Both; rows that `this` alone refuses are counted."""
        self.refused[what] = self.refused.get(what, 0) + int((~this).sum())
        return able & this

    def _give_up(self, stratum: Stratum, got: int, tried: int) -> None:
        """Say what hinders."""
        worst = max(self.refused, key=self.refused.__getitem__, default="the plan as a whole")
        where = " and ".join(f"{n} = {c.text()}" for n, c in stratum.conditions.items())
        what = (
            f"{got:,} of {tried:,} rows that were tried obey the plan" + (f" where {where}" if where else "") + f"; most fail at: {worst}"
        )
        ways = ["ask for less"]
        if self.plan.rules:
            ways.append("fit with these rules (--rule)")
        if self.native is None and stratum.conditions:
            ways.append("take the model forest or autoregressive, which draw under conditions")
        raise CannotError(what, where="plan", fix=", or ".join(ways))

    # ------------------------------------------------------------------------------------------------------- accounting

    def _count(self, table: pa.Table) -> None:
        """Count how many rows meet each thing that was asked."""
        found = [condition.met(table[name], self.schema.table[name]).sum() for name, condition in self.plan.given.items()]
        for share in self.targets:
            found += [m.sum() for m in _memberships(table, share, self.schema)]
        if self.rules:
            found += [holds.sum() for holds in self.rules.holds(table).values()]
        if self.tilt is not None:
            found.append(self.tilt.rare(table).sum())
        self.met.append(np.array(found, np.int64))
        self.kept += table.num_rows

    def _notes(self) -> Iterator[str]:
        if self.targets or self.rare is not None:
            yield "shares were set on purpose: the table is not faithful to the data in them, and says nothing of how frequent they are"
        if self.repair is not None:
            yield from self.repair.notes


def _native(model: Sampler) -> Any:
    """The model that draws under conditions, if it can: the one that was kept, of a model that chose among several; one whose rows are
    recast, if the model of the recast rows can."""
    drawing = inner(model)
    able = getattr(getattr(getattr(drawing, "inner_", drawing), "can", None), "given", False)
    return drawing if able and hasattr(drawing, "within") else None


def _known(model: Sampler, column: Column, condition: Condition) -> None:
    """Refuse a level that the model cannot draw, as far as its codes and the columns that it recasts tell.

    Raises:
        UnknownName: there is no such level; names the near matches.
    """
    drawing, levels = inner(model), set()
    codebook = getattr(drawing, "codebook_", None)
    for known, book in zip(codebook.table, codebook.books, strict=True) if codebook is not None else ():
        levels |= set(book.get("levels", ())) if known.name == column.name else set()
    for step in getattr(drawing, "steps_", ()):
        at = [k for k, c in enumerate(getattr(step, "columns", ())) if c.name == column.name]
        levels |= {row[k] for k in at for row in getattr(step, "kept", ())}
    if column.kind not in ("category", "constant") or not levels:
        return
    for level in (*(condition.values or ()), *(condition.none_of or ())):
        if level is not None and str(level) not in levels:
            raise unknown_level(level, sorted(v for v in levels if v), column)


def check(plan: Plan, schema: Schema, *, private: bool) -> tuple[fair.Parity | None, rare.Rare | None]:
    """Refuse what cannot be asked of the columns, or of a private model, before anything is learned or drawn; parity and rare cases, read.

    A private model and what was read from private data do not go together: the plan would tell what no budget covers.

    Raises:
        UnknownName: there is no such column; names the near matches.
        SettingError: the plan contradicts itself or the columns.
        CannotError: parts of the plan were read from private data, and the model is private.
    """
    plan.check(schema)
    read = [*plan.found, *(["fix"] if plan.fix is not None else [])] if private else []
    if read:
        what = f"the model is private, and {', '.join(read)} of the plan read from data that no budget covers"
        fix = "leave it out; or, if it is public knowledge, write it as such: without the entry 'found'"
        raise CannotError(what, where="plan", fix=fix)
    return _parity(plan, schema), _rare(plan, schema)


def _is_private(model: Sampler) -> bool:
    return getattr(inner(model), "privacy_", None) is not None


def _rules(plan: Plan, model: Sampler) -> Rules:
    """The plan's rules, and those that the model has learned; combinations that it has seen are known."""
    made = Rules.of(plan.rules, model.schema)
    learned = {rule.text: rule for rule in getattr(model, "rules_", ())}
    told = {rule.text: learned.get(rule.text, rule) for rule in made}
    return Rules(tuple((told | learned).values()), made.table)


def _parity(plan: Plan, schema: Schema) -> fair.Parity | None:
    """The parity that is asked, if any; its outcome cannot be asked for in another way."""
    if plan.parity is None:
        return None
    made = fair.Parity.of(plan.parity)
    fair.check(made, schema)
    told = {*plan.given, *plan.rebalance, *(name for share in plan.targets for name in share.columns)}
    if made.target in told:
        what = "its shares follow from those of the groups, where parity is asked"
        raise SettingError(what, where=f"parity.{made.target}", fix="leave its conditions, shares and counts out")
    return made


def _rare(plan: Plan, schema: Schema) -> rare.Rare | None:
    """What is rare, if it is asked for; of columns that have an order."""
    if plan.rare is None:
        return None
    made = rare.Rare.of(plan.rare)
    for name in made.columns:
        kind = schema.column(name)[1].kind
        if kind not in ORDERED:
            raise SettingError(f"a {kind} has no order, and so no tails", where=f"rare.{name}", fix="give shares of its levels")
    return made


def _tilted(spec: rare.Rare, got: float, kept: int) -> Line:
    """The line of the account on rare rows; what is kept is kept by chance, so that the share is near what was asked."""
    sides = ", ".join(f"{name} {'at either end' if side == 'both' else side}" for name, side in spec.columns.items()) or "by the score"
    near = abs(got / max(kept, 1) - spec.share) < 0.02 + 3 / math.sqrt(max(kept, 1))
    return Line(f"rare: {sides}, beyond {100 * spec.beyond:.4g} % of rows", f"{100 * spec.share:.4g} %", _share(got, kept), bool(near))


def _repaired(told: Mapping[str, Any], kept: int) -> Line:
    """A line of the account of a repair; what `kept` rows show of a difference is known up to chance."""
    got = told["achieved"]
    if "of" in told:
        return Line(told["what"], "as few as can be", f"{got:,} of {told['of']:,}")
    asked = told.get("asked")
    achieved = f"{got:.3f}, where it was {told['before']:.3f}"
    if asked is None:
        return Line(told["what"], "as small as can be", achieved)
    return Line(told["what"], f"{asked:.3f}", achieved, bool(abs(got - asked) < 0.02 + 2 / math.sqrt(max(kept, 1))))


def _margin(share: Share, n: int) -> np.ndarray:
    """The shares of its cells."""
    if not share.rows:
        return np.array(share.amounts)
    told = sum(a for a in share.amounts if a is not None)
    if told > n:
        fix = f"draw {told:,.0f} rows or more, or ask for fewer"
        raise SettingError(f"{told:,.0f} rows are asked for, of {n:,} in all", where=f"counts.{share.columns[0]}", fix=fix)
    return np.array([(n - told if a is None else a) / n for a in share.amounts])


def _apportioned(shares: np.ndarray, n: int) -> np.ndarray:
    """int [k] that sum to `n`, in these shares, by largest remainders."""
    exact = shares / shares.sum() * n
    whole = np.floor(exact + 1e-9).astype(int)
    whole[np.argsort(whole - exact, kind="stable")[: n - whole.sum()]] += 1
    return whole


def _all(masks: Sequence[Sequence[np.ndarray]]) -> Iterator[tuple[int, ...]]:
    return product(*(range(len(m)) for m in masks))


def _in(table: pa.Table, columns: Sequence[str], cell: Sequence[Condition], schema: Schema) -> np.ndarray:
    """bool [n]: rows in a cell."""
    return np.all([c.met(table[name], schema.table[name]) for name, c in zip(columns, cell, strict=True)], axis=0)


def _memberships(table: pa.Table, share: Share, schema: Schema) -> list[np.ndarray]:
    """bool [n] for each cell; a row counts for the first cell that holds it, and the rest is what no other cell holds."""
    found, taken = [], np.zeros(table.num_rows, bool)
    for cell in share.cells:
        mine = None if cell is None else _in(table, share.columns, cell, schema) & ~taken
        taken = taken if mine is None else taken | mine
        found.append(mine)
    return [~taken if mine is None else mine for mine in found]


def _apart(one: Sequence[Condition], other: Sequence[Condition]) -> bool:
    """Whether no row is in both cells, as the values that they name tell."""
    return any(a.values is not None and b.values is not None and not {*a.values} & {*b.values} for a, b in zip(one, other, strict=True))


def _share(part: float, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.4g} %"


def completed(model: Sampler, plan: Plan, n: int | None, *, rng: np.random.Generator) -> tuple[pa.Table, Account]:
    """The rows that `plan.fix` gives in part, with all that is missing or left out drawn given the rest of each row; and the account.

    Cells may be drawn missing, as often as in the data. A row that breaks a rule is drawn anew.

    Raises:
        CannotError: the model cannot draw given any columns; or rows cannot be completed so that they obey the rules.
        UnknownName: a column is not one of the model's.
        DataError: there are no rows, or a cell is not of its column's kind.
        SettingError: `n` is not how many rows there are.
    """
    check(plan, model.schema, private=_is_private(model))
    drawing, rules = inner(model), _rules(plan, model)
    if not hasattr(drawing, "complete"):
        what = "the model cannot draw the rest of a row that is given in part"
        raise CannotError(what, where="fix", fix="fit the model forest, autoregressive or diffusion")
    if plan.given or plan.parity or plan.rare is not None:
        raise SettingError("rows that are given in part are as they are given", where="fix", fix="leave out given, parity and rare")
    table = given_in_part(plan.fix, model.schema)
    if n not in (None, table.num_rows):
        raise SettingError(f"{table.num_rows:,} rows are given, not {n:,}", where="fix", fix="ask for as many; all of them are drawn")
    with sound(model):
        made = drawing.complete(table, list(table.column_names), rng=rng)
    tried = table.num_rows
    left = np.flatnonzero(~rules.check(made)) if rules else np.zeros(0, int)
    for _ in range(REDRAWN):
        if not len(left):
            break
        with sound(model):
            again = drawing.complete(table.take(pa.array(left)), list(table.column_names), rng=rng, start=tried)  # no key twice
        tried += len(left)
        place = np.arange(table.num_rows)
        place[left] = table.num_rows + np.arange(len(left))
        made = pa.concat_tables([made, again]).unify_dictionaries().combine_chunks().take(pa.array(place))
        left = np.flatnonzero(~rules.check(made))
    if len(left):
        broken = min(rules.holds(made.take(pa.array(left))).items(), key=lambda told: told[1].sum())[0]
        what = f"{len(left):,} of {table.num_rows:,} rows cannot be completed so that they obey: {broken}"
        raise CannotError(what, where=f"fix, row {left[0] + 1}", fix="correct what is given there, or leave the rule out")
    drawn = sum(table[c].null_count - made[c].null_count for c in table.column_names)
    lines = [Line("cells", f"{sum(table[c].null_count for c in table.column_names):,} not given", f"{drawn:,} drawn, the others missing")]
    lines += [Line("rule", text, f"{int((~holds).sum()):,} violations") for text, holds in rules.holds(made).items()] if rules else []
    return made, Account(tuple(lines), tried, table.num_rows, table.num_rows)


def given_in_part(rows: Any, schema: Schema) -> pa.Table:
    """The canonical table of rows given in part; columns that are left out are missing throughout.

    Raises:
        UnknownName: a column that the schema does not have.
        DataError: a cell is not of its column's kind.
    """
    from lookalike.data import formats

    names = columns_of(rows)
    for name in names:
        schema.table[name]
    there = tuple(c.model_copy(update={"nullable": True, "unique": False}) for c in schema.table if c.name in names)
    part = schema.table.model_copy(update={"columns": there, "key": (), "links": (), "order": None, "dialect": None})
    table = Dataset.of(rows, schema=schema.model_copy(update={"tables": (part,), "subject": None})).table()
    columns = [table[c.name] if c.name in names else pa.nulls(table.num_rows, formats.canonical(c)) for c in schema.table]
    return pa.table(columns, names=list(schema.table.names))
