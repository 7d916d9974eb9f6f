"""From a parsed file to its program: every entry, followed on every path that the budget allows."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Any, TypeAlias

from biaslens.catalogue.lookup import find
from biaslens.program import (
    calls,
    classes,
    decisions,
    freezing,
    handovers,
    instances,
    modules,
    names,
    statements,
    tensors,
)
from biaslens.program.decisions import explore, guarded
from biaslens.program.influence import Influence, Influences, Reached
from biaslens.program.ir import Path, Program
from biaslens.program.ir import Run as Followed
from biaslens.program.iteration import CONTAINERS
from biaslens.program.moments import at, next_binding
from biaslens.program.origins import Origin
from biaslens.program.paths import path_of
from biaslens.program.questions import tests_of_default
from biaslens.program.run import ModuleState, PathEnds, Run
from biaslens.program.shared import Circumstances, module_run
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import (
    Arguments,
    ClassValue,
    External,
    FunctionValue,
    Instance,
    Scope,
    Table,
    Unknown,
    Value,
    Wrapped,
)
from biaslens.program.world import World
from biaslens.syntax.parse import Module
from biaslens.text import Location, Problem

Definition: TypeAlias = "ast.ClassDef | ast.FunctionDef | ast.Assign | ast.If"
Known: TypeAlias = "Mapping[Definition, Entry]"
NOTHING_KNOWN: Known = MappingProxyType({})
Reaching: TypeAlias = Callable[[str, Path], Mapping[int, Reached]]


def trace(module: Module, world: World, reached: Reaching, known: Known = NOTHING_KNOWN) -> Traced:
    """All entries of a module: its classes, the functions that return modules, and its module-level containers.

    reached: tells how far shifts get on a path of an entry with some name. known: entries that were traced before, by
    their definitions.
    """
    entries: list[Entry] = []
    settled: set[Location] = set()
    steps_for_uses = world.options.max_steps
    for node in _definitions(module):
        is_class = isinstance(node, ast.ClassDef)
        budget = world.options.max_steps if is_class else steps_for_uses
        entry = known.get(node)
        if entry is None or not entry.holds_for(budget):
            entry = _traced(module, node, world, reached, budget, settled)
        entries.append(entry)
        settled |= entry.settled
        if not is_class:
            steps_for_uses -= entry.steps
    return Traced(module, tuple(entries))


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """One entry, traced.

    run: None where no path has a layer. problem: why it was not followed. steps: what it took of a budget. spent: the
    budget, where it may not have been enough. reads: the globals that it rests on, by file, as `Run.reads` has them.
    settled: the constructor calls in its own text whose biases are cancelled there with some answers: with which ones
    does not depend on other entries.
    """

    node: Definition
    run: Followed | None
    problem: Problem | None
    steps: int
    spent: int | None
    reads: Mapping[str, frozenset[str]]
    settled: frozenset[Location]

    def holds_for(self, budget: int) -> bool:
        """Whether the same would come of another budget."""
        return self.steps < budget if self.spent is None else self.spent == budget


@dataclass(frozen=True, slots=True)
class Traced:
    """The entries of a module, in its order."""

    module: Module
    entries: tuple[Entry, ...]

    @property
    def program(self) -> Program:
        """What was followed of them."""
        runs = tuple(entry.run for entry in self.entries if entry.run is not None)
        problems = tuple(entry.problem for entry in self.entries if entry.problem is not None)
        without = (entry.node for entry in self.entries if entry.run is None and isinstance(entry.node, ast.ClassDef))
        layerless = tuple(map(self.module.location, without))
        return Program(self.module.path, runs, (*self.module.problems, *problems), layerless)


def _definitions(module: Module) -> Iterator[Definition]:
    """The statements that may define an entry."""
    for statement in module.statements:
        match statement:
            case ast.ClassDef():
                yield from _classes(statement)
            case ast.FunctionDef(name=name) if _may_build_layers(statement) or name in module.freezers:
                yield statement
            case ast.If() if "" in module.freezers:  # a script behind its main guard
                yield statement
            case ast.Assign(targets=[ast.Name()], value=ast.Call()):
                yield statement
            case _:
                pass


def _classes(node: ast.ClassDef) -> Iterator[ast.ClassDef]:
    yield node
    for inner in node.body:
        if isinstance(inner, ast.ClassDef):
            yield from _classes(inner)


def _holds(statement: ast.stmt, node: Definition) -> bool:
    """Whether a statement of top level is a definition, or a class around it."""
    inner = _classes(statement) if isinstance(statement, ast.ClassDef) else ()
    return statement is node or any(other is node for other in inner)


def _may_build_layers(node: ast.FunctionDef) -> bool:
    """Whether a function returns something that it calls for; most functions of a file are no entries."""
    returns = any(isinstance(inner, ast.Return) and inner.value is not None for inner in ast.walk(node))
    return returns and any(isinstance(inner, ast.Call) for inner in ast.walk(node))


def _without_bases(module: Module, node: Definition, settled: Collection[Location]) -> Collection[Location]:
    """Those of some places that are in no class from which one derives: there the same code may do something else."""
    if not isinstance(node, ast.ClassDef) or not node.bases or not settled:
        return settled
    classes_by_name = {other.name: other for other in module.statements if isinstance(other, ast.ClassDef)}
    waiting, bases = [node], set[ast.ClassDef]()
    while waiting:
        named = (getattr(base, "id", "") for base in waiting.pop().bases)
        new = {classes_by_name[name] for name in named if name in classes_by_name} - bases
        bases |= new
        waiting += new
    around = [module.location(base) for base in bases]
    return [place for place in settled if not any(base.contains(place) for base in around)]


def _traced(
    module: Module, node: Definition, world: World, reached: Reaching, budget: int, settled: Collection[Location]
) -> Entry:
    entry = _Entry(module, node, world, reached, budget)
    run = _follow(entry, _without_bases(module, node, settled))
    problem = None
    is_lost = entry.exceeded and isinstance(node, ast.ClassDef)
    if run is None and (is_lost or ((entry.spent or entry.given_up) and _names_a_layer(node))):
        text = f"`{entry.name}` is too large to follow; its layers are left alone."
        problem = Problem("budget", text, module.path, module.span(node))
    elif entry.left and (run is not None or _names_a_layer(node)):
        place = min(entry.left)
        text = f"A loop that `{entry.name}` runs goes on for too long; what hangs on it is unknown."
        problem = Problem("budget", text, module.path, place.span if place.path == module.path else module.span(node))
    spent = budget if entry.spent else None
    return Entry(node, run, problem, entry.steps, spent, entry.reads(), frozenset(entry.settled))


def _names_a_layer(node: ast.AST) -> bool:
    """Whether a layer with a weight and a bias is called by its name; others call classes of their file."""
    calls = (inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call))
    names = (func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls)
    return any(row is not None and row.role == "affine" for row in map(find, (f"torch.nn.{name}" for name in names)))


def _follow(entry: _Entry, settled: Collection[Location]) -> Followed | None:
    """All paths of one entry, None where none has a layer. Classes have a budget each; the functions and variables of a
    file share one, since most of them only use its classes."""
    try:
        explored = explore(
            decisions.Entry(entry.run, entry.tell, entry.bits, entry.has_own_layers, entry.module.path, settled),
            entry.world.options.max_runs,
            entry.max_steps,
        )
    except RecursionError:
        entry.exceeded = entry.spent = True
        return None
    entry.exceeded, entry.spent, entry.given_up = explored.exceeded, explored.spent, explored.given_up
    if not any(path.layers for path in explored.paths):
        return None
    location, evidence = entry.module.location(entry.node), explored.evidence
    entry.settled.update(place for place in evidence.open_sites(()) if location.contains(place))
    return Followed(
        entry.name,
        location,
        f"{location.path}:{location.span.start}:{entry.name}",
        explored.paths,
        evidence.questions,
        tuple(evidence.gaps()),
        explored.used,
        explored.extends,
    )


def _name(node: Definition) -> str:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case ast.If():
            return "script"
        case _:
            return "?"


class _Entry:
    """One entry, which can be run with different answers. Keeps what each run returns."""

    def __init__(self, module: Module, node: Definition, world: World, reached: Reaching, max_steps: int) -> None:
        self.module = module
        self.node = node
        self.name = _name(node)
        self._location = module.location(node)
        self._index = next(index for index, other in enumerate(module.statements) if _holds(other, node))
        self.world = world
        self.max_steps = max_steps
        self.steps = 0
        self.exceeded = False
        self.spent = False
        self.left: set[Location] = set()
        self.given_up = False
        self._reads: set[tuple[str, str]] = set()
        self._rests_on: set[Circumstances] = set()
        self._reached = reached
        self._outputs: dict[Run, tuple[int, ...]] = {}
        self._known: dict[Any, Any] = {}
        self.bits: dict[Symbol, int] = {}
        self.settled: set[Location] = set()

    def run(self, forced: Mapping[Symbol, str]) -> Run:
        """One run with some answers forced."""
        shared = module_run(self.world, forced, {key for about in self._rests_on for key in about.questions})
        influence = Influences(self.bits)
        run = Run(self.world, dict(forced), self.max_steps - self.steps, shared, influence=influence)
        try:
            return guarded(run, lambda: self._body(run))
        finally:
            run.restore()
            self.steps += run.steps
            self._reads |= run.reads
            self.left |= run.left
            self._rests_on |= run.rests_on

    def tell(self, run: Run) -> tuple[Path, Mapping[int, Reached]]:
        """The path of a run, and how far the shifts of its layers get."""
        path = path_of(run, self._outputs.pop(run), self._known)
        return path, self._reached(self.name, path)

    def reads(self) -> dict[str, frozenset[str]]:
        """The globals that all runs so far rest on, by file."""
        found: dict[str, set[str]] = {}
        for path, name in self._reads.union(*(about.reads for about in self._rests_on)):
            found.setdefault(path, set()).add(name)
        return {path: frozenset(names) for path, names in found.items()}

    def has_own_layers(self, run: Run) -> bool:
        """Whether a run makes affine layers outside of other classes; otherwise the entry is only a use of those.

        A class that makes none at first may do so with other answers.
        """
        affine = [layer for layer in run.layers if layer.entry.role == "affine"]
        if not affine and isinstance(self.node, ast.ClassDef):
            return _names_a_layer(self.node)
        return any(not layer.inside_another for layer in affine)

    def _body(self, run: Run) -> None:
        scope = Scope(self.module, run.globals.setdefault(self.module.path, ModuleState()).variables)
        run.defined_at = self.module.path, self._index
        match self.node:
            case ast.ClassDef():
                outputs = _run_class(run, scope, self.node)
            case ast.FunctionDef() if _may_build_layers(self.node):
                outputs = _run_function(run, scope, self.node)
            case ast.FunctionDef() | ast.If():
                outputs = _run_training(run, scope, self.node)
            case _:
                outputs = _run_variable(run, scope, self.name, self.node)
        run.settle_uses()
        self._outputs[run] = tuple(tensor.var for tensor in tensors.inside([outputs]))


def _run_class(run: Run, scope: Scope, node: ast.ClassDef) -> Value:
    """Builds an instance from unknown arguments and calls it, and its other public methods."""
    cls = _class_value(run, scope, node)
    if not isinstance(cls, ClassValue) or not classes.is_module_class(cls):
        return None
    instance = Instance(cls, location=scope.module.location(node))
    run.used.add(cls.qualified)
    run.extends.update(base.qualified for base in cls.order[1:] if isinstance(base, ClassValue))
    initialiser = classes.find(cls, "__init__")
    if initialiser is not None and isinstance(initialiser[1], FunctionValue):
        arguments = root_arguments(run, scope, initialiser[1], Origin.CONSTRUCTOR, instance)
        calls.call_function(run, initialiser[1], arguments, node, scope)
    elif not _is_layer_class(cls):
        base = classes.torch_base(cls)
        if base is not None:
            modules.fill(run, scope, instance, base.name, Arguments(), node)
    if _is_layer_class(cls) and instance.layer is None:
        return None
    instances.distrust(run, instance)
    freezing.settle_modes(run, scope, instance, node)
    return _use(run, scope, instance, node)


def _is_layer_class(cls: ClassValue) -> bool:
    """Whether a class derives from a layer of torch."""
    return any(isinstance(base, External) and find(base.name) for base in cls.order)


def _class_value(run: Run, scope: Scope, node: ast.ClassDef) -> Value:
    """The class of this very statement, also where another one of that name comes later."""
    value = _defined(run, scope, node.name)
    if isinstance(value, ClassValue) and value.node is node:
        return value
    with at(run.globals[scope.module.path], _index(run)):
        return classes.define(run, scope, node)


def _defined(run: Run, scope: Scope, name: str) -> Value:
    """What the entry's own statement binds to a name, with all that is done to that until it is bound anew."""
    with at(run.globals[scope.module.path], next_binding(scope.module, name, _index(run))):
        return names.lookup(run, scope, name)


