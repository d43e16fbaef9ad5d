"""Rows drawn from a model, block by block, as a plan asks; the same seed gives the same rows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.data import Dataset, LinkedWriter, Writer
from lookalike.data.linked import parents_first
from lookalike.errors import CannotError, DataError, SettingError
from lookalike.protocol import OnStep, Sampler, Step, in_turn, quiet
from lookalike.store import sound

if TYPE_CHECKING:
    from lookalike.plan import Plan
    from lookalike.schema import Schema
    from lookalike.steer import Account

BLOCK, SUBJECTS = 65_536, 4_096
"""Rows, and subjects with all their rows, are drawn in blocks of this many, each with its own stream of random numbers: neither `batch` nor
threads change a row."""
ABREAST, MANY = 4, 4
"""Blocks drawn side by side at most; and how many there must be for each thread, as one thread may be left with the last."""
FIT, DRAW, SPLIT, AGAIN, READY, APART = 0, 1, 2, 3, 4, 5
"""Uses of a seed; each has random numbers of its own."""
TURNS, FEW = 100, 1_000
"""Draws of rows whose key is taken, and rows of such a draw at least."""


@dataclass(frozen=True)
class Steered:
    """Rows as a plan asked, and the account of what was achieved."""

    rows: Any
    account: Account


class Drawn:
    """`n` rows as canonical tables of `BLOCK` rows, as a plan asks; what is wrong is refused at once, not when rows are drawn."""

    def __init__(self, model: Sampler, plan: Plan, n: int, seed: int) -> None:
        whole_number(n, "rows", least=1)
        whole_number(seed, "seed", least=0)
        if not hasattr(model, "schema"):
            raise SettingError(f"{type(model).__name__} is not fitted", fix="model = lookalike.fit(data)")
        from lookalike.steer import Steering

        about_rows(plan, model.schema, unit(model))
        self.model, self.n, self.seed, self.repeats = in_turn(model), n, seed, 0
        self.steering = None if plan.empty else Steering(self.model, plan, n, rng=randomness(seed, READY))

    @property
    def block(self) -> int:
        """Units drawn at a time: linked tables and a single series are one piece."""
        schema = self.model.schema
        if unit(self.model) == "subject":
            return self.n if schema.linked else SUBJECTS
        ordered = schema.table.order is not None and getattr(self.model, "can", None) is not None and self.model.can.sequences
        return self.n if ordered else BLOCK

    def together(self, on_step: OnStep = quiet) -> Dataset:
        """All of it as one dataset."""
        if not self.model.schema.linked:
            return together(self.model, list(counted(self, self.n, on_step)))
        found: dict[str, list[pa.Table]] = {t.name: [] for t in self.model.schema.tables}
        for name, rows in self.pieces(on_step):
            found[name].append(rows)
        tables = {name: rows[0] if len(rows) == 1 else pa.concat_tables(rows).unify_dictionaries() for name, rows in found.items()}
        return Dataset.from_arrow(tables, self.model.schema, like=self._like)

    def pieces(self, on_step: OnStep = quiet) -> Iterator[tuple[str, pa.Table]]:
        """Rows of linked tables, `(table, rows)`, after those that they link to; part by part if the model can draw so."""
        on_step(Step(0, self.n, "drawing"))
        parts = self._parts()
        while True:
            with sound(self.model):
                part = next(parts, None)
            if part is None:
                return
            yield from part[1].items()
            on_step(Step(part[0], self.n, "drawing"))

    def _parts(self) -> Iterator[tuple[int, dict[str, pa.Table]]]:
        """How many subjects are drawn, and {table: rows}."""
        rng = randomness(self.seed, DRAW, 0)
        if hasattr(self.model, "pieces"):
            yield from self.model.pieces(self.n, rng=rng)
        else:
            made = self.model.sample(self.n, rng=rng, start=0)
            yield self.n, {name: made.table(name) for name in parents_first(self.model.schema)}

    def write(self, out: Any, on_step: OnStep = quiet) -> None:
        """Write all of it, a part at a time.

        Raises:
            FileError: `out` cannot be written.
        """
        schema = self.model.schema
        if schema.linked:
            with LinkedWriter(out, schema, **({} if self._like is None else {"suffix": self._like.suffix})) as many:
                for name, rows in self.pieces(on_step):
                    for batch in rows.to_batches(max_chunksize=BLOCK):
                        many.append(name, batch)
            return
        with Writer(out, schema) as writer:
            for block in counted(ahead(self) if self.n > self.block and not self._many else self, self.n, on_step):
                for batch in block.to_batches():
                    writer.append(batch)

    @property
    def _like(self) -> Dataset | None:
        return getattr(self.model, "like_", None)

    @property
    def _many(self) -> bool:
        """Whether blocks are drawn side by side: the model can, nothing is asked of rows, and there are enough blocks for each thread."""
        free = self.steering is None and hasattr(self.model, "alone") and self._keys() is None
        return free and workers() > 1 and self.n >= MANY * workers() * self.block

    def __iter__(self) -> Iterator[pa.Table]:
        if self._many:
            yield from abreast(self._block, range(0, self.n, self.block))
            return
        keys = self._keys()
        for b, start in enumerate(range(0, self.n, self.block)):
            rows, rng = min(self.block, self.n - start), randomness(self.seed, DRAW, b)
            if self.steering is not None:
                made = self.steering.draw(rows, first=start, rng=rng)
                self.repeats += 0 if keys is None else int((~keys.fresh(made)).sum())
                yield made
                continue
            with sound(self.model):
                made = self.model.sample(rows, rng=rng, start=start).table()
                made = made if keys is None else self._apart(made, keys, b)
            yield made

    def _block(self, start: int) -> pa.Table:
        """The block that begins with row `start`, drawn on one thread."""
        rng = randomness(self.seed, DRAW, start // self.block)
        with sound(self.model):
            return self.model.alone(min(self.block, self.n - start), rng=rng, start=start).table()

    def _keys(self) -> Keys | None:
        """What sees to keys of several columns of a single table whose rows stand alone; a column of kind key has no repeats itself."""
        self.repeats = 0
        schema = self.model.schema
        if schema.linked or unit(self.model) != "row" or schema.table.order is not None or len(schema.table.key) < 2:
            return None
        own = any(schema.table[c].kind == "key" and schema.table[c].unique for c in schema.table.key)
        return None if own else Keys(schema.table.key)

    def _apart(self, made: pa.Table, keys: Keys, block: int) -> pa.Table:
        """The rows of a block, those whose key an earlier row has drawn again until it is another.

        Raises:
            DataError: there are hardly any keys left.
        """
        fresh = keys.fresh(made)
        found, lacking, table = [made.filter(pa.array(fresh))], int((~fresh).sum()), self.model.schema.table
        for turn in range(TURNS if lacking else 0):
            some = min(self.block, max(2 * lacking, FEW))
            rng, start = randomness(self.seed, APART, block, turn), block * self.block + (turn + 1) * some
            more = self.model.sample(some, rng=rng, start=start).table()
            more = more.filter(pa.array(keys.fresh(more, most=lacking)))
            found.append(more)
            lacking -= more.num_rows
            if not lacking:
                break
        if lacking:
            what = f"{lacking:,} of {made.num_rows:,} rows found no key of their own in {TURNS} draws"
            fix = "draw fewer rows, take the key out of the schema, or, if values of few rows are nobody's own, set protect=1"
            raise DataError(what, where=f"{table.name}.{'+'.join(table.key)}", fix=fix)
        if fresh.all():
            return made
        at = np.empty(len(fresh), np.int64)  # what is new stands where the row stood that it replaces
        at[np.concatenate([np.flatnonzero(fresh), np.flatnonzero(~fresh)])] = np.arange(len(fresh))
        rows = pa.concat_tables(found).unify_dictionaries().combine_chunks().take(pa.array(at))
        for column in table:  # other keys are by the number of a row, and stay
            if column.kind == "key" and column.name not in table.key:
                rows = rows.set_column(rows.column_names.index(column.name), column.name, made[column.name])
        return rows

    def account(self) -> Account:
        """What was achieved; of a plan that asks nothing, that, and what the model tells of the draw."""
        from lookalike.steer import Account

        if self.steering is not None:
            found = self.steering.account()
            if not self.repeats:
                return found
            key = "+".join(self.model.schema.table.key)
            said = f"{self.repeats:,} rows have a key ({key}) that an earlier row has: a plan draws each row by itself"
            return replace(found, notes=(*found.notes, said))
        return Account((), self.n, self.n, self.n, notes=tuple(getattr(self.model, "draw_notes_", ())))


class Keys:
    """The keys of the rows so far, of some columns together: as hashes of 64 bits, in sorted runs, each longer than the next."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self._runs: list[np.ndarray] = []

    def fresh(self, rows: pa.Table, *, most: int | None = None) -> np.ndarray:
        """bool [n]: rows whose key none before them has, `most` of them at most; they are taken note of."""
        import pandas as pd

        hashes = pd.util.hash_pandas_object(rows.select(self.columns).to_pandas(), index=False, categorize=False).to_numpy()
        found = np.zeros(len(hashes), bool)
        found[np.unique(hashes, return_index=True)[1]] = True
        for run in self._runs:
            found &= run[np.minimum(np.searchsorted(run, hashes), len(run) - 1)] != hashes
        if most is not None:
            found[np.flatnonzero(found)[most:]] = False
        new = np.sort(hashes[found])
        while self._runs and len(self._runs[-1]) <= len(new):
            new = np.sort(np.concatenate([self._runs.pop(), new]))
        self._runs += [new] if len(new) else []
        return found


