"""The page of a rule: one text for the command line, the editor and the folder of pages."""

from __future__ import annotations

from collections.abc import Mapping

from biaslens.rules.rule import Rule

_SEVERITIES: Mapping[str, str] = {"warning": "warning (information where it hangs on a condition)"}
_FIXES: Mapping[str, str] = {
    "safe": "fix: safe, applied by `--fix`",
    "unsafe": "fix: unsafe, applied by `--unsafe-fixes`",
    "": "no fix",
}


def page(rule: Rule) -> str:
    """The Markdown page: the title, a line with the rule's facts, and what its docstring goes on to say."""
    title, _, body = rule.documentation.strip().partition("\n")
    return f"{title}\n\n{_facts(rule)}\n\n{body.strip()}\n"


def _facts(rule: Rule) -> str:
    switch = "on by default" if rule.default else f"off unless selected (`--select {rule.code}`)"
    severity = _SEVERITIES.get(rule.severity, rule.severity)
    return f"**{rule.code}** {rule.name} · {switch} · {severity} · {_FIXES[rule.fix]}"
