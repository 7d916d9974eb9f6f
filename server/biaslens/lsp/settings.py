"""What an editor sends as our settings: an object whose names are the fields of Options, in camelCase or snake_case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

SECTION = "biaslens"
"""The name under which an editor keeps our settings."""


def at_start(initialization_options: object) -> Mapping[str, object]:
    """The settings in `{"settings": {...}}`."""
    return as_settings(_mapping(initialization_options).get("settings"))


def in_section(settings: object) -> Mapping[str, object]:
    """Our part of the settings that an editor sends: what is under our name, or else all of it."""
    return as_settings(_mapping(settings).get(SECTION, settings))


def as_settings(value: object) -> Mapping[str, object]:
    """Settings without those that have no value; none at all where it is no object."""
    return {name: setting for name, setting in _mapping(value).items() if setting is not None}


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
