"""What there is to know about every option: for the terminal, and as a page of the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields
from typing import Any, cast

from biaslens.configuration.kinds import kind_of, nearest
from biaslens.configuration.reading import file_fields, flag_of, key_of, setting_of
from biaslens.configuration.schema import as_json, schema
from biaslens.options import Options

_LONGEST = 30


def listing() -> str:
    """A line for each key of a configuration file: its name, its type, its default and what it means."""
    rows = [
        (key_of(field.name), _type(field), _shortened(_default(field)), field.metadata["help"])
        for field in file_fields()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join((*map(str.ljust, row[:3], widths), row[3])) for row in rows)


def details(key: str) -> str | None:
    """All about one key, under any of its names; None where there is no such key."""
    for field in file_fields():
        if key in (field.name, key_of(field.name), setting_of(field.name), flag_of(field.name)):
            names = (f"{name}: {value}" for name, value in _facts(field).items())
            return "\n".join([field.metadata["help"], "", *names, "", "For example:", f"  {field.metadata['example']}"])
    return None


def suggestion(key: str) -> str:
    """A question whether another key was meant, "" where none is like it."""
    return nearest(key, (key_of(field.name) for field in file_fields()))


def schema_text() -> str:
    """The JSON schema as text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def literal(value: object, field: Field[Any]) -> str:
    """A value of an option in the notation of TOML."""
    return _toml(as_json(value, field))


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            pairs = cast("dict[str, object]", value).items()
            return "{ " + ", ".join(f"{_toml(name)} = {_toml(item)}" for name, item in pairs) + " }" if pairs else "{}"
        case list():
            return "[" + ", ".join(map(_toml, cast("list[object]", value))) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def table() -> str:
    """All options in a table of Markdown: key, flag, setting, default, meaning."""
    return "\n".join(["| key | flag | setting | default | meaning |", "|---|---|---|---|---|", *_rows()])


def sections() -> str:
    """A section of Markdown for each key of a configuration file, with an example."""
    return "\n\n".join(map(_section, file_fields()))


def _default(field: Field[Any]) -> str:
    return literal(field.default, field)


def _type(field: Field[Any]) -> str:
    return _TYPES[kind_of(field).schema()["type"]]


_TYPES: Mapping[str, str] = {
    "array": "list",
    "boolean": "true/false",
    "integer": "number",
    "object": "table",
    "string": "text",
}


def _rows() -> Iterable[str]:
    in_files = {field.name for field in file_fields()}
    for field in fields(Options):
        key, default = key_of(field.name), _shortened(_default(field))
        own = f"[`{key}`](#{key})" if field.name in in_files else ""
        flag = f"`{flag_of(field.name)}`" if field.name in in_files else ""
        yield f"| {own} | {flag} | `biaslens.{setting_of(field.name)}` | `{default}` | {field.metadata['help']} |"


def _section(field: Field[Any]) -> str:
    facts = (f"- {name}: {value if name == 'value' else f'`{value}`'}" for name, value in _facts(field).items())
    lines = [f"### {key_of(field.name)}", "", field.metadata["help"], "", *facts]
    return "\n".join([*lines, "", "```toml", field.metadata["example"], "```"])


def _facts(field: Field[Any]) -> Mapping[str, str]:
    kind, metavar = kind_of(field), field.metadata.get("metavar", "" if isinstance(field.default, bool) else "NUMBER")
    return {
        "value": kind.words,
        "default": _default(field),
        "flag": f"{flag_of(field.name)} {metavar}".rstrip(),
        "setting": f"biaslens.{setting_of(field.name)}",
    }


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2] + " …"
