"""Conditions: what the source decides, and questions where it does not.

The value of a test that the source leaves open is an Unknown whose key tells what was compared, so that answers stay
consistent: after `norm is None` was answered, so are `norm is not None`, `norm == "bn"` and `not norm`.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Mapping
from copy import deepcopy
from typing import Any

from biaslens.algebra.sizes import Size, number, same_size, unknown
from biaslens.program import bounds
from biaslens.program.questions import tests_of
from biaslens.program.run import Run
from biaslens.program.sizing import MAX_TEXT, as_size, bounded, calculate, is_remainder
from biaslens.program.values import (
    BoundMethod,
    ClassValue,
    External,
    FunctionValue,
    Instance,
    ModuleValue,
    Partial,
    Scope,
    Table,
    Tensor,
    Unknown,
    Value,
    Wrapped,
)
from biaslens.program.wording import asked_part, in_brackets, is_code

_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_NEGATED: Mapping[str, str] = {"!=": "==", "is not": "is", "not in": "in", ">=": "<", ">": "<="}
_OPPOSITE: Mapping[str, str] = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"} | {
    "is": "is not",
    "is not": "is",
    "in": "not in",
    "not in": "in",
}


def settle(run: Run, value: Value) -> Value:
    """The value that answers given so far have fixed for an Unknown."""
    while type(value) is Unknown:  # asked about nearly every value: isinstance takes longer
        found = run.known.get(value.key, value)
        if found is value:
            break
        value = found
    return value


def holds(run: Run, scope: Scope, value: Value, node: ast.expr, *, fails: bool = False) -> bool:
    """Whether a test is true on this path; asks where the source leaves it open.

    fails: the program raises where it is true, so false is the default.
    """
    value = settle(run, value)
    if isinstance(value, Instance):
        from biaslens.program import objects

        value = objects.truth_value(run, scope, value, node)
    settled = truth(run, value)
    if settled is not None:
        return settled
    key, positive = _normal(key_of(run, value))
    given = run.given(key)
    if given is not None:
        return (given == "yes") is positive
    origin = _origin_of(value)
    said = _in_words_of_the_caller(scope, asked_part(node, value))
    origin = "data" if _is_about_a_counter(scope, node) else origin
    first, second = _words(run, said, positive), _words(run, said, not positive)
    choices = [("yes", first), ("no", second)]
    if positive if fails else _is_false_by_default(run, key):
        choices.reverse()
    answer = run.decide(key, run.world.text(node), origin, scope.module.location(node), choices, tests_of(key)) == "yes"
    learn(run, key, answer)
    return answer if positive else not answer


def question_of(run: Run, value: Value) -> str:
    """The key under which a run notes its question about the truth of a value, if it asks one."""
    return repr(_normal(key_of(run, value))[0])


def assume(run: Run, value: Value, answer: bool = True) -> None:
    """Effect: takes a test as decided (`assert`)."""
    if isinstance(value, Unknown) and truth(run, value) is None:
        key, positive = _normal(value.key)
        learn(run, key, answer is positive)


def learn(run: Run, key: Hashable, answer: bool) -> None:
    """Effect: fixes what follows from an answer."""
    run.known[("truth", key)] = answer
    match key:
        case ("==" | "is", subject, ("constant", _, constant)) if answer:
            run.known[subject] = constant
            _learn_rank(run, subject, constant)
        case ("==" | "is", subject, ("external", str(name))) if answer:
            run.known[subject] = External(name)
        case ("==" | "is", subject, ("declared", str(name), str(own), str(path))) if answer:
            run.known[subject] = External(name, own, path)
        case ("is", subject, ("constant", _, None)):
            run.known[("not none", subject)] = True
        case ("==", ("length", _) as subject, ("constant", "int", 0)):
            run.known[("truth", subject)] = True
        case ("in", _, subject) if answer:
            run.known[("truth", ("length", subject))] = True
        case ("<" | "<=" as symbol, subject, ("constant", "int", int(value))) if not answer:
            bounds.at_least(run, unknown(subject), value + (symbol == "<="))
        case ("and", *parts) if answer:
            for part in parts:
                _learn_part(run, part, True)
        case ("or", *parts) if not answer:
            for part in parts:
                _learn_part(run, part, False)
        case _:
            pass


def truth(run: Run, value: Value) -> bool | None:
    """Whether a value is true, or None where the source leaves it open."""
    value = settle(run, value)
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes() | set() | range():
            return bool(value)
        case list() | tuple() | dict():
            return _is_filled(run, value)
        case Tensor():
            return None
        case Unknown(key=key):
            answer = _known_truth(run, key)
            size = as_size(value) if answer is None and value.number and (run.lowest or run.between) else None
            return True if size is not None and bounds.decided(run, "==", size) is False else answer
        case Instance():
            from biaslens.program import objects

            return objects.known_truth(run, value)
        case _:
            return True


def _is_filled(run: Run, value: Value) -> bool | None:
    """Whether anything is in a list or a dict."""
    found = run.stretches.get(id(value)) if run.stretches else None
    if found is not None:
        return truth(run, found[1].count)
    if _is_open(value) and not value:
        return truth(run, count_of(run, value))
    return bool(value)


def compare(run: Run, operator: ast.cmpop, left: Value, right: Value) -> Value:
    """The value of one comparison: a bool, or an Unknown that can be asked about."""
    symbol = _COMPARISONS[type(operator)]
    left, right = settle(run, left), settle(run, right)
    positive = _NEGATED.get(symbol, symbol)
    answer = _decided(run, positive, left, right)
    if answer is not None:
        return answer if positive == symbol else not answer
    if positive in ("==", "is") and _is_constant(left) and not _is_constant(right):
        left, right = right, left
    if positive == "==" and isinstance(left, dict) and isinstance(right, dict) and not (left and right):
        left, right = count_of(run, left) if not right else count_of(run, right), 0
    if symbol in _EMPTY and _is_length(left) and right == _EMPTY[symbol] and not isinstance(right, Unknown):
        return compare(run, ast.Eq() if symbol in ("<", "<=") else ast.NotEq(), left, 0)
    behind = right.rest if positive == "in" and isinstance(right, Table) and right.rest is not None else right
    key = bounded((positive, key_of(run, left), key_of(run, behind)))
    origin = _origin(left, right)
    text = f"{show(left)} {positive} {show(right)}"[:MAX_TEXT]
    result = Unknown(key, text, origin=origin)
    return result if positive == symbol else Unknown(("not", key), f"not {text}", origin=origin)


_EMPTY: Mapping[str, int] = {"<": 1, "<=": 0, ">": 0, ">=": 1}
"""Comparisons of a length which ask whether it is 0."""


def _is_length(value: Value) -> bool:
    return isinstance(value, Unknown) and isinstance(value.key, tuple) and value.key[:1] == ("length",)


def has(run: Run, table: Mapping[Any, Value], key: Value) -> bool | None:
    """Whether a known key is in a dict, None where the source leaves it open."""
    if key in table:
        return True
    if any(isinstance(entry, Unknown) for entry in table):
        return None
    if not isinstance(table, Table) or table.rest is None or key in table.absent:
        return False
    if truth(run, _length_of(table.rest)) is False:
        return False
    return truth(run, membership(run, table.rest, key))


def membership(run: Run, rest: Unknown, key: Value) -> Unknown:
    """`key in rest`, to be asked about."""
    return Unknown(bounded(("in", key_of(run, key), rest.key)), f"{show(key)} in {rest.text}", origin=rest.origin)


def count_of(run: Run, table: Mapping[Any, Value]) -> Value:
    """`len(table)`."""
    if not isinstance(table, Table) or table.rest is None:
        return len(table)
    removed = {*table, *table.absent}
    rest = _length_of(table.rest)
    if settle(run, rest) == 0 or truth(run, rest) is False:
        return len(table)
    if removed:
        key = bounded(("length", table.rest.key, tuple(sorted(map(repr, removed)))))
        rest = Unknown(key, rest.text, True, rest.origin)
    return calculate("+", rest, len(table)) if table else settle(run, rest)


def _length_of(rest: Unknown) -> Unknown:
    return Unknown(("length", rest.key), f"len({rest.text})", True, rest.origin)


def negate(run: Run, value: Value) -> Value:
    """`not value`."""
    settled = truth(run, value)
    if settled is not None:
        return not settled
    key = key_of(run, value)
    origin = _origin_of(value)
    return Unknown(("not", key), f"not {in_brackets(show(value))}", origin=origin)


def key_of(run: Run, value: Value) -> Hashable:
    """A key for a value, equal for equal values in equal runs."""
    value = settle(run, value)
    match value:
        case Unknown(key=key):
            return key
        case None | bool() | int() | float() | str() | bytes():
            return ("constant", type(value).__name__, value)
        case tuple():
            return ("tuple", *(key_of(run, item) for item in value))
        case Tensor(var=var):
            return ("tensor", var)
        case External(name=name, own=own, path=path):
            return ("declared", name, own, path) if own else ("external", name)
        case ClassValue(qualified=name) | FunctionValue(qualified=name):
            return ("defined", name)
        case ModuleValue(path=path):
            return ("module", path)
        case Table() if value.rest is not None and not value:  # its truth is all that can be asked of it
            return key_of(run, count_of(run, value))
        case _:
            return ("object", run.ordinal(value))


def show(value: Value) -> str:
    """A value in the user's words."""
    match value:
        case Unknown(text=text):
            return text
        case External(own=str(own)) if own:
            return value.own_label
        case External(name=name):
            return name.removeprefix("builtins.").replace("torch.nn.functional.", "F.").replace("torch.nn.", "nn.")
        case ClassValue(name=name) | FunctionValue(name=name):
            return name
        case Partial(function=function):
            return f"partial({show(function)}, ...)"
        case Instance(cls=cls):
            return f"{show(cls)}(...)"
        case Tensor():
            return "a tensor"
        case BoundMethod(function=function):
            return show(function) if not isinstance(function, str) else function
        case None | bool() | int() | float() | complex() | str() | bytes() | range():
            text = repr(value)
            return text if len(text) <= 40 else f"{text[:37]}..."
        case Wrapped(function=function):
            return show(function)
        case tuple() | list() if value:
            return f"({', '.join(map(show, value))})"[:MAX_TEXT]
        case Table():
            return value.rest.text if value.rest is not None else "dict"
        case _:
            return type(value).__name__


