"""The hover: what becomes of a bias, in the names of the code under the cursor, for somebody who asks why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from urllib.parse import quote

from biaslens.algebra.outcome import Cancels
from biaslens.catalogue.entry import ADDED_TWICE, KEY_CANCELLED
from biaslens.flow import Ending, Fate, Flow, NormUse, Site, Verdict
from biaslens.program.ir import Equation, Layer
from biaslens.rules.absorbed import absorbing
from biaslens.rules.absorbed import statement as absorbed_statement
from biaslens.rules.redundant import bias_argument, canceller, named, reason, statement, when
from biaslens.rules.registry import rule_of
from biaslens.syntax.files import Files
from biaslens.text import Location, Source, Span

_PAPERS: Mapping[str, tuple[str, str]] = {
    "batch norm": ("Ioffe & Szegedy 2015, section 3.2", "https://arxiv.org/abs/1502.03167"),
    "instance norm": ("Ulyanov et al. 2016", "https://arxiv.org/abs/1607.08022"),
    "group norm": ("Wu & He 2018", "https://arxiv.org/abs/1803.08494"),
    "layer norm": ("Ba et al. 2016", "https://arxiv.org/abs/1607.06450"),
    "centering": ("Ioffe & Szegedy 2015, section 3.2", "https://arxiv.org/abs/1502.03167"),
    "softmax": ("Namazifar et al. 2023", "https://arxiv.org/abs/2302.08626"),
    "rms norm": ("Zhang & Sennrich 2019", "https://arxiv.org/abs/1910.07467"),
}
_LISTED = 8
_CLAIMS = (Verdict.REDUNDANT, Verdict.CONDITIONAL, Verdict.IN_EVERY_USE)


@dataclass(frozen=True, slots=True)
class Hover:
    """markdown: with links. plain: the same without markup, for terminals. span: the code that it is about."""

    markdown: str
    plain: str
    span: Span


class Explained(Protocol):
    """What an explanation is made from; a report has it."""

    @property
    def source(self) -> Source:
        """The file under the cursor."""
        ...

    @property
    def flow(self) -> Flow:
        """Its layers and norms."""
        ...


@dataclass(frozen=True, slots=True)
class _Link:
    text: str
    target: Location | str


_Line: TypeAlias = "tuple[str | _Link, ...]"


def hover(report: Explained, offset: int, files: Files | None = None) -> Hover | None:
    """Explains the layer, norm or softmax whose constructor or call is at `offset`; None elsewhere.

    files: where to look up the lines of other files that a trail passes through; without it they are linked as a whole.
    """
    found = _under_cursor(report.flow, report.source.path, offset)
    if found is None:
        return None
    span, subjects = found
    lines: list[_Line] = []
    if len(subjects) == 1:
        match subjects[0]:
            case Site() as site:
                lines += _about_site(site)
            case NormUse() as norm:
                lines += _about_norm(norm, report.flow)
            case Layer() as layer:
                lines += _about_compound(layer)
    else:
        sites = [subject for subject in subjects if isinstance(subject, Site)]
        lines += [(_verdict(site),) for site in sites[:_LISTED]]
        lines += [(f"… and {len(sites) - _LISTED} more layers.",)] if len(sites) > _LISTED else []
    writer = _Writer(report.source, files)
    markdown = "\n\n".join("".join(writer.markdown(piece) for piece in line) for line in lines)
    plain = "\n".join("".join(writer.plain(piece) for piece in line) for line in lines)
    return Hover(markdown, plain, span)


def _under_cursor(flow: Flow, path: str, offset: int) -> tuple[Span, list[Site | NormUse | Layer]] | None:
    """The innermost call around the cursor and what it makes or applies: layers before norms."""
    places: list[tuple[Location, Site | NormUse | Layer]] = []
    for site in flow.affine_sites:
        places += [(place, site) for place in dict.fromkeys((site.location, *_calls(site)))]
    places += [(layer.site, layer) for layer in flow.compounds]
    for norm in flow.norms:
        places += [(place, norm) for place in dict.fromkeys((norm.location, *norm.calls))]
    around = [(place.span, s) for place, s in places if place.path == path and place.span.contains(offset)]
    if not around:
        return None
    innermost = min((span for span, _ in around), key=lambda span: (span.end - span.start, span))
    subjects = [subject for span, subject in around if span == innermost]
    sites = [subject for subject in subjects if isinstance(subject, Site)]
    return innermost, [*sites] or subjects[:1]


def _calls(site: Site) -> Iterator[Location]:
    """Where the layer is applied."""
    return (fate.trail[0].location for fate in site.fates if fate.trail)


# --- a layer ---------------------------------------------------------------------------------------------------------


def _about_site(site: Site) -> Iterator[_Line]:
    cancelled = site.first_cancelled
    if cancelled is not None and site.verdict in _CLAIMS:
        yield from _about_cancelled(site, cancelled)
    elif site.verdict is Verdict.ABSORBED and site.first_absorbed is not None:
        yield from _about_absorbed(site, site.first_absorbed)
    else:
        yield from _about_kept(site, site.first_reading)


def _about_cancelled(site: Site, fate: Fate) -> Iterator[_Line]:
    rule = rule_of(fate.cancelled_by)
    yield (f"**{_verdict(site)}**", *((" ", _Link(rule.code, rule.url)) if rule else ()))
    yield from _trail(fate)
    yield (f"`{_formula(site, fate)}`{_remark(fate)}",)
    yield (_replacement(site, fate),)
    yield from _cost(site)
    if site.verdict is Verdict.CONDITIONAL and site.first_reading is not None:
        yield ("Otherwise ", *_reader(site.first_reading), ".")
    yield from _caveats(site, fate)
    yield from _paper(fate.cancelled_by)


def _about_absorbed(site: Site, fate: Fate) -> Iterator[_Line]:
    """A bias without which the same functions can be learned."""
    yield (f"**{_verdict(site)}**",)
    yield from _trail(fate)
    if len(fate.trail) == 2 and fate.norm is not None:
        product = _product(site)
        yield (
            f"`{_chain(fate.trail)}: V({product} + b) + c = V{product} + (Vb + c)`: `c` can be all of the constant.",
        )
    if site.layer.bias is not False:
        yield (
            "It has an effect: to take it away from a trained model, what it adds there moves to the later bias once.",
        )
        yield from _cost(site)


def _about_kept(site: Site, fate: Fate | None) -> Iterator[_Line]:
    if fate is None or site.verdict is Verdict.UNUSED:
        yield (f"**{_verdict(site)}**",)
        return
    yield (f"**{_verdict(site)}** ", *_sentence(_reader(fate)))
    yield from _trail(fate)
    if fate.ending is Ending.READ:
        if fate.end is not None and len(fate.trail) > 1:
            yield (f"`{_reading_formula(site, fate)}` depends on `b`.",)
        yield from _partial_cancelling(fate)
    if site.first_cancelled is not None:
        others = canceller(site.first_cancelled)
        yield (f"On another way {others} cancels it; one use that needs the bias is enough to keep it.",)
    for part in site.parts:
        yield from _about_part(part)


def _about_part(site: Site) -> Iterator[_Line]:
    """A part of the bias that has no effect, with its own way."""
    fate = site.first_cancelled
    if fate is None or site.layer.bias is False:
        return
    yield (statement(site, fate),)
    yield from _trail(fate)
    yield (f"`{_formula(site, fate)}`",)
    yield ("No argument of the layer leaves out only a part of its bias, so there is nothing to repair.",)
    yield from _paper(fate.cancelled_by)


def _verdict(site: Site) -> str:
    """One sentence, for layers with and without a bias."""
    name, fate, without = named(site.layer), site.first_cancelled, site.layer.bias is False
    match site.verdict:
        case Verdict.REDUNDANT | Verdict.CONDITIONAL | Verdict.IN_EVERY_USE if fate is not None:
            if not without:
                return statement(site, fate)
            condition = f" {when(site.condition)}" if site.verdict is Verdict.CONDITIONAL else ""
            argument = site.layer.entry.shift.argument if site.layer.entry.shift else "bias"
            text = f"`{argument}={site.layer.bias_text or 'False'}`"
            return f"{text} is right for {name}{condition}: {reason(fate, 'a bias')}."
        case Verdict.ABSORBED if without:
            return f"{name} has no bias: {absorbing(site)} can add all that one here could."
        case Verdict.ABSORBED:
            return absorbed_statement(site)
        case Verdict.UNUSED:
            return f"No path that we followed uses {name}."
        case Verdict.UNKNOWN:
            return f"We cannot tell whether the bias of {name} has an effect."
        case _ if without:
            return f"{name} has no bias, and nothing cancels one here: it would have an effect."
        case _:
            return f"The bias of {name} is needed."


def _reader(fate: Fate) -> _Line:
    """What reads the bias, hides it from us or hands it out, as a clause."""
    end = fate.end
    if fate.ending is Ending.RETURNED or end is None:
        return (f"it reaches the output of `{fate.root}`",)
    place = _Link(f"`{end.label}`", end.location)
    why = f" ({fate.reason})" if fate.reason else ""
    if fate.ending is Ending.UNKNOWN:
        return ("we cannot follow it at ", place, why)
    return (place, f" reads it{why}")


def _sentence(clause: _Line) -> _Line:
    first, *rest = clause
    return (first[:1].upper() + first[1:] if isinstance(first, str) else first, *rest, ".")


def _trail(fate: Fate) -> Iterator[_Line]:
    """Each step as a link to its line."""
    if len(fate.trail) < 2:
        return
    shown = [*fate.trail] if len(fate.trail) <= _LISTED else [*fate.trail[: _LISTED - 3], None, *fate.trail[-2:]]
    line: list[str | _Link] = ["Its way: "]
    for number, step in enumerate(shown):
        line.append(" → " if number else "")
        line.append("…" if step is None else _Link(f"`{step.label}`", step.location))
    yield tuple(line)


# --- a layer with layers inside --------------------------------------------------------------------------------------


def _about_compound(layer: Layer) -> Iterator[_Line]:
    """What is known of the biases inside of a layer whose steps are not followed."""
    name = named(layer)
    if layer.inner == KEY_CANCELLED:
        yield (f"**A third of `in_proj_bias` of {name} (`in_proj_bias.chunk(3)[1]`, for the keys) has no effect.**",)
        yield ("`softmax(q·(k + b)) = softmax(q·k + q·b) = softmax(q·k)`: no value of it changes the weights.",)
        yield ("No argument of the layer leaves out only that part, so there is nothing to repair.",)
        yield from _paper("softmax")
    else:
        where = "" if layer.inner == ADDED_TWICE else " in two of three gates"
        yield (f"**The two biases of {name} are added to each other{where}.**",)
        yield ("`(b_ih + d) + (b_hh − d) = b_ih + b_hh`: one would do there, but `bias=False` leaves out both.",)


# --- the mathematics -------------------------------------------------------------------------------------------------


def _formula(site: Site, fate: Fate) -> str:
    """The reason as an equation in the names of this code."""
    if fate.cancelled_by == "softmax":
        if _is_dot_product(fate):
            return "softmax(q·(k + b)) = softmax(q·k + q·b) = softmax(q·k)"
        return "softmax(s + b) = exp(s + b) / Σ exp(s + b) = exp(s) / Σ exp(s) = softmax(s)"
    direct = len(fate.trail) == 2
    value = _product(site) if direct else "y"
    left = "" if fate.cancelled_by == "centering" else f"{_chain(fate.trail)}: "
    return f"{left}({value} + b) − mean({value} + b) = {value} − mean({value})"


def _reading_formula(site: Site, fate: Fate) -> str:
    """`relu(Wx + b)`, or the chain of names where something stands between."""
    if len(fate.trail) > 2 or fate.end is None:
        return _chain(fate.trail)
    others = ", …" if len(fate.end.operands) > 1 else ""
    return f"{_subscripted(fate.end.label)}({_product(site)} + b{others})"


def _product(site: Site) -> str:
    return "Wx" if "Linear" in site.layer.entry.label else "W∗x"


def _remark(fate: Fate) -> str:
    arriving = _chain(fate.trail[:-1])
    if fate.cancelled_by == "softmax":
        if _is_dot_product(fate):
            key = f"{_subscripted(fate.trail[0].label)}(x)"
            return f" with `k = {key}`: `q·b` is the same number for all entries that the softmax compares."
        return f" with `s = {arriving}`: `b` is the same number for all entries that the softmax compares."
    if len(fate.trail) == 2:
        spread = "; the variance does not change either" if fate.cancelled_by != "centering" else ""
        return f" because `mean(b) = b`{spread}."
    return f" with `y = {arriving}` without the bias; what `b` has become is constant along the axes of the mean."


def _replacement(site: Site, fate: Fate) -> str:
    """What takes the place of the bias."""
    if fate.cancelled_by == "softmax":
        return "Nothing has to take its place: no value of it changes the weights."
    if fate.norm is None:
        return "Nothing has to take its place: no value of it changes the result."
    norm = canceller(fate)
    match fate.norm.bias:
        case True:
            return f"The learned shift of {norm} (β, its `bias`) does what a bias here cannot."
        case False:
            return f"{norm} has no learned shift (β) of its own, and a bias before it does not bring one back."
        case None:
            return f"A learned shift (β) can only come after the subtraction: from {norm} itself, if it has one."


def _cost(site: Site) -> Iterator[_Line]:
    size = site.layer.parameters
    if size is None or site.layer.bias is False:
        return
    count = f"{size.value:,}" if size.value is not None else f"`{size}`"
    yield (f"It costs {count} parameter{'' if size.value == 1 else 's'}, with gradient and optimiser state.",)


def _caveats(site: Site, fate: Fate) -> Iterator[_Line]:
    if fate.cancelled_by == "batch norm" and site.layer.bias is not False:
        yield (
            f"In eval mode {canceller(fate)} uses its stored `running_mean`, which contains the bias: "
            "in a trained checkpoint it has to be subtracted there when the bias goes.",
        )
    if bias_argument(site.layer):
        yield (
            f"Whether the bias is there depends on `{bias_argument(site.layer)}`: change its default, not this call.",
        )


def _partial_cancelling(fate: Fate) -> Iterator[_Line]:
    """What is often believed of the norm that reads the bias, put right."""
    effects = [effect for row in (fate.end.effects if fate.end else ()) for effect in row]
    by = next((effect.by for effect in effects if isinstance(effect, Cancels)), "")
    match by:
        case "layer norm":
            yield ("A layer norm takes away only the bias's average over the normalised axes; its differences stay.",)
        case "group norm":
            yield ("A group norm takes away only the bias's average in each group; the differences inside it stay.",)
        case "batch norm" | "instance norm":
            yield ("It takes away a constant of each channel only; here the bias has come to vary within one.",)
        case "softmax":
            yield ("A softmax forgets only what is the same for all its entries; here the bias differs between them.",)
        case _:
            return
    yield from _paper(by)


def _paper(key: str) -> Iterator[_Line]:
    if key in _PAPERS:
        yield ("See ", _Link(*_PAPERS[key]), ".")


def _chain(trail: tuple[Equation, ...]) -> str:
    """`bn1(pool(conv1(x)))`, with dots where the way is long."""
    text = f"{_subscripted(trail[0].label)}(x)"
    later = trail[1:] if len(trail) <= 4 else trail[-2:]
    for number, step in enumerate(later):
        skipped = "… " if len(trail) > 4 and number == 0 else ""
        text = f"{_subscripted(step.label)}({skipped}{text}{', …' if len(step.operands) > 1 else ''})"
    return text


def _subscripted(label: str) -> str:
    """`layers.0` as Python writes it: `layers[0]`."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", label)


