"""Symbols: the names of what the source does not tell. The same symbol is the same value, and one question.

A symbol says what makes a value (its kind) and of what: of other symbols, of constants, of places of the source. What
is asked of a symbol again and again is worked out once, when it is made, from what its parts know of themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator
from enum import Enum
from threading import Lock
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from biaslens.algebra.sizes import Quotient, Size
from biaslens.text import Location


class Kind(Enum):
    """What makes a value, or what is asked. Behind each: its parts."""

    # What the caller of an entry gives.
    CONSTRUCTOR = "constructor"  # function, name: an argument with which it is built
    FORWARD = "forward"  # function, name: an argument with which it is called
    INPUT = "input"  # what goes into a module that has no forward of its own
    OPEN = "open"  # place, name, number: an argument that may come out of a `*` or `**`
    FIELD = "field"  # object, name: the same of a dataclass

    # Values that the source tells, as parts of others.
    CONSTANT = "constant"
    TUPLE = "tuple"
    TENSOR = "tensor"  # variable
    EXTERNAL = "external"  # dotted name
    DECLARED = "declared"  # name of the row, own name, file
    DEFINED = "defined"  # full name of a class or function
    MODULE = "module"  # file
    OBJECT = "object"  # number

    # What belongs to another value.
    ATTRIBUTE = "attribute"  # owner, name
    ITEM = "item"  # owner, index
    ITEM_OR = "item or"  # item, default: what a mapping has under a key, or this
    KEY_OF = "key of"  # mapping, index
    LENGTH = "length"  # of what
    BOTH = "both"  # two mappings, of which one was put into the other
    EITHER = "either"  # what a mapping has under a key, and what it is otherwise
    OPENED = "opened"  # object, number: what else a dict holds since something was set under an unknown key
    SLICE = "slice"
    GROWN = "grown"  # object: the list that a loop makes longer
    MADE = "made"  # object: the list that a comprehension makes
    YIELDED = "yielded"  # object: the list of what a generator gives
    REPEATED = "repeated"  # number: what `itertools.repeat` gives
    KEYS = "keys"  # those that are not counted

    # Numbers.
    NUMBER = "number"  # size
    ARITHMETIC = "arithmetic"  # operator, left, right: of numbers that are no sizes
    MIDDLE = "middle"  # count, number: the index of a round that is neither the first nor the last
    CARRIED = "carried"  # place, name, number: what a loop hands from round to round
    BEHIND = "behind"  # round: how many are behind it
    SIZE = "size"  # variable, axis: of a tensor
    RANK = "rank"  # variable
    SHAPE = "shape"  # variable, bounds of the slice
    NUMEL = "numel"  # variable
    TENSOR_ATTRIBUTE = "tensor attribute"  # variable or bias, name, arguments

    # Expressions.
    BINARY = "binary"  # operator, left, right
    FUNCTION = "function"  # name, arguments: a function that gives the same for the same
    TEXT = "text"  # parts of an f-string, or what `str` gets
    FORMATTED = "formatted"  # value, conversion, format: one part of an f-string
    OF_TEXT = "of text"  # text, method, arguments: of a text that is known
    TEXT_METHOD = "text method"  # method, text, arguments: of a text that is not
    EQUAL = "=="
    IS = "is"
    LESS = "<"
    AT_MOST = "<="
    IN = "in"
    NOT = "not"
    AND = "and"
    OR = "or"
    IS_INSTANCE = "isinstance"
    IS_SUBCLASS = "issubclass"
    HAS_ATTRIBUTE = "hasattr"
    IS_CALLABLE = "callable"

    # Code that cannot be followed.
    AT = "at"  # place, number: the value of an expression
    CALL = "call"  # place, what is called, number
    QUIET_CALL = "quiet call"  # name, number: of code that changes nothing
    RESULT = "result"  # place, number: of an operation of torch
    KEPT = "kept"  # place, number: what code gives that keeps models as they are
    METHOD = "method"  # object, name, number: of a module
    HOOK = "hook"  # object, number: the handle of one
    SAID = "said"  # method, object, number: what an object says of itself
    SUPER = "super"  # place, receiver
    WRAPPED = "wrapped"  # object, receiver: what an unknown decorator makes of a method
    MEMBER = "member"  # class, arguments: of an enumeration

    # Names.
    NAME = "name"  # file, name: bound by nothing
    GLOBAL = "global"  # file, name, number or moment
    IMPORT = "import"  # file, name: which the file does not bind
    REPLACED = "replaced"  # dotted name
    PATCHED = "patched"  # class, name: an attribute that was assigned after it was in use
    WALKED = "walked"  # name: an argument of training code

    # Layers.
    UNCERTAIN = "uncertain"  # layer, name: an attribute of a layer of several steps
    WEIGHT = "weight"  # layer
    BUFFER = "buffer"  # layer, name
    BIAS = "bias"  # layer

    # What is asked, besides whether something is true.
    DEFAULT = "default"  # function, name: whether a parameter has its default
    ROUNDS = "rounds"  # count: how often a loop goes round
    WHILE = "while"  # place, number, round: whether a loop goes on
    FAILS = "fails"  # place, number: whether a `try` fails
    WHICH = "which"  # list, length, index: which item of a list
    WHICH_KEY = "which key"  # value: which key of a dict it is
    STRETCH = "stretch"  # count, front, back: lists that are stretched alike
    BINDING = "binding"  # file, name: which one of several statements bound it
    TRAINING = "training"
    FROZEN_BY = "frozen by"  # code
    TRAINED_AFTER_ALL = "trained after all"

    # What answers fix of a value, besides which one it is.
    TRUTH = "truth"
    NOT_NONE = "not none"
    TRAINS = "trains"  # variable

    LONG = "long"  # digest: stands for a symbol of too many parts

    def __init__(self, word: str) -> None:
        self.number = len(type(self).__members__)
        self.is_parameter = word in ("constructor", "forward", "default")
        self.is_of_round = word in ("middle", "carried")


Part: TypeAlias = "Symbol | Size | Quotient | Location | str | bytes | int | float | None"
"""What a symbol is made of. Constants of different types are different parts: 1, 1.0 and True."""


class Symbol:
    """The name of a value or of a question. It never changes, and is made once: equal ones are the same object.

    weight: how many parts it has, with theirs. is_of_round: it is told from the index of a round between the first and
    the last: one of many. of_parts: the parameters of the entry that its parts name. digest: a text for it, where it
    was asked for: see `bounded`.
    """

    __match_args__ = ("kind", "parts")
    __slots__ = ("__weakref__", "digest", "is_of_round", "kind", "of_parts", "parts", "weight")

    kind: Kind
    parts: tuple[Part, ...]
    weight: int
    is_of_round: bool
    of_parts: frozenset[Symbol]
    digest: str

    def __new__(cls, kind: Kind, *parts: Part) -> Symbol:
        """The symbol of a kind with these parts."""
        key = kind.number, parts
        for part in parts:
            if type(part) is bool or type(part) is float:  # it is equal to a constant of another type
                key = kind.number, parts, tuple(map(type, parts))
                break
        found = _MADE.get(key)
        if found is None:
            with _MAKING:
                found = _MADE.get(key)
                if found is None:
                    found = _MADE[key] = _new(kind, parts)
        return found

    @property
    def parameters(self) -> frozenset[Symbol]:
        """The parameters of the entry that it names."""
        return frozenset((self,)) if self.kind.is_parameter else self.of_parts

    def __reduce__(self) -> tuple[Callable[..., Symbol], tuple[Kind | Part, ...]]:
        return Symbol, (self.kind, *self.parts)  # in another process it is another object

    def __copy__(self) -> Symbol:
        return self

    def __deepcopy__(self, memo: object) -> Symbol:
        return self

    def __str__(self) -> str:
        return f"{self.kind.value}({', '.join(map(str, self.parts))})"

    __repr__ = __str__


_MADE: Final[WeakValueDictionary[tuple[object, ...], Symbol]] = WeakValueDictionary()
"""The symbols that are in use, by what they are made of."""

_MAKING: Final = Lock()


def _new(kind: Kind, parts: tuple[Part, ...]) -> Symbol:
    weight, is_of_round, of_parts = 2, kind.is_of_round, _NONE
    for part in parts:
        if type(part) is Symbol:
            weight += part.weight
            is_of_round = is_of_round or part.is_of_round
            of_parts = of_parts | part.parameters if of_parts else part.parameters
        elif type(part) is Size or type(part) is Quotient:
            more, names = _told_of(part)
            weight += more
            is_of_round = is_of_round or any(name.is_of_round for name in names)
            of_parts = of_parts.union(*(name.parameters for name in names))
        else:
            weight += 1
    symbol = object.__new__(Symbol)
    symbol.kind, symbol.parts = kind, parts
    symbol.weight, symbol.is_of_round, symbol.of_parts = weight, is_of_round, of_parts
    symbol.digest = ""
    return symbol


_NONE: frozenset[Symbol] = frozenset()


def inside(name: object) -> Iterator[Hashable]:
    """A symbol, or a name in a size, with all that it is made of."""
    if isinstance(name, Symbol):
        yield name
        for part in name.parts:
            yield from inside(part)
    elif isinstance(name, Size):
        for monomial, _ in name.terms:
            for inner, _ in monomial:
                yield from inside(inner)
    elif isinstance(name, Quotient):
        yield name
        yield from inside(name.dividend)
        yield from inside(name.divisor)


MAX_WEIGHT = 200
"""A symbol made of more parts than this is shortened: numbers that a loop keeps combining double it in every round."""


def bounded(symbol: Symbol) -> Symbol:
    """A symbol, or a short one in its place; equal ones stay equal."""
    if symbol.weight <= MAX_WEIGHT:
        return symbol
    symbol.digest = symbol.digest or _digest(symbol)
    return Symbol(Kind.LONG, symbol.digest)


def _digest(part: Part) -> str:
    """The same for equal parts, in every process."""
    match part:
        case Symbol(kind, parts):
            told = [kind.value, *map(_digest, parts)]
        case Size(terms=terms):
            told = sorted(
                " ".join([str(factor), *sorted(f"{_digest_of_name(name)}^{power}" for name, power in monomial)])
                for monomial, factor in terms
            )
        case Quotient(dividend, divisor):
            told = ["//", _digest(dividend), _digest(divisor)]
        case _:
            told = [type(part).__name__, str(part)]
    return hashlib.blake2b("\n".join(told).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _digest_of_name(name: Hashable) -> str:
    return _digest(name) if isinstance(name, (Symbol, Quotient)) else str(name)


def _told_of(part: Size | Quotient) -> tuple[int, list[Symbol]]:
    """How many parts a size has, and the symbols in it."""
    atoms = [part.dividend, part.divisor] if isinstance(part, Quotient) else []
    weight, names = 0, list[Symbol]()
    if isinstance(part, Size):
        weight = 1
        atoms = [name for monomial, _ in part.terms for name, _ in monomial]
    for atom in atoms:
        if isinstance(atom, Symbol):
            weight += atom.weight
            names.append(atom)
        elif isinstance(atom, (Size, Quotient)):
            more, inner = _told_of(atom)
            weight += more
            names += inner
    return weight, names
