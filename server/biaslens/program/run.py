"""The state of one straight-line run: its equations, layers, shapes, answers and budget."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from biaslens.algebra.axes import Shape
from biaslens.algebra.outcome import unknown
from biaslens.algebra.sizes import Size
from biaslens.algebra.sizes import unknown as unknown_size
from biaslens.catalogue.entry import Mode, Result, Step
from biaslens.program import moments
from biaslens.program.influence import Influence, Influences, Learned
from biaslens.program.ir import Answer, Equation, Question, Test, Var
from biaslens.program.origins import Origin
from biaslens.program.symbols import Kind, Part, Symbol
from biaslens.program.values import (
    ClassValue,
    Facts,
    Imported,
    Instance,
    LayerState,
    Scope,
    Storage,
    Stretch,
    Table,
    Tensor,
    Unknown,
    Value,
)
from biaslens.program.world import World
from biaslens.syntax.parse import Module
from biaslens.text import Location

if TYPE_CHECKING:
    from biaslens.program.shared import Circumstances, ModuleRun

MAX_DEPTH = 60
"""Interpreted calls inside each other; more is a recursion that no model has."""


NO_TESTS: Mapping[str, Test] = MappingProxyType({})

STEPS_BETWEEN_PAUSES = 500
"""They take some milliseconds."""

MAX_IN_VAIN = 20_000
"""Steps that an entry may take without a single layer."""

MAX_ASIDE = 2_000
"""What a decorator may cost."""


class PathEnds(Exception):
    """This run raises: it is no path. tests: the tests that led there, innermost first."""

    def __init__(self) -> None:
        super().__init__()
        self.tests: list[Symbol] = []


class Covered(PathEnds):
    """This run goes on as another one does: it is no path of its own, and nothing is raised."""


class BudgetExceeded(Exception):
    """This run is too long to follow."""


@dataclass(eq=False, slots=True)
class ModuleState:
    """The globals of one module in one run; statements run when a name that they affect is looked up.

    moment: the statement whose turn it is, None after all of them. history: of names that several statements bind, what
    each of these statements bound.
    """

    variables: dict[str, Value] = field(default_factory=dict)
    executed: set[int] = field(default_factory=set)
    influences: dict[str, Influence] = field(default_factory=dict)
    moment: int | None = None
    history: dict[str, dict[int, Value]] = field(default_factory=dict)


@dataclass(eq=False)
class Run:
    """One run. `forced` answers questions; every other question gets its first choice.

    constructing: how many objects of classes of the source are being built inside each other.
    presumed: what unknown values are by default: the answers to start with.
    resolving: imported names that are being looked up.
    names: what the program calls the tensors that stand for unknown values.
    shared: the run that evaluates globals for this one, None for that run itself.
    replaced: names outside the sources that the program assigns anew, such as `nn.BatchNorm2d = nn.Identity`.
    extends: full names of the classes from which the entry derives.
    fruitless: a function came to its end without a layer.
    blamed: the tests that led to where the program raised, innermost first.
    influence: on which answers it rests what is computed. known: what answers have fixed of unknown values.
    left: loops that were followed no further.
    lowest: of unknown numbers, by their names in sizes, what they are at least. between: the counts of loops, by the
    names of the indices of rounds that are neither the first nor the last.
    spelled: names that loops make up, by what they are told from; unspelled: what these names stand for.
    stretches: lists and containers that are longer than the items that they hold, by identity, with themselves.
    taken_over: globals that were found in the shared run, by file, name and moment, and on which answers they rest.
    defined_at: the file and the index of the statement that defines the entry; it is used some time after that.
    reads: the globals that were looked up, by file and name; ("", of a file, for all of its text; "*" for what its star
    imports are; ".eval()" for which of its functions freeze modules).
    rests_on: circumstances of globals that were evaluated before.
    applying: how many modules are being applied inside each other; none in scripts, builders and constructors.
    losses: tensors from which gradients are taken.
    """

    world: World
    forced: dict[Symbol, str]
    max_steps: int
    shared: ModuleRun | None = None
    mode: Mode = Mode.TRAIN
    answers: dict[Symbol, Answer] = field(default_factory=dict)
    choices: dict[Symbol, tuple[str, ...]] = field(default_factory=dict)
    influence: Influences = field(default_factory=Influences)
    globals: dict[str, ModuleState] = field(default_factory=dict)
    equations: list[Equation] = field(default_factory=list)
    layers: list[LayerState] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    presumed: dict[Symbol, Value] = field(default_factory=dict)
    left: set[Location] = field(default_factory=set)
    spelled: dict[Symbol, str] = field(default_factory=dict)
    unspelled: dict[str, Unknown] = field(default_factory=dict)
    stretches: dict[int, tuple[Value, Stretch]] = field(default_factory=dict)
    resolving: set[Imported] = field(default_factory=set)
    names: dict[Var, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    extends: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    fruitless: bool = False
    blamed: tuple[Symbol, ...] = ()
    taken_over: dict[tuple[str, str, int | None], tuple[Value, Influence]] = field(default_factory=dict)
    defined_at: tuple[str, int] | None = None
    reads: set[tuple[str, str]] = field(default_factory=set)
    rests_on: set[Circumstances] = field(default_factory=set)
    constructing: int = 0
    applying: int = 0
    losses: list[Var] = field(default_factory=list[Var])
    steps: int = 0
    depth: int = 0

    def __post_init__(self) -> None:
        self.known: dict[Symbol, Value] = Learned(self.influence)
        self.lowest: dict[Hashable, int] = Learned(self.influence)
        self.between: dict[Hashable, Size] = Learned(self.influence)
        self._look_at = 0
        self._ranks: dict[int, tuple[int | None, int]] = {}
        self._tensors: dict[Symbol, Tensor] = {}
        self._sizes_from_front: dict[tuple[Var, int], Size] = {}
        self._biases: dict[Var, LayerState] = {}
        self._counters: dict[Hashable, int] = {}
        self._ordinals: dict[int, int] = {}
        self._kept: list[Value] = []
        self._before: dict[int, tuple[Value, Value]] = {}
        self._might: dict[int, tuple[Value, Influence]] = {}

    # --- globals ----------------------------------------------------------------------------------------------------

    def execute(self, module: Module, index: int) -> None:
        """Effect: runs a statement of module level."""
        from biaslens.program import statements

        state, influence = self.globals[module.path], self.influence
        before = influence.value, influence.control
        influence.control = 0
        scope = Scope(module, state.variables, influences=state.influences)
        with moments.running(state, module, index):
            statements.execute(self, scope, module.statements[index])
        influence.value, influence.control = before

    def read(self, path: str, name: str) -> None:
        """Effect: notes that this rests on a global, as `reads` has it."""
        self.reads.add((path, name))

    def reuse(self, module: Module, index: int) -> None:
        """Effect: notes that a statement of module level, which ran before, is needed again."""

    def aside(self, evaluate: Callable[[], Value], otherwise: Value) -> Value:
        """What a decorator makes of a value. One that fails, or takes long, is taken to give back what it gets."""
        limit, depth = self.max_steps, self.depth
        before = self.influence.control
        self.max_steps = min(limit, self.steps + MAX_ASIDE)
        self._look_at = self.steps
        try:
            return evaluate()
        except (PathEnds, BudgetExceeded):
            self.influence.control = before
            return otherwise
        finally:
            self.max_steps, self.depth = limit, depth

    def is_replaced(self, name: str) -> bool:
        """Whether the program assigns a name outside the sources anew."""
        return name in self.replaced or (self.shared is not None and name in self.shared.replaced)

    def touch(self, value: Value, attribute: str = "") -> None:
        """Effect: keeps what is in an object that is about to change, since other runs may share it.

        attribute: the only one that changes, or "".
        """
        here = self.influence.here
        match value:
            case list() | dict() | set() if here:
                self.influence.changed(value)
                self.might_use([value], here)
            case Instance():
                before = 0 if attribute else value.influences.get("", 0)
                if here or attribute in value.influences:
                    value.influences[attribute] = before | here
            case _:
                pass
        if self.shared is not None and id(value) not in self._before:
            self._before[id(value)] = (value, contents(value))

    def might_use(self, values: Iterable[Value], influence: Influence) -> None:
        """Effect: whether some modules are used, also those in lists, rests on more."""
        for value in values:
            match value:
                case Instance():
                    before = self._might.get(id(value))
                    self._might[id(value)] = value, influence | (before[1] if before is not None else 0)
                case list() | tuple() | set():
                    self.might_use(value, influence)
                case dict():
                    self.might_use(value.values(), influence)
                case _:
                    pass

    def settle_uses(self) -> None:
        """Effect: tells the layers inside of all modules that might have been used, on what that rests."""
        waiting: list[tuple[Value, Influence]] = [*self._might.values()]
        told: dict[int, Influence] = {}
        while waiting:
            value, influence = waiting.pop()
            before = told.get(id(value), 0)
            if before | influence == before or not isinstance(value, (Instance, list, tuple, dict, set)):
                continue
            told[id(value)] = before | influence
            match value:
                case Instance():
                    if value.layer is not None:
                        value.layer.might |= influence
                    inside = [*value.modules.values(), *value.attributes.values()]
                case dict():
                    inside = [*value.values()]
                case _:
                    inside = [*value]
            waiting += [(part, influence) for part in inside]

    def restore(self) -> None:
        """Effect: gives every object that was touched its contents back."""
        for value, before in self._before.values():
            refill(value, before)
        self._before.clear()

    # --- budget -----------------------------------------------------------------------------------------------------

    def step(self, count: int = 1) -> None:
        """Effect: spends the budget, and raises BudgetExceeded when nothing is left."""
        self.steps = steps = self.steps + count
        if steps > self._look_at:
            self._look()

    def _look(self) -> None:
        if self.steps > self.max_steps:
            raise BudgetExceeded
        if self.steps > MAX_IN_VAIN and not self.layers and self.shared is not None:
            raise BudgetExceeded
        self.world.pause()
        self._look_at = min(self.steps + STEPS_BETWEEN_PAUSES, self.max_steps)

    # --- questions --------------------------------------------------------------------------------------------------

    def decide(
        self,
        key: Symbol,
        text: str,
        origin: Origin,
        location: Location,
        choices: Sequence[tuple[str, str]],
        tests: Mapping[str, Test] = NO_TESTS,
    ) -> str:
        """The answer to a question: the same one every time within a run.

        choices: (choice, the condition in words), the default one first. tests: the same as code, by choice.
        """
        self.influence.asked(key)
        if key in self.answers:
            return self.answers[key].choice
        if self.between and key.is_of_round:  # not whoever builds the model decides: one of many rounds does
            origin, tests = Origin.DATA, NO_TESTS
        words = dict(choices)
        choice = self.forced.get(key, choices[0][0])
        if choice not in words:
            choice = choices[0][0]
        question = Question(key, text, origin, location)
        self.answers[key] = Answer(question, choice, words[choice], tests.get(choice))
        self.choices[key] = tuple(choice for choice, _ in choices)
        return choice

    def given(self, key: Symbol) -> str | None:
        """The answer that a question got before in this run."""
        answer = self.answers.get(key)
        if answer is None:
            return None
        self.influence.asked(key)
        return answer.choice

    def another(self, kind: Kind, *parts: Part) -> Symbol:
        """A symbol for what one place of the source makes: another one each time."""
        return Symbol(kind, *parts, self.count((kind, parts)))

    def count(self, key: Hashable) -> int:
        """How often this was asked for before: numbers the values that one place of the source makes."""
        self._counters[key] = self._counters.get(key, -1) + 1
        return self._counters[key]

    def ordinal(self, value: Value) -> int:
        """A number for an object, equal in equal runs."""
        if id(value) not in self._ordinals:
            if self.shared is not None and self.shared.has_ordinal(value):
                return self.shared.ordinal(value)
            self._ordinals[id(value)] = len(self._ordinals)
            self._kept.append(value)  # so that its identity is not given to another object
        return self._ordinals[id(value)]

    def has_ordinal(self, value: Value) -> bool:
        """Whether an object has a number."""
        return id(value) in self._ordinals

    # --- tensors ----------------------------------------------------------------------------------------------------

    def new_tensor(self, shape: Shape, facts: Facts | None = None, storage: Storage | None = None) -> Tensor:
        """A tensor object with a variable of its own."""
        return Tensor(self.new_var(shape, facts), storage or Storage())

    def new_var(self, shape: Shape, facts: Facts | None = None) -> Var:
        """A variable; an unknown rank gets a name, which tensors of the same rank share."""
        if shape.rank is None and shape.token < 0:
            token = len(self._ranks)
            self._ranks[token] = (None, max(shape.at_least, len(shape.sizes)))
            shape = Shape(None, shape.sizes, token, shape.at_least)
        self.shapes.append(shape)
        self.facts.append(facts or Facts())
        self.influence.history.append(0)
        return len(self.shapes) - 1

    def shape(self, var: Var) -> Shape:
        """The shape with everything known by now about its rank."""
        return self.resolved(self.shapes[var])

    def resolved(self, shape: Shape) -> Shape:
        """A shape with its rank filled in where that was learned since."""
        if shape.rank is not None:
            return shape
        rank, at_least = self._ranks.get(shape.token, (None, 0))
        if rank is None:
            return shape if at_least <= shape.at_least else Shape(None, shape.sizes, shape.token, at_least)
        sizes = (None,) * (rank - len(shape.sizes)) + shape.sizes
        return Shape(rank, sizes[len(sizes) - rank :], -1, rank)

    def refine(self, var: Var, learned: Shape) -> None:
        """Effect: adds what was learned about a tensor's shape; its rank is learned for all that share it."""
        old = self.shapes[var]
        current = self.resolved(old)
        if learned.rank is None and learned.at_least <= current.at_least and not learned.sizes:
            return
        if current.rank is None:
            known, at_least = self._ranks.get(old.token, (None, 0))
            self._ranks[old.token] = (learned.rank or known, max(at_least, learned.at_least, current.at_least))
            current = self.resolved(old)
        sizes = list(current.sizes)
        for back, size in enumerate(reversed(learned.sizes), start=1):
            if back > len(sizes):
                if current.rank is not None:
                    break
                sizes.insert(0, size)
            elif sizes[-back] is None:
                sizes[-back] = size
        for axis in range(current.rank or 0) if self._sizes_from_front else ():  # asked for while the rank was open
            sizes[axis] = sizes[axis] if sizes[axis] is not None else self._sizes_from_front.get((var, axis))
        self.shapes[var] = replace(current, sizes=tuple(sizes), token=old.token)

    def tensor_of(self, value: Unknown) -> Tensor:
        """The tensor that an unknown value stands for where it is used as one; always the same."""
        if value.key not in self._tensors:
            self._tensors[value.key] = self.new_tensor(Shape())
            self.names[self._tensors[value.key].var] = value.text
        return self._tensors[value.key]

    def size_of(self, tensor: Tensor, axis: int) -> Unknown | int:
        """The size along an axis as a value; gets a name where it has none."""
        shape = self.shape(tensor.var)
        size = shape.size(axis)
        if size is None:
            size = unknown_size(Symbol(Kind.SIZE, tensor.var, shape.canonical(axis)))
            if shape.canonical(axis) < 0:
                self.shapes[tensor.var] = replace(shape.with_size(axis, size), token=self.shapes[tensor.var].token)
            else:
                size = self._sizes_from_front.setdefault((tensor.var, axis), size)
        return (
            size.value
            if size.value is not None
            else Unknown(Symbol(Kind.NUMBER, size), str(size), True, Origin.DATA, size)
        )

    # --- equations --------------------------------------------------------------------------------------------------

    def emit(
        self,
        label: str,
        step: Step,
        operands: Sequence[Tensor],
        location: Location,
        *,
        layer: LayerState | None = None,
        operation: str = "",
        settings: str = "",
        callee: str = "",
        handed: str = "",
    ) -> list[Tensor]:
        """Records one step and returns its result tensors. operation, callee, handed: as in `ir.Equation`."""
        for index, learned in step.refined:
            self.refine(operands[index].var, learned)
        shared = operands[0].storage if step.view and operands else None
        results = [self.new_tensor(r.shape, Facts(r.stochastic, r.blocked), shared) for r in step.results]
        influence = self.influence.here | self.influence.always | (layer.influence if layer else 0)
        self._note_history(results, operands, influence)
        self.equations.append(
            Equation(
                results=tuple(result.var for result in results),
                label=label,
                operands=tuple(operand.var for operand in operands),
                effects=self.world.once(tuple(result.effects for result in step.results)),
                location=location,
                product=step.product,
                layer=layer.number if layer else None,
                operation=operation or label,
                settings=settings,
                callee=callee,
                influence=influence,
                aside=not self.applying,
                handed=handed,
            )
        )
        if step.in_place is not None and results:
            self._replace(operands[step.in_place], results[0], label, location)
            return [operands[step.in_place]]
        return results

    def emit_unknown(
        self,
        label: str,
        reason: str,
        operands: Sequence[Tensor],
        location: Location,
        callee: str = "",
        handed: str = "",
    ) -> None:
        """Records code that we cannot follow: it reads everything that goes into it."""
        if operands:
            result = Result(Shape(), (unknown(reason),) * len(operands))
            self.emit(label, Step((result,)), operands, location, callee=callee, handed=handed)

    def parameter(self, layer: LayerState, shape: Shape, location: Location) -> Tensor:
        """The tensor of a layer's own bias, read as a value."""
        tensor = self.new_tensor(shape, Facts(parameter=True))
        self._biases[tensor.var] = layer
        self.equations.append(
            Equation(
                results=(tensor.var,),
                label=f"{layer.label}.bias",
                operands=(),
                effects=((),),
                location=location,
                layer=layer.number,
                starts=True,
                operation=layer.entry.label,
                influence=self.influence.here | layer.influence,
                aside=not self.applying,
            )
        )
        return tensor

    def history(self, tensors: Sequence[Tensor]) -> Influence:
        """On which answers all steps rest that led to some tensors."""
        found = 0
        for tensor in tensors:
            found |= self.influence.history[tensor.var]
        return found

    def _note_history(self, results: Sequence[Tensor], operands: Sequence[Tensor], influence: Influence) -> None:
        influence |= self.history(operands)
        for result in results:
            self.influence.history[result.var] = influence

    def overwrite(self, target: Tensor, label: str, location: Location) -> None:
        """Effect: the tensor gets new values of the same shape; views of it are too hard to follow."""
        relatives = [tensor for tensor in target.storage.tensors if tensor is not target]
        self.emit_unknown(label, f"`{label}` writes in place into memory that a view shares", relatives, location)
        for tensor in (target, *relatives):
            tensor.var = self.new_var(self.shapes[tensor.var])

    def layer_of_parameter(self, value: Value) -> LayerState | None:
        """The layer whose own bias a value is."""
        return self._biases.get(value.var) if isinstance(value, Tensor) else None

    def _replace(self, target: Tensor, result: Tensor, label: str, location: Location) -> None:
        """Effect: an in-place operation. Every alias sees the result; views make it too hard to follow."""
        relatives = [tensor for tensor in target.storage.tensors if tensor is not target and tensor is not result]
        if relatives:
            reason = f"`{label}` writes in place into memory that a view shares"
            self.emit_unknown(label, reason, [*relatives, result], location)
            for tensor in relatives:
                tensor.var = self.new_var(Shape())
            target.var = self.new_var(self.shapes[result.var])
        else:
            target.var = result.var

    def shapes_by_variable(self) -> tuple[Shape, ...]:
        """Every variable's shape, with what the whole run tells of it."""
        return tuple(self.resolved(shape) for shape in self.shapes)


