"""Rules as short strings: `end >= start`, `total = price * quantity`, `if status = "paid" then paid_at is known`.

    rule       condition, or: if condition then condition
    condition  and, or, not, round brackets, and:
               a <= b        < <= = != >= >, also in chains: low < mid < high
               a in ("x", "y")    a not in (…)    zip ~ "[0-9]{5}"    a is missing    a is known (is null, is not null)
               combination(a, b)    combination(a, b) in (("x", 1), …)    unique(a, b)    together_missing(a, b)
               onehot(a, b, c)    step(a, 0.05)    step(a, 10, 3): 3 more than a multiple of 10
    sides      + - * /, abs, floor, min, max; days, hours, minutes, seconds of a difference of moments

Names with spaces, hyphens and the like stand in backticks. A rule is read against a table, so that each name is a column and each
comparison makes sense; nothing in it is ever executed.
"""

from __future__ import annotations

import re

from lookalike.errors import SettingError, UnknownName
from lookalike.rules import nodes
from lookalike.rules._sides import COMPARE, CONDITIONS, LIKE, SIGNS, WORDS, Bare, Sides, decimals, plain, type_of
from lookalike.rules.nodes import Condition, Expression
from lookalike.schema import Column, Table

__all__ = ["decimals", "level", "quoted", "read"]

_COMBINED = frozenset({"category", "boolean", "text", "integer", "number", "date", "constant"})


def read(text: str, table: Table, *, where: str = "rule") -> Condition:
    """The condition that `text` says of a row of `table`.

    Raises:
        SettingError: it is no rule, or compares what cannot be compared; says where in the text.
        UnknownName: no such column, function or (declared) level; names the near matches.
    """
    place = f"{where} {text.strip()!r}" if text.strip() else where
    try:
        return _Reader(text, table, place).rule()
    except RecursionError:
        raise SettingError("is nested too deeply", where=where, fix="make several rules of it") from None


