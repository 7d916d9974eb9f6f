"""The fix edits one argument of one call: on every layout it parses, keeps the rest, and is smallest."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biaslens.algebra.axes import NONE
from biaslens.algebra.outcome import Cancels
from biaslens.catalogue.entry import Call, Entry, LearnableShift, Step, signature
from biaslens.fixes.remove_bias import fix
from biaslens.flow import Ending, Fate, Site, Verdict
from biaslens.lint import fix_of, lint
from biaslens.options import Options
from biaslens.program.ir import Equation, Layer
from biaslens.rules.rule import Fix
from biaslens.syntax.files import Files
from biaslens.text import Location, Source, Span

PATH = "/project/model.py"


def _nothing(_: Call) -> Step:
    return Step(())


def _entry(text: str, size: str) -> Entry:
    name, parameters = signature(text)
    return Entry(name, parameters, _nothing, "affine", shift=LearnableShift("bias", -1, size))


CONV = _entry(
    "torch.nn.Conv2d(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, "
    "padding_mode='zeros', device=None, dtype=None)",
    "out_channels",
)
LINEAR = _entry("torch.nn.Linear(in_features, out_features, bias=True, device=None, dtype=None)", "out_features")


def site_of(source: Source, call: str, entry: Entry = CONV, label: str = "conv1", occurrence: int = 0) -> Site:
    """A plain redundant site at one occurrence of a call's text."""
    start = -1
    for _ in range(occurrence + 1):
        start = source.text.index(call, start + 1)
    location = Location(source.path, Span(start, start + len(call)))
    layer = Layer(0, entry, location, label, bias=True)
    end = Equation((1,), "bn1", (0,), ((Cancels(NONE, "batch norm"),),), location)
    fate = Fate(Ending.CANCELLED, (end,), "", "Net", (), "batch norm")
    return Site(location, layer, Verdict.REDUNDANT, (fate,))


def fixed(text: str, call: str, entry: Entry = CONV, occurrence: int = 0) -> str:
    source = Source(PATH, text)
    made = fix(source, site_of(source, call, entry, occurrence=occurrence))
    assert made is not None
    assert made.applicability == "safe"
    assert made.reason == ""
    return source.edited(made.edits)


def offered(text: str, call: str, entry: Entry = CONV) -> Fix | None:
    source = Source(PATH, text)
    return fix(source, site_of(source, call, entry))


