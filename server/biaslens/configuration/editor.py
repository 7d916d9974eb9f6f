"""The options as settings of an editor, in the terms of the `package.json` of an extension of VS Code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from biaslens.configuration.kinds import kind_of
from biaslens.configuration.reading import setting_of
from biaslens.configuration.reference import literal
from biaslens.options import Options

SECTION = "biaslens"


def editor_settings() -> Mapping[str, Any]:
    """The properties of `contributes.configuration`, by the name of the setting.

    All are without a value unless somebody chooses one: a default of the editor would win over configuration files.
    """
    return {f"{SECTION}.{setting_of(field.name)}": _property(field) for field in fields(Options)}


def _property(field: Field[Any]) -> Mapping[str, Any]:
    schema = dict(kind_of(field).schema())
    if "type" in schema:
        schema["type"] = [schema["type"], "null"]
    else:
        schema["enum"] = [*schema["enum"], None]
    usual = literal(field.default, field) if field.default not in ((), "") else ""
    help_text = field.metadata["help"] + (f" Without a value: `{usual}`." if usual else "")
    return {"markdownDescription": help_text, **schema, "default": None, "scope": "resource"}
