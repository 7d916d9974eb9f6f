"""What one row of the catalogue says about a layer or operation of torch, and what its rule gets and gives.

A row quotes torch's own signature, so that arguments bind as torch binds them; `rule` maps one call to a `Step`: the
shapes of its results and, for each result and operand, the `Effect` on a shift. Rows are measured against the
installed torch by the tests.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from biaslens.algebra.axes import Shape
from biaslens.algebra.outcome import Effect
from biaslens.algebra.sizes import Size, number


class Unknowable(Enum):
    """Arguments without a known value."""

    NUMBER = "some number"
    VALUE = "some value"


SOME_NUMBER: Final = Unknowable.NUMBER
"""A scalar whose value the source does not tell."""
UNKNOWN: Final = Unknowable.VALUE
"""Anything: a tensor, a string, None, …"""


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor that goes into a call.

    index: its place among the call's operands.
    stochastic: the axis along which its entries are weights that sum to one (attention after a softmax), or None.
    parameter: it is a learnable parameter, so it is no gate that depends on the sample.
    blocked: some entries may be -inf by a mask from outside, so that a softmax row may be undefined.
    maybe: it may be something other than a tensor (a value whose source we could not follow).
    """

    index: int
    shape: Shape
    stochastic: int | None = None
    parameter: bool = False
    blocked: bool = False
    maybe: bool = False


Argument: TypeAlias = Any
"""int, float, bool, str, None, Size, Operand, Unknowable, a dtype as its dotted name, or a tuple of these."""


class Mode(Enum):
    """How a layer runs. EVAL: the model's eval side; FROZEN: put into eval mode by the code, also while training."""

    TRAIN = "train"
    EVAL = "eval"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Call:
    """One application: constructor and call arguments by parameter name, defaults filled in.

    operands: every tensor that goes in, in the order of the parameters, those inside sequences included.
    """

    arguments: Mapping[str, Argument]
    operands: tuple[Operand, ...]
    mode: Mode = Mode.TRAIN

    def __getitem__(self, name: str) -> Argument:
        return self.arguments[name]

    def get(self, name: str, default: Argument = None) -> Argument:
        """The argument called `name`, or a default where there is none."""
        return self.arguments.get(name, default)

    def operand(self, name: str) -> Operand:
        """The tensor passed as `name`; a stand-in of unknown shape without effect where something else was passed."""
        value = self.arguments.get(name)
        return value if isinstance(value, Operand) else Operand(-1, Shape())

    def size(self, name: str) -> Size | None:
        """The argument as a size."""
        value = self.arguments.get(name)
        if isinstance(value, Size):
            return value
        return number(value) if isinstance(value, int) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class Result:
    """One result tensor of a call.

    effects: for each operand what happens to its shift on the way to this result; None where the operand's
        values do not reach it (zeros_like, a size).
    """

    shape: Shape
    effects: tuple[Effect | None, ...]
    stochastic: int | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What one call does.

    results: one result is the call's value itself, unless `sequence`.
    product: linear in each operand alone (matmul), not in all together (add).
    view: the results share their memory with operand 0. in_place: the result replaces the operand of that index.
    refined: what the call tells about the shapes of operands, by index.
    """

    results: tuple[Result, ...]
    product: bool = False
    sequence: bool = False
    view: bool = False
    in_place: int | None = None
    refined: tuple[tuple[int, Shape], ...] = ()


Rule: TypeAlias = Callable[[Call], Step]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a signature; kind: "positional", "keyword", "star" (`*args`) or "double star"."""

    name: str
    default: Argument = None
    required: bool = True
    kind: str = "positional"


@dataclass(frozen=True, slots=True)
class LearnableShift:
    """The parameter that a layer adds.

    argument: the constructor's argument that switches it ("bias", "affine"). axis: where it varies in the output, as
    in torch (-1 for Linear, 1 for a norm's channels), None for all axes over which the layer takes a mean.
    size: names the constructor's argument with its length. attribute: the parameter's name on the module.
    also: another argument without which there is none ("elementwise_affine"), or "".
    """

    argument: str
    axis: int | None
    size: str
    attribute: str = "bias"
    also: str = ""


Inner: TypeAlias = Callable[[Mapping[str, object]], str]
"""From the constructor's arguments by name to what is known of biases inside of a layer, in one of the words below."""

ADDED_TWICE: Final = "its two biases are added to each other"
ADDED_IN_GATES: Final = "its two biases are added to each other in two of three gates"
KEY_CANCELLED: Final = "the softmax cancels the bias of its keys"


@dataclass(frozen=True, slots=True)
class Entry:
    """One layer or operation of torch.

    name: its public name, such as "torch.nn.Conv2d". spellings: every name it goes by; methods as "Tensor.view".
    parameters: of the constructor (layers) or of the function; inputs: of a layer's forward.
    role: "affine", "norm", "layer" or "function".
    samples: calls from which the tests measure the row, such as "x, 2 | 4 6 8": the arguments between the parentheses
        (of the constructor for a layer), then the shape of each tensor. Tensors are called x, y, z, w; masks m;
        indices i.
    inner: of a layer whose inner steps are not followed: what is known of its biases all the same.
    """

    name: str
    parameters: tuple[Parameter, ...]
    rule: Rule
    role: str = "function"
    spellings: tuple[str, ...] = ()
    inputs: tuple[Parameter, ...] = ()
    shift: LearnableShift | None = None
    samples: tuple[str, ...] = ()
    inner: Inner | None = None

    @property
    def label(self) -> str:
        """Its name without the module."""
        return self.name.rpartition(".")[2]

    def __reduce__(self) -> tuple[Callable[[str], Entry | None], tuple[str]]:
        """A row goes from process to process by its name: its rule is code."""
        from biaslens.catalogue.lookup import find

        return find, (self.name,)


def signature(text: str) -> tuple[str, tuple[Parameter, ...]]:
    """Reads `torch.nn.Linear(in_features, out_features, bias=True, *, device=None)` into name and parameters."""
    name, _, rest = text.partition("(")
    function = ast.parse(f"def f({rest}: ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    positional = (*arguments.posonlyargs, *arguments.args)
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
    parameters = [_parameter(a.arg, d, "positional") for a, d in zip(positional, defaults, strict=True)]
    if arguments.vararg:
        parameters.append(Parameter(arguments.vararg.arg, (), required=False, kind="star"))
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    parameters += [_parameter(a.arg, d, "keyword") for a, d in pairs]
    if arguments.kwarg:
        parameters.append(Parameter(arguments.kwarg.arg, (), required=False, kind="double star"))
    return name, tuple(parameters)


def _parameter(name: str, default: ast.expr | None, kind: str) -> Parameter:
    if default is None:
        return Parameter(name, kind=kind)
    return Parameter(name, ast.literal_eval(default), required=False, kind=kind)
