"""What the names of tables and columns say of keys and links: CustomerID, customer_id and fk_cust are of customers."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache

from lookalike.data import _names
from lookalike.schema import Table

_ID = _names.ID | frozenset("nr no nbr num number nummer code cd ref fk sk oid schluessel schlussel numero".split())
_SHELL = frozenset("tbl table tabelle tab tb t dim fact fct stg raw src data info the of".split())
_TAILS = ("key", "number", "nummer", "nbr", "code", "uuid", "guid", "id")
_WHOLE = frozenset(
    "valid invalid paid unpaid prepaid grid void avoid rapid solid fluid liquid acid covid madrid hybrid android afraid humid stupid "
    "hockey jockey monkey turkey whiskey barcode zipcode".split()
)
"""Words that only seem to end in key or id."""
_IRREGULAR = {"people": "person", "persons": "person", "children": "child", "men": "man", "women": "woman", "staff": "staff"}
_PLACE = frozenset(
    "line lines seq sequence position pos index idx no nr number num step rank item version visit day date datum year month "
    "zeile ligne start begin from valid time datetime timestamp hour week quarter offset cycle stunde heure".split()
)
_ABOVE = frozenset(
    "parent manager boss supervisor superior report reporting mentor leader lead head predecessor previous prev next successor "
    "reply root super ancestor chef vorgesetzter vorgesetzte leiter responsable "
    "responsabile jefe kierownik przelozony eltern ueber uber obere pere mere referrer referred spouse "
    "partner sponsor duplicate original master".split()
)
_PEOPLE = frozenset("employee staff person user member people mitarbeiter personal worker agent personne employe team personen".split())
_WORKERS = frozenset(
    "rep representative agent manager seller salesperson salesman clerk officer assignee assigned handler supervisor technician "
    "driver operator teacher instructor doctor physician nurse author owner creator created updated modified approved approver "
    "reviewer sender receiver recipient betreuer verkaufer sachbearbeiter vendeur bearbeiter".split()
)
_BUYERS = frozenset("buyer purchaser payer guest client customer kaufer kunde acheteur shopper consumer".split())
_CUSTOMERS = frozenset("customer client kunde user member person guest account buyer".split())


@cache
def parts(name: str) -> tuple[str, ...]:
    """The words of a name: lower case, without accents, in the singular; custkey is cust key."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    words = (_single(w) for w in _names.words("".join(c for c in plain if not unicodedata.combining(c))))
    return tuple(part for w in words for part in _apart(w))


def _apart(word: str) -> tuple[str, ...]:
    """A word and what makes it an identifier."""
    tail = next((t for t in _TAILS if word.endswith(t) and len(word) >= len(t) + 3), None)
    return (word,) if tail is None or word in _WHOLE else (word.removesuffix(tail), tail)


