"""What becomes of a shift at one operation: it is carried on, cancelled, or read.

A *shift* is what a layer's output gains when its bias is changed: a linear image of that change, which varies along
some axes of the tensor and is constant along all others. Three outcomes exist, and no fourth
will: `Carried`, `Cancelled`, `Read`. What torch's operations do is told by an `Effect` for each operand, plain data
that `apply` interprets here; how the operands' outcomes add up is `combine`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from biaslens.algebra.axes import ALL, NONE, Axes, Shape
from biaslens.algebra.sizes import Size

Image: TypeAlias = Hashable
"""Names a linear map of the bias; equal images are equal maps. See `Term`."""


class Made:
    """An image that an operation made of another one. Its hash is kept: an image is as deep as its trail is long.

    parts: what names it: the operation's stamp, the image before, and how that was laid out.
    """

    __slots__ = ("_hash", "parts")

    def __init__(self, *parts: Hashable) -> None:
        self.parts = parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Made) and self._hash == other._hash and self.parts == other.parts


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of a shift: `coefficient · image(δ)`, laid out along axes.

    image: which linear map of the bias this is; two terms with equal images laid out along equal axes can cancel.
    certain: axes along which it varies, in negative numbers. possible: axes along which it may vary as well.
    """

    image: Image
    coefficient: Fraction | int
    certain: Axes
    possible: Axes = NONE


@dataclass(frozen=True, slots=True)
class Shift:
    """A sum of terms; never empty, since an empty sum is no shift.

    masked: some entries were replaced by -inf or a very negative number, so that only a softmax may follow.
    """

    terms: tuple[Term, ...]
    masked: bool = False

    @staticmethod
    def start(image: Image, varies: Axes) -> Shift:
        """The shift of a bias where it is added."""
        return Shift((Term(image, 1, varies),))

    @property
    def varies(self) -> Axes | None:
        """The axes along which it varies, all in negative numbers; None where that is not sure."""
        found = self.terms[0].certain
        for term in self.terms:
            if term.possible:
                return None
            if term.certain is not found:
                found = found.union(term.certain)
        return None if found.others or any(axis >= 0 for axis in found.named) else found

    def __str__(self) -> str:
        return " + ".join(_show(term) for term in self.terms) + (" (masked)" if self.masked else "")


@dataclass(frozen=True, slots=True)
class Carried:
    """It comes out as a shift again."""

    shift: Shift


@dataclass(frozen=True, slots=True)
class Cancelled:
    """It is subtracted again, exactly. `by` names the mechanism; `assumption` what has to hold, or ""."""

    by: str
    assumption: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """It changes the result in another way. `known` is False where we could not see what happens."""

    why: str
    known: bool = True


Outcome: TypeAlias = Carried | Cancelled | Read


# --- what an operation does to one operand's shift, for one result -------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reads:
    """The shift changes the result in another way; `known=False` for code that we cannot follow."""

    why: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Cancels:
    """A mean over the axes `over` is subtracted: whatever is constant along them goes.

    by: "batch norm", "instance norm", "group norm", "layer norm", "centering" or "softmax".
    assumed_rank: the rank to assume where it is unknown, with the words for it.
    """

    over: Axes
    by: str
    assumed_rank: int | None = None
    assumption: str = ""
    why: str = "it varies along the normalised axes"
    unmasks: bool = False


@dataclass(frozen=True, slots=True)
class Take:
    """Of an axis, the `count` entries from `first` on are kept, in their order."""

    axis: int
    first: Size
    count: Size


