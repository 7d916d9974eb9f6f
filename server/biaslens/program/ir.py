"""The small printable program between Python and judgement: straight-line runs of equations over tensors.

After this no one sees syntax; before it no one knows what a bias is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from biaslens.algebra.axes import Shape
from biaslens.algebra.outcome import Effect
from biaslens.algebra.sizes import Size
from biaslens.catalogue.entry import Entry
from biaslens.program.origins import Origin
from biaslens.program.symbols import Kind, Symbol
from biaslens.text import Location, Problem

Var = int
"""Names a tensor on one path; prints as v0, v1, …"""


@dataclass(frozen=True, slots=True)
class Test:
    """What holds of an argument, as code could ask: `norm == 'bn'`.

    function: whose argument it is, as `path:offset:name`. argument: its name, perhaps with attributes (`config.norm`).
    relation: "true", "false", "is", "is not", "==", "!=", "in" or "not in". values: what it is compared with.
    is_bool: the argument has a bool by default, or is given one.
    """

    function: str
    argument: str
    relation: str
    values: tuple[str | int | float | bool | None, ...] = ()
    is_bool: bool = False


def negated(test: Test) -> Test:
    """What holds where the test does not."""
    return Test(test.function, test.argument, _OPPOSITE[test.relation], test.values, test.is_bool)


_OPPOSITE: Mapping[str, str] = {"true": "false", "is": "is not", "==": "!=", "in": "not in"} | {
    "false": "true",
    "is not": "is",
    "!=": "==",
    "not in": "in",
}


@dataclass(frozen=True, slots=True)
class Passed:
    """An argument of the function that made a layer.

    key: of the value. text: the value as a condition, "norm is None". test: the same as code.
    """

    name: str
    key: Symbol
    text: str
    test: Test | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """A submodule with a learnable shift, or a norm, as one constructor call made it.

    site: the constructor call that a person would edit. number: tells the layers of one path apart.
    argument: the keyword by which that call can say whether there is a shift, or "" where it cannot. place: the index
    among the call's positional arguments with the same meaning, None where there is none. handed_on: classes of the
    source take the argument and hand it on to torch's.
    label: the name by which the model holds it, such as `bn1` or `layers.0`.
    bias: True, False, or None where the source does not tell whether it has its shift.
    bias_text: the source of the argument that decides it, or "".
    frozen: its shift was put out of training on purpose (`requires_grad = False`).
    call: the arguments of the function that made it.
    inner: what is known of biases inside of it, where its inner steps are not followed; else "".
    stores_mean: it keeps a running mean for eval mode.
    declared: the dotted name of the user's own class, where it is one that they declare to be like `entry`; else "".
    unseen: whether such a class takes `argument` was not looked at.
    tampered: why the layer's own shift cannot be trusted ("its bias is assigned"), or "".
    influence: on which answers of its path it rests that the layer is made, and how, as `Equation.influence`.
    handed: code that nobody knows to which it was handed while no model ran, by its name, or "".
    """

    number: int
    entry: Entry
    site: Location
    label: str
    bias: bool | None
    bias_text: str = ""
    frozen: bool = False
    tampered: str = ""
    handed: str = ""
    parameters: Size | None = None
    call: tuple[Passed, ...] = ()
    argument: str = ""
    place: int | None = None
    handed_on: bool = False
    inner: str = ""
    stores_mean: bool = False
    declared: str = ""
    unseen: bool = False
    influence: int = 0

    @property
    def class_name(self) -> str:
        """What a person calls its class: `Conv2d`, or that of the user's own class."""
        return self.declared.rpartition(".")[2] or self.entry.label


@dataclass(frozen=True, slots=True)
class Equation:
    """One step of a run, such as `v3 = max_pool2d(v2, 2)`.

    effects: for each result, for each operand. layer: the layer that is applied, whose shift starts in the result.
    starts: True where the result *is* the layer's bias itself (`self.conv.bias` read in forward). listed: it is one of
    several that a method gives which lists what there is, such as `parameters()`.
    location: the call in the source; settings: its other arguments, as text. operation: the name by which the catalogue
    knows what it does, that of its class for a layer; the label where it does not know.
    callee: the dotted name of the class or function that could not be followed here, where it has one to import it by.
    influence: on which answers of its path the step rests, as bits in the order of `Run.questions`.
    aside: no model ran then: it belongs to a script, a builder or a constructor.
    handed: code that nobody knows, by its name, or "": this is a call of it while no model runs, or a step of a module
    that it was handed.
    """

    results: tuple[Var, ...]
    label: str
    operands: tuple[Var, ...]
    effects: tuple[tuple[Effect | None, ...], ...]
    location: Location
    product: bool = False
    layer: int | None = None
    starts: bool = False
    settings: str = ""
    listed: bool = False
    operation: str = ""
    callee: str = ""
    influence: int = 0
    aside: bool = False
    handed: str = ""

    def __hash__(self) -> int:
        """Of what mostly tells two equations apart: to hash all of one takes long, and many are hashed."""
        return hash((self.results, self.operands, self.location))

    def __str__(self) -> str:
        results = ", ".join(f"v{var}" for var in self.results)
        inside = ", ".join([*(f"v{var}" for var in self.operands), *([self.settings] if self.settings else [])])
        return f"{results} = {self.label}({inside})"


