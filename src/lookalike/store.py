"""A model as one file: a zip of `card.json` (format, model name, settings, schema, the model's own JSON) and `arrays.safetensors`.

No code and no pickle. The arrays are not compressed, so that they cannot unpack to more than the file's own size.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookalike import __version__, models
from lookalike._whole import whole
from lookalike.errors import FileError, LookalikeError, StoreError
from lookalike.protocol import State
from lookalike.schema import Schema

if TYPE_CHECKING:
    import numpy as np

    from lookalike.protocol import Model

FORMAT = 1
CARD, ARRAYS = "card.json", "arrays.safetensors"
_CARD_MOST = 256 * 2**20  # a card of a thousand columns is about 10 MB


def save(model: Model, path: str | os.PathLike[str]) -> Path:
    """Write `model`, fitted, to the file `path`; see the module for the format.

    Raises:
        StoreError: the model is not fitted.
        FileError: the file cannot be written.
    """
    from safetensors.numpy import save as pack

    if not hasattr(model, "schema"):
        raise StoreError("the model is not fitted, there is nothing to store", fix="model = lookalike.fit(data)")
    state = model.state()
    arrays = pack(dict(state.arrays))
    settings = getattr(model, "settings", None)
    card = {
        "format": FORMAT,
        "lookalike": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": models.name_of(model),
        "settings": settings.model_dump(mode="json") if settings is not None else {},
        "schema": json.loads(model.schema.to_json()),
        "state": state.card,
        "bytes": len(arrays),
    }
    with whole(path) as unfinished, zipfile.ZipFile(unfinished, "w") as file:
        file.writestr(CARD, json.dumps(card, ensure_ascii=False, allow_nan=False), compress_type=zipfile.ZIP_DEFLATED)
        file.writestr(ARRAYS, arrays, compress_type=zipfile.ZIP_STORED)
    return Path(path)


def load(path: str | os.PathLike[str], *, model: Model | None = None) -> Model:
    """Read a model file. `model`, not yet fitted, takes the stored state if its class is not one of Lookalike's own.

    Raises:
        FileError: the file cannot be read.
        StoreError: not a model file, damaged, from a newer version, or of an unknown model.
    """
    where = str(path)
    card, arrays = _read(Path(path), where)
    if model is None:
        model = _unfitted(card, where)
    elif models.name_of(model) != card["model"]:
        raise StoreError(f"holds a model {card['model']!r}, not {models.name_of(model)!r}", where=where)
    try:
        schema = Schema.from_json(json.dumps(card["schema"]), where=where)
        return model.restore(schema, State(card=card["state"], arrays=arrays))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise StoreError(f"the stored state is damaged ({type(error).__name__}: {error})", where=where, fix=_ANEW) from error


_ANEW = "make it anew: lookalike fit DATA --out MODEL"
_GIVE = "give a file that `lookalike fit` or `lookalike make` wrote"


def _unfitted(card: Mapping[str, Any], where: str) -> Model:
    """The model that the card names, with its settings."""
    name = str(card["model"])
    if name not in models.names():
        fix = f"from {name.partition(':')[0]} import …; lookalike.load(path, model=…)" if ":" in name else "pip install -U lookalike"
        raise StoreError(f"holds a model {name!r}, which is not one of {', '.join(models.names())}", where=where, fix=fix)
    try:
        return models.build(name, card["settings"])
    except (LookalikeError, TypeError) as error:
        raise StoreError(f"the stored settings are damaged ({error})", where=where, fix=_ANEW) from None


def _read(path: Path, where: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Card and arrays of a model file, after everything about them has been checked."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    try:
        raw = path.open("rb")
    except OSError as error:
        raise FileError.of(error, where=where, doing="read the model file") from None
    try:
        with raw:
            if raw.read(4) != b"PK\x03\x04":
                raise StoreError("not a model file of Lookalike", where=where, fix=_GIVE)
            size = raw.seek(0, os.SEEK_END)
            with zipfile.ZipFile(raw) as file:
                card = _card(file, where)
                entry = file.getinfo(ARRAYS)
                if not entry.file_size == entry.compress_size == card["bytes"] <= size:
                    raise StoreError("its arrays are not as long as it says", where=where, fix=_ANEW)
                return card, unpack(file.read(entry))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, SafetensorError) as error:
        raise StoreError(f"the file is damaged or cut short ({error})", where=where, fix=_ANEW) from None


def _card(file: zipfile.ZipFile, where: str) -> dict[str, Any]:
    """The card of an open model file."""
    if not {CARD, ARRAYS} <= set(file.namelist()):
        raise StoreError(f"a zip, but not a model file of Lookalike: no {CARD} and {ARRAYS} in it", where=where, fix=_GIVE)
    if file.getinfo(CARD).file_size > _CARD_MOST:
        what = f"{CARD} claims to be of {file.getinfo(CARD).file_size:,} bytes, which no model needs"
        raise StoreError(what, where=where, fix="do not trust this file")
    try:
        card = json.loads(file.read(CARD))
    except ValueError:
        raise StoreError(f"{CARD} is not JSON", where=where, fix=_ANEW) from None
    version = card.get("format") if isinstance(card, dict) else None
    if not isinstance(version, int):
        raise StoreError(f"{CARD} names no format", where=where, fix=_ANEW)
    if version > FORMAT:
        what = f"format {version}, written by Lookalike {card.get('lookalike', '?')}; this one reads up to format {FORMAT}"
        raise StoreError(what, where=where, fix="pip install -U lookalike")
    missing = {"model", "settings", "schema", "state", "bytes"} - set(card)
    if missing:
        raise StoreError(f"{CARD} lacks {', '.join(sorted(missing))}", where=where, fix=_ANEW)
    return card