def complete(model: Sampler, plan: Plan, n: int | None, *, seed: int, out: Any, on_step: OnStep) -> Steered:
    """Rows that are given in part, the rest drawn."""
    from lookalike.steer import completed

    whole_number(seed, "seed", least=0)
    made, account = completed(model, plan, n, rng=randomness(seed, DRAW, 0))
    on_step(Step(1, 1, "drawn"))
    rows = together(model, [made])
    if out is None:
        return Steered(rows.native(), account)
    rows.write(out)
    return Steered(out, account)


def about_rows(plan: Plan, schema: Schema, unit: str) -> None:
    """Refuse a plan where what is drawn are not rows that stand alone: subjects, or steps of one series."""
    if plan.empty or (unit == "row" and schema.table.order is None):
        return
    drawn = "subjects with all their rows" if unit == "subject" else "a series, of which no row can be left out"
    fix = "draw without; or fit a model of rows that stand alone, such as forest"
    raise CannotError(f"a plan is about rows, and this model draws {drawn}", where="plan", fix=fix)


def unit(model: Sampler) -> str:
    """What `model`, fitted, counts when it draws: 'row' or 'subject'."""
    can = getattr(model, "can", None)
    return getattr(model, "unit_", "row" if can is None else can.unit)


def randomness(seed: int, *use: int) -> np.random.Generator:
    """Random numbers for one use of `seed`, unlike those for any other use."""
    whole_number(seed, "seed", least=0)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=use))


