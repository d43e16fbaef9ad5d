"""The sides of a comparison, read from a rule's text: tokens, sums and products, values, and whether two sides can be compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import NoReturn

import numpy as np
import pandas as pd

from lookalike.errors import SettingError, UnknownName, near_matches
from lookalike.rules import nodes
from lookalike.rules.nodes import Condition, Expression
from lookalike.schema import Column, Table

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>`[^`]+`)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)
    |(?P<word>[^\W\d][\w.]*)|(?P<sign><=|>=|==|!=|[-+*/(),<>=~≤≥≠]))""",
    re.VERBOSE,
)
SIGNS = {"==": "=", "≤": "<=", "≥": ">=", "≠": "!="}
COMPARE = ("<", "<=", "=", "!=", ">=", ">")
DEEPEST = 50
"""Brackets within brackets at most: what one holds is looked for to its end."""
MOST_SIGNS = 200
"""Signs of arithmetic in a rule at most: each lies within the next."""
WORDS = frozenset({"if", "then", "and", "or", "not", "in", "is"})
_TYPES = {"integer": "number", "number": "number", "date": "date", "datetime": "datetime", "time": "time", "duration": "span"}
"""What a column of each kind is to a rule; of all others, a label."""
_TRUTH = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}


@dataclass(frozen=True)
class _Token:
    """A piece of a rule: what it is, its text, and where it begins."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Bare:
    """A text, or a word that is no column; what it means depends on what it is compared with."""

    text: str
    quoted: bool
    type: str = "bare"

    columns = frozenset[str]()


CONDITIONS = ("combination", "unique", "together_missing", "onehot", "step")
LIKE = 'rules look like: start <= end; total = price * quantity; status in ("a", "b"); if a > 0 then b is known'


class Sides:
    """A rule's text, read from left to right as far as its sides go."""

    def __init__(self, text: str, table: Table, where: str) -> None:
        self.text, self.table, self.where, self.at = text, table, where, 0
        self.known = {c.name: c for c in table}
        self.signs, self.tokens = 0, self._cut()
        if max(accumulate((t.text == "(") - (t.text == ")") for t in self.tokens if t.kind == "sign"), default=0) > DEEPEST:
            self._refuse(f"more than {DEEPEST} brackets within one another", "make several rules of it")

    # ── tokens ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _cut(self) -> list[_Token]:
        found, at, end = [], 0, len(self.text.rstrip())
        while at < end:
            piece = _TOKEN.match(self.text, at)
            if piece is None:
                self._refuse(
                    f"cannot read {self.text[at:].strip()[:12]!r}", 'columns with odd names stand in `backticks`, texts in "quotes"'
                )
            kind = str(piece.lastgroup)
            found.append(_Token(kind, piece[kind], piece.start(kind)))
            at = piece.end()
        return found

    def _refuse(self, what: str, fix: str) -> NoReturn:
        raise SettingError(what, where=self.where, fix=fix)

    def _next(self) -> _Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else _Token("end", "", len(self.text))

    def _is(self, *texts: str) -> bool:
        token = self._next()
        if token.kind == "word":  # as SQL has it, in capitals or not; a column of that name stands in backticks
            return token.text.lower() in texts
        return token.kind == "sign" and SIGNS.get(token.text, token.text) in texts

    def _take(self, *texts: str) -> bool:
        """Whether one of `texts` comes next; if so it is passed."""
        found = self._is(*texts)
        self.at += found
        return found

    def _need(self, text: str, after: str) -> None:
        if not self._take(text):
            token = self._next()
            self._refuse(f"{text!r} must follow {after}, not {token.text!r}" if token.text else f"{text!r} is lacking after {after}", LIKE)

    # ── sides ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _sum(self) -> Expression | Bare:
        made = self._product()
        while self._is("+", "-"):
            sign = self._next().text
            self.at += 1
            made = self._joined(sign, made, self._product())
        return made

    def _product(self) -> Expression | Bare:
        made = self._factor()
        while self._is("*", "/"):
            sign = self._next().text
            self.at += 1
            made = self._joined(sign, made, self._factor())
        return made

    def _factor(self) -> Expression | Bare:
        if self._take("-"):
            inner = self._factor()
            if isinstance(inner, nodes.Literal):
                return nodes.Literal(-inner.value, text=f"-{inner.text}")
            return self._joined("-", nodes.Literal(0.0, text="0"), inner)
        if self._take("+"):
            return self._factor()
        if self._take("("):
            made = self._sum()
            self._need(")", "the sum")
            return made
        token = self._next()
        if (
            token.kind == "end"
            or token.kind == "sign"
            or (token.kind == "word" and token.text.lower() in WORDS and token.text not in self.known)
        ):
            self._refuse(
                f"a column or value is lacking before {token.text!r}" if token.text else "a column or value is lacking at the end", LIKE
            )
        self.at += 1
        if token.kind == "number":
            return nodes.Literal(float(token.text), text=token.text)
        if token.kind == "text":
            return Bare(re.sub(r"\\(.)", r"\1", token.text[1:-1]), quoted=True)
        if token.kind == "word" and self._is("("):
            return self._called(token.text)
        name = token.text.strip("`")
        if name in self.known:
            return nodes.Name(name, type_of(self.known[name]))
        if token.kind == "name":
            raise UnknownName(name, self.known, what="column", where=self.where)
        return Bare(name, quoted=False)

    def _called(self, name: str) -> Expression:
        """A function of numbers."""
        known = (*nodes.UNITS, "abs", "floor", "min", "max")
        if name not in known:
            raise UnknownName(name, (*known, *CONDITIONS), what="function", where=self.where)
        self._take("(")
        given = [self._sum()]
        while self._take(","):
            given.append(self._sum())
        self._need(")", f"what {name} is of")
        sides = [self._numeric(g) for g in given]
        if name in ("min", "max"):
            if len(sides) < 2:
                self._refuse(f"{name}(…) takes at least two", f"{name}(a, b)")
            made = sides[0]
            for side in sides[1:]:
                first, second = self._alike(made, side, name)
                made = nodes.Binary(name, first, second, first.type)
            return made
        if len(sides) != 1:
            self._refuse(f"{name}(…) takes one", f"{name}(a)")
        inner = sides[0]
        if name in nodes.UNITS:
            if inner.type == "days":
                inner = nodes.Applied("span", inner, "span")
            if inner.type != "span":
                self._refuse(f"{name}(…) is of a duration or a difference of moments, not of a {inner.type}", f"{name}(end - start)")
            return nodes.Applied(name, inner, "number")
        if inner.type not in ("number", "span", "days"):
            self._refuse(f"{name}(…) is of a number, not of a {inner.type}", LIKE)
        return nodes.Applied(name, inner, inner.type)

    def _numeric(self, side: Expression | Bare) -> Expression:
        """A side that arithmetic can be done with; false and true count as 0 and 1."""
        if isinstance(side, Bare):
            if side.quoted:
                self._refuse(f"nothing can be calculated with the text {side.text!r}", "write numbers and columns without quotes")
            raise UnknownName(side.text, self.known, what="column", where=self.where)
        if side.type == "label":
            assert isinstance(side, nodes.Name)
            if self.known[side.column].kind != "boolean":
                kind = self.known[side.column].kind
                self._refuse(
                    f"{side.column} is a {kind}, and nothing can be calculated with it", "change its kind in the schema if it is a number"
                )
            return nodes.Name(side.column, "number")
        return side

    def _joined(self, sign: str, left: Expression | Bare, right: Expression | Bare) -> Expression:
        """Two sides with a sign of arithmetic between them. A difference of dates counts days."""
        a, b = self._numeric(left), self._numeric(right)
        kinds, self.signs = (a.type, b.type), self.signs + 1
        if self.signs > MOST_SIGNS:
            self._refuse(f"more than {MOST_SIGNS} signs of arithmetic in one rule", "make several rules of it")
        if sign in "*/":
            if kinds == ("number", "number"):
                return nodes.Binary(sign, a, b, "number")
            if sorted(kinds) in (["days", "number"], ["number", "span"]) and (sign == "*" or b.type == "number"):
                return nodes.Binary(sign, a, b, a.type if b.type == "number" else b.type)
        elif kinds == ("number", "number") or (a.type == b.type and a.type in ("span", "days")):
            return nodes.Binary(sign, a, b, a.type)
        elif sorted(kinds) == ["days", "number"]:
            return nodes.Binary(sign, a, b, "days")
        elif sorted(kinds) == ["days", "span"]:
            return nodes.Binary(sign, self._span(a), self._span(b), "span")
        elif a.type in ("date", "datetime", "time"):
            if sign == "-" and (a.type == b.type or {*kinds} == {"date", "datetime"}):
                if kinds == ("date", "date"):
                    return nodes.Applied("days", nodes.Binary("-", a, b, "span"), "days")
                return nodes.Binary("-", a, b, "span")
            if b.type == "span" or (a.type == "date" and b.type in ("number", "days")):
                return nodes.Binary(sign, a, b if b.type == "span" else nodes.Applied("span", b, "span"), a.type)
        elif sign == "+" and b.type in ("date", "datetime", "time"):
            return self._joined(sign, b, a)
        verb = {"+": "added to", "-": "taken from", "*": "multiplied by", "/": "divided by"}[sign]
        first, second = (b, a) if sign in "+-" else (a, b)
        shown = f"a {first.type} cannot be {verb} a {second.type}"
        self._refuse(shown, "a difference of moments as a number: days(end - start), hours(…), minutes(…), seconds(…)")

    def _span(self, side: Expression) -> Expression:
        return nodes.Applied("span", side, "span") if side.type == "days" else side

    # ── comparisons ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _compared(self, sign: str, left: Expression | Bare, right: Expression | Bare) -> Condition:
        """Two sides with `sign` between them, if they can be compared."""
        if isinstance(left, Bare) and isinstance(right, Bare):
            self._need_column(left, right)
        label = next((s for s in (left, right) if isinstance(s, nodes.Name) and s.type == "label"), None)
        other = right if label is left else left
        numeric = label is not None and self.known[label.column].kind == "boolean" and getattr(other, "type", "") == "number"
        if label is not None and not (numeric and not isinstance(other, nodes.Literal)):
            return self._labelled(sign, label, other)
        a, b = (s if isinstance(s, Bare) else self._numeric(s) for s in (left, right))
        if isinstance(a, Bare):
            assert not isinstance(b, Bare)
            a = self._valued(a, b.type)
        if isinstance(b, Bare):
            b = self._valued(b, a.type)
        a, b = self._alike(a, b, sign)
        plain = all(isinstance(s, nodes.Name | nodes.Literal) for s in (a, b))
        return nodes.Compare(sign, a, b, self._unit(a, b), loose=not plain and a.type in ("number", "days", "span"))

    def _need_column(self, left: Bare, right: Bare) -> NoReturn:
        for side in (left, right):
            if not side.quoted:
                raise UnknownName(side.text, self.known, what="column", where=self.where)
        self._refuse("two texts are compared, and no column", "write columns without quotes")

    def _labelled(self, sign: str, label: nodes.Name, other: Expression | Bare) -> Condition:
        """Labels are the same or not; they have no order."""
        column = self.known[label.column]
        if isinstance(other, nodes.Name) and other.type != "label":
            kinds = column.kind, self.known[other.column].kind
            self._refuse(
                f"a {kinds[0]} and a {kinds[1]} cannot be compared", "compare columns of like kinds; change the kind in the schema"
            )
        if sign not in ("=", "!="):
            self._refuse(f"{column.name} is a {column.kind}, whose values have no order", f"{column.name} in (…) names those that may be")
        made: Condition
        if isinstance(other, nodes.Name):
            made = nodes.Same(label.column, other.column)
        else:
            made = nodes.OneOf(column.name, (self._level(other, column),))
        return made if sign == "=" else nodes.Not(made)

    def _level(self, given: Expression | Bare, column: Column) -> str:
        """The text of a level of `column`."""
        if not isinstance(given, Bare | nodes.Literal):
            self._refuse(f"{column.name} is a {column.kind}, and cannot be compared with a calculation", f'{column.name} = "a level"')
        text = given.text
        if isinstance(given, Bare) and not given.quoted:
            near = near_matches(text, [n for n in self.known if n != column.name])
            if near and text not in (column.levels or ()) and column.kind != "boolean":
                raise UnknownName(text, self.known, what="column (a level that is meant stands in quotes)", where=self.where)
        if column.kind == "boolean":
            labels = dict(zip((s.lower() for s in column.labels or ()), ("false", "true"), strict=False))
            found = (labels | {k: v for k, v in _TRUTH.items() if k not in labels}).get(text.lower())
            if found is None:
                known = column.labels or ("false", "true")
                raise UnknownName(text, known, what=f"level of {column.name}", where=self.where)
            return found
        if column.levels is not None and text not in column.levels:
            raise UnknownName(text, column.levels, what=f"declared level of {column.name}", where=self.where)
        return text

    def _valued(self, given: Expression | Bare, kind: str) -> nodes.Literal:
        """A value that can be compared with a column of type `kind`."""
        if isinstance(given, nodes.Literal) and kind in ("number", "days"):
            return given
        if not isinstance(given, Bare):
            self._refuse(f"a value is meant here that is a {kind}", f'"…" for a {kind}' if kind != "number" else "write a number")
        if not given.quoted:
            raise UnknownName(given.text, self.known, what="column", where=self.where)
        if kind not in ("date", "datetime", "time", "span"):
            self._refuse(f"the text {given.text!r} is compared with a number", "write numbers without quotes")
        try:
            if kind in ("date", "datetime"):
                value = float(np.datetime64(given.text.replace(" ", "T").removesuffix("Z"), "us").astype(np.int64))
            else:
                value = float(pd.Timedelta(given.text).value // 1_000)
        except ValueError:
            like = {"date": "2024-12-31", "datetime": "2024-12-31T08:30", "time": "08:30:00", "span": "2 days 04:00:00"}[kind]
            self._refuse(f"{given.text!r} is not a {kind}", f'write it like "{like}"')
        return nodes.Literal(value, kind, given.text)

    def _alike(self, a: Expression, b: Expression, sign: str) -> tuple[Expression, Expression]:
        """Both sides in the same unit."""
        if {a.type, b.type} == {"date", "datetime"}:  # a date is compared with the day that a moment lies in
            return tuple(nodes.Applied("day", s, "date") if s.type == "datetime" else s for s in (a, b))  # type: ignore[return-value]
        if {a.type, b.type} == {"days", "span"}:
            return self._span(a), self._span(b)
        if a.type == b.type or {a.type, b.type} == {"days", "number"}:
            return a, b
        fix = "compare like with like; a difference of moments as a number: days(end - start), hours(…)"
        self._refuse(f"a {a.type} and a {b.type} cannot be compared by {sign!r}", fix)

    def _unit(self, a: Expression, b: Expression) -> float:
        """How far apart two equal numbers may be: half of the last digit that the side which is a column has."""
        if a.type == "span" or a.type in ("date", "datetime", "time"):
            return 0.5
        plain = [s for s in (a, b) if isinstance(s, nodes.Name)]
        if len(plain) == 2:
            return 0.0
        digits = decimals(self.known[plain[0].column]) if plain else None
        return 0.0 if digits is None else 0.5000001 * 10.0**-digits


def type_of(column: Column) -> str:
    """What a column is to a rule: number, date, datetime, time, span or label."""
    return _TYPES.get(column.kind, "label")


def decimals(column: Column) -> int | None:
    """Digits after the point that the numbers of a column have; None if that is not known."""
    if column.kind in ("integer", "boolean"):
        return 0
    return column.number.decimals if column.number is not None else None


def plain(value: float, column: Column) -> str:
    """A value as `cells.plain_texts` writes those of a column."""
    import pyarrow as pa

    from lookalike.rules.cells import plain_texts

    if column.kind == "date":
        return plain_texts(pa.array([int(value)], pa.timestamp("us")).cast(pa.date32()))[0]
    whole = column.kind == "integer"
    return plain_texts(pa.array([int(value) if whole else value], pa.int64() if whole else pa.float64()))[0]