@dataclass(frozen=True, slots=True)
class Carries:
    """The shift comes out again.

    constant_along: axes along which it has to be constant, else it is read (`why`): max pooling.
    moves: old axis → new axes; () drops the axis (indexing, contraction); axes not named stay where they are, counted
        from the back. Both sides are axes as in torch, before and after.
    scatters: old axis → new axes along which it may vary afterwards: a reshape whose factors do not match.
    mixes: axes along which the operation selects, reorders, weights or reduces; a shift that varies along one of
        them becomes a new image. ALL for a multiplication by a tensor or a matrix.
    gains: axes of the result along which it varies in addition. may_gain: where that is only possible.
    scale: a number that multiplies it; None for an unknown number.
    averages: axes along which another tensor's weights, which sum to one, take an average: a shift that is constant
        along them gains nothing.
    masks: some entries are replaced by a very negative number. keeps_mask: fine on masked scores.
    takes: what is kept of axes of which a part is taken, as far as that is known.
    splits: entries keep their order, and an axis that moves to several is split into these, the slowest first.
    """

    constant_along: Axes = NONE
    why: str = ""
    moves: tuple[tuple[int, tuple[int, ...]], ...] = ()
    scatters: tuple[tuple[int, tuple[int, ...]], ...] = ()
    mixes: Axes = NONE
    gains: Axes = NONE
    may_gain: Axes = NONE
    averages: Axes = NONE
    scale: Fraction | None = Fraction(1)
    masks: bool = False
    keeps_mask: bool = True
    takes: tuple[Take, ...] = ()
    splits: bool = False


Effect: TypeAlias = Reads | Cancels | Carries

CARRIES = Carries()

MAX_TERMS: Final = 16
"""A layer makes one term of more than this: each `x + layer(x)` without a non-linearity doubles their number."""


def reads(why: str) -> Reads:
    """The effect of an operation that is not linear, in words for the user."""
    return Reads(why)


def unknown(why: str) -> Reads:
    """The effect of code that we cannot follow: it reads every shift that goes into it, and silences us."""
    return Reads(why, known=False)


def cancels(over: Axes, by: str) -> Cancels:
    """The effect of subtracting a mean over some axes."""
    return Cancels(over, by)


def weighs(*, gains: Axes = NONE, may_gain: Axes = NONE) -> Carries:
    """Linear in the operand with weights of its own: a product, a matrix, a convolution."""
    return Carries(mixes=ALL, gains=gains, may_gain=may_gain)


def apply(effect: Effect, shift: Shift, before: Shape, after: Shape, stamp: Hashable) -> Outcome:
    """The outcome of one operand's shift.

    before, after: shapes of the operand and of the result. stamp: names this application, so that new images of
    different applications differ.
    """
    match effect:
        case Reads(why, known):
            return Read(why, known)
        case Cancels():
            return _cancel(effect, shift, before)
        case Carries():
            return _carry(effect, shift, before, after, stamp)


def combine(outcomes: Sequence[Outcome], *, product: bool = False) -> Outcome | None:
    """The outcome for one result from those of the operands that carry a shift; None without any.

    product: the operation is linear in each operand alone, so two shifted operands leave a product of shifts.
    """
    reading = next((outcome for outcome in outcomes if isinstance(outcome, Read)), None)
    if reading is not None or not outcomes:
        return reading
    if product and len(outcomes) > 1:
        return Read("it multiplies itself here", known=False)
    shifts = [outcome.shift for outcome in outcomes if isinstance(outcome, Carried)]
    if not shifts or len(outcomes) == 1:
        return outcomes[0]
    if len({shift.masked for shift in shifts}) > 1:
        return Read("masked scores meet others", known=False)
    terms = _collect([term for shift in shifts for term in shift.terms])
    if not terms:
        return Cancelled("centering")
    return Carried(Shift(terms, shifts[0].masked))


def _cancel(effect: Cancels, shift: Shift, before: Shape) -> Outcome:
    if shift.masked and not effect.unmasks:
        return Read("masked scores are used outside a softmax", known=False)
    assumed = before.rank is None and effect.assumed_rank is not None and effect.assumed_rank >= before.at_least
    shape = Shape(effect.assumed_rank, before.sizes, -1, effect.assumed_rank or 0) if assumed else before
    answers = [term.certain.canonical(shape).overlaps(effect.over, shape) for term in shift.terms]
    if True in answers:
        return Read(effect.why, known=not assumed)
    answers += [term.possible.canonical(shape).overlaps(effect.over, shape) for term in shift.terms]
    if None in answers or True in answers:
        return Read("it may vary along the normalised axes: the shape is not known well enough", known=False)
    return Cancelled(effect.by, effect.assumption if assumed else "")


