"""`biaslens explain` and `biaslens rules`: what the rules say about themselves."""

from __future__ import annotations

import difflib

from biaslens.cli.console import Console
from biaslens.render.style import plain
from biaslens.rules.page import page
from biaslens.rules.registry import RULES, rule_by_code

_WIDEST = 100


def explain(code: str, console: Console) -> int:
    """Prints the page of one rule, typeset on a terminal and as Markdown elsewhere; 2 for an unknown code."""
    rule = rule_by_code(code.upper()) or rule_by_code(code.lower())
    if rule is None:
        codes = difflib.get_close_matches(code.upper(), [rule.code for rule in RULES], n=1)
        near = codes or difflib.get_close_matches(code.lower(), [rule.name for rule in RULES], n=1)
        hint = f"Did you mean {near[0]}?" if near else "`biaslens rules` lists them."
        console.note(f"There is no rule {code!r}. {hint}")
        return 2
    text = page(rule)
    if console.out.isatty():
        console.out.write(_typeset(text, coloured=console.paint is not plain))
    else:
        console.out.write(text)
    return 0


def list_rules(console: Console) -> int:
    """Prints code, name and title of every rule, and whether it is on without being asked for."""
    width = max(len(rule.name) for rule in RULES)
    for rule in RULES:
        switch = "on " if rule.default else "off"
        console.say(f"{console.paint(rule.code, 'code')}  {switch}  {rule.name:<{width}}  {rule.title}")
    return 0


def _typeset(text: str, *, coloured: bool) -> str:
    from rich.console import Console as Terminal
    from rich.markdown import Markdown

    terminal = Terminal(no_color=not coloured)
    with terminal.capture() as captured:
        terminal.print(Markdown(text), width=min(terminal.width, _WIDEST))
    return captured.get()
