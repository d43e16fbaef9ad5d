"""Lookalike turns a real table into a synthetic one, in seconds, with a report that says how good and how private it is.

The names below are all there is to know; each is imported when it is first used, so that `import lookalike` costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lookalike import errors, privacy
    from lookalike._api import audit, fit, impute, known_models, load, model, report, rules, sample, save, schema, steer, stream
    from lookalike._making import make
    from lookalike._whole import NewFolder
    from lookalike.augment import Augmentation
    from lookalike.data import Dataset
    from lookalike.errors import LookalikeError
    from lookalike.plan import Plan
    from lookalike.private import Private
    from lookalike.protocol import Can
    from lookalike.pseudonyms import pseudonyms
    from lookalike.schema import Schema

__version__ = "0.1.0"

__all__ = [
    "Augmentation",
    "Can",
    "Dataset",
    "LookalikeError",
    "NewFolder",
    "Plan",
    "Private",
    "Schema",
    "audit",
    "errors",
    "fit",
    "impute",
    "known_models",
    "load",
    "make",
    "model",
    "privacy",
    "pseudonyms",
    "report",
    "rules",
    "sample",
    "save",
    "schema",
    "steer",
    "stream",
]

_HOME = {
    "Augmentation": "augment",
    "Can": "protocol",
    "Dataset": "data",
    "LookalikeError": "errors",
    "NewFolder": "_whole",
    "Plan": "plan",
    "Private": "private",
    "Schema": "schema",
    "make": "_making",
    "pseudonyms": "pseudonyms",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lookalike' has no attribute {name!r}")
    if name in ("errors", "privacy"):
        return importlib.import_module(f"lookalike.{name}")
    value = getattr(importlib.import_module(f"lookalike.{_HOME.get(name, '_api')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


class _Face(ModuleType):
    """Python binds every imported submodule to its package; here the verbs `schema` and `report` win over the modules of that name."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in __all__):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
