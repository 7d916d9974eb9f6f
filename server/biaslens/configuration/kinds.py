"""The kinds of values that options have: how each is written, checked and described."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from biaslens.syntax.environments import site_packages
from biaslens.syntax.files import Files
from biaslens.syntax.patterns import anchored, is_pattern

if TYPE_CHECKING:
    from biaslens.configuration.toml import Keys

SEVERITIES = ("error", "warning", "information", "hint")
EVERY_RULE = "ALL"
"""The word for the prefix of all rule codes."""

Schema: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wrong:
    """What cannot be used of a value. keys: the way to it. at_key: it is the key itself that is wrong.

    is_remark: the value counts all the same, it may be right elsewhere.
    """

    keys: Keys
    message: str
    at_key: bool = False
    is_remark: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One value that is being read. folder: to which relative names refer. wrong: takes what cannot be used of it."""

    keys: Keys
    folder: str
    files: Files
    wrong: Callable[[Wrong], None]

    def tell(self, message: str, *keys: str | int, at_key: bool = False, is_remark: bool = False) -> None:
        """Says what is wrong with the value, or with what `keys` lead to inside it."""
        self.wrong(Wrong((*self.keys, *keys), message, at_key, is_remark))


class MismatchError(Exception):
    """The value is of another type than its kind."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is written.

    words: what a value is called in a sentence. schema: of JSON. read: the value for `Options`, without what is wrong
    in it; raises MismatchError. split: what the texts behind a flag are in a file; None for a flag without any.
    """

    words: str
    schema: Callable[[], Schema]
    read: Callable[[object, Reading], object]
    split: Callable[[Sequence[str]], object] | None = None


def kind_of(field: Field[Any]) -> Kind:
    """The kind of a field of `Options`."""
    choices = cast("tuple[str, ...]", field.metadata.get("choices", ()))
    if choices:
        return _choice(choices)
    return KINDS[field.metadata.get("kind") or _USUAL[type(field.default)]]


def nearest(wanted: str, names: Iterable[str]) -> str:
    """A question whether the name most like a wrong one was meant, "" where none is like it."""
    from difflib import get_close_matches

    found = get_close_matches(wanted, list(names), 1)
    return f" Did you mean {found[0]!r}?" if found else ""


# --- reading ---------------------------------------------------------------------------------------------------------


def _switch(value: object, _: Reading) -> bool:
    if not isinstance(value, bool):
        raise MismatchError
    return value


def _number(value: object, _: Reading) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise MismatchError
    return value


def _texts(value: object, _: Reading) -> tuple[str, ...]:
    items = cast("list[object]", value) if isinstance(value, list) else [None]
    if not all(isinstance(item, str) for item in items):
        raise MismatchError
    return tuple(cast("list[str]", items))


def _rules(value: object, reading: Reading) -> tuple[str, ...]:
    return _prefixes(_texts(value, reading), reading)


def _rules_by_file(value: object, reading: Reading) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for pattern, rules in _items(value):
        prefixes = _prefixes(_texts(rules, reading), reading, pattern)
        if _is_usable(pattern.removeprefix("!"), reading, pattern, at_key=True):
            found.append((anchored(pattern, reading.folder), prefixes))
    return tuple(found)


def _severities(value: object, reading: Reading) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for rule, severity in _items(value):
        if not isinstance(severity, str):
            raise MismatchError
        prefix = _prefix(rule, reading, rule, at_key=True)
        if severity not in SEVERITIES:
            reading.tell(f"There is no severity {severity!r}: choose one of {', '.join(SEVERITIES)}.", rule)
        elif prefix is not None:
            found.append((prefix, severity))
    return tuple(found)


def _patterns(value: object, reading: Reading) -> tuple[str, ...]:
    items = enumerate(_texts(value, reading))
    return tuple(anchored(text, reading.folder) for number, text in items if _is_usable(text, reading, number))


def _folders(value: object, reading: Reading) -> tuple[str, ...]:
    return tuple(_absolute(text, reading.folder) for text in _texts(value, reading))


def _file(value: object, reading: Reading) -> str:
    if not isinstance(value, str):
        raise MismatchError
    return _absolute(value, reading.folder) if value else ""


def _environment(value: object, reading: Reading) -> str:
    path = _file(value, reading)
    if path and not site_packages(path, reading.files):
        reading.tell(f"No installed packages are found in the Python environment {value!r}.", is_remark=True)
    return path


