"""Conditions about arguments, in the words of the analysis or as its tests, evaluated on what functions really got."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable, Sequence
from typing import Any

from biaslens.program.ir import Test
from calls import Called

_DEFAULT = re.compile(r"with the default `(\w+)=(.+)`")
_NO_DEFAULT = re.compile(r"another `(\w+)` than `(.+)`")
_AXES = re.compile(r"(\S+) has (\d+) axes")
_TRUTH = re.compile(r"(.+) is (true|false)")
_ONE_OF = re.compile(r"(\S+) is ([^ ]+(?: or [^ ]+)+)")
_NONE_OF = re.compile(r"(\S+) is none of (.+)")


def holds(condition: str, calls: Sequence[Called]) -> bool | None:
    """Whether a condition in words holds: "use_bn is true", "norm is 'bn' or 'in'", "groups <= 0".

    None where it cannot be evaluated. calls: in which its names are looked up, in this order; a default is asked of the
    one that was made first, since those inside of it may be handed what it made of that.
    """
    parts = condition.split(" and ")
    if len(parts) > 1 and any(" or " in part for part in parts):
        return None  # words have no brackets
    return _all_of(_part_holds(part, calls) for part in parts)


def one_holds(alternatives: Sequence[Sequence[Test]], calls: Sequence[Called], text: str) -> bool | None:
    """Whether all tests of one alternative hold; None where no alternative can be evaluated. text: of the file."""
    return _any_of(_all_of(_test_holds(test, calls, text) for test in tests) for tests in alternatives)


def _all_of(values: Iterable[bool | None]) -> bool | None:
    """What comes behind one that is false is not asked."""
    known = True
    for value in values:
        if value is False:
            return False
        known = known and value is not None
    return True if known else None


def _any_of(values: Iterable[bool | None]) -> bool | None:
    """Alternatives about functions that were not called say nothing."""
    found = [value for value in values if value is not None]
    return any(found) if found else None


def _part_holds(part: str, calls: Sequence[Called]) -> bool | None:
    if match := _DEFAULT.fullmatch(part) or _NO_DEFAULT.fullmatch(part):
        with_parameter = (call for call in calls if match[1] in call.arguments)
        calls = sorted(with_parameter, key=lambda call: call.number)[:1]
        part = f"{match[1]} {'==' if part.startswith('with') else '!='} {match[2]}"
    elif match := _AXES.fullmatch(part):
        part = f"{match[1]}.dim() == {match[2]}"
    elif match := _TRUTH.fullmatch(part):
        part = f"bool({match[1]}) is {match[2].capitalize()}"
    elif match := _ONE_OF.fullmatch(part):
        part = f"{match[1]} in ({match[2].replace(' or ', ', ')})"
    elif match := _NONE_OF.fullmatch(part):
        part = f"{match[1]} not in ({match[2]},)"
    value = _value(part, calls)
    return None if value is None else bool(value)


def _value(code: str, calls: Sequence[Called]) -> Any:
    """What an expression gives where the calls were made; None where it cannot be evaluated."""
    names = ChainMap(*(dict(call.arguments) for call in calls))
    try:
        return eval(code, dict(calls[0].module) if calls else {}, names)
    except (NameError, AttributeError, SyntaxError):
        return None


def _test_holds(test: Test, calls: Sequence[Called], text: str) -> bool | None:
    _, offset, function = test.function.rsplit(":", 2)
    line = text.count("\n", 0, int(offset)) + 1
    call = next((call for call in calls if (call.name, call.line) == (function, line)), None)
    name, *attributes = test.argument.split(".")
    if call is None or name not in call.arguments:
        return None
    value = call.arguments[name]
    for attribute in attributes:
        value = getattr(value, attribute)
    match test.relation:
        case "true" | "false":
            return bool(value) is (test.relation == "true")
        case "is" | "is not":
            return (value is test.values[0]) is (test.relation == "is")
        case "==" | "!=":
            return bool(value == test.values[0]) is (test.relation == "==")
        case _:
            return (value in test.values) is (test.relation == "in")
