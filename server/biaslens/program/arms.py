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

    binds: variables that it may assign.
    names: those that it reads as a whole, not only an attribute of them.
    sets: attributes that it may assign.
    reads: those that it reads.
    changes, changes_at: variables and attributes whose contents it may change: it assigns items of them, hands them to
        other code, or calls methods of such an attribute.
    methods: methods of variables that it calls.
    switches: it may put modules into another mode.
    calls: every call in it.
    returns: it may leave the function.
    leaves: it may leave the function, or the loop around it.
    raises: it ends in an exception.
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
    owners = {id(node.value) for node in found if isinstance(node, ast.Attribute)}
    stored = [node for node in found if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del))]
    return Arm(
        binds=frozenset(_bound(found)),
        names=frozenset(
            node.id
            for node in found
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in owners
        ),
        sets=_known(_place(node) for node in stored),
        reads=_known(_place(node) for node in found),
        changes=frozenset(node.id for node in changed if isinstance(node, ast.Name)),
        changes_at=_known(_first_place(node) for node in (*changed, *(node.value for node in stored))),
        methods=_known(_place(node.func) for node in found if isinstance(node, ast.Call)),
        switches=any(isinstance(node, ast.Attribute) and node.attr in ("eval", "train") for node in found),
        calls=frozenset(node for node in found if isinstance(node, ast.Call)),
        returns=_leaves(nodes, in_loop=True),
        leaves=_leaves(nodes),
        raises=_raises(nodes),
    )


def _known(places: Iterable[Place | None]) -> frozenset[Place]:
    return frozenset(place for place in places if place is not None)


def _inside(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        yield from ast.walk(node)


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, _NAMING) and node.name is not None:
            yield node.name


_NAMING = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.ExceptHandler, ast.MatchAs, ast.MatchStar),
)
"""What binds its `name`."""


def _changed_by(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions whose values one node may change."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
            yield node.func.value
        yield from (item.value if isinstance(item, ast.Starred) else item for item in node.args)
        yield from (keyword.value for keyword in node.keywords)
    elif isinstance(node, ast.Subscript):
        if not isinstance(node.ctx, ast.Load):
            yield node.value
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, (ast.Name, ast.Attribute)):
        yield node.target


def _place(node: ast.AST) -> Place | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.value.id, node.attr
    return None


def _first_place(node: ast.AST) -> Place | None:
    """The attribute of a variable through which an expression goes: `self.blocks` of `self.blocks[0].norms`."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        place = _place(node)
        if place is not None:
            return place
        node = node.value
    return None


_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def _leaves(nodes: Iterable[ast.AST], *, in_loop: bool = False) -> bool:
    return any(_leaves_by(node, in_loop) for node in nodes)


def _leaves_by(node: ast.AST, in_loop: bool) -> bool:
    if isinstance(node, ast.Return):
        return True
    if isinstance(node, (ast.Break, ast.Continue)):
        return not in_loop
    if isinstance(node, _DEFINING):
        return False
    if isinstance(node, _LOOPS):
        return _leaves(node.body, in_loop=True) or _leaves(node.orelse, in_loop=in_loop)
    return _leaves(ast.iter_child_nodes(node), in_loop=in_loop)


def _raises(nodes: Iterable[ast.AST]) -> bool:
    return any(
        isinstance(node, ast.Raise) or (isinstance(node, ast.If) and _raises(node.body) and _raises(node.orelse))
        for node in nodes
    )