def _index(run: Run) -> int:
    return run.defined_at[1] if run.defined_at is not None else 0


def _use(run: Run, scope: Scope, instance: Instance, node: ast.AST) -> Value:
    """What a module gives for unknown inputs; its other public methods that use its layers are called as well."""
    run.applying += 1
    try:
        return _used(run, scope, instance, node)
    finally:
        run.applying -= 1


def _used(run: Run, scope: Scope, instance: Instance, node: ast.AST) -> list[Value]:
    outputs: list[Value] = []
    found = classes.find(instance.cls, "__call__") or classes.find(instance.cls, "forward")
    replaced = instance.attributes.get("forward")
    if replaced is not None:
        run.influence.value = instance.influences.get("forward", 0)
        outputs.append(calls.call(run, scope, replaced, _unknown_input(), node))
    elif found is not None and isinstance(found[1], FunctionValue):
        arguments = root_arguments(run, scope, found[1], Origin.FORWARD, instance)
        outputs.append(calls.call_function(run, found[1], arguments, node, scope))
    elif instance.layer is not None or _is_sequential(instance.cls):
        run.influence.value = 0
        outputs.append(modules.apply(run, scope, instance, _unknown_input(), node))
    run.influence.returning |= run.influence.value
    for method in _public_methods(instance):
        arguments = root_arguments(run, scope, method, Origin.FORWARD, instance)
        outer = run.influence.control
        with suppress(PathEnds):  # a method that raises is no use; the others are
            outputs.append(calls.call_function(run, method, arguments, node, scope))
        run.influence.returning |= run.influence.value
        run.influence.control = outer
    return outputs


