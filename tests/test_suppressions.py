"""Comments that silence findings: which comments count, for which lines, and what adding and removing them leaves."""

from __future__ import annotations

import ast
import io
import tokenize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.repair import fix_of
from biaslens.syntax.files import Files
from biaslens.syntax.suppressions import Suppressions
from biaslens.text import Source, Span
from markdown_cases import Case, all_cases

PATH = "/project/model.py"
HEAD = "from torch import nn\n"
DEFAULT = Options()
EVERYTHING = Options(select=("BL1", "BL9"))


def checked(text: str, options: Options = DEFAULT) -> Report:
    return lint(Source(PATH, text), Files(), options)


def codes(text: str, options: Options = DEFAULT) -> list[str]:
    return [finding.code for finding in checked(text, options).findings]


def line(comment: str) -> str:
    """A model on one line, with one finding of BL101, and a comment behind it."""
    return f"{HEAD}net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)){comment}\n"


@pytest.mark.parametrize(
    "comment",
    [
        "  # biaslens: ignore",
        "  # biaslens: ignore[BL101]",
        "  # biaslens: ignore[BL105, BL101]",
        "  # biaslens: ignore[BL105 BL101]",
        "  #biaslens:ignore [bl101]",
        "  # biaslens: ignore[BL101] because of old checkpoints",
        "  # biaslens: ignore, please",
        "  # type: ignore  # biaslens: ignore[BL101]",
        "  # biaslens: ignore[BL101]  # type: ignore",
        "  # noqa",
        "  # NOQA",
        "  # noqa and more",
        "  # noqa: BL101",
        "  # noqa:E501,BL101",
        "  # noqa : E501 BL101 reason",
        "  # fmt: skip # noqa: BL101",
        "  # 漢字 🙂 # biaslens: ignore",
    ],
)
def test_a_comment_silences_the_finding_on_its_line(comment: str) -> None:
    assert codes(line("")) == ["BL101"]
    assert codes(line(comment)) == []


@pytest.mark.parametrize(
    "comment",
    [
        "  # biaslens: ignore[BL105]",
        "  # biaslens: ignore[]",
        "  # biaslens: ignore[BL101",
        "  # biaslens: ignore-file",
        "  # biaslens: ignored",
        "  # biaslens ignore",
        "  # see biaslens: ignore",
        "  # noqa: E501",
        "  # noqa: BL1",
        "  # noqa: because",
        "  # noqa-not",
        "  # type: ignore",
        "; text = '# biaslens: ignore'",
        '; text = """# noqa"""',
        "; text = f'{1}# noqa'",
    ],
)
def test_what_only_looks_like_such_a_comment_silences_nothing(comment: str) -> None:
    assert codes(line(comment)) == ["BL101"]


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("# biaslens: ignore-file", 0),
        ("# biaslens: ignore-file[BL101]", 0),
        ("    # biaslens: ignore-file[BL101, BL105]  reason", 0),
        ("# biaslens: ignore-file[BL105]", 2),
        ("x = 1  # biaslens: ignore-file", 2),
        ("# biaslens: ignore", 2),
        ("# noqa", 2),
        ('"""\n# biaslens: ignore-file\n"""', 2),
    ],
)
@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_comment_on_a_line_of_its_own_speaks_for_the_file(comment: str, left: int, at_the_end: bool) -> None:
    models = line("") + line("").replace("net", "other")
    text = f"{models}{comment}\n" if at_the_end else f"{comment}\n{models}"
    assert len(codes(text)) == left


CALL = "nn.Conv2d(\n    3,  #1\n    8,  #2\n    3,  #3\n)"
LONG = "nn.Conv2d(3, 8, 3, padding_mode='''\nzeros\n'''.strip())"

STATEMENTS = {
    "a call": (f"net = nn.Sequential(  #a\n{CALL},  #b\n    nn.BatchNorm2d(8),  #c\n)  #d\n", "bd"),
    "both ends": ("net = nn.Sequential( #a\n nn.Conv2d(3, #b\n 8, #c\n 3), #d\n nn.BatchNorm2d(8))", "bd"),
    "backslashes": ("net = \\\n nn.Sequential(nn.Conv2d(3, 8, 3), \\\n nn.BatchNorm2d(8))  #a\n#b\n", "a"),
    "a long string": (f"net = nn.Sequential({LONG}, #b\n nn.BatchNorm2d(8)) #c\n".replace("zeros", "zeros#a"), "bc"),
    "a block": ("def f():  #a\n  return nn.Sequential(  #b\n  nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))  #c\n#d\n", "c"),
    "semicolons": ("x = 1; net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)); y = (  #a\n2)  #b\n", "ab"),
}


