"""Which statements do nothing but initialise one bias, so that they may go or be skipped where there is none."""

from __future__ import annotations

import ast
import re

from biaslens.fixes.accesses import Access, is_initialiser

_VIEW = re.compile("data|grad|T|detach|view|view_as|reshape|flatten|requires_grad_?")
_MODULE = re.compile(r"^(torch\.)?((nn\.)?init|nn)\.\w+$")
_PURE_ROOT = re.compile("torch|np|numpy|math|nn|init|F|float|int|bool|min|max|abs|len|tuple|list|range")
_PURE_METHOD = re.compile(
    "size|numel|dim|clone|detach|float|double|half|cpu|cuda|to|view|view_as|reshape|flatten|squeeze|item|sqrt"
)


def initialiser(access: Access) -> tuple[ast.AST, ...]:
    """The statement around an access, if all that it does is to set that bias: `nn.init.zeros_(m.bias)`,
    `m.bias.data.fill_(0)`, `m.bias.data = torch.zeros(8)`, `m.bias += 1`; with the nodes around it, outermost first.

    Empty for any other access.
    """
    place = max((index for index, node in enumerate(access.outside) if isinstance(node, ast.stmt)), default=-1)
    path = access.outside[: place + 1]
    if not path or not _is_chain_of_names(access.node) or not _sets(path[-1], access.node):
        return ()
    return path


def _sets(statement: ast.AST, access: ast.Attribute) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=function, args=arguments, keywords=keywords)):
            rest = [*arguments, *(keyword.value for keyword in keywords)]
            if isinstance(function, ast.Attribute) and is_initialiser(function) and _is_view(function.value, access):
                return all(map(_is_pure, rest))
            if is_initialiser(function) and _is_function(function) and rest and _is_view(rest[0], access):
                return all(map(_is_pure, rest[1:]))
            return False
        case ast.Assign(targets=[target], value=value) | ast.AugAssign(target=target, value=value):
            return _is_view(target, access) and _is_pure(value)
        case _:
            return False


def _is_function(function: ast.expr) -> bool:
    """Whether it is a function of a module, and no method: those set what they belong to."""
    return isinstance(function, ast.Name) or _MODULE.search(ast.unparse(function)) is not None


def _is_view(expression: ast.expr, access: ast.Attribute) -> bool:
    """Whether an expression is the bias, or the same memory: `m.bias.data[0]`."""
    while expression is not access:
        match expression:
            case ast.Attribute(value=value, attr=name) if _VIEW.fullmatch(name):
                expression = value
            case ast.Call(func=ast.Attribute(value=value, attr=name), args=arguments) if _VIEW.fullmatch(name):
                if not all(map(_is_pure, arguments)):
                    return False
                expression = value
            case ast.Subscript(value=value, slice=index) if _is_pure(index):
                expression = value
            case _:
                return False
    return True


def _is_chain_of_names(access: ast.Attribute) -> bool:
    """Whether the access may be written twice: it is a chain of names and plain indices."""
    base = access.value
    while isinstance(base, (ast.Attribute, ast.Subscript)):
        if isinstance(base, ast.Subscript) and not isinstance(base.slice, (ast.Constant, ast.Name, ast.UnaryOp)):
            return False
        base = base.value
    return isinstance(base, ast.Name)


def _is_pure(expression: ast.expr) -> bool:
    """Whether nobody would miss that an expression is not evaluated: it calls nothing but what computes a value."""
    return all(map(_computes, ast.walk(expression)))


def _computes(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(name)):
            return _PURE_ROOT.fullmatch(name) is not None
        case ast.Call(func=ast.Attribute(value=value, attr=name)):
            while isinstance(value, ast.Attribute):
                value = value.value
            return _PURE_METHOD.fullmatch(name) is not None or (
                isinstance(value, ast.Name)
                and _PURE_ROOT.fullmatch(value.id) is not None
                and name not in ("fromfile", "load")
            )
        case ast.Call() | ast.NamedExpr() | ast.Await() | ast.Yield() | ast.YieldFrom():
            return False
        case _:
            return True