def _unknown_input() -> Arguments:
    return Arguments((Unknown(Symbol(Kind.INPUT), "input", origin=Origin.FORWARD),))


def _is_sequential(cls: Value) -> bool:
    return any(isinstance(base, External) and base.name == modules.SEQUENTIAL for base in classes.order_of(cls))


def _public_methods(instance: Instance) -> Iterator[FunctionValue]:
    """Methods beside forward, inherited ones too, that apply one of the instance's own modules."""
    seen = {"forward", "train", "eval"}
    for owner in classes.order_of(instance.cls):
        for name, value in owner.namespace.items() if isinstance(owner, ClassValue) else ():
            if name.startswith("_") or name in seen:
                continue
            seen.add(name)
            if isinstance(value, FunctionValue) and _applies_modules(value.node, instance):
                yield value


def _applies_modules(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, instance: Instance) -> bool:
    receiver = node.args.args[0].arg if node.args.args else ""
    for inner in ast.walk(node):
        match inner:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute)) if name == receiver:
                if attribute in instance.modules:
                    return True
            case _:
                pass
    return False


def _run_function(run: Run, scope: Scope, node: ast.FunctionDef) -> Value:
    """Calls a function with unknown arguments; a module that it returns is used as a model would."""
    with at(run.globals[scope.module.path], _index(run)):
        function = statements.function(run, scope, node)
    value = _defined(run, scope, node.name)
    if isinstance(value, FunctionValue) and value.node is node:
        function = value
    if isinstance(value, Wrapped):
        return None
    arguments = root_arguments(run, scope, function, Origin.CONSTRUCTOR)
    result = calls.call_function(run, function, arguments, node, scope)
    if not run.layers:
        run.fruitless = True
        raise PathEnds
    return _use_all(run, scope, result, node)


