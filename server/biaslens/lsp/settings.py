"""The editor's settings as Options: the names are the fields of Options, in snake_case or camelCase."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from biaslens.options import Options


def options_from(initialization_options: object) -> tuple[Options, tuple[str, ...]]:
    """The options in `{"settings": {...}}`, and a sentence for each setting that could not be used."""
    settings = _mapping(_mapping(initialization_options).get("settings"))
    defaults = Options()
    known = {field.name for field in fields(Options)}
    chosen: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in settings.items():
        field = re.sub(r"([A-Z])", r"_\1", name).lower()
        if field not in known:
            problems.append(f"There is no setting named {name!r}.")
        elif field == "like":
            chosen[field], wrong = _likenesses(name, value)
            problems += wrong
        elif isinstance(getattr(defaults, field), int):
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                chosen[field] = value
            else:
                problems.append(f"The setting {name!r} must be a positive number.")
        elif isinstance(value, list) and all(isinstance(item, str) for item in cast("list[object]", value)):
            chosen[field] = tuple(cast("list[str]", value))
        else:
            problems.append(f"The setting {name!r} must be a list of strings.")
    return Options(**chosen), tuple(problems)


def _likenesses(name: str, value: object) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    from biaslens.catalogue.likeness import likenesses  # the catalogue takes time to load

    pairs = list(_mapping(value).items())
    if not isinstance(value, dict) or not all(isinstance(like, str) for _, like in pairs):
        return (), (f"The setting {name!r} must map names of your own to names of torch.",)
    return likenesses(cast("list[tuple[str, str]]", pairs))


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
