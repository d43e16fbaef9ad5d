"""A folder is a registry: `models/forest.py` is the model `forest`, and nothing else has to be told so."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from lookalike.errors import UnknownName


def names(package: str) -> tuple[str, ...]:
    """Sorted names of the public modules in `package` (a dotted name such as `lookalike.models`)."""
    return _listed(tuple(importlib.import_module(package).__path__))


@cache  # a report asks a thousand times, and each time the folder would be read anew
def _listed(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_")))


def load(package: str, name: str) -> ModuleType:
    """The module `name` of `package`.

    Raises:
        UnknownName: there is no such module; names the near matches.
    """
    known = names(package)
    if name not in known:
        raise UnknownName(name, known, what=package.rpartition(".")[2].removesuffix("s"))
    return importlib.import_module(f"{package}.{name}")
