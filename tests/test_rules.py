"""A rule's page is its first test: its example fires, torch agrees, and what it says to use instead is silent."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

import proof
from biaslens.algebra.axes import all_but, axes
from biaslens.algebra.outcome import Cancels
from biaslens.catalogue.entry import Call, Entry, LearnableShift, Step
from biaslens.fixes.remove_bias import fix
from biaslens.flow import Ending, Fate, Flow, Part, Site, Verdict
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.program.ir import Equation, Layer
from biaslens.repair import fix_of
from biaslens.rules.page import page
from biaslens.rules.redundant import condition_of
from biaslens.rules.registry import RULES, judge, rule_by_code, rule_of
from biaslens.rules.rule import Rule
from biaslens.syntax.files import Files
from biaslens.text import Location, Source, Span
from markdown_cases import Build, Case

PATH = "/project/model.py"

SECTIONS = (
    "What it finds",
    "Why",
    "Example",
    "Use instead",
    "When it does not apply",
    "Fix safety",
    "The proof in three lines",
    "References",
)

MODELS = {
    "BL101": Build("build", "Stem()", "(4, 3, 12, 10)"),
    "BL102": Build("build", "Down()", "(4, 3, 12, 10)"),
    "BL103": Build("build", "Block()", "(4, 8, 7, 6)"),
    "BL104": Build("build", "Centred()", "(4, 3, 9, 8)"),
    "BL105": Build("build", "Attention()", "(4, 7, 16)"),
    "BL106": Build("build", "TokenMixing()", "(4, 10, 16)"),
    "BL201": Build("build", "Bottleneck()", "(4, 16)"),
    "BL202": Build("build", "Tagger()", "(4, 10, 16)"),
    "BL203": Build("build", "Tokens()", "(4, 7, 16)"),
    "BL204": Build("build", "FeedForward()", "(4, 7, 16)"),
    "BL301": Build("build", "FeedForward()", "(4, 7, 16)"),
}
"""How to run the example of each page."""

LAYER_RULES = tuple(rule for rule in RULES if rule.code != "BL901")
ABSORBERS = {"BL201": "up", "BL204": "up"}
"""Whose bias takes the other over, in the example of the page."""

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
every_layer_rule = pytest.mark.parametrize("rule", LAYER_RULES, ids=lambda rule: rule.code)
SINGLE = [rule for rule in LAYER_RULES if rule.code != "BL202"]
every_rule_of_one_bias = pytest.mark.parametrize("rule", SINGLE, ids=lambda rule: rule.code)


def blocks(rule: Rule) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", rule.documentation, re.MULTILINE | re.DOTALL)


def checked(text: str, rule: Rule) -> Report:
    report = lint(Source(PATH, text), Files(), Options(select=(rule.code,)))
    assert report.problems == ()
    return report


@every_rule
def test_a_page_has_the_fixed_sections_in_order(rule: Rule) -> None:
    sections = SECTIONS if rule in LAYER_RULES else SECTIONS[: SECTIONS.index("The proof in three lines")]
    assert tuple(re.findall(r"^## (.*)$", rule.documentation, re.MULTILINE)) == sections
    assert rule.documentation.startswith(f"# {rule.title}\n")
    assert len(blocks(rule)) == 2


@every_rule
def test_a_page_begins_with_the_facts_and_goes_on_with_the_docstring(rule: Rule) -> None:
    title, facts, body = page(rule).split("\n\n", 2)
    assert (title, body) == tuple(rule.documentation.split("\n\n", 1))
    assert facts.startswith(f"**{rule.code}** {rule.name} · ")
    assert ("on by default" in facts, f"--select {rule.code}" in facts) == (rule.default, not rule.default)
    assert ("warning" in facts, "hint" in facts) == (rule.severity == "warning", rule.severity == "hint")
    assert ("no fix" in facts, "`--fix`" in facts) == (rule.fix == "", rule.fix == "safe")


@every_layer_rule
def test_a_page_proves_itself_in_three_lines(rule: Rule) -> None:
    proof_section = rule.documentation.split("## The proof in three lines")[1].split("##")[0]
    assert proof_section.count("\n- ") == 3


@every_layer_rule
def test_a_page_links_only_to_papers_and_to_torch(rule: Rule) -> None:
    links = re.findall(r"\]\((.*?)\)", rule.documentation)
    assert len(links) >= 3
    for link in [*links, rule.url]:
        assert re.match(r"https://(arxiv\.org/abs/\d{4}\.\d{5}|docs\.pytorch\.org/\S+\.html)$", link), link
    assert rule.url in links


@every_rule
def test_the_example_fires_exactly_where_it_says(rule: Rule) -> None:
    text = blocks(rule)[0]
    found = checked(text, rule).findings
    lines = [Source(PATH, text).line_and_column(finding.location.span.start)[0] for finding in found]
    assert lines == [number for number, line in enumerate(text.splitlines()) if line.endswith("# error")] != []
    assert {finding.code for finding in found} == {rule.code}
    assert {finding.severity for finding in found} == {rule.severity}
    assert checked(blocks(rule)[1], rule).findings == ()


@every_rule_of_one_bias
def test_torch_agrees_with_the_example(rule: Rule) -> None:
    text, build = blocks(rule)[0], MODELS[rule.code]
    expected = {number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# error")}
    layers = [m for m in proof.measure(text, build) if not m.is_norm or rule.code in ("BL203", "BL204")]
    by_reading = {reading: {m.line for m in layers if m.reading is reading} for reading in proof.Reading}
    if rule.code in ABSORBERS or rule.code == "BL301":
        assert expected <= by_reading[proof.Reading.READ]
    elif rule.code == "BL203":
        assert expected < by_reading[proof.Reading.CANCELLED]  # as is a bias that the convolution does not have
    else:
        assert expected == by_reading[proof.Reading.CANCELLED]
        assert all(m.reading is proof.Reading.READ for m in layers if m.line not in expected)
    for line in expected:
        if rule.code in ABSORBERS:
            assert proof.left_by_absorbers(text, build, line, (ABSORBERS[rule.code],), seed=1) < proof.STAYED


def test_zeros_stay_zeros_in_the_example_of_no_shift_left() -> None:
    rule = rule_by_code("BL301")
    assert rule is not None
    example, instead = blocks(rule)
    zeros = replace(MODELS["BL301"], inputs="nn.Linear(16, 7, bias=False).weight.detach().mul(0)")
    assert proof.output(example, zeros).abs().max() == 0
    assert proof.output(instead, zeros).abs().max() > 0


@every_rule
def test_what_to_use_instead_is_the_fixed_example_and_computes_the_same(rule: Rule) -> None:
    example, instead = blocks(rule)
    report = checked(example, rule)
    fixes = [fix_of(finding, report, Files()) for finding in report.findings]
    edits = [edit for fix in fixes if fix is not None for edit in fix.edits]
    fixed = report.source.edited(edits)
    assert checked(instead, rule).findings == ()
    if not rule.fix:
        assert fixes == [None]
        return
    assert {fix.applicability for fix in fixes if fix} == {rule.fix}
    assert fixed.replace("  # error", "") == instead
    if rule not in LAYER_RULES:
        return
    changes = proof.changes_by_fix(Case("page", example, {}, (MODELS[rule.code],), fixed))
    assert changes == [] or rule.code in ABSORBERS  # until what the bias adds is moved


def test_every_rule_has_its_own_code_name_and_mechanism() -> None:
    assert [rule.code for rule in RULES] == sorted({rule.code for rule in RULES})
    assert len({rule.name for rule in RULES}) == len(RULES)
    mechanisms = [rule.mechanism for rule in RULES if rule.default]
    assert all(mechanisms)
    assert len(set(mechanisms)) == len(mechanisms)
    for rule in RULES:
        assert rule_by_code(rule.code) is rule_by_code(rule.name) is rule
        assert rule_of(rule.mechanism) is (rule if rule.default else None)
    assert rule_by_code("BL999") is None
    assert rule_of("") is None


# --- which sites are reported, and how -------------------------------------------------------------------------------


def _nothing(_: Call) -> Step:
    return Step(())


CONV = Entry("torch.nn.Conv2d", (), _nothing, "affine", shift=LearnableShift("bias", -3, "out_channels"))
HERE, THERE = Location(PATH, Span(10, 20)), Location(PATH, Span(30, 40))


def site(by: str = "batch norm", norm: str = "BatchNorm2d", **changes: Any) -> Site:
    """A plain redundant site; changes go to the layer or, where it has no such field, to the site."""
    layer = Layer(0, CONV, HERE, "conv1", bias=True)
    of_layer = {name: value for name, value in changes.items() if hasattr(layer, name)}
    of_site = {name: value for name, value in changes.items() if not hasattr(layer, name)}
    canceller = Layer(1, Entry(f"torch.nn.{norm}", (), _nothing, "norm"), THERE, "bn1", bias=True) if norm else None
    over = axes(-1) if by == "softmax" else all_but(1)
    start = Equation((1,), "conv1", (0,), ((None,),), HERE)
    end = Equation((2,), "bn1" if norm else "softmax", (1,), ((Cancels(over, by),),), THERE)
    fate = Fate(Ending.CANCELLED, (start, end), "", "Net", (), by, norm=canceller)
    made = Site(HERE, replace(layer, **of_layer), Verdict.REDUNDANT, (fate,))
    return replace(made, **of_site)


def judged(*sites: Site) -> list[tuple[str, str, str]]:
    found = judge(Flow(PATH, sites, ()), Options().selects)
    return [(finding.code, finding.severity, finding.message) for finding in found]


def test_each_mechanism_is_claimed_by_one_rule() -> None:
    for rule in RULES:
        if rule.mechanism:
            assert [code for code, _, _ in judged(site(rule.mechanism))] == [rule.code]


def test_the_message_names_the_layer_the_norm_and_its_axes() -> None:
    for norm, where in (
        ("BatchNorm2d", "batch, height and width"),
        ("BatchNorm3d", "batch, depth, height and width"),
        ("BatchNorm1d", "the batch"),
        ("SyncBatchNorm", "the batch and all positions"),
    ):
        message = f"The bias of `conv1` has no effect: `bn1` subtracts the mean over {where}, and the bias with it."
        assert judged(site(norm=norm)) == [("BL101", "warning", message)]


def test_a_softmax_is_named_with_its_axis() -> None:
    message = "The bias of `conv1` has no effect: the softmax over dim -1 gives the same result whatever it is."
    assert judged(site("softmax", "")) == [("BL105", "warning", message)]


def test_a_layer_known_by_its_position_is_named_with_its_class() -> None:
    assert "The bias of `layers[0]` (Conv2d) has no effect" in judged(site(label="layers.0"))[0][2]


def test_a_condition_is_information_and_ends_the_sentence() -> None:
    ((_, severity, message),) = judged(site(verdict=Verdict.CONDITIONAL, condition="norm is 'bn'"))
    assert severity == "information"
    assert message.endswith("and the bias with it, when norm is 'bn'.")


def test_a_verdict_by_use_is_information_and_names_the_uses() -> None:
    found = judged(site(verdict=Verdict.IN_EVERY_USE, condition="in every use found", seen_in=("Net", "Other")))
    assert [(severity, "in every use found (`Net`, `Other`):" in text) for _, severity, text in found] == [
        ("information", True)
    ]


def test_a_part_is_information_with_its_code_and_has_no_fix() -> None:
    whole = site("softmax", "", verdict=Verdict.NEEDED, condition="relu reads it")
    part = replace(whole, condition="", part=Part("a third", "bias.chunk(3)[1]"))
    because = "the softmax over dim -1 gives the same result whatever this part is"
    message = f"A third of the bias of `conv1` (`bias.chunk(3)[1]`) has no effect: {because}."
    assert judged(whole) == []
    assert judged(replace(whole, parts=(part,))) == [("BL105", "information", message)]
    (finding,) = judge(Flow(PATH, (replace(whole, parts=(part,)),), ()), Options().selects)
    assert not finding.unnecessary
    later = replace(part, condition="norm is None")
    assert judged(replace(whole, parts=(later,)))[0][2] == f"{message[:-1]}, when norm is None."
    assert condition_of(part) == "only for bias.chunk(3)[1]"
    assert condition_of(later) == "only for bias.chunk(3)[1] and norm is None"
    for quiet in (replace(part.layer, bias=False), replace(part.layer, frozen=True)):
        assert judged(replace(whole, parts=(replace(part, layer=quiet),))) == []
    assert fix(Source(PATH, " " * 60), part) is None


def test_an_assumption_is_stated() -> None:
    plain = site(norm="BatchNorm1d")
    assumed = replace(plain, fates=(replace(plain.fates[0], assumption="for (batch, features) input"),))
    assert judged(assumed)[0][2].endswith("and the bias with it, for (batch, features) input.")


def test_a_bias_argument_that_is_a_parameter_is_information() -> None:
    for bias in (True, None):
        ((_, severity, message),) = judged(site(bias=bias, bias_text="use_bias"))
        assert severity == "information"
        assert "has no effect where `use_bias` gives it one:" in message


def test_sites_that_have_no_live_bias_of_their_own_are_left_alone() -> None:
    norm = replace(CONV, role="norm")
    for quiet in (
        site(bias=False),
        site(bias=None, bias_text="make_bias()"),
        site(frozen=True),
        site(tampered="its bias is assigned"),
        site(entry=norm),
        site(location=Location("/project/other.py", Span(10, 20))),
        site(fates=()),
        site(verdict=Verdict.CONDITIONAL),
        *(site(verdict=verdict) for verdict in (Verdict.NEEDED, Verdict.ABSORBED, Verdict.UNKNOWN, Verdict.UNUSED)),
    ):
        assert judged(quiet) == [], quiet


def test_findings_are_sorted_by_place_and_point_to_the_norm() -> None:
    later = site("softmax", "", location=Location(PATH, Span(50, 60)))
    found = judge(Flow(PATH, (later, site()), ()), Options().selects)
    assert [finding.code for finding in found] == ["BL101", "BL105"]
    assert found[0].related == ((THERE, "`bn1` cancels it here"),)
    assert found[0].url == "https://arxiv.org/abs/1502.03167"


def opted_in(made: Site) -> list[tuple[str, str, str]]:
    found = judge(Flow(PATH, (made,), ()), Options(select=("BL2", "BL3")).selects)
    assert not any(finding.unnecessary for finding in found)
    return [(finding.code, finding.severity, finding.message) for finding in found]


def absorbed_site(*absorbers: Layer, **changes: Any) -> Site:
    fates = tuple(Fate(Ending.ABSORBED, (), "", "Net", (), norm=absorber) for absorber in absorbers)
    return site(verdict=Verdict.ABSORBED, fates=fates, **changes)


def test_a_bias_that_later_ones_absorb_is_a_hint_that_names_them() -> None:
    up, down, last = (Layer(n, CONV, Location(PATH, Span(60 + n, 61 + n)), f"conv{n}", bias=True) for n in (2, 3, 4))
    sentence = "The {} can take over what the bias of `conv1` adds."
    assert opted_in(absorbed_site(up)) == [("BL201", "hint", sentence.format("bias of `conv2`"))]
    several = "biases of `conv2`, `conv3` and `conv4`"
    assert opted_in(absorbed_site(up, down, last)) == [("BL201", "hint", sentence.format(several))]
    ((_, _, message),) = opted_in(absorbed_site(up, bias=None, bias_text="use_bias"))
    assert message.endswith("can take over what the bias of `conv1` where `use_bias` gives it one adds.")
    for quiet in ({"bias": False}, {"frozen": True}, {"tampered": "its bias is assigned"}, {"by_default": False}):
        assert opted_in(absorbed_site(up, **quiet)) == []


def test_the_shift_of_a_norm_is_a_hint_where_it_is_cancelled_or_absorbed() -> None:
    norm = replace(CONV, role="norm")
    up = Layer(2, CONV, THERE, "conv2", bias=True)
    assert opted_in(absorbed_site(up, entry=norm)) == [
        ("BL204", "hint", "The bias of `conv2` can take over what the shift β of `conv1` adds.")
    ]
    message = (
        "The shift β of `conv1` has no effect: `bn1` subtracts the mean over batch, height and width, "
        "and the shift β with it."
    )
    assert opted_in(site(entry=norm)) == [("BL203", "hint", message)]
    assert opted_in(site(entry=norm, bias=False)) == []


def test_a_rule_that_is_not_selected_says_nothing() -> None:
    assert judge(Flow(PATH, (site(),), ()), Options(select=("BL105",)).selects) == ()
