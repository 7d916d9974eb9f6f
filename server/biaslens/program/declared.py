"""What the user says of code of their own: which layer or function of torch a class or function of theirs is like.

Where a name turns out to be a declared one, it stands for the row of the catalogue, and its source is not followed.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

from biaslens.catalogue.lookup import find
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import ClassValue, External, FunctionValue, Instance, Partial, Unknown, Value, Wrapped
from biaslens.syntax.locate import has_no_file
from biaslens.syntax.parse import Module

Declared: TypeAlias = Mapping[str, tuple[External, ...]]
"""By the last part of their own names, so that any other name costs one look-up."""


def declarations(like: Iterable[tuple[str, str]]) -> Declared:
    """What pairs of an own name and a name of torch declare; pairs without a row of the catalogue say nothing."""
    found: dict[str, list[External]] = {}
    for own, torch in like:
        entry = find(torch)
        if entry is not None:
            found.setdefault(own.rpartition(".")[2], []).append(External(entry.name, own))
    return MappingProxyType({last: tuple(externals) for last, externals in found.items()})


def named(declared: Declared, dotted: str, path: str = "") -> External | None:
    """What a dotted name is declared like. path: of the file in which its last part is looked up."""
    for external in declared.get(dotted.rpartition(".")[2], ()):
        if external.own == dotted:
            return replace(external, path=path)
    return None


def in_module(declared: Declared, module: Module, name: str) -> External | None:
    """What a global of a file is declared like, under the file's dotted name; one without dots means a class or
    function of any file that is not installed."""
    for external in declared.get(name, ()):
        place = external.own.rpartition(".")[0]
        if place == module.name if place else _is_own(module, name):
            return replace(external, path=module.path)
        if place.endswith(f".{module.name}") and f".{_dotted_path(module)}".endswith(f".{place}"):
            return replace(external, path=module.path)  # the folders above it have no `__init__.py`
    return None


def dotted_name(value: Value) -> str:
    """The absolute name by which a person can declare code that was not followed, or ""."""
    match value:
        case External(name=name, own=""):
            return "" if has_no_file(name) else name.lstrip(".")
        case ClassValue(name=name, module=module) if name in module.affecting:
            return _below(module, name)
        case FunctionValue(name=name, scope=scope, owner=None, node=ast.FunctionDef()) if scope.parent is None:
            return _below(scope.module, name)
        case Unknown(dotted=dotted):
            return dotted
        case Instance(cls=inner) | Partial(function=inner) | Wrapped(function=inner):
            return dotted_name(inner)
        case _:
            return ""


def attribute_name(owner: Value, name: str) -> str:
    """The same of an attribute of a class, or of a module that could not be read."""
    match owner:
        case External(own=str(own)) if own:
            return f"{own}.{name}"
        case External() | ClassValue() | Unknown(key=Symbol(Kind.IMPORT)):
            dotted = dotted_name(owner)
            return f"{dotted}.{name}" if dotted else ""
        case _:
            return ""


def _below(module: Module, name: str) -> str:
    return f"{module.name}.{name}" if all(part.isidentifier() for part in module.name.split(".")) else name


def _is_own(module: Module, name: str) -> bool:
    """Whether a file that a person works on defines a class or function of that name."""
    if "site-packages" in module.path or "dist-packages" in module.path:
        return False
    statements = (module.statements[index] for index in module.affecting.get(name, ()))
    return any(
        isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name
        for statement in statements
        for node in ast.walk(statement)
    )


def _dotted_path(module: Module) -> str:
    return os.path.splitext(module.path)[0].replace(os.sep, ".").removesuffix(".__init__")