def whole_number(value: Any, name: str, *, least: int) -> None:
    """Refuse what is not a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise SettingError(
            f"{name} must be a whole number, {least} or more, not {value!r}", fix=f"give a number such as {max(least, 1_000)}"
        )


def together(model: Sampler, tables: list[pa.Table]) -> Dataset:
    """One dataset of canonical tables, which gives back frames of the kind that the model was fitted on."""
    table = pa.concat_tables(tables).unify_dictionaries()
    return Dataset.from_arrow({model.schema.table.name: table}, model.schema, like=getattr(model, "like_", None))


def counted(tables: Iterable[pa.Table], n: int, on_step: OnStep) -> Iterator[pa.Table]:
    """The same tables, with progress told."""
    done = 0
    for table in tables:
        done += table.num_rows
        on_step(Step(done, n, "drawing"))
        yield table


def ahead(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same tables, each of which is made while the one before it is used."""
    source = iter(tables)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, source, None)
        while (table := waiting.result()) is not None:
            waiting = pool.submit(next, source, None)
            yield table


def abreast(draw: Callable[[int], pa.Table], starts: Sequence[int]) -> Iterator[pa.Table]:
    """The tables that `draw` makes of `starts`, in their order, several at a time; one is begun as soon as one is used."""
    with ThreadPoolExecutor(workers()) as pool:
        waiting = deque(pool.submit(draw, start) for start in starts[: workers() + 1])
        try:
            for start in starts[workers() + 1 :]:
                made = waiting.popleft().result()
                waiting.append(pool.submit(draw, start))
                yield made
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def workers() -> int:
    """Blocks that are drawn at a time: each takes its memory."""
    return min(os.cpu_count() or 1, ABREAST)


def cut(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of `rows` each."""
    waiting: list[pa.Table] = []
    held = 0
    for table in tables:
        waiting.append(table)
        held += table.num_rows
        if held >= rows:
            joined = pa.concat_tables(waiting)
            whole = held - held % rows
            yield from (joined.slice(at, rows) for at in range(0, whole, rows))
            waiting, held = [joined.slice(whole)], held - whole
    if held:
        yield pa.concat_tables(waiting)
