"""Differential privacy: what may be looked at, at what cost, and what is promised for it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lookalike.privacy.accounting import Budget
    from lookalike.privacy.domain import skeleton
    from lookalike.privacy.ledger import Ledger
    from lookalike.privacy.statement import Statement

__all__ = ["Budget", "Ledger", "Statement", "skeleton"]

_HOME = {"Budget": "accounting", "Ledger": "ledger", "Statement": "statement", "skeleton": "domain"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lookalike.privacy' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lookalike.privacy.{_HOME[name]}"), name)
