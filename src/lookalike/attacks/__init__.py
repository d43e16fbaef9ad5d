"""Attacks, one a file: each tries to learn from a synthetic table what its attacker should not know of the rows behind it.

A module here *is* an attack. It exposes `THREAT` (what the attacker holds and wants, in words, with a source) and
`attack(targets, seen, *, rng) -> Guess`. Rows the model learned from and rows it never saw come shuffled in one call: an attack never
learns which is which, and the report's harness compares how it did on the two.
"""

from __future__ import annotations

from types import ModuleType

from lookalike import _folder


def names() -> tuple[str, ...]:
    """Names of all attacks, in the order in which a report shows them."""
    return tuple(sorted(_folder.names(__name__), key=lambda name: (load(name).THREAT.rank, name)))


def load(name: str) -> ModuleType:
    """The attack `name`.

    Raises:
        UnknownName: there is no such attack; names the near matches.
    """
    return _folder.load(__name__, name)