class _Reader(Sides):
    """Reads one rule from left to right."""

    # ── conditions ──────────────────────────────────────────────────────────────────────────────────────────────────

    def rule(self) -> Condition:
        """The whole rule."""
        if not self.tokens:
            self._refuse("the rule is empty", LIKE)
        if self._take("if"):
            given = self._either()
            self._need("then", "the condition")
            made: Condition = nodes.Both((nodes.Not(given), self._either()), every=False)
        else:
            made = self._either()
        if self._next().kind != "end":
            self._refuse(f"nothing can be made of {self.text[self._next().at :].strip()[:20]!r}", "join two conditions with `and` or `or`")
        self._check_alone(made)
        return made

    def _check_alone(self, made: Condition) -> None:
        """What speaks of several rows, or of rows that were seen, cannot be part of another condition."""
        inner = list(made.parts) if isinstance(made, nodes.Both) else [made.part] if isinstance(made, nodes.Not) else []
        for part in inner:
            if isinstance(part, nodes.Unique | nodes.Combination):
                called = "unique" if isinstance(part, nodes.Unique) else "combination"
                self._refuse(f"{called}(…) must be a rule of its own", "give it as a separate rule")
            self._check_alone(part)

    def _either(self) -> Condition:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else nodes.Both(tuple(parts), every=False)

    def _all(self) -> Condition:
        parts = [self._single()]
        while self._take("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else nodes.Both(tuple(parts), every=True)

    def _single(self) -> Condition:
        if self._take("not"):
            return nodes.Not(self._single())
        if self._is("(") and not self._arithmetic():
            self._take("(")
            made = self._either()
            self._need(")", "the condition")
            return made
        token = self._next()
        if token.text in CONDITIONS and self._ahead(1) == "(":
            self.at += 2
            return getattr(self, f"_{token.text}")(token.text)
        return self._said(self._sum())

    def _ahead(self, by: int) -> str:
        return self.tokens[self.at + by].text if self.at + by < len(self.tokens) else ""

    def _arithmetic(self) -> bool:
        """Whether the bracket that opens here holds a number, not a condition: by what follows where it is closed."""
        depth = 0
        for k in range(self.at, len(self.tokens)):
            token = self.tokens[k]
            depth += (token.kind == "sign") * ((token.text == "(") - (token.text == ")"))
            if depth == 0:
                after = self.tokens[k + 1].text if k + 1 < len(self.tokens) else ""
                return SIGNS.get(after, after) in (*COMPARE, "+", "-", "*", "/", "in", "~", "is")
        return False

    def _said(self, left: Expression | Bare) -> Condition:
        """What is said of the expression that has just been read."""
        if self._take("is"):
            column, negated = self._column_of(left, "is"), self._take("not")
            known = self._take("known")
            if not known and not self._take("missing", "null"):
                self._refuse(
                    f"`is` stands before `missing` or `known`, not {self._next().text!r}", f"{column.name} = … compares with a value"
                )
            return nodes.Missing(column.name, known != negated)
        if self._take("~"):
            return self._pattern(self._column_of(left, "~"))
        if self._is("in") or (self._is("not") and self._ahead(1).lower() == "in"):
            negated = self._take("not")
            self._take("in")
            made = self._among(left)
            return nodes.Not(made) if negated else made
        parts: list[Condition] = []
        while self._is(*COMPARE):
            sign = SIGNS.get(self._next().text, self._next().text)
            self.at += 1
            right = self._sum()
            parts.append(self._compared(sign, left, right))
            left = right
        if not parts:
            shown = left.text if isinstance(left, Bare) else self.text.strip()
            self._refuse(f"{shown!r} says nothing of a row", LIKE)
        return parts[0] if len(parts) == 1 else nodes.Both(tuple(parts), every=True)

    def _column_of(self, given: Expression | Bare, sign: str) -> Column:
        if isinstance(given, Bare):
            if not given.quoted:
                raise UnknownName(given.text, self.known, what="column", where=self.where)
            self._refuse(f"a column must stand before {sign!r}, not the text {given.text!r}", "write columns without quotes")
        if not isinstance(given, nodes.Name):
            self._refuse(f"a column must stand before {sign!r}, not a calculation", LIKE)
        return self.known[given.column]

    def _pattern(self, column: Column) -> Condition:
        if type_of(column) != "label" or column.kind in ("boolean", "empty"):
            self._refuse(f"{column.name} is a {column.kind}, and patterns are for texts", f"bounds for it: {column.name} >= …")
        token = self._next()
        if token.kind != "text":
            self._refuse("a pattern in quotes must follow '~'", f'{column.name} ~ "[0-9]+"')
        self.at += 1
        pattern = token.text[1:-1]
        try:
            nodes.fits([], pattern)
        except ValueError as error:
            what = str(error).removeprefix("Invalid regular expression: ")
            self._refuse(f"{pattern!r} is not a regular expression: {what}", 'the whole text must fit it: "[0-9]{5}"')
        return nodes.Matches(column.name, pattern)

    def _among(self, left: Expression | Bare) -> Condition:
        label = isinstance(left, nodes.Name) and left.type == "label"
        if label or isinstance(left, Bare):
            column = self._column_of(left, "in")
        self._need("(", "`in`")
        given = [self._sum()]
        while self._take(","):
            given.append(self._sum())
        self._need(")", "the list")
        if label:
            return nodes.OneOf(column.name, tuple(dict.fromkeys(self._level(g, column) for g in given)))
        equal = tuple(self._compared("=", left, g) for g in given)
        return nodes.Both(equal, every=False)

    # ── conditions that are written as functions ────────────────────────────────────────────────────────────────────

    def _names(self, called: str, least: int) -> list[Column]:
        """Columns up to the bracket that closes."""
        found: list[Column] = []
        while True:
            token = self._next()
            if token.kind not in ("name", "word"):
                self._refuse(f"{called}(…) takes columns, not {token.text!r}", "write columns without quotes, odd names in `backticks`")
            name = token.text.strip("`")
            if name not in self.known:
                raise UnknownName(name, self.known, what="column", where=self.where)
            if self.known[name] in found:
                self._refuse(f"{called}(…) names {name!r} twice", "name each column once")
            found.append(self.known[name])
            self.at += 1
            if not self._take(","):
                break
        self._need(")", "the columns")
        if len(found) < least:
            self._refuse(f"{called}(…) takes at least {least} columns", f"{called}(a, b)")
        return found

    def _combination(self, called: str) -> Condition:
        columns = self._names(called, 2)
        for c in columns:
            if c.kind not in _COMBINED:
                self._refuse(
                    f"{c.name} is a {c.kind}, and combinations are of labels, numbers and dates", "leave it out of the combination"
                )
        names, allowed = tuple(c.name for c in columns), None
        if self._take("in"):
            self._need("(", "`in`")
            allowed = [self._row(columns)]
            while self._take(","):
                allowed.append(self._row(columns))
            self._need(")", "the list")
        return nodes.Combination(names, None if allowed is None else tuple(dict.fromkeys(allowed)))

    def _row(self, columns: list[Column]) -> tuple[str | None, ...]:
        """One allowed combination, as texts that a cast reads."""
        self._need("(", "a combination's bracket")
        made: list[str | None] = []
        for k, column in enumerate(columns):
            if k:
                self._need(",", f"a value of {columns[k - 1].name}")
            if self._take("missing", "null"):
                made.append(None)
                continue
            given = self._sum()
            if type_of(column) == "label":
                made.append(self._level(given, column))
                continue
            value = self._valued(given, type_of(column))
            made.append(plain(value.value, column))
        self._need(")", "the combination")
        return tuple(made)

    def _unique(self, called: str) -> Condition:
        return nodes.Unique(tuple(c.name for c in self._names(called, 1)))

    def _together_missing(self, called: str) -> Condition:
        return nodes.Together(tuple(c.name for c in self._names(called, 2)))

    def _onehot(self, called: str) -> Condition:
        columns = self._names(called, 2)
        for c in columns:
            if c.kind not in ("boolean", "integer", "number"):
                self._refuse(f"{c.name} is a {c.kind}, and onehot(…) takes columns of 0 and 1, or of booleans", "leave it out")
        return nodes.OneHot(tuple(c.name for c in columns))

    def _step(self, called: str) -> Condition:
        token = self._next()
        column = self.known.get(token.text.strip("`"))
        if column is None:
            raise UnknownName(token.text.strip("`"), self.known, what="column", where=self.where)
        if type_of(column) != "number":
            self._refuse(f"{column.name} is a {column.kind}, and steps are for numbers", "leave the rule out")
        self.at += 1
        self._need(",", "the column")
        size, offset = self._valued(self._sum(), "number").value, 0.0
        if self._take(","):
            offset = self._valued(self._sum(), "number").value
        self._need(")", "the step")
        if not size > 0:
            self._refuse(f"a step must be above 0, not {size:g}", f"{called}({column.name}, 0.05)")
        digits = decimals(column)
        return nodes.Step(column.name, size, offset, 0.0 if digits is None else min(0.5 * 10.0**-digits, 0.1 * size))


def quoted(name: str) -> str:
    """A column's name as it is written in a rule."""
    plain = re.fullmatch(r"[^\W\d][\w.]*", name) and name.lower() not in {*WORDS, "missing", "known", "null"}
    return name if plain else f"`{name}`"


def level(text: str) -> str:
    """A level as it is written in a rule."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