def _in_words_of_the_caller(scope: Scope, node: ast.expr) -> ast.expr:
    """A test in the names that whoever builds the model knows: `norm` for the `kind` of a helper that gets it."""
    names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    said = {name: value.text for name in names if isinstance(value := scope.held(name), Unknown) and _is_told(value)}
    said = {name: text for name, text in said.items() if text != name}
    return _Renaming(said).visit(deepcopy(node)) if said else node


def _is_about_a_counter(scope: Scope, node: ast.expr) -> bool:
    """Whether a test compares a number that the code counted: how far a loop went is nobody's choice."""
    counted = (
        (part.id for part in ast.walk(node) if isinstance(part, ast.Name)) if isinstance(node, ast.Compare) else ()
    )
    return any(type(scope.held(name)) in (int, float) and name not in scope.arguments for name in counted)


def _is_told(value: Unknown) -> bool:
    """Whether a value is an argument of the entry, under a name that can stand in code."""
    kind = value.key[0] if isinstance(value.key, tuple) else ""
    return kind in ("constructor", "forward", "attribute", "item", "item or") and is_code(value.text)


class _Renaming(ast.NodeTransformer):
    def __init__(self, said: Mapping[str, str]) -> None:
        self._said = said

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.copy_location(ast.Name(self._said.get(node.id, node.id), node.ctx), node)