@pytest.mark.parametrize(("text", "silenced"), STATEMENTS.values(), ids=STATEMENTS)
def test_the_lines_that_count_are_the_first_and_last_of_the_call_and_the_last_of_the_statement(
    text: str, silenced: str
) -> None:
    for newline in ("\n", "\r\n", "\r"):
        marked = f"{HEAD}\f\n{text}".replace("\n", newline)
        marks = [mark for mark in "abcd123" if f"#{mark}" in text]
        assert codes(marked) == ["BL101"]
        found = [mark for mark in marks if not codes(marked.replace(f"#{mark}", f"# biaslens: ignore[BL101] {mark}"))]
        assert "".join(sorted(found)) == silenced


def test_a_line_with_two_findings_is_silenced_as_a_whole() -> None:
    layers = "nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8)"
    assert codes(f"{HEAD}net = nn.Sequential({layers})\n") == ["BL101", "BL101"]
    assert codes(f"{HEAD}net = nn.Sequential({layers})  # biaslens: ignore[BL101]\n") == []


@pytest.mark.parametrize(
    "broken",
    [
        "def f(:\n    x = 'a  # biaslens: ignore-file\n",
        "x = (\n",
        "class A\n  '''\n# biaslens: ignore-file\n",
        "x = 'abc\n",
    ],
)
def test_broken_code_elsewhere_changes_nothing(broken: str) -> None:
    silenced = line("  # biaslens: ignore[BL101]")
    for text in (broken + silenced, silenced + broken, f"# biaslens: ignore-file\n{broken}{line('')}"):
        assert codes(text) == [], text
    assert codes(line("") + broken) == ["BL101"]


def test_a_comment_for_the_file_counts_inside_of_broken_code() -> None:
    assert codes(f"{line('')}x = 'it''s' + (\n# biaslens: ignore-file\n") == []
    assert codes(f"{line('')}x = 'abc\n'''\n# biaslens: ignore-file\n") == ["BL101"], "it may stand in a string"


def test_sites_are_the_same_with_and_without_a_comment() -> None:
    plain, silenced = (checked(line(comment)).flow.sites for comment in ("", "  # noqa"))
    assert plain == silenced


# --- BL901 -----------------------------------------------------------------------------------------------------------

QUIET = "net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8))"
LOUD = "net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))"


def removed(statement: str) -> str | None:
    """The statement after the fix of its BL901, None without one."""
    report = checked(f"{HEAD}{statement}", EVERYTHING)
    found = [finding for finding in report.findings if finding.code == "BL901"]
    if not found:
        return None
    (finding,) = found
    fix = fix_of(finding, report, Files())
    assert fix is not None
    assert fix.applicability == "safe"
    after = report.source.edited(fix.edits)
    again = checked(after, EVERYTHING)
    assert "BL901" not in {finding.code for finding in again.findings}
    assert len(again.findings) == len(report.findings) - 1
    return after.removeprefix(HEAD)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{QUIET}  # biaslens: ignore[BL101]\n", f"{QUIET}\n"),
        (f"{QUIET}  # biaslens: ignore", f"{QUIET}"),
        (f"{QUIET}  # biaslens: ignore[]\r\n", f"{QUIET}\r\n"),
        (f"{QUIET}  # noqa: BL101\n", f"{QUIET}\n"),
        (f"{QUIET}  # noqa: E501, BL101\n", f"{QUIET}  # noqa: E501\n"),
        (f"{QUIET}  # noqa:BL101,E501,BL105 long\n", f"{QUIET}  # noqa:E501 long\n"),
        (f"{QUIET}  # biaslens: ignore[BL101]  # type: ignore\n", f"{QUIET}  # type: ignore\n"),
        (f"{QUIET}  # type: ignore  # biaslens: ignore[BL101]\n", f"{QUIET}  # type: ignore\n"),
        (f"{QUIET}  # biaslens: ignore[BL101] old weights\n", f"{QUIET}  # old weights\n"),
        (f"{QUIET}\n# biaslens: ignore[BL101]\nx = 1\n", f"{QUIET}\nx = 1\n"),
        (f"{QUIET}\n# biaslens: ignore-file[BL101]", f"{QUIET}\n"),
        (f"# biaslens: ignore-file\n{QUIET}\n", f"{QUIET}\n"),
        (f"{LOUD}  # biaslens: ignore[BL105, BL101]\n", f"{LOUD}  # biaslens: ignore[BL101]\n"),
        (f"{LOUD}  # biaslens: ignore[BL101,BL105,BL106]\n", f"{LOUD}  # biaslens: ignore[BL101]\n"),
        (f"{LOUD}  # biaslens: ignore[BL101, BL999]\n", f"{LOUD}  # biaslens: ignore[BL101]\n"),
        (f"{LOUD}\nx = 1  # biaslens: ignore[BL101]\n", f"{LOUD}\nx = 1\n"),
    ],
)
def test_what_silences_nothing_is_found_and_its_fix_leaves_the_rest(before: str, after: str) -> None:
    assert removed(before) == after