def _names(value: object, reading: Reading) -> tuple[tuple[str, str], ...]:
    from biaslens.catalogue.likeness import likenesses  # the catalogue takes time to load

    found: list[tuple[str, str]] = []
    for own, like in _items(value):
        if not isinstance(like, str):
            raise MismatchError
        usable, problems = likenesses([(own, like)])
        found += usable
        for problem in problems:
            reading.tell(problem, own)
    return tuple(found)


def _items(value: object) -> Iterable[tuple[str, object]]:
    if not isinstance(value, dict):
        raise MismatchError
    return cast("dict[str, object]", value).items()


def _prefixes(selectors: Sequence[str], reading: Reading, *keys: str) -> tuple[str, ...]:
    found = (_prefix(selector, reading, *keys, number) for number, selector in enumerate(selectors))
    return tuple(prefix for prefix in found if prefix is not None)


def _prefix(selector: str, reading: Reading, *keys: str | int, at_key: bool = False) -> str | None:
    """The prefix of rule codes that a person means; None, told, where no rule has it."""
    codes = _codes()
    prefix = selector.strip().upper()
    if prefix == EVERY_RULE:
        return ""
    if prefix and any(code.startswith(prefix) for code in codes):
        return prefix
    hint = nearest(prefix, codes) or " `biaslens rules` lists them."
    reading.tell(f"No rule has the code or prefix {selector!r}.{hint}", *keys, at_key=at_key)
    return None


def _codes() -> list[str]:
    from biaslens.rules.registry import RULES  # the rules take time to load

    return [rule.code for rule in RULES]


def _is_usable(pattern: str, reading: Reading, *keys: str | int, at_key: bool = False) -> bool:
    if is_pattern(pattern):
        return True
    reading.tell(f"The pattern {pattern!r} can match nothing.", *keys, at_key=at_key)
    return False


def _absolute(path: str, folder: str) -> str:
    return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))


# --- flags -----------------------------------------------------------------------------------------------------------


def _parts(texts: Sequence[str]) -> list[str]:
    """The parts of texts that are separated by commas or given repeatedly."""
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _pairs(texts: Sequence[str]) -> dict[str, object]:
    pairs = (part.partition("=") for part in _parts(texts))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _pairs_with_lists(texts: Sequence[str]) -> dict[str, object]:
    """`PATTERN:RULE,…`, a pattern with several rules several times."""
    found: dict[str, list[str]] = {}
    for part in _parts(texts):
        pattern, _, rule = part.rpartition(":")
        found.setdefault(pattern.strip(), []).append(rule.strip())
    return dict(found)


def _last(texts: Sequence[str]) -> object:
    return texts[-1]


# --- schemas ---------------------------------------------------------------------------------------------------------


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _table_of(item: Schema, **more: object) -> Schema:
    return {"type": "object", "additionalProperties": item, **more}


_TEXT: Mapping[str, Any] = {"type": "string"}


def _rule_schema() -> Schema:
    codes = _codes()
    prefixes = {code[:length] for code in codes for length in range(2, len(code) + 1)}
    return {"enum": [EVERY_RULE, *sorted(prefixes)]}


def _choice(choices: Sequence[str]) -> Kind:
    def read(value: object, _: Reading) -> object:
        if value not in choices:
            raise MismatchError
        return value

    words = f"one of {', '.join(choices)}"
    return Kind(words, lambda: {"enum": list(choices)}, read, _last)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "switch": Kind("true or false", lambda: {"type": "boolean"}, _switch),
        "number": Kind("a positive number", lambda: {"type": "integer", "minimum": 1}, _number),
        "texts": Kind("a list of strings", lambda: _list_of(_TEXT), _texts, _parts),
        "rules": Kind("a list of strings", lambda: _list_of(_rule_schema()), _rules, _parts),
        "rules by file": Kind(
            "a table of patterns with lists of rules",
            lambda: _table_of(_list_of(_rule_schema())),
            _rules_by_file,
            _pairs_with_lists,
        ),
        "severities": Kind(
            "a table of rules with severities",
            lambda: _table_of({"enum": list(SEVERITIES)}, propertyNames=_rule_schema()),
            _severities,
            _pairs,
        ),
        "patterns": Kind("a list of strings", lambda: _list_of(_TEXT), _patterns, _parts),
        "folders": Kind("a list of strings", lambda: _list_of(_TEXT), _folders, _parts),
        "file": Kind("the name of a file", lambda: _TEXT, _file, _last),
        "environment": Kind("the name of a file or folder", lambda: _TEXT, _environment, _last),
        "names": Kind("a table of names of your own with names of torch", lambda: _table_of(_TEXT), _names, _pairs),
    }
)
"""By the names in `Options`."""

_USUAL: Mapping[type, str] = MappingProxyType({bool: "switch", int: "number", tuple: "texts", str: "file"})
