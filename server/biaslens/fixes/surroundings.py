"""The functions and classes around a call, and how the call may spell what it was given by their arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeAlias

from biaslens.syntax.parse import Module
from biaslens.text import Location, Span

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Surroundings:
    """What stands around one call of a module. Nothing is believed of names that are assigned anew."""

    def __init__(self, module: Module, call: Span) -> None:
        self._module = module
        self._around = tuple(_around(module, module.statements, call))
        """Functions, lambdas, comprehensions and classes, outermost first."""

    def is_parameter(self, name: str) -> bool:
        """Whether a name is a parameter of a function around the call."""
        return any(
            name in _parameters(node.args) for node in self._around if isinstance(node, (*_FUNCTIONS, ast.Lambda))
        )

    @property
    def are_private(self) -> bool:
        """Whether only code around the call can call its function: that stands in another one, or its name begins
        with an underscore."""
        functions = self._functions
        return len(functions) > 1 or (bool(functions) and functions[-1].name.startswith("_"))

    def decide(self, expression: str) -> bool:
        """Whether an expression is a comparison, or a variable of the functions around the call that is no parameter:
        no caller and no setting decides about it by itself."""
        try:
            node = ast.parse(expression, mode="eval").body
        except SyntaxError:  # a comment between its lines, which are one line here
            return False
        while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            node = node.operand
        if not isinstance(node, ast.Name):
            return isinstance(node, ast.Compare)
        name = node.id
        return not self.is_parameter(name) and any(_changes(function, name, []) for function in self._functions)

    def spelling(self, function: str, argument: str) -> str | None:
        """How the call may write an argument of a function, such as `norm` or `self.norm`; None where it is out of
        sight or may have changed since.

        function: as `path:offset:name`. argument: a parameter, perhaps with attributes: `config.norm`.
        """
        root, *attributes = argument.split(".")
        for index, node in enumerate(self._around):
            if isinstance(node, _FUNCTIONS) and self._is(node, function):
                is_kept = root in _parameters(node.args) and not _changes(node, root, attributes)
                return argument if is_kept and not self._shadows(root, index + 1) else None
        return self._kept_in_attribute(function, argument)

    def hangs_on(self, place: Location, name: str) -> bool:
        """Whether something in the innermost function around the call is done under a test of a name only."""
        functions = self._functions
        if not functions or place.path != self._module.path:
            return False
        return any(
            isinstance(node, (ast.If, ast.IfExp))
            and any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node.test))
            and not self._module.span(node.test).covers(place.span)
            and self._module.span(node).covers(place.span)
            for node in ast.walk(functions[-1])
        )

    @property
    def _functions(self) -> list[_Function]:
        return [node for node in self._around if isinstance(node, _FUNCTIONS)]

    def _is(self, node: _Function, function: str) -> bool:
        return function == f"{self._module.path}:{self._module.span(node).start}:{node.name}"

    def _shadows(self, name: str, first: int) -> bool:
        """Whether something between a function and the call gives a name another meaning."""
        inner = (node for node in self._around[first:] if isinstance(node, (*_FUNCTIONS, ast.Lambda)))
        return any(name in _parameters(node.args) for node in inner)

    def _kept_in_attribute(self, function: str, argument: str) -> str | None:
        """`self.norm` for an argument of `__init__`, where the call stands in another method of the class."""
        for index, (cls, method) in enumerate(zip(self._around, self._around[1:], strict=False)):
            if isinstance(cls, ast.ClassDef) and isinstance(method, _FUNCTIONS) and not method.decorator_list:
                receiver = next(iter(_parameters(method.args)), "")
                inits = (node for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
                initialiser = next((node for node in inits if self._is(node, function)), None)
                if initialiser is not None and receiver and not self._shadows(receiver, index + 2):
                    kept = _attribute_that_keeps(cls, initialiser, argument)
                    return f"{receiver}.{kept}" if kept is not None else None
        return None


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _around(module: Module, nodes: tuple[ast.AST, ...], call: Span) -> Iterator[ast.AST]:
    for node in nodes:
        if hasattr(node, "lineno") and not module.span(node).covers(call):
            continue
        if isinstance(node, _SCOPES) and _is_inside(module, node, call):
            yield node
        yield from _around(module, tuple(ast.iter_child_nodes(node)), call)


def _is_inside(module: Module, node: ast.AST, call: Span) -> bool:
    """Whether the call stands in the body: a default argument or a base class belongs to the outside."""
    match node:
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body) | ast.ClassDef(body=body):
            return any(module.span(statement).covers(call) for statement in body)
        case ast.Lambda(body=result):
            return module.span(result).covers(call)
        case _:
            return True


def _parameters(arguments: ast.arguments) -> list[str]:
    return [parameter.arg for parameter in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _changes(function: _Function, name: str, attributes: list[str]) -> bool:
    """Whether a function may give one of its parameters, or some attributes of it, another value."""
    return any(
        name in _bound(node) or (isinstance(node, ast.Attribute) and node.attr in attributes and _is_changed(node))
        for statement in function.body
        for node in ast.walk(statement)
    )


def _bound(node: ast.AST) -> tuple[str | None, ...]:
    """The names that one node binds or declares."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return (name,)
        case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
            return (name,)
        case ast.MatchMapping(rest=name):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return tuple(names)
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return tuple(alias.asname or alias.name.partition(".")[0] for alias in aliases)
        case _:
            return ()


def _is_changed(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, (ast.Store, ast.Del))


def _attribute_that_keeps(cls: ast.ClassDef, initialiser: ast.FunctionDef, argument: str) -> str | None:
    """The attribute, with the rest of the argument, that is assigned once: before `__init__` calls own methods."""
    receiver = next(iter(_parameters(initialiser.args)), "")
    root, *attributes = argument.split(".")
    if _changes(initialiser, root, []):
        return None
    methods = {node.name for node in cls.body if isinstance(node, _FUNCTIONS)}
    for statement in initialiser.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Attribute(value=ast.Name(id=owner), attr=name)], value=value)
                | ast.AnnAssign(target=ast.Attribute(value=ast.Name(id=owner), attr=name), value=ast.expr() as value)
            ) if owner == receiver:
                text = ast.unparse(value)
                rest = argument.removeprefix(text)
                if (text == argument or rest.startswith(".")) and _is_assigned_once(cls, [name, *attributes]):
                    return name + (rest if text != argument else "")
            case _:
                pass
        if any(_is_own_method(node, receiver, methods) for node in ast.walk(statement)):
            return None
    return None


def _is_own_method(node: ast.AST, receiver: str, methods: set[str]) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return owner == receiver and name in methods
        case _:
            return False


def _is_assigned_once(cls: ast.ClassDef, names: list[str]) -> bool:
    changed = [node.attr for node in ast.walk(cls) if isinstance(node, ast.Attribute) and _is_changed(node)]
    return sum(name in names for name in changed) == 1