@pytest.mark.parametrize(
    "statement",
    [
        f"{LOUD}  # biaslens: ignore[BL101]\n",
        f"{LOUD}  # biaslens: ignore\n",
        f"{QUIET}  # noqa\n",
        f"{QUIET}  # noqa: E501\n",
        f"{QUIET}  # noqa: BLE001\n",
        f"{QUIET}  # biaslens: ignore[BL101, BL901]\n",
        f"# biaslens: ignore-file[BL901]\n{QUIET}  # biaslens: ignore[BL101]\n",
        f"# biaslens: ignore-file[BL101]\n{LOUD}\n",
        f"{QUIET}  # biaslens: ignore[BL101]\nx = (\n",
        "net = nn.Conv2d(3, 8, 3)  # biaslens: ignore[BL101]\n",
        "net = nn.Sequential(nn.Conv2d(3, 8, 3), unknown())  # biaslens: ignore[BL101]\n",
    ],
)
def test_comments_that_work_or_may_work_are_left_alone(statement: str) -> None:
    assert removed(statement) is None


def test_a_bias_that_something_reads_needs_no_comment() -> None:
    text = "net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8))"
    assert removed(f"{text}  # biaslens: ignore[BL101]\n") == f"{text}\n"


def test_it_is_off_by_default_and_rules_that_are_not_selected_count() -> None:
    assert codes(f"{HEAD}{QUIET}  # biaslens: ignore\n") == []
    assert codes(f"{HEAD}{LOUD}  # biaslens: ignore[BL101]\n", Options(select=("BL901",))) == []


def test_a_code_that_is_no_rule_is_named() -> None:
    (finding,) = checked(f"{HEAD}{LOUD}  # biaslens: ignore[BL101, BL998, BL999]\n", EVERYTHING).findings
    assert finding.message == "`BL998`, `BL999` silence nothing because there is no such rule."


# --- adding comments -------------------------------------------------------------------------------------------------


def added(text: str) -> str:
    """The text with a comment for every finding."""
    report = checked(text, EVERYTHING)
    about = [(finding.code, finding.location.span) for finding in report.findings if finding.site is not None]
    return report.source.edited(Suppressions(report.source).with_ignored(about))


def ignored(text: str) -> str:
    """The same; checks that it says the same and that no finding is left, nor a useless comment."""
    after = added(text)
    assert codes(after, EVERYTHING) == []
    if checked(text).problems == ():
        assert ast.dump(ast.parse(after)) == ast.dump(ast.parse(text))
    return after