def _carry(effect: Carries, shift: Shift, before: Shape, after: Shape, stamp: Hashable) -> Outcome:
    if shift.masked and not effect.keeps_mask:
        return Read("masked scores are used outside a softmax", known=False)
    if effect.constant_along:
        answers = [term.certain.overlaps(effect.constant_along, before) for term in shift.terms]
        if True in answers:
            return Read(effect.why)
        answers += [term.possible.overlaps(effect.constant_along, before) for term in shift.terms]
        if None in answers or True in answers:
            return Read(effect.why, known=False)
    terms = [_carry_term(effect, term, before, after, stamp) for term in shift.terms]
    collected = _collect(terms)
    if not collected:
        return Cancelled("centering")
    if len(collected) > (MAX_TERMS if effect.mixes == ALL else 2 * MAX_TERMS):
        collected = (_sum(collected, after, stamp),)
    return Carried(Shift(collected, shift.masked or effect.masks))


def _sum(terms: Sequence[Term], after: Shape, stamp: Hashable) -> Term:
    """One term with a new image in place of many."""
    certain, possible = NONE, NONE
    for term in terms:
        certain, unsure = _together(certain, term.certain, after)
        for more in (unsure, term.possible):
            if more:
                union, unclear = _together(possible, more, after)
                possible = union.union(unclear)
    return Term(Made(stamp, "sum"), 1, certain, possible.canonical(after))


def _carry_term(effect: Carries, term: Term, before: Shape, after: Shape, stamp: Hashable) -> Term:
    if effect == CARRIES:  # the most frequent effect by far
        return Term(term.image, term.coefficient, term.certain.canonical(after), term.possible.canonical(after))
    moved, doubtful = _moved(effect, term.certain, before, after)
    gains, may_gain = _gained(effect, term, before)
    certain, unsure = _together(moved, gains, after)
    possible = unsure
    for more in (_blurred(effect, term.possible, before, after), doubtful, may_gain):
        if more:
            union, unclear = _together(possible, more, after)
            possible = union.union(unclear)
    varying = term.certain.union(term.possible)
    mixed = effect.mixes == ALL or varying.overlaps(effect.mixes, before) is not False
    turned = not _keeps_order(effect, term.certain, before, after)
    lost = bool(doubtful) or (bool(term.possible) and bool(effect.moves))
    fresh = mixed or turned or lost or effect.scale is None or effect.scatters or gains or may_gain
    image = Made(stamp, term.image, term.certain, term.possible) if fresh else term.image
    coefficient = term.coefficient if effect.scale in (None, 1) else term.coefficient * effect.scale
    return Term(image, coefficient, certain, possible.canonical(after))


def _gained(effect: Carries, term: Term, before: Shape) -> tuple[Axes, Axes]:
    """The axes that a term gains: (certainly, possibly)."""
    if not effect.averages:
        return effect.gains, effect.may_gain
    if term.certain.overlaps(effect.averages, before) is True:
        return effect.gains, effect.may_gain
    if term.certain.union(term.possible).overlaps(effect.averages, before) is False:
        return NONE, NONE
    return NONE, effect.gains.union(effect.may_gain)


def _together(moved: Axes, gains: Axes, after: Shape) -> tuple[Axes, Axes]:
    """The union of certain axes, and what it leaves open where front and back numbers may name one axis."""
    moved, gains = moved.canonical(after), gains.canonical(after)
    if not moved or not gains:
        return moved or gains, NONE
    unclear = moved.others != gains.others and any(
        after.same_axis(left, right) is None for left in moved.named for right in gains.named
    )
    return moved.union(gains), ALL if unclear else NONE