def contents(value: Value) -> Value:
    """What a changeable object holds now."""
    match value:
        case list() | dict() | set():  # tables keep how open they are
            return value.copy()
        case ClassValue(namespace=namespace):
            return namespace.copy()
        case Instance():
            return replace(
                value,
                attributes=value.attributes.copy(),
                modules=value.modules.copy(),
                influences=value.influences.copy(),
            )
        case _:
            return None


def refill(value: Value, before: Value) -> None:
    """Effect: an object holds again what it held."""
    match value:
        case list():
            value[:] = before
        case dict() | set():
            value.clear()
            value.update(before)
            if isinstance(value, Table):
                value.rest, value.absent = before.rest, before.absent
        case ClassValue(namespace=namespace):
            namespace.clear()
            namespace.update(before)
        case Instance():
            value.attributes, value.modules = before.attributes, before.modules
            value.influences = before.influences
            value.escaped, value.label, value.labelled = before.escaped, before.label, before.labelled
            value.hooks, value.frozen = before.hooks, before.frozen
            value.handed, value.wrapped = before.handed, before.wrapped
        case _:
            pass


def tampered(instance: Instance, reason: str) -> None:
    """Effect: notes that a layer's shift cannot be trusted any more."""
    if instance.layer and not instance.layer.tampered:
        instance.layer.tampered = reason
