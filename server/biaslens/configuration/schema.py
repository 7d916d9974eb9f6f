"""The JSON schema of a configuration file, for editors that complete and check TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from typing import Any, cast

from biaslens.configuration.kinds import kind_of
from biaslens.configuration.reading import file_fields, key_of


def schema() -> Mapping[str, Any]:
    """The schema of `biaslens.toml`, and of the table `[tool.biaslens]` of a `pyproject.toml`."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "BiasLens",
        "description": "The configuration of BiasLens: biaslens.toml, or [tool.biaslens] in pyproject.toml.",
        "type": "object",
        "additionalProperties": False,
        "properties": {key_of(field.name): _property(field) for field in file_fields()},
    }


def as_json(value: object, field: Field[Any]) -> Any:
    """A value of an option in the terms of JSON and TOML, as a file has it."""
    if kind_of(field).schema().get("type") == "object":
        return {name: _plain(inner) for name, inner in cast("tuple[tuple[str, object], ...]", value)}
    return _plain(value)


def _plain(value: object) -> object:
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value


def _property(field: Field[Any]) -> Mapping[str, Any]:
    return {
        "description": field.metadata["help"],
        **kind_of(field).schema(),
        "default": as_json(field.default, field),
    }