def _words(run: Run, node: ast.expr, answer: bool) -> str:
    """A test and its answer as a condition: `norm is not None`, "normalize is true"."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _words(run, operand, not answer)
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            symbol = _COMPARISONS[type(operator)]
            return f"{run.world.text(left)} {symbol if answer else _OPPOSITE[symbol]} {run.world.text(right)}"
        case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call():
            return f"{run.world.text(node)} is {'true' if answer else 'false'}"
        case _:
            text = run.world.text(node)
            return text if answer else f"not ({text})"


def condition(name: str, value: Value) -> str:
    """An argument's value as a condition: "norm is None", "normalize is true", "kind == 'bn'"."""
    if value is None or isinstance(value, bool):
        return f"{name} is {str(value).lower() if value is not None else None}"
    return f"{name} == {show(value)}"


def _normal(key: Hashable) -> tuple[Hashable, bool]:
    """A key without leading negations, and whether their number is even."""
    positive = True
    while isinstance(key, tuple) and len(key) == 2 and key[0] == "not":
        key, positive = key[1], not positive
    return key, positive


def _is_false_by_default(run: Run, key: Hashable) -> bool:
    """Whether a test is false with the defaults of the values that it is about, or else by what is likely."""
    presumed = _presumed(run, key)
    return _unlikely(key) if presumed is None else not presumed