def _run_training(run: Run, scope: Scope, node: ast.FunctionDef | ast.If) -> Value:
    """Uses the models that training code builds with frozen norms; of others it is a use like any."""
    models = freezing.built_by(run, scope, node)
    if not models:
        run.fruitless = True
        raise PathEnds
    return [_use(run, scope, model, node) for model in models]


def _use_all(run: Run, scope: Scope, value: Value, node: ast.AST) -> Value:
    """Modules in a returned value are applied; several in a list one after the other, as builders' lists are."""
    match value:
        case Instance() if classes.is_module_class(value.cls):
            freezing.settle_modes(run, scope, value, node)
            return _use(run, scope, value, node)
        case list() | tuple() if value and all(isinstance(item, Instance) for item in value):
            return [_use_all(run, scope, item, node) for item in value]
        case _:
            run.influence.returning |= run.influence.value
            return value


def _run_variable(run: Run, scope: Scope, name: str, node: ast.AST) -> Value:
    """A module-level variable that holds a module."""
    value = _defined(run, scope, name)
    if not isinstance(value, Instance) or not classes.is_module_class(value.cls):
        return None
    if isinstance(value.cls, External) and value.cls.name not in CONTAINERS and value.layer is None:
        return None
    handovers.by_statements(run, scope, name)
    freezing.settle_modes(run, scope, value, node)
    return _use(run, scope, value, node)


