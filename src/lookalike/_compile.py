"""Compile a function with numba, on the first call; kept on disk for the next process where there is a place to keep it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb


def compiled(function: Callable[..., Any], **how: Any) -> Callable[..., Any]:
    """`function` as machine code that holds no interpreter lock. how: what else `numba.njit` is told."""
    try:
        return nb.njit(cache=True, nogil=True, **how)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return nb.njit(nogil=True, **how)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, copied into its callers."""
    return compiled(function, inline="always")