def _presumed(run: Run, key: Hashable) -> bool | None:
    """What a test gives where unknown values are what they are by default."""
    match key:
        case ("not", inner):
            answer = _presumed(run, inner)
            return None if answer is None else not answer
        case ("and" | "or" as symbol, *parts):
            answers = [_presumed(run, part) for part in parts]
            decisive = symbol == "or"
            return decisive if decisive in answers else None if None in answers else not decisive
        case ("in", _, subject) if ("length", subject) in run.presumed:
            return False
        case ("==" | "is", subject, ("constant", _, constant)) if subject in run.presumed:
            return _same_constant(run.presumed[subject], constant)
        case _ if key in run.presumed:
            return truth(run, run.presumed[key])
        case _:
            return None


def _unlikely(key: Hashable) -> bool:
    """Tests that are false by default: being a given constant, of some type, or an unknown number equal to one."""
    match key:
        case ("==", ("number", *_) as subject, ("constant", "int", _)):
            return not is_remainder(subject)
        case ("==", ("numel" | "length", *_), ("constant", "int", 0)):
            return True
        case ("or", *parts):
            return all(_unlikely(part) for part in parts)
        case ("and", *parts):
            return any(_unlikely(part) for part in parts)
        case ("is", _, ("constant", *_)) | ("isinstance", *_) | ("raises", *_):
            return True
        case ("text method", "startswith" | "endswith", *_):
            return True
        case _:
            return False


def _known_truth(run: Run, key: Hashable) -> bool | None:
    normal, positive = _normal(key)
    answer = run.known.get(("truth", normal))
    if answer is None:
        match normal:
            case ("and", *parts):
                answers = [_known_truth(run, part) for part in parts]
                answer = False if False in answers else True if None not in answers else None
            case ("or", *parts):
                answers = [_known_truth(run, part) for part in parts]
                answer = True if True in answers else False if None not in answers else None
            case ("==" | "is", subject, ("constant", _, constant)):
                if subject in run.known:
                    answer = _same_constant(run.known[subject], constant)
                elif _is_other_than(run, subject, constant):
                    answer = False
            case _:
                pass
    if answer is None and normal in run.known:
        answer = truth(run, run.known[normal])
    return None if answer is None else bool(answer) is positive


def _same_constant(value: Value, constant: object) -> bool | None:
    if isinstance(value, Unknown):
        return None
    return bool(value == constant) if _is_constant(value) else False


def _is_other_than(run: Run, subject: Hashable, constant: object) -> bool:
    """Whether answers about other constants, or about its truth, tell that a value is not this one."""
    is_not_none = constant is None and ("not none", subject) in run.known
    return is_not_none or run.known.get(("truth", subject)) is (not constant)


def _learn_part(run: Run, key: Hashable, answer: bool) -> None:
    normal, positive = _normal(key)
    learn(run, normal, answer is positive)


def _learn_rank(run: Run, subject: Hashable, constant: object) -> None:
    match subject:
        case ("rank", int(var)) if isinstance(constant, int) and 0 <= constant <= 8:
            from biaslens.algebra.axes import Shape

            run.refine(var, Shape(constant, (None,) * constant, -1, constant))
        case _:
            pass


def _decided(run: Run, symbol: str, left: Value, right: Value) -> bool | None:
    if symbol == "in":
        return _contained(run, left, right)
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return _decided_with_unknown(run, symbol, left, right)
    if symbol == "is":
        return _identical(left, right)
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        return False if left is None or right is None else None
    if _is_open(left) or _is_open(right):
        return False if symbol == "==" and not (isinstance(left, dict) and isinstance(right, dict)) else None
    if symbol == "==" and isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return _same_items(run, left, right)
    if symbol == "==" and not (_is_plain(left) and _is_plain(right)):
        return left is right or key_of(run, left) == key_of(run, right) if not _holds_unknown(left, right) else None
    try:
        return bool(_OPERATIONS[symbol](left, right))
    except Exception:  # the program would raise here; we only follow it
        return None