def _is_dot_product(fate: Fate) -> bool:
    """Whether the bias reaches the softmax through `q·k`, in the open or inside an attention function."""
    return any(step.product for step in fate.trail) or "attention" in fate.trail[-1].label


# --- a norm or a softmax ---------------------------------------------------------------------------------------------


def _about_norm(norm: NormUse, flow: Flow) -> Iterator[_Line]:
    kind = _kind(norm.name)
    sites = {site.location: site for site in flow.affine_sites}
    met = [sites[place] for place in dict.fromkeys(norm.cancels) if place in sites]
    cancelled = [site for site in met if site.verdict in _CLAIMS and site.layer.bias is not False]
    spared = [site for site in met if site.verdict in _CLAIMS and site.layer.bias is False]
    kept = [site for site in met if site.verdict not in _CLAIMS]
    reads = [sites[place] for place in dict.fromkeys(norm.reads) if place in sites]
    if cancelled:
        where = " in training" if kind == "batch norm" else ""
        yield (f"**`{norm.label}` cancels the bias of** ", *_names(cancelled), f"**: it has no effect{where}.**")
    if spared:
        yield (f"`{norm.label}` would cancel a bias of ", *_names(spared), ", which is rightly built without.")
    if not met:
        yield (f"**`{norm.label}` cancels no bias that we followed to it.**",)
    if kept:
        yield (f"`{norm.label}` subtracts the bias of ", *_names(kept), " too, but another use may need it.")
    if reads:
        yield ("It depends on the bias of ", *_names(reads), ".")
    yield from _own_shift(norm, flow)
    yield (_FACTS.get(kind, ""),)
    yield from _paper(kind)


