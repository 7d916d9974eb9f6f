"""The expression that gives a layer its bias only where it has an effect: `bias=not normalize`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from biaslens.fixes.surroundings import Surroundings
from biaslens.program.ir import Test
from biaslens.text import Source


def unless(alternatives: Sequence[tuple[Test, ...]], surroundings: Surroundings, source: Source) -> str | None:
    """An expression for the call in question that is false where one of the alternatives holds, and true elsewhere.

    None where an alternative is about something that the call cannot name, or where the expression would not read well.
    """
    tests = list(dict.fromkeys(map(_essential, alternatives)))
    if not tests or not all(tests):
        return None
    writer = _Writer(surroundings, _quote(source))
    if all(len(own) == 1 for own in tests):
        either = [own[0] for own in tests]
        together = _united(either)
        return writer.negated(together) if together is not None else writer.negated_pair(either, "or")
    return writer.negated_pair(tests[0], "and") if len(tests) == 1 else None


def _essential(tests: Sequence[Test]) -> tuple[Test, ...]:
    """Some tests without what others of them say already: `norm is not None` beside `norm == 'bn'`."""
    settled = {(test.function, test.argument) for test in tests if test.relation in _SETTLING}
    return tuple(dict.fromkeys(t for t in tests if t.relation in _SETTLING or (t.function, t.argument) not in settled))


_SETTLING = ("==", "in")


def _united(tests: Sequence[Test]) -> Test | None:
    """One test for several alternatives: `norm in ('bn', 'in')`."""
    first, *others = tests
    if not others:
        return first
    same = all((test.function, test.argument) == (first.function, first.argument) for test in others)
    if not same or any(test.relation not in ("==", "in", "is") for test in tests):
        return None
    return Test(first.function, first.argument, "in", tuple(dict.fromkeys(v for test in tests for v in test.values)))


class _Writer:
    """Writes tests for one place of the source."""

    def __init__(self, surroundings: Surroundings, quote: str) -> None:
        self._surroundings = surroundings
        self._quote = quote

    def negated(self, test: Test) -> str | None:
        """The opposite of a test, without a double `not`."""
        name = self._surroundings.spelling(test.function, test.argument)
        if name is None:
            return None
        match test.relation, test.values:
            case "true", _:
                return f"not {name}"
            case "false", _:
                return name if test.is_bool else None
            case "in" | "not in" as relation, (value,):
                return f"{name} {'!=' if relation == 'in' else '=='} {self._value(value)}"
            case ("in" | "not in") as relation, values:
                return f"{name} {_OPPOSITE[relation]} ({', '.join(map(self._value, values))})"
            case relation, (value,):
                return f"{name} {_OPPOSITE[relation]} {self._value(value)}"
            case _:
                return None

    def negated_pair(self, tests: Sequence[Test], word: str) -> str | None:
        """The opposite of two tests joined by `and` or `or`."""
        if len(tests) != 2:
            return None
        left, right = map(self.negated, tests)
        if left is None or right is None:
            return None
        if all(test.relation == "true" for test in tests):
            return f"not ({left.removeprefix('not ')} {word} {right.removeprefix('not ')})"
        return f"{left} {'or' if word == 'and' else 'and'} {right}"

    def _value(self, value: object) -> str:
        text = repr(value)
        plain = isinstance(value, str) and re.fullmatch(r"'[^'\"\\]*'", text)
        return self._quote + text[1:-1] + self._quote if plain else text


_OPPOSITE: Mapping[str, str] = {"==": "!=", "!=": "==", "is": "is not", "is not": "is", "in": "not in", "not in": "in"}


def _quote(source: Source) -> str:
    """The quotation mark that the file prefers."""
    text = source.text.replace('"""', "")
    return '"' if text.count('"') > text.count("'") else "'"
