"""JSON from anybody: what Python's own reader answers in several ways, or by giving up, is one kind of complaint here."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def read(text: str, *, odd: bool = False) -> Any:
    """The values of a JSON text. odd: NaN and infinity, which Python writes, are numbers.

    Raises:
        json.JSONDecodeError: it is not JSON, holds NaN or infinity, a number of thousands of digits or half a character, or is nested
            hundreds of levels deep.
    """
    try:
        found = json.loads(text, parse_constant=None if odd else _refuse)
        if _HALF.search(text):
            writable(found)
        return found
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None
    except ValueError as error:  # numbers that are too long; NaN; half characters
        raise json.JSONDecodeError(str(error).partition(";")[0], "", 0) from None


def writable(values: Any) -> None:
    """Complain of half a character (a lone surrogate), which can be read from an escape, but never be written.

    Raises:
        ValueError: there is one.
    """
    try:
        json.dumps(values, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{error.object[error.start]!a} is half a character") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
