"""Code that is hooked to a module and runs with its forward.

A hook is followed like any call, so what it puts into lists, dicts and attributes is there for whoever looks. What it
gets is read all the same: it hangs on other code what becomes of that, and the hook may be taken away again.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from biaslens.program import calls, modules, tensors
from biaslens.program.conditions import settle
from biaslens.program.run import Run
from biaslens.program.symbols import Kind
from biaslens.program.values import Arguments, BoundMethod, FunctionValue, Instance, Partial, Scope, Unknown, Value


def register(run: Run, owner: Instance, method: str, arguments: Arguments) -> Value:
    """The handle that a method which registers a hook gives. Effect: a hook that can be followed will be, any other one
    may do what it likes with the module."""
    run.touch(owner)
    hook = settle(run, next(iter([*arguments.positional, *arguments.keywords.values()]), None))
    kind = _KINDS.get(method)
    plain = len(arguments.positional) < 2 and not arguments.open
    if kind is not None and plain and isinstance(hook, (FunctionValue, BoundMethod, Partial)):
        with_keywords = settle(run, arguments.keywords.get("with_kwargs", False)) is not False
        owner.hooks = (*owner.hooks, (f"{kind} with keywords" if with_keywords else kind, hook))
    else:
        modules.escape(run, [owner, hook], f"`{method}` adds code to it")
    return Unknown(run.another(Kind.HOOK, run.ordinal(owner)), "a handle")


def before(run: Run, scope: Scope, owner: Instance, arguments: Arguments, node: ast.AST) -> Arguments:
    """The arguments with which forward is called. Effect: runs the hooks in front of it."""
    for hook, keywords in _of_kind(owner, "pre", arguments):
        result = _call(run, scope, owner, hook, (arguments.positional, *keywords), node)
        if result is not None:
            given = (*arguments.positional, result)
            changed = calls.call_unknown(run, scope, _LABEL, Arguments(given), node)
            arguments = Arguments((changed,), arguments.keywords, arguments.open)
    return arguments


def after(run: Run, scope: Scope, owner: Instance, arguments: Arguments, value: Value, node: ast.AST) -> Value:
    """What the call of a module gives whose forward gave a value. Effect: runs the hooks behind it."""
    for hook, keywords in _of_kind(owner, "forward", arguments):
        result = _call(run, scope, owner, hook, (arguments.positional, *keywords, value), node)
        if result is not None:
            value = calls.call_unknown(run, scope, _LABEL, Arguments((value, result)), node)
    return value


_KINDS: Mapping[str, str] = {"register_forward_hook": "forward", "register_forward_pre_hook": "pre"}

_LABEL = "a hook"


def _of_kind(owner: Instance, kind: str, arguments: Arguments) -> list[tuple[Value, tuple[Value, ...]]]:
    """The hooks of a kind, and the keyword arguments of forward for those that ask for them."""
    with_keywords = f"{kind} with keywords"
    return [
        (hook, (dict(arguments.keywords),) if own == with_keywords else ())
        for own, hook in owner.hooks
        if own in (kind, with_keywords)
    ]


def _call(run: Run, scope: Scope, owner: Instance, hook: Value, given: tuple[Value, ...], node: ast.AST) -> Value:
    run.emit_unknown(_LABEL, "a hook gets it", tensors.inside(given), scope.module.location(node))
    return settle(run, calls.call(run, scope, hook, Arguments((owner, *given)), node))