def _same_items(run: Run, left: Any, right: Any) -> bool | None:
    if id(left) in run.stretches or id(right) in run.stretches:
        return None
    if type(left) is not type(right) or len(left) != len(right):
        return False
    answers = [_decided(run, "==", settle(run, a), settle(run, b)) for a, b in zip(left, right, strict=True)]
    return False if False in answers else None if None in answers else True


def _decided_with_unknown(run: Run, symbol: str, left: Value, right: Value) -> bool | None:
    if isinstance(left, Unknown) and isinstance(right, Unknown) and left.key == right.key:
        return symbol in ("==", "is", "<=")
    if symbol in ("==", "is"):
        known = _known_truth(run, (symbol, key_of(run, left), key_of(run, right)))
        if known is not None:
            return known
        for subject, other in ((left, right), (right, left)):
            if other is None and isinstance(subject, Unknown):
                return False if subject.number or ("not none", subject.key) in run.known else None
    first, second = as_size(left), as_size(right)
    if first is None or second is None or not (_numeric(left) and _numeric(right)):
        return None
    difference = first - second
    if not difference.terms:
        return symbol in ("==", "<=", ">=")
    if symbol in _OPERATIONS and (answer := bounds.decided(run, symbol, difference)) is not None:
        return answer
    if not _is_of_sizes(difference):
        return None
    if symbol == "==":
        return same_size(first, second)
    signs = {factor > 0 for _, factor in difference.terms}
    if len(signs) == 1 and difference != number(0) and all(monomial for monomial, _ in difference.terms):
        return (True in signs) == (symbol in (">", ">="))
    return None


def _is_of_sizes(difference: Size) -> bool:
    """Whether every unknown in it is the size of a tensor, which is positive; an argument may be 0 or less."""
    names = (name for monomial, _ in difference.terms for name, _ in monomial)
    return all(isinstance(name, tuple) and name[:1] == ("size",) for name in names)


def _numeric(value: Value) -> bool:
    return isinstance(value, int) or (isinstance(value, Unknown) and value.number)


def _contained(run: Run, left: Value, right: Value) -> bool | None:
    if isinstance(left, Unknown) or isinstance(right, (Unknown, Tensor)):
        if isinstance(right, (list, tuple, set, dict)) and not right and not _is_open(right):
            return False
        return None
    if isinstance(right, dict):
        try:
            return has(run, right, left)
        except TypeError:  # an unhashable key
            return None
    if isinstance(right, Instance):
        return left in right.modules if isinstance(left, str) else None
    try:
        if isinstance(right, (list, tuple)):
            answers = [_decided(run, "==", left, item) for item in right]
            return True if True in answers else None if None in answers else False
        return bool(left in right)
    except Exception:  # an unhashable or foreign operand
        return None


def _identical(left: Value, right: Value) -> bool | None:
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, External) and isinstance(right, External):
        return left.name == right.name
    return left is right or (_is_plain(left) and _is_plain(right) and left == right)


def _is_open(value: Value) -> bool:
    return isinstance(value, Table) and value.rest is not None


def _origin_of(value: Value) -> str:
    asked = value.rest if isinstance(value, Table) else value
    return asked.origin if isinstance(asked, Unknown) else "data"


def _origin(left: Value, right: Value) -> str:
    origins = [_origin_of(value) for value in (left, right) if isinstance(value, Unknown) or _is_open(value)]
    if any(isinstance(value, Tensor) for value in (left, right)) or not origins:
        return "data"
    order = ("data", "result", "forward", "constructor", "default")
    return min(origins, key=order.index)


def _is_constant(value: Value) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, bytes))


def _is_plain(value: Value) -> bool:
    return _is_constant(value) or isinstance(value, (list, tuple, dict, set, range, complex))


def _holds_unknown(*values: Value) -> bool:
    return any(
        isinstance(value, Unknown) or (isinstance(value, (list, tuple, set)) and _holds_unknown(*value))
        for value in values
    )


_OPERATIONS: Mapping[str, Any] = {
    "==": lambda left, right: left == right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