LAYOUTS = {
    "one line": ("nn.Conv2d(3, 64, 3)", "nn.Conv2d(3, 64, 3, bias=False)"),
    "one line with a trailing comma": ("nn.Conv2d(3, 64, 3,)", "nn.Conv2d(3, 64, 3, bias=False,)"),
    "padded parentheses": ("nn.Conv2d( 3, 64, 3 )", "nn.Conv2d( 3, 64, 3, bias=False )"),
    "keywords with spaces": ("nn.Conv2d(3, 64, kernel_size = 3)", "nn.Conv2d(3, 64, kernel_size = 3, bias = False)"),
    "no spaces at all": ("nn.Conv2d(3,64,3)", "nn.Conv2d(3,64,3, bias=False)"),
    "bias=True": ("nn.Conv2d(3, 64, 3, bias=True)", "nn.Conv2d(3, 64, 3, bias=False)"),
    "bias=True in the middle": (
        "nn.Conv2d(3, 64, 3, bias=True, padding=1)",
        "nn.Conv2d(3, 64, 3, bias=False, padding=1)",
    ),
    "bias=True in parentheses": ("nn.Conv2d(3, 64, 3, bias=(True))", "nn.Conv2d(3, 64, 3, bias=(False))"),
    "a positional True": ("nn.Conv2d(3, 64, 3, 1, 1, 1, 1, True)", "nn.Conv2d(3, 64, 3, 1, 1, 1, 1, False)"),
    "one argument per line": (
        "nn.Conv2d(\n    3,\n    64,\n    3,\n)",
        "nn.Conv2d(\n    3,\n    64,\n    3,\n    bias=False,\n)",
    ),
    "one argument per line without a trailing comma": (
        "nn.Conv2d(\n    3,\n    64,\n    3\n)",
        "nn.Conv2d(\n    3,\n    64,\n    3,\n    bias=False\n)",
    ),
    "one argument per line with comments": (
        "nn.Conv2d(\n    3,  # in\n    64,  # out\n    3,  # size\n)",
        "nn.Conv2d(\n    3,  # in\n    64,  # out\n    3,  # size\n    bias=False,\n)",
    ),
    "a comment and no trailing comma": (
        "nn.Conv2d(\n    3,\n    64,\n    3  # size\n)",
        "nn.Conv2d(\n    3,\n    64,\n    3,  # size\n    bias=False\n)",
    ),
    "a comment on a line of its own": (
        "nn.Conv2d(\n    3,\n    # out\n    64,\n    3,\n    # end\n)",
        "nn.Conv2d(\n    3,\n    # out\n    64,\n    3,\n    bias=False,\n    # end\n)",
    ),
    "lines that hang below the parenthesis": (
        "nn.Conv2d(3,\n          64,\n          3)",
        "nn.Conv2d(3,\n          64,\n          3,\n          bias=False)",
    ),
    "several arguments per line": (
        "nn.Conv2d(3, 64, kernel_size=3,\n          stride=2, padding=1)",
        "nn.Conv2d(3, 64, kernel_size=3,\n          stride=2, padding=1, bias=False)",
    ),
    "a break before the last argument only": (
        "nn.Conv2d(3, 64,\n          3)",
        "nn.Conv2d(3, 64,\n          3, bias=False)",
    ),
    "all arguments on an own line": (
        "nn.Conv2d(\n    3, 64, 3  # all\n)",
        "nn.Conv2d(\n    3, 64, 3, bias=False  # all\n)",
    ),
    "a backslash inside": ("nn.Conv2d(3, 64, \\\n    3)", "nn.Conv2d(3, 64, \\\n    3, bias=False)"),
    "commas in front": ("nn.Conv2d(3\n    , 64\n    , 3\n)", "nn.Conv2d(3\n    , 64\n    , 3, bias=False\n)"),
    "tabs": ("nn.Conv2d(\n\t3,\n\t64,\n\t3,\n)", "nn.Conv2d(\n\t3,\n\t64,\n\t3,\n\tbias=False,\n)"),
    "nested calls": (
        "nn.Conv2d(f(3, g(1)), int(64 * w), (3, 3))",
        "nn.Conv2d(f(3, g(1)), int(64 * w), (3, 3), bias=False)",
    ),
    "a name over two lines": ("nn. \\\n    Conv2d(3, 64, 3)", "nn. \\\n    Conv2d(3, 64, 3, bias=False)"),
    "space before the parenthesis": ("nn.Conv2d (3, 64, 3)", "nn.Conv2d (3, 64, 3, bias=False)"),
    "strings that look like code": (
        "nn.Conv2d(3, 64, 3, padding_mode='bias=True, \"')",
        "nn.Conv2d(3, 64, 3, padding_mode='bias=True, \"', bias=False)",
    ),
}
PLACES = {
    "a statement": "{}\n",
    "an assignment in a method": (
        "class Net(nn.Module):\n    def __init__(self):\n        self.conv1 = {}  # first\n        self.x = 1\n"
    ),
    "a decorated class with tabs": "@register\nclass Net:\n\tdef f(self):\n\t\tif x:\n\t\t\tself.conv1 = {}\n",
    "a lambda": "make = lambda w: {}\n",
    "a list": "layers = [a, {}, b]\n",
    "a dict": "layers = {{'a': {}, 'b': 1}}\n",
    "a Sequential": "net = nn.Sequential({}, nn.BatchNorm2d(64))\n",
    "behind unicode": "größe = 'π𝒳🙂'; net = {}; y = 2\n",
    "a backslash before it": "net = \\\n    {}\n",
    "a comprehension": "layers = [{} for _ in range(3)]\n",
    "after a form feed": "x = 1\n\x0c\nnet = {}\n",
    "without a final line end": "net = {}",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(("call", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_is_kept_in_every_place(call: str, expected: str, place: str) -> None:
    text = place.format(call)
    assert fixed(text, call) == place.format(expected)
    assert _without_bias(ast.parse(fixed(text, call))) == _without_bias(ast.parse(text))


@pytest.mark.parametrize(("call", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_line_ends_stay_as_they_are(call: str, expected: str) -> None:
    for newline in ("\r\n", "\r"):
        text, wanted = (f"net = {part}\nx = 1\n".replace("\n", newline) for part in (call, expected))
        assert fixed(text, call.replace("\n", newline)) == wanted


@pytest.mark.parametrize(("call", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_fixed_call_gets_no_second_fix(call: str, expected: str) -> None:
    assert offered(f"net = {expected}\n", expected) is None


def test_the_edit_touches_no_more_than_the_argument() -> None:
    for call, removed, inserted in (
        ("nn.Conv2d(3, 64, 3)", "", ", bias=False"),
        ("nn.Conv2d(3, 64, 3, bias=True, padding=1)", "True", "False"),
        ("nn.Conv2d(3, 64, 3, 1, 1, 1, 1, True)", "True", "False"),
        ("nn.Conv2d(\n    3,\n    64,  # out\n    3,\n)", "", "    bias=False,\n"),
    ):
        source = Source(PATH, f"net = {call}\n")
        made = fix(source, site_of(source, call))
        assert made is not None
        (edit,) = made.edits
        assert (source.excerpt(edit.span), edit.text) == (removed, inserted)


def test_the_right_one_of_several_calls_on_a_line_is_edited() -> None:
    call = "nn.Conv2d(3, 3, 1)"
    text = f"net = nn.Sequential({call}, {call}, {call})\n"
    assert fixed(text, call, occurrence=1) == f"net = nn.Sequential({call}, nn.Conv2d(3, 3, 1, bias=False), {call})\n"


def test_the_place_of_a_positional_bias_comes_from_the_signature() -> None:
    assert fixed("net = nn.Linear(3, 4, True)\n", "nn.Linear(3, 4, True)", LINEAR) == "net = nn.Linear(3, 4, False)\n"


def test_a_call_that_hides_its_arguments_gets_no_fix() -> None:
    for call in (
        "nn.Conv2d(3, 64, 3, **options)",
        "nn.Conv2d(*sizes)",
        "functools.partial(nn.Conv2d, 3, 64)",
        "P(nn.Conv2d, 3, 64)",
    ):
        assert offered(f"net = {call}\n", call) is None


def test_a_bias_that_hangs_on_an_expression_gets_no_fix() -> None:
    for call in (
        "nn.Conv2d(3, 64, 3, bias=bias)",
        "nn.Conv2d(3, 64, 3, 1, 1, 1, 1, flag)",
        "nn.Conv2d(3, 64, 3, bias=1)",
    ):
        assert offered(f"net = {call}\n", call) is None


def test_text_that_is_no_call_gets_no_fix() -> None:
    for text in ("nn.Conv2d", "nn.Conv2d(3, 64", "a, nn.Conv2d(3, 4)", "nn.Conv2d(3, 4) + 1"):
        assert offered(text, text) is None


def test_only_plain_redundant_sites_with_a_live_bias_get_a_fix() -> None:
    call = "nn.Conv2d(3, 64, 3)"
    source = Source(PATH, call)
    site = site_of(source, call)
    assert fix(source, site) is not None
    for verdict in set(Verdict) - {Verdict.REDUNDANT, Verdict.ABSORBED}:
        assert fix(source, replace(site, verdict=verdict)) is None
    for change in ({"bias": False}, {"bias": None}, {"frozen": True}, {"tampered": "its bias is assigned"}):
        layer = replace(site.layer, **_any(change))
        assert fix(source, replace(site, layer=layer)) is None
    assert fix(Source("/project/other.py", call), site) is None


def test_a_bias_that_is_absorbed_goes_only_when_asked_for() -> None:
    call = "nn.Conv2d(3, 64, 3)"
    source = Source(PATH, call)
    found = fix(source, replace(site_of(source, call), verdict=Verdict.ABSORBED))
    assert found is not None
    assert source.edited(found.edits) == "nn.Conv2d(3, 64, 3, bias=False)"
    assert found.applicability == "unsafe"
    assert "has an effect until it is moved" in found.reason


def test_of_all_norms_only_a_layer_norm_can_lose_its_shift_alone() -> None:
    text = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(8)
        self.ln = nn.LayerNorm(9)
        self.bn2 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(9, 9)

    def forward(self, x):
        y = self.fc(self.ln(x.relu()))
        return self.bn2(self.bn1(x)), y
"""
    report = lint(Source(PATH, text), Files(), Options(select=("BL2",)))
    offered = {finding.code: fix_of(finding, report) for finding in report.findings}
    assert offered.keys() == {"BL203", "BL204"}
    assert offered["BL203"] is None
    assert offered["BL204"] is not None
    assert "nn.LayerNorm(9, bias=False)" in report.source.edited(offered["BL204"].edits)


_ARGUMENT = st.sampled_from(
    ["3", "width", "f(a, b)", "(3, 3)", "2 * planes", "[1][0]", "'x'", "lambda: 0", "a if b else c"]
)
_GAP = st.sampled_from(["", " ", "\n    ", "  # note, (\n    ", "\n\t", " \\\n  ", "\n\n    "])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_ARGUMENT, min_size=1, max_size=5),
    st.lists(_GAP, min_size=13, max_size=13),
    st.sampled_from(["", "bias=True", "bias = True"]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["    ", "\t"]),
)
def test_any_layout_parses_afterwards_and_says_the_same_but_for_the_bias(
    values: list[str], gaps: list[str], bias: str, trailing: bool, newline: str, indent: str
) -> None:
    arguments = [*values, *([bias] if bias else [])]
    inside = gaps[0]
    for index, argument in enumerate(arguments):
        last = index == len(arguments) - 1
        inside += argument + gaps[2 * index + 1] + ("," + gaps[2 * index + 2] if trailing or not last else "")
    call = f"nn.Conv2d({inside})".replace("\n", newline)
    text = f"if x:{newline}{indent}é, net = 'é', {call}; y = 1  # end{newline}"
    after = fixed(text, call)
    assert _without_bias(ast.parse(after)) == _without_bias(ast.parse(text))
    assert _bias_arguments(ast.parse(after)) == ["False"]
    assert ("\r" in after) == ("\r" in text)
    assert after.count("#") == text.count("#")
    edited = after[text.index(call) : len(after) - (len(text) - text.index(call) - len(call))]
    assert offered(after, edited) is None


def test_all_fixes_of_a_file_together_leave_no_finding() -> None:
    lines = [
        "import torch",
        "from torch import nn",
        "class Net(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        "        conv = lambda a, b: nn.Conv2d(a, b, 3)",
        "        self.conv1 = conv(3, 8)",
        "        self.conv2 = conv(8, 8)",
        "        self.rest = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1, bias=True))",
        "        self.bn1, self.bn2, self.bn3 = nn.BatchNorm2d(8), nn.BatchNorm2d(8), nn.InstanceNorm2d(8)",
        "    def forward(self, x):",
        "        return self.bn3(self.rest(torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))))",
        "",
    ]
    source = Source(PATH, "\r\n".join(lines))
    report = lint(source, Files(), Options())
    fixes = [fix_of(finding, report) for finding in report.findings]
    edits = [edit for made in fixes if made is not None for edit in made.edits]
    assert len(edits) == len(report.findings) == 3
    after = Source(PATH, source.edited(edits))
    assert lint(after, Files(), Options()).findings == ()
    assert after.text.count("\r\n") == after.text.count("\n") == len(lines) - 1

    reset = source.text.replace("    def forward", "        nn.init.zeros_(self.conv2.bias)\r\n    def forward")
    report = lint(Source(PATH, reset), Files(), Options())
    helper = next(f for f in report.findings if report.source.excerpt(f.location.span) == "nn.Conv2d(a, b, 3)")
    made = fix_of(helper, report)
    assert made is not None, "the call makes conv1 and conv2, so the initialiser is asked"
    assert "if self.conv2.bias is not None:\r\n            nn.init" in report.source.edited(made.edits)


# --- hazards ---------------------------------------------------------------------------------------------------------

MODEL = """
class Net(nn.Module):
    def __init__(self):
        self.conv1 = nn.Conv2d(3, 64, 3)
        self.fc = nn.Linear(64, 2)
        for m in self.modules():
{}
"""


def _hazard(body: str) -> tuple[str, str]:
    """Applicability and reason of the fix where `body` initialises the model."""
    made = offered(MODEL.format("\n".join(" " * 12 + line for line in body.splitlines())), "nn.Conv2d(3, 64, 3)")
    assert made is not None
    assert bool(made.edits) == (made.applicability != "display-only")
    return made.applicability, made.reason


def test_a_use_that_would_crash_leaves_no_edits_and_says_why() -> None:
    for body, use in (
        ("print(len(m.bias))", "m.bias"),
        ("for value in m.bias:\n    print(value)", "m.bias"),
        ("size = self.conv1.bias.numel()", "self.conv1.bias"),
        ("if m.bias.sum() > 0:\n    m.bias.data.zero_()", "m.bias"),
        ("total += m.bias", "m.bias"),
        ("self.fc.bias.data.copy_(m.bias + 1)", "m.bias"),
    ):
        assert _hazard(body) == ("display-only", f"`{use}` would fail without it"), body


def test_a_guarded_initialiser_leaves_the_fix_safe() -> None:
    for body in (
        "if m.bias is not None:\n    m.bias.data.zero_()",
        "if isinstance(m, nn.Conv2d) and m.bias is not None:\n    nn.init.zeros_(m.bias)",
        "if getattr(m, 'bias', None) is not None:\n    nn.init.zeros_(m.bias)",
        "if m.bias is None:\n    continue\nm.bias.data.zero_()",
        "assert m.bias is not None\nm.bias.data.zero_()",
        "x = m.bias.sum() if m.bias is not None else 0",
        "x = m.bias is not None and m.bias.sum()",
        "if not (m.bias is None or m.weight is None):\n    m.bias.data.zero_()",
        "if m.bias is None:\n    pass\nelse:\n    m.bias.data.zero_()",
    ):
        assert _hazard(body) == ("safe", ""), body


def test_an_initialiser_of_other_layers_leaves_the_fix_safe() -> None:
    for body in (
        "nn.init.zeros_(self.fc.bias)",
        "if isinstance(m, nn.Linear):\n    nn.init.zeros_(m.bias)",
        "if isinstance(m, nn.Conv2d):\n    pass\nelif isinstance(m, (nn.BatchNorm2d, nn.PReLU)):\n    m.bias.zero_()",
        "if isinstance(m, Linear):\n    nn.init.zeros_(m.bias)",
        "if isinstance(m, nn.Conv2d):\n    pass\nelse:\n    m.bias.data.zero_()",
        "if not isinstance(m, nn.Linear):\n    continue\nm.bias.data.zero_()",
        "name = m.__class__.__name__\n"
        "if name.find('Conv') != -1:\n    pass\nelif name.find('BatchNorm') != -1:\n    m.bias.data.fill_(0)",
        "if 'Linear' in type(m).__name__:\n    m.bias.data.zero_()",
        "self.bias = bias",
    ):
        assert _hazard(body) == ("safe", ""), body


def test_an_initialiser_in_another_file_leaves_no_fix(tmp_path: Path) -> None:
    (tmp_path / "starting.py").write_text(
        "from torch import nn\n\n\ndef start(net):\n    for m in net.modules():\n"
        "        if isinstance(m, nn.Conv2d):\n            m.bias.data.zero_()\n"
    )
    text = (
        "from torch import nn\n\nfrom starting import start\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.conv = nn.Conv2d(3, 8, 3)\n        self.norm = nn.BatchNorm2d(8)\n"
        "        START\n\n    def forward(self, x):\n        return self.norm(self.conv(x))\n"
    )
    for start, has_fix in (("start(self)", False), ("pass", True)):
        path = str(tmp_path / "model.py")
        source = Source(path, text.replace("START", start))
        report = lint(source, Files({path: source.text}), Options())
        (finding,) = report.findings
        made = fix_of(finding, report)
        assert made is not None
        assert bool(made.edits) is has_fix
        assert made.reason == ("" if has_fix else "`starting.py` uses it, and might fail without")


def test_a_bare_read_of_the_bias_makes_the_fix_unsafe() -> None:
    for body in ("copy(m.bias)", "m.bias = self.fc.weight", "parameters.append(self.conv1.bias)"):
        applicability, reason = _hazard(body)
        assert applicability == "unsafe", body
        assert "without asking whether it is None" in reason


def test_a_file_that_loads_weights_makes_the_fix_unsafe_and_says_so() -> None:
    for body, name in (
        ("self.load_state_dict(x)", "load_state_dict"),
        ("torch.load(x)", "torch.load"),
        ("Net.from_pretrained(x)", "from_pretrained"),
        ("torch.hub.load_state_dict_from_url(x)", "torch.hub"),
        ("model_zoo.load_url(x)", "model_zoo"),
    ):
        assert _hazard(body) == ("unsafe", f"this file loads weights (`{name}`), and they may hold `conv1.bias`")


def test_a_read_in_a_statement_that_does_not_parse_leaves_no_fix() -> None:
    call = "nn.Conv2d(3, 64, 3)"
    for name, has_fix in (("bias", False), ("weight", True)):
        made = offered(f"net = {call}\ndef f(m):\n    m.{name}.zero_(\n", call)
        assert made is not None
        assert bool(made.edits) is has_fix


def _without_bias(tree: ast.AST) -> str:
    """The tree as text, where a call's `bias` and a literal in its place leave no trace."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "bias"]
            node.args = [a for a in node.args if not (isinstance(a, ast.Constant) and isinstance(a.value, bool))]
    return ast.dump(tree)


def _bias_arguments(tree: ast.AST) -> list[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [ast.unparse(keyword.value) for call in calls for keyword in call.keywords if keyword.arg == "bias"]


def _any(value: Any) -> Any:
    return value
