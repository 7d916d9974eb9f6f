"""The laws of the algebra: sizes form a ring, axes are sets, and what is not known never becomes a cancellation."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biaslens.algebra.axes import ALL, NONE, Axes, Shape, all_but, axes
from biaslens.algebra.outcome import (
    CARRIES,
    MAX_TERMS,
    Cancelled,
    Cancels,
    Carried,
    Carries,
    Effect,
    Outcome,
    Read,
    Shift,
    Term,
    apply,
    combine,
    reads,
    unknown,
    weighs,
)
from biaslens.algebra.sizes import Quotient, Size, number, product, same_size
from biaslens.algebra.sizes import unknown as named

NAMES = ("a", "b", "c")

atoms = st.one_of(st.integers(-6, 6).map(number), st.sampled_from(NAMES).map(named))
sizes = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] - pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
    ),
    max_leaves=6,
)
values = st.fixed_dictionaries({name: st.integers(1, 9) for name in NAMES})


def evaluated(size: Size, at: dict[str, int]) -> Fraction:
    total = Fraction(0)
    for monomial, factor in size.terms:
        part = factor
        for name, power in monomial:
            if isinstance(name, Quotient):
                part *= (evaluated(name.dividend, at) // evaluated(name.divisor, at)) ** power
            else:
                part *= Fraction(at[str(name)]) ** power
        total += part
    return total


# --- sizes -----------------------------------------------------------------------------------------------------------


@given(sizes, sizes, sizes)
def test_sizes_form_a_commutative_ring(a: Size, b: Size, c: Size) -> None:
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a - a == number(0)
    assert product((a, b)) == a * b


@given(sizes, sizes, values)
def test_arithmetic_of_sizes_agrees_with_that_of_numbers(a: Size, b: Size, at: dict[str, int]) -> None:
    assert evaluated(a + b, at) == evaluated(a, at) + evaluated(b, at)
    assert evaluated(a - b, at) == evaluated(a, at) - evaluated(b, at)
    assert evaluated(a * b, at) == evaluated(a, at) * evaluated(b, at)


@given(sizes, st.integers(1, 6), st.sampled_from(NAMES), values)
def test_floor_division_is_that_of_numbers(a: Size, divisor: int, name: str, at: dict[str, int]) -> None:
    assert evaluated(a // number(divisor), at) == evaluated(a, at) // divisor
    assert evaluated(a // named(name), at) == evaluated(a, at) // at[name]


@given(sizes, sizes, values)
def test_same_size_is_never_wrong(a: Size, b: Size, at: dict[str, int]) -> None:
    match same_size(a, b):
        case True:
            assert evaluated(a, at) == evaluated(b, at)
        case False:
            assert evaluated(a, at) != evaluated(b, at)
        case _:
            pass


@given(st.integers(1, 5), st.integers(1, 5))
def test_an_exact_division_gives_the_dividend_back(heads: int, width: int) -> None:
    split = (named("dim") // named("heads")) * named("heads")
    assert split.taking_divisions_as_exact() == named("dim")
    assert same_size(split, named("dim")) is None
    assert (number(heads * width) // number(heads)).value == width


# --- axes ------------------------------------------------------------------------------------------------------------

numbers = st.integers(-4, 3)
sets = st.builds(Axes, st.frozensets(numbers, max_size=3), st.booleans())
RANKS = range(4, 7)


def concrete(chosen: Axes, rank: int) -> set[int]:
    named_axes = {axis - rank if axis >= 0 else axis for axis in chosen.named}
    return set(range(-rank, 0)) - named_axes if chosen.others else named_axes


@given(numbers, numbers)
def test_two_numbers_name_one_axis_as_the_possible_ranks_say(left: int, right: int) -> None:
    shape = Shape(at_least=4)
    answers = {Shape.of(*[None] * rank).same_axis(left, right) for rank in range(4, 12)}
    expected = answers.pop() if len(answers) == 1 else None
    assert shape.same_axis(left, right) is expected


@given(sets, sets)
def test_overlaps_of_unknown_rank_hold_for_every_rank(left: Axes, right: Axes) -> None:
    answer = left.overlaps(right, Shape(at_least=4))
    truths = {bool(concrete(left, rank) & concrete(right, rank)) for rank in RANKS}
    if answer is not None:
        assert truths == {answer}


@given(sets, sets, st.integers(4, 6))
def test_a_union_of_canonical_sets_holds_the_axes_of_both(left: Axes, right: Axes, rank: int) -> None:
    shape = Shape.of(*[None] * rank)
    union = left.canonical(shape).union(right.canonical(shape))
    assert concrete(union, rank) == concrete(left, rank) | concrete(right, rank)


def test_an_axis_of_size_one_is_never_one_that_a_shift_varies_along() -> None:
    shape = Shape.of(number(4), number(1), named("n"))
    assert axes(-2, -1).canonical(shape) == axes(-1)
    assert ALL.canonical(shape) == axes(-3, -1)
    assert axes(1).overlaps(axes(-2), shape) is False


# --- outcomes --------------------------------------------------------------------------------------------------------

known_axes = st.frozensets(st.integers(-4, -1), max_size=3).map(Axes)
FOUR = Shape.of(named("n"), named("c"), named("h"), named("w"))
terms = st.builds(Term, st.sampled_from(("id", "other")), st.integers(-3, 3).filter(bool).map(Fraction), known_axes)
shifts = st.lists(terms, min_size=1, max_size=3).map(lambda parts: Shift(tuple(parts)))
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    shifts.map(Carried), st.just(Cancelled("batch norm")), st.builds(Read, st.just("ReLU"), st.booleans())
)


def content(outcome: Outcome | None) -> object:
    """An outcome without the order of its terms, and without the words of a cancellation or a read."""
    return frozenset(outcome.shift.terms) if isinstance(outcome, Carried) else type(outcome)


@given(outcomes, outcomes)
def test_combining_does_not_depend_on_the_order(left: Outcome, right: Outcome) -> None:
    assert content(combine([left, right])) == content(combine([right, left]))


@given(shifts, shifts, shifts)
def test_combining_shifts_is_associative(a: Shift, b: Shift, c: Shift) -> None:
    first = combine([Carried(a), Carried(b)])
    second = combine([Carried(b), Carried(c)])
    assert first is not None
    assert second is not None
    assert content(combine([first, Carried(c)])) == content(combine([Carried(a), second]))


@given(shifts)
def test_a_shift_less_itself_is_gone(shift: Shift) -> None:
    less = apply(Carries(scale=Fraction(-1)), shift, FOUR, FOUR, "minus")
    assert isinstance(combine([Carried(shift), less]), Cancelled)


@given(outcomes, st.sampled_from([reads("ReLU"), unknown("code")]))
def test_a_read_wins_over_everything(outcome: Outcome, effect: Effect) -> None:
    read = apply(effect, Shift.start("id", axes(-3)), FOUR, FOUR, "here")
    assert isinstance(combine([outcome, read]), Read)


def test_a_product_of_two_shifts_is_read_and_no_operand_gives_no_outcome() -> None:
    shift = Carried(Shift.start("id", axes(-3)))
    assert isinstance(combine([shift, shift], product=True), Read)
    assert combine([]) is None


@given(known_axes, known_axes)
def test_equal_images_go_only_where_they_are_laid_out_alike(left: Axes, right: Axes) -> None:
    plus = Carried(Shift((Term("id", Fraction(1), left),)))
    minus = Carried(Shift((Term("id", Fraction(-1), right),)))
    assert isinstance(combine([plus, minus]), Cancelled) == (left == right)


@given(known_axes, st.permutations(range(4)))
def test_a_permutation_and_its_inverse_give_the_axes_back(varies: Axes, order: list[int]) -> None:
    there = tuple((old - 4, (new - 4,)) for new, old in enumerate(order))
    back = tuple((new - 4, (old - 4,)) for new, old in enumerate(order))
    middle = Shape.of(*[None] * 4)
    first = apply(Carries(moves=there), Shift.start("id", varies), FOUR, middle, "there")
    assert isinstance(first, Carried)
    second = apply(Carries(moves=back), first.shift, middle, FOUR, "back")
    assert isinstance(second, Carried)
    (term,) = second.shift.terms
    assert term.certain == varies
    if len(varies.named) <= 1:
        assert term.image == "id"


def test_exchanging_two_axes_of_one_shift_makes_another_image() -> None:
    square = Shape.of(named("n"), named("n"))
    turned = apply(Carries(moves=((-1, (-2,)), (-2, (-1,)))), Shift.start("id", axes(-2, -1)), square, square, "t")
    assert isinstance(turned, Carried)
    assert turned.shift.terms[0].image != "id"


@pytest.mark.parametrize("effect", [weighs(), Carries(mixes=axes(-3)), Carries(scale=None), Carries(gains=axes(-1))])
def test_whatever_weighs_or_mixes_makes_an_image_for_each_application(effect: Effect) -> None:
    shift = Shift.start("id", axes(-3))
    results = [apply(effect, shift, FOUR, FOUR, stamp) for stamp in ("one", "two")]
    images = {result.shift.terms[0].image for result in results if isinstance(result, Carried)}
    assert len(images) == 2
    assert "id" not in images


def test_a_mean_over_other_axes_keeps_the_image_so_that_centering_is_seen() -> None:
    shift = Shift.start("id", axes(-3))
    mean = apply(Carries(moves=((-1, ()),), mixes=axes(-1)), shift, FOUR, FOUR.with_size(-1, number(1)), "mean")
    assert isinstance(mean, Carried)
    less = apply(Carries(scale=Fraction(-1)), mean.shift, FOUR, FOUR, "minus")
    assert isinstance(combine([Carried(shift), less]), Cancelled)


@given(known_axes, known_axes, sets)
def test_more_axes_never_turn_a_read_into_a_cancellation(varies: Axes, more: Axes, over: Axes) -> None:
    effect = Cancels(over, "batch norm")
    narrow = apply(effect, Shift.start("id", varies), FOUR, FOUR, "n")
    wide = apply(effect, Shift.start("id", varies.union(more)), FOUR, FOUR, "n")
    assert not (isinstance(narrow, Read) and isinstance(wide, Cancelled))


@given(sets, sets)
def test_an_unknown_rank_cancels_only_what_every_rank_cancels(varies: Axes, over: Axes) -> None:
    effect, shift = Cancels(over, "batch norm"), Shift.start("id", varies)
    open_ended = apply(effect, shift, Shape(at_least=4), Shape(at_least=4), "n")
    shapes = [Shape.of(*[None] * rank) for rank in RANKS]
    kinds = {type(apply(effect, shift, shape, shape, "n")) for shape in shapes}
    if isinstance(open_ended, Cancelled):
        assert kinds == {Cancelled}
    if isinstance(open_ended, Read) and open_ended.known:
        assert kinds == {Read}


EFFECTS = (
    CARRIES,
    Carries(moves=((1, (2,)), (2, (1,)))),
    Carries(moves=((-2, (-1,)), (-1, (-2,)))),
    Carries(moves=((0, (0,)), (1, ()))),
    Carries(gains=all_but(1)),
    Carries(may_gain=axes(-1)),
    Carries(scatters=((-1, (-2, -1)),)),
)


@pytest.mark.parametrize("effect", EFFECTS, ids=str)
@pytest.mark.parametrize("start", [NONE, axes(-1), axes(-2), axes(1), axes(-3, -1)], ids=str)
def test_what_an_unknown_rank_calls_constant_is_constant_in_every_rank(effect: Carries, start: Axes) -> None:
    dropped = any(not new for _, new in effect.moves)
    open_ended = apply(effect, Shift.start("id", start), Shape(at_least=4), Shape(at_least=4 - dropped), "n")
    assert isinstance(open_ended, Carried)
    (general,) = open_ended.shift.terms
    for rank in RANKS:
        before, after = Shape.of(*[None] * rank), Shape.of(*[None] * (rank - dropped))
        special = apply(effect, Shift.start("id", start), before, after, "n")
        assert isinstance(special, Carried)
        (term,) = special.shift.terms
        allowed = concrete(general.certain, rank - dropped) | concrete(general.possible, rank - dropped)
        assert concrete(term.certain, rank - dropped) <= allowed


def test_a_masked_shift_may_only_go_to_a_softmax_along_axes_where_it_is_constant() -> None:
    scores = apply(Carries(masks=True), Shift.start("id", axes(-3)), FOUR, FOUR, "mask")
    assert isinstance(scores, Carried)
    assert scores.shift.masked
    softmax = Cancels(axes(-1), "softmax", unmasks=True)
    assert apply(softmax, scores.shift, FOUR, FOUR, "s") == Cancelled("softmax")
    assert isinstance(apply(Cancels(axes(-1), "batch norm"), scores.shift, FOUR, FOUR, "s"), Read)
    assert isinstance(apply(Carries(keeps_mask=False), scores.shift, FOUR, FOUR, "s"), Read)


def test_an_average_with_foreign_weights_gains_axes_only_where_the_shift_varies_along_it() -> None:
    average = Carries(averages=axes(-1), mixes=axes(-1), gains=axes(-4, -2), moves=((-1, ()),))
    for varies, gained in itertools.product((axes(-3), axes(-3, -1)), (axes(-4, -2),)):
        result = apply(average, Shift.start("id", varies), FOUR, FOUR, "softmax")
        assert isinstance(result, Carried)
        (term,) = result.shift.terms
        expected = axes(-3).union(gained) if -1 in varies.named else axes(-3)
        assert term.certain == expected
        assert (term.image == "id") == (-1 not in varies.named)


def test_a_read_that_rests_on_a_merely_possible_axis_is_not_known() -> None:
    shift = Shift((Term("id", Fraction(1), axes(-3), axes(-1)),))
    outcome = apply(Cancels(all_but(1), "batch norm"), shift, FOUR, FOUR, "n")
    assert outcome == Read(outcome.why, known=False) if isinstance(outcome, Read) else False


def test_the_assumed_rank_is_used_only_where_it_is_possible_and_is_told() -> None:
    effect = Cancels(all_but(1), "batch norm", assumed_rank=2, assumption="for (batch, features) input")
    shift = Shift.start("id", axes(-1))
    pair = apply(effect, shift, Shape(at_least=1), Shape(at_least=1), "n")
    assert pair == Cancelled("batch norm", "for (batch, features) input")
    deep = apply(effect, shift, Shape(at_least=3), Shape(at_least=3), "n")
    assert isinstance(deep, Read)
    assert deep.known, "with three axes or more the last one is never axis 1"


def test_many_terms_become_one_that_varies_wherever_they_did() -> None:
    shape = Shape.of(*map(number, (2, 3, 4, 5)))
    terms = tuple(Term(("image", i), Fraction(1), axes(-1 - i % 2)) for i in range(MAX_TERMS + 1))
    outcome = apply(weighs(gains=axes(-3)), Shift(terms), shape, shape, "step")
    assert isinstance(outcome, Carried)
    (term,) = outcome.shift.terms
    assert term.certain == axes(-3, -2, -1)
