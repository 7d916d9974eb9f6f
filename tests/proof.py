"""Torch as the judge: perturbs every bias of a small model and looks whether the output moves.

The model is built in float64 with every parameter random, those that start at zero included. Each measurement is made
twice, with other numbers: once on the model as it was built, once after `train()`. Dropout stays as it is, with the
same seed before each forward pass, and all state (running statistics, power iteration) is put back after each.

A condition is executed: it is evaluated on the arguments with which the layer was made and the model was run, and has
to hold in every `build`, and nowhere where torch reads the bias. What it says of code that nobody knows is not
executed.
"""

# Torch's own annotations are partial, and its list of parameters is private:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias
from unittest.mock import patch

import torch
from torch import Tensor, nn

from calls import Called, Calls, calls_kept
from conditions import holds, rests_on_unknown_code
from markdown_cases import Build, Case, Expectation
from recorder import Recorded, Recorder

MOVED = 1e-6
STAYED = 1e-9
SAME = 1e-10
SEEDS = (1, 2)

_LINE = "made_at_line"
_CALLS = "made_in_calls"
_BEFORE = "made_after_calls"
_FILE = "<case>"


class Reading(Enum):
    """What torch says about one layer's bias."""

    CANCELLED = "cancelled"
    READ = "read"
    UNREACHED = "not reached"


class Refused(Exception):
    """Torch does not build the model, or cannot run it."""


class TooLittle(Exception):
    """The output moves, but so little that it may as well be rounding."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One layer of one run, and what torch says about its bias.

    line: of the file, that made it. part: about a part of the bias. calls: of functions of the file: those inside of
    which it was made, the innermost first, and then those of a run of the model, in order. later: the others that came
    after it was made, until the model was built, and in them torch's own `train`.
    """

    line: int
    name: str
    is_norm: bool
    reading: Reading
    part: Reading | None = None
    calls: tuple[Called, ...] = field(default=(), compare=False, repr=False)
    later: tuple[Called, ...] = field(default=(), compare=False, repr=False)


Runs: TypeAlias = Sequence[tuple[Build, Sequence[Measured]]]
"""What was measured, for each way to run a case."""


def contradictions(case: Case) -> list[str]:
    """Where torch does not agree with what the case expects, in sentences; empty for a true case."""
    return contradictions_in(measured(case), case)


def measured(case: Case) -> Runs:
    """Everything that is measured of a case, whatever is expected of a whole bias."""
    parts = {line: expectation.part for line, expectation in case.expectations.items() if expectation.part}
    with_calls = any(e.word == "redundant if" or e.part_condition for e in case.expectations.values())
    return [(build, measure(case.text, build, parts, with_calls)) for build in case.builds]


def contradictions_in(runs: Runs, case: Case) -> list[str]:
    """As `contradictions`, of what was measured already."""
    parts = {line: expectation.part for line, expectation in case.expectations.items() if expectation.part}
    found = [
        f"line {line}: `{expectation.word}` is expected, but {complaint}"
        for line, expectation in case.expectations.items()
        for complaint in (
            *_complaints(expectation, _readings_at(line, runs)),
            *_not_absorbed(case, line, expectation),
            *_broken_conditions(line, expectation, runs),
        )
    ]
    found += [
        f"line {line}: `{parts[line]}` should be {'read' if has_one else 'cancelled'}, torch says {_words(readings)}"
        for line in parts
        for has_one, readings in _readings_of_part(line, case.expectations[line].part_condition, runs)
        if set(readings) != {Reading.READ if has_one else Reading.CANCELLED}
    ]
    silent = {layer.line for _, layers in runs for layer in layers if not layer.is_norm} - set(case.expectations)
    return found + [f"line {line}: it makes a layer, and nothing is expected" for line in sorted(silent)]


def changes_by_fix(case: Case) -> list[str]:
    """Where the fixed file does not compute the same as the model file, in sentences; empty for a true fix."""
    assert case.fixed is not None
    return [
        complaint
        for build in case.builds
        if build.kind != "eval"
        for complaint in _differences(case.text, case.fixed, build)
    ]


