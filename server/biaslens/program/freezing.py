"""Modules that the program around a model keeps in eval mode while it trains.

What freezes norms is seldom a part of the model: methods that exist to be called (`freeze_bn`), what a framework calls
before it trains (`on_train_epoch_start`), functions that take the model, scripts. Of such code only those statements
are followed that switch modes: loops over modules, tests of their classes, calls of other such code. To switch a whole
model off from outside is to evaluate it, and freezes nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from biaslens.program import attributes, calls, classes, expressions, module_methods, names
from biaslens.program.conditions import truth
from biaslens.program.iteration import is_container, items_of
from biaslens.program.modules import submodules
from biaslens.program.names import MISSING
from biaslens.program.origins import Origin
from biaslens.program.run import PathEnds, Run
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import (
    Arguments,
    BoundMethod,
    ClassValue,
    FunctionValue,
    Instance,
    ModuleValue,
    Scope,
    Tensor,
    Unknown,
    Value,
)
from biaslens.syntax.modes import FREEZERS, switches_off
from biaslens.syntax.parse import Module
from biaslens.text import Location


def settle_modes(run: Run, scope: Scope, instance: Instance, node: ast.AST) -> None:
    """Effect: puts those parts of a model into eval mode that are in it while the program trains the model.

    Where that hangs on a call which nobody is seen to make, it is a decision.
    """
    location = scope.module.location(node)
    causes = [
        cause for cause in (*_by_methods(run, instance), *_by_others(run, scope.module, instance)) if cause.frozen
    ]
    in_force: list[_Cause] = []
    for cause in causes:
        words = [("no", f"{cause.code} is not called"), ("yes", f"{cause.code} is called")]
        run.influence.value = 0
        key = Symbol(Kind.FROZEN_BY, cause.code)
        if cause.is_sure or run.decide(key, cause.code, Origin.CONSTRUCTOR, location, words) == "yes":
            in_force.append(cause)
        _rests_on_this(run, cause.frozen)
    if not _stays_as_it_was_made(run, instance, node, location):
        _thaw(submodules(instance))
        module_methods.run_train_overrides(run, scope, instance, node)
    for cause in in_force:
        for module in cause.frozen:
            _freeze(module)


def built_by(run: Run, scope: Scope, node: ast.FunctionDef | ast.If) -> list[Instance]:
    """The models that a training function or a script builds and of which it freezes parts. Effect: does so."""
    walk = _Walk(run, [], builds=True)
    if isinstance(node, ast.FunctionDef):
        walk.function(FunctionValue(node.name, node, scope, {}), ())
    else:
        walk.block(node.body, Scope(scope.module, {}, scope))
    for module in walk.frozen.values():
        _freeze(module)
    return [model for model in walk.models if any(map(_is_frozen, submodules(model)))]


def _stays_as_it_was_made(run: Run, instance: Instance, node: ast.AST, location: Location) -> bool:
    """Whether nothing calls `train()` on a model that its constructor, or what made it, put into eval mode."""
    frozen = [module for module in submodules(instance) if _is_frozen(module)]
    if not frozen or not isinstance(node, ast.ClassDef):
        return bool(frozen)
    words = [("yes", "`train()` is called after it is built"), ("no", "nothing calls `train()` after it is built")]
    run.influence.value = 0
    answer = run.decide(Symbol(Kind.TRAINED_AFTER_ALL), "train()", Origin.CONSTRUCTOR, location, words)
    _rests_on_this(run, frozen)
    return answer == "no"


def _rests_on_this(run: Run, modules: Iterable[Instance]) -> None:
    """Effect: what some modules do rests on what was asked just now."""
    for module in modules:
        if module.layer is not None:
            module.layer.influence |= run.influence.here


@dataclass(frozen=True, slots=True)
class _Cause:
    """Code that freezes modules. code: how a person calls it. is_sure: somebody is seen to run it."""

    code: str
    frozen: tuple[Instance, ...]
    is_sure: bool


_RUN_BY_FRAMEWORKS = re.compile(r"train|fit|epoch|batch|setup|configure|_step|^step|init_weights|^on_|^before_|^start")
_EVALUATING = re.compile(r"val|test|eval|predict|infer|sampl|generat|export|deploy|fuse|demo|visual|onnx|score|measure")
"""Methods and functions of such names switch modes for a while."""

_OWN = frozenset(["__init__", "forward", "__call__", "train", "eval", "__new__"])


def _by_methods(run: Run, instance: Instance) -> Iterator[_Cause]:
    """Methods of the model and of its parts that nobody else here follows.

    What `__init__` and `train` call is followed with them, and nobody else calls private ones.
    """
    seen: set[ast.AST] = set()
    for module in submodules(instance):
        for owner in classes.order_of(module.cls):
            if not isinstance(owner, ClassValue):
                continue
            run.read(owner.module.path, FREEZERS)
            for name in sorted(owner.module.freezers & owner.namespace.keys()):
                method = owner.namespace[name]
                if name in _OWN or name.startswith("_") or _EVALUATING.search(name):
                    continue
                if not isinstance(method, FunctionValue) or method.node in seen or _is_part_of_others(module, name):
                    continue
                seen.add(method.node)
                walk = _Walk(run, [module])
                walk.function(method, [module])
                run.read(owner.module.path, "")  # whoever calls it
                sure = _RUN_BY_FRAMEWORKS.search(name) is not None or _is_called(owner.module, name)
                yield _Cause(f"`{name}()`", tuple(walk.frozen.values()), sure)


def _by_others(run: Run, module: Module, instance: Instance) -> Iterator[_Cause]:
    """Functions and scripts of the file, and methods of its classes that are no modules."""
    run.read(module.path, FREEZERS)
    if not module.freezers:
        return
    run.read(module.path, "")
    scope = Scope(module)
    walk = _Walk(run, [instance])
    walk.block([s for s in module.statements if not isinstance(s, _DEFINITIONS)], Scope(module, {}, scope))
    yield _Cause("the script", tuple(walk.frozen.values()), True)
    for owner, node in _functions_around(module, instance):
        if node.name not in module.freezers or _EVALUATING.search(node.name):
            continue
        function = FunctionValue(node.name, node, scope, {})
        walk = _Walk(run, [instance])
        walk.function(function, [instance] * 9)
        if _looks_at_one_module(node):
            for part in list(submodules(instance))[1:]:
                walk.function(function, [part])
        used = _is_called(module, node.name) if owner else len(re.findall(rf"\b{node.name}\b", module.source.text)) > 1
        sure = used or walk.has_built or _RUN_BY_FRAMEWORKS.search(node.name) is not None
        yield _Cause(f"`{node.name}()`", tuple(walk.frozen.values()), sure)


_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom)


def _functions_around(module: Module, instance: Instance) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions of top level, and methods of classes that are no part of the model, with the names of those."""
    own = {owner.node for part in submodules(instance) for owner in classes.order_of(part.cls) if _has_node(owner)}
    for statement in module.statements:
        match statement:
            case ast.FunctionDef():
                yield "", statement
            case ast.ClassDef(name=name, body=body) if statement not in own and not _has_forward(body):
                yield from ((name, inner) for inner in body if isinstance(inner, ast.FunctionDef))
            case _:
                pass


