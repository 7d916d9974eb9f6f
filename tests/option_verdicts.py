"""What the analysis says about a model with options, against what torch finds when it runs every combination.

Judged for each constructor call, by its line and the classes of its layers, over all layers that it makes in any run:

- *plain*: `redundant`: no run of any entry reads the bias. `redundant in every use found`: the same for the entries
  that are no helpers. `unused`: no run reads it.
- *condition*: its tests as code (`Site.alternatives`), and its words as Python, are evaluated for every layer: the
  arguments of a constructor as they were when the layer was made, those of `forward` each time that it was applied (it
  holds if it holds each time). Where it holds, no run reads the bias. If it is false somewhere, then some run in which
  it is false reads the bias. A layer without bias, or one that is never applied, tells nothing.
- A helper class or function by itself counts for a condition only if it can cancel the bias by itself: otherwise it
  leaves that to its users, and the condition is about these.

Not judged, but counted: conditions whose words are no Python or name nothing that was recorded; conditions that say
themselves that not every path was followed; those that are never false, or never true, in any run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from torch import nn

from biaslens.flow import Site, Verdict
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.program.ir import Test
from biaslens.syntax.files import Files
from biaslens.text import Source
from biaslens.verdicts import NOT_ALL_FOLLOWED
from option_runs import Given, OptionModel, Run, Seen, Stack, runs, wider
from proof import Reading

PATH = "/project/model.py"

PLAIN = (Verdict.REDUNDANT, Verdict.IN_EVERY_USE)


class Judged(Enum):
    """What torch says about one verdict."""

    TRUE = "true"
    REFUTED = "plain, but read"
    FALSE = "the condition holds, but it is read"
    VACUOUS = "the condition is false, but it is never read"
    WRONG_UNUSED = "unused, but read"
    UNTOLD = "the condition cannot be evaluated"
    INCOMPLETE = "the condition says that it is incomplete"
    ONE_SIDED = "the condition is never false, or never true"
    NARROW = "the condition is false, but it is cancelled, in some run"
    SILENT = "torch finds it cancelled in every run, but nothing plain is said"
    NO_CLAIM = "no claim, or no layer that has a bias and is applied"


_WRONG = (Judged.REFUTED, Judged.FALSE, Judged.VACUOUS, Judged.WRONG_UNUSED)


@dataclass(frozen=True, slots=True)
class Opinion:
    """One site judged. by_code: what is judged is the condition as code. run: the text of the run that says so."""

    judged: Judged
    line: int
    verdict: str
    condition: str
    by_code: bool
    run: str = ""
    always_cancelled: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether torch refutes the verdict."""
        return self.judged in _WRONG


def report_of(text: str) -> Report:
    """What the analysis says."""
    return lint(Source(PATH, text), Files({PATH: text}), Options())


def opinions(report: Report, found: Sequence[Run]) -> list[Opinion]:
    """Every site of a model judged, in the order of the source."""
    names = _names_in(report.source.text)
    return [_opinion(site, _line(report, site), found, names) for site in report.flow.sites]


@dataclass(frozen=True, slots=True)
class _Meanings:
    """What names may mean that were no arguments.

    bound: those that code binds while it runs; what they were then was not recorded. absent: what keys of dicts stand
    for that are not there, as `get` has it, where there is one answer.
    """

    bound: frozenset[str]
    absent: Mapping[str, Any]


