"""torch's modules as objects: containers, submodules, their methods, and applying them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from biaslens.algebra.axes import Shape
from biaslens.catalogue import lookup
from biaslens.catalogue.entry import Mode
from biaslens.program import calls, classes, hooks, instances, mappings, module_methods, stretches, tensors
from biaslens.program.conditions import settle, show
from biaslens.program.iteration import container_kind, items_of
from biaslens.program.names import MISSING
from biaslens.program.origins import Origin
from biaslens.program.run import Run, tampered
from biaslens.program.sizing import as_size
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import (
    Arguments,
    BoundMethod,
    ClassValue,
    External,
    Facts,
    FunctionValue,
    Instance,
    LayerState,
    Partial,
    Scope,
    Stretch,
    Tensor,
    Unknown,
    Value,
    Wrapped,
)

SEQUENTIAL = "torch.nn.Sequential"
MODULE_LIST = "torch.nn.ModuleList"
MODULE_DICT = "torch.nn.ModuleDict"


def apply(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    """What calling an object gives: `__call__`, its forward, or what torch's layer does."""
    influence = run.influence
    outer = influence.control
    influence.control |= arguments.callee if arguments.influences is not None else influence.value
    influence.control |= instance.influences.get("", 0)
    run.applying += 1
    try:
        if instance.escaped:
            value = _apply_escaped(run, scope, instance, arguments, node)
        elif instance.handed:
            value = _apply_handed(run, scope, instance, arguments, node)
        else:
            value = _apply_followed(run, scope, instance, arguments, node)
    finally:
        run.applying -= 1
    influence.control = outer
    return value


