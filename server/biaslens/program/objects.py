"""What objects say of themselves: whether they are true, how long they are, what they are equal to.

Python asks the first class in the resolution order that answers: a class of the source by its own method, torch's
containers by their modules, a dict by its items. What nobody can tell is a new unknown each time, since objects change.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import MappingProxyType

from biaslens.program import calls, classes, instances, stretches
from biaslens.program.conditions import compare, count_of, negate, settle, show, truth
from biaslens.program.iteration import CONTAINERS
from biaslens.program.names import MISSING
from biaslens.program.run import Run
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import Arguments, ClassValue, External, Instance, Scope, Unknown, Value


def truth_value(run: Run, scope: Scope, value: Value, node: ast.AST) -> Value:
    """A value whose truth is that of the given one: what `__bool__` gives, or `__len__`; anything else as it is."""
    value = settle(run, value)
    if not isinstance(value, Instance):
        return value
    own = _definition(value.cls, "__bool__")
    if own is UNSEEN:
        return Unknown(_said(run, value, "__bool__"), show(value))
    if own is not MISSING:
        return settle(run, calls.call(run, scope, own, Arguments((value,)), node))
    if _definition(value.cls, "__len__") is MISSING:
        return True
    return compare(run, ast.NotEq(), length_of(run, scope, value, node), 0)


def length_of(run: Run, scope: Scope, value: Instance, node: ast.AST) -> Value:
    """`len(value)`."""
    own = _definition(value.cls, "__len__")
    size = _size(run, value) if isinstance(own, External) else None
    if size is not None:
        return settle(run, size)
    if own is MISSING or own is UNSEEN or isinstance(own, External):
        return Unknown(Symbol(Kind.LENGTH, _said(run, value, "__len__")), f"len({show(value)})", True)
    return settle(run, calls.call(run, scope, own, Arguments((value,)), node))


def known_truth(run: Run, value: Instance) -> bool | None:
    """Whether an object is true, as far as that can be told without running code of its class."""
    if _definition(value.cls, "__bool__") is not MISSING:
        return None
    own = _definition(value.cls, "__len__")
    if own is MISSING:
        return True
    size = _size(run, value) if isinstance(own, External) else None
    return None if size is None else truth(run, size)


def iterator_of(value: Instance) -> Value:
    """The `__iter__` of the source that decides what a loop over an object gives, or MISSING."""
    own = _definition(value.cls, "__iter__")
    return MISSING if isinstance(own, External) or own is UNSEEN else own


def compared(run: Run, scope: Scope, operator: ast.cmpop, left: Value, right: Value, node: ast.AST) -> Value:
    """A comparison that a class of the source, or a dataclass, decides; MISSING where Python decides it."""
    left, right = settle(run, left), settle(run, right)
    owner, other = (right, left) if isinstance(operator, (ast.In, ast.NotIn)) else (left, right)
    if isinstance(operator, (ast.Eq, ast.NotEq)) and not isinstance(owner, Instance):
        owner, other = other, owner
    if not isinstance(owner, Instance) or type(operator) not in _METHODS:
        return MISSING
    for name, is_opposite in _METHODS[type(operator)]:
        own = _definition(owner.cls, name)
        if own is UNSEEN:
            return Unknown(_said(run, owner, name), f"a comparison with {show(owner)}")
        if own is not MISSING and not isinstance(own, External):
            result = settle(run, calls.call(run, scope, own, Arguments((owner, other)), node))
            return negate(run, result) if is_opposite else result
    if isinstance(operator, (ast.Eq, ast.NotEq)) and isinstance(owner.cls, ClassValue) and owner is not other:
        return _by_contents(run, operator, owner, other)
    return MISSING


def is_data(cls: Value) -> bool:
    """Whether objects of a class are data of Python's own (lists, sets, texts, …), with all their methods."""
    return any(isinstance(base, External) and base.name in _DATA for base in classes.order_of(cls))


UNSEEN = object()
"""Some class that is out of sight may define it."""

