"""What arguments a class or function of the user's takes itself, where it is declared to be like one of torch."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from biaslens.catalogue.entry import Parameter
from biaslens.catalogue.lookup import find
from biaslens.program import classes, names
from biaslens.program.names import MISSING
from biaslens.program.run import Run
from biaslens.program.values import Arguments, ClassValue, External, FunctionValue, Value


@dataclass(frozen=True, slots=True)
class Signature:
    """positional, keywords: the names of parameters by the way they can be given. defaults: their values by name.

    hands_on: it passes on the keywords that it does not take itself.
    """

    positional: tuple[str, ...]
    keywords: tuple[str, ...]
    defaults: Mapping[str, Value]
    hands_on: bool

    def takes(self, name: str) -> bool:
        """Whether a call may name this argument, as far as can be seen."""
        return name in self.positional or name in self.keywords or self.hands_on

    def index(self, name: str) -> int | None:
        """The place of an argument among the positional ones."""
        return self.positional.index(name) if name in self.positional else None

    def value(self, name: str, arguments: Arguments) -> Value:
        """What an argument is in a call, MISSING where that cannot be told."""
        index = self.index(name)
        if name in arguments.keywords:
            return arguments.keywords[name]
        if index is not None and index < len(arguments.positional):
            return arguments.positional[index]
        return MISSING if arguments.open else self.defaults.get(name, MISSING)


def signature_of(run: Run, external: External) -> Signature | None:
    """The signature of declared code, None where its source is not found or does not tell."""
    definition = names.definition(run, external)
    if isinstance(definition, FunctionValue):
        return _of_function(definition, 0)
    if not isinstance(definition, ClassValue):
        return None
    initialiser = classes.find(definition, "__init__")
    if initialiser is not None:
        return _of_function(initialiser[1], 1) if isinstance(initialiser[1], FunctionValue) else None
    base = classes.torch_base(definition)
    entry = find(base.name) if base is not None and not base.own else None
    return _of_entry(entry.parameters) if entry is not None else None


def _of_function(function: FunctionValue, bound: int) -> Signature:
    """bound: how many of the first parameters are no arguments of a call."""
    listed = function.node.args
    positional = [parameter.arg for parameter in (*listed.posonlyargs, *listed.args)][bound:]
    keywords = [parameter.arg for parameter in listed.kwonlyargs]
    return Signature(tuple(positional), tuple(keywords), function.defaults, _hands_on(function))


def _hands_on(function: FunctionValue) -> bool:
    rest = function.node.args.kwarg
    return rest is not None and any(
        isinstance(inner, ast.keyword) and inner.arg is None and getattr(inner.value, "id", "") == rest.arg
        for inner in ast.walk(function.node)
    )


def _of_entry(parameters: Sequence[Parameter]) -> Signature:
    positional = tuple(parameter.name for parameter in parameters if parameter.kind == "positional")
    keywords = tuple(parameter.name for parameter in parameters if parameter.kind == "keyword")
    defaults = {parameter.name: parameter.default for parameter in parameters if not parameter.required}
    return Signature(positional, keywords, defaults, hands_on=False)
