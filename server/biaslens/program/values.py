"""What names mean while a program is followed.

Numbers, strings, lists, tuples, dicts and sets are Python's own, so aliasing works as it does in Python. Everything
else is one of the classes here. What the source does not tell is an `Unknown`: the same symbol is the same value.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from biaslens.algebra.sizes import Size
from biaslens.catalogue.entry import Entry
from biaslens.program.influence import Influence
from biaslens.program.origins import Origin
from biaslens.program.symbols import Symbol
from biaslens.syntax.parse import Module
from biaslens.text import Location

Value: TypeAlias = Any
"""A Python value, or one of the classes of this file."""

CLASS_BODY = object()
"""The receiver of a class body's scope, so that the functions in it know their class."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that the source does not tell. `text` names it for the user; `number`: it is a number all the same.

    origin: who decides what it is.
    dotted: the importable name of the code that it is, or that made it, where that could not be followed; or "".
    """

    key: Symbol
    text: str = field(compare=False)
    number: bool = field(default=False, compare=False)
    origin: Origin = field(default=Origin.DATA, compare=False)
    size: Size | None = field(default=None, compare=False)
    dotted: str = field(default="", compare=False)


@dataclass(eq=False, slots=True)
class Storage:
    """The memory that a tensor and its views share; `writable` is False once a view exists."""

    tensors: list[Tensor] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Tensor:
    """A tensor object. In-place operations rebind `var`, and with it every alias of the object."""

    var: int
    storage: Storage

    def __post_init__(self) -> None:
        self.storage.tensors.append(self)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one tensor variable besides its shape; see `catalogue.entry.Operand`."""

    stochastic: int | None = None
    blocked: bool = False
    parameter: bool = False


WHOLE = (None, None, None)
"""The bounds of the slice that leaves nothing out."""


@dataclass(frozen=True, slots=True, eq=False)
class ShapeOf:
    """`x.shape`, or `x.shape[part]` while the rank is unknown."""

    tensor: Tensor
    part: tuple[int | None, int | None, int | None] = WHOLE


@dataclass(frozen=True, slots=True)
class External:
    """Something of a module that is not read: torch, the standard library, a missing package; by its dotted name.

    own: of code that the user declares to be like a row of the catalogue, its own name; `name` is that of the row.
    path: the file in which the own name is looked up, "" where there is none.
    """

    name: str
    own: str = ""
    path: str = field(default="", compare=False)

    @property
    def own_label(self) -> str:
        """The own name without the module, "" where nothing is declared."""
        return self.own.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class ModuleValue:
    """A module of the workspace or of the environment."""

    path: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What `from m import name` binds, before anyone uses it: modules that import each other need no order."""

    path: str
    name: str


@dataclass(eq=False, slots=True)
class Scope:
    """The variables of one running function, class body or comprehension.

    module: whose globals lie behind it. arguments: those with which a function was called; function: its full name.
    owner: the class whose method runs (for `super()`); receiver: its `self`.
    influences: on which answers it rests what a variable is; see `influence.py`.
    """

    module: Module
    variables: dict[str, Value] = field(default_factory=dict)
    parent: Scope | None = None
    owner: ClassValue | None = None
    receiver: Value = None
    outer_names: dict[str, Scope | None] = field(default_factory=dict)
    arguments: dict[str, Value] = field(default_factory=dict)
    function: str = ""
    yielded: list[Value] | None = None
    influences: dict[str, Influence] = field(default_factory=dict)

    def held(self, name: str) -> Value:
        """A variable of this scope, or of one around it, None where there is none; nothing is evaluated."""
        current: Scope | None = self
        while current is not None:
            if name in current.variables:
                return current.variables[name]
            current = current.parent
        return None


class Table(dict[Any, Value]):
    """A dict that may hold more than the source tells: `**kwargs`, `dict(unknown)`.

    rest: the unknown mapping that the other entries come from, or None: then there are no others.
    absent: keys that are not in it, whatever is in the rest.
    """

    __slots__ = ("absent", "rest")

    def __init__(
        self, entries: Mapping[Any, Value] | None = None, rest: Unknown | None = None, absent: Iterable[Hashable] = ()
    ) -> None:
        super().__init__(entries or {})
        self.rest = rest
        self.absent = frozenset(absent)

    def copy(self) -> Table:
        """A shallow copy, as open as this is."""
        return Table(self, self.rest, self.absent)


@dataclass(frozen=True, slots=True)
class Stretch:
    """How a list goes on that holds one item for all in its middle.

    count: its length. front, back: how many items at its ends are what they are; those between stand for any number.
    """

    count: Value
    front: int
    back: int


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call.

    open: more may come out of a `*` or `**` that we cannot see into.
    rest: the open dict behind `**`, where all that may come comes from it.
    others: the unknown sequence behind `*`, where the last positional ones come from it.
    spread: how the positional ones are stretched, where they come from a list of unknown length.
    callee: on which answers it rests what is called. influences: the same of each argument, by position or name; None
    where only that of all together is known.
    """

    positional: tuple[Value, ...] = ()
    keywords: dict[str, Value] = field(default_factory=dict)
    open: bool = False
    rest: Table | None = None
    others: Unknown | None = None
    spread: Stretch | None = None
    callee: Influence = 0
    influences: Mapping[int | str, Influence] | None = None

    def behind(self, *first: Value) -> Arguments:
        """The same with more positional arguments in front."""
        moved = self.influences
        if moved:
            moved = {key + len(first) if isinstance(key, int) else key: its for key, its in moved.items()}
        return replace(self, positional=(*first, *self.positional), influences=moved)


