"""What stands in a sentence is text, not markup: it may quote any code of the file."""

from __future__ import annotations

import pytest

from biaslens.explain.document import Addresses, Writer, prose
from biaslens.text import Source

WRITER = Writer(Source("/project/model.py", ""), None, Addresses())


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("**Keep it.** Since `a[0]` reads it.", "**Keep it.** Since `a[0]` reads it."),
        ("**when a[0] == '<b>'.**", r"**when a\[0\] == '\<b>'.**"),
        ("**when x ** 2 > 1.** It is.", r"**when x \*\* 2 > 1.** It is."),
        ("when a*b*c", r"when a\*b\*c"),
        ("when use_norm and __mode__ or _x", r"when use_norm and \_\_mode\_\_ or \_x"),
        ("when kind == '~~a~~ &lt; & \\n'", r"when kind == '\~\~a\~\~ \&lt; & \\n'"),
        ("`__mode__` and `x ** y`", "`__mode__` and `x ** y`"),
    ],
)
def test_only_code_and_the_beginning_are_markup(text: str, markdown: str) -> None:
    assert prose(text) == markdown
    assert WRITER.markdown([(text,)]) == (markdown,)


def test_plainly_only_the_marks_around_the_beginning_go() -> None:
    assert WRITER.plain([("**when x ** 2 > 1.** It is `a ** b`.", " c ** d")]) == (
        "when x ** 2 > 1. It is `a ** b`. c ** d",
    )
