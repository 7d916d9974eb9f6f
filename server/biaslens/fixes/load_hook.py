"""The other fix of BL101: the bias goes, and a checkpoint that still has it is folded into the norm's running mean.

In eval mode a batch norm subtracts a stored mean, which contains the bias: `norm(Wx + b)` with the mean `m` is
`norm(Wx)` with `m − b`. The class that holds both gets a `_load_from_state_dict` that says so. Of torch's ways to take
part in loading this one exists in every version: torch documents it as the method to override for checkpoints of older
versions, and does so in its own batch norm. It knows the prefix under which a model holds the module, and it is called
with a copy of the caller's dict. `register_load_state_dict_pre_hook` is public in recent versions only, its private
forerunner passes the hook other arguments, and both need a line in `__init__` and a method.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from biaslens.algebra.axes import NONE
from biaslens.algebra.outcome import Term
from biaslens.fixes import remove_bias
from biaslens.fixes.holders import Holder, holder_of
from biaslens.fixes.layout import indent_of, indent_unit, lines_of
from biaslens.flow import Ending, Site, Verdict
from biaslens.follow import follow
from biaslens.program.ir import Layer, Path, Program
from biaslens.rules.redundant import named
from biaslens.rules.rule import Fix
from biaslens.syntax.parse import Module, parse
from biaslens.text import Edit, Source, Span
from biaslens.verdicts import Use

_METHOD = "_load_from_state_dict"
_OPTIMISER = re.compile(r"\w*opt(?:im\w*)?(?:\.\w+|\[[^\]\n]*\])*\.load_state_dict\b", re.IGNORECASE)


def fix(source: Source, site: Site, program: Program) -> Fix | None:
    """As `remove_bias.fix`, with a hook that keeps old checkpoints loading into the same function.

    program: all paths of the file, with their equations.
    None where there is no such fix, or where the running mean of one batch norm, held by the same class, does not
    contain just this bias on every path.
    """
    if site.verdict is not Verdict.REDUNDANT:
        return None
    plain = remove_bias.fix(source, site, keeps_checkpoints=True)
    uses = _uses(site, program)
    norm = _norm(uses)
    if plain is None or not plain.edits or norm is None or norm.site.path != source.path:
        return None
    module = parse(source)
    holder, norm_holder = holder_of(module, site.location.span), holder_of(module, norm.site.span)
    if holder is None or norm_holder is None or holder.definition is not norm_holder.definition:
        return None
    if not _is_torch(holder.call, site.layer) or not _is_torch(norm_holder.call, norm):
        return None
    if not _is_held_as(holder, [use.layer for use in uses]) or not _is_held_as(norm_holder, [norm]):
        return None
    edit = _hook(module, holder, norm_holder) if _keeps_running_mean(norm_holder.call) else None
    if edit is None:
        return None
    title = f"Remove the bias of {named(site.layer)} and keep loading old checkpoints"
    made = replace(plain, title=title, edits=(*plain.edits, edit))
    optimiser = _OPTIMISER.search(source.text)
    if optimiser and made.applicability == "safe":
        reason = f"this file loads an optimiser's state (`{optimiser.group()}`), which counts the parameters"
        return replace(made, applicability="unsafe", reason=reason)
    return made


# --- what the running mean contains ----------------------------------------------------------------------------------


def _uses(site: Site, program: Program) -> list[Use]:
    """Every use of the layers that the site makes, followed anew to see what arrives at the norms."""
    runs = [
        replace(
            run, paths=tuple(path for path in run.paths if any(layer.site == site.location for layer in path.layers))
        )
        for run in program.runs
    ]
    uses = (use for run in runs if run.paths for use in follow(run).uses)
    return [use for use in uses if use.layer.site == site.location and use.fates]


def _norm(uses: list[Use]) -> Layer | None:
    """The batch norm that gets the bias as it is in every use, and nothing but that layer's output."""
    norms = [_norm_of(use) for use in uses]
    sites = {norm.site if norm else None for norm in norms}
    return norms[0] if len(sites) == 1 else None


