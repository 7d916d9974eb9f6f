"""Tables of keys with values, as files, flags and editors have them, read into values for `Options`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from biaslens.configuration.kinds import MismatchError, Reading, Wrong, kind_of, nearest
from biaslens.options import Options
from biaslens.syntax.files import Files

Origin: TypeAlias = Literal["file", "editor", "flags"]


@dataclass(frozen=True, slots=True)
class Layer:
    """What was chosen in one place. name: of the place, for people. values: by the names of the fields of `Options`."""

    name: str
    values: Mapping[str, object] = field(default_factory=dict[str, object])


def read_table(
    table: Mapping[str, object], origin: Origin, folder: str, files: Files
) -> tuple[Mapping[str, object], tuple[Wrong, ...]]:
    """The values of a table, by the names of fields, and what cannot be used of it.

    folder: to which relative names refer. A file's keys have hyphens; an editor's names are in camelCase, or as in
    `Options`, and one without a value (null) is not chosen; flags are called as in `Options`.
    """
    known = {one.name: one for one in fields(Options) if _has(origin, one)}
    values: dict[str, object] = {}
    wrongs: list[Wrong] = []
    for name, value in table.items():
        option = known.get(_field_name(name, origin))
        if option is None:
            # A group of settings is another program's, or the editor's own: `trace.server`.
            if not (origin == "editor" and isinstance(value, dict)):
                wrongs.append(Wrong((name,), _unknown(name, origin, list(known)), at_key=True))
        elif not (origin == "editor" and value is None):
            kind = kind_of(option)
            try:
                values[option.name] = kind.read(value, Reading((name,), folder, files, wrongs.append))
            except MismatchError:
                wrongs.append(Wrong((name,), f"The {_NOUNS[origin]} {_quoted(name, origin)} must be {kind.words}."))
    return values, tuple(wrongs)


def key_of(name: str) -> str:
    """What a field of `Options` is called in a file: `per-file-ignores`."""
    return name.replace("_", "-")


def setting_of(name: str) -> str:
    """What a field of `Options` is called in an editor: `perFileIgnores`."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def flag_of(name: str) -> str:
    """What a field of `Options` is called on the command line: `--per-file-ignores`."""
    return f"--{key_of(name)}"


def file_fields() -> tuple[Field[Any], ...]:
    """The fields of `Options` that a file can choose."""
    return tuple(option for option in fields(Options) if _has("file", option))


def _has(origin: Origin, option: Field[Any]) -> bool:
    return origin == "editor" or option.metadata.get("where") != "editor"


_NOUNS: Mapping[Origin, str] = MappingProxyType({"file": "key", "editor": "setting", "flags": "flag"})


_IN_EDITORS_ONLY = frozenset(option.name for option in fields(Options) if not _has("file", option))


def _quoted(name: str, origin: Origin) -> str:
    return repr(flag_of(name) if origin == "flags" else name)


def _field_name(name: str, origin: Origin) -> str:
    match origin:
        case "file":
            return name.replace("-", "_") if "_" not in name else ""
        case "editor":
            return re.sub(r"([A-Z])", r"_\1", name).lower()
        case "flags":
            return name


def _unknown(name: str, origin: Origin, known: Sequence[str]) -> str:
    if origin == "file" and _field_name(name, "editor").replace("-", "_") in _IN_EDITORS_ONLY:
        return f"{name!r} is a setting of editors, and no key of a configuration file."
    spelled = key_of if origin == "file" else setting_of
    return f"There is no {_NOUNS[origin]} named {name!r}.{nearest(name, map(spelled, known))}"