def _single(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "ches", "shes", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


class Kin:
    """What the names of some tables and of their columns have to do with each other; resemblance is from 0 to 1."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        words = {t: parts(t.rpartition(".")[2]) for t in tables}
        common = set.intersection(*map(set, words.values())) if len(words) > 1 else set()
        self._tables = {t: tuple(w for w in some if w not in common | _SHELL) or some for t, some in words.items()}
        self._columns = {t: _without_prefix(table) for t, table in tables.items()}

    def words(self, column: str, table: str) -> tuple[str, ...]:
        """The words of a column, without a prefix that all columns of its table have (c_custkey)."""
        return self._columns[table][column]

    def is_id(self, column: str, table: str) -> bool:
        """CustomerID, kunden_nr, fk_order."""
        return not _ID.isdisjoint(self.words(column, table))

    def is_amount(self, column: str, table: str) -> bool:
        """Names of amounts, classes and moments that are no identifiers: UnitsInStock."""
        words = set(self.words(column, table))
        return not words & (_ID | _ABOVE) and _names.hints(column, _names.QUANTITY | _names.MOMENT | _names.LEVEL)

    def is_place(self, column: str, table: str) -> bool:
        """Does the name say where a row stands among others?"""
        return not _PLACE.isdisjoint(self.words(column, table))

    def own(self, column: str, table: str) -> float:
        """How much a column is named after its own table; `id` is, in every table."""
        words = self._entity(column, table)
        return 1.0 if not words and self.is_id(column, table) else self._resemblance(words, table, sure=True)

    def others(self, column: str, table: str) -> float:
        """How much a column is named after the other table that it resembles most."""
        words = self._entity(column, table)
        return max((self._resemblance(words, t, sure=True) for t in self._tables if t != table), default=0.0)

    def is_bridge(self, table: str) -> bool:
        """Whether a table is named after two others: EmployeeTerritories."""
        mine = set(self._tables[table])
        return sum(set(words) < mine for t, words in self._tables.items() if t != table) >= 2

    def between(self, column: str, table: str, key: str, parent: str, *, common: bool) -> float:
        """How much the name of a column says that it leads to `key` of `parent`. `common`: the keys of other tables are named so, too."""
        words, sure = self._entity(column, table), self.is_id(column, table)
        if not words:
            return 0.0
        if table == parent:
            return max(self._role(words, table, parent, sure=sure), self._same(words, table, sure=sure))
        score = self._resemblance(words, parent, sure=sure)
        named = self._entity(key, parent)
        if named and self.words(column, table) == self.words(key, parent):
            score = max(score, 0.95 * (not common))
        elif named and words[-len(named) :] == named and sure:
            score = max(score, 0.85)
        if self.is_amount(column, table) and score < 1 and words != named:
            score = 0.0
        return max(score, self._role(words, table, parent, sure=sure))

    def _entity(self, column: str, table: str) -> tuple[str, ...]:
        """The words that say of what a column is the identifier: customer of customer_id."""
        return tuple(w for w in self.words(column, table) if w not in _ID)

    def _resemblance(self, words: tuple[str, ...], table: str, *, sure: bool) -> float:
        """How much words name a table. `sure`: they are those of an identifier."""
        theirs = self._tables[table]
        if not words or not theirs:
            return 0.0
        if words == theirs or "".join(words) == "".join(theirs) or _single("".join(words)) == _single("".join(theirs)):
            return 1.0
        size = len(theirs)
        foreign = any(_names.hints(w, _names.LEVEL | _names.QUANTITY) and w not in theirs for w in words)
        if len(words) > size and not foreign:
            if words[-size:] == theirs:
                return 0.9 if sure else 0.7
            if words[:size] == theirs or set(theirs) <= set(words):
                return 0.8 if sure else 0.5
        if len(words) < size and set(words) <= set(theirs):
            return 0.7 if words[-1] == theirs[-1] else 0.5
        close = _alike("".join(words), "".join(theirs))
        if close:
            return 0.9 * close
        tail = _alike(words[-1], theirs[-1]) if len(words) > size else 0.0
        return 0.0 if foreign else max(0.8 * tail, 0.65 * _alike(words[0], theirs[0]))

    def _same(self, words: tuple[str, ...], table: str, *, sure: bool) -> float:
        """A link to another row of the same table names the table and a role: previous_order_id."""
        theirs = self._tables[table]
        return 0.8 * (sure and len(words) > len(theirs) and words[-len(theirs) :] == theirs)

    def _role(self, words: tuple[str, ...], table: str, parent: str, *, sure: bool) -> float:
        """What a role says: a manager is an employee, and in a table of employees another row of it."""
        mine, theirs = set(words), set(self._tables[parent])
        if table == parent and mine & _ABOVE and not any(mine & set(w) for t, w in self._tables.items() if t != parent):
            return 0.8
        people = theirs & _PEOPLE and mine & _WORKERS and len(theirs) == 1
        buyers = theirs & _CUSTOMERS and mine & _BUYERS and len(theirs) == 1
        return (0.65 if sure else 0.5) if people or buyers else 0.0


def _without_prefix(table: Table) -> dict[str, tuple[str, ...]]:
    """The words of the columns of a table."""
    words = {c.name: parts(c.name) for c in table}
    first = {w[:1] for w in words.values()}
    shared = len(words) > 2 and len(first) == 1 and all(len(w) > 1 for w in words.values())
    return {name: w[1:] if shared else w for name, w in words.items()}


@cache
def _alike(a: str, b: str) -> float:
    """How much two words resemble: one begins the other (cust, customer), or both begin alike (kunde, kunden)."""
    short, long = sorted((a, b), key=len)
    if short == long:
        return 1.0
    shared = next((i for i, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if shared == len(short) and shared >= 3:
        return max(0.75, shared / len(long))
    if shared >= 4 and shared / len(long) >= 0.6:
        return shared / len(long)
    letters = iter(long)
    shortened = len(short) >= 4 and short[:2] == long[:2] and all(c in letters for c in short)
    return 0.7 if shortened else 0.0
