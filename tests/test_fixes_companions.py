"""What initialises a removed bias goes or is guarded in the same fix: the fixed file runs, the rest is as it was."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from biaslens.lint import Report, lint, lint_all
from biaslens.options import Options
from biaslens.render.judgement import notice_of
from biaslens.render.text import full
from biaslens.repair import fix_of
from biaslens.rounds import repaired, unrepaired
from biaslens.rules.rule import Fix
from biaslens.syntax.files import Files
from biaslens.text import Source

PATH = "/project/model.py"

MODEL = """\
import math

import torch
from torch import nn
from torch.nn import init


TOP
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, 2, 1)
        START

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.conv(x))))
"""

OWN = {
    "an initialiser": ("nn.init.zeros_(self.conv.bias)\nx = 1", "x = 1"),
    "its data": ("self.conv.bias.data.fill_(0.25)  # small\nx = 1", "x = 1"),
    "by keyword": ("nn.init.constant_(tensor=self.conv.bias, val=0.25)\nx = 1", "x = 1"),
    "an augmented assignment": ("self.conv.bias.data += 1\nx = 1", "x = 1"),
    "over several lines": ("nn.init.constant_(\n    self.conv.bias,\n    0.25,\n)\nx = 1", "x = 1"),
    "by getattr": ("nn.init.zeros_(getattr(self.conv, 'bias'))\nx = 1", "x = 1"),
    "three in a row": (
        "x = 1\nself.conv.bias.data.zero_()\nnn.init.zeros_(self.conv.bias)\nself.conv.bias.data.zero_()\ny = 2",
        "x = 1\ny = 2",
    ),
    "a paragraph of its own": ("x = 1\n\nself.conv.bias.data.zero_()\n\ny = 2", "x = 1\n\ny = 2"),
    "all of a with": ("with torch.no_grad():\n    self.conv.bias.zero_()\nx = 1", "x = 1"),
    "all of nested blocks": (
        "if isinstance(self, nn.Module):\n    with torch.no_grad():\n        self.conv.bias.zero_()\nx = 1",
        "x = 1",
    ),
    "a part of a with": (
        "with torch.no_grad():\n    self.conv.weight.fill_(0.5)\n    self.conv.bias.zero_()",
        "with torch.no_grad():\n    self.conv.weight.fill_(0.5)",
    ),
    "a whole elif": (
        "if self.training is None:\n    x = 1\nelif self.training:\n    self.conv.bias.data.zero_()",
        "if self.training is None:\n    x = 1",
    ),
    "a branch with an else": (
        "if self.training:\n    self.conv.bias.data.zero_()\nelse:\n    x = 1",
        "if self.training:\n    pass\nelse:\n    x = 1",
    ),
    "a test that does something": (
        "if math.sqrt(4):\n    self.conv.bias.data.zero_()",
        "if math.sqrt(4):\n    pass",
    ),
    "on one line with its if": ("if self.training: self.conv.bias.data.zero_()\nx = 1", "x = 1"),
    "on one line with a loop": (
        "for _ in range(2): self.conv.bias.data.zero_()",
        "for _ in range(2): pass",
    ),
}

LOOPS = {
    "a loop over modules": (
        "for m in self.modules():\n    if isinstance(m, nn.Conv2d):\n        m.bias.data.fill_(0.25)",
        "for m in self.modules():\n    if isinstance(m, nn.Conv2d):\n"
        "        if m.bias is not None:\n            m.bias.data.fill_(0.25)",
    ),
    "several statements": (
        "for m in self.modules():\n    if isinstance(m, nn.Conv2d):\n        nn.init.ones_(m.weight)\n"
        "        m.bias.data.zero_()\n\n        # a bit\n        m.bias.data.add_(\n            0.25,  # x\n        )"
        "  # end\n    elif isinstance(m, nn.BatchNorm2d):\n        m.bias.data.zero_()",
        "for m in self.modules():\n    if isinstance(m, nn.Conv2d):\n        nn.init.ones_(m.weight)\n"
        "        if m.bias is not None:\n            m.bias.data.zero_()\n\n            # a bit\n"
        "            m.bias.data.add_(\n                0.25,  # x\n            )  # end\n"
        "    elif isinstance(m, nn.BatchNorm2d):\n        m.bias.data.zero_()",
    ),
    "two places": (
        "for m in (self.conv, self.head):\n    m.bias.data.zero_()\n    nn.init.ones_(m.weight)\n"
        "    m.bias.data.fill_(0.25)",
        "for m in (self.conv, self.head):\n    if m.bias is not None:\n        m.bias.data.zero_()\n"
        "    nn.init.ones_(m.weight)\n    if m.bias is not None:\n        m.bias.data.fill_(0.25)",
    ),
    "on one line": (
        "for m in self.modules():\n    if isinstance(m, nn.Conv2d): m.bias.data.fill_(0.25)  # all\n    else: pass",
        "for m in self.modules():\n    if isinstance(m, nn.Conv2d):\n        if m.bias is not None:\n"
        "            m.bias.data.fill_(0.25)  # all\n    else: pass",
    ),
    "a bound from the weight": (
        "for m in self.modules():\n    if isinstance(m, nn.Conv2d):\n"
        "        fan_in, _ = init._calculate_fan_in_and_fan_out(m.weight)\n        bound = 1 / math.sqrt(fan_in)\n"
        "        init.uniform_(m.bias, -bound, bound)\n        init.constant_(m.bias, 0.25)",
        "for m in self.modules():\n    if isinstance(m, nn.Conv2d):\n"
        "        fan_in, _ = init._calculate_fan_in_and_fan_out(m.weight)\n        bound = 1 / math.sqrt(fan_in)\n"
        "        if m.bias is not None:\n            init.uniform_(m.bias, -bound, bound)\n"
        "            init.constant_(m.bias, 0.25)",
    ),
    "a test that is too weak": (
        "for m in self.modules():\n    if hasattr(m, 'bias'):\n        m.bias.data.fill_(0.25)",
        "for m in self.modules():\n    if hasattr(m, 'bias'):\n        if m.bias is not None:\n"
        "            m.bias.data.fill_(0.25)",
    ),
    "a case": (
        "for m in self.modules():\n    match m:\n        case nn.Conv2d(): m.bias.data.fill_(0.25)",
        "for m in self.modules():\n    match m:\n        case nn.Conv2d():\n            if m.bias is not None:\n"
        "                m.bias.data.fill_(0.25)",
    ),
    "a name that several layers share": (
        "for name in ('conv', 'head'):\n    init.constant_(self._modules[name].bias, 0.25)",
        "for name in ('conv', 'head'):\n    if self._modules[name].bias is not None:\n"
        "        init.constant_(self._modules[name].bias, 0.25)",
    ),
}

FUNCTIONS = {
    "by the class's name": (
        "def weights_init(m):\n    classname = m.__class__.__name__\n    if classname.find('Conv') != -1:\n"
        "        m.weight.data.normal_(0, 0.02)\n        m.bias.data.fill_(0.25)\n"
        "    elif classname.find('BatchNorm') != -1:\n        m.bias.data.fill_(0)\n",
        "def weights_init(m):\n    classname = m.__class__.__name__\n    if classname.find('Conv') != -1:\n"
        "        m.weight.data.normal_(0, 0.02)\n        if m.bias is not None:\n            m.bias.data.fill_(0.25)\n"
        "    elif classname.find('BatchNorm') != -1:\n        m.bias.data.fill_(0)\n",
    ),
    "by its class": (
        "def weights_init(m):\n\tif isinstance(m, (nn.Conv2d, nn.Linear)):\n\t\tnn.init.constant_(m.bias, 0.25)\n",
        "def weights_init(m):\n\tif isinstance(m, (nn.Conv2d, nn.Linear)):\n"
        "\t\tif m.bias is not None:\n\t\t\tnn.init.constant_(m.bias, 0.25)\n",
    ),
    "with a test for all": (
        "def weights_init(m):\n    if type(m) in (nn.Conv2d, nn.Linear): nn.init.constant_(m.bias, 0.25)\n",
        "def weights_init(m):\n    if type(m) in (nn.Conv2d, nn.Linear):\n        if m.bias is not None:\n"
        "            nn.init.constant_(m.bias, 0.25)\n",
    ),
}

WITHOUT_FIX = {
    "its length": "print(len(self.conv.bias))",
    "a sum": "total = self.conv.bias + 1",
    "statements on one line": "for m in self.children():\n    if m is self.conv: m.bias.data.zero_(); print(m)",
    "a test of its values": "if self.conv.bias.data is not None:\n    self.conv.bias.data.zero_()",
    "a call that may do more": "nn.init.constant_(self.conv.bias, self.pop())",
    "a value from a file": "self.conv.bias.data.copy_(np.fromfile(f, count=8))",
    "a text over several lines": "for m in (self.conv, self.head):\n    init.constant_(m.bias, len('''\n'''))",
    "a module that has to be looked for": "nn.init.zeros_(next(self.children()).bias)",
    "another layer's": "self.head.bias.data.copy_(self.conv.bias.data[:2])",
}


def _model(start: str = "pass", top: str = "") -> str:
    body = "\n".join("        " + line if line else "" for line in start.splitlines())
    return MODEL.replace("TOP\n", f"{top}\n\n" if top else "").replace("        START", body)


def _without_bias(text: str) -> str:
    return text.replace("nn.Conv2d(3, 8, 3)", "nn.Conv2d(3, 8, 3, bias=False)")


def _fix(text: str) -> tuple[Source, Fix]:
    source = Source(PATH, text)
    report = lint(source, Files({PATH: text}), Options())
    (finding,) = report.findings
    made = fix_of(finding, report, Files())
    assert made is not None
    return source, made


def _after(text: str) -> str:
    source, made = _fix(text)
    assert (made.applicability, made.reason) == ("safe", "")
    return source.edited(made.edits)


def _built(text: str) -> Any:
    namespace: dict[str, Any] = {"__name__": "case"}
    exec(compile(text, "<case>", "exec", dont_inherit=True), namespace)
    return namespace["Net"]()


CASES = {
    **{name: (_model(old), _model(new)) for name, (old, new) in (OWN | LOOPS).items()},
    **{
        name: (_model("self.apply(weights_init)", old), _model("self.apply(weights_init)", new))
        for name, (old, new) in FUNCTIONS.items()
    },
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_the_fix_removes_or_guards_the_initialiser(text: str, expected: str, newline: str) -> None:
    after = _after(text.replace("\n", newline))
    assert after == _without_bias(expected).replace("\n", newline)
    assert lint(Source(PATH, after), Files({PATH: after}), Options()).findings == ()


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_the_fixed_model_is_built_where_one_without_the_companion_crashes(text: str, expected: str) -> None:
    with pytest.raises((AttributeError, TypeError)):
        _built(_without_bias(text))
    model, before = _built(_after(text)), _built(text)
    assert model.conv.bias is None
    assert model(torch.randn(2, 3, 5, 5)).shape == (2, 2, 3, 3)
    if "0.25" in expected:
        assert torch.equal(model.head.bias, before.head.bias)
        assert model.head.bias.tolist() == [0.25, 0.25]


@pytest.mark.parametrize("start", WITHOUT_FIX.values(), ids=WITHOUT_FIX)
def test_no_fix_leaves_a_crash_behind(start: str) -> None:
    source, made = _fix(_model(start))
    assert made.edits == ()
    assert made.applicability == "display-only"
    assert "would fail without it" in made.reason
    report = lint(source, Files({PATH: source.text}), Options())
    read = Files({PATH: source.text}).read
    shown = full(notice_of(report.findings[0], made, read), read, "/project", lambda text, _: text)
    assert f"help: no automatic fix: {made.reason}" in shown


def test_a_layer_that_may_be_another_one_is_guarded() -> None:
    text = _model("nn.init.zeros_(self.conv.bias)")
    guard = "if self.conv.bias is not None:\n            nn.init.zeros_(self.conv.bias)"
    expected = _without_bias(_model("if self.conv.bias is not None:\n    nn.init.zeros_(self.conv.bias)"))
    child = "\n\nclass Child(Net):\n    def __init__(self):\n        super().__init__()\n        self.conv = make()\n"
    assert _after(text) != expected
    assert _after(text + child).startswith(expected)
    assert guard in expected


def test_what_is_removed_and_what_is_guarded_may_share_a_block() -> None:
    loop = "for m in (self.conv, self.head):\n    m.bias.data.zero_()"
    text = _model("self.begin()") + "\n    def begin(self):\n        LOOP\n        self.conv.bias.data.zero_()\n"
    guarded = loop.replace("    m.bias", "    if m.bias is not None:\n        m.bias").replace("\n", "\n        ")
    after = _after(text.replace("LOOP", loop.replace("\n", "\n        ")))
    assert after == _without_bias(text).replace("LOOP\n        self.conv.bias.data.zero_()", guarded)
    assert _built(after).conv.bias is None


def test_a_functional_form_takes_none() -> None:
    text = _model().replace("self.norm(self.conv(x))", "self.norm(torch.conv2d(x, self.conv.weight, self.conv.bias))")
    assert _after(text) == _without_bias(text)
    assert _built(_after(text))(torch.randn(2, 3, 5, 5)).shape == (2, 2, 3, 3)


def test_fixes_that_share_a_block_never_empty_it_together() -> None:
    names = [f"conv{number}" for number in range(1, 8)]
    lines = [
        "import torch",
        "from torch import nn",
        "",
        "class Net(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        *(f"        self.{name} = nn.Conv2d(8, 8, 1)" for name in names),
        *(f"        self.norm_{name} = nn.BatchNorm2d(8)" for name in names),
        "        self.start()",
        "",
        "    def start(self):",
        *(f"        # {name}\n        nn.init.zeros_(self.{name}.bias)" for name in names),
        "",
        "    def forward(self, x):",
        *(f"        x = torch.relu(self.norm_{name}(self.{name}(x)))" for name in names),
        "        return x",
        "",
    ]
    source = Source(PATH, "\n".join(lines))
    report = lint(source, Files({PATH: source.text}), Options())
    assert len(report.findings) == len(names)
    files = Files({PATH: report.source.text})
    (done,) = repaired([unrepaired(report, files)], files, Options())
    assert done.count == len(names)
    assert done.report.findings == ()
    (start,) = [n for n in ast.walk(ast.parse(done.source.text)) if getattr(n, "name", "") == "start"]
    assert isinstance(start, ast.FunctionDef)
    assert [type(statement) for statement in start.body] == [ast.Pass]
    assert all(getattr(_built(done.source.text), name).bias is None for name in names)


def test_fixes_with_the_same_guard_write_it_once() -> None:
    loop = "for m in self.modules():\n    if isinstance(m, nn.Conv2d):\n        m.bias.data.zero_()"
    text = (
        _model(loop)
        .replace(
            "self.head = nn.Conv2d(8, 2, 1)", "self.head = nn.Conv2d(8, 2, 1)\n        self.last = nn.BatchNorm2d(2)"
        )
        .replace("return self.head", "return self.last(self.head")
        .replace("self.conv(x))))", "self.conv(x)))))")
    )
    report = lint(Source(PATH, text), Files({PATH: text}), Options())
    assert len(report.findings) == 2
    files = Files({PATH: report.source.text})
    (done,) = repaired([unrepaired(report, files)], files, Options())
    assert done.report.findings == ()
    assert done.source.text.count("if m.bias is not None:") == 1
    assert isinstance(_built(done.source.text), nn.Module)


def test_an_initialiser_in_another_file_leaves_no_edits_when_files_are_checked_together(tmp_path: Path) -> None:
    start = "def start(net):\n    for m in (net.conv, net.head):\n        m.bias.data.zero_()\n"
    (tmp_path / "starting.py").write_text(start)
    text = _model("start(self)").replace("from torch.nn import init", "from starting import start")
    (tmp_path / "model.py").write_text(text)
    reports = list(lint_all([str(tmp_path / name) for name in ("model.py", "starting.py")], Files(), Options()))
    fixes = [
        fix_of(finding, report, Files())
        for report in reports
        if isinstance(report, Report)
        for finding in report.findings
    ]
    assert [(fix.edits, fix.reason) for fix in fixes if fix] == [((), "`starting.py` uses it, and might fail without")]


def test_a_script_that_lists_the_parameters_of_a_model_leaves_the_fix_as_it_is(tmp_path: Path) -> None:
    script = "from model import Net\nnet = Net()\nnumbers = [p.sum() for p in net.parameters()]\nnet.state_dict()\n"
    (tmp_path / "train.py").write_text(script)
    (tmp_path / "model.py").write_text(_model("pass"))
    files = Files()
    reports = lint_all([str(tmp_path / name) for name in ("model.py", "train.py")], files, Options())
    fixes = [
        fix_of(found, report, files) for report in reports if isinstance(report, Report) for found in report.findings
    ]
    assert [fix.applicability for fix in fixes if fix] == ["safe"]
