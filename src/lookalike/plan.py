"""What is to be drawn: conditions, shares, counts, rules, rows given in part, parity, rare cases. Frozen; JSON or YAML in and out.

A plan says nothing of how: `steer` makes any model obey it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookalike import _json
from lookalike.condition import LABELLED, Condition
from lookalike.errors import FileError, SettingError, UnknownName

if TYPE_CHECKING:
    import os

    from lookalike.rules import Rule
    from lookalike.schema import Schema

__all__ = ["REST", "Plan", "Share"]

REST = "*"
"""All that the other entries of a share or count do not speak of."""
MOST = 1e18
"""A number of rows that nobody asks for."""
DEEPEST = 50
"""Brackets within brackets of a plan in YAML at most."""
FIXED = 1e-6
"""By how much shares may miss one in all."""


@dataclass(frozen=True)
class Share:
    """How often each of some cells is to be drawn. columns: whose; cells: conditions, one a column, and None for the rest; amounts: shares
    that sum to 1, or numbers of rows (`rows`), None for as many as are left."""

    columns: tuple[str, ...]
    cells: tuple[tuple[Condition, ...] | None, ...]
    amounts: tuple[float | None, ...]
    rows: bool = False

    @property
    def rest(self) -> bool:
        """Whether one of its cells is all that the others do not speak of."""
        return None in self.cells

    def text(self, cell: int) -> str:
        """A cell in words."""
        found = self.cells[cell]
        if found is None:
            return f"{' and '.join(self.columns)}: any other"
        return " and ".join(f"{c} = {k.text()}" for c, k in zip(self.columns, found, strict=True))


@dataclass(frozen=True)
class Plan:
    """What is to be drawn; a plan that says nothing draws as the model would.

    Attributes:
        given: {column: condition}, which every row meets: a value, a list of values, {"low": …, "high": …}, None for missing, {"missing":
            false} for known, {"none_of": […]}.
        shares: {column: {level: share}}, or a list of {"columns": […], "of": [[[condition, …], share], …]} for several columns at once and
            for ranges. Shares of a column sum to 1; the entry "*" is all the rest.
        counts: {column: {level: rows}}: exactly so many; all other rows have other levels.
        rebalance: a column whose levels are to be equally frequent; or {column: share}, that of its rarest level.
        rules: texts such as "start <= end" (docs/rules.md), or `lookalike.rules.Rule` objects, which every row obeys.
        fix: rows given in part, a frame or a file: what is missing in them is drawn, and so are columns that are left out.
        parity: {"target": …, "group": …, …}, a target that is to be drawn free of a group (`lookalike.fair.Parity`).
        rare: {column: "high", "low" or "both"}, tails that are to be drawn more often; or {"columns": …, "share": …, "beyond": …}; or a
            function of a frame that gives each row a number, the greater the rarer (`lookalike.rare.Rare`).
        found: names of the entries above that were read from private data; with a private model they are refused.

    Raises:
        SettingError: an entry is not one, shares do not sum to 1, or entries contradict each other.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    shares: Any = ()
    counts: Mapping[str, Any] = field(default_factory=dict)
    rebalance: Any = ()
    rules: Sequence[str | Rule] = ()
    fix: Any = None
    parity: Mapping[str, Any] | None = None
    rare: Any = None
    found: Sequence[str] = ()

    def __post_init__(self) -> None:
        put = object.__setattr__
        if not isinstance(self.given, Mapping):
            raise SettingError("is a table of columns and conditions", where="given", fix='{"sex": "Female"}')
        put(self, "given", {_name(c, "given"): Condition.of(v, where=f"given.{c}") for c, v in self.given.items()})
        put(self, "shares", tuple(_shares(self.shares)))
        put(self, "counts", tuple(_counts(self.counts)))
        put(self, "rebalance", _rebalance(self.rebalance))
        if isinstance(self.rules, str):
            raise SettingError("rules are a list of texts, not one text", where="rules", fix=f"[{self.rules!r}]")
        put(self, "rules", _list(self.rules, "rules", '["start <= end"]'))
        put(self, "found", _list(self.found, "found", '["rules"]'))
        known = [f.name for f in fields(self) if f.name != "found"]
        for name in self.found:
            if name not in known:
                raise UnknownName(name, known, what="entry of a plan", where="found")
        self._agree()

    @property
    def empty(self) -> bool:
        """Whether nothing is asked."""
        return not (self.given or self.targets or self.rebalance or self.rules or self.parity) and self.rare is None and self.fix is None

    @property
    def targets(self) -> tuple[Share, ...]:
        """Shares and counts."""
        return (*self.shares, *self.counts)

    def check(self, schema: Schema) -> None:
        """Refuse what cannot be asked of the only table of `schema`, before any work.

        Raises:
            UnknownName: there is no such column; names the near matches.
            SettingError: a condition does not fit its column, or rules contradict each other.
        """
        from lookalike.rules import Rules

        for name, condition in self.given.items():
            condition.check(schema.column(name)[1], where=f"given.{name}")
        for share in self.targets:
            entry = "counts" if share.rows else "shares"
            for cell in share.cells:
                for name, condition in zip(share.columns, cell or (), strict=bool(cell)):
                    condition.check(schema.column(name)[1], where=f"{entry}.{name}")
        for name in self.rebalance:
            kind = schema.column(name)[1].kind
            if kind not in LABELLED:
                what = f"a {kind} has no levels to be balanced"
                raise SettingError(what, where=f"rebalance.{name}", fix="give shares of ranges, or take a category")
        Rules.of(self.rules, schema)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values.

        Raises:
            SettingError: rows given in part, or a rule, are only there in memory.
        """
        if self.fix is not None and not isinstance(self.fix, str | Path):
            raise SettingError("a frame cannot be written into a plan", where="fix", fix="write it to a file, and name that")
        for rule in self.rules:
            if not isinstance(rule, str):
                what = "a rule that is a Python function cannot be written into a plan"
                raise SettingError(what, where=f"rules.{rule.text}", fix="give it when rows are drawn")
        if self.rare is not None and not isinstance(self.rare, Mapping | str):
            raise SettingError("a Python function cannot be written into a plan", where="rare", fix="give it when rows are drawn")
        made: dict[str, Any] = {
            "given": {c: _short(k) for c, k in self.given.items()},
            "shares": [_listed(s) for s in self.shares],
            "counts": {s.columns[0]: _flat(s) for s in self.counts},
            "rebalance": dict(self.rebalance),
            "rules": list(self.rules),
            "fix": None if self.fix is None else str(self.fix),
            "parity": None if self.parity is None else dict(self.parity),
            "rare": dict(self.rare) if isinstance(self.rare, Mapping) else self.rare,
            "found": list(self.found),
        }
        return {k: v for k, v in made.items() if v}

    @classmethod
    def from_json(cls, raw: Any, *, where: str = "plan") -> Plan:
        """The inverse of `to_json`.

        Raises:
            SettingError: it is no plan.
            UnknownName: an entry is misspelt; names the near match.
        """
        if not isinstance(raw, Mapping):
            raise SettingError("a plan is a table of entries", where=where, fix='{"given": {"sex": "Female"}}')
        known = [f.name for f in fields(cls)]
        for name in raw:
            if name not in known:
                raise UnknownName(str(name), known, what="entry of a plan", where=where)
        return cls(**raw)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Plan:
        """The plan in a JSON or YAML file; a file that it names for `fix` is looked for beside it.

        Raises:
            FileError: the file cannot be read.
            SettingError: it is no plan.
        """
        place = Path(path)
        try:
            text = place.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise FileError.of(error, where=str(path), doing="read the plan") from None
        except UnicodeDecodeError:
            raise SettingError("not a text file", where=str(path), fix="a plan is JSON or YAML") from None
        made = cls.from_json(_parsed(text, place), where=str(path))
        if isinstance(made.fix, str) and not Path(made.fix).is_absolute() and (place.parent / made.fix).exists():
            object.__setattr__(made, "fix", str(place.parent / made.fix))
        return made

    def _agree(self) -> None:
        """Refuse entries that contradict each other."""
        for share in self.targets:
            for name in share.columns:
                if name in self.given:
                    fix = "leave one of them out"
                    raise SettingError(f"both given and among the {'counts' if share.rows else 'shares'}", where=name, fix=fix)
        told = [*(s.columns for s in self.targets), *((name,) for name in self.rebalance)]
        for name in self.rebalance:
            if name in self.given:
                raise SettingError("both given and to be balanced", where=name, fix="leave one of them out")
        for a, b in combinations(told, 2):
            for name in set(a) & set(b):
                raise SettingError("its shares are told twice", where=name, fix="tell them once; several columns at once as a joint share")
        if self.parity is not None and not isinstance(self.parity, Mapping):
            raise SettingError("is a table of settings", where="parity", fix='{"target": "income", "group": "sex"}')
        if self.fix is not None and (self.targets or self.rebalance):
            raise SettingError("rows given in part have the shares that they have", where="fix", fix="leave out the shares and counts")


def _list(raw: Any, where: str, example: str) -> tuple[Any, ...]:
    """The entries of a list of texts, or of rules as objects."""
    if isinstance(raw, str | Mapping) or not isinstance(raw, Iterable):
        raise SettingError("is not a list of texts", where=where, fix=example)
    found = tuple(raw)
    if any(one is None or isinstance(one, int | float | list | Mapping) for one in found):
        raise SettingError("is not a list of texts", where=where, fix=example)
    return found


def _name(raw: Any, where: str) -> str:
    """The name of a column; YAML may take one for something else."""
    if isinstance(raw, str) or type(raw) is int:
        return str(raw)
    raise SettingError(f"{raw!r} is no name of a column", where=where, fix="write names such as yes, no and null in quotes")


def _parsed(text: str, place: Path) -> Any:
    """The values of a JSON or YAML text."""
    if place.suffix.lower() in (".yaml", ".yml"):
        import yaml

        try:
            _refuse_endless(text, place)
            found = yaml.safe_load(text)
            _json.writable(found)
            return found
        except RecursionError:
            raise SettingError("not YAML: nested too deeply", where=str(place), fix="mend the file") from None
        except (yaml.YAMLError, ValueError, TypeError) as error:  # a date that is none is a ValueError, a key that is a list a TypeError
            if isinstance(error, SettingError):
                raise
            raise SettingError(f"not YAML: {' '.join(str(error).split())}", where=str(place), fix="mend the file") from None
    try:
        return _json.read(text)
    except json.JSONDecodeError as error:
        what = f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise SettingError(what, where=str(place), fix="mend the file") from None


def _refuse_endless(text: str, place: Path) -> None:
    """Complain of YAML that a few lines make endless: references back to other entries, brackets within brackets."""
    import yaml

    opening, closing = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken), (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)
    depth = 0
    for token in yaml.scan(text):
        if isinstance(token, yaml.AliasToken):
            raise SettingError("refers back to another entry (*name)", where=str(place), fix="write the entry out")
        depth += isinstance(token, opening) - isinstance(token, closing)
        if depth > DEEPEST:
            raise SettingError("not YAML: nested too deeply", where=str(place), fix="mend the file")


def _shares(raw: Any) -> list[Share]:
    """Shares in their short or their long form."""
    if isinstance(raw, Mapping):
        raw = [{"columns": [_name(name, "shares")], "of": of} for name, of in raw.items()]
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise SettingError("is a table of columns and shares", where="shares", fix='{"sex": {"Male": 0.5, "Female": 0.5}}')
    made = []
    for k, one in enumerate(raw):
        if isinstance(one, Share):
            made.append(one)
            continue
        where = f"shares[{k}]"
        if (
            not isinstance(one, Mapping)
            or set(one) != {"columns", "of"}
            or not isinstance(one["columns"], list | tuple)
            or not one["columns"]
        ):
            raise SettingError("not a share", where=where, fix='{"columns": ["sex"], "of": [[["Male"], 0.5], [["Female"], 0.5]]}')
        columns = tuple(_name(c, where) for c in one["columns"])
        where = f"shares.{'+'.join(columns)}"
        cells, amounts = _cells(one["of"], columns, where)
        told = sum(a for a in amounts if a is not None)
        if abs(told - 1) > FIXED:
            fix = f"add {1 - told:.6g}" + (' for "*", all the rest' if None not in cells else "") if told < 1 else "make them smaller"
            raise SettingError(f"the shares sum to {told:.6g}, not 1", where=where, fix=fix)
        made.append(Share(columns, cells, tuple(a / told for a in amounts)))
    return made


def _counts(raw: Any) -> list[Share]:
    """Numbers of rows."""
    if isinstance(raw, Sequence) and all(isinstance(one, Share) for one in raw):
        return list(raw)
    if not isinstance(raw, Mapping):
        raise SettingError("is a table of columns and numbers of rows", where="counts", fix='{"income": {">50K": 500}}')
    made = []
    for key, of in raw.items():
        name = _name(key, "counts")
        cells, amounts = _cells(of, (name,), f"counts.{name}")
        for amount in amounts:
            if amount != int(amount):
                raise SettingError(f"{amount:g} is not a number of rows", where=f"counts.{name}", fix="give a whole number")
        if None not in cells:
            cells, amounts = (*cells, None), (*amounts, None)
        made.append(Share((name,), cells, amounts, rows=True))
    return made


def _rebalance(raw: Any) -> dict[str, float | None]:
    """{column: share of its rarest level, None for all alike}."""
    if isinstance(raw, str):
        return {raw: None}
    if not isinstance(raw, Mapping):
        raw = dict.fromkeys(_list(raw, "rebalance", '["income"]'))
    made: dict[str, float | None] = {}
    for name, share in raw.items():
        fine = share is None or (isinstance(share, int | float) and not isinstance(share, bool) and 0 < share < 1)
        if not fine:
            what = f"{share!r} is not a share of its rarest level"
            raise SettingError(what, where=f"rebalance.{name}", fix="give a number between 0 and 1, or none for all alike")
        made[_name(name, "rebalance")] = share
    return made


def _cells(raw: Any, columns: tuple[str, ...], where: str) -> tuple[tuple[tuple[Condition, ...] | None, ...], tuple[float, ...]]:
    """Cells and what is said of each."""
    if isinstance(raw, Mapping):
        if len(columns) != 1:
            fix = '[[["Male", ">50K"], 0.25], …]'
            raise SettingError("of several columns each combination is a list", where=where, fix=fix)
        raw = [[k if k == REST else [k], v] for k, v in raw.items()]
    if not isinstance(raw, Sequence) or isinstance(raw, str) or not raw:
        raise SettingError("not a list of cells and what is said of each", where=where, fix='[[["Male"], 0.5], [["Female"], 0.5]]')
    cells: list[tuple[Condition, ...] | None] = []
    amounts: list[float] = []
    for entry in raw:
        if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) != 2:
            raise SettingError(f"{entry!r} is not a cell and what is said of it", where=where, fix='[["Male"], 0.5]')
        cell, amount = entry
        cells.append(None if cell in (REST, [REST]) else _cell(cell, columns, where))
        amounts.append(_amount(amount, where))
    if cells.count(None) > 1:
        raise SettingError('"*", the rest, is there twice', where=where, fix="leave one out")
    if len(set(cells)) < len(cells):
        raise SettingError("a cell is there twice", where=where, fix="leave one out")
    return tuple(cells), tuple(amounts)


def _cell(raw: Any, columns: tuple[str, ...], where: str) -> tuple[Condition, ...]:
    """The conditions of a cell, one a column."""
    one = len(columns) == 1 and (not isinstance(raw, Sequence) or isinstance(raw, str))
    found = [raw] if one else list(raw) if isinstance(raw, Sequence) and not isinstance(raw, str) else []
    if len(found) != len(columns):
        raise SettingError(f"{raw!r} does not say something of each of {', '.join(columns)}", where=where, fix="one condition a column")
    return tuple(Condition.of(v, where=where) for v in found)


def _amount(raw: Any, where: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw < MOST:
        raise SettingError(f"{raw!r} is not a share or number of rows", where=where, fix="give a number, 0 or more")
    return float(raw)


def _short(condition: Condition) -> Any:
    """The condition as JSON values."""
    if condition.missing is not None:
        return None if condition.missing else {"missing": False}
    plain = condition.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return plain["values"] if set(plain) == {"values"} and len(plain["values"]) > 1 else plain["values"][0] if "values" in plain else plain


def _listed(share: Share) -> dict[str, Any]:
    of = [[REST if c is None else [_short(k) for k in c], a] for c, a in zip(share.cells, share.amounts, strict=True)]
    return {"columns": list(share.columns), "of": of}


def _flat(share: Share) -> list[Any]:
    pairs = zip(share.cells, share.amounts, strict=True)
    return [[REST if c is None else [_short(k) for k in c], a] for c, a in pairs if a is not None]
