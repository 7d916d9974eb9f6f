"""The operations and layers of einops: a pattern says for each axis what it is made of and where its parts go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from biaslens.algebra.axes import Shape, axes_from
from biaslens.algebra.outcome import Carries
from biaslens.algebra.sizes import Size, number, product, same_size
from biaslens.catalogue import products
from biaslens.catalogue.entry import Call, Operand, Rule, Step
from biaslens.catalogue.patterns import Group, Pattern, lettered, parsed
from biaslens.catalogue.shapes import followed, with_rank
from biaslens.catalogue.steps import Unclear, as_size, listed, row, single, tensor


def rearranged(name: str) -> Rule:
    """`rearrange`: the parts of the axes in another order. name: of the parameter for the tensor."""

    def rule(call: Call) -> Step:
        x = tensor(call, name)
        plan = _plan(call, x)
        if plan.pattern.gone or plan.pattern.new or plan.pattern.numbers:
            raise Unclear("its pattern has an axis on one side only")
        return _laid_out(call, x, plan)

    return rule


def repeated(call: Call) -> Step:
    """`repeat`: the axes that are new on the right are copies."""
    x = tensor(call, "tensor")
    plan = _plan(call, x)
    if plan.pattern.gone:
        raise Unclear("its pattern drops an axis")
    return _laid_out(call, x, plan)


def reduced(name: str) -> Rule:
    """`reduce`: the axes that the right does not have are averaged, summed, or leave their extremum."""

    def rule(call: Call) -> Step:
        x = tensor(call, name)
        plan = _plan(call, x)
        if plan.pattern.new:
            raise Unclear("its pattern makes an axis")
        effect = replace(plan.effect, keeps_mask=False)
        match call["reduction"]:
            case "mean":
                pass
            case "sum":
                effect = replace(effect, scale=plan.entries)
            case "max" | "min":
                why = "it varies along the axis that is reduced"
                effect = replace(effect, constant_along=axes_from(plan.reduced_axes), why=why)
            case _:
                raise Unclear("its reduction is not followed")
        learned = ((x.index, plan.before),)
        return single(
            call, plan.after, {x.index: effect}, blocked=x.blocked, view=not plan.pattern.gone, refined=learned
        )

    return rule


def einsum(call: Call) -> Step:
    """`einsum(q, k, "b i d, b j d -> b i j")`."""
    *operands, pattern = listed(call["tensors_and_pattern"]) or (None,)
    return products.einsum(Call({"args": (lettered(pattern), *operands)}, call.operands, call.mode))


def _laid_out(call: Call, x: Operand, plan: _Plan) -> Step:
    effect = plan.effect
    stochastic = None
    if x.stochastic is not None and effect.mixes.has(x.stochastic, plan.before) is False:
        stochastic = followed(x.stochastic, plan.before, plan.after, effect.moves)
    return single(
        call,
        plan.after,
        {x.index: effect},
        view=True,
        stochastic=stochastic,
        blocked=x.blocked,
        refined=((x.index, plan.before),),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """One call: its pattern without ellipsis, the lengths of elementary axes that are known, and the shape before."""

    pattern: Pattern
    lengths: dict[str, Size]
    before: Shape

    @property
    def after(self) -> Shape:
        return Shape.of(*(self._size(group) for group in self.pattern.right))

    @property
    def effect(self) -> Carries:
        """Every axis goes where its parts go; one that is split, merged or reduced is no longer what it was."""
        left, right = self.pattern.left, self.pattern.right
        target = {name: place for place, group in enumerate(right, -len(right)) for name in group}
        moves: list[tuple[int, tuple[int, ...]]] = []
        mixed: list[int] = []
        for axis, group in enumerate(left, -len(left)):
            parts = self._wide(group)
            targets = tuple(dict.fromkeys(target[name] for name in parts if name in target))
            moves.append((axis, targets))
            if parts and [self._wide(right[place]) for place in targets] != [parts]:
                mixed.append(axis)
        stays = len(left) == len(right) and all((axis,) == targets for axis, targets in moves)
        apart = all(len(targets) == len(self._wide(group)) for (_, targets), group in zip(moves, left, strict=True))
        splits = apart and bool(mixed) and not self.pattern.new and not self.pattern.gone
        return Carries(moves=() if stays else tuple(moves), mixes=axes_from(mixed), splits=splits)

    @property
    def reduced_axes(self) -> list[int]:
        """The axes of which a part is reduced."""
        left, gone = self.pattern.left, self.pattern.gone
        return [axis for axis, group in enumerate(left, -len(left)) if not gone.isdisjoint(self._wide(group))]

    @property
    def entries(self) -> Fraction | None:
        """How many entries are reduced to one."""
        count = self._size(tuple(sorted(self.pattern.gone)))
        return None if count is None or count.value is None else Fraction(count.value)

    def _wide(self, group: Group) -> Group:
        """The parts along which something can vary."""
        return tuple(name for name in group if name not in self.lengths or self.lengths[name].value != 1)

    def _size(self, group: Group) -> Size | None:
        if any(name not in self.lengths for name in group):
            return None
        return product(tuple(self.lengths[name] for name in group)).taking_divisions_as_exact()


def _plan(call: Call, x: Operand) -> _Plan:
    pattern = parsed(call["pattern"]).spelled(x.shape.rank)
    before = with_rank(x.shape, len(pattern.left))
    lengths = {name: number(length) for name, length in pattern.numbers.items()}
    for pair in listed(call.get("axes_lengths")) or ():
        name, value = listed(pair) or (None, None)
        length = as_size(value)
        if isinstance(name, str) and length is not None:
            lengths[name] = length
    if any(length.value is not None and length.value < 1 for length in lengths.values()):
        raise Unclear("the length of an axis is not a length")
    for axis, group in enumerate(pattern.left, -len(pattern.left)):
        before = before.with_size(axis, _measured(group, before.size(axis), lengths))
    return _Plan(pattern, lengths, before)


def _measured(group: Group, size: Size | None, lengths: dict[str, Size]) -> Size | None:
    """The size of an axis. Effect: notes the length of the one part that the call does not give."""
    missing = [name for name in group if name not in lengths]
    known = product(tuple(lengths[name] for name in group if name in lengths))
    if not missing:
        if size is not None and same_size(size, known) is False:
            raise Unclear("the lengths of the parts do not fit")
        return known if size is None else size
    if len(missing) == 1 and size is not None:
        rest = size if len(group) == 1 else _quotient(size, known)
        if rest is not None:
            lengths[missing[0]] = rest
    return size


def _quotient(size: Size, known: Size) -> Size | None:
    """einops fails where this division leaves something, so it leaves nothing."""
    if size.value is not None and known.value and size.value % known.value:
        raise Unclear("the lengths of the parts do not fit")
    return size.taking_divisions_as_exact().exactly_divided_by(known.taking_divisions_as_exact())


ROWS = (
    row(
        "einops.rearrange(tensor, pattern, **axes_lengths)",
        rearranged("tensor"),
        "x, 'b c n -> b n c' | 2 4 5",
        "x, 'b (h d) n -> b h n d', h=2 | 2 6 5",
        "x, 'b h n d -> b n (h d)' | 2 3 4 5",
        "x, 'b (c p q) h w -> b c (h p) (w q)', p=2, q=2 | 2 8 3 2",
        "x, 'b ... -> b (...)' | 2 3 4",
        "x, '... (d r) -> r ... d', r=2 | 2 3 4",
        "x, 'b 1 (h d) -> h () b d', d=1 | 2 1 4",
        also="einops.einops.rearrange",
    ),
    row(
        "einops.repeat(tensor, pattern, **axes_lengths)",
        repeated,
        "x, 'n d -> b n d', b=3 | 4 5",
        "x, 'b c h w -> b c (h 2) (w 2)' | 2 3 4 5",
        "x, '1 n d -> b n d', b=3 | 1 4 5",
        "x, 'b d -> (r b) d', r=2 | 3 4",
        also="einops.einops.repeat",
    ),
    row(
        "einops.reduce(tensor, pattern, reduction, **axes_lengths)",
        reduced("tensor"),
        "x, 'b n d -> b d', 'mean' | 2 4 5",
        "x, 'b c (h 2) (w p) -> b c h w', 'mean', p=2 | 2 3 4 6",
        "x, 'b c h w -> b c 1 1', 'sum' | 2 3 4 5",
        "x, 'b (h d) n -> h b n', 'sum', h=2 | 2 6 3",
        "x, 'b c (h 2) (w 2) -> b c h w', 'max' | 2 3 4 6",
        "x, 'b n ... -> b n', 'min' | 2 3 4 2",
        also="einops.einops.reduce",
    ),
    row(
        "einops.einsum(*tensors_and_pattern)",
        einsum,
        "x, y, 'b i d, b j d -> b i j' | 2 3 4 | 2 5 4",
        "x, 'b channel n -> b n' | 2 3 4",
        "x, y, '... n d, ... m d -> ... n m' | 2 3 4 | 2 5 4",
        also="einops.einops.einsum",
    ),
    row(
        "einops.layers.torch.Rearrange(pattern, **axes_lengths)",
        rearranged("input"),
        "'b c h w -> b (h w) c' | 2 3 4 5",
        "'b c (h p) (w q) -> b (h w) (p q c)', p=2, q=2 | 2 3 4 6",
        inputs="input",
        role="layer",
    ),
    row(
        "einops.layers.torch.Reduce(pattern, reduction, **axes_lengths)",
        reduced("input"),
        "'b c h w -> b c', 'mean' | 2 3 4 5",
        "'b c (h 2) (w 2) -> b c h w', 'max' | 2 3 4 6",
        inputs="input",
        role="layer",
    ),
)
