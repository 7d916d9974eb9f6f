"""Layers that stand in a text, and that nothing which was followed makes: lost on the way, and not to be kept quiet.

They are told by their names alone: `nn.Linear(…)` is a layer, whatever becomes of the function that it stands in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from biaslens.catalogue.entry import Entry
from biaslens.catalogue.lookup import find
from biaslens.flow import Flow
from biaslens.syntax.parse import Module
from biaslens.text import Location, Problem

NO_PATH = "no path that was followed makes it"


@dataclass(frozen=True, slots=True)
class Unreached:
    """A constructor call of a layer with a weight and a bias, without a site.

    location: of the call.
    entry: the row of the layer.
    bias: whether it has one, None where the text does not tell.
    bias_text: the source of the argument that decides about it, "" without one.
    reason: why nothing is known of it.
    """

    location: Location
    entry: Entry
    bias: bool | None
    bias_text: str
    reason: str


def unreached(module: Module, flow: Flow, problems: Sequence[Problem]) -> tuple[Unreached, ...]:
    """The layers of a module that have no site in its flow, in their order. problems: what was said of the file."""
    reached = {site.location for site in flow.sites}
    found: list[Unreached] = []
    for call, entry in _constructions(module):
        location = module.location(call)
        if location not in reached:
            bias, text = _bias(call, entry)
            found.append(Unreached(location, entry, bias, text, _reason(location, problems)))
    return tuple(sorted(found, key=lambda one: one.location))


def _reason(location: Location, problems: Sequence[Problem]) -> str:
    for problem in problems:
        span = problem.span
        if problem.path == location.path and span is not None and span.start <= location.span.start < span.end:
            return problem.message.partition(";")[0]
    return NO_PATH


def _constructions(module: Module) -> Iterator[tuple[ast.Call, Entry]]:
    """The calls of what torch names as layers with a weight and a bias."""
    nodes = [node for statement in module.statements for node in ast.walk(statement)]
    imported = dict(_imported(nodes))
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in nodes if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))}
    is_open = any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes)
    for node in nodes:
        if isinstance(node, ast.Call):
            name = _full_name(node.func, imported, is_open and bound)
            entry = find(name) if name else None
            if entry is not None and entry.role == "affine" and entry.name.startswith("torch.nn."):
                yield node, entry


def _imported(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, str]]:
    """What each imported name stands for, wherever it is imported."""
    for node in nodes:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    top = alias.name.partition(".")[0]
                    yield alias.asname or top, alias.name if alias.asname else top
            case ast.ImportFrom(module=str(origin), level=0, names=names):
                for alias in names:
                    yield alias.asname or alias.name, f"{origin}.{alias.name}"
            case _:
                pass


def _full_name(node: ast.expr, imported: Mapping[str, str], bound: set[str] | bool) -> str:
    """What a name or an attribute of one stands for; "" where that is not known.

    bound: the names that the file binds, where a star import may have brought any other: `nn` is torch's then.
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    root = imported.get(node.id, "")
    if not root and not isinstance(bound, bool) and node.id not in bound:
        root = {"torch": "torch", "nn": "torch.nn"}.get(node.id, f"torch.nn.{node.id}")
    return ".".join([root, *reversed(parts)]) if root else ""


def _bias(call: ast.Call, entry: Entry) -> tuple[bool | None, str]:
    """Whether a constructor call asks for a bias, by its text, and the text that says so."""
    shift = entry.shift
    if shift is None:
        return None, ""
    place = next((i for i, parameter in enumerate(entry.parameters) if parameter.name == shift.argument), None)
    given = next((word.value for word in call.keywords if word.arg == shift.argument), None)
    if given is None and place is not None and place < len(call.args):
        given = call.args[place]
    if given is None:
        is_sure = not any(isinstance(one, ast.Starred) for one in call.args) and all(w.arg for w in call.keywords)
        return (True if is_sure else None), ""
    if isinstance(given, ast.Constant):
        return bool(given.value), ""
    return None, ast.unparse(given)
