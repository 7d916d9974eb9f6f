"""Models with options, and torch, which builds and runs all combinations of them.

Each run is made in float64 and training mode, with every parameter random, and with the same seed before each forward
pass, since models may draw numbers in it. One backward pass for a random weighting of the outputs says which biases are
read: those with a gradient that is no rounding, compared with that of the layer's weight. All others are then moved,
together first and, where the output moves with them, one by one: "cancelled" means that a bias was moved by random
numbers, that the output stayed, and that the layer's weight has a gradient. Where the gradient says nothing (NaN),
biases are moved one by one. How far an output may move that stays is measured where it moves at all: norms over a few
values that are nearly equal make much of little, also of rounding.

A model is built once for all calls of it: `forward` changes no more of it than running statistics, which nothing reads
in training.

What the arguments of all functions were when a layer was made, and when it was applied, is recorded: each function of
the file begins by remembering what it was given.
"""

# Torch's own annotations are partial, and its list of parameters is private:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from types import CodeType, FrameType
from typing import Any, TypeAlias
from unittest.mock import patch

import torch
from torch import Tensor, nn

from proof import MOVED, STAYED, Reading

_FILE = "<options>"
_GIVEN, _REMEMBER = "__given__", "__remember__"
_MADE = "made_for_options"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that whoever uses an entry may choose.

    place: "argument" or "config" of the constructor, or "forward". values: as source; None leaves it out. others: those
    that tests tell apart as well.
    """

    name: str
    place: str
    values: tuple[str | None, ...]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to use a model file: a class, or a function that makes a module.

    config: the argument that takes the options of place "config", and what makes one of them; else empty.
    method: what is called, "" for the model itself. is_root: nothing else in the file is made of it.
    """

    callee: str
    inputs: str
    options: tuple[Option, ...]
    config: tuple[str, str] = ("", "")
    method: str = ""
    is_root: bool = True


@dataclass(frozen=True, slots=True)
class OptionModel:
    """A model file, and all that it offers."""

    text: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """A function that was running, by `offset:name`, with its arguments as they came in.

    keywords: what its `**kwargs` have, None where it has none.
    """

    function: str
    arguments: Mapping[str, Any]
    keywords: Mapping[str, Any] | None