def measure(
    text: str, build: Build, parts: Mapping[int, str] = MappingProxyType({}), with_calls: bool = False
) -> list[Measured]:
    """Builds a model from a file and measures the bias of every layer that the file's lines made.

    parts: by line, the code that selects a part of the bias, which is perturbed by itself as well. with_calls: the
    calls of the file's functions are told, which takes a while to find out. Raises Refused or TooLittle.
    """
    rounds = [_measure_once(text, build, seed, parts, with_calls and seed == SEEDS[0]) for seed in SEEDS]
    return [_agree(readings) for readings in zip(*rounds, strict=True)]


def _complaints(expectation: Expectation, readings: Mapping[str, list[Reading]]) -> Iterator[str]:
    trained = readings["build"] + readings["otherwise"]
    everything = trained + readings["eval"]
    if not everything:
        yield "no run makes a layer there"
        return
    match expectation.word:
        case "redundant":
            if set(trained) != {Reading.CANCELLED}:
                yield f"torch says {_words(trained)}"
        case "redundant if" | "redundant in every use":
            if set(readings["build"]) != {Reading.CANCELLED}:
                yield f"torch says {_words(readings['build'])} where it should be cancelled"
            if Reading.READ not in readings["otherwise"]:
                yield f"torch says {_words(readings['otherwise'])} on the other side"
        case "needed" | "returned" | "absorbed" | "unknown":
            if Reading.READ not in everything:
                yield f"torch says {_words(everything)}"
        case "missed":
            if set(everything) != {Reading.CANCELLED}:
                yield f"torch says {_words(everything)}"
        case "unused":
            if set(everything) != {Reading.UNREACHED}:
                yield f"torch says {_words(everything)}"
        case word:
            raise ValueError(f"nobody knows what torch must say of `{word}`")


def _broken_conditions(line: int, expectation: Expectation, runs: Runs) -> Iterator[str]:
    """Where the condition does not hold in a `build`, or holds where torch reads the bias or its part."""
    if expectation.word == "redundant if":
        yield from _broken_condition(expectation.text, line, runs, lambda layer: layer.reading)
    if expectation.part_condition:
        yield from _broken_condition(expectation.part_condition, line, runs, lambda layer: layer.part)


def _broken_condition(
    condition: str, line: int, runs: Runs, reading: Callable[[Measured], Reading | None]
) -> Iterator[str]:
    for build, layers in runs:
        for layer in layers:
            if layer.line != line or build.kind == "eval":
                continue
            found = holds(condition, layer.calls, layer.later)
            if found is None:
                yield f"`{condition}` cannot be executed in `{build.model}`"
            elif build.kind == "build" and not found:
                yield f"`{condition}` does not hold in `{build.model}`"
            elif found and reading(layer) is Reading.READ and not rests_on_unknown_code(condition):
                yield f"`{condition}` holds in `{build.model}`, and torch says read"


def recorded_pairs(
    text: str, build: Build, line: int, part: str = "bias"
) -> Iterator[tuple[list[Recorded], list[Recorded]]]:
    """What every torch function gets and gives, without and with the bias of a layer made on a line, or a part of it.

    One pair for each such layer, as it was built and after `train()`.
    """
    for seed in SEEDS:
        with _float64(), _lines_recorded(), torch.no_grad():
            forward, model, inputs = _prepare(text, build, seed)
            for layer in [layer for layer in model.modules() if vars(layer).get(_LINE) == line and _has_shift(layer)]:
                with _bias_of(layer) as bias, _perturbed([bias]):
                    changed: Tensor = eval(part, {"bias": bias})
                    value = changed.clone()
                    without, given = Recorder(_FILE), Recorder(_FILE)
                    for recorder, factor in ((without, 0), (given, 1)):
                        changed.copy_(factor * value)
                        with recorder:
                            _run(forward, model, inputs, seed)
                    yield without.calls, given.calls


def output(text: str, build: Build) -> Tensor:
    """The first tensor that a model of a file gives, with all parameters random."""
    with _float64(), torch.no_grad():
        forward, model, inputs = _prepare(text, build, SEEDS[0])
        return _run(forward, model, inputs, SEEDS[0])[0]


