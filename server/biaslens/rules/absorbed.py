"""What the rules BL201 and BL204 share: sites whose bias a later bias can take over, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Ending, Flow, Site, Verdict
from biaslens.program.ir import Layer
from biaslens.rules.redundant import bias_argument, is_live, named, shift_of
from biaslens.rules.rule import Finding, Rule


def findings(flow: Flow, rule: Rule, role: str) -> Iterator[Finding]:
    """One finding for each layer of a role in the flow's own file whose bias later biases absorb."""
    for site in flow.sites:
        if site.verdict is Verdict.ABSORBED and is_live(site, flow.path, role):
            yield Finding(
                code=rule.code,
                name=rule.name,
                location=site.location,
                message=statement(site),
                severity=rule.severity,
                site=site,
                related=tuple(
                    (layer.site, f"the bias of {named(layer)} can take it over") for layer in absorbers(site)
                ),
                url=rule.url,
                unnecessary=False,
            )


def statement(site: Site) -> str:
    """The verdict in one sentence: "The bias of `fc2` can take over what the bias of `fc1` adds."."""
    argument = bias_argument(site.layer)
    where = f" where `{argument}` gives it one" if argument else ""
    takers = absorbing(site)
    own = f"the {shift_of(site.layer)} of {named(site.layer)}{where}"
    return f"{takers[0].upper()}{takers[1:]} can take over what {own} adds."


def absorbing(site: Site) -> str:
    """What takes a bias over, by the names of the code: "the bias of `fc2`", "the biases of `left` and `right`"."""
    layers = absorbers(site)
    nouns = {shift_of(layer) for layer in layers}
    noun = nouns.pop() if len(nouns) == 1 else "bias"
    names = list(dict.fromkeys(named(layer) for layer in layers))
    if len(names) == 1:
        return f"the {noun} of {names[0]}"
    shown = [*names[:3], "others"] if len(names) > 4 else names
    plural = noun + "es" if noun == "bias" else noun.replace("shift", "shifts")
    return f"the {plural} of {', '.join(shown[:-1])} and {shown[-1]}"


def absorbers(site: Site) -> tuple[Layer, ...]:
    """The layers whose biases take this one over, each constructor call once."""
    ends = (fate.norm for fate in site.fates if fate.ending is Ending.ABSORBED)
    return tuple({layer.site: layer for layer in ends if layer is not None}.values())
