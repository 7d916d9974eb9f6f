"""What answers say of the arguments of functions, as tests that code could make as well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from biaslens.program.ir import Test, negated
from biaslens.program.symbols import Kind, Part, Symbol
from biaslens.program.values import FunctionValue, Value

_Constant: TypeAlias = str | int | float | bool | None


def tests_of(key: Symbol) -> Mapping[str, Test]:
    """What holds after "yes" and "no" to a question; empty where it is not about one argument.

    key: of the question, as `conditions.py` makes it.
    """
    match key:
        case Symbol(Kind.EQUAL | Kind.IS, (subject, Symbol(Kind.CONSTANT, (str() | int() | float() | None as value,)))):
            found = _test(subject, key.kind.value, value)
        case Symbol(Kind.IN, (subject, Symbol(Kind.TUPLE, items))):
            found = _membership(subject, items)
        case Symbol(Kind.OR, parts):
            found = _alternatives(parts)
        case _:
            found = _test(key, "true")
    return {"yes": found, "no": negated(found)} if found is not None else {}


def tests_of_default(function: FunctionValue, name: str, default: Value) -> Mapping[str, Test]:
    """What holds of a parameter that has its default, and of one that has not."""
    found = test_of_argument(function.qualified, name, default)
    return {"default": found, "other": negated(found)} if found is not None else {}


def test_of_argument(function: str, name: str, value: Value) -> Test | None:
    """What holds of an argument that has a given value."""
    if isinstance(value, bool):
        return Test(function, name, "true" if value else "false", (), is_bool=True)
    if value is None:
        return Test(function, name, "is", (None,))
    return Test(function, name, "==", (value,)) if isinstance(value, str) else None


def test_of_choice(key: Symbol, value: Value) -> Test | None:
    """What holds after an unknown key was found to be a given one."""
    return _test(key, "==", value) if isinstance(value, (str, int)) else None


def _test(subject: Part, relation: str, *values: _Constant) -> Test | None:
    argument = _argument(subject)
    return Test(*argument, relation, values) if argument is not None else None


def _argument(key: Part) -> tuple[str, str] | None:
    """The function and the argument that a value comes from, where it is one."""
    match key:
        case Symbol(Kind.CONSTRUCTOR | Kind.FORWARD, (str(function), str(name))):
            return function, name
        case Symbol(Kind.ATTRIBUTE, (inner, str(name))) if name.isidentifier():
            found = _argument(inner)
            return (found[0], f"{found[1]}.{name}") if found is not None else None
        case _:
            return None


def _membership(subject: Part, items: Iterable[Part]) -> Test | None:
    values: list[_Constant] = []
    for item in items:
        match item:
            case Symbol(Kind.CONSTANT, (str() | int() | float() | None as value,)):
                values.append(value)
            case _:
                return None
    return _test(subject, "in", *values)


def _alternatives(parts: Sequence[Part]) -> Test | None:
    """`norm == 'bn' or norm == 'in'` is about one argument."""
    tests = [tests_of(part).get("yes") if isinstance(part, Symbol) else None for part in parts]
    equations = [test for test in tests if test is not None and test.relation == "=="]
    if len(equations) < len(tests) or len({(test.function, test.argument) for test in equations}) != 1:
        return None
    first = equations[0]
    return Test(first.function, first.argument, "in", tuple(value for test in equations for value in test.values))