Stack: TypeAlias = tuple[Given, ...]
"""The functions of the file that were running, the innermost first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One layer of one run. handed_out: read, but by nothing that a norm behind the output would not cancel.

    made: while it was made; applied: the same for each time that it was applied.
    """

    line: int
    class_name: str
    is_norm: bool
    reading: Reading
    handed_out: bool
    has_bias: bool
    made: Stack
    applied: tuple[Stack, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One combination of options. text: as code. error: why torch cannot run it, or ""."""

    entry: Entry
    text: str
    layers: tuple[Seen, ...]
    error: str = ""


def combinations(entry: Entry) -> Iterator[tuple[str, str]]:
    """Every way to build and to call an entry, as two expressions."""
    for values in product(*(option.values for option in entry.options)):
        chosen = [(option, value) for option, value in zip(entry.options, values, strict=True) if value is not None]
        by_place: dict[str, list[str]] = {"argument": [], "config": [], "forward": []}
        for option, value in chosen:
            by_place[option.place].append(f"{option.name}={value}")
        name, config = entry.config
        if name:
            by_place["argument"].insert(0, f"{name}={config}({', '.join(by_place['config'])})")
        yield f"{entry.callee}({', '.join(by_place['argument'])})", ", ".join([entry.inputs, *by_place["forward"]])


def wider(model: OptionModel) -> Iterator[OptionModel]:
    """The same model with values that its combinations do not have: for one option first, then for all, if they are not
    too many."""
    for entry in model.entries:
        for option in entry.options:
            if option.others:
                other = tuple(replace(o, values=o.others) if o is option else o for o in entry.options)
                yield OptionModel(model.text, (replace(entry, options=other),))
    for entry in model.entries:
        options = tuple(replace(option, values=(*option.values, *option.others)) for option in entry.options)
        wide = replace(entry, options=options)
        if count(wide) <= MAX_WIDE:
            yield OptionModel(model.text, (wide,))


MAX_WIDE = 3_000


def count(entry: Entry) -> int:
    """How many combinations an entry has."""
    return math.prod(len(option.values) for option in entry.options)


def runs(model: OptionModel, seed: int = 1) -> list[Run]:
    """Every combination of every entry; SyntaxError where the text is no Python, and whatever its top level raises."""
    found: list[Run] = []
    with _small(), torch.enable_grad():
        code = _remembering(model.text)
        namespace: dict[str, Any] = {"__name__": _FILE, _REMEMBER: _remembered}
        exec(code, namespace)
        workshop = _Workshop(namespace, seed)
        for entry in model.entries:
            for build, call in combinations(entry):
                text = f"{build}{'.' if entry.method else ''}{entry.method}({call})"
                try:
                    found.append(Run(entry, text, _measured(workshop, build, call, entry)))
                except Exception as error:  # a combination that makes no sense
                    found.append(Run(entry, text, (), f"{type(error).__name__}: {error}"))
    return found


@dataclass(frozen=True, eq=False, slots=True)
class _Built:
    """A model that was built. layers: those made by the lines of the file that have a bias, or could have one."""

    model: nn.Module
    layers: tuple[nn.Module, ...]


class _Workshop:
    """Builds every model of a file once, and evaluates what they are called with."""

    def __init__(self, namespace: dict[str, Any], seed: int) -> None:
        self._namespace = namespace
        self.seed = seed
        self._built: dict[str, _Built | Exception] = {}
        self._calls: dict[str, CodeType] = {}

    def built(self, build: str) -> _Built:
        """What an expression builds; raises what it raises."""
        if build not in self._built:
            try:
                self._built[build] = self._build(build)
            except Exception as error:
                self._built[build] = error
        found = self._built[build]
        if isinstance(found, Exception):
            raise found
        return found

    def _build(self, build: str) -> _Built:
        self.sow()
        with _recorded():
            model: nn.Module = eval(build, self._namespace)
        _randomise(model)
        layers = tuple(layer for layer in model.modules() if _MADE in vars(layer) and _has_shift(layer))
        return _Built(model, layers)

    def arguments(self, call: str) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
        """What stands in the parentheses of a call."""
        code = self._calls.get(call)
        if code is None:
            code = self._calls[call] = compile(f"(lambda *args, **options: (args, options))({call})", "<call>", "eval")
        self.sow()
        return eval(code, self._namespace)

    def sow(self) -> None:
        """Effect: the random numbers that follow are the same ones again."""
        torch.default_generator.manual_seed(self.seed)


def _remembering(text: str) -> CodeType:
    """The file, in which every function first remembers what it was given."""
    tree = ast.parse(text)
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            name = f"{starts[node.lineno - 1] + node.col_offset}:{node.name}"
            keywords = node.args.kwarg.arg if node.args.kwarg is not None else ""
            first = ast.parse(f"{_GIVEN} = {_REMEMBER}({name!r}, {keywords!r}, locals())").body
            node.body[:0] = [ast.copy_location(child, node.body[0]) for child in first]
    return compile(ast.fix_missing_locations(tree), _FILE, "exec", dont_inherit=True)


def _remembered(function: str, keywords: str, given: Mapping[str, Any]) -> Given:
    """What a function was given; dicts as they are before it takes something out of them."""
    arguments = {name: dict(value) if type(value) is dict else value for name, value in given.items()}
    return Given(function, arguments, arguments.get(keywords))


def _stack(frame: FrameType | None) -> Stack:
    found: list[Given] = []
    while frame is not None:
        if frame.f_code.co_filename == _FILE:
            given = frame.f_locals.get(_GIVEN)
            if isinstance(given, Given):
                found.append(given)
        frame = frame.f_back
    return tuple(found)


def _measured(workshop: _Workshop, build: str, call: str, entry: Entry) -> tuple[Seen, ...]:
    built = workshop.built(build)
    args, options = workshop.arguments(call)
    forward: Callable[..., Any] = getattr(built.model, entry.method) if entry.method else built.model

    def run() -> list[Tensor]:
        workshop.sow()
        return [*_tensors(forward(*(arg.clone() for arg in args), **options))]

    layers = built.layers
    outputs, applied = _heard(run, layers)
    live = [layer for layer in layers if applied[layer] and layer._parameters["bias"] is not None]
    readings = _readings(built.model, live, outputs, run)
    handed_out = set[nn.Module]()
    if not entry.is_root:
        handed_out = _handed_out([layer for layer in live if readings[layer] is Reading.READ], outputs, run)
    return tuple(
        Seen(
            vars(layer)[_MADE][0],
            type(layer).__name__,
            _is_norm(layer),
            readings.get(layer, Reading.UNREACHED),
            layer in handed_out,
            layer._parameters["bias"] is not None,
            vars(layer)[_MADE][1],
            applied[layer],
        )
        for layer in layers
    )


@torch.no_grad()
def _randomise(model: nn.Module) -> None:
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.normal_(0, math.sqrt(len(parameter) / parameter.numel()))
        else:
            parameter.normal_(0.7, 0.5)


def _heard(
    run: Callable[[], list[Tensor]], layers: Sequence[nn.Module]
) -> tuple[list[Tensor], dict[nn.Module, tuple[Stack, ...]]]:
    """The outputs, and what was running each time that a layer was applied."""
    applied: dict[nn.Module, tuple[Stack, ...]] = dict.fromkeys(layers, ())

    def hear(layer: nn.Module, _inputs: object) -> None:
        applied[layer] += (_stack(sys._getframe(1)),)

    hooks = [layer.register_forward_pre_hook(hear) for layer in layers]
    outputs = run()
    for hook in hooks:
        hook.remove()
    return outputs, applied


def _readings(
    model: nn.Module, layers: Sequence[nn.Module], outputs: list[Tensor], run: Callable[[], list[Tensor]]
) -> dict[nn.Module, Reading]:
    """What becomes of the biases of layers that have one."""
    slopes = _slopes(layers, outputs)
    plain = [output.detach() for output in outputs]
    found = {layer: Reading.READ for layer in layers if slopes[layer].bias > max(MOVED, STAYED * slopes[layer].weight)}
    quiet = [layer for layer in layers if layer not in found]
    if quiet and _distance(plain, _moved(quiet, run)) > STAYED:
        stayed = _rounding(model, plain, run)
        found |= {layer: Reading.READ for layer in quiet if _distance(plain, _moved([layer], run)) > stayed}
    for layer in quiet:
        found.setdefault(layer, Reading.CANCELLED if slopes[layer].weight > STAYED else Reading.UNREACHED)
    return found


@torch.no_grad()
def _rounding(model: nn.Module, plain: list[Tensor], run: Callable[[], list[Tensor]]) -> float:
    """How far an output may move by rounding: all parameters are changed a little, and what that does is scaled down to
    a few of the last digits. Raises ArithmeticError where too little is left to tell it from a bias that is read."""
    parameters = list(model.parameters())
    values = [parameter.clone() for parameter in parameters]
    for parameter in parameters:
        parameter.mul_(1 + _LITTLE * (2 * torch.rand_like(parameter) - 1))
    outputs = run()
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)
    found = max(STAYED, _distance(plain, outputs) / _LITTLE * _LAST_DIGITS)
    if found > _TOO_MUCH:
        raise ArithmeticError("this model makes so much of rounding that nothing can be told of its biases")
    return found


_LITTLE, _LAST_DIGITS, _TOO_MUCH = 1e-9, 1e-13, 1e-4


def _handed_out(layers: Sequence[nn.Module], outputs: list[Tensor], run: Callable[[], list[Tensor]]) -> set[nn.Module]:
    """The layers whose biases a norm behind the output would cancel."""
    centred = [_centred(output.detach()) for output in outputs]
    return {
        layer for layer in layers if _distance(centred, [_centred(output) for output in _moved([layer], run)]) <= STAYED
    }


@torch.no_grad()
def _moved(layers: Sequence[nn.Module], run: Callable[[], list[Tensor]]) -> list[Tensor]:
    """The outputs with other biases."""
    biases = [bias for layer in layers if (bias := layer._parameters["bias"]) is not None]
    values = [bias.clone() for bias in biases]
    for bias in biases:
        bias.add_(torch.randn_like(bias))
    outputs = run()
    for bias, value in zip(biases, values, strict=True):
        bias.copy_(value)
    return outputs


@dataclass(frozen=True, slots=True)
class _Slopes:
    """The largest derivative by any entry of a layer's bias, and of its weight."""

    bias: float = 0.0
    weight: float = 0.0


def _slopes(layers: Sequence[nn.Module], outputs: list[Tensor]) -> dict[nn.Module, _Slopes]:
    """For a random weighting of the outputs' numbers; 0.0 for NaN."""
    terms = [(torch.randn_like(output) * output).sum() for output in outputs if output.requires_grad]
    parameters = [p for layer in layers for name in ("bias", "weight") if (p := layer._parameters[name]) is not None]
    if not terms or not parameters:
        return dict.fromkeys(layers, _Slopes())
    loss = terms[0] if len(terms) == 1 else torch.stack(terms).sum()
    by_parameter = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    largest = [max(map(abs, found.flatten().nan_to_num(0.0).tolist()), default=0.0) for found in by_parameter]
    return {layer: _Slopes(*largest[2 * i : 2 * i + 2]) for i, layer in enumerate(layers)}


def _centred(output: Tensor) -> Tensor:
    """Without each channel's mean, as a batch norm would do it."""
    return output - output.mean([0, *range(2, output.dim())], keepdim=True) if output.dim() > 1 else output


def _distance(before: list[Tensor], after: list[Tensor]) -> float:
    """The largest change of any output, relative to that output's scale; infinite where NaN comes or goes."""
    worst = 0.0
    for a, b in zip(before, after, strict=True):
        if b.numel():
            change = (a - b).abs().max() / b.abs().max().clamp(min=1e-3)
            if change.isnan() and not (a.isnan() == b.isnan()).all():
                return math.inf
            worst = max(worst, change.nan_to_num(0.0).item())
    return worst


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def _has_shift(layer: nn.Module) -> bool:
    return "bias" in layer._parameters and getattr(layer, "weight", None) is not None


def _is_norm(layer: nn.Module) -> bool:
    return isinstance(layer, (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm))


@contextmanager
def _recorded() -> Generator[None]:
    """Every module made inside remembers the line of the innermost frame of the file, and what was running."""
    original = nn.Module.__init__

    def remembering(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if type(self).__module__ != _FILE:
            frame = sys._getframe(1)
            while frame is not None and frame.f_code.co_filename != _FILE:
                frame = frame.f_back
            if frame is not None:
                vars(self)[_MADE] = frame.f_lineno, _stack(frame)

    with patch.object(nn.Module, "__init__", remembering):
        yield


@contextmanager
def _small() -> Generator[None]:
    """float64 on one thread, and no time for first values that nobody uses."""
    before = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    try:
        with (
            patch.object(nn.Linear, "reset_parameters", _nothing),
            patch.object(nn.modules.conv._ConvNd, "reset_parameters", _nothing),
            patch.object(nn.LayerNorm, "reset_parameters", _nothing),
        ):
            yield
    finally:
        torch.set_default_dtype(before[0])
        torch.set_num_threads(before[1])


def _nothing(_layer: nn.Module) -> None:
    """Leaves the parameters as they are."""
