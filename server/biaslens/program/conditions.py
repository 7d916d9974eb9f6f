"""Conditions: what the source decides, and questions where it does not.

The value of a test that the source leaves open is an Unknown whose symbol tells what was compared, so that answers stay
consistent: after `norm is None` was answered, so are `norm is not None`, `norm == "bn"` and `not norm`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from biaslens.algebra.sizes import Size, number, same_size, unknown
from biaslens.program import bounds
from biaslens.program.origins import Origin, weakest
from biaslens.program.questions import tests_of
from biaslens.program.run import Run
from biaslens.program.sizing import MAX_TEXT, as_size, calculate, is_remainder
from biaslens.program.symbols import Kind, Part, Symbol, bounded
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
from biaslens.program.wording import in_brackets, in_words_of_the_caller

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
_TESTS: Mapping[str, Kind] = {"==": Kind.EQUAL, "is": Kind.IS, "<": Kind.LESS, "<=": Kind.AT_MOST, "in": Kind.IN}
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
    said = in_words_of_the_caller(scope, node, value)
    origin = Origin.DATA if _is_about_a_counter(scope, node) else origin
    first, second = _words(run, said, positive), _words(run, said, not positive)
    choices = [("yes", first), ("no", second)]
    if positive if fails else _is_false_by_default(run, key):
        choices.reverse()
    answer = run.decide(key, run.world.text(node), origin, scope.module.location(node), choices, tests_of(key)) == "yes"
    learn(run, key, answer)
    return answer if positive else not answer


def question_of(run: Run, value: Value) -> Symbol:
    """The question about the truth of a value, if a run asks one."""
    return _normal(key_of(run, value))[0]


def assume(run: Run, value: Value, answer: bool = True) -> None:
    """Effect: takes a test as decided (`assert`)."""
    if isinstance(value, Unknown) and truth(run, value) is None:
        key, positive = _normal(value.key)
        learn(run, key, answer is positive)


def learn(run: Run, key: Symbol, answer: bool) -> None:
    """Effect: fixes what follows from an answer."""
    run.known[Symbol(Kind.TRUTH, key)] = answer
    match key:
        case Symbol(Kind.EQUAL | Kind.IS, (Symbol() as subject, Symbol(Kind.CONSTANT, (constant,)))) if answer:
            run.known[subject] = constant
            _learn_rank(run, subject, constant)
        case Symbol(Kind.EQUAL | Kind.IS, (Symbol() as subject, Symbol(Kind.EXTERNAL, (str(name),)))) if answer:
            run.known[subject] = External(name)
        case Symbol(
            Kind.EQUAL | Kind.IS, (Symbol() as subject, Symbol(Kind.DECLARED, (str(name), str(own), str(path))))
        ) if answer:
            run.known[subject] = External(name, own, path)
        case Symbol(Kind.IS, (subject, Symbol(Kind.CONSTANT, (None,)))):
            run.known[Symbol(Kind.NOT_NONE, subject)] = True
        case Symbol(Kind.EQUAL, (Symbol(Kind.LENGTH, (_,)) as subject, Symbol(Kind.CONSTANT, (int(0),)))):
            run.known[Symbol(Kind.TRUTH, subject)] = True
        case Symbol(Kind.IN, (_, subject)) if answer:
            run.known[Symbol(Kind.TRUTH, Symbol(Kind.LENGTH, subject))] = True
        case Symbol(Kind.LESS | Kind.AT_MOST, (subject, Symbol(Kind.CONSTANT, (int(value),)))) if not answer:
            bounds.at_least(run, unknown(subject), value + (key.kind is Kind.AT_MOST))
        case Symbol(Kind.AND, parts) if answer:
            for part in parts:
                _learn_part(run, part, True)
        case Symbol(Kind.OR, parts) if not answer:
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
    key = bounded(Symbol(_TESTS[positive], key_of(run, left), key_of(run, behind)))
    origin = _origin(left, right)
    text = f"{show(left)} {positive} {show(right)}"[:MAX_TEXT]
    result = Unknown(key, text, origin=origin)
    return result if positive == symbol else Unknown(Symbol(Kind.NOT, key), f"not {text}", origin=origin)


_EMPTY: Mapping[str, int] = {"<": 1, "<=": 0, ">": 0, ">=": 1}
"""Comparisons of a length which ask whether it is 0."""


def _is_length(value: Value) -> bool:
    return isinstance(value, Unknown) and value.key.kind is Kind.LENGTH


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
    return Unknown(
        bounded(Symbol(Kind.IN, key_of(run, key), rest.key)), f"{show(key)} in {rest.text}", origin=rest.origin
    )


def count_of(run: Run, table: Mapping[Any, Value]) -> Value:
    """`len(table)`."""
    if not isinstance(table, Table) or table.rest is None:
        return len(table)
    removed = {*table, *table.absent}
    rest = _length_of(table.rest)
    if settle(run, rest) == 0 or truth(run, rest) is False:
        return len(table)
    if removed:
        keys = sorted((key if isinstance(key, str) else key_of(run, key) for key in removed), key=str)
        key = bounded(Symbol(Kind.LENGTH, table.rest.key, Symbol(Kind.KEYS, *keys)))
        rest = Unknown(key, rest.text, True, rest.origin)
    return calculate("+", rest, len(table)) if table else settle(run, rest)


def _length_of(rest: Unknown) -> Unknown:
    return Unknown(Symbol(Kind.LENGTH, rest.key), f"len({rest.text})", True, rest.origin)


def negate(run: Run, value: Value) -> Value:
    """`not value`."""
    settled = truth(run, value)
    if settled is not None:
        return not settled
    key = key_of(run, value)
    origin = _origin_of(value)
    return Unknown(Symbol(Kind.NOT, key), f"not {in_brackets(show(value))}", origin=origin)


def key_of(run: Run, value: Value) -> Symbol:
    """The symbol of a value, equal for equal values in equal runs."""
    value = settle(run, value)
    match value:
        case Unknown(key=key):
            return key
        case None | bool() | int() | float() | str() | bytes():
            return Symbol(Kind.CONSTANT, value)
        case tuple():
            return Symbol(Kind.TUPLE, *(key_of(run, item) for item in value))
        case Tensor(var=var):
            return Symbol(Kind.TENSOR, var)
        case External(name=name, own=own, path=path):
            return Symbol(Kind.DECLARED, name, own, path) if own else Symbol(Kind.EXTERNAL, name)
        case ClassValue(qualified=name) | FunctionValue(qualified=name):
            return Symbol(Kind.DEFINED, name)
        case ModuleValue(path=path):
            return Symbol(Kind.MODULE, path)
        case Table() if value.rest is not None and not value:  # its truth is all that can be asked of it
            return key_of(run, count_of(run, value))
        case _:
            return Symbol(Kind.OBJECT, run.ordinal(value))


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


def _is_about_a_counter(scope: Scope, node: ast.expr) -> bool:
    """Whether a test compares a number that the code counted: how far a loop went is nobody's choice."""
    counted = scope.module.names(node) if isinstance(node, ast.Compare) else ()
    return any(type(scope.held(name)) in (int, float) and name not in scope.arguments for name in counted)


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


