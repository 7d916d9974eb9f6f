"""Notebooks as sources: what of a cell is Python, and where a place of the whole is in its cell."""

from __future__ import annotations

import ast
import random

import pytest

from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.repair import fix_of, fixes_of
from biaslens.rounds import edits_for
from biaslens.rules.rule import Finding, Fix
from biaslens.syntax.files import Files
from biaslens.syntax.magics import neutral
from biaslens.syntax.notebook import Cell, Notebook, notebook
from biaslens.syntax.parse import parse
from biaslens.syntax.suppressions import Suppressions
from biaslens.text import Edit, Location, Span

IMPORT = "import torch.nn as nn"
BLOCK = """\
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3)
        self.bn = nn.BatchNorm2d(64)

    def forward(self, x):
        return self.bn(self.conv(x))"""


def of(*texts: str) -> Notebook:
    return notebook("/project/train.ipynb", [Cell(text, number) for number, text in enumerate(texts, start=1)])


def checked(*texts: str, select: tuple[str, ...] = ("BL1",)) -> Report:
    return lint(of(*texts), Files(), Options(select=select))


def places(report: Report) -> list[str]:
    return [str(report.source.position(finding.location.span.start)) for finding in report.findings]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("%matplotlib inline\nx = 1", "0                 \nx = 1"),
        ("!pip install 'torch\nx = 1", "0                  \nx = 1"),
        ("!ls \\\n  -l\r\nx = 1", "0    \n    \r\nx = 1"),
        ("if x:\n    !ls\n    %cd ..", "if x:\n    0  \n    0     "),
        ("files = !ls *.pt", "files = ǃ       "),
        ("a, b = %magic 'x", "a, b = ǃ        "),
        ("%time y = net(x)", "0;    y = net(x)"),
        ("%timeit -n 10 -r3 net(x)  # slow", "0;                net(x)  # slow"),
        ("y = %time net(x)", "y =       net(x)"),
        ("%time with no_grad(): net(x)", "0                           "),
        ("%time", "0    "),
        ("nn.Conv2d?", "0         "),
        ("    net.forward??  \nx = 1", "    0              \nx = 1"),
        ("?net", "0   "),
        ("/print net", "0         "),
        ("%%time\ny = net(x)", "0     \ny = net(x)"),
        ("\n %%capture out --no-stderr\n%%time\n!ls", "\n 0                        \n0     \n0  "),
        ("%%bash\nls '\n\techo \"", "      \n    \n       "),
        ("%%time\n%%html\n<b>", "0     \n      \n   "),
        ("%%time?", "0      "),
        ("x = 1\n%%time", "x = 1\n0     "),
        ("\ufeffx = 1", "\x0cx = 1"),
    ],
)
def test_what_is_not_python_becomes_python_of_the_same_length(cell: str, code: str) -> None:
    assert neutral(cell) == code


@pytest.mark.parametrize(
    "cell",
    [
        "x = a % b\ny = (a\n  % b)\nz = a != b\nw %= 3",
        "s = '''\n%time\n!ls\nwhat?\n'''",
        "s = 'what?'  # really?\nt = \"a\\\n!b\"",
        "f(a=1,\n  b=2)  # = !",
        "print(f'{x!r} {y=}')",
        "x = 1 \\\n  % 2",
        "y = await net(x)\nasync with a: pass",
        "# !ls\n# what?",
    ],
)
def test_python_stays_as_it_is(cell: str) -> None:
    ast.parse(cell)
    assert neutral(cell) == cell


LINES = (
    "%time x = f(", "!ls 'a", "x = !ls \\", "y = %time f(x)", "%%time", "%%bash", "foo?", "s = '''", "z = (1,", ")",
    "x = 1", "if x:", "    %cd ..", "    y = 'é🙂'", "# what?", "f'{a!r}", "\\", "\ufeff", "%", "!", "?", "\u2028 = !",
    "",
)  # fmt: skip


def test_no_cell_changes_its_length_or_its_lines() -> None:
    chance = random.Random(4)
    for _ in range(4000):
        end = chance.choice(("\n", "\r\n", "\r"))
        cell = end.join(chance.choices(LINES, k=chance.randint(1, 6)))
        code = neutral(cell)
        assert [char if char in "\r\n" else "" for char in code] == [char if char in "\r\n" else "" for char in cell]
        assert neutral(code) in (code, code.replace("\ufeff", "\x0c"))


def test_every_offset_of_a_cell_is_one_of_the_whole_and_back() -> None:
    texts = ("import torch\r\nx = '🙂'", "", "a\rb", "%time x\n", "last")
    whole = of(*texts)
    seen: list[int] = []
    for number, (text, piece) in enumerate(zip(texts, whole.pieces, strict=True), start=1):
        assert piece.source.text == text
        for offset in range(len(text) + 1):
            place = piece.start + offset
            seen.append(place)
            assert whole.piece_at(place) is piece
            row, column = piece.source.line_and_column(offset)
            assert whole.position(place) == type(whole.position(place))(row + 1, column + 1, number)
    assert seen == sorted(set(seen))
    assert whole.joint == "\r\n"