def _apply_escaped(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    """Code that we could not follow may have changed it: its inputs are read, and so is what it would give."""
    value = _apply_followed(run, scope, instance, arguments, node)
    everything = Arguments((*arguments.positional, value), arguments.keywords, arguments.open, arguments.rest)
    return calls.call_unknown(run, scope, label_of(instance), everything, node)


def _apply_handed(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    """Nobody knows what was done with it: what it computes rests on nothing having been changed."""
    first = len(run.equations)
    value = _apply_followed(run, scope, instance, arguments, node)
    if isinstance(value, Tensor) and first == len(run.equations):  # it gave back what it got; so that it is seen:
        identity = lookup.find("torch.nn.Identity")
        assert identity is not None
        value = tensors.apply_entry(run, scope, identity, {"input": value}, label_of(instance), node)
    run.equations[first:] = [replace(equation, handed=instance.handed) for equation in run.equations[first:]]
    return value


def _apply_followed(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    found = classes.find(instance.cls, "__call__")
    if found is not None:
        return calls.call(run, scope, found[1], arguments.behind(instance), node)
    return apply_forward(run, scope, instance, arguments, node)


def apply_forward(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    """What `nn.Module.__call__` does: calls forward, and what is hooked to it."""
    if not instance.hooks:
        return _forward(run, scope, instance, arguments, node)
    arguments = hooks.before(run, scope, instance, arguments, node)
    return hooks.after(run, scope, instance, arguments, _forward(run, scope, instance, arguments, node), node)


def _forward(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    replaced = instance.attributes.get("forward")
    if replaced is not None:
        return calls.call(run, scope, replaced, arguments, node)
    found = classes.find(instance.cls, "forward")
    if found is not None:
        return calls.call(run, scope, found[1], arguments.behind(instance), node)
    return apply_torch(run, scope, instance, arguments, node)


def attribute(run: Run, scope: Scope, owner: Instance, name: str, node: ast.AST) -> Value:
    """An attribute that every module or layer of torch has, or MISSING."""
    layer = owner.layer
    if layer is not None:
        run.influence.value |= layer.influence
    if (
        layer is not None
        and layer.entry.label.startswith(COMPOUND)
        and name not in module_methods.METHODS
        and name != "training"
    ):
        return Unknown(Symbol(Kind.UNCERTAIN, layer.number, name), f"{layer.label}.{name}")
    match name:
        case "training" if classes.is_module_class(owner.cls):
            return _training(run, scope, owner, node)
        case "__class__":
            return owner.cls
        case "_modules":
            return owner.modules
        case "__dict__" if not classes.is_module_class(owner.cls):
            return owner.attributes
        case "__dict__":
            escape(run, [owner], "its `__dict__` is used")
            return {**owner.attributes, **owner.modules}
        case "_parameters" | "_buffers" if classes.is_module_class(owner.cls):
            return {}
        case "bias" if layer and layer.entry.shift and layer.entry.shift.attribute == "bias":
            if layer.shift is False:
                return None
            size = as_size(layer.arguments.get(layer.entry.shift.size))
            return run.parameter(layer, Shape.of(size), scope.module.location(node))
        case "weight" if layer and not _has_weight(layer):
            return None if layer.entry.role == "norm" and layer.entry.shift else MISSING
        case "weight" if layer:
            weight = run.tensor_of(Unknown(Symbol(Kind.WEIGHT, layer.number), f"{layer.label}.weight"))
            rank = _weight_rank(layer.entry.label)
            run.facts[weight.var] = Facts(parameter=True)
            run.refine(weight.var, Shape(rank, (None,) * rank, -1, rank))
            return weight
        case _ if layer and name in layer.arguments:
            return _as_torch_keeps_it(layer, name)
        case "running_mean" | "running_var" | "num_batches_tracked" if layer:
            if "track_running_stats" not in layer.arguments:
                return MISSING
            if settle(run, layer.arguments["track_running_stats"]) is False:
                return None
            return run.tensor_of(Unknown(Symbol(Kind.BUFFER, layer.number, name), f"{layer.label}.{name}"))
        case _ if name in mappings.METHODS and mappings.is_mapping(owner):
            return BoundMethod(name, owner)
        case _ if name in module_methods.METHODS and (
            classes.is_module_class(owner.cls) or classes.has_unknown_base(owner.cls)
        ):
            return BoundMethod(name, owner)
        case "module" | "_orig_mod" if owner.wrapped:
            return owner
        case _:
            return MISSING


def _as_torch_keeps_it(layer: LayerState, name: str) -> Value:
    """A setting of a layer as an attribute: convolutions keep `stride=1` as a tuple of their dimension."""
    value = layer.arguments[name]
    label = layer.entry.label
    if label.endswith("d") and "Conv" in label and name in _PER_AXIS and isinstance(value, int):
        return (value,) * int(label[-2])
    if name == "normalized_shape" and isinstance(value, int):
        return (value,)
    if name == "stride" and value is None and "Pool" in label:
        return layer.arguments.get("kernel_size")
    if name == "scale_factor" and isinstance(value, int):
        return float(value)
    return value


COMPOUND = ("MultiheadAttention", "RNN", "LSTM", "GRU", "Transformer")
"""Layers of torch with layers inside: their attributes are not listed here."""

_PER_AXIS = frozenset({"kernel_size", "stride", "padding", "dilation", "output_padding"})


def set_attribute(run: Run, owner: Instance, name: str, value: Value) -> None:
    """Effect: `owner.name = value`; modules are registered, and a layer's own settings change."""
    run.touch(owner, name)
    layer = owner.layer
    if run.influence.here:
        run.might_use([owner.modules.get(name)], run.influence.here)
    if layer is not None:
        layer.influence |= run.influence.here
    if layer is not None and layer.entry.shift is not None and name == layer.entry.shift.attribute:
        tampered(owner, f"its `{name}` is assigned")
        other = run.layer_of_parameter(value)
        if other is not None:
            other.tampered = other.tampered or f"its `{name}` is shared with another layer"
        return
    if name == "__class__":
        escape(run, [owner], "its class is exchanged")
        return
    if name == "training" and classes.is_module_class(owner.cls):
        if settle(run, value) is not True:
            owner.frozen = True
            if layer is not None:
                layer.eval_mode = True
        return
    if layer is not None and name in layer.arguments:
        layer.arguments[name] = value
        return
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
        if name == "requires_grad":
            run.known[Symbol(Kind.TRAINS, owner.var)] = value
        return
    if name == "requires_grad" and value is not True:
        layer.frozen_shift = True
    elif name == "data":
        layer.tampered = layer.tampered or "its bias is assigned"


def delete_attribute(run: Run, owner: Instance, name: str) -> None:
    """Effect: `del owner.name`."""
    run.touch(owner, name)
    if owner.layer and owner.layer.entry.shift and name == owner.layer.entry.shift.attribute:
        tampered(owner, f"its `{name}` is removed")
    owner.modules.pop(name, None)
    owner.attributes.pop(name, None)


def set_child(run: Run, owner: Instance, index: Value, value: Value) -> None:
    """Effect: `container[index] = value`."""
    run.touch(owner)
    keys, index = list(owner.modules), stretches.spelled(run, index)
    if isinstance(index, int) and -len(keys) <= index < len(keys):
        owner.modules[keys[index]] = value
    elif isinstance(index, str):
        owner.modules[index] = value
        give_label(value, index)
    elif keys:
        owner.escaped = "an item that we could not tell was replaced"


def delete_child(run: Run, owner: Instance, index: Value) -> None:
    """Effect: `del container[index]`."""
    run.touch(owner)
    keys = list(owner.modules)
    if isinstance(index, int) and -len(keys) <= index < len(keys):
        del owner.modules[keys[index]]
    elif isinstance(index, str):
        owner.modules.pop(index, None)


def sliced(run: Run, owner: Instance, kind: str, index: slice) -> Value:
    """`sequential[a:b]`."""
    found = stretches.sliced(run, owner, list(owner.modules), index)
    if found is None:
        escape(run, owner.modules.values(), "it is in a slice that could not be followed")
        return Unknown(run.another(Kind.SLICE, run.ordinal(owner)), "a slice of modules")
    part = Instance(External(kind))
    children = list(owner.modules.items())
    part.modules = dict(children[place] for place in found[0])
    stretches.note(run, part, found[1])
    return part


def fill(run: Run, scope: Scope, instance: Instance, kind: str, arguments: Arguments, node: ast.AST) -> None:
    """Effect: what the constructor of a container puts into it."""
    run.touch(instance)
    if arguments.open:
        instance.escaped = "it is built from arguments that could not be followed"
    if kind == SEQUENTIAL:
        items = list(arguments.positional)
        if len(items) == 1 and isinstance(items[0], dict):
            update(run, scope, instance, items[0], node)
        else:
            extend(run, instance, items, arguments.spread)
    elif kind in (MODULE_LIST, "torch.nn.ParameterList"):
        source = next(iter([*arguments.positional, *arguments.keywords.values()]), None)
        if source is not None:
            items = items_of(run, scope, source, node)
            extend(run, instance, items, stretches.of(run, items))
    elif kind == MODULE_DICT:
        source = next(iter([*arguments.positional, *arguments.keywords.values()]), None)
        update(run, scope, instance, source, node)


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


def escape(run: Run, values: Iterable[Value], reason: str) -> None:
    """Effect: modules that were handed to code that we cannot follow may have been changed by it."""
    for value in values:
        if isinstance(value, Instance):
            for module in submodules(value):
                run.touch(module)
                module.escaped = module.escaped or reason
                tampered(module, reason)
        elif isinstance(value, (FunctionValue, BoundMethod, Partial, Wrapped)):
            escape(run, captured(value), reason)
        elif isinstance(value, (list, tuple)):
            escape(run, value, reason)
        elif isinstance(value, dict):
            escape(run, value.values(), reason)


def captured(function: FunctionValue | BoundMethod | Partial | Wrapped) -> list[Value]:
    """What a function carries with it: its receiver, bound arguments, and the variables that its body names."""
    match function:
        case BoundMethod(function=inner, receiver=receiver):
            return [receiver, *(captured(inner) if isinstance(inner, FunctionValue) else [])]
        case Partial(function=inner, positional=positional, keywords=keywords):
            return [inner, *positional, *keywords.values()]
        case Wrapped(function=inner):
            return [inner]
        case FunctionValue(node=node, scope=scope):
            found: list[Value] = []
            for name in scope.module.names(node) if scope.parent is not None else ():
                current = scope
                while current.parent is not None:
                    if name in current.variables and current.variables[name] is not function:
                        found.append(current.variables[name])
                        break
                    current = current.parent
            return [value for value in found if not isinstance(value, FunctionValue)]


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


def apply_torch(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    """What torch's own forward does with an instance: a layer, a Sequential; anything else is unknown."""
    if instance.layer is not None:
        if instance.layer.entry.label.startswith(COMPOUND):
            escape(run, instance.modules.values(), f"it is a part of `{label_of(instance)}`, which is not followed")
        value = _apply_layer(run, scope, instance, arguments, node)
        hook = _overridden_inside(instance)
        if hook:
            return calls.call_unknown(run, scope, f"{label_of(instance)}.{hook}", arguments.behind(value), node)
        return value
    if container_kind(instance) == SEQUENTIAL:
        value = None
        for child in list(instance.modules.values()):
            value = calls.call(run, scope, child, arguments, node)
            arguments = Arguments((value,))
            run.influence.value = 0
        return value if instance.modules else (arguments.positional[0] if arguments.positional else None)
    return calls.call_unknown(run, scope, label_of(instance), arguments.behind(instance), node, instance)


def _overridden_inside(instance: Instance) -> str:
    """A method that the layer's own forward would call and that a subclass replaces, or ""."""
    for cls in classes.order_of(instance.cls):
        if not isinstance(cls, ClassValue):
            break
        for name, value in cls.namespace.items():
            inner = name.startswith("_") and not name.startswith("__") and name not in module_methods.HARMLESS
            if inner and isinstance(value, FunctionValue) and name != "_check_input_dim":
                return name
    return ""


def _apply_layer(run: Run, scope: Scope, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
    layer = instance.layer
    assert layer is not None
    location = scope.module.location(node)
    inputs = instances.bound_arguments(run, layer.entry.inputs, arguments, location)
    if inputs is None:
        return calls.call_unknown(run, scope, label_of(instance), arguments, node)
    mode = Mode.FROZEN if layer.eval_mode else run.mode
    label = layer.label or layer.class_name
    return tensors.apply_entry(
        run, scope, layer.entry, {**layer.arguments, **inputs}, label, node, layer=layer, mode=mode, own=layer.own
    )


def _has_weight(layer: LayerState) -> bool:
    """Whether a layer has a `weight`; one that it may have counts."""
    label = layer.entry.label
    if layer.entry.role == "norm":
        switch = next((name for name in ("affine", "elementwise_affine") if name in layer.arguments), "")
        return layer.arguments.get(switch) is not False if switch else layer.entry.shift is not None
    return layer.entry.role == "affine" or label.startswith(("Embedding", "PReLU"))


def _weight_rank(label: str) -> int:
    """The rank of a layer's weight: Linear 2, Bilinear 3, ConvNd N + 2, norms 1."""
    if "Conv" in label:
        return int(label[-2]) + 2
    return {"Linear": 2, "LazyLinear": 2, "Bilinear": 3, "Embedding": 2, "EmbeddingBag": 2}.get(label, 1)


def _training(run: Run, scope: Scope, owner: Instance, node: ast.AST) -> bool:
    if owner.frozen:
        return False
    choices = [("train", "training"), ("eval", "in eval mode")]
    chosen = run.decide(Symbol(Kind.TRAINING), "self.training", Origin.MODE, scope.module.location(node), choices)
    if chosen == "eval":
        run.mode = Mode.EVAL
        run.influence.always |= run.influence.value
    return chosen == "train"


def add(run: Run, owner: Instance, name: Value, value: Value) -> None:
    """Effect: `owner.add_module(name, value)`."""
    run.touch(owner)
    name = stretches.spelled(run, name)
    if isinstance(name, str):
        owner.attributes.pop(name, None)
        owner.modules[name] = value
        label_child(owner, name, value)
    else:
        owner.modules[f"?{len(owner.modules)}"] = value


def extend(run: Run, instance: Instance, items: Sequence[Value], stretch: Stretch | None = None) -> None:
    """Effect: adds modules behind the others, numbered. stretch: of the items."""
    before = len(instance.modules)
    for item in items:
        name = str(len(instance.modules))
        instance.modules[name] = item
        label_child(instance, name, item)
    stretches.extended(run, instance, before, stretches.noted(run, [*items], stretch), len(items))


def label_child(owner: Instance, name: str, child: Value) -> None:
    """Effect: names a module after the container that holds it, where that has a name."""
    if not isinstance(owner.cls, External):
        give_label(child, name)
    else:
        give_label(child, f"{owner.label}.{name}" if owner.label else name, final=owner.labelled)


def update(run: Run, scope: Scope, instance: Instance, source: Value, node: ast.AST) -> None:
    """Effect: adds the modules of a dict, of pairs or of another container by name."""
    if isinstance(source, Unknown):
        instance.escaped = "it is filled from a value that could not be followed"
        return
    if isinstance(source, Instance):
        source = source.modules
    pairs = source.items() if isinstance(source, dict) else source or ()
    for pair in pairs:
        if isinstance(pair, (tuple, list)) and len(pair) == 2:
            add(run, instance, pair[0], pair[1])


def label_of(instance: Instance) -> str:
    """The name by which a person knows a module."""
    if instance.layer:
        return instance.layer.label or instance.layer.class_name
    return show(instance.cls)