def _is_part_of_others(module: Instance, name: str) -> bool:
    """Whether `__init__` or `train` of a module calls a method of it."""
    found = [classes.find(module.cls, own) for own in ("__init__", "train")]
    functions = [one[1].node for one in found if one is not None and isinstance(one[1], FunctionValue)]
    return any(isinstance(part, ast.Attribute) and part.attr == name for node in functions for part in ast.walk(node))


def _has_node(owner: Value) -> bool:
    return isinstance(owner, ClassValue)


def _has_forward(body: Iterable[ast.stmt]) -> bool:
    return any(isinstance(inner, ast.FunctionDef) and inner.name in ("forward", "__call__") for inner in body)


def _is_called(module: Module, name: str) -> bool:
    """Whether a file calls a method on something else than `self`."""
    return re.search(rf"(?<!\bself)(?<!\bsuper\(\))\.{name}\(", module.source.text) is not None


def _looks_at_one_module(node: ast.FunctionDef) -> bool:
    """Whether a function tests what its one argument is, as those do that are given to `apply`."""
    return len(node.args.args) == 1 and any(isinstance(inner, ast.If) for inner in node.body)


def _is_frozen(module: Instance) -> bool:
    return module.frozen or (module.layer is not None and module.layer.eval_mode)


def _freeze(module: Instance) -> None:
    module.frozen = True
    if module.layer is not None:
        module.layer.eval_mode = True


