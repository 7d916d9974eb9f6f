"""# Unused suppression

## What it finds

A comment `# biaslens: ignore[…]` or `# noqa: BL…` that silences nothing: the bias has gone, the norm has gone, or the
comment stands on another line than it was meant for. Of a list of codes the ones without effect are named.

## Why

A comment that silences nothing misleads whoever reads it, and it would hide the next finding on its line.

## Example

```python
import torch.nn as nn


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3, bias=False)  # biaslens: ignore[BL101] # error
        self.norm = nn.BatchNorm2d(64)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()
```

## Use instead

```python
import torch.nn as nn


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3, bias=False)
        self.norm = nn.BatchNorm2d(64)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()
```

## When it does not apply

The rule is off unless it is selected (`--select BL1,BL9`), because whether a comment is needed can hang on files that
are not looked at: a layer of a helper is judged by its uses. For the same reason nothing is said of a comment at a
layer whose bias is only returned, or of which the analysis does not know what becomes, and nothing in a file that does
not parse as a whole or was too large to follow. A bare `# noqa` may be meant for other tools and is never reported.
Rules that are not selected count as if they were.

## Fix safety

Safe: only the comment changes. Other text in it stays, and so do other codes. A comment is left alone where it names
`BL901` itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from biaslens.flow import Ending, Flow, Site, Verdict
from biaslens.rules.rule import Finding, Fix, Rule
from biaslens.syntax.suppressions import Suppression, Suppressions
from biaslens.text import Location

_OURS = re.compile(r"BL\d+")
_SURE = "BL1"
"""The rules about biases that have no effect: of those it is known where they never find anything."""


def unused(
    flow: Flow, findings: Sequence[Finding], suppressions: Suppressions, known: Collection[str]
) -> Iterator[Finding]:
    """A finding for every directive of which a part silences nothing.

    findings: those of all rules, before any is silenced. known: the codes of all rules.
    """
    judged = {finding.location for finding in findings}
    for suppression in suppressions.found:
        silenced = {f.code for f in findings if suppression in suppressions.at(f.location.span)}
        sites = [
            site
            for site in flow.sites
            if site.location.path == flow.path
            and site.location not in judged
            and suppression in suppressions.at(site.location.span)
        ]
        undecided = {code for code in known for site in sites if _may_come(code, site)}
        idle = _idle(suppression, silenced, undecided)
        if idle is not None:
            edit = suppressions.without(suppression, idle)
            yield Finding(
                code=RULE.code,
                name=RULE.name,
                location=Location(flow.path, suppression.span),
                message=_message(idle, known),
                severity=RULE.severity,
                fix=Fix("Remove what silences nothing from the comment", (edit,)),
            )


def check(_: Flow) -> Iterator[Finding]:
    """Nothing: what a comment silences is known when all other rules have spoken, and `unused` tells it then."""
    return iter(())


def _may_come(code: str, site: Site) -> bool:
    """Whether a finding at this site may come to light when more files are looked at, or more is understood."""
    if not code.startswith(_SURE):
        return True
    if site.layer.entry.role != "affine" or site.layer.bias is False:
        return False
    return site.verdict is not Verdict.NEEDED or not any(fate.ending is Ending.READ for fate in site.fates)


def _idle(suppression: Suppression, silenced: Collection[str], undecided: Collection[str]) -> tuple[str, ...] | None:
    """The codes without effect, none of them for a directive that has none at all; None where nothing is wrong."""
    if suppression.codes is None:
        sure = any(code.startswith(_SURE) for code in undecided)
        return None if suppression.is_noqa or silenced or sure else ()
    codes = [code.text for code in suppression.codes if not suppression.is_noqa or _OURS.fullmatch(code.text)]
    idle = tuple(code for code in codes if code not in silenced and code not in undecided)
    if RULE.code in codes or (suppression.codes and not idle):
        return None
    return idle


def _message(idle: Sequence[str], known: Collection[str]) -> str:
    named = ", ".join(f"`{code}`" for code in idle) or "This comment"
    verb = "silences" if len(idle) < 2 else "silence"
    reason = "here" if not idle or any(code in known for code in idle) else "because there is no such rule"
    return f"{named} {verb} nothing {reason}."


RULE = Rule(
    code="BL901",
    name="unused-suppression",
    check=check,
    documentation=__doc__ or "",
    url="",
    default=False,
    severity="hint",
)
