"""The models: one file each, found by its name. `models/forest.py` is the model `forest`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from lookalike import _folder
from lookalike.errors import SettingError, UnknownName

if TYPE_CHECKING:
    from lookalike.protocol import Model


def names() -> tuple[str, ...]:
    """Names of all models, sorted."""
    return _folder.names(__name__)


def find(name: str) -> type[Model]:
    """The class of the model `name`.

    Raises:
        UnknownName: there is no such model; names the near matches.
    """
    module = _folder.load(__name__, name)
    return getattr(module, module.__all__[0])


def settings_of(name: str) -> type[BaseModel]:
    """The pydantic class of the settings of the model `name`."""
    return _folder.load(__name__, name).Settings


def build(name: str, settings: Mapping[str, Any] | None = None) -> Model:
    """The model `name`, not yet fitted, with `settings` (those not given keep their defaults).

    Raises:
        UnknownName: no such model or setting; names the near matches.
        SettingError: a setting has a value of the wrong type or out of its bounds.
    """
    made = find(name)
    try:
        return made(**dict(settings or {}))
    except ValidationError as error:
        known = settings_of(name).model_fields
        first = error.errors(include_url=False)[0]
        setting = str(first["loc"][0]) if first["loc"] else ""
        if setting not in known:
            raise UnknownName(setting, known, what="setting", where=name) from None
        about = known[setting].description or ""
        raise SettingError(f"{first['msg'].lower()}, not {first['input']!r}", where=f"{name}.{setting}", fix=about) from None


def name_of(model: object) -> str:
    """The name under which `find` finds the class of `model`; 'module:Class' for a class from elsewhere."""
    made = type(model)
    package, _, name = made.__module__.rpartition(".")
    return name if package == __name__ and name in names() else f"{made.__module__}:{made.__qualname__}"