def _thaw(modules: Iterable[Instance]) -> None:
    for module in modules:
        module.frozen = False
        if module.layer is not None:
            module.layer.eval_mode = False


_SOME_PART = object()
"""A part of the model, nobody knows which one."""


def _trains_what_it_evaluates(node: ast.AST) -> bool:
    """Whether a function takes optimiser steps on a model that it puts into eval mode as a whole."""
    calls_of = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call)]
    called = {
        inner.func.attr for inner in calls_of if isinstance(inner.func, ast.Attribute) and not switches_off(inner)
    }
    return {"backward", "step"} <= called and "train" not in called


MAX_CALLS = 400
"""Functions that one walk goes into; what freezes more than that is not looked at."""


@dataclass(eq=False)
class _Walk:
    """Follows what code does to the modes of a model.

    models: those that are handed to it, or that it builds.
    frozen: the modules that are in eval mode by now, by identity.
    builds: new models are built; otherwise the one that is handed in stands for every other one of its class.
    has_built: the code makes a model itself.
    """

    run: Run
    models: list[Instance]
    frozen: dict[int, Instance] = field(default_factory=dict)
    builds: bool = False
    has_built: bool = False
    _decided: int = 0
    _calls: int = 0
    _running: list[ast.AST] = field(default_factory=list)

    def function(self, function: FunctionValue, values: Sequence[Value]) -> None:
        """Effect: goes through the body of a function."""
        node = function.node
        self._calls += 1
        if isinstance(node, ast.Lambda):
            parameters, body = node.args, [ast.Expr(node.body)]
        else:
            parameters, body = node.args, node.body
        if node in self._running or self._calls > MAX_CALLS:
            return
        listed = [parameter.arg for parameter in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs)]
        variables: dict[str, Value] = {name: Unknown(Symbol(Kind.WALKED, name), name) for name in listed}
        variables |= dict(zip(listed, values, strict=False))
        self._running.append(node)
        self._decided += _trains_what_it_evaluates(node)
        self.block(body, Scope(function.scope.module, variables, function.scope, function.owner, variables.get("self")))
        self._decided -= _trains_what_it_evaluates(node)
        self._running.pop()

    def block(self, nodes: Iterable[ast.stmt], scope: Scope) -> None:
        """Effect: goes through statements."""
        for node in nodes:
            self._statement(node, scope)

    def _statement(self, node: ast.stmt, scope: Scope) -> None:
        match node:
            case ast.For():
                self._loop(node.target, node.iter, scope, lambda: self.block(node.body, scope))
            case ast.If():
                self._branch(node, scope)
            case ast.While() | ast.With():
                self.block(node.body, scope)
            case ast.Try():
                self.block([*node.body, *node.orelse, *node.finalbody], scope)
            case ast.Assign(targets=[ast.Attribute(value=owner, attr="training")]) if switches_off(node):
                self._switch_off(self._value(owner, scope))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                scope.variables[name] = self._called(value, scope)
            case ast.Expr(value=value) | ast.Return(value=ast.expr() as value):
                self._called(value, scope)
            case _:
                pass

    def _loop(self, target: ast.expr, source: ast.expr, scope: Scope, body: Callable[[], None]) -> None:
        items = self._items(source, scope)
        for item in items:
            self._bind(target, item, scope)
            body()
        if not items:
            if isinstance(source, ast.Call) and isinstance(target, ast.Name) and self._concerns_model(source, scope):
                scope.variables[target.id] = _SOME_PART
            body()

    def _concerns_model(self, node: ast.expr, scope: Scope) -> bool:
        names_in = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
        return any(scope.variables.get(name) is model for name in names_in for model in self.models)

    def _bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        match target:
            case ast.Name(id=name):
                scope.variables[name] = value
            case ast.Tuple(elts=elements) if isinstance(value, tuple) and len(value) == len(elements):
                for element, part in zip(elements, value, strict=True):
                    self._bind(element, part, scope)
            case _:
                pass

    def _branch(self, node: ast.If, scope: Scope) -> None:
        answer = self._answer(node.test, scope)
        if answer is not None:
            self._decided += answer
            self.block(node.body if answer else node.orelse, scope)
            self._decided -= answer
            return
        before = dict(self.frozen)
        self.block(node.body, scope)
        after, self.frozen = self.frozen, before
        self.block(node.orelse, scope)
        self.frozen = {**self.frozen, **after}

    def _called(self, node: ast.expr, scope: Scope) -> Value:
        """The value of an expression. Effect: what its call does to modes."""
        match node:
            case ast.ListComp(elt=element, generators=[only]):
                for item in self._items(only.iter, scope):
                    self._bind(only.target, item, scope)
                    if all(self._answer(test, scope) is not False for test in only.ifs):
                        self._called(element, scope)
                return None
            case ast.Call(func=ast.Attribute(value=owner, attr=name)):
                self._method(node, owner, name, scope)
            case ast.Call(func=ast.Name(id=name)) if name in scope.module.freezers and name not in scope.variables:
                function = self._global(name, scope)
                if isinstance(function, FunctionValue):
                    self.function(function, [self._value(argument, scope) for argument in node.args])
            case ast.Await(value=inner):
                return self._called(inner, scope)
            case _:
                pass
        return self._value(node, scope)

    def _method(self, node: ast.Call, owner: ast.expr, name: str, scope: Scope) -> None:
        if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute):
            self._called(owner, scope)
        value = self._value(owner, scope)
        if name == "apply" and node.args:
            function = self._value(node.args[0], scope)
            wholes = [value] if isinstance(value, Instance) else self.models
            if isinstance(function, FunctionValue):
                for module in (module for whole in wholes for module in submodules(whole)):
                    self._decided += 1
                    self.function(function, [module])
                    self._decided -= 1
        elif switches_off(node):
            self._switch_off(value)
        elif name == "train":
            self._switch_on(scope.receiver if _is_super(owner) else value)
        elif isinstance(value, Instance):
            found = classes.find(value.cls, name)
            if found is not None and isinstance(found[1], FunctionValue) and name in found[1].scope.module.freezers:
                self.function(found[1], [value, *(self._value(argument, scope) for argument in node.args)])

    def _switch_off(self, value: Value) -> None:
        if value is _SOME_PART:
            parts = (part for model in self.models for part in submodules(model) if part is not model)
            self.frozen |= {id(part): part for part in parts}
        if isinstance(value, Instance) and (self._decided or all(value is not model for model in self.models)):
            self.frozen |= {id(module): module for module in submodules(value)}

    def _switch_on(self, value: Value) -> None:
        if not isinstance(value, Instance):
            return
        for module in submodules(value):
            self.frozen.pop(id(module), None)
        for module in submodules(value):
            found = classes.find(module.cls, "train")
            if found is not None and isinstance(found[1], FunctionValue):
                self.function(found[1], [module, True])

    def _answer(self, test: ast.expr, scope: Scope) -> bool | None:
        if not self._is_plain(test, scope):
            return None
        try:
            return truth(self.run, expressions.condition(self.run, scope, test))
        except PathEnds:
            return None

    def _is_plain(self, node: ast.expr, scope: Scope) -> bool:
        """Whether an expression asks about classes and names only."""
        for inner in ast.walk(node):
            match inner:
                case ast.Call(func=ast.Name(id=name)) if name not in _PLAIN_FUNCTIONS:
                    return False
                case ast.Call(func=ast.Attribute(attr=name)) if name not in _PLAIN_METHODS:
                    return False
                case ast.Name(id=name) if not _is_local(scope, name) and self._global(name, scope) is MISSING:
                    return False
                case _:
                    pass
        return True

    def _items(self, source: ast.expr, scope: Scope) -> list[Value]:
        if isinstance(source, (ast.ListComp, ast.GeneratorExp)):
            return self._listed(source, scope)
        value = self._value(source, scope)
        if is_container(value) or isinstance(value, (list, tuple, dict)):
            try:
                return items_of(self.run, scope, value, source)
            except PathEnds:
                return []
        return []

    def _listed(self, node: ast.ListComp | ast.GeneratorExp, scope: Scope) -> list[Value]:
        first, found = node.generators[0], list[Value]()
        for item in self._items(first.iter, scope):
            self._bind(first.target, item, scope)
            if all(self._answer(test, scope) is not False for test in first.ifs):
                found.append(self._value(node.elt, scope))
        return found

    def _value(self, node: ast.expr, scope: Scope) -> Value:
        """What an expression stands for, as far as modules are concerned; None for anything else."""
        try:
            return self._part(node, scope)
        except PathEnds:
            return None

    def _part(self, node: ast.expr, scope: Scope) -> Value:
        match node:
            case ast.Constant(value=constant):
                return constant
            case ast.Lambda() | ast.Tuple() | ast.List() if self._is_plain(node, scope):
                return expressions.evaluate(self.run, scope, node)
            case ast.Name(id=name):
                return names.lookup(self.run, scope, name) if _is_local(scope, name) else self._global(name, scope)
            case ast.Attribute(value=owner, attr=name):
                value = self._part(owner, scope)
                if isinstance(value, Instance):
                    found = attributes.find(self.run, scope, value, name, node)
                    return value if found is MISSING and name in _WRAPPED else found
                return attributes.find(self.run, scope, value, name, node) if isinstance(value, ModuleValue) else None
            case ast.Subscript(value=owner, slice=index):
                value, key = self._part(owner, scope), self._part(index, scope)
                known = isinstance(value, (Instance, list, tuple, dict)) and isinstance(key, (int, str))
                return attributes.get_item(self.run, scope, value, key, node) if known else None
            case ast.Call():
                return self._call(node, scope)
            case ast.ListComp() | ast.GeneratorExp():
                return self._listed(node, scope)
            case _:
                return None

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        arguments = [self._value(argument, scope) for argument in node.args]
        match node.func:
            case ast.Attribute(value=owner, attr=name) if name in _LISTINGS:
                value = self._value(owner, scope)
                if not isinstance(value, (Instance, dict)):
                    value = self.models[-1] if self.models else None  # `self.trainer.model.modules()`
                return calls.call(self.run, scope, BoundMethod(name, value), Arguments(), node)
            case ast.Attribute(value=owner, attr=name) if name in _GIVE_THEMSELVES:
                return self._value(owner, scope)
            case ast.Attribute(value=owner, attr="get_submodule") if arguments:
                value = self._value(owner, scope)
                method = BoundMethod("get_submodule", value)
                return calls.call(self.run, scope, method, Arguments(tuple(arguments)), node) if value else None
            case ast.Name(id=name) if name in _PLAIN_FUNCTIONS and self._is_plain(node, scope):
                return expressions.evaluate(self.run, scope, node)
            case ast.Name(id="list" | "tuple" | "reversed" | "iter") if arguments:
                return arguments[0]
            case ast.Name(id="enumerate") if arguments and isinstance(arguments[0], list):
                return [*enumerate(arguments[0])]
            case ast.Name() | ast.Attribute():
                cls = self._value(node.func, scope)
                if isinstance(cls, ClassValue) and classes.is_module_class(cls):
                    return self._built(cls, node, scope)
            case _:
                pass
        return next((argument for argument in arguments if isinstance(argument, Instance)), None)  # a wrapper

    def _built(self, cls: ClassValue, node: ast.Call, scope: Scope) -> Value:
        if self.builds:
            value = calls.evaluate_call(self.run, scope, node)
            self.models += [value] if isinstance(value, Instance) else []
            return value
        if self.models and cls is self.models[0].cls:
            self.has_built = True
            return self.models[0]
        return None

    def _global(self, name: str, scope: Scope) -> Value:
        """A class, a function, an import or a constant; MISSING for what has to be computed."""
        module = scope.module
        indices = module.affecting.get(name, ())
        if any(not isinstance(module.statements[index], (*_DEFINITIONS, ast.Assign)) for index in indices):
            return MISSING
        assigned = [module.statements[index] for index in indices]
        if any(isinstance(s, ast.Assign) and any(isinstance(n, ast.Call) for n in ast.walk(s)) for s in assigned):
            return MISSING
        value = names.lookup(self.run, Scope(module), name)
        return MISSING if isinstance(value, (Unknown, Instance, Tensor)) else value


_PLAIN_FUNCTIONS = frozenset(["isinstance", "issubclass", "type", "hasattr", "getattr", "str", "len", "any", "all"])
_PLAIN_METHODS = frozenset(["startswith", "endswith", "find", "lower", "upper", "split", "count"])
_LISTINGS = frozenset(["modules", "children", "named_modules", "named_children", "values", "items"])
_GIVE_THEMSELVES = frozenset(["to", "cuda", "cpu", "float", "half", "double", "train", "eval", "requires_grad_"])
_WRAPPED = ("module", "_orig_mod", "model")


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _is_local(scope: Scope, name: str) -> bool:
    current = scope
    while current.parent is not None and name not in current.variables:
        current = current.parent
    return current.parent is not None
