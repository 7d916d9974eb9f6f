"""Dicts that may hold more than the source tells, and what can be asked about them.

What is not known of an open dict is asked of the unknown mapping behind it: `"bias" in kwargs` is one question wherever
the dict was copied or passed on to, and `kwargs["bias"]` is one value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from biaslens.program import modules
from biaslens.program.conditions import has, key_of, membership, settle, show, truth
from biaslens.program.iteration import item
from biaslens.program.names import MISSING
from biaslens.program.origins import Origin
from biaslens.program.run import PathEnds, Run
from biaslens.program.symbols import Kind, Symbol, bounded
from biaslens.program.values import Table, Unknown, Value


def get(run: Run, table: dict[Any, Value], key: Value, default: Value = MISSING) -> Value:
    """`table[key]`, or `table.get(key, default)`: what is in the rest is unknown, the default at first."""
    if key in table:
        return table[key]
    found = has(run, table, key)
    unknown = [entry for entry in table if isinstance(entry, Unknown)] if found is None else []
    if unknown:
        modules.escape(run, [table[entry] for entry in unknown], "it is in a dict under a key that could not be told")
        return Unknown(bounded(Symbol(Kind.ITEM, run.ordinal(table), key_of(run, key))), f"...[{show(key)}]")
    if found is False or not isinstance(table, Table) or table.rest is None:
        if default is MISSING:
            raise PathEnds
        return default
    value = item(table.rest, key if isinstance(key, (str, int)) else key_of(run, key), repr(key))
    if isinstance(key, str):
        value = Unknown(value.key, key, origin=value.origin)
    if default is MISSING:
        run.known[Symbol(Kind.TRUTH, membership(run, table.rest, key).key)] = True
    elif found is None:
        if default is not None:  # where the key is absent, two defaults give two values
            value = replace(value, key=bounded(Symbol(Kind.ITEM_OR, value.key, key_of(run, default))))
        run.presumed.setdefault(value.key, default)
    return settle(run, value)


def remove(run: Run, table: dict[Any, Value], key: Value) -> None:
    """Effect: the key is in the dict no more."""
    run.touch(table)
    table.pop(key, None)
    if isinstance(table, Table) and table.rest is not None:
        table.absent |= {key}


def clear(run: Run, table: dict[Any, Value]) -> None:
    """Effect: nothing is in the dict any more."""
    run.touch(table)
    table.clear()
    if isinstance(table, Table):
        table.rest, table.absent = None, frozenset()


def merge(run: Run, table: Table, source: Mapping[Any, Value]) -> None:
    """Effect: `table.update(source)`. What an open source may hold takes the place of what was there, or does not."""
    run.touch(table)
    if isinstance(source, Table) and source.rest is not None:
        for key in [key for key in table if key not in source and key not in source.absent]:
            table[key] = _either(run, source.rest, key, table[key])
        if table.rest is None:
            table.rest, table.absent = source.rest, source.absent - table.keys()
        elif table.rest != source.rest:
            both = Unknown(bounded(Symbol(Kind.BOTH, table.rest.key, source.rest.key)), table.rest.text)
            table.rest, table.absent = both, table.absent & source.absent
    table.update(source)


def opened(run: Run, table: Table, value: Value) -> None:
    """Effect: an entry under an unknown key was set: it may be a new one."""
    origin = value.origin if isinstance(value, Unknown) else Origin.DATA
    rest = Unknown(run.another(Kind.OPENED, run.ordinal(table)), "the dict", origin=origin)
    merge(run, table, Table(rest=rest))


def _either(run: Run, rest: Unknown, key: Value, value: Value) -> Value:
    """What a key has after `{key: value, **rest}`."""
    inside = truth(run, membership(run, rest, key))
    if inside is False:
        return value
    given = get(run, Table(rest=rest), key, value)
    if inside or not isinstance(given, Unknown):
        return given
    either = Unknown(bounded(Symbol(Kind.EITHER, given.key, key_of(run, value))), given.text, origin=given.origin)
    run.presumed.setdefault(either.key, value)
    return either