def root_arguments(
    run: Run, scope: Scope, function: FunctionValue, origin: Origin, receiver: Instance | None = None
) -> Arguments:
    """The arguments with which an entry is called: unknown ones; where there is a default, that one first."""
    parameters = function.node.args
    influences: dict[int | str, Influence] = {}
    positional: list[Value] = [] if receiver is None else [receiver]
    keywords: dict[str, Value] = {}
    named = [*parameters.posonlyargs, *parameters.args][len(positional) :]
    for parameter in (*named, *parameters.kwonlyargs):
        run.influence.value = 0
        value = _root_argument(run, scope, function, parameter, origin)
        if len(positional) < len(named) + (receiver is not None):
            influences[len(positional)] = run.influence.value
            positional.append(value)
        else:
            influences[parameter.arg] = run.influence.value
            keywords[parameter.arg] = value
    run.influence.value = reduce(or_, influences.values(), 0)
    kind = _KINDS[origin]
    rest: Table | None = None
    if parameters.kwarg is not None:
        name = parameters.kwarg.arg
        hidden = Unknown(Symbol(kind, function.qualified, name), name, origin=origin)
        run.presumed[Symbol(Kind.LENGTH, hidden.key)] = 0
        rest = Table(rest=hidden, absent=keywords)
    others: Unknown | None = None
    if parameters.vararg is not None:
        name = parameters.vararg.arg
        others = Unknown(Symbol(kind, function.qualified, name), name, origin=origin)
    return Arguments(tuple(positional), keywords, rest is not None, rest, others, influences=influences)


_KINDS: Mapping[Origin, Kind] = {Origin.CONSTRUCTOR: Kind.CONSTRUCTOR, Origin.FORWARD: Kind.FORWARD}


def _root_argument(run: Run, scope: Scope, function: FunctionValue, parameter: ast.arg, origin: Origin) -> Value:
    name = parameter.arg
    unknown = Unknown(Symbol(_KINDS[origin], function.qualified, name), name, _is_number(parameter.annotation), origin)
    if name not in function.defaults:
        return unknown
    default = function.defaults[name]
    shown = run.world.text(_default_of(function, name))
    where = function.scope.module.location(parameter)
    words = [("default", f"the default `{name}={shown}`"), ("other", f"another `{name}` than `{shown}`")]
    if default is None:
        words[1] = ("other", f"{name} is not None")
    elif isinstance(default, bool):
        words = [("default", f"{name} is {str(default).lower()}"), ("other", f"{name} is {str(not default).lower()}")]
    decides = Origin.DEFAULT if origin is Origin.CONSTRUCTOR else Origin.FORWARD
    tests = tests_of_default(function, name, default)
    choice = run.decide(Symbol(Kind.DEFAULT, function.qualified, name), f"{name}={shown}", decides, where, words, tests)
    if choice == "default":
        return default
    if isinstance(default, bool):
        return not default
    number = isinstance(default, (int, float)) or unknown.number
    if default is None:
        run.known[Symbol(Kind.NOT_NONE, unknown.key)] = True
    return Unknown(unknown.key, name, number, origin)


def _default_of(function: FunctionValue, name: str) -> ast.expr:
    parameters = function.node.args
    positional = [*parameters.posonlyargs, *parameters.args]
    pairs = dict(
        zip([p.arg for p in positional[len(positional) - len(parameters.defaults) :]], parameters.defaults, strict=True)
    )
    pairs.update(
        {p.arg: d for p, d in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True) if d is not None}
    )
    return pairs[name]


def _is_number(annotation: ast.expr | None) -> bool:
    return isinstance(annotation, ast.Name) and annotation.id in ("int", "float", "bool")
