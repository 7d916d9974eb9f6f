"""Conditions about arguments, in the words of the analysis or as its tests, evaluated on what functions really got."""

from __future__ import annotations

import ast
import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from biaslens.program.ir import Test
from calls import Called

_DEFAULT = re.compile(r"with the default `(\w+)=(.+)`")
_NO_DEFAULT = re.compile(r"another `(\w+)` than `(.+)`")
_AXES = re.compile(r"(\S+) has (\d+) axes")
_TRUTH = re.compile(r"(.+) is (true|false)")
_ONE_OF = re.compile(r"(\S+) is ([^ ]+(?: or [^ ]+)+)")
_NONE_OF = re.compile(r"(\S+) is none of (.+)")
_TRAINED = re.compile(r"(nothing calls )?`train\(\)`( is called)? after it is built")
_IS_CALLED = re.compile(r"`(\w+)\(\)` is (not )?called")
_UNKNOWN_CODE = re.compile(r"`.+`, which could not be followed, leaves it as it is")
_PIECE = re.compile(r"'[^']*'|`[^`]*`|[()\[\]{}]| and | or |.", re.DOTALL)


def holds(condition: str, calls: Sequence[Called], later: Sequence[Called] = ()) -> bool | None:
    """Whether a condition in words holds: "use_bn is true", "norm is 'bn' or 'in'", "groups <= 0 and (a or b)".

    None where it cannot be evaluated. calls: in which its names are looked up, in this order, first among their
    arguments; a default is asked of the one that was made first, since those inside of it may be handed what it made of
    that. later: other calls that came after the layer was made, for a name that is in none of these, and for what has
    to be called, or not.
    """
    alternatives = list(_alternatives(condition))
    if len(alternatives) > 1:
        found = [holds(alternative, calls, later) for alternative in alternatives]
        return True if True in found else None if None in found else False
    parts = list(_split(condition, " and "))
    if len(parts) > 1:
        return _all_of(holds(part, calls, later) for part in parts)
    if condition.startswith("(") and condition.endswith(")") and len(list(_split(condition[1:-1], ")"))) == 1:
        return holds(condition[1:-1], calls, later)
    return _part_holds(condition, calls, later)


def rests_on_unknown_code(condition: str) -> bool:
    """Whether a condition says that code which nobody knows leaves the model as it is. That holds as it stands: nothing
    tells what such code did.
    """
    return any(_UNKNOWN_CODE.fullmatch(part) for part in _split(condition, " and "))


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


def _alternatives(condition: str) -> Iterator[str]:
    """What stands between "or"; what belongs to "norm is 'bn' or 'in'" stays together."""
    kept = ""
    for part in _split(condition, " or "):
        if kept and not _is_value(part):
            yield kept
            kept = part
        else:
            kept = f"{kept} or {part}" if kept else part
    yield kept


def _is_value(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _split(text: str, separator: str) -> Iterator[str]:
    """What stands between a word, outside of all brackets and quotes."""
    depth, start = 0, 0
    for piece in _PIECE.finditer(text):
        if piece[0] == separator and depth == 0:
            yield text[start : piece.start()]
            start = piece.end()
        depth += (piece[0] in "([{") - (piece[0] in ")]}")
    yield text[start:]


def _part_holds(part: str, calls: Sequence[Called], later: Sequence[Called]) -> bool | None:
    if match := _TRAINED.fullmatch(part):
        trained = any(call.name == "train" and call.arguments.get("mode") for call in later)
        return trained is not bool(match[1])
    if match := _IS_CALLED.fullmatch(part):
        return any(call.name == match[1] for call in (*later, *calls)) is not bool(match[2])
    if _UNKNOWN_CODE.fullmatch(part):
        return True
    if match := _DEFAULT.fullmatch(part) or _NO_DEFAULT.fullmatch(part):
        with_parameter = [call for call in calls if match[1] in call.arguments]
        with_parameter = with_parameter or [call for call in later if match[1] in call.arguments]
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
    value = _value(part, calls, later)
    return None if value is None else bool(value)


def _value(code: str, calls: Sequence[Called], later: Sequence[Called]) -> Any:
    """What an expression gives where the calls were made; None where it cannot be evaluated."""
    given, own = [dict(call.arguments) for call in calls], [dict(call.own) for call in calls]
    names = ChainMap(*given, *own, _agreed(call.arguments for call in later))
    try:
        return eval(code, dict(calls[0].module) if calls else {}, names)
    except (NameError, AttributeError, SyntaxError):
        return None


def _agreed(all_arguments: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The arguments that are the same wherever one has that name."""
    agreed: dict[str, Any] = {}
    differing: set[str] = set()
    for arguments in all_arguments:
        for name, value in arguments.items():
            if agreed.setdefault(name, value) is not value:
                differing.add(name)
    return {name: value for name, value in agreed.items() if name not in differing}


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
