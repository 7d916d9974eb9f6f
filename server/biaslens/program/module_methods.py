"""The methods that torch gives every module and container."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from biaslens.program import calls, classes, expressions, handovers, hooks, instances, mappings, modules, stretches
from biaslens.program.conditions import settle, show
from biaslens.program.iteration import items_of, length
from biaslens.program.names import MISSING
from biaslens.program.run import PathEnds, Run
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import (
    Arguments,
    Instance,
    Scope,
    Super,
    Tensor,
    Unknown,
    Value,
)


def method(run: Run, scope: Scope, owner: Instance, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """A method that torch gives every module or container."""
    first = arguments.positional[0] if arguments.positional else None
    match name:
        case "forward":
            return modules.apply_torch(run, scope, owner, arguments, node)
        case "__call__":
            return modules.apply_forward(run, scope, owner, arguments, node)
        case _ if mappings.is_mapping(owner):
            value = mappings.method(run, scope, owner, name, arguments, node)
            return calls.call_unknown(run, scope, name, arguments, node) if value is MISSING else value
        case "__init__":
            base = classes.torch_base(owner.cls)
            if base is not None:
                instances.initialise(run, scope, owner, base, arguments, node)
            return None
        case "add_module" | "register_module":
            values = [*arguments.positional, *arguments.keywords.values()]
            if len(values) == 2:
                modules.add(run, owner, values[0], values[1])
            return None
        case "append" | "insert" | "extend" | "update" | "pop" | "clear":
            return _change_container(run, scope, owner, name, arguments, node)
        case "items" | "keys" | "values" | "named_children" | "children" | "modules" | "named_modules":
            listed = _listing(run, owner, name)
            return stretches.noted(run, listed, stretches.of(run, owner) if len(listed) == len(owner.modules) else None)
        case "parameters" | "named_parameters":
            return _parameters(run, scope, owner, name, node)
        case "buffers" | "named_buffers":
            return []
        case "train":
            return _train(run, scope, owner, arguments, node)
        case "eval" if owner.layer is None and not _is_in_a_module(scope):
            return owner  # a script evaluates its model, which freezes nothing
        case "eval":
            _set_mode(run, owner, is_training=False)
            return owner
        case "apply":
            return _apply_function(run, scope, owner, first, node)
        case "register_parameter" | "register_buffer":
            return _register(run, owner, name, arguments)
        case "register_forward_hook" | "register_forward_pre_hook" | "register_full_backward_hook":
            return hooks.register(run, owner, name, arguments)
        case "__setattr__" if len(arguments.positional) == 2 and isinstance(first, str):
            modules.set_attribute(run, owner, first, arguments.positional[1])
            return None
        case "__delattr__" if isinstance(first, str):
            modules.delete_attribute(run, owner, first)
            return None
        case "state_dict":
            return _state(run, scope, owner, node)
        case "get_submodule" if isinstance(first, str):
            return _submodule(owner, first)
        case "requires_grad_":
            if first is False:
                _freeze(owner)
            return owner
        case "to" | "cuda" | "cpu" | "half" | "float" | "double" | "bfloat16" | "type" | "share_memory" | "to_empty":
            return owner
        case "_get_name" | "extra_repr":
            return show(owner.cls)
        case "__len__":
            return length(run, scope, owner, node)
        case _ if name in HARMLESS:
            key = Symbol(Kind.METHOD, run.ordinal(owner), name, run.count((Kind.METHOD, name)))
            return Unknown(key, f"{modules.label_of(owner)}.{name}(...)")
        case _:
            return calls.call_unknown(run, scope, name, arguments, node)


def super_method(run: Run, scope: Scope, receiver: Super, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`super().name(...)` where the next class is torch's, or out of sight."""
    instance = receiver.receiver
    if not isinstance(instance, Instance):
        return expressions.opaque(run, scope, node)
    if name == "__init__" and instance.table is None:
        base = classes.torch_base(instance.cls, after=receiver.owner)
        if base is not None:
            instances.initialise(run, scope, instance, base, arguments, node)
        else:
            handovers.to_bases(run, instance.cls, arguments)
        return None
    if name == "__setattr__" and len(arguments.positional) == 2:
        modules.set_attribute(run, instance, arguments.positional[0], arguments.positional[1])
        return None
    if name == "__getattr__":
        return expressions.opaque(run, scope, node)
    if classes.torch_base(instance.cls, after=receiver.owner) is None and classes.has_unknown_base(instance.cls):
        return calls.call_unknown(run, scope, f"super().{name}", arguments, node)
    return method(run, scope, instance, name, arguments, node)


