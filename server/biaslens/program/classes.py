"""Classes: their bodies, bases and method resolution order."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from biaslens.catalogue.lookup import find as find_entry
from biaslens.program import calls, expressions, statements
from biaslens.program.iteration import CONTAINERS
from biaslens.program.run import Run
from biaslens.program.values import CLASS_BODY, Arguments, ClassValue, External, Scope, Unknown, Value, Wrapped


def define(run: Run, scope: Scope, node: ast.ClassDef) -> ClassValue:
    """The class that a `class` statement makes."""
    bases = tuple(_base(expressions.evaluate(run, scope, base)) for base in node.bases)
    place = scope.module.location(node)
    cls = ClassValue(node.name, node, scope.module, bases, {}, f"{place.path}:{place.span.start}:{node.name}")
    cls.order = (cls, *_merge([_order(base) for base in bases] + [list(bases)]))
    body = Scope(scope.module, cls.namespace, scope, cls, CLASS_BODY)
    statements.execute_all(run, body, node.body)
    _initialise_subclass(run, scope, cls, node)
    return cls


def _initialise_subclass(run: Run, scope: Scope, cls: ClassValue, node: ast.ClassDef) -> None:
    """Effect: what the `__init_subclass__` of a base class does to a new class."""
    found = next((owner for owner in cls.order[1:] if isinstance(owner, ClassValue) and _HOOK in owner.namespace), None)
    if found is not None:
        hook = found.namespace[_HOOK]
        keywords = {
            k.arg: expressions.evaluate(run, scope, k.value) for k in node.keywords if k.arg not in (None, "metaclass")
        }
        function = hook.function if isinstance(hook, Wrapped) else hook
        calls.call(run, scope, function, Arguments((cls,), keywords), node)


_HOOK = "__init_subclass__"


def find(cls: Value, name: str, *, after: Value = None) -> tuple[Value, Value] | None:
    """(owner, value) of a class attribute along the resolution order, optionally only behind one class."""
    for owner in _behind(cls, after):
        if isinstance(owner, ClassValue) and name in owner.namespace:
            return owner, owner.namespace[name]
    return None


def torch_base(cls: Value, *, after: Value = None) -> External | None:
    """The first class of torch, or layer of einops, in the resolution order."""
    for base in _behind(cls, after):
        if isinstance(base, External) and base.name.startswith(_MODULES):
            return base
    return None


def has_unknown_base(cls: Value) -> bool:
    """Whether part of what the class does is out of sight."""
    return any(
        isinstance(base, Unknown) or (isinstance(base, External) and (base.own or not _is_understood(base.name)))
        for base in order_of(cls)
    )


def _is_understood(name: str) -> bool:
    """Whether a class outside the sources is plain Python, or a module that the catalogue or the interpreter knows."""
    return name.startswith(_PLAIN) or name == "torch.nn.Module" or name in CONTAINERS or find_entry(name) is not None


def order_of(cls: Value) -> tuple[Value, ...]:
    """The method resolution order."""
    return cls.order if isinstance(cls, ClassValue) else (cls,)


def works_behind_the_scenes(cls: Value) -> str:
    """Why what instances do cannot be read off their methods: a hook of Python's own object model, or ""."""
    for owner in order_of(cls):
        if isinstance(owner, ClassValue):
            if any(keyword.arg == "metaclass" and _name(keyword.value) != "ABCMeta" for keyword in owner.node.keywords):
                return "its class has a metaclass"
            for name in ("__getattribute__", "__setattr__", "__delattr__", "__new__"):
                if name in owner.namespace:
                    return f"its class defines `{name}`"
    return ""


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_module_class(cls: Value) -> bool:
    """Whether instances are modules: a class of torch.nn, or one that derives from it, or from something unseen with a
    forward of its own."""
    if torch_base(cls) is not None:
        return True
    return isinstance(cls, ClassValue) and has_unknown_base(cls) and find(cls, "forward") is not None


def is_container(cls: Value) -> bool:
    """Whether instances hold their submodules in order."""
    return any(isinstance(base, External) and base.name in CONTAINERS for base in order_of(cls))


_MODULES = ("torch.nn.", "einops.layers.torch.")
_PLAIN = ("builtins.", "typing.", "abc.", "enum.", "collections.", "dataclasses.", "typing_extensions.")


def _base(value: Value) -> Value:
    """A base class; `Generic[T]` counts as its origin."""
    if isinstance(value, (ClassValue, External)):
        return value
    return value if isinstance(value, Unknown) else External("builtins.object")


def _order(base: Value) -> list[Value]:
    return list(base.order) if isinstance(base, ClassValue) else [base]


def _merge(sequences: Sequence[list[Value]]) -> Iterator[Value]:
    """The C3 linearisation; where it does not exist, in order of first appearance."""
    remaining = [list(sequence) for sequence in sequences if sequence]
    while remaining:
        head = next(
            (s[0] for s in remaining if not any(_contains(other[1:], s[0]) for other in remaining)),
            remaining[0][0],
        )
        yield head
        remaining = [[item for item in s if not _same(item, head)] for s in remaining]
        remaining = [s for s in remaining if s]


def _contains(sequence: Sequence[Value], item: Value) -> bool:
    return any(_same(other, item) for other in sequence)


def _same(left: Value, right: Value) -> bool:
    return left is right or (isinstance(left, (External, Unknown)) and left == right)


def _behind(cls: Value, after: Value) -> Iterator[Value]:
    passed = after is None
    for base in order_of(cls):
        if passed:
            yield base
        elif base is after:
            passed = True
