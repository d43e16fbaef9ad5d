"""Another model's rows, all of which obey rules: the table is recast so that what can be true by construction is.

Where `a <= b` the gap is learned instead of b; what an identity gives is computed; columns that go together become one category; a number
that goes in steps becomes a whole number. What is left is met by drawing again, with how many rows are accepted in `accepted_`, and is
refused where hardly any row meets it.
"""

from __future__ import annotations

import re
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, field_validator

from lookalike import models
from lookalike.errors import CannotError, SettingError
from lookalike.models._inner import Around
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS, Schema

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.encode import Within
    from lookalike.models import _recast
    from lookalike.protocol import Model
    from lookalike.rules import Rules, Seen

__all__ = ["Ruled"]

_SELF = __name__.rpartition(".")[2]
_SAID = re.compile(r"[<>=~≤≥≠(]|\bis\b|\bin\b")
"""What every rule has."""
PILOT = 2_000
"""Rows drawn after the fit, to see how many obey."""
LEAST = 0.002
"""Share of rows that must obey; below, the rules are refused."""
MOST_DRAWN = 65_536
"""Rows drawn at a time to fill those that were not accepted."""
HOLDING = 0.5
"""Share of the rows learned from that must obey."""


class Settings(Around):
    """What can be set."""

    rules: tuple[str, ...] = Field(
        (),
        description="rules that each row obeys: start <= end; in one text there are semicolons between them",
        examples=[["b_first >= 20"]],
    )
    inner: str = Field("forest", description="the model that learns the recast table", examples=["independent"])
    protect: int = Field(
        5, ge=1, le=1_000, description="values held by fewer subjects than this are not given out as they are; nor are combinations"
    )

    @field_validator("rules", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        """One text of rules with semicolons or lines between them is a list; what is no rule in any table is refused."""
        if isinstance(given, str):
            given = [r for r in (r.strip() for r in re.split(r"[;\n]", given)) if r]
        for rule in given if isinstance(given, list | tuple) else ():
            if not isinstance(rule, str) or not _SAID.search(rule):
                raise ValueError(f"{rule!r} is no rule: rules look like start <= end; a = b + c")
        return given


class Ruled:
    """A model of a recast table, and the way back.

    Fitted attributes: `inner_`, the model that learned; `rules_`, the rules with the combinations that they allow; `steps_`, how the table
    was recast; `accepted_`, the share of drawn rows that obey the rules which no step makes true; `left_out_`, how many of the rows learned
    from were left out because they break a rule.
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    schema: Schema
    inner_: Model
    rules_: Rules
    steps_: list[_recast.Step]
    accepted_: float
    left_out_: int
    _remembers = False

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Leave out rows that break a rule, recast the others, and let the inner model learn; then see how many drawn rows obey.

        Raises:
            SettingError: a rule is none of this table, contradicts another, or is broken by half of the rows; or a setting of the inner
                model has a bad value.
            UnknownName: a rule names no column; the inner model has no such setting.
            CannotError: the inner model does not take a kind of column; or hardly any row that it draws obeys, says which rule.
        """
        from lookalike.models import _recast, _recasting
        from lookalike.rules import Rules

        s, name = self.settings, data.schema.table.name
        rules = Rules.of(s.rules, data.schema)
        inner = self.settings.unfitted()
        self.schema = data.schema
        kept, self.left_out_ = _obeying(rules, data)
        self.rules_ = rules.learn(kept, protect=s.protect)
        table = kept.table()
        self.steps_ = _recasting.plan(self.rules_, table, data.schema, kept.subjects(), s.protect)
        recast = _recast_schema(data.schema, self.steps_)
        odd = [c for c in recast.table if c.kind not in inner.can.kinds]
        if odd:
            what = f"it does not take the kind {odd[0].kind!r} of {odd[0].name!r}"
            raise CannotError(what, where=f"{_SELF}.inner={s.inner}", fix="take inner=forest, which takes all kinds")
        learned = type(data).from_arrow({name: _recast.there(table, self.steps_)}, recast) if self.steps_ else kept
        self.inner_ = inner.fit(learned, rng=rng, on_step=part(on_step, 0, 0.95))
        self.accepted_ = 1.0
        if self.rules_:
            self.accepted_ = self._pilot(np.random.default_rng(rng.integers(1 << 62)))
        on_step(Step(1, 1, "learned"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows, all of which obey; those that do not are drawn again, but for their keys.

        Raises:
            CannotError: hardly any row obeys, says which rule; or what is `unique` would have to be unlike rows drawn before (`start`), and
                those are not known: blocks are drawn of what `in_turn` returns.
        """
        if not self.rules_:
            return self.inner_.sample(n, rng=rng, start=start)
        import pyarrow as pa

        from lookalike.data import Dataset

        seen, names = self._memory(start), self.schema.table.names
        keys = {c.name for c in self.schema.table if c.kind == "key"}  # of the row's own number, so that none comes twice
        # Persons, too, and these fit the row's other cells, as do keys that rules speak of: such rows are drawn anew in their place.
        placed = any(c.kind == "personal" for c in self.schema.table) or bool(keys & self.rules_.columns)
        first, met = self._drawn(n, rng, start, seen=seen, most=n)
        pieces, index, wanted, offset = [first], np.arange(n), np.flatnonzero(~met), n
        patience, rate = _Patience(), max(float(met.mean()) if n else 1.0, LEAST)
        while len(wanted):
            more = n if placed else min(MOST_DRAWN, int(1.1 * len(wanted) / rate) + 64)
            able = np.isin(np.arange(n), wanted) if placed else None
            table, met = self._drawn(more, rng, start, seen=seen, most=len(wanted), able=able)
            got, tried = np.flatnonzero(met), len(wanted) if placed else more
            if patience.over(tried, len(got)):
                self._refuse(table, patience.share)
            rate = max(len(got), 0.5) / tried
            index[got if placed else wanted[: len(got)]] = offset + np.arange(len(got))
            pieces.append(table.take(pa.array(got)))
            wanted, offset = np.setdiff1d(wanted, got) if placed else wanted[len(got) :], offset + len(got)
        if len(pieces) > 1:
            whole = pa.concat_tables(pieces).unify_dictionaries().take(pa.array(index)).combine_chunks()
            first = pa.table([first[name] if name in keys and not placed else whole[name] for name in names], names=list(names))
        return Dataset.from_arrow({self.schema.table.name: first}, self.schema)

    @property
    def trained_(self) -> dict[str, Any]:
        """What a reader should be told of the fit, beside what the inner model tells."""
        notes = [*(getattr(self.inner_, "trained_", {}) or {}).get("notes", ())]
        if self.left_out_:
            notes.append(f"{self.left_out_:,} rows that break a rule were not learned from")
        if self.accepted_ < 1:
            notes.append(f"{100 * self.accepted_:.3g} % of the rows drawn obey; the others are drawn again")
        return {"notes": notes}

    @property
    def codebook_(self) -> Any:
        """The codebook of the inner model, which is of the recast table; None if it has none."""
        return getattr(self.inner_, "codebook_", None)

    @property
    def plain_(self) -> frozenset[str]:
        """Columns that the inner model learned as they are."""
        return frozenset(self.schema.table.names) - {c.name for step in self.steps_ for c in step.made}

    def within(self, n: int, within: Within, *, rng: np.random.Generator, start: int = 0) -> tuple[pa.Table, float]:
        """`n` rows of the inner model with cells `within` some codes, or as many of them as obey; and the share of free draws within.

        within: of the inner model's codebook, and of columns in `plain_`.

        Raises:
            CannotError: none can be drawn.
        """
        import pyarrow as pa

        from lookalike.models import _recast

        table, chance = self.inner_.within(n, within, rng=rng, start=start)
        table, fine = _recast.back(table, self.steps_, self.schema.table.names)
        return table.filter(pa.array(self.rules_.check(table, self._memory(start), able=fine))), chance

    def state(self) -> State:
        """Rules, steps and the inner model as JSON; its arrays."""
        from lookalike.models import _recast

        inner = self.inner_.state()
        card = {
            "rules": self.rules_.to_json(),
            "steps": [_recast.to_json(step) for step in self.steps_],
            "accepted": self.accepted_,
            "left_out": self.left_out_,
            "inner": models.name_of(self.inner_),
            "settings": self.inner_.settings.model_dump(mode="json"),
            "state": inner.card,
        }
        return State(card=card, arrays=inner.arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        from lookalike.models import _recast
        from lookalike.rules import Rules

        card = state.card
        self.schema, self.rules_ = schema, Rules.from_json(card["rules"], schema)
        self.steps_ = [_recast.from_json(step) for step in card["steps"]]
        self.accepted_, self.left_out_ = card["accepted"], card["left_out"]
        inner = models.build(card["inner"], card["settings"])
        self.inner_ = inner.restore(_recast_schema(schema, self.steps_), State(card=card["state"], arrays=state.arrays))
        return self

    def in_turn(self) -> Self:
        """The same model, for rows that are drawn block after block: it remembers those before, so that what is `unique` is so in all; from
        `start=0` on it begins anew."""
        twin = copy(self)
        twin._remembers = True
        return twin

    def _memory(self, start: int) -> Seen:
        """What is remembered of the blocks before.

        Raises:
            CannotError: they are not known, and there is a rule about them.
        """
        from lookalike.rules import Seen, nodes

        if not start or not hasattr(self, "_seen"):
            unique = [r.text for r in self.rules_ if isinstance(r.condition, nodes.Unique)]
            if start and unique:
                what = f"rows after the first {start:,} must differ from those, by {unique[0]!r}, and those are not known"
                raise CannotError(what, where=f"{_SELF}.sample", fix="draw all at once, or block after block of model.in_turn()")
            if not self._remembers:
                return Seen()
            self._seen = Seen()
        return self._seen

    def _drawn(
        self, n: int, rng: np.random.Generator, start: int, *, seen: Seen | None, most: int, able: np.ndarray | None = None
    ) -> tuple[pa.Table, np.ndarray]:
        """`n` rows, and which of them are accepted: `most` at most, of those `able` if that is given."""
        from lookalike.models import _recast

        table = self.inner_.sample(n, rng=rng, start=start).table()
        table, fine = _recast.back(table, self.steps_, self.schema.table.names)
        return table, self.rules_.check(table, seen, most=most, able=fine if able is None else fine & able)

    def _pilot(self, rng: np.random.Generator) -> float:
        """The share of rows that obey.

        Raises:
            CannotError: there are hardly any.
        """
        table, met = self._drawn(PILOT, rng, 0, seen=None, most=PILOT)
        if met.mean() < LEAST:
            self._refuse(table, float(met.mean()))
        return float(met.mean())

    def _refuse(self, table: pa.Table, share: float) -> None:
        """Say which rule is met by the fewest of the rows drawn.

        Raises:
            CannotError: always.
        """
        held = {text: float(h.mean()) for text, h in self.rules_.holds(table).items()}
        text = min(held, key=lambda t: held[t])
        what = f"only {share:.2%} of the rows that {self.settings.inner} draws obey all rules; {text!r} holds in {held[text]:.2%}"
        raise CannotError(what, where=f"{_SELF}.rules", fix="leave the rule out, or loosen it; or take another inner model")


class _Patience:
    """How many rows are drawn in vain before it is said that hardly any obeys."""

    ROWS = 20_000

    def __init__(self) -> None:
        self.drawn = self.accepted = 0
        self.share = 1.0

    def over(self, drawn: int, accepted: int) -> bool:
        """Whether, of the rows since the last reckoning, too few were accepted."""
        self.drawn, self.accepted = self.drawn + drawn, self.accepted + accepted
        if self.drawn < self.ROWS:
            return False
        self.share = self.accepted / self.drawn
        self.drawn = self.accepted = 0
        return self.share < LEAST


def _obeying(rules: Rules, data: Dataset) -> tuple[Dataset, int]:
    """The rows that break no rule, and how many do. What is unique, or which combinations there are, is a matter of all rows.

    Raises:
        SettingError: half of them break one; says which.
    """
    from dataclasses import replace

    from lookalike.rules import nodes

    single = [r for r in rules if not isinstance(r.condition, nodes.Unique) and getattr(r.condition, "allowed", ()) is not None]
    if not single or not data.rows:
        return data, 0
    held = replace(rules, rules=tuple(single)).holds(data.table())
    met = np.all(list(held.values()), axis=0)
    if met.mean() < HOLDING:
        text = min(held, key=lambda t: held[t].mean())
        what = f"{1 - met.mean():.0%} of the rows learned from break a rule; {text!r} holds in {held[text].mean():.0%} of them"
        raise SettingError(what, where=f"{_SELF}.rules", fix="`lookalike rules` finds what holds; leave this rule out, or mend the data")
    return (data, 0) if met.all() else (data.take(met), int((~met).sum()))


def _recast_schema(schema: Schema, steps: list[_recast.Step]) -> Schema:
    """The schema of the table that the inner model learns."""
    from lookalike.models import _recast

    if not steps:
        return schema
    table = schema.table
    columns = _recast.columns_of(table, steps)
    there = {c.name for c in columns}
    facts = {
        "columns": columns,
        "key": table.key if set(table.key) <= there else (),
        "links": (),
        "order": table.order if table.order in there else None,
        "dialect": None,
    }
    return Schema(tables=(table.model_copy(update=facts),), subject=schema.subject)