def _is_in_a_module(scope: Scope) -> bool:
    """Whether code belongs to a method of a module: what that puts into eval mode stays there while it trains."""
    receiver = scope.receiver
    return isinstance(receiver, Instance) and classes.is_module_class(receiver.cls)


def run_train_overrides(run: Run, scope: Scope, instance: Instance, node: ast.AST) -> None:
    """Effect: what `model.train()` does where a class overrides it: frozen norms."""
    if any(classes.find(module.cls, "train") for module in modules.submodules(instance)):
        _train(run, scope, instance, Arguments((True,)), node, overrides=True)


HARMLESS = frozenset(
    [
        "load_state_dict",
        "zero_grad",
        "register_load_state_dict_post_hook",
        "_register_load_state_dict_pre_hook",
        "register_load_state_dict_pre_hook",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "get_parameter",
        "get_buffer",
        "reset_parameters",
        "_init_weights",
        "compile",
        "set_extra_state",
        "get_extra_state",
        "__repr__",
        "__str__",
        "_register_state_dict_hook",
        "_load_from_state_dict",
        "_save_to_state_dict",
        "save_hyperparameters",
        "log",
        "log_dict",
    ]
)


METHODS = HARMLESS | frozenset(
    [
        "state_dict",
        "__setattr__",
        "__delattr__",
        "forward",
        "__call__",
        "__init__",
        "add_module",
        "register_module",
        "append",
        "insert",
        "extend",
        "update",
        "pop",
        "clear",
        "items",
        "keys",
        "values",
        "named_children",
        "children",
        "modules",
        "named_modules",
        "parameters",
        "named_parameters",
        "buffers",
        "named_buffers",
        "train",
        "eval",
        "apply",
        "register_parameter",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "get_submodule",
        "requires_grad_",
        "to",
        "cuda",
        "cpu",
        "half",
        "float",
        "double",
        "bfloat16",
        "type",
        "share_memory",
        "to_empty",
        "_get_name",
        "extra_repr",
        "__len__",
    ]
)


def _train(
    run: Run, scope: Scope, owner: Instance, arguments: Arguments, node: ast.AST, *, overrides: bool = False
) -> Value:
    """`train(mode)`: calls the overrides of the submodules, which may put norms into eval mode for good."""
    mode = arguments.positional[0] if arguments.positional else arguments.keywords.get("mode", True)
    found = classes.find(owner.cls, "train") if overrides else None
    if found is not None:
        return calls.call(run, scope, found[1], Arguments((owner, mode)), node)
    if mode is False:
        return method(run, scope, owner, "eval", Arguments(), node)
    if not overrides:
        _set_mode(run, owner, is_training=True)
    for child in list(owner.modules.values()):
        if isinstance(child, Instance):
            _train(run, scope, child, Arguments((mode,)), node, overrides=True)
    return owner


def _set_mode(run: Run, owner: Instance, *, is_training: bool) -> None:
    for module in modules.submodules(owner):
        run.touch(module)
        module.frozen = not is_training
        if module.layer:
            module.layer.eval_mode = not is_training
            module.layer.influence |= run.influence.here


def _apply_function(run: Run, scope: Scope, owner: Instance, function: Value, node: ast.AST) -> Value:
    """`module.apply(fn)`: runs fn on every submodule, innermost first."""
    function = settle(run, function)
    if isinstance(function, Unknown):
        return owner  # initialisers; what they do to parameter values is never used
    for module in reversed(list(modules.submodules(owner))):
        calls.call(run, scope, function, Arguments((module,)), node)
    return owner


def _register(run: Run, owner: Instance, name: str, arguments: Arguments) -> None:
    values = [*arguments.positional, *arguments.keywords.values()]
    if len(values) >= 2 and isinstance(values[0], str):
        modules.set_attribute(run, owner, values[0], values[1])


