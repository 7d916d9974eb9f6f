"""What a piece of code may do, read off its source: of branches that a run does not take, this is all that is known."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Place = tuple[str, str]
"""An attribute of a variable: `self.norm` is ("self", "norm")."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One branch.

    binds: variables that it may assign. names: those that it reads. sets: attributes that it may assign. reads: those
    that it reads. changes, changes_at: variables and attributes whose contents it may change: it assigns items of them,
    or hands them to other code, or calls methods of such an attribute. methods: methods of variables that it calls.
    switches: it may put modules into another mode. calls: every call in it. returns: it may leave the function. leaves: or the loop around it. raises: it ends in an
    exception.
    """

    binds: frozenset[str]
    names: frozenset[str]
    sets: frozenset[Place]
    reads: frozenset[Place]
    changes: frozenset[str]
    changes_at: frozenset[Place]
    methods: frozenset[Place]
    switches: bool
    calls: frozenset[ast.AST]
    returns: bool
    leaves: bool
    raises: bool


def arm_of(nodes: Sequence[ast.AST]) -> Arm:
    """What some statements, or an expression, may do."""
    found = list(_inside(nodes))
    changed = [part for node in found for part in _changed_by(node)]
    stored = [node for node in found if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del))]
    return Arm(
        binds=frozenset(_bound(found)),
        names=frozenset(node.id for node in found if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)),
        sets=frozenset(place for node in stored if (place := _place(node)) is not None),
        reads=frozenset(place for node in found if (place := _place(node)) is not None),
        changes=frozenset(node.id for node in changed if isinstance(node, ast.Name)),
        changes_at=frozenset(
            place for node in (*changed, *(node.value for node in stored)) if (place := _first_place(node)) is not None
        ),
        methods=frozenset(
            place for node in found if isinstance(node, ast.Call) and (place := _place(node.func)) is not None
        ),
        switches=any(isinstance(node, ast.Attribute) and node.attr in ("eval", "train") for node in found),
        calls=frozenset(node for node in found if isinstance(node, ast.Call)),
        returns=_leaves(nodes, in_loop=True),
        leaves=_leaves(nodes),
        raises=_raises(nodes),
    )


def _inside(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        yield from ast.walk(node)


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name.partition(".")[0]
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case _:
                pass


def _changed_by(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions whose values one node may change."""
    match node:
        case ast.Call(func=function, args=arguments, keywords=keywords):
            if isinstance(function, ast.Attribute) and not isinstance(function.value, ast.Name):
                yield function.value
            yield from (item.value if isinstance(item, ast.Starred) else item for item in arguments)
            yield from (keyword.value for keyword in keywords)
        case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()):
            yield owner
        case ast.AugAssign(target=ast.Name() | ast.Attribute() as target):
            yield target
        case _:
            pass


def _place(node: ast.AST) -> Place | None:
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return name, attribute
        case _:
            return None


def _first_place(node: ast.AST) -> Place | None:
    """The attribute of a variable through which an expression goes: `self.blocks` of `self.blocks[0].norms`."""
    while not isinstance(node, ast.Name):
        place = _place(node)
        if place is not None:
            return place
        match node:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
                node = inner
            case _:
                return None
    return None


def _leaves(nodes: Iterable[ast.AST], *, in_loop: bool = False) -> bool:
    for node in nodes:
        match node:
            case ast.Return():
                return True
            case ast.Break() | ast.Continue():
                if not in_loop:
                    return True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() | ast.ClassDef():
                pass
            case ast.For() | ast.AsyncFor() | ast.While():
                if _leaves(node.body, in_loop=True) or _leaves(node.orelse, in_loop=in_loop):
                    return True
            case _:
                if _leaves(ast.iter_child_nodes(node), in_loop=in_loop):
                    return True
    return False


def _raises(nodes: Sequence[ast.AST]) -> bool:
    for node in nodes:
        match node:
            case ast.Raise():
                return True
            case ast.If(body=body, orelse=orelse):
                if _raises(body) and _raises(orelse):
                    return True
            case _:
                pass
    return False
