"""When a global means what: a name that several statements of top level bind or change.

A statement of top level sees what was bound before it. What an entry sees depends on when somebody uses it: at any time
after its definition at which code runs that can reach it. A moment is the index of a statement whose turn comes then,
None when all have run.
"""

from __future__ import annotations

import ast
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from biaslens.program.values import Value
from biaslens.syntax.bindings import mentioned
from biaslens.syntax.parse import Module

if TYPE_CHECKING:
    from biaslens.program.run import ModuleState

Moment: TypeAlias = "int | None"


@contextmanager
def running(state: ModuleState, module: Module, index: int) -> Generator[None]:
    """Meanwhile a statement runs. Effect: what it binds anew is kept beside what was bound before."""
    hidden = {name: state.variables.pop(name) for name in module.changing if name in state.variables}
    try:
        with at(state, index):
            yield
    finally:
        for name in module.changing:
            if name in state.variables:
                state.history.setdefault(name, {})[index] = state.variables.pop(name)
        state.variables.update(hidden)


@contextmanager
def at(state: ModuleState, moment: Moment) -> Generator[None]:
    """Meanwhile names mean what they did at a moment."""
    before, state.moment = state.moment, moment
    try:
        yield
    finally:
        state.moment = before


def latest(values: dict[int, Value], moment: Moment) -> Value:
    """What was bound last before a moment. values: by the statements that bound them, at least one."""
    before = [index for index in values if moment is None or index < moment]
    return values[max(before, default=min(values))]


def next_binding(module: Module, name: str, index: int) -> Moment:
    """The statement behind one that binds a name anew."""
    return next((binder for binder in _binders(module, name) if binder > index), None)


def bindings(module: Module, name: str, definition: int) -> list[Moment]:
    """Moments that find one thing each bound to a name while a definition is there: before it is bound anew.

    definition: the index of its statement.
    """
    later = [binder for binder in _binders(module, name) if binder > definition]
    if not _binders(module, name)[: -len(later) or None]:
        later = later[1:]  # before the first of them nobody can use the name
    return [*later, None]


def may_be_used(module: Module, definition: int, name: str, moment: Moment) -> bool:
    """Whether code may use a definition while that is bound to a name which a moment finds."""
    last = len(module.statements)
    if moment is None and _is_there_in_the_end(module, definition):
        return True
    end = last if moment is None else moment
    start = max((binder for binder in _binders(module, name) if binder < end), default=definition)
    return _is_reached_between(module, definition, max(start, definition) + 1, end)


def was_in_use(module: Module, node: ast.stmt, moment: Moment) -> bool:
    """Whether code may have used a definition of top level before a moment."""
    definition = next((index for index, other in enumerate(module.statements) if other is node), None)
    if definition is None or moment is None:
        return False
    return _is_reached_between(module, definition, definition + 1, moment)


def _is_reached_between(module: Module, definition: int, start: int, end: int) -> bool:
    """Whether one of the statements from `start` up to `end` runs code that can get at a definition."""
    between = range(start, end)
    return any(_runs(module.statements[i]) and _reaches(module, (i,), i, definition) for i in between)


def _binders(module: Module, name: str) -> list[int]:
    return module.binding.get(name, [])


def _is_there_in_the_end(module: Module, definition: int) -> bool:
    """Whether others may use a definition when all of the module has run."""
    statement = module.statements[definition]
    if getattr(statement, "decorator_list", None):  # it may be kept in a register
        return True
    last = len(module.statements)
    starts = (index for name in module.affecting for index in _affecting(module, name, last, last))
    return _reaches(module, starts, last, definition)


def _runs(statement: ast.stmt) -> bool:
    """Whether a statement calls something, as those that only define and import do not."""
    if isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom)):
        return False
    return any(isinstance(node, ast.Call) for node in ast.walk(statement))


def _reaches(module: Module, starts: Iterable[int], now: int, definition: int) -> bool:
    """Whether statements can get at a definition by the names in them. now: the statement that runs."""
    waiting, seen = list(starts), set[int]()
    while waiting:
        index = waiting.pop()
        if index == definition:
            return True
        if index not in seen and index < len(module.statements):
            seen.add(index)
            for name in mentioned(module.statements[index]):
                waiting += _affecting(module, name, index, now)
    return False


def _affecting(module: Module, name: str, index: int, now: int) -> list[int]:
    """The statements that make a name what it is in a statement while a later one runs."""
    binders = [binder for binder in _binders(module, name) if binder < index]
    first = binders[-1] if binders else 0
    return [other for other in module.affecting.get(name, ()) if first <= other < now]