def test_a_broken_cell_takes_nothing_of_the_next_one() -> None:
    for broken in ("x = (1,", "s = '''", "def f(", "if x:", "x = 1 + \\", "@decorator", "class A:\n    def f(self):"):
        module = parse(of("a = 1", broken, "b = 2", "c = 3"))
        bound = [ast.unparse(statement) for statement in module.statements]
        assert bound == ["a = 1", "b = 2", "c = 3"], broken
        (problem,) = module.problems
        assert problem.span is not None
        assert str(module.source.position(problem.span.start)) == "cell 2:1:1"


def test_cells_that_only_parse_together_do_not_run() -> None:
    module = parse(of("s = '''", "a = 1", "'''", "if x:", "    b = 2"))
    assert [ast.unparse(statement) for statement in module.statements] == ["a = 1", "b = 2"]


def test_an_indented_cell_runs_as_in_ipython() -> None:
    module = parse(of("a = 1", "    b = 2\n    c = 3", "    d = 4\nelse:\n    e = 5"))
    assert [ast.unparse(statement) for statement in module.statements] == ["a = 1", "b = 2", "c = 3"]
    assert [module.source.excerpt(module.span(statement)) for statement in module.statements][1:] == ["b = 2", "c = 3"]


def test_a_message_counts_lines_in_its_cell() -> None:
    (problem,) = parse(of("a = 1\n" * 9, "x = 1\ns = '''\n")).problems
    assert "line 10" not in problem.message
    (problem,) = parse(of("a = 1\n" * 9, "\nif x:\npass\n")).problems
    assert problem.message.endswith("after 'if' statement on line 2.")


def test_cells_are_one_module() -> None:
    report = checked(
        IMPORT, "norm = nn.BatchNorm2d", BLOCK.replace("nn.BatchNorm2d", "norm"), "%%bash\n'", "net = Block()"
    )
    assert places(report) == ["cell 3:4:21"]
    assert report.problems == ()


