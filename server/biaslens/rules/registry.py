"""The rules, each one file and one line here, and the judge that runs the chosen ones."""

from __future__ import annotations

from collections.abc import Callable

from biaslens.flow import Flow
from biaslens.rules import (
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
)
from biaslens.rules.rule import Finding, Rule

RULES: tuple[Rule, ...] = (
    bias_before_batch_norm.RULE,
    bias_before_instance_norm.RULE,
    bias_before_group_norm.RULE,
    bias_before_centering.RULE,
    bias_before_softmax.RULE,
    bias_before_layer_norm.RULE,
    bias_before_affine.RULE,
    norm_shift_before_norm.RULE,
    norm_shift_before_affine.RULE,
    no_shift_left.RULE,
)
"""All rules, by code."""


def judge(flow: Flow, selects: Callable[[str], bool]) -> tuple[Finding, ...]:
    """The findings of all rules whose code `selects` accepts, sorted by place."""
    found = [finding for rule in RULES if selects(rule.code) for finding in rule.check(flow)]
    return tuple(sorted(found, key=lambda finding: (finding.location, finding.code)))


def rule_by_code(code: str) -> Rule | None:
    """The rule called `code` ("BL101") or by its name ("bias-before-batch-norm"), None for any other."""
    return next((rule for rule in RULES if code in (rule.code, rule.name)), None)


def rule_of(mechanism: str) -> Rule | None:
    """The rule about biases that `mechanism` cancels, in the words of `Fate.cancelled_by`."""
    return next((rule for rule in RULES if mechanism and rule.mechanism == mechanism), None)
