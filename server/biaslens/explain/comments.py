"""What is said about a comment that silences findings, and about the code of a rule in it."""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.explain.document import Link, Page, Paragraph
from biaslens.flow import Flow
from biaslens.rules.registry import judge, rule_by_code
from biaslens.rules.rule import Finding, Rule
from biaslens.syntax.suppressions import Suppression, Suppressions
from biaslens.text import Span


def at_comment(suppressions: Suppressions, offset: int) -> tuple[Span, Suppression, Rule | None] | None:
    """The directive under the cursor, with the rule whose code is there; the span is the code's, or the directive's."""
    for suppression in suppressions.found:
        if suppression.span.contains(offset):
            for code in suppression.listed:
                rule = rule_by_code(code.text)
                if code.span.contains(offset) and rule is not None:
                    return code.span, suppression, rule
            return suppression.span, suppression, None
    return None


def about_comment(suppression: Suppression, suppressions: Suppressions, flow: Flow) -> Iterator[Paragraph]:
    """What a directive silences at present."""
    where = "in this file" if suppression.whole_file else "on this line"
    codes = [code.text for code in suppression.listed]
    what = f"{', '.join(f'`{code}`' for code in codes)}" if codes else "every rule"
    yield (f"**This comment silences {what} {where}.**",)
    silenced = list(_silenced(suppression, suppressions, flow))
    for finding in silenced[:_LISTED]:
        yield (Link(finding.code, finding.location), f": {finding.message}")
    if len(silenced) > _LISTED:
        yield (f"… and {len(silenced) - _LISTED} more.",)
    if not silenced:
        yield ("At present there is nothing to silence.",)
    for rule in map(rule_by_code, codes):
        if rule is not None:
            yield (f"{rule.code} is {rule.name}. More: ", Page(rule.code))


_LISTED = 5


def _silenced(suppression: Suppression, suppressions: Suppressions, flow: Flow) -> Iterator[Finding]:
    for finding in judge(flow, lambda _: True):
        if suppression.names(finding.code) and suppression in suppressions.at(finding.location.span):
            yield finding