def _own_shift(norm: NormUse, flow: Flow) -> Iterator[_Line]:
    """What becomes of the norm's β, where it can go."""
    own = next((site for site in flow.sites if site.location == norm.location and site.layer.bias is True), None)
    if own is not None and own.layer.entry.role == "norm" and own.verdict in (*_CLAIMS, Verdict.ABSORBED):
        yield (_verdict(own),)


_FACTS: Mapping[str, str] = {
    "batch norm": "`γ·(y − mean(y)) / σ + β`: a bias before it is part of `mean(y)`, with or without `affine`.",
    "instance norm": "`γ·(y − mean(y)) / σ + β` for each sample and channel: a bias before it is part of `mean(y)`, "
    "with or without `affine`.",
    "group norm": "`γ·(y − mean(y)) / σ + β` for each group: with one channel per group a bias before it is part of "
    "`mean(y)`; with fewer groups only its average in each group is.",
    "layer norm": "`γ·(y − mean(y)) / σ + β` over the normalised axes: of a bias that varies along them only the "
    "average goes; one that is the same along them goes as a whole.",
    "rms norm": "`γ·y / rms(y)`: it subtracts no mean, so a bias before it keeps its effect.",
    "softmax": "`softmax(s + c) = softmax(s)` for any number `c` that is the same for all entries of its axis.",
}


