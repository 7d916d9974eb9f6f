"""From fates to verdicts: what all uses of one constructor call say together."""

from __future__ import annotations

import ast
import operator
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeAlias, TypeGuard

from biaslens.flow import Ending, Fate, Part, Site, Verdict
from biaslens.grounds import Grounds, answers_of
from biaslens.program.coverage import EVERYTHING, Cube
from biaslens.program.ir import Answer, Layer, Path, Program, Run, Test, negated
from biaslens.program.origins import Origin, weakest
from biaslens.text import Location

MAX_FATES = 24
"""More fates of one site than this tell nobody more."""


MAX_PATHS = 24
"""So many paths are asked with which answers a bias is cancelled; nobody reads a longer condition."""


@dataclass(frozen=True, slots=True)
class Use:
    """What became of one layer on one path; `fates` is empty where it is never applied.

    rests_on: the answers on which this rests; the same comes of every path that gives them.
    parts: those parts of its bias that are cancelled wherever they go, while the whole is not; each with what that
    rests on.
    absorbed: its fates where later biases take it over; empty where they do not do so in every use.
    unshifted: as `Site.unshifted`, on this path.
    by_hand: where code takes the bias itself, `layer.bias`, whatever it does with it.
    handed: code that nobody knows on which this rests, since the model was handed to it, by its name, or "".
    """

    run: Run
    path: Path
    layer: Layer
    fates: tuple[Fate, ...]
    rests_on: Cube = EVERYTHING
    parts: tuple[tuple[Part, tuple[Fate, ...], Cube], ...] = ()
    absorbed: tuple[Fate, ...] = ()
    unshifted: bool = False
    by_hand: tuple[Location, ...] = ()
    handed: str = ""

    @property
    def cancelled(self) -> bool:
        """Whether every end of the shift is a cancellation."""
        return all(fate.ending is Ending.CANCELLED for fate in self.fates)