@dataclass(eq=False, slots=True)
class FunctionValue:
    """A function or lambda of the source; `defaults` by parameter name."""

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    defaults: dict[str, Value]
    owner: ClassValue | None = None
    qualified: str = ""


@dataclass(eq=False, slots=True)
class ClassValue:
    """A class of the source. `bases` may hold External and Unknown; `order` is the method resolution order after it."""

    name: str
    node: ast.ClassDef
    module: Module
    bases: tuple[Value, ...]
    namespace: dict[str, Value]
    qualified: str = ""
    order: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A function under `property`, `staticmethod` or `classmethod`."""

    kind: str
    function: Value


@dataclass(frozen=True, slots=True, eq=False)
class BoundMethod:
    """A function with its first argument, or a method of a built-in value by name (`function` is then a string)."""

    function: Value
    receiver: Value


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """`functools.partial`."""

    function: Value
    positional: tuple[Value, ...]
    keywords: dict[str, Value]
    location: Location


@dataclass(frozen=True, slots=True, eq=False)
class Super:
    """`super()` inside a method of `owner`."""

    owner: ClassValue
    receiver: Value


@dataclass(eq=False, slots=True)
class LayerState:
    """What makes an instance a layer of torch: its row, the arguments of its constructor and where that stands.

    shift: whether it has its learnable shift; None if the source does not tell.
    text: the argument that decides that, as written.
    argument, place, handed_on: how the call at `site` can say it, as in `ir.Layer`.
    call: the arguments of the function that makes it; function: its full name.
    inside_another: a class that the entry uses makes it.
    influence: on which answers it rests that the layer is made, and how. might: the same of
    branches not taken that would have used it. calls: the calls inside of which it was made.
    own: the name of a class that the user declares to be like the row; unseen: its own signature was not looked at.
    handed: as `Instance.handed`.
    """

    entry: Entry
    arguments: dict[str, Value]
    site: Location
    number: int
    shift: bool | None
    text: str = ""
    frozen_shift: bool = False
    tampered: str = ""
    handed: str = ""
    eval_mode: bool = False
    label: str = ""
    call: dict[str, Value] = field(default_factory=dict)
    function: str = ""
    argument: str = ""
    place: int | None = None
    handed_on: bool = False
    inside_another: bool = False
    own: str = ""
    unseen: bool = False
    influence: Influence = 0
    might: Influence = 0
    calls: tuple[ast.AST, ...] = ()

    @property
    def class_name(self) -> str:
        """What a person calls its class."""
        return self.own.rpartition(".")[2] or self.entry.label


@dataclass(eq=False, slots=True)
class Instance:
    """An object: of a class of the source (ClassValue) or of torch (External).

    modules: registered submodules in order. layer: set where it is, or derives from, a row of the catalogue.
    label: how the model calls it; `labelled` once that is final: held by an attribute, not by a variable or a list.
    table: what is in it, where the class derives from `dict`.
    escaped: why it may have been changed by code that we cannot follow, or "".
    influences: on which answers it rests what an attribute is; under "" what its submodules are, and all of it.
    frozen: it was put into eval mode, also while the rest trains.
    hooks: what runs before ("pre") and after ("forward") its forward, in order.
    handed: code that nobody knows to which it was handed while no model ran, by its name, or "".
    wrapped: known code put it into a wrapper that behaves like it, and has attributes of its own.
    """

    cls: Value
    attributes: dict[str, Value] = field(default_factory=dict)
    modules: dict[str, Value] = field(default_factory=dict)
    layer: LayerState | None = None
    location: Location | None = None
    escaped: str = ""
    handed: str = ""
    wrapped: bool = False
    label: str = ""
    labelled: bool = False
    table: Table | None = None
    influences: dict[str, Influence] = field(default_factory=dict)
    hooks: tuple[tuple[str, Value], ...] = ()
    frozen: bool = False
