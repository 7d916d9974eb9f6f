"""Which edit a whole file gets, how safe it is said to be, and that it keeps its promises when it is tried."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest
from benchmarks.fixes import broken_promises

from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.repair import fix_of
from biaslens.rounds import Fixed, is_safe, repaired, unrepaired
from biaslens.rules.rule import Finding, Fix
from biaslens.syntax.files import Files
from biaslens.text import Edit, Source, Span
from markdown_cases import PRELUDE, Build, Case, all_cases
from proof import changes_by_fix
from verdicts import after_all_fixes, after_safe_fixes

PATH = "/project/model.py"

BLOCK = """
class Block(nn.Module):
    def __init__(self, channels, {parameters}):
        super().__init__()
{body}

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))
"""


def report_of(text: str, files: Files | None = None, path: str = PATH) -> Report:
    return lint(Source(path, text), files or Files({path: text}), Options())


def offered(text: str) -> list[tuple[str, str, str]]:
    """For each finding of a file: what the edit inserts, its safety and the reason; empty texts without a fix."""
    report, files = report_of(PRELUDE + text), Files()
    fixes = [fix_of(finding, report, files) for finding in report.findings]
    return [(fix.edits[0].text, fix.applicability, fix.reason) if fix else ("", "", "") for fix in fixes]


def block(parameters: str, body: str) -> str:
    return BLOCK.format(parameters=parameters, body=indent(body, " " * 8))


# --- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "body", "inserted"),
    [
        ("bn=True", "self.norm = nn.BatchNorm2d(channels) if bn else nn.Identity()", "not bn"),
        ("bn", "self.norm = nn.BatchNorm2d(channels) if bn else nn.Identity()", "not bn"),
        ("raw=False", "self.norm = nn.Identity() if raw else nn.BatchNorm2d(channels)", "raw"),
        ("norm", "self.norm = nn.BatchNorm2d(channels) if norm is not None else nn.Identity()", "norm is None"),
        ("norm", "self.norm = nn.BatchNorm2d(channels) if norm is None else nn.Identity()", "norm is not None"),
        ("norm='bn'", "self.norm = nn.BatchNorm2d(channels) if norm == 'bn' else nn.Identity()", "norm != 'bn'"),
        (
            "norm='bn'",
            "self.norm = nn.BatchNorm2d(channels) if norm in ('bn', 'batch') else nn.Identity()",
            "norm not in ('bn', 'batch')",
        ),
        (
            "norm",
            "self.norm = nn.BatchNorm2d(channels) if norm == 'bn' or norm == 'batch' else nn.Identity()",
            "norm not in ('bn', 'batch')",
        ),
        ("a=True, b=True", "self.norm = nn.BatchNorm2d(channels) if a and b else nn.Identity()", "not (a and b)"),
        ("options", "self.norm = nn.BatchNorm2d(channels) if options.bn else nn.Identity()", "not options.bn"),
    ],
)
def test_a_condition_is_turned_into_the_opposite_one(parameters: str, body: str, inserted: str) -> None:
    text = block(parameters, f"self.conv = nn.Conv2d(channels, channels, 3)\n{body}")
    assert offered(text) == [(f", bias={inserted}", "safe", "")]


@pytest.mark.parametrize(
    ("parameters", "body"),
    [
        ("bn", "bn = bn and channels > 3\nself.conv = nn.Conv2d(channels, channels, 3)"),
        ("bn", "for bn in range(3):\n    self.conv = nn.Conv2d(channels, channels, 3)\nbn = self.bn"),
        ("bn", "make = lambda bn: nn.Conv2d(channels, channels, 3)\nself.conv = make(1)"),
        ("bn", "def make(bn):\n    return nn.Conv2d(channels, channels, 3)\nself.conv = make(1)"),
        ("bn", "self.conv = [nn.Conv2d(channels, channels, 3) for bn in range(1)][0]"),
    ],
)
def test_a_name_that_may_mean_something_else_at_the_call_is_not_used(parameters: str, body: str) -> None:
    test = "self.norm = nn.BatchNorm2d(channels) if keep else nn.Identity()"
    texts = offered(block(parameters, f"keep = bn\n{body}\n{test}"))
    assert all("bn" not in inserted for inserted, _, _ in texts)


def test_an_attribute_is_named_only_where_it_surely_holds_the_argument() -> None:
    text = """
