"""The rules, each one file and one line here, and the judge that runs the chosen ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from biaslens.flow import Flow
from biaslens.rules import (
    bias_added_twice,
    bias_before_affine,
    bias_before_batch_norm,
    bias_before_centering,
    bias_before_group_norm,
    bias_before_instance_norm,
    bias_before_layer_norm,
    bias_before_softmax,
    no_shift_left,
    norm_shift_before_affine,
    norm_shift_before_norm,
    unused_suppression,
)
from biaslens.rules.rule import Finding, Rule
from biaslens.syntax.suppressions import Suppressions

RULES: tuple[Rule, ...] = (
    bias_before_batch_norm.RULE,
    bias_before_instance_norm.RULE,
    bias_before_group_norm.RULE,
    bias_before_centering.RULE,
    bias_before_softmax.RULE,
    bias_before_layer_norm.RULE,
    bias_before_affine.RULE,
    bias_added_twice.RULE,
    norm_shift_before_norm.RULE,
    norm_shift_before_affine.RULE,
    no_shift_left.RULE,
    unused_suppression.RULE,
)
"""All rules, by code."""


def judge(
    flow: Flow, selects: Callable[[str], bool], suppressions: Suppressions | None = None, *, complete: bool = True
) -> tuple[Finding, ...]:
    """The findings of all rules whose code `selects` accepts and no comment silences, sorted by place.

    suppressions: the comments of the flow's file. complete: the whole file was read and followed, so that a comment
    that silences nothing now is of no use.
    """
    return settled(findings_of(chosen(selects), flow), flow, selects, suppressions, complete=complete)


def chosen(selects: Callable[[str], bool]) -> tuple[Rule, ...]:
    """The rules that `selects` accepts; all of them, where it is asked which comments silence anything."""
    if selects(unused_suppression.RULE.code):
        return RULES
    return tuple(rule for rule in RULES if selects(rule.code))


def findings_of(rules: Iterable[Rule], flow: Flow) -> Iterator[Finding]:
    """What some rules say of a flow."""
    return (finding for rule in rules for finding in rule.check(flow))


def settled(
    found: Iterable[Finding],
    flow: Flow,
    selects: Callable[[str], bool],
    suppressions: Suppressions | None = None,
    *,
    complete: bool = True,
) -> tuple[Finding, ...]:
    """As `judge`, of what the rules said of all sites of a flow."""
    found = list(found)
    asks_for_comments = complete and suppressions is not None and selects(unused_suppression.RULE.code)
    if suppressions is not None:
        if asks_for_comments:
            codes = frozenset(rule.code for rule in RULES)
            found += unused_suppression.unused(flow, tuple(found), suppressions, codes)
        found = [finding for finding in found if not _is_silenced(finding, suppressions)]
    accepted = {code for code in {finding.code for finding in found} if selects(code)}
    wanted = (finding for finding in found if finding.code in accepted)
    return tuple(sorted(wanted, key=lambda finding: finding.order))


def _is_silenced(finding: Finding, suppressions: Suppressions) -> bool:
    """Whether a comment asks for silence. A useless comment does not ask it for itself, unless it names the rule."""
    comments = suppressions.at(finding.location.span)
    if finding.code == unused_suppression.RULE.code:
        comments = tuple(c for c in comments if c.codes or (c.whole_file and c.span != finding.location.span))
    return any(comment.names(finding.code) for comment in comments)


def rule_by_code(code: str) -> Rule | None:
    """The rule called `code` ("BL101") or by its name ("bias-before-batch-norm"), None for any other."""
    return next((rule for rule in RULES if code in (rule.code, rule.name)), None)


def rule_of(mechanism: str) -> Rule | None:
    """The rule about biases that `mechanism` cancels, in the words of `Fate.cancelled_by`."""
    return next((rule for rule in RULES if mechanism and rule.mechanism == mechanism), None)