def _names_in(text: str) -> _Meanings:
    nodes = [*ast.walk(ast.parse(text))]
    bound = frozenset(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    defaults: dict[str, set[str]] = {}
    for node in nodes:
        match node:
            case ast.Call(ast.Attribute(attr="get" | "pop"), [ast.Constant(str(key)), *rest]):
                defaults.setdefault(key, set()).add(ast.unparse(rest[0]) if rest else "None")
            case _:
                pass
    codes = {key: next(iter(found)) for key, found in defaults.items() if len(found) == 1}
    return _Meanings(bound, {key: eval(code, {"nn": nn}) for key, code in codes.items()})


def wrong(model: OptionModel, seeds: Sequence[int] = (1, 2)) -> list[Opinion]:
    """What torch refutes, with several random numbers.

    A condition that is false and never read may be about values that no combination has: then others are tried.
    """
    report = report_of(model.text)
    first = runs(model, seeds[0])
    found = [opinion for opinion in opinions(report, first) if opinion.is_wrong]
    for seed in seeds[1:]:
        if not found:
            break
        again = {(o.line, o.judged) for o in opinions(report, runs(model, seed))}
        found = [opinion for opinion in found if (opinion.line, opinion.judged) in again]
    vacuous = {opinion.line for opinion in found if opinion.judged is Judged.VACUOUS}
    for other in wider(model) if vacuous else ():
        told = [
            o for o in opinions(report, [*first, *runs(other)]) if o.line in vacuous and o.judged is not Judged.VACUOUS
        ]
        lines = {opinion.line for opinion in told}
        vacuous -= lines
        found = [opinion for opinion in found if opinion.line not in lines] + [o for o in told if o.is_wrong]
        if not vacuous:
            break
    return found


def _line(report: Report, site: Site) -> int:
    return report.source.line_and_column(site.location.span.start)[0] + 1


def _opinion(site: Site, line: int, found: Sequence[Run], names: _Meanings) -> Opinion:
    classes = {layer.class_name for layer in site.layers}
    is_norm = site.layer.entry.role != "affine"
    seen = [
        (run, layer)
        for run in found
        for layer in run.layers
        if layer.line == line and layer.is_norm is is_norm and layer.class_name in classes and layer.has_bias
    ]
    used = [(run, layer) for run, layer in seen if layer.reading is not Reading.UNREACHED]
    roots = [(run, layer) for run, layer in used if run.entry.is_root]
    readings = {layer.reading for _, layer in (roots or used)}
    always = readings == {Reading.CANCELLED} and all(
        layer.reading is Reading.CANCELLED or layer.handed_out for _, layer in used
    )

    def opinion(judged: Judged, run: Run | None = None, by_code: bool = False) -> Opinion:
        return Opinion(judged, line, site.verdict.value, site.condition, by_code, run.text if run else "", always)

    def reading(where: Sequence[tuple[Run, Seen]]) -> Run | None:
        return next((run for run, layer in where if layer.reading is Reading.READ), None)

    match site.verdict:
        case _ if not used:
            return opinion(Judged.NO_CLAIM)
        case Verdict.REDUNDANT:
            run = reading(used)
            return opinion(Judged.REFUTED, run) if run else opinion(Judged.TRUE)
        case Verdict.IN_EVERY_USE:
            run = reading(roots)
            return opinion(Judged.REFUTED, run) if run else opinion(Judged.TRUE)
        case Verdict.UNUSED:
            run = reading(used)
            return opinion(Judged.WRONG_UNUSED, run) if run else opinion(Judged.TRUE)
        case Verdict.CONDITIONAL:
            return opinion(*_of_condition(site, used, names))
        case _:
            return opinion(Judged.SILENT if always else Judged.NO_CLAIM)


def _of_condition(site: Site, used: list[tuple[Run, Seen]], names: _Meanings) -> tuple[Judged, Run | None, bool]:
    words, _, _ = site.condition.partition(f"; {NOT_ALL_FOLLOWED}")
    alone = [(run, layer) for run, layer in used if not run.entry.is_root]
    if alone and not any(layer.reading is Reading.CANCELLED for _, layer in alone):
        used = [(run, layer) for run, layer in used if run.entry.is_root]
    by_code = _sides(used, lambda run, stack: _as_code(site, stack)) if site.alternatives else None
    in_words = _sides(used, lambda run, stack: _in_words(words, stack, _keywords_of(run), names))
    judged = _of_sides(by_code or in_words)
    if judged[0] is Judged.VACUOUS and site.condition != words:
        return Judged.INCOMPLETE, None, False
    if judged[0] not in _WRONG and by_code is not None:  # then what a person reads has to be true as well
        spoken = _of_sides(in_words)
        return (*spoken, False) if spoken[0] is Judged.FALSE else (*judged, True)
    return (*judged, by_code is not None)


_Sides: TypeAlias = "Mapping[bool, Sequence[tuple[Run, Seen]]]"


def _sides(used: list[tuple[Run, Seen]], holds: Callable[[Run, Stack], bool | None]) -> _Sides:
    """The layers for which a condition holds each time that they are applied, and those for which it does not."""
    sides: dict[bool, list[tuple[Run, Seen]]] = {True: [], False: []}
    for run, layer in used:
        answers = [holds(run, (*stack, *layer.made)) for stack in layer.applied]
        answer = _and(answers)
        if answer is not None:
            sides[answer].append((run, layer))
    return sides


def _of_sides(sides: _Sides) -> tuple[Judged, Run | None]:
    if not sides[True] and not sides[False]:
        return Judged.UNTOLD, None
    for run, layer in sides[True]:
        if layer.reading is Reading.READ:
            return Judged.FALSE, run
    if not sides[False] or not sides[True]:
        return Judged.ONE_SIDED, None
    if all(layer.reading is not Reading.READ for _, layer in sides[False]):
        return Judged.VACUOUS, sides[False][0][0]
    if any(layer.reading is Reading.CANCELLED for _, layer in sides[False]):
        return Judged.NARROW, None
    return Judged.TRUE, None


def _as_code(site: Site, stack: Stack) -> bool | None:
    answers = [_and([_test(test, stack) for test in tests]) for tests in site.alternatives]
    return True if True in answers else None if None in answers else False


def _and(answers: Sequence[bool | None]) -> bool | None:
    return False if False in answers else None if None in answers else True


def _test(test: Test, stack: Stack) -> bool | None:
    _, offset, name = test.function.rsplit(":", 2)
    argument, *attributes = test.argument.split(".")
    for given in stack:
        if given.function == f"{offset}:{name}" and argument in given.arguments:
            value = given.arguments[argument]
            for attribute in attributes:
                if not hasattr(value, attribute):
                    return None
                value = getattr(value, attribute)
            return _relation(test.relation, value, test.values)
    return None


def _relation(relation: str, value: Any, values: tuple[Any, ...]) -> bool:
    match relation:
        case "true" | "false":
            return bool(value) is (relation == "true")
        case "is" | "is not":
            return (value is values[0]) is (relation == "is")
        case "==" | "!=":
            return bool(value == values[0]) is (relation == "==")
        case _:
            return (value in values) is (relation == "in")


_CONSTANT = r"(?:'[^']*'|-?\d[\d.]*|None|True|False)"
_WORDS: Mapping[re.Pattern[str], str] = {
    re.compile(r"with the default `(\w+)=([^`]*)`"): r"(\1 == \2)",
    re.compile(r"another `(\w+)` than `([^`]*)`"): r"(\1 != \2)",
    re.compile(rf" is none of ({_CONSTANT}(?:, {_CONSTANT})*)"): r" not in (\1,)",
    re.compile(rf" is ({_CONSTANT}(?: or {_CONSTANT})+)"): r" in (\1,)",
    re.compile(r" is (true|false)\b"): r" is _\1_",
}
"""What the analysis says otherwise than Python; `in ('bn' or 'in',)` is left to `_Truth`."""


class _Truth(ast.NodeTransformer):
    """`x is _true_` is `bool(x)`, and `x in ('bn' or 'in',)` has both."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Compare(left, [ast.Is()], [ast.Name("_true_" | "_false_" as which)]):
                opposite = ast.UnaryOp(ast.Not(), left)
                return opposite if which == "_false_" else ast.UnaryOp(ast.Not(), opposite)
            case ast.Compare(left, [ast.In()], [ast.Tuple([ast.BoolOp(ast.Or(), values)])]):
                return ast.Compare(left, [ast.In()], [ast.Tuple(values, ast.Load())])
            case _:
                return node


def _keywords_of(run: Run) -> Sequence[str]:
    """What may be in the `**kwargs` of a constructor."""
    return [option.name for option in run.entry.options if option.place == "argument"]


def _in_words(condition: str, stack: Stack, offered: Sequence[str], meanings: _Meanings) -> bool | None:
    """The words as Python.

    Names are looked up in each function that has all of them, or in all at once; None where the answers differ.
    """
    code = condition
    for words, python in _WORDS.items():
        code = words.sub(python, code)
    try:
        tree = ast.fix_missing_locations(_Truth().visit(ast.parse(code, mode="eval")))
    except SyntaxError:
        return None
    if any(isinstance(node, ast.Name) and node.id in meanings.bound for node in ast.walk(tree)):
        return None
    compiled = compile(tree, "<condition>", "eval")
    absent = {name: meanings.absent[name] for name in offered if name in meanings.absent}
    each = [_names(given, absent) for given in stack]
    together = {name: value for names in reversed(each) for name, value in names.items()}
    answers: set[bool] = set()
    for names in (*each, together):
        try:
            answers.add(bool(eval(compiled, {"nn": nn}, names)))
        except Exception:  # it is about something that has another name here
            continue
    return answers.pop() if len(answers) == 1 else None


def _names(given: Given, absent: Mapping[str, Any]) -> dict[str, Any]:
    """What a function was given, by name. absent: what stands for that which may be in its `**kwargs`, and is not."""
    names = given.arguments if given.keywords is None else {**absent, **given.keywords, **given.arguments}
    return {name: {**value} if type(value) is dict else value for name, value in names.items()}  # words may change it


def judged_text(model: OptionModel, opinion: Opinion) -> str:
    """The contradiction for a person: what, where, in which run, and the model."""
    said = f"{opinion.verdict}: {opinion.condition}" if opinion.condition else opinion.verdict
    where = f" in {opinion.run}" if opinion.run else ""
    return f"line {opinion.line} is `{said}`, but {opinion.judged.value}{where}:\n{model.text}"


def summary(found: Sequence[Opinion]) -> Mapping[str, int]:
    """How many opinions there are of each kind, and of the biases that torch finds cancelled in every run."""
    counts = {judged.value: sum(o.judged is judged for o in found) for judged in Judged}
    always = [o for o in found if o.always_cancelled]
    plain = [o for o in always if o.verdict in (Verdict.REDUNDANT.value, Verdict.IN_EVERY_USE.value)]
    return {**counts, "always cancelled": len(always), "of these said plainly": len(plain)}
