"""What deep models share: one training loop (`train`), blocks of networks (`blocks`), rows as arrays and weights as state (`rows`).

Torch is imported when one of these modules is, so a model imports them inside its functions, after `need_torch` has said that it is there.
"""

from __future__ import annotations

from importlib.util import find_spec

from lookalike.errors import MissingExtra

__all__ = ["need_torch"]


def need_torch(model: str) -> None:
    """Refuse, with the line that installs it, if torch is not there.

    Raises:
        MissingExtra: torch cannot be imported.
    """
    try:
        there = find_spec("torch") is not None
    except ImportError:
        there = False
    if not there:
        raise MissingExtra("torch", "torch", purpose=f"the model {model!r}")