def test_a_class_defined_anew_in_a_later_cell_does_not_change_what_was_built_before() -> None:
    net = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 3)
        self.block = Block()

    def forward(self, x):
        return self.block(self.stem(x))"""
    first = BLOCK.replace("64, 3)", "64, 3, padding=1)")  # at its borders the bias of `stem` is no constant any more
    second = BLOCK.replace("self.bn(self.conv(x))", "self.conv(self.bn(x))").replace("2d(64)", "2d(3)")
    made = "net = Net()"
    assert len(checked(IMPORT, first, net, made, second, made).findings) == 1, "of the first block alone"
    assert len(checked(IMPORT, first, second, net, made).findings) == 2, "nothing can have used the first block"


def test_a_layer_may_be_made_in_one_cell_and_used_in_others() -> None:
    report = checked(
        f"{IMPORT}\nconv = nn.Conv2d(3, 8, 3)", "bn = nn.BatchNorm2d(8)", "%time y = bn(conv(x))", "await f(y)"
    )
    (finding,) = report.findings
    assert places(report) == ["cell 1:2:8"]
    assert [str(report.source.position(place.span.start)) for place, _ in finding.related] == ["cell 2:1:6"]
    used = checked(
        f"{IMPORT}\nconv = nn.Conv2d(3, 8, 3)", "bn = nn.BatchNorm2d(8)", "bn(conv(x))", "%time conv(x).relu()"
    )
    assert used.findings == ()


def test_a_finding_always_lies_in_one_cell() -> None:
    report = checked(IMPORT, BLOCK, BLOCK.replace("Block", "Other"))
    assert len(report.findings) == 2
    assert all(report.source.piece_at(f.location.span.start).span.covers(f.location.span) for f in report.findings)


def test_comments_speak_for_their_cell_line_and_one_for_the_notebook() -> None:
    call = "self.conv = nn.Conv2d(3, 64, 3)"
    silent = BLOCK.replace(call, f"{call}  # biaslens: ignore[BL101]")
    assert places(checked(IMPORT, silent, BLOCK)) == ["cell 3:4:21"]
    assert places(checked(IMPORT, "s = '''", silent, BLOCK)) == ["cell 4:4:21"]
    assert places(checked(IMPORT, BLOCK, "%time f()\n# biaslens: ignore-file")) == []
    assert places(checked(IMPORT, BLOCK, "%%bash\n# biaslens: ignore-file")) == ["cell 2:4:21"]


def test_a_comment_is_added_in_its_cell() -> None:
    lines = IMPORT, "%time net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))", "x = 1"
    report = checked(*lines)
    (finding,) = report.findings
    edits = Suppressions(report.source).with_ignored([(finding.code, finding.location.span)])
    after = report.source.after(edits)
    assert [piece.source.text for piece in after.pieces] == [
        lines[0],
        f"{lines[1]}  # biaslens: ignore[BL101]",
        "x = 1",
    ]
    assert lint(after, Files(), Options()).findings == ()


def test_an_edit_lies_in_one_cell() -> None:
    whole = of("a = 1\nb = 2", "c = 3")
    assert whole.fits(Edit(Span(6, 11), "x"))
    assert whole.fits(Edit(Span(11, 11), "x"))
    assert whole.fits(Edit(Span(12, 13), "x"))
    for start, end in ((6, 12), (11, 12), (6, 13), (0, 17)):
        crossing = Edit(Span(start, end), "")
        assert not whole.fits(crossing)
        with pytest.raises(ValueError, match="does not fit"):
            whole.after([crossing])


def test_an_edit_may_not_write_what_only_python_sees() -> None:
    whole = of("!ls\nx = %time f(1)")
    assert not whole.fits(Edit(Span(0, 3), "y"))
    assert not whole.fits(Edit(Span(8, 18), "2"))
    assert whole.fits(Edit(Span(16, 17), "2"))
    assert whole.after([Edit(Span(16, 17), "2")]).pieces[0].source.text == "!ls\nx = %time f(2)"


def test_a_fix_that_would_cross_cells_has_no_edits() -> None:
    report = checked("a = 1", "b = 2")
    place = Location(report.source.path, Span(0, 5))
    for end, applicability in ((5, "safe"), (6, "display-only"), (8, "display-only")):
        finding = Finding("BL901", "", place, "", "hint", fix=Fix("Remove", (Edit(Span(0, end), ""),)))
        fix = fix_of(finding, report, Files())
        assert fix is not None
        assert (fix.applicability, len(fix.edits)) == (applicability, applicability == "safe")


def test_a_repair_stays_in_its_cells_and_keeps_magics() -> None:
    cells = (
        f"%matplotlib inline\n{IMPORT}",
        f"%%time\n{BLOCK}",
        "net = Block()  # biaslens: ignore\nnn.init.zeros_(net.conv.bias)",
        "files = !ls",
    )
    report = checked(*cells)
    edits = edits_for(report, Files({report.source.path: report.source}), report.options)
    after = report.source.after(edits)
    fixed = [piece.source.text for piece in after.pieces]
    assert fixed[1] == cells[1].replace("64, 3)", "64, 3, bias=False)")
    assert fixed[0] == cells[0]
    assert fixed[3] == cells[3]
    assert "if net.conv.bias is not None:\n    nn.init.zeros_(net.conv.bias)" in fixed[2]
    assert lint(after, Files(), Options()).findings == ()


def test_a_comment_that_silences_nothing_goes_from_the_last_line_of_a_cell() -> None:
    report = checked(IMPORT, "x = 1\n# biaslens: ignore[BL101]", "y = 2", select=("BL9",))
    edits = edits_for(report, Files({report.source.path: report.source}), report.options)
    assert [piece.source.text for piece in report.source.after(edits).pieces] == [IMPORT, "x = 1\n", "y = 2"]


def test_edits_of_the_whole_and_of_its_cells_are_the_same() -> None:
    chance = random.Random(7)
    for _ in range(300):
        texts = ["\n".join(chance.choices(LINES, k=chance.randint(0, 3))) for _ in range(chance.randint(1, 4))]
        whole = of(*texts)
        place = chance.randint(0, len(whole.text))
        edit = Edit(Span(place, min(len(whole.text), place + chance.randint(0, 9))), chance.choice(LINES))
        if whole.fits(edit):
            piece = whole.piece_at(edit.span.start)
            inside = piece.inside(edit.span)
            text = piece.source.text
            changed = text[: inside.start] + edit.text + text[inside.end :]
            after = whole.after([edit])
            wanted = [changed if other is piece else other.source.text for other in whole.pieces]
            assert [other.source.text for other in after.pieces] == wanted
            assert len(after.text) == len(whole.text) - (edit.span.end - edit.span.start) + len(edit.text)


def turned(*more: str) -> str:
    """The block with its constructor last, which ends with some more lines."""
    head, constructor, forward = (
        f"{BLOCK}\n".replace("(nn.Module):\n", "(nn.Module):\n\0").replace("\n\n", "\n\0").split("\0")
    )
    return "\n".join([f"{head}{forward}", constructor.rstrip(), *more])


def test_what_a_fix_adds_behind_the_last_line_of_a_cell_stays_in_it() -> None:
    report = checked(IMPORT, turned(), "x = 1")
    (finding,) = report.findings
    _, keeping = fixes_of(finding, report, Files())
    after = report.source.after(keeping.edits)
    texts = [piece.source.text for piece in after.pieces]
    assert (texts[0], texts[2]) == (IMPORT, "x = 1")
    assert texts[1].startswith(turned().replace("64, 3)", "64, 3, bias=False)") + "\n\n    def _load_from_state_dict(")
    assert lint(after, Files(), Options()).findings == ()


def test_the_last_line_of_a_cell_can_go() -> None:
    report = checked(IMPORT, turned("        nn.init.zeros_(self.conv.bias)"), "", "x = 1")
    (finding,) = report.findings
    fix = fix_of(finding, report, Files())
    assert fix is not None
    assert fix.applicability == "safe"
    texts = [piece.source.text for piece in report.source.after(fix.edits).pieces]
    assert texts == [IMPORT, turned().replace("64, 3)", "64, 3, bias=False)") + "\n", "", "x = 1"]