@dataclass(frozen=True, slots=True)
class Question:
    """A condition that the source leaves open.

    text: in the user's words, `norm is not None`. origin: who decides. location: where it was asked.
    """

    key: Symbol
    text: str
    origin: Origin
    location: Location

    @property
    def is_about_default(self) -> bool:
        """Whether it asks if a parameter of an entry has its default."""
        return self.key.kind is Kind.DEFAULT

    @property
    def is_about_number(self) -> bool:
        """Whether it asks if a parameter has its default, and that is a number: a size, seldom a switch."""
        return self.is_about_default and self.text.rpartition("=")[2].lstrip("-")[:1].isdigit()

    @property
    def is_about_value(self) -> bool:
        """The same for any default of which nothing is known where it is not taken: not a bool, and not None."""
        return self.is_about_default and self.text.rpartition("=")[2] not in ("None", "True", "False")

    @property
    def is_about_rounds(self) -> bool:
        """Whether it asks how often a loop goes round."""
        return self.key.kind in (Kind.ROUNDS, Kind.WHILE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a question on all paths of an entry.

    choices: the answers that it has. kind: the same for questions that no reader tells apart: asked in one place of the
    source, inside the same calls, about the same parameters. is_about_rounds: as `Question.is_about_rounds`, or it
    decides how far a recursion goes. is_recursive: that. is_asked_deeper: the same is asked again deeper in a
    recursion, which then goes on or ends.
    """

    choices: tuple[str, ...]
    kind: str
    is_about_rounds: bool
    is_recursive: bool = False
    is_asked_deeper: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """How a path answers a question; `text` says the answer as a condition: "norm is None".

    test: the same as code, where it is about an argument.
    """

    question: Question
    choice: str
    text: str
    test: Test | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """One straight-line run from an entry.

    layers by number; shapes by variable; outputs: the tensors that the entry returns. forks: branches that it does not
    take and that would have used tensors: how many equations stand before each, the tensors, and on which answers its
    test rests. returning: on which answers it rests that the outputs are these. losses: the tensors from which
    gradients are taken.
    """

    answers: tuple[Answer, ...]
    layers: tuple[Layer, ...]
    equations: tuple[Equation, ...]
    shapes: tuple[Shape, ...]
    outputs: tuple[Var, ...]
    forks: tuple[tuple[int, tuple[Var, ...], int], ...] = ()
    returning: int = 0
    losses: tuple[Var, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that was followed from one entry.

    name: of the class, function or variable. location: of its definition.
    paths: the default one first. questions: all that its paths answer, by their keys, in the order of the bits of an
    influence. gaps: by constructor call, the answers with which it makes no layer, or
        which no path of the program gives: (question, choice) each.
    used: names (path and qualified name) of the classes and functions that the run used; an entry that others use is
        also judged in those contexts. extends: the same of the classes from which it derives.
    """

    name: str
    location: Location
    definition: str
    paths: tuple[Path, ...]
    questions: tuple[tuple[Symbol, Asked], ...] = ()
    gaps: tuple[tuple[Location, tuple[frozenset[tuple[Symbol, str]], ...]], ...] = ()
    used: frozenset[str] = frozenset()
    extends: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Program:
    """All entries of one file, followed.

    layerless: classes that make no layer when they are followed alone. Only their users tell what becomes of the layers
        that are made in them.
    """

    path: str
    runs: tuple[Run, ...]
    problems: tuple[Problem, ...] = field(default=())
    layerless: tuple[Location, ...] = field(default=())

    def __str__(self) -> str:
        lines: list[str] = []
        for run in self.runs:
            for number, path in enumerate(run.paths):
                conditions = ", ".join(answer.text for answer in path.answers)
                lines.append(
                    f"{run.name} · path {number + 1} of {len(run.paths)}{': ' + conditions if conditions else ''}"
                )
                lines += [f"  {equation}" for equation in path.equations]
                lines.append(f"  return {', '.join(f'v{var}' for var in path.outputs)}")
        return "\n".join(lines)