def _not_absorbed(case: Case, line: int, expectation: Expectation) -> Iterator[str]:
    if expectation.word == "absorbed":
        for build in case.builds:
            for seed in SEEDS:
                distance = left_by_absorbers(case.text, build, line, (expectation.text,), seed)
                if distance > STAYED:
                    yield f"the bias of `{expectation.text}` cannot undo it: the output moves by {distance:.1e}"


def left_by_absorbers(text: str, build: Build, line: int, absorbers: tuple[str, ...], seed: int) -> float:
    """How far the output moves with the bias of a layer made on a line, after the absorbers' biases are put right.

    absorbers: ends of names in the model. By how much is measured at an absorber's first application; it has to hold
    for all of them, and for other inputs.
    """
    with _float64(), _lines_recorded(), torch.no_grad():
        forward, model, inputs = _prepare(text, build, seed)
        cases = [
            inputs,
            [torch.randn_like(i) if isinstance(i, Tensor) and i.is_floating_point() else i for i in inputs],
        ]
        moved, ends = 0.0, tuple(f".{absorber}" for absorber in absorbers)
        for layer in [layer for layer in model.modules() if vars(layer).get(_LINE) == line and _has_shift(layer)]:
            takers: list[Any] = [taker for name, taker in model.named_modules() if f".{name}".endswith(ends)]
            before = [_run(forward, model, case, seed) for case in cases]
            plain = [_first_output(lambda: _run(forward, model, inputs, seed), taker) for taker in takers]
            with _bias_of(layer) as bias, _perturbed([bias, *(taker.bias for taker in takers)], by=0):
                bias.add_(torch.randn_like(bias))
                for taker, wanted in [*zip(takers, plain, strict=True)] * len(takers):  # whichever comes first
                    found = _first_output(lambda: _run(forward, model, inputs, seed), taker)
                    taker.bias.add_(_along_bias(wanted - found, taker))
                after = [_run(forward, model, case, seed) for case in cases]
            moved = max(moved, *(_distance(*pair) for pair in zip(before, after, strict=True)))
        return moved


