"""A model as one file: a zip of `card.json` (format, model name, settings, schema, the model's own JSON) and `arrays.safetensors`.

No code and no pickle; nothing is unpacked to a place that the file names. The arrays are not compressed, so that they cannot unpack to
more than the file's own size, and the card to no more than a multiple of its own.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookalike import __version__, _json, models
from lookalike._whole import whole
from lookalike.errors import FileError, LookalikeError, StoreError
from lookalike.protocol import State
from lookalike.schema import Schema, coded_by

if TYPE_CHECKING:
    import numpy as np

    from lookalike.protocol import Encoder, Model

FORMAT = 1
CARD, ARRAYS = "card.json", "arrays.safetensors"
_CARD_MOST, _CARD_VALUES = 256 * 2**20, 2**24
"""Bytes and values of a card at most; one of a thousand columns has about 10 MB, and a million values."""
_CARD_RATIO, _CARD_FREE = 64, 2**20
"""How often a card is larger than it is packed at most, and bytes that it may have in any case: real ones are packed 3 to 12 times."""
_DAMAGED = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What goes wrong in a model whose state is not what it wrote: numbers out of range, arrays of other shapes, levels without end."""


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
    text = json.dumps(card, ensure_ascii=False, allow_nan=False).encode()
    plain = len(text) > max(_CARD_FREE, _CARD_RATIO * len(zlib.compress(text, 1)) // 2)  # as like itself as no reader would believe
    with whole(path) as unfinished, zipfile.ZipFile(unfinished, "w") as file:
        file.writestr(CARD, text, compress_type=zipfile.ZIP_STORED if plain else zipfile.ZIP_DEFLATED)
        file.writestr(ARRAYS, arrays, compress_type=zipfile.ZIP_STORED)
    return Path(path)


def load(path: str | os.PathLike[str], *, model: Model | None = None, encoders: Mapping[str, Encoder] | None = None) -> Model:
    """Read a model file. `model`, not yet fitted, takes the stored state if its class is not one of Lookalike's own.

    encoders: those of the caller's own that columns were coded by; a file has only their names.

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
        schema = _coded(Schema.from_json(json.dumps(card["schema"]), where=where), encoders or {}, where)
        restored = model.restore(schema, State(card=card["state"], arrays=arrays))
    except _DAMAGED as error:
        if isinstance(error, StoreError) and error.where == where:
            raise
        raise StoreError(f"the stored state is damaged ({type(error).__name__}: {error})", where=where, fix=_ANEW) from error
    restored.file_ = where
    return restored


@contextmanager
def sound(model: object) -> Iterator[None]:
    """What goes wrong inside, while `model` draws, is said of the file that it was read from, if it was: not all that a file says can be
    checked before it is used.

    Raises:
        StoreError: something went wrong.
    """
    try:
        yield
    except LookalikeError:
        raise
    except _DAMAGED as error:
        where = getattr(model, "file_", None)
        if where is None:
            raise
        raise StoreError(f"no rows can be drawn: {type(error).__name__}: {error}", where=where, fix=f"is it damaged? {_ANEW}") from error


_ANEW = "make it anew: lookalike fit DATA --out MODEL"
_GIVE = "give a file that `lookalike fit` or `lookalike make` wrote"


def _coded(schema: Schema, encoders: Mapping[str, Encoder], where: str) -> Schema:
    """The schema with the caller's encoders in the place of their names."""
    stored = {c.name: c.encoder for table in schema.tables for c in table if c.encoder is not None}
    for name, encoder in encoders.items():
        if name not in stored:
            what = f"no column {name!r} was coded by an encoder from elsewhere"
            raise StoreError(what, where=where, fix=f"those that were: {', '.join(stored) or 'none'}")
        if coded_by(encoder) != stored[name]:
            raise StoreError(f"{name!r} was coded by {stored[name]}, not {coded_by(encoder)}", where=where, fix="give that one")
        schema = schema.amend(name, encoder=encoder)
    for name in stored.keys() - encoders.keys():
        fix = f"lookalike.load(path, encoders={{{name!r}: …}})"
        raise StoreError(f"{name!r} was coded by {stored[name]}, an encoder from elsewhere", where=where, fix=fix)
    return schema


def _unfitted(card: Mapping[str, Any], where: str) -> Model:
    """The model that the card names, with its settings."""
    name = str(card["model"])
    if name not in models.names():
        fix = f"from {name.partition(':')[0]} import …; lookalike.load(path, model=…)" if ":" in name else "pip install -U lookalike"
        raise StoreError(f"holds a model {name!r}, which is not one of {', '.join(models.names())}", where=where, fix=fix)
    try:
        return models.build(name, card["settings"])
    except (LookalikeError, RecursionError, TypeError, ValueError) as error:
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
                plain = entry.compress_type == zipfile.ZIP_STORED and type(card["bytes"]) is int
                if not (plain and entry.file_size == entry.compress_size == card["bytes"] <= size):
                    raise StoreError("its arrays are not as long as it says", where=where, fix=_ANEW)
                return card, unpack(file.read(entry))
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError, RuntimeError, ValueError, SafetensorError) as error:
        if isinstance(error, LookalikeError):
            raise
        raise StoreError(f"the file is damaged or cut short ({error})", where=where, fix=_ANEW) from None


def _card(file: zipfile.ZipFile, where: str) -> dict[str, Any]:
    """The card of an open model file."""
    if not {CARD, ARRAYS} <= set(file.namelist()):
        raise StoreError(f"a zip, but not a model file of Lookalike: no {CARD} and {ARRAYS} in it", where=where, fix=_GIVE)
    entry = file.getinfo(CARD)
    if entry.file_size > min(_CARD_MOST, max(_CARD_FREE, _CARD_RATIO * entry.compress_size)):
        what = f"{CARD} claims to be of {entry.file_size:,} bytes, packed into {entry.compress_size:,}, which no model needs"
        raise StoreError(what, where=where, fix="do not trust this file")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # the others unpack without bounds
        raise StoreError(f"{CARD} is packed as no model is", where=where, fix="do not trust this file")
    with file.open(entry) as packed:
        text = packed.read(entry.file_size)  # with a number, no more than that is unpacked, whatever the size that it claims
    if sum(map(text.count, (b",", b"[", b"{"))) > _CARD_VALUES:  # in memory an empty list of two bytes takes sixty
        raise StoreError(f"{CARD} holds more values than any model needs", where=where, fix="do not trust this file")
    try:
        card = _json.read(text.decode())
    except ValueError:
        raise StoreError(f"{CARD} is not JSON", where=where, fix=_ANEW) from None
    version = card.get("format") if isinstance(card, dict) else None
    if type(version) is not int:
        raise StoreError(f"{CARD} names no format", where=where, fix=_ANEW)
    if version > FORMAT:
        what = f"format {version}, written by Lookalike {card.get('lookalike', '?')}; this one reads up to format {FORMAT}"
        raise StoreError(what, where=where, fix="pip install -U lookalike")
    missing = {"model", "settings", "schema", "state", "bytes"} - set(card)
    if missing:
        raise StoreError(f"{CARD} lacks {', '.join(sorted(missing))}", where=where, fix=_ANEW)
    return card
