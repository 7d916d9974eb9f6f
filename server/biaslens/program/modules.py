"""torch's modules as objects: containers, submodules, their methods, and applying them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from biaslens.algebra.axes import Shape
from biaslens.catalogue.entry import Mode
from biaslens.program import calls, classes, expressions, instances, tensors
from biaslens.program.conditions import settle, show
from biaslens.program.iteration import container_kind, items_of
from biaslens.program.names import MISSING
from biaslens.program.run import PathEnds, Run, tampered
from biaslens.program.sizing import as_size
from biaslens.program.values import (
    Arguments,
    BoundMethod,
    ClassValue,
    External,
    Facts,
    FunctionValue,
    Instance,
    Scope,
    Super,
    Tensor,
    Unknown,
    Value,
)

SEQUENTIAL = "torch.nn.Sequential"
MODULE_LIST = "torch.nn.ModuleList"
MODULE_DICT = "torch.nn.ModuleDict"


def apply(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    """What calling an object gives: `__call__`, its forward, or what torch's layer does."""
    if instance.escaped:
        return _apply_escaped(run, scope, instance, arguments, node)
    return _apply_followed(run, scope, instance, arguments, node)


def _apply_escaped(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    """Code that we could not follow may have changed it: its inputs are read, and so is what it would give."""
    value = _apply_followed(run, scope, instance, arguments, node)
    everything = Arguments((*arguments.positional, value), arguments.keywords, arguments.open)
    return calls.call_unknown(run, scope, _label(instance), everything, node)


def _apply_followed(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    for name in ("__call__", "forward"):
        found = classes.find(instance.cls, name)
        if found is not None:
            return calls.call(run, scope, found[1], arguments.behind(instance), node)
    return _apply_torch(run, scope, instance, arguments, node)


def attribute(run: Run, scope: Scope, owner: Instance, name: str, node: ast.AST) -> Value:
    """An attribute that every module or layer of torch has, or MISSING."""
    layer = owner.layer
    match name:
        case "training" if classes.is_module_class(owner.cls):
            return _training(run, scope, owner, node)
        case "__class__":
            return owner.cls
        case "__dict__" | "_modules":
            return owner.modules if name == "_modules" else {**owner.attributes, **owner.modules}
        case "_parameters" | "_buffers" if classes.is_module_class(owner.cls):
            return {}
        case "bias" if layer and layer.entry.shift and layer.entry.shift.attribute == "bias":
            if layer.shift is False:
                return None
            size = as_size(layer.arguments.get(layer.entry.shift.size))
            return run.parameter(layer, Shape.of(size), scope.module.location(node))
        case "weight" if layer:
            weight = run.tensor_of(Unknown(("weight", layer.number), f"{layer.label}.weight"))
            rank = _weight_rank(layer.entry.label)
            run.facts[weight.var] = Facts(parameter=True)
            run.refine(weight.var, Shape(rank, (None,) * rank, -1, rank))
            return weight
        case _ if layer and name in layer.arguments:
            return layer.arguments[name]
        case _ if layer and name in ("running_mean", "running_var", "num_batches_tracked"):
            return run.tensor_of(Unknown((name, layer.number), f"{layer.label}.{name}"))
        case _ if name in METHODS and (classes.is_module_class(owner.cls) or classes.has_unknown_base(owner.cls)):
            return BoundMethod(name, owner)
        case _:
            return MISSING


def set_attribute(run: Run, owner: Instance, name: str, value: Value) -> None:
    """Effect: `owner.name = value`; modules are registered, and a layer's own settings change."""
    layer = owner.layer
    if layer is not None and layer.entry.shift is not None and name == layer.entry.shift.attribute:
        tampered(owner, f"its `{name}` is assigned")
        other = run.layer_of_parameter(value)
        if other is not None:
            other.tampered = other.tampered or f"its `{name}` is shared with another layer"
        return
    if name == "training" and classes.is_module_class(owner.cls):
        if layer is not None and settle(run, value) is not True:
            layer.eval_mode = True
        return
    if layer is not None and name in layer.arguments:
        layer.arguments[name] = value
        return
    if layer is not None and name == "forward":
        owner.escaped = "its forward is replaced"
    if isinstance(value, Instance) and classes.is_module_class(value.cls):
        owner.attributes.pop(name, None)
        owner.modules[name] = value
        give_label(value, name)
        return
    owner.modules.pop(name, None)
    owner.attributes[name] = value


def set_tensor_attribute(run: Run, owner: Tensor, name: str, value: Value) -> None:
    """Effect: `tensor.requires_grad = False` on a layer's bias freezes it."""
    layer = run.layer_of_parameter(owner)
    if layer is None:
        return
    if name == "requires_grad" and value is not True:
        layer.frozen_shift = True
    elif name == "data":
        layer.tampered = layer.tampered or "its bias is assigned"


def delete_attribute(owner: Instance, name: str) -> None:
    """Effect: `del owner.name`."""
    if owner.layer and owner.layer.entry.shift and name == owner.layer.entry.shift.attribute:
        tampered(owner, f"its `{name}` is removed")
    owner.modules.pop(name, None)
    owner.attributes.pop(name, None)


def set_child(run: Run, owner: Instance, index: Value, value: Value) -> None:
    """Effect: `container[index] = value`."""
    keys = list(owner.modules)
    if isinstance(index, int) and -len(keys) <= index < len(keys):
        owner.modules[keys[index]] = value
    elif isinstance(index, str):
        owner.modules[index] = value
        give_label(value, index)
    elif keys:
        owner.escaped = "an item that we could not tell was replaced"


def delete_child(owner: Instance, index: Value) -> None:
    """Effect: `del container[index]`."""
    keys = list(owner.modules)
    if isinstance(index, int) and -len(keys) <= index < len(keys):
        del owner.modules[keys[index]]
    elif isinstance(index, str):
        owner.modules.pop(index, None)


def sliced(run: Run, owner: Instance, kind: str, index: slice) -> Value:
    """`sequential[a:b]`."""
    if any(part is not None and not isinstance(part, int) for part in (index.start, index.stop, index.step)):
        return Unknown(("slice", run.ordinal(owner), run.count("slice")), "a slice of modules")
    part = Instance(External(kind))
    part.modules = dict(list(owner.modules.items())[index])
    return part


def fill(run: Run, scope: Scope, instance: Instance, kind: str, arguments: Arguments, node: ast.AST) -> None:
    """Effect: what the constructor of a container puts into it."""
    if arguments.open:
        instance.escaped = "it is built from arguments that could not be followed"
    if kind == SEQUENTIAL:
        items = list(arguments.positional)
        if len(items) == 1 and isinstance(items[0], dict):
            _update(run, scope, instance, items[0], node)
        else:
            _extend(instance, items)
    elif kind in (MODULE_LIST, "torch.nn.ParameterList"):
        source = next(iter([*arguments.positional, *arguments.keywords.values()]), None)
        if source is not None:
            _extend(instance, items_of(run, scope, source, node))
    elif kind == MODULE_DICT:
        source = next(iter([*arguments.positional, *arguments.keywords.values()]), None)
        _update(run, scope, instance, source, node)


def give_label(value: Value, name: str, *, final: bool = True) -> None:
    """Effect: names a module after what holds it; the modules of a container after container and index.

    final: an attribute of the model holds it; the name of a variable or of a place in a list only serves until then.
    """
    if not isinstance(value, Instance) or value.labelled:
        return
    value.label, value.labelled = name, final
    if value.layer is not None:
        value.layer.label = name
    if isinstance(value.cls, External) and container_kind(value):
        for child_name, child in value.modules.items():
            give_label(child, f"{name}.{child_name}", final=final)


def escape(values: Iterable[Value], reason: str) -> None:
    """Effect: modules that were handed to code that we cannot follow may have been changed by it."""
    for value in values:
        if isinstance(value, Instance):
            for module in submodules(value):
                module.escaped = module.escaped or reason
                tampered(module, reason)
        elif isinstance(value, (list, tuple)):
            escape(value, reason)
        elif isinstance(value, dict):
            escape(value.values(), reason)


def submodules(instance: Instance, seen: set[int] | None = None) -> Iterator[Instance]:
    """The instance and every module below it, each once."""
    seen = set() if seen is None else seen
    if id(instance) in seen:
        return
    seen.add(id(instance))
    yield instance
    for child in list(instance.modules.values()):
        if isinstance(child, Instance):
            yield from submodules(child, seen)


def method(run: Run, scope: Scope, owner: Instance, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """A method that torch gives every module or container."""
    first = arguments.positional[0] if arguments.positional else None
    match name:
        case "forward" | "__call__":
            return _apply_torch(run, scope, owner, arguments, node)
        case "__init__":
            base = classes.torch_base(owner.cls)
            if base is not None:
                instances.initialise(run, scope, owner, base, arguments, node)
            return None
        case "add_module" | "register_module":
            values = [*arguments.positional, *arguments.keywords.values()]
            if len(values) == 2:
                _add(run, owner, values[0], values[1])
            return None
        case "append" | "insert" | "extend" | "update" | "pop" | "clear":
            return _change_container(run, scope, owner, name, arguments, node)
        case "items" | "keys" | "values" | "named_children" | "children" | "modules" | "named_modules":
            return _listing(owner, name)
        case "parameters" | "named_parameters":
            return _parameters(run, scope, owner, name, node)
        case "buffers" | "named_buffers":
            return []
        case "train":
            return _train(run, scope, owner, arguments, node)
        case "eval":
            for module in submodules(owner):
                if module.layer:
                    module.layer.eval_mode = True
            return owner
        case "apply":
            return _apply_function(run, scope, owner, first, node)
        case "register_parameter" | "register_buffer":
            return _register(run, owner, name, arguments)
        case "register_forward_hook" | "register_forward_pre_hook" | "register_full_backward_hook":
            escape([owner], f"`{name}` adds code to it")
            return None
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
            return len(owner.modules)
        case _ if name in HARMLESS:
            return Unknown(("method", run.ordinal(owner), name, run.count(name)), f"{_label(owner)}.{name}(...)")
        case _:
            return calls.call_unknown(run, scope, name, arguments, node)


def super_method(run: Run, scope: Scope, receiver: Super, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`super().name(...)` where the next class is torch's, or out of sight."""
    instance = receiver.receiver
    if not isinstance(instance, Instance):
        return expressions.opaque(run, scope, node)
    if name == "__init__":
        base = classes.torch_base(instance.cls, after=receiver.owner)
        if base is not None:
            instances.initialise(run, scope, instance, base, arguments, node)
        return None
    if name == "__setattr__" and len(arguments.positional) == 2:
        set_attribute(run, instance, arguments.positional[0], arguments.positional[1])
        return None
    if name == "__getattr__":
        return expressions.opaque(run, scope, node)
    if classes.torch_base(instance.cls, after=receiver.owner) is None and classes.has_unknown_base(instance.cls):
        return calls.call_unknown(run, scope, f"super().{name}", arguments, node)
    return method(run, scope, instance, name, arguments, node)


def run_train_overrides(run: Run, scope: Scope, instance: Instance, node: ast.AST) -> None:
    """Effect: what `model.train()` does where a class overrides it: frozen norms."""
    if any(classes.find(module.cls, "train") for module in submodules(instance)):
        _train(run, scope, instance, Arguments((True,)), node, overrides=True)


HARMLESS = frozenset(
    [
        "state_dict",
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


def _apply_torch(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    hook = _overridden_inside(instance)
    if hook:
        if instance.layer is not None:
            arguments = arguments.behind(_apply_layer(run, scope, instance, arguments, node))
        return calls.call_unknown(run, scope, f"{_label(instance)}.{hook}", arguments, node)
    if instance.layer is not None:
        return _apply_layer(run, scope, instance, arguments, node)
    if container_kind(instance) == SEQUENTIAL:
        value: Value = None
        for child in list(instance.modules.values()):
            value = calls.call(run, scope, child, arguments, node)
            arguments = Arguments((value,))
        return value if instance.modules else (arguments.positional[0] if arguments.positional else None)
    return calls.call_unknown(run, scope, _label(instance), arguments, node)


def _overridden_inside(instance: Instance) -> str:
    """A method that torch's own forward would call and that a subclass replaces, or ""."""
    for cls in classes.order_of(instance.cls):
        if not isinstance(cls, ClassValue):
            break
        for name, value in cls.namespace.items():
            inner = name.startswith("_") and not name.startswith("__") and name not in HARMLESS
            if instance.layer is not None and inner and isinstance(value, FunctionValue) and name != "_check_input_dim":
                return name
    return ""


def _apply_layer(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    layer = instance.layer
    assert layer is not None
    location = scope.module.location(node)
    inputs = instances.bound_arguments(run, layer.entry.inputs, arguments, location)
    if inputs is None:
        return calls.call_unknown(run, scope, _label(instance), arguments, node)
    mode = Mode.FROZEN if layer.eval_mode else run.mode
    label = layer.label or layer.entry.label
    return tensors.apply_entry(
        run, scope, layer.entry, {**layer.arguments, **inputs}, label, node, layer=layer, mode=mode
    )


def _weight_rank(label: str) -> int:
    """The rank of a layer's weight: Linear 2, Bilinear 3, ConvNd N + 2, norms 1."""
    if "Conv" in label:
        return int(label[-2]) + 2
    return {"Linear": 2, "LazyLinear": 2, "Bilinear": 3, "Embedding": 2, "EmbeddingBag": 2}.get(label, 1)


def _training(run: Run, scope: Scope, owner: Instance, node: ast.AST) -> bool:
    if owner.layer and owner.layer.eval_mode:
        return False
    choices = [("train", "training"), ("eval", "in eval mode")]
    chosen = run.decide(("training",), "self.training", "mode", scope.module.location(node), choices)
    if chosen == "eval":
        run.mode = Mode.EVAL
    return chosen == "train"


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
    for child in list(owner.modules.values()):
        if isinstance(child, Instance):
            _train(run, scope, child, Arguments((mode,)), node, overrides=True)
    return owner


def _apply_function(run: Run, scope: Scope, owner: Instance, function: Value, node: ast.AST) -> Value:
    """`module.apply(fn)`: runs fn on every submodule, innermost first."""
    function = settle(run, function)
    if isinstance(function, Unknown):
        return owner  # initialisers; what they do to parameter values is never used
    for module in reversed(list(submodules(owner))):
        calls.call(run, scope, function, Arguments((module,)), node)
    return owner


def _register(run: Run, owner: Instance, name: str, arguments: Arguments) -> None:
    values = [*arguments.positional, *arguments.keywords.values()]
    if len(values) >= 2 and isinstance(values[0], str):
        set_attribute(run, owner, values[0], values[1])


def _freeze(owner: Instance) -> None:
    for module in submodules(owner):
        if module.layer:
            module.layer.frozen_shift = True


def _add(run: Run, owner: Instance, name: Value, value: Value) -> None:
    if isinstance(name, str):
        owner.attributes.pop(name, None)
        owner.modules[name] = value
        _label_child(owner, name, value)
    else:
        owner.modules[f"?{len(owner.modules)}"] = value


def _extend(instance: Instance, items: Iterable[Value]) -> None:
    for item in items:
        name = str(len(instance.modules))
        instance.modules[name] = item
        _label_child(instance, name, item)


def _label_child(owner: Instance, name: str, child: Value) -> None:
    if not isinstance(owner.cls, External):
        give_label(child, name)
    else:
        give_label(child, f"{owner.label}.{name}" if owner.label else name, final=owner.labelled)


def _update(run: Run, scope: Scope, instance: Instance, source: Value, node: ast.AST) -> None:
    if isinstance(source, Unknown):
        instance.escaped = "it is filled from a value that could not be followed"
        return
    if isinstance(source, Instance):
        source = source.modules
    pairs = source.items() if isinstance(source, dict) else source or ()
    for pair in pairs:
        if isinstance(pair, (tuple, list)) and len(pair) == 2:
            _add(run, instance, pair[0], pair[1])


def _change_container(run: Run, scope: Scope, owner: Instance, name: str, arguments: Arguments, node: ast.AST) -> Value:
    values = [*arguments.positional, *arguments.keywords.values()]
    match name, values:
        case "append", [value]:
            _extend(owner, [value])
        case "extend", [value]:
            source = list(value.modules.values()) if isinstance(value, Instance) else None
            _extend(owner, source if source is not None else items_of(run, scope, value, node))
        case "update", [value]:
            _update(run, scope, owner, value, node)
        case "insert", [int(position), value]:
            children = list(owner.modules.values())
            children.insert(position, value)
            owner.modules = {}
            _extend(owner, children)
        case "pop", [key] if isinstance(key, (str, int)):
            keys = list(owner.modules)
            try:
                return owner.modules.pop(key if isinstance(key, str) else keys[key])
            except (KeyError, IndexError):
                raise PathEnds from None
        case "clear", _:
            owner.modules.clear()
        case _:
            owner.escaped = f"`{name}` changes it in a way that could not be followed"
    return owner


def _listing(owner: Instance, name: str) -> list[Value]:
    match name:
        case "items" | "named_children":
            return [(key, value) for key, value in owner.modules.items()]
        case "keys":
            return list(owner.modules)
        case "values" | "children":
            return list(owner.modules.values())
        case "modules":
            return list(submodules(owner))
        case _:
            return [(path, module) for path, module in _named(owner, "")]


def _named(owner: Instance, path: str) -> Iterator[tuple[str, Instance]]:
    yield path, owner
    for name, child in owner.modules.items():
        if isinstance(child, Instance):
            yield from _named(child, f"{path}.{name}" if path else name)


def _parameters(run: Run, scope: Scope, owner: Instance, name: str, node: ast.AST) -> list[Value]:
    """The parameters of all layers below a module, with their names where asked for."""
    found: list[tuple[str, Value]] = []
    for path, module in _named(owner, ""):
        if module.layer is not None:
            for attribute_name in ("weight", "bias"):
                value = attribute(run, scope, module, attribute_name, node)
                if isinstance(value, Tensor):
                    found.append((f"{path}.{attribute_name}" if path else attribute_name, value))
    return list(found) if name == "named_parameters" else [value for _, value in found]


def _submodule(owner: Instance, path: str) -> Value:
    current: Value = owner
    for part in path.split("."):
        if not isinstance(current, Instance) or part not in current.modules:
            raise PathEnds
        current = current.modules[part]
    return current


def _label(instance: Instance) -> str:
    if instance.layer:
        return instance.layer.label or instance.layer.entry.label
    return show(instance.cls)