def _first_output(run: Callable[[], object], layer: nn.Module) -> Tensor:
    found: list[Tensor] = []

    def heard(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        found.append(output.clone())

    hook = layer.register_forward_hook(heard)
    run()
    hook.remove()
    return found[0]


def _along_bias(difference: Tensor, layer: nn.Module) -> Tensor:
    """The mean over all axes but those of the layer's bias."""
    bias: Any = layer.bias
    if isinstance(layer, (nn.Linear, nn.Bilinear, nn.LayerNorm)):
        return difference.reshape(-1, *bias.shape).mean(0)
    return difference.movedim(1, 0).reshape(len(bias), -1).mean(1)


def _readings_at(line: int, runs: Runs) -> dict[str, list[Reading]]:
    """By kind of run: the readings of the affine layers made on a line, or of the norms where there is no other."""
    readings: dict[str, list[Reading]] = {"build": [], "otherwise": [], "eval": []}
    only_norms = all(layer.is_norm for _, layers in runs for layer in layers if layer.line == line)
    for build, layers in runs:
        here = (layer for layer in layers if layer.line == line)
        readings[build.kind] += [layer.reading for layer in here if layer.is_norm == only_norms]
    return readings


def _readings_of_part(line: int, condition: str, runs: Runs) -> Iterator[tuple[bool, list[Reading]]]:
    """The readings of a part of a bias where it should have no effect; under a condition also where it should."""
    for has_one in (False, True) if condition else (False,):
        builds = [layers for build, layers in runs if (build.kind == "otherwise" and bool(condition)) is has_one]
        yield has_one, [m.part for layers in builds for m in layers if m.line == line and m.part is not None]


def _words(readings: list[Reading]) -> str:
    return " and ".join(sorted({reading.value for reading in readings})) or "nothing"


def _agree(readings: tuple[Measured, ...]) -> Measured:
    """A bias is cancelled only if it is in every round. The calls are those of the first one."""
    order = (Reading.READ, Reading.UNREACHED, Reading.CANCELLED)
    parts = [measured.part for measured in readings if measured.part is not None]
    whole = min(readings, key=lambda measured: order.index(measured.reading))
    first = readings[0]
    return replace(whole, part=min(parts, key=order.index, default=None), calls=first.calls, later=first.later)


def _measure_once(text: str, build: Build, seed: int, parts: Mapping[int, str], with_calls: bool) -> list[Measured]:
    with _float64(), torch.no_grad():
        with _lines_recorded(with_calls) as calls:
            forward, model, inputs = _built(text, build, seed)
            count = len(calls.so_far)
            _made_random(forward, model, inputs)
        layers = [(name, layer) for name, layer in model.named_modules() if _LINE in vars(layer) and _has_shift(layer)]
        run = partial(_run, forward, model, inputs, seed)
        before = run()
        measured: list[Measured] = []
        for name, layer in layers:
            line = vars(layer)[_LINE]
            reading = _reading(before, run, layer)
            part = _reading(before, run, layer, parts[line]) if line in parts else None
            made_in = (calls.so_far[number] for number in vars(layer)[_CALLS])
            ran, later = (*made_in, *calls.so_far[count:]), tuple(calls.so_far[vars(layer)[_BEFORE] : count])
            measured.append(Measured(line, name, _is_norm(layer), reading, part, ran, later))
        return measured


def _prepare(text: str, build: Build, seed: int) -> tuple[Callable[..., Any], nn.Module, list[Any]]:
    forward, model, inputs = _built(text, build, seed)
    _made_random(forward, model, inputs)
    return forward, model, inputs


def _built(text: str, build: Build, seed: int) -> tuple[Callable[..., Any], nn.Module, list[Any]]:
    _seeded(seed)
    namespace: dict[str, Any] = {"__name__": "case"}
    try:
        exec(compile(text, _FILE, "exec", dont_inherit=True), namespace)
        forward = eval(build.model, namespace)
    except Exception as error:  # whatever a model that makes no sense raises
        raise Refused from error
    model: nn.Module = getattr(forward, "__self__", forward)
    if build.kind == "eval":
        model.eval()
    elif seed == SEEDS[-1]:
        model.train()
    return forward, model, _inputs(eval(f"({build.inputs},)", namespace))


def _made_random(forward: Callable[..., Any], model: nn.Module, inputs: list[Any]) -> None:
    with torch.no_grad():
        try:
            forward(*_copied(inputs))  # Lazy layers get their parameters here.
        except Exception as error:
            raise Refused from error
        _randomise(model)


def _inputs(values: tuple[Any, ...]) -> list[Any]:
    return [torch.randn(value) if _is_shape(value) else value for value in values]


def _is_shape(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(size, int) for size in value)


def _randomise(model: nn.Module) -> None:
    for parameter in model.parameters():
        spread = 1 / math.sqrt(max(1, parameter[0].numel())) if parameter.dim() > 1 else 0.5
        parameter.copy_(spread * torch.randn_like(parameter) + (0.7 if parameter.dim() < 2 else 0.0))
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand_like(buffer) + 0.5)


def _reading(before: list[Tensor], run: Callable[[], list[Tensor]], layer: nn.Module, part: str = "bias") -> Reading:
    with _bias_of(layer) as bias, _perturbed([eval(part, {"bias": bias})]):
        by_bias = _distance(before, run())
    if by_bias > MOVED:
        return Reading.READ
    if by_bias > STAYED:
        raise TooLittle(f"the output moves by {by_bias:.1e} of its scale")
    with _perturbed([parameter for name, parameter in layer.named_parameters() if name != "bias"]):
        by_weight = _distance(before, run())
    return Reading.CANCELLED if by_weight > MOVED else Reading.UNREACHED


def _run(forward: Callable[..., Any], model: nn.Module, inputs: list[Any], seed: int) -> list[Tensor]:
    """All tensors of the output. Leaves the model's state as it was."""
    state = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    _seeded(seed)
    outputs = [tensor.double().nan_to_num() for tensor in _tensors(forward(*_copied(inputs)))]
    with torch.no_grad():
        for buffer, value in state:
            buffer.data.copy_(value)
    return outputs


def _copied(inputs: list[Any]) -> list[Any]:
    return [value.clone() if isinstance(value, Tensor) else value for value in inputs]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value.clone()
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def _distance(before: list[Tensor], after: list[Tensor]) -> float:
    """The largest change of any output, relative to that output's scale."""
    pairs = zip(before, after, strict=True)
    return max(((a - b).abs().max() / b.abs().max().clamp(min=1e-3)).item() for b, a in pairs if b.numel())