def _norm_of(use: Use) -> Layer | None:
    norm = use.fates[0].norm
    if norm is None or norm.tampered or not norm.entry.label.startswith(("BatchNorm", "SyncBatchNorm")):
        return None
    for fate in use.fates:
        if fate.ending is not Ending.CANCELLED or fate.norm != norm or fate.shift is None:
            return None
        match fate.shift.terms:
            case [Term(("bias", use.layer.number), 1, _, possible)] if possible == NONE:
                pass
            case _:
                return None
    applied = sum(equation.layer == norm.number for equation in use.path.equations)
    return norm if applied == 1 and _rank(norm, use.path) == _rank(use.layer, use.path) else None


def _rank(layer: Layer, path: Path) -> int:
    """Which of the layers that its call makes it is: an instance of a class makes its own layer and its own norm."""
    return sum(other.site == layer.site and other.number < layer.number for other in path.layers)


# --- where the layers are held ---------------------------------------------------------------------------------------


def _is_held_as(holder: Holder, layers: list[Layer]) -> bool:
    """Whether the program calls the layers as the text does; what a model holds in turn has a longer name."""
    named = [layer for layer in layers if layer.label not in ("", layer.class_name)]
    return all(f".{layer.label}".endswith(f".{holder.key}") for layer in named)


def _is_torch(call: ast.Call, layer: Layer) -> bool:
    """Whether the call names torch's own class, whose state has torch's own keys."""
    name = "" if layer.declared else ast.unparse(call.func).rpartition(".")[2]
    return name == layer.entry.label and layer.entry.shift is not None and layer.entry.shift.attribute == "bias"


def _keeps_running_mean(call: ast.Call) -> bool:
    if len(call.args) > 4 or any(isinstance(argument, ast.Starred) for argument in call.args):
        return False
    return all(keyword.arg not in (None, "track_running_stats") for keyword in call.keywords)


# --- the hook --------------------------------------------------------------------------------------------------------


def _hook(module: Module, holder: Holder, norm: Holder) -> Edit | None:
    """A new method behind `__init__`, or one more line in the one that an earlier fix has made."""
    for statement in holder.definition.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == _METHOD:
            pairs = _pairs(statement)
            return _entry(module, pairs, holder.key, norm.key) if pairs is not None else None
    source = module.source
    place = lines_of(module, holder.initialiser).end
    indent, unit = indent_of(module, holder.initialiser), indent_unit(module, [holder.definition, holder.initialiser])
    lines = [indent + line.replace("\t", unit) if line else "" for line in _lines(holder.key, norm.key)]
    start = "" if source.text[:place].endswith(("\n", "\r")) else source.newline
    return Edit(Span(place, place), start + "".join(line + source.newline for line in lines))


def _lines(layer: str, norm: str) -> list[str]:
    return [
        "",
        f"def {_METHOD}(self, state_dict, prefix, *args, **kwargs):",
        "\t# Older checkpoints have a bias for these layers, and it is in the running mean of the norm as well.",
        "\tfor layer, norm in {",
        f'\t\t"{layer}": "{norm}",',
        "\t}.items():",
        '\t\tbias, mean = f"{prefix}{layer}.bias", f"{prefix}{norm}.running_mean"',
        "\t\tif bias in state_dict and mean in state_dict:",
        "\t\t\tstate_dict[mean] = state_dict[mean] - state_dict.pop(bias)",
        f"\tsuper().{_METHOD}(state_dict, prefix, *args, **kwargs)",
    ]


def _pairs(method: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.Dict | None:
    """The table of layers and norms, if the method is one of ours."""
    for statement in method.body:
        match statement:
            case ast.For(
                target=ast.Tuple([ast.Name("layer"), ast.Name("norm")]),
                iter=ast.Call(func=ast.Attribute(value=ast.Dict(values=[_, *_]) as pairs, attr="items")),
            ):
                return pairs
            case _:
                pass
    return None


def _entry(module: Module, pairs: ast.Dict, layer: str, norm: str) -> Edit:
    source, end = module.source, module.span(pairs.values[-1]).end
    comma = re.compile(r"\s*,").match(source.text, end)
    text = f'"{layer}": "{norm}"'
    if comma is None:
        return Edit(Span(end, end), f", {text}")
    return Edit(Span(comma.end(), comma.end()), f"{source.newline}{indent_of(module, pairs.values[-1])}{text},")