def _kind(name: str) -> str:
    word = re.sub(r"[^a-z]", "", name.rpartition(".")[2].lower())
    kinds = {"batchnorm": "batch norm", "instancenorm": "instance norm", "groupnorm": "group norm"}
    kinds |= {"layernorm": "layer norm", "rmsnorm": "rms norm", "softmax": "softmax", "scaleddotproduct": "softmax"}
    return next((kind for part, kind in kinds.items() if part in word), "")


def _names(sites: list[Site]) -> _Line:
    """The layers, each a link to its constructor."""
    line: list[str | _Link] = []
    for number, site in enumerate(sites[:_LISTED]):
        line += [", " if number else "", _Link(named(site.layer), site.location)]
    return (*line, f" and {len(sites) - _LISTED} more") if len(sites) > _LISTED else tuple(line)


# --- writing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Writer:
    source: Source
    files: Files | None

    def markdown(self, piece: str | _Link) -> str:
        if isinstance(piece, str):
            return piece
        if isinstance(piece.target, str):
            return f"[{piece.text}]({piece.target})"
        line = self._line(piece.target)
        address = _file_address(piece.target.path)
        return f"[{piece.text}]({address}{f'#L{line}' if line else ''})" if address else self.plain(piece)

    def plain(self, piece: str | _Link) -> str:
        if isinstance(piece, str):
            return piece.replace("**", "")
        if isinstance(piece.target, str):
            return f"{piece.text} ({piece.target})"
        line = self._line(piece.target)
        if piece.target.path == self.source.path:
            return f"{piece.text} (line {line})"
        name = re.split(r"[/\\]", piece.target.path)[-1]
        return f"{piece.text} ({name}{f', line {line}' if line else ''})"

    def _line(self, place: Location) -> int | None:
        """One-based, None where the file is not at hand."""
        source = self.source if place.path == self.source.path else self.files and self.files.read(place.path)
        return source.line_and_column(place.span.start)[0] + 1 if isinstance(source, Source) else None


def _file_address(path: str) -> str:
    """A `file:` address; "" for documents that are no file."""
    if re.match(r"[A-Za-z]:[\\/]", path):
        return "file:///" + quote(path.replace("\\", "/"), safe="/")
    return "file://" + quote(path) if path.startswith("/") else ""
