"""The editor's settings as Options: the names are the fields of Options, in snake_case or camelCase."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, cast

from biaslens.options import Options

SECTION = "biaslens"
"""The name under which an editor keeps our settings."""


def at_start(initialization_options: object) -> tuple[Options, tuple[str, ...]]:
    """The options in `{"settings": {...}}`, as `options_from` has them."""
    return options_from(_mapping(initialization_options).get("settings"), Options())


def in_section(settings: object) -> object:
    """Our part of the settings that an editor sends: what is under our name, or else all of it."""
    return _mapping(settings).get(SECTION, settings)


def options_from(settings: object, start: Options) -> tuple[Options, tuple[str, ...]]:
    """The options of one object of settings, and a sentence for each setting that could not be used.

    start: what holds for settings that are absent, null or of no use.
    """
    defaults = Options()
    known = {field.name: field for field in fields(Options)}
    chosen: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in _mapping(settings).items():
        field = re.sub(r"([A-Z])", r"_\1", name).lower()
        if field not in known:
            # A group of settings is another program's, or the editor's own: `trace.server`.
            problems += [] if isinstance(value, dict) else [f"There is no setting named {name!r}."]
        elif field == "like" and value is not None:
            chosen[field], wrong = _likenesses(name, value)
            problems += wrong
        elif value is not None and "choices" in known[field].metadata:
            choices = known[field].metadata["choices"]
            if value in choices:
                chosen[field] = value
            else:
                problems.append(f"The setting {name!r} must be one of {', '.join(choices)}.")
        elif value is not None:
            found, wanted = _value(value, getattr(defaults, field))
            if found is None:
                problems.append(f"The setting {name!r} must be {wanted}.")
            else:
                chosen[field] = found
    return replace(start, **chosen), tuple(problems)


def _value(value: object, default: object) -> tuple[object, str]:
    """The value if it is of the same kind as the default, else None; and what that kind is called."""
    match default:
        case bool():
            return value if isinstance(value, bool) else None, "true or false"
        case int():
            is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
            return value if is_number else None, "a positive number"
        case _:
            items = cast("list[object]", value) if isinstance(value, list) else [None]
            return tuple(items) if all(isinstance(item, str) for item in items) else None, "a list of strings"


def _likenesses(name: str, value: object) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    from biaslens.catalogue.likeness import likenesses  # the catalogue takes time to load

    pairs = list(_mapping(value).items())
    if not isinstance(value, dict) or not all(isinstance(like, str) for _, like in pairs):
        return (), (f"The setting {name!r} must map names of your own to names of torch.",)
    return likenesses(cast("list[tuple[str, str]]", pairs))


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
