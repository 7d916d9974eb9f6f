"""Every row of the catalogue against the installed torch: it exists, its signature is torch's, and its effect is real.

A row's samples are run in float64 with random inputs. To each operand in turn a shift is added that varies along one
or two axes or along none; what the row declares of it has to be what is measured. The same is asked of a row that is
told the ranks only, or nothing at all: then it may say less, but nothing wrong.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from biaslens.algebra.axes import Shape, axes
from biaslens.algebra.outcome import Cancelled, Cancels, Carried, Carries, Effect, Read, Reads, Shift, Term, apply
from biaslens.algebra.sizes import number
from biaslens.algebra.sizes import unknown as unknown_size
from biaslens.catalogue.entry import SOME_NUMBER, UNKNOWN, Call, Entry, Mode, Operand, Step
from biaslens.catalogue.indexing import subscript
from biaslens.catalogue.lookup import ROWS, bind, find, method, operator
from biaslens.catalogue.steps import Impossible

torch.set_num_threads(1)
TOLERANCE = 1e-9
KNOWLEDGE = ("shapes", "ranks", "nothing")


NOT_FOLLOWED = (
    "it is used as a weight",
    "it is passed as an argument that we do not follow",
    "it weighs others",
    "it is written to places that depend on data",
    "the inner steps of an attention layer are not followed",
    "the inner steps of a recurrent layer are not followed",
    "it spans a grid",
    "what is left of it in a difference of tensors is not known",
)
"""What a row may leave open of tensors whose shapes are all known; of everything else it has to say what happens."""


@dataclass(frozen=True)
class Experiment:
    """One sample of a row, ready to be run on other inputs.

    tensors: what goes in. run: the results for other tensors in their places. arguments: as the rule gets them, with
    operands of the given shapes.
    """

    tensors: tuple[Tensor, ...]
    run: Callable[[list[Tensor]], list[Tensor]]
    arguments: Callable[[list[Shape]], tuple[dict[str, Any], tuple[Operand, ...]]]


def seeded(seed: int) -> None:
    torch.default_generator.manual_seed(seed)  # `torch.manual_seed` looks at the whole stack for each kind of device


def attribute(name: str) -> Any:
    return resolve_name(name)


def draw(name: str, spec: str) -> Tensor:
    words = spec.split()
    shape = [int(word) for word in words if word != "i"]
    if name == "i" or "i" in words:
        return (torch.arange(math.prod(shape)) % 2).reshape(shape)
    values = torch.randn(shape, dtype=torch.float64)
    return values > 0 if name in {"m", "n"} else values


def experiment(entry: Entry, sample: str) -> Experiment:
    text, *specs = sample.split("|")
    call = ast.parse(f"f({text})", mode="eval").body
    assert isinstance(call, ast.Call)
    names = list(
        dict.fromkeys(n.id for n in ast.walk(call) if isinstance(n, ast.Name) and len(n.id) == 1 and n.id != "f")
    )
    names.sort(key=text.index)
    shapes = [spec for spec in specs if spec.strip()]
    space: dict[str, Any] = {"torch": torch}
    if not entry.inputs:
        space |= {name: draw(name, spec) for name, spec in zip(names, shapes, strict=True)}
    positional = [eval(ast.unparse(arg), space) for arg in call.args]
    keywords = {str(keyword.arg): eval(ast.unparse(keyword.value), space) for keyword in call.keywords}
    if entry.inputs:
        seeded(7)
        layer = attribute(entry.name)(*positional, **keywords).double().train()
        inputs = tuple(draw("x", spec) for spec in shapes)
        layer(*inputs)

        def with_inputs(shapes: list[Shape]) -> tuple[dict[str, Any], tuple[Operand, ...]]:
            operands = tuple(Operand(index, shape) for index, shape in enumerate(shapes))
            constructor = bind(
                entry.parameters, [plain(a) for a in positional], {k: plain(v) for k, v in keywords.items()}
            )
            forward = bind(entry.inputs, operands, {})
            assert constructor is not None
            assert forward is not None
            return constructor | forward, operands

        return Experiment(inputs, lambda tensors: flat(layer(*tensors)), with_inputs)
    tensors = [
        *(t for value in positional for t in tensors_in(value)),
        *(t for v in keywords.values() for t in tensors_in(v)),
    ]

    def run(changed: list[Tensor]) -> list[Tensor]:
        rest = iter(changed)
        function = attribute(entry.name)
        args = [replaced(value, rest) for value in positional]
        more = {name: replaced(value, rest) for name, value in keywords.items()}
        if not callable(function):
            return flat(getattr(args[0], entry.label))
        return flat(function(*[a.clone() if isinstance(a, Tensor) else a for a in args], **more))

    def bound(shapes: list[Shape]) -> tuple[dict[str, Any], tuple[Operand, ...]]:
        operands = [Operand(index, shape) for index, shape in enumerate(shapes)]
        rest = iter(operands)
        args = [plain(replaced(value, rest)) for value in positional]
        more = {name: plain(replaced(value, rest)) for name, value in keywords.items()}
        arguments = bind(entry.parameters, args, more)
        assert arguments is not None
        return arguments, tuple(operands)

    return Experiment(tuple(tensors), run, bound)


def tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [t for item in parts(value) or () for t in tensors_in(item)]


def parts(value: Any) -> tuple[Any, ...] | None:
    """The items of a tuple or list, None for anything else."""
    return tuple(cast("Sequence[Any]", value)) if isinstance(value, (tuple, list)) else None


def replaced(value: Any, rest: Iterator[Any]) -> Any:
    if isinstance(value, Tensor):
        return next(rest)
    items = parts(value)
    return value if items is None else tuple(replaced(item, rest) for item in items)


def plain(value: Any) -> Any:
    if isinstance(value, torch.dtype):
        return str(value)
    items = parts(value)
    return value if items is None else tuple(plain(item) for item in items)


def flat(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value.detach()]
    return [t for item in value for t in flat(item)]


def shape_of(value: Tensor, known: str) -> Shape:
    match known:
        case "shapes":
            return Shape.of(*(number(size) for size in value.shape))
        case "ranks":
            return Shape.of(*(None for _ in value.shape))
        case _:
            return Shape()


CASES = [
    pytest.param(entry, sample, id=f"{entry.name}({sample})")
    for entry in ROWS
    for sample in (entry.samples or ("absent",))
]


@pytest.mark.parametrize(("entry", "sample"), CASES)
def test_the_declared_effect_is_the_measured_one(entry: Entry, sample: str) -> None:
    assert sample != "absent", f"{entry.name} has no sample"
    seeded(3)
    trial = experiment(entry, sample)
    seeded(11)
    results = trial.run([t.clone() for t in trial.tensors])
    steps: dict[str, Step] = {}
    for known in KNOWLEDGE:
        arguments, operands = trial.arguments([shape_of(t, known) for t in trial.tensors])
        steps[known] = entry.rule(Call(arguments, operands))
        check_shapes(steps[known], results)
    for index, along in varied(trial):
        delta, changes = measure(trial, index, along)
        for known, step in steps.items():
            before = dict(step.refined).get(index, shape_of(trial.tensors[index], known))
            for place, result in enumerate(step.results[: len(results)]):
                if place and said_to_be_read(step, index, along, before):
                    continue  # its first result tells all there is to tell
                where = f"{known}, result {place}, operand {index}, along {along}, {result.effects[index]}"
                tolerance = 50 * torch.finfo(results[place].dtype).eps if results[place].is_floating_point() else 0.0
                measured = Measured(changes[place], delta, along, max(tolerance, TOLERANCE))
                judge(result.effects[index], before, result.shape, measured, where)


def said_to_be_read(step: Step, index: int, along: tuple[int, ...], before: Shape) -> bool:
    effect, after = step.results[0].effects[index], step.results[0].shape
    return effect is not None and isinstance(apply(effect, Shift.start("δ", axes(*along)), before, after, ""), Read)


def check_shapes(step: Step, measured: list[Tensor]) -> None:
    if step.sequence:
        assert len(step.results) == len(measured)
    for result, value in zip(step.results, measured, strict=False):
        if result.shape.rank is not None:
            assert result.shape.rank == value.ndim
        assert result.shape.at_least <= value.ndim
        for axis, size in zip(range(-len(result.shape.sizes), 0), result.shape.sizes, strict=True):
            assert size is None or size.value is None or size.value == value.shape[axis]
        if result.stochastic is not None:
            assert torch.allclose(value.sum(result.stochastic), torch.ones((), dtype=value.dtype))
    for result in step.results:
        assert len(result.effects) == len(step.results[0].effects)


def varied(trial: Experiment) -> Iterator[tuple[int, tuple[int, ...]]]:
    for index, operand in enumerate(trial.tensors):
        if operand.is_floating_point():
            wide = [axis for axis in range(-operand.ndim, 0) if operand.shape[axis] > 1]
            pairs = [pair for pair in itertools.combinations(wide, 2) if pair[1] in (wide[-1], wide[1])]
            yield from ((index, along) for along in ((), *((axis,) for axis in wide), *pairs))


def measure(trial: Experiment, index: int, along: tuple[int, ...]) -> tuple[Tensor, list[list[Tensor]]]:
    """A random shift along some axes, and for each result how it changes, for several inputs and seeds."""
    operand = trial.tensors[index]
    sizes = [operand.shape[axis] if axis in along else 1 for axis in range(-operand.ndim, 0)]
    seeded(1 + sum(along))
    delta = torch.rand(sizes, dtype=torch.float64) * 0.3 + 0.15
    bases = [operand]
    for _ in range(4):  # other inputs of the same range: entries drawn from the first
        bases.append(operand.flatten()[torch.randint(0, operand.numel(), (operand.numel(),))].reshape(operand.shape))
    runs = [changes(trial, index, delta, base, seed) for seed, base in enumerate(bases)]
    return delta, [list(changed) for changed in zip(*runs, strict=True)]


def changes(trial: Experiment, index: int, delta: Tensor, base: Tensor, seed: int) -> list[Tensor]:
    results: list[list[Tensor]] = []
    for value in (base, base + delta):
        tensors = [t.clone() for t in trial.tensors]
        tensors[index] = value.clone()
        seeded(seed)
        results.append(trial.run(tensors))
    differences = [new.double() - old.double() for old, new in zip(*results, strict=True)]
    return [torch.where(torch.isfinite(d), d, torch.zeros_like(d)) for d in differences]


@dataclass(frozen=True)
class Measured:
    """How one result changes, for several inputs, when `delta` is added to an operand that it varies along axes of."""

    changes: list[Tensor]
    delta: Tensor
    along: tuple[int, ...]
    tolerance: float


def judge(effect: Effect | None, before: Shape, after: Shape, measured: Measured, where: str) -> None:
    first, tolerance = measured.changes[0], measured.tolerance
    same = all(torch.allclose(first, other, rtol=tolerance, atol=tolerance) for other in measured.changes[1:])
    shift = Shift.start("δ", axes(*measured.along))
    outcome = None if effect is None else apply(effect, shift, before, after, "stamp")
    match outcome:
        case None | Cancelled():
            assert all(change.abs().max() < tolerance for change in measured.changes), f"{where}: it changes the result"
        case Read(why, known):
            assert not (known and same), f"{where}: said to be read, but it is added"
            may_be_open = known or not where.startswith("shapes") or why in NOT_FOLLOWED
            assert may_be_open, f"{where}: {why}, though all shapes are known"
        case Carried(shift):
            (term,) = shift.terms
            if not shift.masked:
                assert same, f"{where}: said to be carried, but it depends on the input"
                check_layout(term, first, measured, where)


def check_layout(term: Term, change: Tensor, measured: Measured, where: str) -> None:
    shape = Shape.of(*(number(size) for size in change.shape))
    for axis in range(-change.ndim, 0):
        spread = (change - change.mean(axis, keepdim=True)).abs().max()
        here = term.certain.has(axis, shape)
        if not here and not term.possible.has(axis, shape):
            assert spread < measured.tolerance, f"{where}: it varies along {axis}"
        if here and change.shape[axis] > 1 and where.startswith("shapes"):
            assert spread > TOLERANCE, f"{where}: it does not vary along {axis}"
    if term.image == "δ":
        profile = change
        for axis in range(-change.ndim, 0):
            if not term.certain.has(axis, shape):
                profile = profile.mean(axis, keepdim=True)
        expected = measured.delta.flatten() * float(term.coefficient)
        assert torch.allclose(profile.flatten(), expected, atol=measured.tolerance), where


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.name)
def test_every_spelling_exists_in_torch_and_finds_its_row(entry: Entry) -> None:
    for name in (entry.name, *entry.spellings):
        assert attribute(name) is not None
        found = find(name)
        assert found is not None
        assert found is entry or name in entry.spellings


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.name)
def test_the_signature_is_the_one_torch_has(entry: Entry) -> None:
    try:
        real = inspect.signature(attribute(entry.name)).parameters
    except (ValueError, TypeError):
        return  # a builtin without a signature: its samples are bound and run instead
    if list(real) == ["args", "kwargs"] and len(entry.parameters) != 2:
        real = inspect.signature(attribute(entry.name + "_with_indices")).parameters
    ours = {parameter.name: parameter for parameter in entry.parameters}
    for place, (name, parameter) in enumerate(real.items()):
        mine = entry.parameters[0] if name == "self" and place == 0 else ours.get(name)
        assert mine is not None, f"{name} is missing"
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            assert mine.kind in {"star", "double star"}
        elif parameter.default is parameter.empty:
            assert mine.required
        else:
            assert mine.default == parameter.default
    if "self" not in real:
        assert list(ours) == [name for name in real if name in ours]
    if entry.inputs:
        forward = list(inspect.signature(attribute(entry.name).forward).parameters)[1:]
        assert [parameter.name for parameter in entry.inputs] == forward


STRANGE: tuple[Any, ...] = (
    UNKNOWN, SOME_NUMBER, None, True, -1, 0, 3, 1.5, "zeros", "same", (1, 2), (), (UNKNOWN,), unknown_size("n"),
    Operand(0, Shape()), Operand(0, Shape.of(None, None, None), maybe=True), Operand(0, Shape.of(number(2), number(3))),
)  # fmt: skip


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.name)
def test_no_argument_makes_a_rule_raise(entry: Entry) -> None:
    draws = random.Random(entry.name)
    names = [parameter.name for parameter in (*entry.parameters, *entry.inputs)]
    for _ in range(60):
        arguments = {name: draws.choice(STRANGE) for name in names}
        operands: list[Operand] = []
        for name, value in arguments.items():
            if isinstance(value, Operand):
                arguments[name] = Operand(len(operands), value.shape, maybe=value.maybe)
                operands.append(arguments[name])
        try:
            step = entry.rule(Call(arguments, tuple(operands), draws.choice(list(Mode))))
        except Impossible:
            continue
        assert all(len(result.effects) == len(operands) for result in step.results)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("torch.nn.LayerNorm", "torch.nn.RMSNorm"),
        ("torch.nn.BatchNorm2d", "torch.nn.InstanceNorm2d"),
        ("torch.relu", "torch.clone"),
        ("torch.flip", "torch.clone"),
        ("torch.tril", "torch.clone"),
        ("torch.amax", "torch.mean"),
        ("torch.sub", "torch.add"),
    ],
)
def test_the_measurement_refutes_the_rule_of_another_operation(name: str, other: str) -> None:
    entry, wrong = find(name), find(other)
    assert entry is not None
    assert wrong is not None
    for sample in entry.samples:
        with pytest.raises(AssertionError):
            test_the_declared_effect_is_the_measured_one(replace(entry, rule=wrong.rule), sample)


def test_a_row_that_does_not_know_what_it_could_know_is_refused() -> None:
    entry = find("torch.flip")
    assert entry is not None

    def forgetful(call: Call) -> Step:
        step = entry.rule(call)
        unknown = Reads("the shape is not known well enough", known=False)
        return replace(step, results=tuple(replace(result, effects=(unknown,)) for result in step.results))

    for sample in entry.samples:
        with pytest.raises(AssertionError, match="though all shapes are known"):
            test_the_declared_effect_is_the_measured_one(replace(entry, rule=forgetful), sample)


def test_what_rows_leave_open_is_left_open_by_one_of_them() -> None:
    """So that nothing stays in the list above for which there is no row any more."""
    left_open: set[str] = set()
    for entry in ROWS:
        for sample in entry.samples:
            trial = experiment(entry, sample)
            step = entry.rule(Call(*trial.arguments([shape_of(t, "shapes") for t in trial.tensors])))
            effects = (effect for result in step.results for effect in result.effects)
            left_open |= {effect.why for effect in effects if isinstance(effect, Reads) and not effect.known}
    assert set(NOT_FOLLOWED) <= left_open


def items(*wanted: Any) -> tuple[Any, ...]:
    return wanted


SUBSCRIPTS = [
    items(0),
    items(slice(None), 1),
    items(slice(None), slice(1, 3)),
    items(Ellipsis, 0),
    items(Ellipsis, None),
    items(None, slice(None), slice(None, None, 2)),
    items(slice(None), None, slice(None), slice(None), 2),
    items(slice(None), Ellipsis, slice(0, 2), None),
    items(slice(None), (0, 2, 1)),
    items(0, Ellipsis, 1),
    items(Ellipsis),
]


@pytest.mark.parametrize("wanted", SUBSCRIPTS, ids=str)
def test_a_subscript_does_what_is_declared(wanted: tuple[Any, ...]) -> None:
    seeded(5)
    x = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    index = tuple(item if (several := parts(item)) is None else list(several) for item in wanted)
    trial = Experiment((x,), lambda tensors: [tensors[0][index]], lambda shapes: ({}, ()))
    for known in KNOWLEDGE:
        step = subscript(Operand(0, shape_of(x, known)), wanted)
        check_shapes(step, trial.run([x]))
        for place, along in varied(trial):
            delta, changes = measure(trial, place, along)
            measured = Measured(changes[0], delta, along, TOLERANCE)
            before = dict(step.refined).get(0, shape_of(x, known))
            judge(step.results[0].effects[0], before, step.results[0].shape, measured, f"{known} {wanted} {along}")


@pytest.mark.parametrize(
    ("norm", "sample"),
    [("BatchNorm2d", "4"), ("SyncBatchNorm", "4"), ("InstanceNorm2d", "4, track_running_stats=True")],
)
def test_a_norm_with_stored_statistics_carries_when_the_code_freezes_it(norm: str, sample: str) -> None:
    entry = find(f"torch.nn.{norm}")
    assert entry is not None
    trial = experiment(entry, f"{sample} | 3 4 5 6")
    arguments, operands = trial.arguments([shape_of(trial.tensors[0], "shapes")])
    kinds = {mode: type(entry.rule(Call(arguments, operands, mode)).results[0].effects[0]) for mode in Mode}
    assert kinds == {Mode.TRAIN: Cancels, Mode.EVAL: Cancels, Mode.FROZEN: Carries}


def test_names_are_found_by_the_module_that_defines_them_and_in_place() -> None:
    assert find("torch.nn.modules.conv.Conv2d") is find("torch.nn.Conv2d") is not None
    assert find("torch.relu_") is find("torch.nn.functional.relu") is method("relu_") is not None
    assert find("torch.nn.Parameter") is None
    assert method("no_such_method") is None
    assert operator("@").name == "torch.matmul"


def test_arguments_bind_as_python_binds_them() -> None:
    conv = find("torch.nn.Conv2d")
    assert conv is not None
    bound = bind(conv.parameters, [3, 8], {"kernel_size": 3})
    assert bound is not None
    assert (bound["out_channels"], bound["kernel_size"], bound["bias"]) == (8, 3, True)
    assert bind(conv.parameters, [3, 8], {}) is None
    assert bind(conv.parameters, [3, 8, 3], {"in_channels": 1}) is None
    assert bind(conv.parameters, [3, 8, 3], {"kernel": 1}) is None