class Block(nn.Module):
    def __init__(self, bn=True):
        super().__init__()
        {before}
        self.bn = bn
        {after}

    def build(self):
        self.conv = nn.Conv2d(3, 3, 3)
        self.norm = nn.BatchNorm2d(3) if self.bn else nn.Identity()

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))
"""
    good = ("super().__init__()", "self.build()")
    assert offered(text.format(before=good[0], after=good[1])) == [(", bias=not self.bn", "safe", "")]
    for after in ("self.bn = bn and True; self.build()", "self.build(); self.bn = False"):
        rests = "it rests on" if "x" in after else ""
        found = offered(text.format(before=good[0], after=after))
        assert all("self.bn" not in inserted and rests in reason for inserted, _, reason in found)


def test_a_condition_of_forward_or_of_numbers_gives_no_edit() -> None:
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x, raw=False):
        x = self.conv(x)
        return F.relu(x if raw else self.norm(x))
"""
    assert offered(text) == [("", "", "")]


def test_an_argument_that_only_happens_to_differ_gives_no_edit() -> None:
    text = """
def conv(before, after, dilated):
    return nn.Conv2d(before, after, 3, dilation=2 if dilated else 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = conv(3, 8, True)
        self.norm = nn.BatchNorm2d(8)
        self.conv2 = conv(8, 8, False)

    def forward(self, x):
        return F.relu(self.conv2(F.relu(self.norm(self.conv1(x)))))
"""
    assert all(inserted == "" for inserted, _, _ in offered(text))


# --- expressions -----------------------------------------------------------------------------------------------------


def test_an_expression_goes_only_where_all_that_it_gives_was_seen() -> None:
    conv = "self.conv = nn.Conv2d(channels, channels, 3, bias={})\nself.norm = nn.BatchNorm2d(channels)"
    assert offered(block("x=1", "flag = True\n" + conv.format("flag"))) == [("False", "safe", "")]
    assert offered(block("x=1", "flag = not False\n" + conv.format("flag"))) == [("False", "safe", "")]
    for parameters, expression in (("bias=True", "bias"), ("options", "options.bias")):
        assert offered(block(parameters, conv.format(expression))) == [("", "", "")]


def test_a_bias_that_is_an_argument_is_left_to_the_caller_also_under_a_condition() -> None:
    body = "self.conv = nn.Conv2d(channels, channels, 3, bias=bias)\n"
    body += "self.norm = nn.BatchNorm2d(channels) if bn else nn.Identity()"
    assert offered(block("bias=True, bn=True", body)) == [("", "", "")]


# --- layer classes ---------------------------------------------------------------------------------------------------

CLASSES = (
    PRELUDE
    + """
class Same(nn.Conv2d):
    def __init__(self, before, after, size, **options):
        super().__init__(before, after, size, padding=size // 2, **options)


class Plain(nn.Conv2d):
    def forward(self, x):
        return super().forward(x)


class Short(nn.Conv2d):
    def __init__(self, before, after, bias=True):
        super().__init__(before, after, 3, bias=bias)


class Renamed(nn.Conv2d):
    def __init__(self, before, after, *, use_bias=True):
        super().__init__(before, after, 3, bias=use_bias)


class Second(Same):
    def __init__(self, *sizes, **options):
        super().__init__(*sizes, **options)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = Same(3, 8, 3)
        self.conv2 = Plain(8, 8, 3)
        self.conv3 = Short(8, 8, True)
        self.conv4 = Renamed(8, 8)
        self.conv5 = Second(8, 8, 3)
        self.norm = nn.BatchNorm2d(8, affine=False)

    def forward(self, x):
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            x = F.relu(self.norm(conv(x)))
        return x
"""
)


def fixed(state: Fixed, files: Files, *, unsafe: bool = False) -> Fixed:
    """The file of a report after its fixes."""
    (after,) = repaired([state], files, Options(), (lambda finding, fix: True) if unsafe else is_safe)
    return after


def test_a_class_that_hands_the_bias_on_is_told_in_its_own_words() -> None:
    files = Files({PATH: CLASSES})
    after = fixed(unrepaired(report_of(CLASSES), files), files)
    assert after.count == 5
    for call in (
        "Same(3, 8, 3, bias=False)",
        "Plain(8, 8, 3, bias=False)",
        "Short(8, 8, False)",
        "Renamed(8, 8, use_bias=False)",
        "Second(8, 8, 3, bias=False)",
    ):
        assert call in after.source.text
    case = Case("classes", CLASSES, {}, (Build("build", "Net()", "(4, 3, 13, 13)"),), after.source.text)
    assert changes_by_fix(case) == []


def test_a_class_that_keeps_the_bias_to_itself_is_told_nothing() -> None:
    text = """
class Short(nn.Conv2d):
    def __init__(self, before, after{}):
        super().__init__(before, after, 3{})


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = Short(3, 8)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.conv(x))
"""
    unsafe = (", bias=False", "unsafe", "uses of this code that were not found may need it")
    assert offered(text.format("", "")) == [unsafe]  # at `super().__init__(...)`
    assert offered(text.format("", ", bias=True")) == [("False", *unsafe[1:])]
    assert offered(text.format(", bias=True", "")) == [unsafe]


