"""Branches: code that runs under a test, and what rests on the test since other code did not run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from biaslens.program import classes, modules, names, tensors
from biaslens.program.arms import Arm
from biaslens.program.influence import Fork, Influence, Skipped, add
from biaslens.program.run import Run
from biaslens.program.values import BoundMethod, FunctionValue, Instance, Partial, Scope, Value, Wrapped

T = TypeVar("T")

MAX_METHODS = 3
"""Methods that call methods are looked into so deep."""

CHANGING = frozenset(
    ["add_module", "append", "apply", "clear", "eval", "extend", "insert", "pop", "register_module", "train", "update"]
) | frozenset(["register_buffer", "register_forward_hook", "register_forward_pre_hook", "register_parameter"])
"""Methods of torch's modules after which a module is another one."""


def under(
    run: Run,
    scope: Scope,
    test: Influence,
    body: Callable[[], T],
    untaken: Sequence[ast.AST],
    taken: Sequence[ast.stmt] = (),
) -> T:
    """Runs the branch of a test that is taken.

    test: on what the test rests. untaken: the code of the other branches. Where one of these only raises, it is no path
    of the model, and the rest of the program does not rest on the test. taken: the statements of the branch that runs.
    Where something in it may leave the function, whether the rest of the function runs rests on the test as well.
    """
    if not test:
        return body()
    influence = run.influence
    outer = influence.control
    arm = run.world.arm(untaken) if untaken else None
    if arm is not None and arm.raises and not influence.handlers:
        return body()
    influence.control |= test
    leaves = bool(taken) and run.world.arm(taken).leaves
    if arm is not None:
        forgo(run, scope, arm, influence.control)
        leaves = leaves or arm.leaves or arm.raises
        if arm.raises:
            forgo_handlers(run)
    result = body()
    if not leaves:
        influence.control = outer
    return result


def forgo_handlers(run: Run) -> None:
    """Effect: notes that with other answers something had been raised, and a handler had run."""
    for scope, arms in run.influence.handlers:
        for arm in arms:
            forgo(run, scope, arm, run.influence.here)


def forgo(run: Run, scope: Scope, arm: Arm, influence: Influence) -> None:
    """Effect: notes what rests on a test since some code did not run. influence: of the test, and of all around it."""
    if not influence:
        return
    if arm.calls:
        run.influence.skipped.append(Skipped(arm.calls, influence))
    if arm.switches or any(scope.held(owner) is None for owner, _ in arm.sets):
        run.influence.always |= influence
    for name in arm.binds:
        add(scope.influences, name, influence)
    found = [scope.receiver if name == "super" else scope.held(name) for name in arm.names]
    for name in arm.changes:
        held = scope.held(name)
        _changed(run, held if held is not None else names.lookup(run, scope, name), influence)
    for owner, name in arm.changes_at:
        _changed(run, _attribute(scope.held(owner), name), influence)
    for owner, name in arm.sets:
        instance = scope.held(owner)
        if isinstance(instance, Instance):
            run.might_use([instance.modules.get(name)], influence)
            add(instance.influences, name, influence)
    found += [_read(scope.held(owner), name, (owner, name) in arm.methods) for owner, name in arm.reads]
    called = [(receiver, name) for owner, name in arm.methods if (receiver := scope.held(owner)) is not None]
    _forgo_methods(run, called, influence, found)
    found += [part for value in found if isinstance(value, _CARRYING) for part in modules.captured(value)]
    run.might_use(found, influence)
    variables = tuple(dict.fromkeys(tensor.var for tensor in tensors.inside(found)))
    if variables:
        run.influence.forks.append(Fork(len(run.equations), variables, influence))


def _forgo_methods(
    run: Run, called: Iterable[tuple[Value, str]], influence: Influence, found: list[Value], depth: int = MAX_METHODS
) -> None:
    """Effect: the same for methods that would have been called; adds what they read to `found`."""
    for receiver, name in called:
        method = classes.find(receiver.cls, name) if isinstance(receiver, Instance) else None
        if not isinstance(receiver, Instance) or method is None:
            found.append(receiver)
            if not isinstance(receiver, Instance) or name in CHANGING:
                _changed(run, receiver, influence)
            continue
        if not isinstance(method[1], FunctionValue) or not depth:
            found.append(receiver)
            _changed(run, receiver, influence)
            continue
        body = method[1].node.body
        arm = run.world.arm(body if isinstance(body, list) else [body])
        listed = method[1].node.args
        own = next((parameter.arg for parameter in (*listed.posonlyargs, *listed.args)), "")
        run.influence.skipped.append(Skipped(arm.calls, influence))
        if arm.switches:
            run.influence.always |= influence
        for owner, attribute in arm.sets:
            if owner == own:
                add(receiver.influences, attribute, influence)
        for owner, attribute in arm.changes_at:
            if owner == own:
                _changed(run, _attribute(receiver, attribute), influence)
        found += [
            _read(receiver, attribute, (owner, attribute) in arm.methods)
            for owner, attribute in arm.reads
            if owner == own
        ]
        if not arm.names.isdisjoint((own, "super")):
            found.append(receiver)
        inner = [(receiver, other) for owner, other in arm.methods if owner == own and other != name]
        _forgo_methods(run, inner, influence, found, depth - 1)


def _read(owner: Value, name: str, called: bool) -> Value:
    """What code may use that reads an attribute of something. called: as a method, whose body tells what it uses."""
    if not isinstance(owner, Instance):
        return owner
    found = _attribute(owner, name)
    if found is None and not called and (inherited := classes.find(owner.cls, name)) is not None:
        return None if isinstance(inherited[1], _PLAIN) else owner  # a property runs code, a method may be called later
    return found


_PLAIN = (bool, int, float, str, list, tuple, dict, set, type(None))

_CARRYING = (FunctionValue, BoundMethod, Partial, Wrapped)
"""Values that use others when they are called."""


def _attribute(owner: Value, name: str) -> Value:
    if not isinstance(owner, Instance):
        return None
    return owner.attributes.get(name, owner.modules.get(name))


def _changed(run: Run, value: Value, influence: Influence) -> None:
    match value:
        case list() | dict() | set():
            run.influence.changed(value, influence)
            run.might_use(value.values() if isinstance(value, dict) else value, influence)
        case Instance():
            add(value.influences, "", influence)
        case _:  # a tensor is read as well
            pass