def _normal(key: Symbol) -> tuple[Symbol, bool]:
    """A test without leading negations, and whether their number is even."""
    positive = True
    while key.kind is Kind.NOT and isinstance(inner := key.parts[0], Symbol):
        key, positive = inner, not positive
    return key, positive


def _is_false_by_default(run: Run, key: Symbol) -> bool:
    """Whether a test is false with the defaults of the values that it is about, or else by what is likely."""
    presumed = _presumed(run, key)
    return _unlikely(key) if presumed is None else not presumed


def _presumed(run: Run, key: Part) -> bool | None:
    """What a test gives where unknown values are what they are by default."""
    match key:
        case Symbol(Kind.NOT, (inner,)):
            answer = _presumed(run, inner)
            return None if answer is None else not answer
        case Symbol(Kind.AND | Kind.OR as kind, parts):
            answers = [_presumed(run, part) for part in parts]
            decisive = kind is Kind.OR
            return decisive if decisive in answers else None if None in answers else not decisive
        case Symbol(Kind.IN, (_, subject)) if Symbol(Kind.LENGTH, subject) in run.presumed:
            return False
        case Symbol(Kind.EQUAL | Kind.IS, (Symbol() as subject, Symbol(Kind.CONSTANT, (constant,)))) if (
            subject in run.presumed
        ):
            return _same_constant(run.presumed[subject], constant)
        case Symbol() if key in run.presumed:
            return truth(run, run.presumed[key])
        case _:
            return None