def test_a_class_named_in_the_call_of_its_initialiser_is_edited_there() -> None:
    text = """
class Short(nn.Linear):
    def __init__(self, before, after):
        super(Short, self).__init__(before, after, True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = Short(3, 8)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        return self.norm(self.fc(x))
"""
    assert [fix[:2] for fix in offered(text)] == [("False", "unsafe")]


def test_a_positional_bias_inside_a_partial_is_left_alone() -> None:
    text = """
from functools import partial


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        make = partial(nn.Linear, {})
        self.fc = make({})
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        return self.norm(self.fc(x))
"""
    assert offered(text.format("3, 8, True", "")) == [("", "", "")]
    assert offered(text.format("3", "8, True")) == [("False", "safe", "")]
    assert offered(text.format("3", "8")) == [(", bias=False", "safe", "")]


def test_a_partial_shared_with_a_layer_that_needs_its_bias_stays_as_it_is() -> None:
    text = """
from functools import partial

conv = partial(nn.Conv2d, kernel_size=3, bias=True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(conv(8, 8) for _ in range(2)))
        self.first = conv(3, 8)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return F.relu(self.layers(F.relu(self.norm(self.first(x)))))
"""
    report, files = report_of(PRELUDE + text), Files()
    after = fixed(unrepaired(report, files), files, unsafe=True).source.text
    assert "kernel_size=3, bias=True)" in after
    assert "conv(8, 8) for" in after
    assert "conv(3, 8, bias=False)" in after


# --- safety ----------------------------------------------------------------------------------------------------------


def test_hidden_keywords_make_the_fix_a_proposal_only() -> None:
    text = """
class Part(nn.Module):
    def __init__(self, before, after, **options):
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, **options)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


net = nn.Sequential(Part(3, 8), Part(8, 8, padding=1))
"""
    assert offered(text) == [("bias=False, ", "display-only", "`**options` may carry `bias`")]


def test_a_class_that_may_change_makes_the_fix_unsafe() -> None:
    text = """
class Net(nn.Module):
    conv_class = nn.Conv2d

    def __init__(self):
        super().__init__()
        self.conv = self.conv_class(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.conv(x))
"""
    reason = "`self.conv_class` may be another class, which has no `bias`"
    assert offered(text) == [(", bias=False", "unsafe", reason)]


def test_a_default_that_decides_makes_the_fix_unsafe() -> None:
    body = "self.conv = nn.Conv2d(channels, 8, 3)\nself.norm = norm(8)"
    reason = "it rests on the default `norm=nn.BatchNorm2d`"
    assert offered(block("norm=nn.BatchNorm2d", body)) == [(", bias=False", "unsafe", reason)]


@pytest.mark.parametrize(
    ("name", "text", "is_loader"),
    [
        ("net/train.py", "from . import model\nmodel.Net().load_state_dict(x)\n", True),
        ("net/train.py", "from net.model import (\n    Net,\n)\ntorch.load(x)\n", True),
        ("train.py", "from net import Net\nNet.from_pretrained(x)\n", True),
        ("train.py", "import net\ntorch.hub.load(x)\n", True),
        ("train.py", "from net.model import Net\ntorch.load(x)\n", True),
        ("net/train.py", "from . import data\ntorch.load(x)\n", False),
        ("net/train.py", "import models\ntorch.load(x)\n", False),
        ("net/train.py", "from . import model\nmodel.Net().train()\n", False),
        ("train.py", "# net\ntorch.load(x)\n", False),
        ("other/train.py", "from net.model import Net\ntorch.load(x)\n", False),
    ],
)
def test_a_neighbour_that_loads_weights_makes_the_fix_unsafe(
    tmp_path: Path, name: str, text: str, is_loader: bool
) -> None:
    body = "self.conv = nn.Conv2d(channels, 8, 3)\nself.norm = nn.BatchNorm2d(8)"
    model = tmp_path / "net" / "model.py"
    for path, content in ((model, PRELUDE + block("x=1", body)), (tmp_path / name, text)):
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    files = Files()
    report = report_of(model.read_text(), files, str(model))
    (finding,) = report.findings
    fix = fix_of(finding, report, files)
    assert fix is not None
    assert fix.applicability == ("unsafe" if is_loader else "safe")
    assert fix.reason.startswith("`train.py` imports this file and loads weights (`") is is_loader


WEIGHTS_INIT = "def weights_init(m):\n    if isinstance(m, nn.Conv2d):\n        nn.init.zeros_(m.bias.data)\n"