def _moved(effect: Carries, old: Axes, before: Shape, after: Shape) -> tuple[Axes, Axes]:
    """Where certain axes end up: (certainly, possibly)."""
    if not effect.moves and not effect.scatters:
        return old, NONE
    if old.others:
        return NONE, _moved_others(effect, old, before, after)
    certain: set[int] = set()
    possible: set[int] = set()
    lost = False
    for axis in old.named:
        targets, doubtful = _target(axis, effect, before, after)
        (possible if doubtful else certain).update(targets)
        lost |= doubtful and before.canonical(axis) >= 0  # where a front number moves depends on the unknown rank
    return Axes(frozenset(certain)), ALL if lost else Axes(frozenset(possible))


def _moved_others(effect: Carries, old: Axes, before: Shape, after: Shape) -> Axes:
    """Where "all axes but these" end up: an axis is left out only where nothing of the set can reach it."""
    moves = dict((*effect.moves, *effect.scatters))
    numbers = {*old.named, *moves, *(axis for targets in moves.values() for axis in targets)}
    if any(before.canonical(axis) >= 0 or after.canonical(axis) >= 0 for axis in numbers):
        return ALL
    plain = {before.canonical(source): {after.canonical(a) for a in targets} for source, targets in moves.items()}
    spared = {before.canonical(axis) for axis in old.named}

    def reached(axis: int) -> bool:
        sources = {source for source, targets in plain.items() if axis in targets} | ({axis} - plain.keys())
        return not sources <= spared

    candidates = spared | {axis for targets in plain.values() for axis in targets} | plain.keys()
    return Axes(frozenset(axis for axis in candidates if not reached(axis)), others=True)


def _target(axis: int, effect: Carries, before: Shape, after: Shape) -> tuple[set[int], bool]:
    targets: set[int] = set()
    doubtful = before.canonical(axis) >= 0
    for moves, scattered in ((effect.moves, False), (effect.scatters, True)):
        for source, destinations in moves:
            same = before.same_axis(axis, source)
            if same is False:
                continue
            new = {after.canonical(destination) for destination in destinations}
            if same is True:
                return new, scattered
            targets |= new
            doubtful = True
    return targets | {axis}, doubtful


def _keeps_order(effect: Carries, old: Axes, before: Shape, after: Shape) -> bool:
    """Whether the axes of a shift follow each other as before, so that moving them keeps its image."""
    if not effect.moves or (not old.others and len(old.named) < 2):
        return True
    places = [_target(axis, effect, before, after) for axis in sorted(old.named)]
    single = all(len(targets) == 1 and not doubtful for targets, doubtful in places)
    order = [min(targets) for targets, _ in places if targets]
    return single and not old.others and all(axis < 0 for axis in order) and order == sorted(set(order))


def _blurred(effect: Carries, old: Axes, before: Shape, after: Shape) -> Axes:
    """Where merely possible axes end up."""
    if not old or (not effect.moves and not effect.scatters):
        return old
    certain, possible = _moved(effect, old, before, after)
    return certain.union(possible)


def _collect(terms: Sequence[Term]) -> tuple[Term, ...]:
    """Adds up terms of equal image and layout; those whose coefficients add up to 0 are gone."""
    if len(terms) == 1 and terms[0].coefficient:
        return tuple(terms)
    sums: dict[tuple[Image, Axes, Axes], Fraction | int] = {}
    for term in terms:
        key = (term.image, term.certain, term.possible)
        sums[key] = sums.get(key, 0) + term.coefficient
    return tuple(
        Term(image, factor, certain, possible) for (image, certain, possible), factor in sums.items() if factor
    )


def _show(term: Term) -> str:
    possible = f" maybe {term.possible}" if term.possible else ""
    factor = "" if term.coefficient == 1 else f"{term.coefficient}·"
    return f"{factor}δ{term.certain}{possible}"