ADDED = "  # biaslens: ignore[BL101]"
OPEN = "net = nn.Sequential(\n    nn.Conv2d("
CLOSE = "    nn.BatchNorm2d(8))\n"
STRINGS = f"net = nn.Sequential({LONG}, '''\n'''[:0] or \\\n nn.BatchNorm2d(8))"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{LOUD}\n", f"{LOUD}{ADDED}\n"),
        (f"{LOUD}   \r\n", f"{LOUD}{ADDED}\r\n"),
        (LOUD, f"{LOUD}{ADDED}"),
        (f"{LOUD}  # type: ignore\n", f"{LOUD}  # type: ignore{ADDED}\n"),
        (f"{LOUD}  # noqa: E501\n", f"{LOUD}  # noqa: E501{ADDED}\n"),
        (f"{STRINGS}\n", f"{STRINGS}{ADDED}\n"),
        (f"{OPEN}\n        3, 8, 3),\n{CLOSE}", f"{OPEN}{ADDED}\n        3, 8, 3),\n{CLOSE}"),
        (f"def f(:\nimport x\n{LOUD}\n", f"def f(:\nimport x\n{LOUD}{ADDED}\n"),
    ],
)
def test_a_comment_is_added_where_it_counts_and_other_comments_stay(before: str, after: str) -> None:
    assert ignored(f"{HEAD}{before}") == f"{HEAD}{after}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{LOUD}  # biaslens: ignore[BL105] why\n", f"{LOUD}  # biaslens: ignore[BL105, BL101] why\n"),
        (f"{LOUD}  # biaslens: ignore[]\n", f"{LOUD}  # biaslens: ignore[BL101]\n"),
        (
            f"{OPEN}\n        3, 8, 3),  # biaslens: ignore[BL105]\n{CLOSE}",
            f"{OPEN}\n        3, 8, 3),  # biaslens: ignore[BL105, BL101]\n{CLOSE}",
        ),
    ],
)
def test_a_code_joins_a_list_that_stands_there(before: str, after: str) -> None:
    assert added(f"{HEAD}{before}") == f"{HEAD}{after}"
    assert codes(f"{HEAD}{after}") == []


@pytest.mark.parametrize("case", [case for case in all_cases() if case.has_finding], ids=str)
def test_every_case_is_silent_after_comments_were_added(case: Case) -> None:
    for text in (case.text, case.text.replace("\n", "\r\n")):
        ignored(text)


_GAP = st.sampled_from(["", " ", "\n    ", "  # note, (\n    ", " \\\n  ", "\n\n    ", "  # type: ignore\n"])
_NAME = st.sampled_from(["", "", "'''\nx\n'''and ", "'a # b' and ", '"""# noqa\n""" and '])
_END = st.sampled_from(["", "  ", "  # noqa: E501", "; x = '# noqa'", "; x = (\n1)", "  # biaslens: ignore[BL102]"])


@settings(max_examples=300, deadline=None)
@given(st.lists(_GAP, min_size=6, max_size=6), _NAME, _END, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_any_layout_is_silenced_and_says_the_same(
    gaps: list[str], name: str, end: str, newline: str, inside: bool
) -> None:
    call = f"nn.Conv2d({gaps[0]}3,{gaps[1]}8,{gaps[2]}{name}3{gaps[3]})"
    start = "def make():\n    return " if inside else "net = "
    net = f"{start}nn.Sequential({gaps[4]}{call},{gaps[5]}nn.BatchNorm2d(8)){end}"
    text = f"{HEAD}{net}\n# end\n".replace("\n", newline)
    assert codes(text) == ["BL101"]
    after = added(text)
    assert codes(after) == []
    assert ast.dump(ast.parse(after)) == ast.dump(ast.parse(text))


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("#'\"\\\n\r\f ({[)]}:fx=a1é🙂 \tnoqa"), max_size=60))
def test_comments_are_those_of_the_tokenizer(text: str) -> None:
    source = Source(PATH, text)
    comments = [source.excerpt(span) for span in Suppressions(source).layout.comments]
    try:
        compile(text, PATH, "exec", ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError):
        return
    lines = io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"))
    assert comments == [t.string for t in tokenize.generate_tokens(lines.readline) if t.type == tokenize.COMMENT]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80), st.integers(0, 80), st.integers(0, 80))
def test_no_text_makes_it_fail(text: str, start: int, end: int) -> None:
    source = Source(PATH, f"# noqa\n{text}  # biaslens: ignore[BL101]")
    suppressions = Suppressions(source)
    span = Span(min(start, end, len(source.text)), min(max(start, end), len(source.text)))
    source.edited(suppressions.with_ignored([("BL101", span)]))
    for suppression in suppressions.found:
        assert source.excerpt(suppression.span).startswith("#")
        source.edited([suppressions.without(suppression, ("BL101",))])