@dataclass(frozen=True, slots=True)
class _Judgement:
    verdict: Verdict
    condition: str = ""
    origin: str = ""
    by_default: bool = True
    alternatives: tuple[tuple[Test, ...], ...] = ()
    by_use: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A site, and all that it rests on: the uses themselves, and the definition in whose text its call stands."""

    uses: tuple[Use, ...]
    home: str | None
    site: Site

    def rests_on(self, uses: Sequence[Use], home: str | None) -> bool:
        """Whether these are the same ones."""
        return home == self.home and len(uses) == len(self.uses) and all(map(operator.is_, uses, self.uses))


Known: TypeAlias = "dict[Location, Judged]"


def sites_of(program: Program, uses: Sequence[Use], known: Known | None = None) -> tuple[Site, ...]:
    """One site per constructor call, in the order of the source.

    known: sites that were judged before; where the uses are the very same, the verdict is as well. Effect: holds all
    those that are given back, and no others.
    """
    by_place: dict[Location, list[Use]] = {}
    for use in uses:
        by_place.setdefault(use.layer.site, []).append(use)
    homes = _Homes(program)
    before = known or {}
    after: Known = {}
    for place, group in sorted(by_place.items(), key=lambda pair: pair[0]):
        home, same = homes.of(place), before.get(place)
        if same is None or not same.rests_on(group, home):
            same = Judged(tuple(group), home, _with_parts(_site(place, home, group), home, group))
        after[place] = same
    if known is not None:
        known.clear()
        known.update(after)
    return tuple(judged.site for judged in after.values())


class _Homes:
    """Finds the definition of the entry in whose text a call stands, the innermost one."""

    def __init__(self, program: Program) -> None:
        own = sorted((run for run in program.runs if run.location.path == program.path), key=lambda run: run.location)
        self._path = program.path
        self._layerless = program.layerless
        self._runs = own
        self._starts = [run.location.span.start for run in own]
        self._ends = [*accumulate((run.location.span.end for run in own), max)]

    def of(self, place: Location) -> str | None:
        """None where a call stands in no entry, "" where it stands in one without a layer of its own."""
        index = bisect_right(self._starts, place.span.start) - 1
        while place.path == self._path and index >= 0 and self._ends[index] >= place.span.end:
            if self._runs[index].location.span.end >= place.span.end:
                return self._runs[index].definition
            index -= 1
        is_layerless = any(whole.contains(place) for whole in self._layerless)
        return "" if is_layerless else None


def _with_parts(site: Site, home: str | None, uses: list[Use]) -> Site:
    """The site with those parts of its bias that have no effect in any use, though the whole may have one."""
    if site.verdict not in (Verdict.NEEDED, Verdict.UNKNOWN):
        return site
    found: list[Site] = []
    if site.handed:  # what nobody knows of is told of whole biases only
        return site
    for part in dict.fromkeys(part for use in uses for part, _, _ in use.parts):
        of_part = [_use_of(part, use) for use in uses]
        alone = _site(site.location, home, of_part)
        if alone.verdict not in (Verdict.REDUNDANT, Verdict.CONDITIONAL) or not alone.by_default:
            continue
        if alone.verdict is Verdict.CONDITIONAL and not _seen_both_ways(of_part):
            continue
        if _is_one(part, uses):
            found.append(replace(alone, verdict=site.verdict, part=part))
    return replace(site, parts=tuple(found))


def _seen_both_ways(uses: list[Use]) -> bool:
    """Whether all that is asked wherever a shift is cancelled has been answered in several ways.

    Where the other side failed, for want of a second answer, a condition that leaves it out would promise too much.
    """
    for definition in {use.run.definition for use in uses}:
        group = [use for use in uses if use.run.definition == definition]
        answers = {(a.question.key, a.choice) for use in group for path in use.run.paths for a in path.answers}
        good = [{a.question.key: a.question.origin for a in use.path.answers} for use in group if use.cancelled]
        always = [key for key in (good[0] if good else ()) if all(key in asked for asked in good)]
        decided = [key for key in always if good[0][key] not in (Origin.DATA, Origin.MODE)]
        if any(sum(key == asked for asked, _ in answers) < 2 for key in decided):
            return False
    return True


def _is_one(part: Part, uses: list[Use]) -> bool:
    """Whether a part has the same entries wherever one model may use it: `view(-1, 3, n)` says not which `n`."""
    details = {(use.run.definition, same.detail) for use in uses for same, _, _ in use.parts if same == part}
    return len(details) == len({definition for definition, _ in details})


def _use_of(part: Part, use: Use) -> Use:
    """What becomes of a part of a bias: where it is not cancelled, or not taken apart, what becomes of the whole."""
    found = next(((fates, rests_on) for same, fates, rests_on in use.parts if same == part), None)
    fates, rests_on = found if found is not None else (use.fates, use.rests_on)
    return replace(use, fates=fates, rests_on=rests_on, absorbed=())


def _site(place: Location, home: str | None, uses: list[Use]) -> Site:
    applied = [use for use in uses if use.fates]
    usual = [use for use in applied if _is_usual(use, home)]
    live = [use for use in applied if use.layer.bias is not False] or applied  # a bias that is not there reads nothing
    alone = [use for use in live if not _is_elsewhere(use, home)]
    contexts = _telling_contexts([use for use in live if _is_elsewhere(use, home)])
    grounds = _grounds(place, uses)
    judgement = _judge(alone, contexts, grounds)
    if judgement.verdict in (Verdict.NEEDED, Verdict.UNKNOWN) and _is_absorbed([*alone, *contexts], grounds):
        alone, contexts = (
            [replace(use, fates=use.absorbed or use.fates) for use in group] for group in (alone, contexts)
        )
        judgement = _Judgement(Verdict.ABSORBED, f"the bias of {_absorbers([*alone, *contexts])} takes it over")
    handed = next((use.handed for use in uses if use.handed), "")
    judgement = _resting_on(handed, judgement)
    spokesman = _spokesman([use for use in (*alone, *contexts) if _is_usual(use, home)], [*alone, *contexts])
    first = [*(_reading(alone, contexts) if judgement.verdict is Verdict.NEEDED else ()), *filter(None, [spokesman])]
    fates = [fate for use in (*first, *alone, *contexts) for fate in use.fates]
    if not fates and judgement.verdict is Verdict.UNKNOWN:
        fates = [Fate(Ending.UNKNOWN, (), judgement.condition, uses[0].run.name, ())]
    seen_in = tuple(dict.fromkeys(use.run.name for use in contexts))
    return Site(
        place,
        spokesman.layer if spokesman else uses[0].layer,
        judgement.verdict,
        _shortened(fates),
        judgement.condition,
        judgement.origin,
        seen_in,
        judgement.by_default and any(use.layer.bias is not False for use in usual),
        alternatives=judgement.alternatives,
        by_use=judgement.by_use,
        layers=tuple(dict.fromkeys(replace(use.layer, number=0, influence=0) for use in uses)),
        misses=any(use.layer.bias is False and _has_an_effect(use) for use in applied),
        unshifted=bool(applied) and all(use.unshifted for use in applied),
        by_hand=tuple(dict.fromkeys(place for use in uses for place in use.by_hand)),
        handed=handed,
    )


_AllGrounds: TypeAlias = "Mapping[str, Grounds]"
"""By the definition of the entry."""


def _grounds(place: Location, uses: Sequence[Use]) -> _AllGrounds:
    by_run: dict[str, list[Use]] = {}
    for use in uses:
        by_run.setdefault(use.run.definition, []).append(use)
    may_be_on = any(use.layer.bias is not False for use in uses)  # else: what would become of a bias
    return {
        definition: Grounds(
            group[0].run,
            place,
            ((use.path, use.rests_on, use.cancelled or (may_be_on and use.layer.bias is False)) for use in group),
        )
        for definition, group in by_run.items()
    }


def _resting_on(handed: str, judgement: _Judgement) -> _Judgement:
    """What is left of a judgement where code that nobody knows got the model, and may have changed it."""
    leaves = f"`{handed}`, which could not be followed, leaves it as it is"
    match judgement.verdict:
        case Verdict.REDUNDANT | Verdict.IN_EVERY_USE if handed:
            return _Judgement(Verdict.CONDITIONAL, leaves, "handed", judgement.by_default)
        case Verdict.CONDITIONAL if handed:
            return replace(judgement, condition=f"{judgement.condition} and {leaves}")
        case Verdict.ABSORBED | Verdict.UNUSED if handed:
            return _Judgement(Verdict.UNKNOWN, f"it is handed to `{handed}`, which could not be followed")
        case _:
            return judgement


def _has_an_effect(use: Use) -> bool:
    """Whether a bias of the layer changes something, for all that is known; of what could not be followed it is not."""
    return any(fate.ending in (Ending.READ, Ending.RETURNED) for fate in use.fates)


def _is_usual(use: Use, home: str | None) -> bool:
    """Whether a use is one with the defaults, or one in another definition."""
    return _is_elsewhere(use, home) or _is_default(use)


def _is_elsewhere(use: Use, home: str | None) -> bool:
    """Whether a use belongs to another definition than the one with the call in it, or one that derives from that."""
    return home is not None and use.run.definition != home and home not in use.run.extends


def _telling_contexts(contexts: list[Use]) -> list[Use]:
    """The contexts without classes that others use: seen alone they may not tell, seen in those they do."""
    by_root: dict[str, list[Use]] = {}
    for use in contexts:
        by_root.setdefault(use.run.definition, []).append(use)
    open_ = {
        definition
        for definition, group in by_root.items()
        if not all(use.cancelled for use in group)
        and _explains_nothing(group)
        and any(definition in uses[0].run.used for other, uses in by_root.items() if other != definition)
    }
    return [use for use in contexts if use.run.definition not in open_]


def _spokesman(usual: list[Use], every: list[Use]) -> Use | None:
    """The use to speak of, where the call makes several layers: one whose bias is cancelled, and surely there."""
    for group in ([use for use in usual if use.cancelled], [use for use in every if use.cancelled], every):
        trusted = [use for use in group if not use.layer.tampered]
        for bias in (True, None, False):
            found = next((use for use in trusted if use.layer.bias is bias), None)
            if found is not None:
                return found
    return every[0] if every else None


def _judge(alone: list[Use], contexts: list[Use], grounds: _AllGrounds) -> _Judgement:
    uses = [*alone, *contexts]
    if not uses:
        if not all(ground.is_covered for ground in grounds.values()):
            return _Judgement(Verdict.UNKNOWN, NOT_ALL_FOLLOWED)
        return _Judgement(Verdict.UNUSED, "it is not applied on any path that was followed")
    if all(use.cancelled for use in uses):
        return _all_cancelled(alone, contexts, grounds)
    conditional = _conditional(alone, contexts, grounds)
    reading = _reading(alone, contexts)
    if reading:
        conditional = conditional and _with_users(conditional, contexts, reading, grounds)
        return conditional or _fallback(reading)
    if contexts and all(use.cancelled for use in contexts) and _explains_nothing(alone):
        if not _are_seen(contexts, grounds):
            return conditional or _Judgement(Verdict.UNKNOWN, NOT_ALL_FOLLOWED)
        if conditional is None:
            return _Judgement(Verdict.IN_EVERY_USE, f"in every use found: {_names(contexts)}")
        return conditional
    is_one = len({use.run.definition for use in alone}) <= 1  # else a class that derives from it decides as well
    conditional = conditional or (_by_argument(uses) if is_one and _are_covered(alone, grounds) else None)
    return conditional or _fallback(uses if not contexts or not _explains_nothing(alone) else contexts)


def _all_cancelled(alone: list[Use], contexts: list[Use], grounds: _AllGrounds) -> _Judgement:
    if alone and _are_seen(alone, grounds):
        return _Judgement(Verdict.REDUNDANT)
    if not alone and _are_seen(contexts, grounds):
        return _Judgement(Verdict.IN_EVERY_USE, f"in every use found: {_names(contexts)}")
    return _conditional(alone, contexts, grounds) or _Judgement(Verdict.UNKNOWN, NOT_ALL_FOLLOWED)


NOT_ALL_FOLLOWED = "not all ways through the code could be followed"
"""Why nothing is known of other answers; behind a condition, that it may be enough with these as well."""


def _are_covered(uses: Iterable[Use], grounds: _AllGrounds) -> bool:
    """Whether what was followed speaks for all answers, in each entry."""
    return all(grounds[definition].is_covered for definition in {use.run.definition for use in uses})


def _are_seen(uses: Sequence[Use], grounds: _AllGrounds) -> bool:
    """Whether some uses can be spoken of; of a bias that none of them has nothing but an explanation follows."""
    return all(use.layer.bias is False for use in uses) or _are_covered(uses, grounds)


def _is_absorbed(uses: list[Use], grounds: _AllGrounds) -> bool:
    """Whether later biases take it over on every path, and no path of which this was not seen exists."""
    everywhere = all(use.cancelled or use.absorbed for use in uses) and any(use.absorbed for use in uses)
    return everywhere and all(grounds[use.run.definition].answers_singly(use.rests_on) for use in uses)


def _absorbers(uses: list[Use]) -> str:
    ends = [fate for use in uses for fate in use.fates if fate.ending is Ending.ABSORBED]
    labels = list(dict.fromkeys(fate.norm.label for fate in ends if fate.norm is not None))
    return " and ".join(labels[:3]) + (" and more" if len(labels) > 3 else "")


def _explains_nothing(alone: list[Use]) -> bool:
    """Whether the class or helper, seen by itself, only hands the shift out or depends on what its caller passes."""
    endings = {fate.ending for use in alone for fate in use.fates}
    return Ending.READ not in endings


def _conditional(alone: list[Use], contexts: list[Use], grounds: _AllGrounds) -> _Judgement | None:
    """The answers with which it is cancelled, whatever the others are."""
    for group in (alone, contexts if _explains_nothing(alone) else []):
        found = _regions(group, grounds, are_one=group is alone)
        if found is None:
            continue
        answers, cancelled = found
        origin = weakest(answer.question.origin for own in answers for answer in own).value
        condition = _in_words(answers) + ("" if _are_covered(group, grounds) else f"; {NOT_ALL_FOLLOWED}")
        by_default = any(_is_default(use) for use in cancelled) or any(use.cancelled for use in contexts)
        tests = _as_tests(answers)
        return _Judgement(Verdict.CONDITIONAL, condition, origin, by_default, tests)
    return None


def _reading(alone: list[Use], contexts: list[Use]) -> list[Use]:
    """The uses elsewhere by users who freeze or replace what would cancel the bias, or who call the layer itself.

    All others end as the class by itself does with some answers, or go on from where that ends.
    """
    return [] if _explains_nothing(alone) else [use for use in contexts if not _is_told_by(alone, use)]


def _is_told_by(alone: list[Use], use: Use) -> bool:
    ends = [fate for one in alone for fate in one.fates]
    known = [fate for fate in use.fates if fate.ending in (Ending.READ, Ending.RETURNED)]
    return all(any(end.leads_to(fate) for end in ends) for fate in known)


def _with_users(
    conditional: _Judgement, contexts: list[Use], reading: list[Use], grounds: _AllGrounds
) -> _Judgement | None:
    """A condition of a class together with those of the users that may read the bias by themselves."""
    definitions = {use.run.definition for use in reading}
    found = _conditional([], [use for use in contexts if use.run.definition in definitions], grounds)
    if found is None:
        return None
    open_end = f"; {NOT_ALL_FOLLOWED}"
    words = [one.condition.removesuffix(open_end) for one in (conditional, found)]
    words = [f"({text})" if " or " in text else text for text in dict.fromkeys(words)]
    is_open = conditional.condition.endswith(open_end) or found.condition.endswith(open_end)
    condition = " and ".join(words) + (open_end if is_open else "")
    origin = weakest(map(Origin, (conditional.origin, found.origin))).value
    return replace(conditional, condition=condition, origin=origin, alternatives=())


def _by_argument(uses: list[Use]) -> _Judgement | None:
    """An argument of the helper that makes the layer, where it alone tells the cancelled uses from all others."""
    good = [{passed.name: passed for passed in use.layer.call} for use in uses if use.cancelled]
    bad = [{passed.name: passed for passed in use.layer.call} for use in uses if not use.cancelled]
    if not good or not bad:
        return None
    for name in sorted(good[0], key=lambda name: _says_little(good[0][name].text)):
        if not all(name in call for call in (*good, *bad)):
            continue
        wanted = {call[name] for call in good}
        others = {call[name] for call in bad}
        if wanted & others:
            continue
        texts = sorted(passed.text for passed in wanted)
        tests = sorted({passed.test for passed in wanted}, key=_in_words_of_a_test)
        if {passed.text for passed in others} == {f"{name} is None"}:
            texts = [f"{name} is not None"]
            tests = [passed.test and negated(passed.test) for passed in others]
        alternatives = tuple((test,) for test in tests if test is not None)
        if len(alternatives) < len(tests):
            alternatives = ()
        return _Judgement(
            Verdict.CONDITIONAL, _alternatives(texts), Origin.CONSTRUCTOR.value, True, alternatives, by_use=True
        )
    return None


def _in_words_of_a_test(test: Test | None) -> str:
    return "" if test is None else f"{test.argument} {test.relation} {test.values}"


def _says_little(condition: str) -> bool:
    """Whether an argument is a number: two uses often differ in a size as well, which is not why."""
    return condition.rpartition("== ")[2].lstrip("-")[:1].isdigit()


def _regions(
    uses: list[Use], grounds: _AllGrounds, *, are_one: bool
) -> tuple[list[tuple[Answer, ...]], list[Use]] | None:
    """For the cancelled paths of each entry the answers that are enough for it, and the cancelled uses.

    are_one: what is enough for one entry has to be so for all of them, which are classes that derive from each other.
    """
    answers: list[tuple[Answer, ...]] = []
    cancelled: list[Use] = []
    said: set[str] = set()
    for definition in dict.fromkeys(use.run.definition for use in uses):
        ground = grounds[definition]
        good = [use for use in uses if use.run.definition == definition and ground.is_cancelled_on(use.path)]
        paths = list({id(use.path): use.path for use in good}.values())[:MAX_PATHS]
        regions = [(path, region) for path in paths if (region := ground.region(path)) is not None]
        if not regions:
            return None
        found = list(dict.fromkeys(answers_of(path, region) for path, region in regions))
        told = [own for own in found if all(map(_is_somebodys_choice, own))]
        told = [own for own in told if not any(map(ground.decides_a_recursion, own))]
        if found and not told:
            return None
        names = {answer.text.partition(" == ")[0] for own in told for answer in own if " == " in answer.text}
        listed = {(t.argument, value) for own in told if len(own) == 1 and (t := own[0].test) for value in _listed(t)}
        told = [own for own in told if not (len(own) == 1 and _is_among(own[0], listed))] or told
        given = {test.argument for own in told if len(own) == 1 and _is_any_value(test := own[0].test)}
        told = [own for own in told if not (len(own) == 1 and _default_of(own[0]) in given)] or told
        spoken = [tuple(_as_equation(answer, names) for answer in own) for own in told if own]
        said.add(_in_words(spoken) if spoken else "")
        if are_one and len(said - {""}) > 1:
            return None
        answers += spoken
        cancelled += good
    return (list(dict.fromkeys(answers)), cancelled) if answers else None


def _is_somebodys_choice(answer: Answer) -> bool:
    """Whether an answer is up to who builds the model, or calls it. How long a list is, or a tensor, is a size."""
    return (
        answer.question.origin not in (Origin.DATA, Origin.RESULT, Origin.MODE) and not answer.question.is_about_rounds
    )


def _as_tests(answers: Sequence[tuple[Answer, ...]]) -> tuple[tuple[Test, ...], ...]:
    """The answers of each good path as code; nothing where one of them is no test of an argument."""
    tests = tuple(tuple(answer.test for answer in own if answer.test is not None) for own in answers)
    return tuple(dict.fromkeys(tests)) if list(map(len, tests)) == list(map(len, answers)) else ()


def _listed(test: Test) -> tuple[str | int | float | bool | None, ...]:
    """The values of which an argument has to be one."""
    return test.values if test.relation == "in" else ()


def _is_among(answer: Answer, listed: Collection[tuple[str, str | int | float | bool | None]]) -> bool:
    """Whether a parameter has its default, and that is one of the values that are told for it."""
    test = answer.test
    if test is None or test.relation != "==" or not _is_about_default(answer) or answer.choice != "default":
        return False
    return (test.argument, test.values[0]) in listed


def _is_any_value(test: Test | None) -> TypeGuard[Test]:
    """Whether a test only asks that an argument be there: a class by default is."""
    return test is not None and (test.relation == "true" or (test.relation, test.values) == ("is not", (None,)))


def _default_of(answer: Answer) -> str:
    """The parameter that has its default, if that is no constant."""
    is_default = _is_about_default(answer) and answer.choice == "default" and answer.test is None
    return answer.question.text.partition("=")[0] if is_default and not answer.question.is_about_number else ""


def _as_equation(answer: Answer, names: set[str]) -> Answer:
    """The default of a parameter as "norm == 'bn'", to stand beside other values of it."""
    name, _, default = answer.question.text.partition("=")
    if _is_about_default(answer) and answer.choice == "default" and name in names:
        return Answer(answer.question, answer.choice, f"{name} == {default}", answer.test)
    return answer


def _telling(answers: tuple[Answer, ...]) -> list[str]:
    """The answers in words, without "x != 'in'" beside "x == 'bn'"."""
    texts = list(dict.fromkeys(_phrase(answer) for answer in answers))
    settled = {text.partition(" == ")[0] for text in texts if " == " in text}
    return [text for text in texts if text.partition(" != ")[0] not in settled or " != " not in text]


def _in_words(answers: Sequence[tuple[Answer, ...]]) -> str:
    """The answers of several good paths as one condition: what all have in common, then the alternatives."""
    told = [_telling(own) for own in answers]
    if sum(map(len, told)) > 1:
        told = [[_in_brackets(text) for text in own] for own in told]
    common = [text for text in told[0] if all(text in own for own in told)]
    rest = [" and ".join(text for text in own if text not in common) for own in told]
    choice = _alternatives(rest) if all(rest) else ""  # what all have in common is enough for one of them
    is_list = choice.startswith(" or ".join(list(dict.fromkeys(rest))[:2])) and " or " in choice
    return " and ".join([*common, *([f"({choice})" if common and is_list else choice] if choice else [])])


def _in_brackets(text: str) -> str:
    """A test as it can stand beside others."""
    try:
        code = ast.parse(text, mode="eval").body
    except SyntaxError:  # it is no code: "with the default `norm=None`"
        return text
    is_loose = isinstance(code, ast.IfExp) or (isinstance(code, ast.BoolOp) and isinstance(code.op, ast.Or))
    return f"({text})" if is_loose else text


def _alternatives(texts: Sequence[str]) -> str:
    """ "norm is 'bn' or 'in'" for two equations about one name."""
    texts = list(dict.fromkeys(texts))
    pairs = [text.partition(" == ") for text in texts]
    are_equations = all(middle and " and " not in right and " or " not in right for _, middle, right in pairs)
    if len(texts) > 1 and are_equations and len({left for left, _, _ in pairs}) == 1:
        return f"{pairs[0][0]} is {' or '.join(right for _, _, right in pairs)}"
    return " or ".join(texts[:3]) + (" or …" if len(texts) > 3 else "")


def _phrase(answer: Answer) -> str:
    if answer.test is not None and answer.test.relation == "in" and not _is_about_default(answer):
        return f"{answer.test.argument} is {' or '.join(map(repr, answer.test.values))}"
    return f"with {answer.text}" if answer.text.startswith("the default") else answer.text


def _is_default(use: Use) -> bool:
    """Whether every parameter with a default has it on this path."""
    return all(answer.choice == "default" for answer in use.path.answers if _is_about_default(answer))


def _is_about_default(answer: Answer) -> bool:
    return answer.question.is_about_default


def _fallback(uses: Sequence[Use]) -> _Judgement:
    fates = [fate for use in uses for fate in use.fates if fate.ending is not Ending.CANCELLED]
    endings = {fate.ending for fate in fates}
    if Ending.READ in endings:
        first = next(fate for fate in fates if fate.ending is Ending.READ)
        label = first.end.label if first.end else "it"
        return _Judgement(Verdict.NEEDED, f"{label} reads it: {first.reason}")
    if Ending.UNKNOWN in endings and Ending.RETURNED not in endings:
        first = next(fate for fate in fates if fate.ending is Ending.UNKNOWN)
        return _Judgement(Verdict.UNKNOWN, first.reason)
    return _Judgement(Verdict.NEEDED, "it is returned: it reaches the output")


def _names(uses: Iterable[Use]) -> str:
    names = list(dict.fromkeys(use.run.name for use in uses))
    return ", ".join(f"`{name}`" for name in names[:4]) + (", …" if len(names) > 4 else "")


def _shortened(fates: Iterable[Fate]) -> tuple[Fate, ...]:
    """The first fates of each kind: enough for a person, and no more than memory should hold."""
    found: dict[tuple[object, ...], Fate] = {}
    for fate in fates:
        ends = fate.trail and (fate.trail[0].label, fate.trail[-1].location)
        found.setdefault((fate.ending, fate.reason, fate.cancelled_by, fate.root, ends), fate)
    return tuple(found.values())[:MAX_FATES]