def _freeze(owner: Instance) -> None:
    for module in modules.submodules(owner):
        if module.layer:
            module.layer.frozen_shift = True


def _change_container(run: Run, scope: Scope, owner: Instance, name: str, arguments: Arguments, node: ast.AST) -> Value:
    run.touch(owner)
    values = [*arguments.positional, *arguments.keywords.values()]
    match name, values:
        case "append", [value]:
            modules.extend(run, owner, [value])
        case "extend", [value]:
            source = list(value.modules.values()) if isinstance(value, Instance) else items_of(run, scope, value, node)
            modules.extend(run, owner, source, stretches.of(run, value if isinstance(value, Instance) else source))
        case "update", [value]:
            modules.update(run, scope, owner, value, node)
        case "insert", [int(position), value]:
            children = list(owner.modules.values())
            children.insert(position, value)
            stretch = stretches.noted(run, children, stretches.of(run, owner))
            stretches.changed(run, stretch, "insert", (position,))
            owner.modules = {}
            stretches.note(run, owner, None)
            modules.extend(run, owner, children, stretches.of(run, children))
        case "pop", [key] if isinstance(key, (str, int)):
            keys = list(owner.modules)
            try:
                removed = owner.modules.pop(key if isinstance(key, str) else keys[key])
            except (KeyError, IndexError):
                raise PathEnds from None
            stretches.changed(run, owner, "pop", (key,))
            return removed
        case "clear", _:
            owner.modules.clear()
            stretches.note(run, owner, None)
        case _:
            owner.escaped = f"`{name}` changes it in a way that could not be followed"
    return owner


def _listing(run: Run, owner: Instance, name: str) -> list[Value]:
    match name:
        case "items" | "named_children":
            return [(run.unspelled.get(key, key), value) for key, value in owner.modules.items()]
        case "keys":
            return [run.unspelled.get(key, key) for key in owner.modules]
        case "values" | "children":
            return list(owner.modules.values())
        case "modules":
            return list(modules.submodules(owner))
        case _:
            return [(run.unspelled.get(path, path), module) for path, module in _named(owner, "")]


def _named(owner: Instance, path: str) -> Iterator[tuple[str, Instance]]:
    yield path, owner
    for name, child in owner.modules.items():
        if isinstance(child, Instance):
            yield from _named(child, f"{path}.{name}" if path else name)


def _submodule(owner: Instance, path: str) -> Value:
    current: Value = owner
    for part in path.split("."):
        if not isinstance(current, Instance) or part not in current.modules:
            raise PathEnds
        current = current.modules[part]
    return current


def _parameters(run: Run, scope: Scope, owner: Instance, name: str, node: ast.AST) -> Value:
    """The parameters of all layers below a module, with their names where asked for."""
    if any(
        module.layer and module.layer.entry.label.startswith(modules.COMPOUND) for module in modules.submodules(owner)
    ):
        return expressions.opaque(run, scope, node)
    found = _named_parameters(run, scope, owner, node)
    return list(found) if name == "named_parameters" else [value for _, value in found]


def _named_parameters(run: Run, scope: Scope, owner: Instance, node: ast.AST) -> list[tuple[str, Value]]:
    found: list[tuple[str, Value]] = []
    for path, module in _named(owner, ""):
        if module.layer is not None:
            for attribute_name in ("weight", "bias"):
                first = len(run.equations)
                value = modules.attribute(run, scope, module, attribute_name, node)
                run.equations[first:] = [replace(equation, listed=True) for equation in run.equations[first:]]
                if isinstance(value, Tensor):
                    found.append((f"{path}.{attribute_name}" if path else attribute_name, value))
    return found


def _state(run: Run, scope: Scope, owner: Instance, node: ast.AST) -> dict[str, Value]:
    """`state_dict()`: parameters, and the running statistics of norms."""
    state = dict(_named_parameters(run, scope, owner, node))
    for path, module in _named(owner, ""):
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            value = modules.attribute(run, scope, module, name, node) if module.layer else MISSING
            if isinstance(value, Tensor):
                state[f"{path}.{name}" if path else name] = value
    return state
