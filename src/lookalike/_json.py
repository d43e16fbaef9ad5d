"""JSON from anybody: what Python's own reader answers in several ways, or by giving up, is one kind of complaint here."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def read(text: str | bytes) -> Any:
    """The values of a JSON text.

    Raises:
        json.JSONDecodeError: it is not JSON, holds NaN or infinity, a number of thousands of digits, or is nested hundreds of levels deep.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None
    except ValueError as error:  # bytes that are no text; numbers that are too long; NaN
        raise json.JSONDecodeError(str(error).partition(";")[0], "", 0) from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