@pytest.mark.parametrize(
    ("text", "applicability", "reason"),
    [
        ("folders = ['net']\nimport_module(name)\ntorch.load(x)\n", "unsafe", "may import this file and loads"),
        ("import_module(name)\ntorch.load(x)\n", "safe", ""),
        ("import importlib\nimportlib.import_module('json')\ntorch.load(x)\n", "safe", ""),
        (f"from net.model import Net\n{WEIGHTS_INIT}", "display-only", "imports this file, and `m.bias` would fail"),
        (
            f"net = __import__('net' + name)\nother = __import__(name)\n{WEIGHTS_INIT}",
            "unsafe",
            "may import this file, and `m.bias` would fail",
        ),
        (f"from net.model import Net\n{WEIGHTS_INIT.replace('Conv2d', 'Linear')}", "safe", ""),
        (f"import other\n{WEIGHTS_INIT}", "safe", ""),
    ],
)
def test_a_training_script_that_would_fail_without_the_bias_is_heeded(
    tmp_path: Path, text: str, applicability: str, reason: str
) -> None:
    model = tmp_path / "net" / "model.py"
    model.parent.mkdir()
    model.write_text(PRELUDE + block("x=1", "self.conv = nn.Conv2d(channels, 8, 3)\nself.norm = nn.BatchNorm2d(8)"))
    (tmp_path / "train.py").write_text(text)
    files = Files()
    report = report_of(model.read_text(), files, str(model))
    fix = fix_of(report.findings[0], report, files)
    assert fix is not None
    assert (fix.applicability, bool(fix.edits)) == (applicability, applicability != "display-only")
    assert reason in fix.reason


# --- promises --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [case for case in all_cases() if case.has_finding], ids=str)
def test_every_fix_keeps_its_promises(case: Case) -> None:
    report, files = report_of(case.text), Files({PATH: case.text})
    fixes = [(finding, fix_of(finding, report, files)) for finding in report.findings]
    made = [(finding, fix) for finding, fix in fixes if fix is not None and fix.edits]
    broken = [clause for finding, fix in made for clause in broken_promises(report, finding, fix, files)]
    assert broken == []


UNSAFE = [case for case in all_cases() if "unsafe" in case.fixes]


@pytest.mark.parametrize("case", UNSAFE, ids=str)
def test_an_unsafe_fix_computes_the_same_in_the_runs_that_the_finding_is_about(case: Case) -> None:
    after = after_all_fixes(case)
    assert after.problems == ()
    assert after.source.text not in (case.text, after_safe_fixes(case).source.text)
    builds = tuple(build for build in case.builds if build.kind == "build")
    assert changes_by_fix(Case(case.name, case.text, case.expectations, builds, after.source.text)) == []


BAD = {"3)": ")", "8, 3": ", stride=1"}
"""What a wrong fix inserts behind a text."""


def _bad(report: Report, finding: Finding, text: str) -> Fix:
    place = report.source.text.index(text, finding.location.span.start) + len(text)
    return Fix("Break it", (Edit(Span(place, place), BAD[text]),))


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("3)", "leaves a statement that does not parse"),
        ("8, 3", "leaves the finding in line 9"),
    ],
)
def test_a_fix_that_breaks_a_promise_is_taken_back_and_the_others_stay(place: str, fault: str) -> None:
    text = PRELUDE + (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 8, 3)\n        self.norm = nn.BatchNorm2d(8)\n"
        "        self.last = nn.Conv2d(8, 8, 1)\n\n"
        "    def forward(self, x):\n        return self.norm(self.last(F.relu(self.norm(self.conv(x)))))\n"
    )
    files = Files({PATH: text})
    report = report_of(text, files)
    good = unrepaired(report, files).fixes
    assert len(good) == 2
    bad = _bad(report, report.findings[0], place)
    after = fixed(Fixed(report, (bad, good[1])), files)
    assert after.source.text == text.replace("8, 8, 1)", "8, 8, 1, bias=False)")
    (problem,) = after.problems
    assert fault in problem.message
    assert problem.message.endswith("so it was taken back; please report it with the file.")


def test_a_fix_that_takes_a_needed_bias_away_is_taken_back() -> None:
    text = PRELUDE + block(
        "bn=True",
        "self.conv = nn.Conv2d(channels, 8, 3)\nself.norm = nn.BatchNorm2d(8) if bn else nn.Identity()",
    )
    files = Files({PATH: text})
    report = report_of(text, files)
    (finding,) = report.findings
    wrong = _bad(report, finding, "8, 3")
    wrong = Fix("Too much", (Edit(wrong.edits[0].span, ", bias=False"),))
    after = fixed(Fixed(report, (wrong,)), files)
    assert after.source.text == text
    assert "takes a bias away from `conv` where that has an effect" in after.problems[0].message
    as_said = Fix("Remove it all the same", wrong.edits, "unsafe", "other values of `bn` need it")
    assert fixed(Fixed(report, (as_said,)), files, unsafe=True).count == 1