def _unlikely(key: Part) -> bool:
    """Tests that are false by default: being a given constant, of some type, or an unknown number equal to one."""
    match key:
        case Symbol(Kind.EQUAL, (Symbol() as subject, Symbol(Kind.CONSTANT, (int(value),)))) if type(value) is int:
            counts = value == 0 and subject.kind in (Kind.NUMEL, Kind.LENGTH)
            return counts or (subject.kind in _NUMBERS and not is_remainder(subject))
        case Symbol(Kind.OR, parts):
            return all(_unlikely(part) for part in parts)
        case Symbol(Kind.AND, parts):
            return any(_unlikely(part) for part in parts)
        case Symbol(Kind.IS, (_, Symbol(Kind.CONSTANT))) | Symbol(Kind.IS_INSTANCE):
            return True
        case Symbol(Kind.TEXT_METHOD, ("startswith" | "endswith", *_)):
            return True
        case _:
            return False


_NUMBERS = (Kind.NUMBER, Kind.ARITHMETIC, Kind.MIDDLE, Kind.CARRIED)


def _known_truth(run: Run, key: Part) -> bool | None:
    if not isinstance(key, Symbol):
        return None
    normal, positive = _normal(key)
    answer = run.known.get(Symbol(Kind.TRUTH, normal))
    if answer is None:
        match normal:
            case Symbol(Kind.AND, parts):
                answers = [_known_truth(run, part) for part in parts]
                answer = False if False in answers else True if None not in answers else None
            case Symbol(Kind.OR, parts):
                answers = [_known_truth(run, part) for part in parts]
                answer = True if True in answers else False if None not in answers else None
            case Symbol(Kind.EQUAL | Kind.IS, (Symbol() as subject, Symbol(Kind.CONSTANT, (constant,)))):
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


def _is_other_than(run: Run, subject: Symbol, constant: object) -> bool:
    """Whether answers about other constants, or about its truth, tell that a value is not this one."""
    is_not_none = constant is None and Symbol(Kind.NOT_NONE, subject) in run.known
    return is_not_none or run.known.get(Symbol(Kind.TRUTH, subject)) is (not constant)


def _learn_part(run: Run, key: Part, answer: bool) -> None:
    if isinstance(key, Symbol):
        normal, positive = _normal(key)
        learn(run, normal, answer is positive)


def _learn_rank(run: Run, subject: Symbol, constant: object) -> None:
    match subject:
        case Symbol(Kind.RANK, (int(var),)) if isinstance(constant, int) and 0 <= constant <= 8:
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
        known = _known_truth(run, Symbol(_TESTS[symbol], key_of(run, left), key_of(run, right)))
        if known is not None:
            return known
        for subject, other in ((left, right), (right, left)):
            if other is None and isinstance(subject, Unknown):
                return False if subject.number or Symbol(Kind.NOT_NONE, subject.key) in run.known else None
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
    return all(isinstance(name, Symbol) and name.kind is Kind.SIZE for name in names)


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


def _origin_of(value: Value) -> Origin:
    asked = value.rest if isinstance(value, Table) else value
    return asked.origin if isinstance(asked, Unknown) else Origin.DATA


def _origin(left: Value, right: Value) -> Origin:
    origins = [_origin_of(value) for value in (left, right) if isinstance(value, Unknown) or _is_open(value)]
    if any(isinstance(value, Tensor) for value in (left, right)) or not origins:
        return Origin.DATA
    return weakest(origins)


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