_METHODS: Mapping[type[ast.cmpop], tuple[tuple[str, bool], ...]] = MappingProxyType(
    {
        ast.Eq: (("__eq__", False),),
        ast.NotEq: (("__ne__", False), ("__eq__", True)),
        ast.In: (("__contains__", False),),
        ast.NotIn: (("__contains__", True),),
        ast.Lt: (("__lt__", False),),
        ast.LtE: (("__le__", False),),
        ast.Gt: (("__gt__", False),),
        ast.GtE: (("__ge__", False),),
    }
)
"""The methods that decide a comparison, and whether the opposite of what they say."""

_COLLECTIONS = frozenset(
    [
        *("list", "tuple", "set", "frozenset", "str", "bytes", "bytearray", "dict", "List", "Tuple", "Set", "Dict"),
        *("deque", "Counter", "ChainMap", "OrderedDict", "defaultdict", "UserDict", "UserList", "UserString"),
        *("namedtuple", "NamedTuple"),
    ]
)
_DATA = frozenset(
    f"{module}.{name}" for module in ("builtins", "collections", "typing") for name in _COLLECTIONS | {"int", "float"}
)
_ABSTRACT = ("collections.abc.", "typing.", "typing_extensions.", "abc.", "dataclasses.", "enum.")


def _definition(cls: Value, name: str) -> Value:
    """What defines a method of Python's object model for a class: a value of the source, a class outside of it as an
    External, UNSEEN where such a class may; MISSING where nobody does."""
    for owner in classes.order_of(cls):
        match owner:
            case ClassValue(namespace=namespace):
                if name in namespace:
                    return namespace[name]
                if name == "__eq__" and instances.is_dataclass(owner):
                    return MISSING
            case External(name=dotted):
                if _defines(dotted, name):
                    return owner
                if not _says_nothing(owner, name):
                    return UNSEEN
            case _:
                return UNSEEN
    return MISSING


def _defines(dotted: str, name: str) -> bool:
    """Whether a class outside of the source surely defines a method, other than by what `object` gives it."""
    if dotted in CONTAINERS or dotted == _PARAMETERS_BY_NAME:
        return name in ("__len__", "__iter__") or (name == "__contains__" and dotted.endswith("Dict"))
    return _is_collection(dotted) and name in ("__len__", "__iter__", "__contains__", "__eq__", "__ne__")


_PARAMETERS_BY_NAME = "torch.nn.ParameterDict"


def _says_nothing(cls: External, name: str) -> bool:
    """Whether a class outside of the source leaves a method to the classes behind it."""
    if cls.name in _DATA:
        return name == "__bool__" and _is_collection(cls.name)
    plain = cls.name == "builtins.object" or cls.name.startswith(_ABSTRACT)
    return plain or classes.torch_base(cls) is not None


def _is_collection(dotted: str) -> bool:
    return dotted in _DATA and dotted.rpartition(".")[2] in _COLLECTIONS


def _size(run: Run, value: Instance) -> Value:
    """How many items torch's containers and dicts have, None where that cannot be told."""
    if value.escaped:
        return None
    if value.table is not None:
        return count_of(run, value.table)
    if any(isinstance(base, External) and base.name in CONTAINERS for base in classes.order_of(value.cls)):
        stretch = stretches.of(run, value)
        return len(value.modules) if stretch is None else stretch.count
    return None


def _by_contents(run: Run, operator: ast.cmpop, left: Instance, right: Value) -> Value:
    """Dicts and dataclasses are equal where what is in them is; other objects only to themselves."""
    if left.table is not None:
        other = right.table if isinstance(right, Instance) else right
        return compare(run, operator, left.table, other) if other is not None else MISSING
    if is_data(left.cls):
        return Unknown(_said(run, left, "__eq__"), f"a comparison with {show(left)}")
    if isinstance(left.cls, ClassValue) and instances.is_dataclass(left.cls) and not classes.is_module_class(left.cls):
        if not isinstance(right, Instance) or right.cls is not left.cls:
            return MISSING
        return compare(run, operator, list(left.attributes.values()), list(right.attributes.values()))
    return MISSING


def _said(run: Run, value: Instance, method: str) -> Symbol:
    """What an object says of itself by a method."""
    return run.another(Kind.SAID, method, run.ordinal(value))
