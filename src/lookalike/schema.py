"""One schema for everything: tables of typed columns, their keys and links. Frozen; JSON in and out; `amend` returns a new one.

A schema holds almost nothing of the data: kinds, formats and spellings, but neither category levels nor bounds unless a
person declared them. `declared` names the facts that are public; all others were read from (private) data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, model_validator

from lookalike import _json
from lookalike.errors import SchemaError, UnknownName, near_matches

Kind = Literal[
    "integer", "number", "category", "boolean", "date", "datetime", "time", "duration", "text", "key", "personal", "constant", "empty"
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
Personal = Literal[
    "name", "first_name", "last_name", "email", "user_name", "phone", "street", "city", "postcode", "company", "iban", "card",
    "national_id", "ipv4", "ipv6", "mac", "url",
]  # fmt: skip
PERSONAL: tuple[str, ...] = get_args(Personal)
ORDERING = frozenset({"integer", "number", "date", "datetime", "time", "duration", "key"})
"""Kinds of a column that can put rows in order."""
CODING = ("measure", "merge", "freeze", "encode", "decode", "locate")
"""What an encoder has: see `lookalike.protocol.Encoder`."""
VERSION = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Limits(_Frozen):
    """How numbers are marked of which only a bound is known, such as results beyond what was measured: <0.5, >100, 90+."""

    below: str = Field("", pattern=r"^((<=|=<|<|≤)[ \u00a0]?)?$", description="before an upper bound: < writes <0.5")
    above: str = Field("", pattern=r"^((>=|=>|>|≥)[ \u00a0]?|[ \u00a0]?\+)?$", description="before a lower bound, or after it: 90+")
    decimals: int = Field(0, ge=0, le=15, description="digits of a bound after the point")
    pad: int = Field(0, ge=0, le=15, description="digits of a bound after the point at least")


class NumberFormat(_Frozen):
    """How a number is written, so that it can be written the same way again."""

    decimals: int | None = Field(None, ge=0, le=40, description="digits after the point; None: as many as needed")
    pad: int = Field(0, ge=0, le=40, description="digits after the point at least: 1 writes 3.0, 2 writes 2.50")
    thousands: str = Field("", max_length=1, description="thousands separator")
    point: str = Field(".", min_length=1, max_length=1, description="decimal point")
    prefix: str = Field("", max_length=8, description="written before the number: $")
    suffix: str = Field("", max_length=8, description="written after the number: %, €")
    exponent: str = Field(
        "", pattern=r"^(auto|[eE]\+?0{1,3})?$", description="scientific notation: e+00 (1.5e+03), E0 (1.5E3); auto: below 0.0001 only"
    )
    negative: Literal["-$1", "$-1", "$1-", "($1)"] = Field("-$1", description="how minus one is written, $ being the prefix")
    plus: bool = Field(False, description="numbers above zero carry a plus sign")
    zero: bool = Field(True, description="a zero is written before the point: 0.5, not .5")
    width: int | None = Field(None, ge=1, le=100, description="zero-padded to this many digits")
    limits: Limits | None = Field(None, description="how bounds of numbers that are not known further are marked: <0.5")


class Column(_Frozen):
    """One column: its kind, how it is written, and what is publicly known of it."""

    name: str
    kind: Kind
    nullable: bool = Field(True, description="may be missing")
    unique: bool = Field(False, description="no value occurs twice")
    missing: tuple[str, ...] = Field((), description="spellings that mean missing; the first is written")
    number: NumberFormat | None = Field(None, description="how numbers are written (text sources)")
    personal: Personal | None = Field(None, description="what a column of kind personal holds; its values are made afresh")
    locale: str | None = Field(None, description="language and country of names and addresses: de_DE; None: as the values look")
    format: str | None = Field(
        None,
        description="date pattern (%Y-%m-%d), epoch unit (s, ms, us, ns), iso for durations as PT1H30M, or which national_id: pl_pesel",
    )
    labels: tuple[str, str] | None = Field(None, description="how false and true are written")
    zone: str | None = Field(None, description="time zone of a datetime")
    storage: str = Field("string", description="Arrow type of the source, restored on the way out")
    levels: tuple[str, ...] | None = Field(None, description="all categories, if publicly known")
    low: float | str | None = Field(None, description="public lower bound")
    high: float | str | None = Field(None, description="public upper bound")
    declared: tuple[str, ...] = Field((), description="facts of this column that are public, not read from the data")
    note: str | None = Field(None, max_length=300, description="what detection was unsure of, for the reader")
    encoder: Any = Field(None, description="an encoder of your own for a text, given in Python; in a file only its name stands")

    @field_serializer("encoder", when_used="json-unless-none")
    def _named(self, encoder: Any) -> str:
        return coded_by(encoder)

    @model_validator(mode="after")
    def _consistent(self) -> Column:
        ordered = self.low is not None and self.high is not None and type(self.low) is type(self.high)
        if ordered and self.low > self.high:  # type: ignore[operator]
            raise ValueError(f"low {self.low!r} is above high {self.high!r}")
        if (self.kind == "personal") != (self.personal is not None):
            raise ValueError(f"kind {self.kind!r} with personal={self.personal!r}: kind='personal' and what it holds go together")
        if self.locale is not None:
            _check_locale(self.locale)
        if self.encoder is not None and self.kind != "text":
            raise ValueError(f"an encoder of your own codes a column of kind 'text', not {self.kind!r}: amend the kind, too")
        lost = [] if self.encoder is None or isinstance(self.encoder, str) else [n for n in CODING if not hasattr(self.encoder, n)]
        if lost:
            raise ValueError(f"the encoder has no {', '.join(lost)}: see lookalike.protocol.Encoder")
        if self.number is not None and self.number.limits is not None and (self.kind != "number" or self.number.decimals is None):
            raise ValueError("limits (<0.5) are of a column of kind 'number' with a known number of decimals")
        facts = set(type(self).model_fields) - {"name", "declared", "encoder"}
        for fact in self.declared:
            if fact not in facts:
                raise ValueError(f"declared names {fact!r}, which is not a fact of a column; facts: {', '.join(sorted(facts))}")
        if self.levels is not None and len(set(self.levels)) != len(self.levels):
            raise ValueError("levels names a category twice")
        return self


class Dialect(_Frozen):
    """How a delimited text file is written, so that it can be written the same way again."""

    delimiter: str = Field("", max_length=1, description="between two cells; empty: what the file's suffix says")
    eol: Literal["\n", "\r\n", "\r"] = Field("\n", description="line end")
    final: bool = Field(True, description="the last line has a line end, too")
    encoding: str = Field("utf-8", description="character encoding; utf-8-sig: UTF-8 with a byte order mark")
    header: bool = Field(False, description="column names are always quoted")
    quoted: tuple[str, ...] = Field((), description="columns whose cells are always quoted; other cells are where they must be")
    bare: tuple[str, ...] = Field((), description="spellings that are not quoted even in quoted columns")
    blank: tuple[str, ...] = Field((), description="columns whose header is left blank")


class Link(_Frozen):
    """A foreign key: `columns` of this table name a row of `table` by its `references`."""

    columns: tuple[str, ...]
    table: str
    references: tuple[str, ...]


class Table(_Frozen):
    """A table: its columns, primary key, links to other tables, and the column that orders it, if it is a sequence."""

    name: str = "table"
    columns: tuple[Column, ...]
    key: tuple[str, ...] = Field((), description="primary key")
    links: tuple[Link, ...] = ()
    order: str | None = Field(None, min_length=1, description="the column that orders rows within their owner: the table holds sequences")
    public: bool = Field(False, description="every row is public, such as a list of countries: given out as it is")
    dialect: Dialect | None = Field(None, description="how the source was written, if it was delimited text")

    @model_validator(mode="after")
    def _consistent(self) -> Table:
        seen: set[str] = set()
        for c in self.columns:
            if c.name in seen:
                raise ValueError(f"two columns are named {c.name!r}")
            seen.add(c.name)
        named = [*self.key, *(c for link in self.links for c in link.columns), *([self.order] if self.order else [])]
        for name in named:
            if name not in seen:
                raise ValueError(str(UnknownName(name, self.names, what="column", where=self.name)))
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)

    def __iter__(self) -> Iterator[Column]:  # type: ignore[override]
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        for c in self.columns:
            if c.name == name:
                return c
        raise UnknownName(name, self.names, what="column", where=self.name)


class Schema(_Frozen):
    """Named tables and the privacy subject: whose rows a guarantee protects."""

    version: Literal[1] = VERSION
    tables: tuple[Table, ...]
    subject: str | None = Field(None, description="whose data a row is: a column ('patient'), or 'table.column'; None: each row its own")

    @model_validator(mode="after")
    def _consistent(self) -> Schema:
        if not self.tables:
            raise ValueError("a schema needs at least one table")
        seen: set[str] = set()
        for t in self.tables:
            if t.name in seen:
                raise ValueError(f"two tables are named {t.name!r}")
            seen.add(t.name)
        if self.subject is not None:
            try:
                self.column(self.subject)
            except UnknownName as error:
                raise ValueError(f"subject: {error}") from None
        for t in self.tables:
            for link in t.links:
                self._check(t, link)
        return self

    def _check(self, table: Table, link: Link) -> None:
        """Complain about a link that leads nowhere."""
        try:
            other = self[link.table]
            for name in link.references:
                other[name]
        except UnknownName as error:
            raise ValueError(f"{table.name}.{'+'.join(link.columns)}: {error}") from None
        if len(link.columns) != len(link.references) or not link.columns:
            what = f"names {len(link.columns)} columns and {len(link.references)} that they refer to"
            raise ValueError(f"{table.name}.{'+'.join(link.columns)}: {what}")

    @property
    def linked(self) -> bool:
        """Whether there is more than one table."""
        return len(self.tables) > 1

    @property
    def subject_table(self) -> Table:
        """The table whose rows are counted where rows are asked for, and each of which is somebody's or something's.

        That of the `subject`; where none is named, of the tables that link to no other the one from which most others descend.
        """
        if self.subject is not None:
            return self.column(self.subject)[0]
        roots = [t for t in self.tables if all(link.table == t.name for link in t.links)] or list(self.tables)
        return max((t for t in roots if not t.public), key=lambda t: len(self.descendants(t.name)), default=roots[0])

    def descendants(self, table: str) -> set[str]:
        """Names of the tables that link to `table`, or to one that does."""
        found: set[str] = set()
        pending = [table]
        while pending:
            at = pending.pop()
            near = {t.name for t in self.tables if any(link.table == at for link in t.links)} - found - {table}
            found |= near
            pending += near
        return found

    @property
    def table(self) -> Table:
        """The only table.

        Raises:
            SchemaError: there are several.
        """
        if len(self.tables) != 1:
            raise SchemaError(f"the schema has {len(self.tables)} tables, where one is needed", fix="name one: schema['orders']")
        return self.tables[0]

    def __getitem__(self, table: str) -> Table:
        for t in self.tables:
            if t.name == table:
                return t
        raise UnknownName(table, [t.name for t in self.tables], what="table")

    def column(self, path: str) -> tuple[Table, Column]:
        """The table and column that `path` names: `column` where there is one table, else `table.column`.

        Raises:
            UnknownName: no such column; names the near matches.
        """
        if len(self.tables) == 1:
            table = self.tables[0]
            prefix = table.name + "."
            if path.startswith(prefix) and path not in table.names:
                path = path.removeprefix(prefix)
            return table, table[path]
        names = [t.name for t in self.tables if path.startswith(t.name + ".")]  # a table may have a dot in its name: sales.orders
        table = self[max(names, key=len) if names else path.partition(".")[0]]
        return table, table[path.removeprefix(table.name + ".")]

    def amend(self, path: str, **facts: Any) -> Schema:
        """A new schema in which the facts of column `path` are as given, and marked as declared (public).

        Raises:
            UnknownName: no such column or fact.
            SchemaError: the facts contradict each other.
        """
        table, column = self.column(path)
        known = [f for f in Column.model_fields if f not in ("name", "declared")]
        for fact in facts:
            if fact not in known:
                raise UnknownName(fact, known, what="fact", where=f"{table.name}.{column.name}")
        declared = tuple(sorted({*column.declared, *facts} - {"encoder"}))
        changed = _checked(Column, {**dict(column), **facts, "declared": declared}, where=f"{table.name}.{column.name}")
        columns = tuple(changed if c.name == column.name else c for c in table.columns)
        tables = tuple(t.model_copy(update={"columns": columns}) if t.name == table.name else t for t in self.tables)
        return self.model_copy(update={"tables": tables})

    def amend_table(self, name: str, **facts: Any) -> Schema:
        """A new schema in which the `key`, `links`, `order` or `public` of a table are as given.

        A link is a `Link`, or a mapping such as {"columns": ["CustomerId"], "table": "Customer", "references": ["CustomerId"]}. Columns of
        a key or link become keys, that they can be told from amounts and matched between tables.

        Raises:
            UnknownName: no such table, column or fact.
            SchemaError: the facts contradict each other.
        """
        table = self[name]
        known = ("key", "links", "order", "public")
        for fact in facts:
            if fact not in known:
                raise UnknownName(fact, known, what="fact", where=name)
        new = _checked(Table, {fact: getattr(table, fact) for fact in Table.model_fields} | facts, where=name)
        tables = tuple(new if t.name == name else t for t in self.tables)
        _checked(Schema, {"version": self.version, "tables": tables, "subject": self.subject}, where="schema")
        changed = {t.name: t for t in self.tables} | {name: new}
        if "key" in facts:
            for c in new.key:
                alone = len(new.key) == 1
                _mark(changed, name, c, like=None, only=alone, facts={"nullable": False} | ({"unique": True} if alone else {}))
        for link in new.links if "links" in facts else ():
            for c, other in zip(link.columns, link.references, strict=True):
                _mark(changed, link.table, other, like=None, only=len(link.columns) == 1)
                _mark(changed, name, c, like=changed[link.table][other])
        return self.model_copy(update={"tables": tuple(changed.values())})

    def to_json(self) -> str:
        """The schema as JSON text that a person can edit; facts that say nothing are left out."""
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True) | {"version": VERSION}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str = "schema") -> Schema:
        """Read a schema from JSON text.

        Raises:
            SchemaError: not JSON, or a wrong edit; says where and names the near match.
        """
        try:
            raw = _json.read(text)
        except json.JSONDecodeError as error:
            raise SchemaError(
                f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
                where=where,
                fix="mend the file, or make it anew with `lookalike schema`",
            ) from None
        if not isinstance(raw, Mapping):
            raise SchemaError("a schema is a JSON object", where=where, fix="make one with `lookalike schema`")
        return _checked(cls, raw, where=where)


def _mark(
    tables: dict[str, Table], name: str, column: str, *, like: Column | None, only: bool = True, facts: Mapping[str, Any] | None = None
) -> None:
    """Make a column a key, or what the column that it links to is. Moments, and parts of a key that are no links, stay what they are."""
    table = tables[name]
    old = table[column]
    kind = "key" if like is None else like.kind
    new: dict[str, Any] = dict(facts or {})
    moment = old.kind in ("date", "datetime", "time", "duration")
    if old.kind != kind and not moment and (only or old.kind in ("text", "personal", "empty")):
        kept = {"name", "nullable", "unique", "missing", "storage", "declared"} | ({"number"} if old.kind == "integer" else set())
        new = {fact: getattr(old, fact) for fact in kept} | {"kind": kind} | new
        if like is not None and new.get("number") is None:
            new["number"] = like.number
        new["declared"] = tuple(f for f in old.declared if f in new)
        changed = Column(**new)
    else:
        changed = old.model_copy(update=new)
    columns = tuple(changed if c.name == column else c for c in table.columns)
    tables[name] = table.model_copy(update={"columns": columns})


def coded_by(encoder: Any) -> str:
    """What an encoder is called in a file: 'module:Class'."""
    return encoder if isinstance(encoder, str) else f"{type(encoder).__module__}:{type(encoder).__qualname__}"


def _check_locale(locale: str) -> None:
    """Complain about a locale of which no names are known."""
    from faker.config import AVAILABLE_LOCALES

    if locale not in AVAILABLE_LOCALES:
        raise ValueError(str(UnknownName(locale, sorted(AVAILABLE_LOCALES), what="locale")))


def _checked(model: type[BaseModel], raw: Mapping[str, Any], *, where: str) -> Any:
    """`model` made of `raw`; pydantic's complaints become ours, with the place named as a person would name it."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = min(error.errors(include_url=False), key=lambda e: e["type"] == "missing")  # a misspelt entry tells more than a missing one
        path, at = [], raw
        for part in first["loc"]:
            at = (
                at[part]
                if isinstance(at, (list, tuple)) and isinstance(part, int) and part < len(at)
                else at.get(part)
                if isinstance(at, Mapping)
                else None
            )
            path.append(str(at["name"]) if isinstance(part, int) and isinstance(at, Mapping) and "name" in at else str(part))
        place = ".".join([where, *path])
        what, fix = first["msg"].removeprefix("Value error, "), ""
        if first["type"] == "extra_forbidden":
            near = near_matches(path[-1], _fields_at(model, first["loc"]))
            what, fix = (
                f"unknown entry {path[-1]!r}",
                f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_fields_at(model, first['loc']))}",
            )
        elif first["type"] == "literal_error":
            choices = [c.strip(" '") for c in str(first["ctx"]["expected"]).replace(" or ", ", ").split(",")]
            near = near_matches(str(first["input"]), choices)
            what, fix = (
                f"{first['input']!r} is not allowed here",
                (f"did you mean {near[0]!r}? " if near else "") + f"allowed: {', '.join(choices)}",
            )
        raise SchemaError(what, where=place, fix=fix) from None


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Field names of the model that the parent of `loc` points into."""
    nested = {"tables": Table, "columns": Column, "links": Link, "number": NumberFormat, "dialect": Dialect}
    for part in loc[:-1]:
        if model is Link and part == "columns":
            break
        model = nested.get(str(part), model)
    return list(model.model_fields)
