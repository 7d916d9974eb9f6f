"""Methods of Python's own strings, lists, dicts, tuples and sets, for values that are known."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from biaslens.program import attributes, calls
from biaslens.program.conditions import key_of, settle, show
from biaslens.program.expressions import opaque
from biaslens.program.iteration import MAX_ITEMS, items_of
from biaslens.program.names import MISSING
from biaslens.program.run import PathEnds, Run
from biaslens.program.sizing import MAX_TEXT, bounded
from biaslens.program.values import Arguments, Scope, ShapeOf, Unknown, Value

_PURE: Mapping[type, frozenset[str]] = {
    str: frozenset(
        [
            "lower",
            "upper",
            "strip",
            "lstrip",
            "rstrip",
            "split",
            "rsplit",
            "startswith",
            "endswith",
            "replace",
            "join",
            "format",
            "title",
            "capitalize",
            "isdigit",
            "isalpha",
            "find",
            "rfind",
            "index",
            "count",
            "partition",
            "rpartition",
            "removeprefix",
            "removesuffix",
            "splitlines",
            "isnumeric",
            "isupper",
            "islower",
            "casefold",
            "swapcase",
            "isidentifier",
            "isspace",
            "isalnum",
            "encode",
        ]
    ),
    list: frozenset(["index", "count", "copy"]),
    tuple: frozenset(["index", "count"]),
    dict: frozenset(["copy"]),
    set: frozenset(["union", "intersection", "difference", "issubset", "issuperset", "copy", "isdisjoint"]),
    int: frozenset(["bit_length", "is_integer"]),
    float: frozenset(["is_integer"]),
    bytes: frozenset(["decode"]),
    range: frozenset(["index", "count"]),
}
_CHANGING: Mapping[type, frozenset[str]] = {
    list: frozenset(["append", "insert", "pop", "remove", "reverse", "clear"]),
    dict: frozenset(["pop", "setdefault", "clear", "popitem"]),
    set: frozenset(["add", "discard", "remove", "update", "clear"]),
}


def method(run: Run, scope: Scope, receiver: Any, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`receiver.name(...)` for a value of Python's own."""
    match receiver, name:
        case list(), "extend":
            if arguments.positional and len(receiver) < MAX_ITEMS:
                run.touch(receiver)
                receiver.extend(items_of(run, scope, arguments.positional[0], node))
            return None
        case list(), "sort":
            return None
        case dict(), "items":
            return [item for item in receiver.items() if item[0] != calls.OPEN_KEY]
        case dict(), "keys":
            return [key for key in receiver if key != calls.OPEN_KEY]
        case dict(), "values":
            return [value for key, value in receiver.items() if key != calls.OPEN_KEY]
        case dict(), "get" | "pop" | "setdefault":
            return _look_up(run, scope, receiver, name, arguments, node)
        case dict(), "update":
            run.touch(receiver)
            _update(receiver, arguments)
            return None
        case dict(), "fromkeys":
            return opaque(run, scope, node)
        case _:
            return _plain(run, scope, receiver, name, arguments, node)


def shape_method(run: Run, scope: Scope, receiver: ShapeOf, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """A method of `x.shape`."""
    sizes = attributes.shape_tuple(run, receiver)
    if name == "numel" and isinstance(sizes, tuple):
        from functools import reduce

        from biaslens.program.expressions import binary

        return reduce(lambda left, right: binary(run, scope, "*", left, right, node), sizes, 1)
    return opaque(run, scope, node)


def _look_up(run: Run, scope: Scope, table: dict[Any, Value], name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`get`, `pop` and `setdefault`; an unknown key is one decision per entry, and one for the default."""
    if not arguments.positional:
        return opaque(run, scope, node)
    key = settle(run, arguments.positional[0])
    default = arguments.positional[1] if len(arguments.positional) > 1 else arguments.keywords.get("default")
    if name != "get":
        run.touch(table)
    if isinstance(key, Unknown):
        return _look_up_unknown(run, scope, table, key, default, node)
    try:
        if key in table:
            return table.pop(key) if name == "pop" else table[key]
    except TypeError:
        return opaque(run, scope, node)
    if calls.OPEN_KEY in table:
        value = Unknown(
            ("item", run.ordinal(table), key_of(run, key)),
            key if isinstance(key, str) else show(key),
            origin="constructor",
        )
        if name != "pop" or len(arguments.positional) > 1:
            run.presumed[value.key] = default
        return value
    if name == "pop" and len(arguments.positional) < 2:
        raise PathEnds
    if name == "setdefault":
        table[key] = default
    return default


def _look_up_unknown(
    run: Run, scope: Scope, table: dict[Any, Value], key: Unknown, default: Value, node: ast.AST
) -> Value:
    entries = [entry for entry in table if isinstance(entry, (str, int)) and entry != calls.OPEN_KEY]
    if len(entries) > attributes.MAX_CHOICES:
        return Unknown(("item", run.ordinal(table), key.key), f"...[{key.text}]")
    chosen = attributes.choose(run, scope, entries, key, node)
    return default if chosen is MISSING else table[chosen]


def _update(table: dict[Any, Value], arguments: Arguments) -> None:
    for other in arguments.positional:
        if isinstance(other, dict):
            table.update(other)
        elif isinstance(other, (list, tuple)):
            table.update(pair for pair in other if isinstance(pair, tuple) and len(pair) == 2)
        else:
            table[calls.OPEN_KEY] = True
    table.update(arguments.keywords)


def _plain(run: Run, scope: Scope, receiver: Any, name: str, arguments: Arguments, node: ast.AST) -> Value:
    kind = type(receiver)
    if name in _CHANGING.get(kind, ()):
        return _changed(run, scope, receiver, name, arguments, node)
    if name not in _PURE.get(kind, ()) or arguments.open:
        return opaque(run, scope, node)
    values = [settle(run, value) for value in (*arguments.positional, *arguments.keywords.values())]
    if any(_holds_objects(value) for value in values) and kind is str:
        key = bounded(("text", receiver, name, *(key_of(run, value) for value in values)))
        return Unknown(key, f"{receiver!r}.{name}(...)"[:MAX_TEXT])
    try:
        return getattr(receiver, name)(*arguments.positional, **arguments.keywords)
    except Exception:  # the program would raise here
        raise PathEnds from None


def _changed(run: Run, scope: Scope, receiver: Any, name: str, arguments: Arguments, node: ast.AST) -> Value:
    if len(receiver) > MAX_ITEMS:
        raise PathEnds
    run.touch(receiver)
    try:
        return getattr(receiver, name)(*arguments.positional, **arguments.keywords)
    except Exception:  # an unknown index, an empty list
        if any(isinstance(value, Unknown) for value in arguments.positional):
            return opaque(run, scope, node)
        raise PathEnds from None


def _holds_objects(value: Value) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_objects(item) for item in value)
    return not isinstance(value, (str, int, float, bool, bytes, type(None)))