@contextmanager
def _bias_of(layer: nn.Module) -> Generator[Tensor]:
    """The layer's bias; a temporary one of zeros for a layer without."""
    bias = layer._parameters["bias"]
    if bias is not None:
        yield bias
        return
    size: Any = getattr(layer, "out_channels", None) or getattr(layer, "out_features", None) or layer.weight.shape
    layer._parameters["bias"] = temporary = nn.Parameter(torch.zeros(size))
    yield temporary
    layer._parameters["bias"] = None


@contextmanager
def _perturbed(tensors: list[Tensor], by: float = 1) -> Generator[None]:
    values = [tensor.clone() for tensor in tensors]
    for tensor in tensors:
        tensor.add_(by * torch.randn_like(tensor))
    yield
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)


def _has_shift(layer: nn.Module) -> bool:
    """Whether it is one of torch's own layers, or derived from one, that adds a learnable vector or could."""
    is_torch = any(base.__module__.startswith("torch.nn.") for base in type(layer).__mro__[:-2])
    return is_torch and "bias" in layer._parameters and getattr(layer, "weight", None) is not None


def _is_norm(layer: nn.Module) -> bool:
    return isinstance(layer, (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm))


@contextmanager
def _lines_recorded(with_calls: bool = False) -> Generator[Calls]:
    """Every module made inside remembers the line of the innermost frame of the case's file, and if asked for inside of
    which calls of the file's functions it was made.
    """
    original = nn.Module.__init__

    def remembering(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        frame = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != _FILE:
            frame = frame.f_back
        if frame is not None:
            vars(self)[_LINE] = frame.f_lineno
            vars(self)[_CALLS] = tuple(call.number for call in calls.under_way())  # models may be copied or stored
            vars(self)[_BEFORE] = len(calls.so_far)

    kept = calls_kept(_FILE, [nn.Module.train.__code__]) if with_calls else nullcontext(Calls([], tuple))
    with kept as calls, patch.object(nn.Module, "__init__", remembering):
        yield calls


def _seeded(seed: int) -> None:
    """Of the processor alone: torch's own function formats the whole stack for each other kind of device."""
    torch.default_generator.manual_seed(seed)


@contextmanager
def _float64() -> Generator[None]:
    """And on one thread: for models this small others only cost time."""
    before = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    yield
    torch.set_default_dtype(before[0])
    torch.set_num_threads(before[1])


def _differences(text: str, fixed: str, build: Build) -> Iterator[str]:
    for seed in SEEDS:
        with _float64():
            forward, model, inputs = _prepare(text, build, seed)
            new_forward, new_model, _ = _prepare(fixed, build, seed)
            missing, unexpected = new_model.load_state_dict(model.state_dict(), strict=False)
            lost = [key for key in unexpected if not key.endswith("bias")]
            if missing or lost:
                yield f"`{build.model}`: the fix changes the keys {', '.join([*missing, *lost])}"
                return
            before, gradients = _trained(forward, model, inputs, seed)
            after, new_gradients = _trained(new_forward, new_model, inputs, seed)
            distance = _distance(before, after)
            if distance > SAME:
                yield f"`{build.model}`: the fix moves the output by {distance:.1e} of its scale"
                continue
            scale = max((gradient.abs().max().item() for gradient in gradients.values()), default=1.0)
            for name, gradient in new_gradients.items():
                distance = (gradient - gradients[name]).abs().max().item() / max(scale, 1e-3)
                if distance > SAME:
                    yield f"`{build.model}`: the fix moves the gradient of {name} by {distance:.1e} of its scale"


def _trained(
    forward: Callable[..., Any], model: nn.Module, inputs: list[Any], seed: int
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """The output, and the gradient of every parameter for a loss that weighs its numbers at random."""
    outputs = _run(forward, model, inputs, seed)
    _seeded(seed)
    terms = [(torch.randn_like(output) * output).sum() for output in outputs if output.requires_grad]
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not terms:
        return outputs, {}
    gradients = torch.autograd.grad(
        torch.stack(terms).sum(), list(parameters.values()), allow_unused=True, materialize_grads=True
    )
    return [output.detach() for output in outputs], dict(zip(parameters, gradients, strict=True))
