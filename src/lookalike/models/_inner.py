"""What can be set of a model that lets another one do the learning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lookalike import _json, models

if TYPE_CHECKING:
    from lookalike.protocol import Model

__all__ = ["Around"]


class Around(BaseModel):
    """What is protected, the model inside, by its name, and what is set of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protect: int = Field(5, ge=1, le=1_000, description="values held by fewer subjects than this are not given out as they are")
    inner: str = Field("forest", description="the model that learns each table", examples=["independent"])
    inner_settings: dict[str, Any] = Field({}, description="settings of that model, as a JSON object", examples=[{"trees": 3}])

    @field_validator("inner")
    @classmethod
    def _known(cls, given: str) -> str:
        """A model that is not the one around it.

        Raises:
            UnknownName: there is no such model; names the near matches.
        """
        if given == cls.__module__.rpartition(".")[2]:
            raise ValueError(f"{given} cannot learn for itself")
        models.settings_of(given)
        return given

    @field_validator("inner_settings", mode="before")
    @classmethod
    def _object(cls, given: Any) -> Any:
        """A text is read as JSON."""
        if isinstance(given, str):
            try:
                return _json.read(given)
            except json.JSONDecodeError as error:
                raise ValueError(f'not JSON ({error.msg}): write {{"trees": 10}}') from None
        return given

    def of_inner(self) -> dict[str, Any]:
        """What is set of the model inside: it protects what the one around it does, unless that is set, too."""
        known = models.settings_of(self.inner).model_fields
        return ({"protect": self.protect} if "protect" in known else {}) | self.inner_settings

    def unfitted(self) -> Model:
        """The model inside."""
        return models.build(self.inner, self.of_inner())
