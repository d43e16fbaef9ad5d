"""A training on the disk: one safetensors file whose header holds JSON, replaced as a whole, never half-written."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lookalike import _json
from lookalike._whole import whole
from lookalike.errors import FileError, StoreError

__all__ = ["Checkpoint"]

EVERY = 2.0
"""Seconds between two writes at least."""


class Checkpoint:
    """The file `path`, for a training with this `fingerprint`."""

    def __init__(self, path: str | os.PathLike[str], *, fingerprint: Mapping[str, Any]) -> None:
        self.path, self.fingerprint = Path(path), json.loads(json.dumps(fingerprint))
        self.written = -EVERY

    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self.written >= EVERY

    def write(self, card: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Replace the file."""
        from safetensors.numpy import save_file

        text = json.dumps({"fingerprint": self.fingerprint, "card": card}, allow_nan=False)
        with whole(self.path) as unfinished:
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, unfinished, metadata={"lookalike": text})
        self.written = time.monotonic()

    def read(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Card and arrays; None if there is no file.

        Raises:
            StoreError: it is damaged, or of another training.
            FileError: it cannot be read.
        """
        from safetensors import SafetensorError, safe_open

        if not self.path.exists():
            return None
        where, fix = str(self.path), "remove the file, or name another one"
        try:
            with safe_open(self.path, framework="numpy") as file:
                text = (file.metadata() or {}).get("lookalike", "")
                arrays = {name: file.get_tensor(name) for name in file.keys()}
            kept = _json.read(text)
            fingerprint, card = kept["fingerprint"], kept["card"]
        except (SafetensorError, LookupError, TypeError, ValueError) as error:
            raise StoreError(f"the checkpoint is damaged ({error})", where=where, fix=fix) from None
        except OSError as error:
            raise FileError.of(error, where=where, doing="read the checkpoint") from None
        if fingerprint != self.fingerprint:
            raise StoreError("the checkpoint is of another training: other rows, settings or seed", where=where, fix=fix)
        return card, arrays

    def remove(self) -> None:
        """The training is over."""
        self.path.unlink(missing_ok=True)
