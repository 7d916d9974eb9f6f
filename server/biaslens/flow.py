"""What becomes of every bias on every path: fates with trails, and one verdict per constructor call."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from biaslens.algebra.axes import ALL, Axes, axes
from biaslens.algebra.outcome import Cancels, Shift
from biaslens.program.ir import Answer, Equation, Layer, Test
from biaslens.text import Location


class Ending(Enum):
    """How one use of a bias ends."""

    CANCELLED = "cancelled"
    ABSORBED = "absorbed"
    READ = "read"
    RETURNED = "returned"
    UNKNOWN = "unknown"


class Verdict(Enum):
    """What all fates of one constructor call say together. DESIGN section 5 has the table."""

    REDUNDANT = "redundant"
    CONDITIONAL = "redundant if"
    IN_EVERY_USE = "redundant in every use found"
    ABSORBED = "absorbed"
    NEEDED = "needed"
    UNKNOWN = "unknown"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Fate:
    """How one use of a bias ends, on one path.

    trail: the equations from the layer's own to the one where it ends, both included. cancelled_by: what cancels it in
    the algebra's words ("batch norm", …), else "". norm: the layer that cancels it, where it is one, or whose bias
    absorbs it.
    reason: what reads it, or what we could not follow. root: the entry from which it was seen. shift: what of the bias
    arrives where it is cancelled, None where several operands bring it. varies: after each step of the trail from which
    it goes on, along which axes it varies, None where that is not sure.
    """

    ending: Ending
    trail: tuple[Equation, ...]
    reason: str
    root: str
    answers: tuple[Answer, ...]
    cancelled_by: str = ""
    assumption: str = ""
    norm: Layer | None = None
    shift: Shift | None = field(default=None, compare=False)
    varies: tuple[Axes | None, ...] = field(default=(), compare=False)

    @property
    def end(self) -> Equation | None:
        """The equation at which it ends; None where no equation tells."""
        return self.trail[-1] if self.trail else None

    def leads_to(self, other: Fate) -> bool:
        """Whether this is the way of another one as far as it could be followed here: it may be handed out then.

        Who gets modules from a function calls them in other places.
        """
        is_open = self.ending in (Ending.RETURNED, Ending.UNKNOWN)
        missing = len(other.trail) - len(self.trail)
        if self.ending is Ending.CANCELLED or missing < 0 or (missing and not is_open):
            return False
        steps = list(zip(self.trail, other.trail, strict=False))
        is_called_there = bool(steps) and steps[0][0].location == steps[0][1].location
        return all(
            (own.location == its.location or not is_called_there)
            and own.operation in (its.operation, own.label if is_open else "")
            for own, its in steps
        )


@dataclass(frozen=True, slots=True)
class Part:
    """Some entries of a bias, where its shift is taken apart along the axis it varies along: the keys of a `qkv`.

    share: how much of the bias that is, "a third". code: what selects it, "bias.chunk(3)[1]", or "" if it is too long.
    detail: what has to be the same where one model goes several ways, for this to be the same part.
    """

    share: str
    code: str
    detail: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Site:
    """One constructor call of a layer with a bias (or that could have one), with its verdict.

    layer: one of the layers made there. fates: over all uses, paths and contexts, each kind of ending once per root.
    condition: what has to hold, empty for plain redundant only. condition_origin: who decides on
    it, the value of an `Origin`, "" without one; "handed" where it is no more than that what is `handed` on is left as
    it is.
    alternatives: the same as code; each is enough, with all its parts. Empty where it is not about arguments alone.
    by_use: the condition is what tells the uses that were found apart.
    by_default: the condition holds, and the bias is there, by default or in a known use: it is worth a finding.
    layers: every layer that the call makes somewhere. misses: one of them has no bias where one would have an effect.
    unshifted: it has no bias, and nothing else adds a shift between it and the activations that follow.
    parts: for each part of the bias that has no effect, while the whole has one, this site with the fates of that part.
    part: of such a site, which part it is about; its condition says when that has no effect.
    by_hand: where code takes the bias itself, `layer.bias`, whatever it does with it; also in other files.
    handed: code that nobody knows to which the model is handed, by its name, or "".
    """

    location: Location
    layer: Layer
    verdict: Verdict
    fates: tuple[Fate, ...]
    condition: str = ""
    condition_origin: str = ""
    seen_in: tuple[str, ...] = ()
    by_default: bool = True
    alternatives: tuple[tuple[Test, ...], ...] = ()
    by_use: bool = False
    layers: tuple[Layer, ...] = ()
    misses: bool = False
    unshifted: bool = False
    parts: tuple[Site, ...] = ()
    part: Part | None = None
    by_hand: tuple[Location, ...] = ()
    handed: str = ""

    @property
    def first_absorbed(self) -> Fate | None:
        """The fate that says which later bias takes this one over."""
        return next((fate for fate in self.fates if fate.ending is Ending.ABSORBED), None)

    @property
    def first_cancelled(self) -> Fate | None:
        """The fate that a finding is about."""
        return next((fate for fate in self.fates if fate.ending is Ending.CANCELLED), None)

    @property
    def deciding(self) -> Fate | None:
        """The fate that the verdict rests on, or of a part the one that cancels it."""
        if self.part is not None:
            return self.first_cancelled
        match self.verdict:
            case Verdict.ABSORBED:
                return self.first_absorbed
            case Verdict.REDUNDANT | Verdict.CONDITIONAL | Verdict.IN_EVERY_USE:
                return self.first_cancelled
            case _:
                return self.first_reading

    @property
    def first_reading(self) -> Fate | None:
        """The fate that keeps the bias alive, a read by a known operation before anything else; or that hides it."""
        order = (Ending.READ, Ending.RETURNED, Ending.UNKNOWN)
        if self.verdict is Verdict.UNKNOWN:
            order = (Ending.UNKNOWN, Ending.READ, Ending.RETURNED)
        found = [fate for ending in order for fate in self.fates if fate.ending is ending]
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class NormUse:
    """One norm or softmax in the source, and which biases it cancels or reads.

    location: its constructor call for a layer, its call for a function. label: `bn1`, `softmax`. name: of its class or
    function. centres: somewhere it subtracts a mean of what comes in; a norm in eval mode does not.
    cancels_parts_of: the layers of whose biases it cancels a part.
    """

    location: Location
    calls: tuple[Location, ...]
    label: str
    name: str
    cancels: tuple[Location, ...]
    reads: tuple[Location, ...]
    centres: bool = True
    cancels_parts_of: tuple[Location, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """All sites of one file, and all norms that its program uses, by location.

    compounds: the layers made in the file whose inner steps are not followed, but of whose biases something is known.
    """

    path: str
    sites: tuple[Site, ...]
    norms: tuple[NormUse, ...]
    compounds: tuple[Layer, ...] = ()

    @property
    def affine_sites(self) -> tuple[Site, ...]:
        """The sites of layers with a matrix; the others are those of norms, whose β is a shift as well."""
        return tuple(site for site in self.sites if site.layer.entry.role == "affine")


def own_axes(equation: Equation, layer: Layer) -> Axes:
    """The axes, as in torch, along which the learnable shift of a layer varies in the result of its application."""
    assert layer.entry.shift is not None
    if equation.starts:
        return axes(-1)
    if layer.entry.shift.axis is not None:
        return axes(layer.entry.shift.axis)
    return next((effect.over for effects in equation.effects for effect in effects if isinstance(effect, Cancels)), ALL)
