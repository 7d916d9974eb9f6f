"""From addresses to offsets: what was found out about the blocks of a text, told in terms of the text as it is now."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar, cast

from biaslens.flow import Flow, NormUse
from biaslens.program.ir import Run, Test
from biaslens.syntax.outline import Outlined
from biaslens.text import Location, Span, in_order

T = TypeVar("T")

_DEFINITION = re.compile(r"(.*):(\d+)((?::[^:]*)?)$", re.DOTALL)
"""The full name of a definition: `path:address:name`, or of a lambda `path:address`."""

_HOLDING_PLACES = (
    "biaslens.flow",
    "biaslens.follow",
    "biaslens.program.ir",
    "biaslens.rules.rule",
    "biaslens.verdicts",
)
"""The modules whose values may hold places; those of the catalogue and the algebra know none."""


class Relocation:
    """Tells values anew, each once, so that what was one object stays one."""

    def __init__(self, modules: Mapping[str, Outlined]) -> None:
        self._modules = modules
        self._made: dict[int, tuple[object, object]] = {}

    def location(self, place: Location) -> Location:
        """Where a place is by now."""
        start = self.start(place)
        return Location(place.path, Span(start, start + place.span.end - place.span.start))

    def start(self, place: Location) -> int:
        """The offset at which a place begins by now."""
        module = self._modules.get(place.path)
        return place.span.start if module is None else module.offset(place.span.start)

    def value(self, value: T) -> T:
        """A value with all that it holds."""
        kind: type[Any] = type(value)
        if kind is Location:
            return cast("T", self.location(cast("Location", value)))
        if kind is not tuple and kind.__module__ not in _HOLDING_PLACES:
            return value
        known = self._made.get(id(value))
        if known is None:
            known = self._made[id(value)] = (value, self._anew(value))  # the value is kept, and with it its identity
        return cast("T", known[1])

    def _anew(self, value: object) -> object:
        if isinstance(value, tuple):
            items = cast("tuple[object, ...]", value)
            moved: tuple[object, ...] = tuple(map(self.value, items))
            return moved if any(new is not old for new, old in zip(moved, items, strict=True)) else items
        names = _fields_of(type(value))
        parts = [self.value(getattr(value, name)) for name in names]
        if any(new is not getattr(value, name) for name, new in zip(names, parts, strict=True)):
            value = cast("Callable[..., object]", type(value))(*parts)
        settle = _SETTLING.get(type(value))
        return value if settle is None else settle(value, self._renamed)

    def _renamed(self, definition: str) -> str:
        path, address = _DEFINITION.sub(r"\1", definition), _DEFINITION.match(definition)
        module = self._modules.get(path) if address is not None else None
        if address is None or module is None:
            return definition
        return f"{path}:{module.offset(int(address[2]))}{address[3]}"


@cache
def _fields_of(kind: type[Any]) -> tuple[str, ...]:
    try:
        return tuple(field.name for field in fields(kind))
    except TypeError:  # an enumeration
        return ()


def _settled_run(run: Run, renamed: Callable[[str], str]) -> Run:
    used, extends = frozenset(map(renamed, run.used)), frozenset(map(renamed, run.extends))
    return replace(run, definition=renamed(run.definition), used=used, extends=extends)


def _settled_test(test: Test, renamed: Callable[[str], str]) -> Test:
    return replace(test, function=renamed(test.function))


def _settled_norm(norm: NormUse, _: object) -> NormUse:
    calls, cancels, reads, parts = map(in_order, (norm.calls, norm.cancels, norm.reads, norm.cancels_parts_of))
    return replace(norm, calls=calls, cancels=cancels, reads=reads, cancels_parts_of=parts)


def _settled_flow(flow: Flow, _: object) -> Flow:
    sites = sorted(flow.sites, key=lambda site: site.location)
    return replace(flow, sites=tuple(sites), norms=tuple(sorted(flow.norms, key=lambda norm: norm.location)))


_SETTLING: Mapping[type[Any], Callable[[Any, Callable[[str], str]], object]] = MappingProxyType(
    {Run: _settled_run, Test: _settled_test, NormUse: _settled_norm, Flow: _settled_flow}
)
"""What else hangs on places: names that hold one, and the order of what is sorted by them."""
