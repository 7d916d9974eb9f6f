"""Code of the user's own that they declare to be like torch's: `{"mypkg.layers.MyConv2d": "torch.nn.Conv2d"}`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from biaslens.catalogue.likeness import likenesses
from biaslens.flow import Site, Verdict
from biaslens.lint import Report, lint, lint_all
from biaslens.options import Options
from biaslens.program.ir import Equation
from biaslens.repair import fix_of
from biaslens.rules.rule import Fix
from biaslens.syntax.files import Files
from biaslens.text import Problem, Source

PATH = "/project/net.py"
CONV = {"mypkg.layers.MyConv2d": "torch.nn.Conv2d"}
NORM = {"mypkg.layers.MyNorm": "torch.nn.BatchNorm2d"}


def net(imports: str, conv: str = "nn.Conv2d(3, 8, 3)", norm: str = "nn.BatchNorm2d(8)", between: str = "x") -> str:
    """A model of two layers, applied to `x` one after the other."""
    return (
        f"{imports}\n"
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        f"        self.conv = {conv}\n"
        f"        self.norm = {norm}\n"
        "    def forward(self, x):\n"
        "        x = self.conv(x)\n"
        f"        x = {between}\n"
        "        return self.norm(x)\n"
    )


def report(files: str | dict[str, str], like: dict[str, str]) -> Report:
    """What is said of `net.py`, alone or with the files of packages beside it."""
    texts = {"net.py": files} if isinstance(files, str) else files
    snapshot = Files({f"/project/{name}": text for name, text in texts.items()})
    return lint(Source(PATH, texts["net.py"]), snapshot, Options(like=tuple(like.items())))


def site(files: str | dict[str, str], like: dict[str, str]) -> Site:
    """The only affine layer that `net.py` makes."""
    (found,) = (site for site in report(files, like).flow.affine_sites if site.location.path == PATH)
    return found


def fix(files: str | dict[str, str], like: dict[str, str]) -> Fix | None:
    """The fix of the only finding in `net.py`."""
    made = report(files, like)
    (finding,) = made.findings
    texts = {"net.py": files} if isinstance(files, str) else files
    return fix_of(finding, made, Files({f"/project/{name}": text for name, text in texts.items()}))


def unknown_steps(made: Report) -> Iterator[Equation]:
    """The steps of the first path that take a tensor and could not be followed."""
    return (equation for equation in made.program.runs[0].paths[0].equations if equation.callee)


# --- a package whose source is not found -----------------------------------------------------------------------------

ABSENT = net("from mypkg.layers import MyConv2d", conv="MyConv2d(3, 8, 3)")
ABSENT_NORM = net("from mypkg.layers import MyNorm", norm="MyNorm(8)")


def test_a_declared_layer_has_a_bias_that_is_redundant() -> None:
    assert report(ABSENT, {}).flow.affine_sites == ()
    found = site(ABSENT, CONV)
    assert (found.verdict, found.layer.label, found.layer.declared) == (Verdict.REDUNDANT, "conv", next(iter(CONV)))
    assert [finding.code for finding in report(ABSENT, CONV).findings] == ["BL101"]


def test_a_declared_norm_cancels() -> None:
    assert site(ABSENT_NORM, {}).verdict is Verdict.UNKNOWN
    assert site(ABSENT_NORM, NORM).verdict is Verdict.REDUNDANT


def test_a_declared_linear_is_needed_in_front_of_a_relu() -> None:
    text = net("from mypkg.layers import MyLinear", "MyLinear(3, 8)", "nn.BatchNorm1d(8)", "x.relu()")
    assert site(text, {"mypkg.layers.MyLinear": "torch.nn.Linear"}).verdict is Verdict.NEEDED


def test_a_declared_activation_reads() -> None:
    text = net("import mypkg", between="mypkg.Swishy()(x)")
    assert site(text, {}).verdict is Verdict.UNKNOWN
    found = site(text, {"mypkg.Swishy": "torch.nn.SiLU"})
    assert (found.verdict, "Swishy" in found.condition) == (Verdict.NEEDED, True)


@pytest.mark.parametrize("imports", ["import mypkg.ops", "import mypkg", "from mypkg import ops as mypkg_ops"])
def test_a_declared_function_is_taken_for_torchs(imports: str) -> None:
    call = "mypkg_ops" if "as" in imports else "mypkg.ops"
    text = net(imports, norm="nn.ReLU()", between=f"{call}.fast_norm(x, None, None, training=True)")
    declared = {"mypkg.ops.fast_norm": "torch.nn.functional.batch_norm"}
    assert site(text, {}).verdict is Verdict.UNKNOWN
    found = site(text, declared)
    assert found.verdict is Verdict.REDUNDANT
    assert found.fates[0].end is not None
    assert found.fates[0].end.label == "fast_norm"


@pytest.mark.parametrize(
    "norm", ["MyNorm(8, groups=2)", "MyNorm()", "MyNorm(8, 1e-5, 0.1, True, True, None, None, 'relu')"]
)
def test_a_call_that_torchs_signature_does_not_fit_is_unknown(norm: str) -> None:
    text = net("from mypkg.layers import MyNorm", norm=norm)
    assert site(text, NORM).verdict is Verdict.UNKNOWN
    assert report(text, NORM).findings == ()
    assert report(text, NORM).problems == ()


def test_a_layer_that_torchs_signature_does_not_fit_is_no_site() -> None:
    made = report(ABSENT.replace("MyConv2d(3, 8, 3)", "MyConv2d(3, 8, 3, scale=2)"), CONV)
    assert (made.flow.affine_sites, made.problems) == ((), ())


def test_a_function_that_torchs_signature_does_not_fit_is_unknown() -> None:
    text = net("from mypkg import fast", norm="nn.ReLU()", between="fast(x, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)")
    assert site(text, {"mypkg.fast": "torch.nn.functional.batch_norm"}).verdict is Verdict.UNKNOWN


def test_what_torch_would_refuse_is_unknown_too() -> None:
    text = net("from mypkg.layers import MyNorm", norm="MyNorm(8)", between="x.flatten(1)")
    refused = net("", norm="nn.BatchNorm2d(8)", between="x.flatten(1)")
    assert site(text, NORM).verdict is Verdict.UNKNOWN
    assert report(refused, {}).program.runs == ()


def test_a_subclass_of_a_declared_class_is_one_of_torchs() -> None:
    text = net("from mypkg.layers import MyConv2d\nclass Mine(MyConv2d):\n    pass", conv="Mine(3, 8, 3)")
    assert site(text, CONV).verdict is Verdict.REDUNDANT


def test_what_else_a_declared_layer_offers_is_not_trusted() -> None:
    text = net("from mypkg.layers import MyConv2d", conv="MyConv2d(3, 8, 3)", between="x + self.conv.again(x)")
    assert report(text, CONV).findings == ()


def test_a_declared_class_need_not_derive_from_torchs() -> None:
    text = ABSENT.replace(
        "    def forward",
        "        if isinstance(self.conv, nn.Conv2d):\n            self.norm = nn.ReLU()\n    def forward",
    )
    assert site(text, CONV).verdict is Verdict.NEEDED


# --- a package whose source is found ---------------------------------------------------------------------------------

UNSEEN = "from mypkg._native import normalise\n"
OWN_NORM = (
    "from torch import nn\n"
    f"{UNSEEN}"
    "class MyNorm(nn.Module):\n"
    "    def __init__(self, channels):\n"
    "        super().__init__()\n"
    "    def forward(self, x):\n"
    "        return normalise(x)\n"
)
PACKAGE = {"mypkg/__init__.py": "from mypkg.layers import MyNorm as Norm\n", "mypkg/layers.py": OWN_NORM}


@pytest.mark.parametrize(
    ("imports", "norm", "own"),
    [
        ("from mypkg.layers import MyNorm", "MyNorm(8)", "mypkg.layers.MyNorm"),
        ("from mypkg.layers import *", "MyNorm(8)", "mypkg.layers.MyNorm"),
        ("from mypkg.layers import MyNorm as M", "M(8)", "mypkg.layers.MyNorm"),
        ("import mypkg.layers", "mypkg.layers.MyNorm(8)", "mypkg.layers.MyNorm"),
        ("from mypkg import layers", "layers.MyNorm(8)", "mypkg.layers.MyNorm"),
        ("from mypkg import Norm", "Norm(8)", "mypkg.layers.MyNorm"),
        ("from mypkg import Norm", "Norm(8)", "mypkg.Norm"),
        ("from mypkg import *", "Norm(8)", "mypkg.Norm"),
        ("import mypkg as package", "package.Norm(8)", "mypkg.Norm"),
        ("from mypkg.layers import MyNorm", "MyNorm(8)", "MyNorm"),
    ],
)
def test_the_users_word_wins_over_the_source(imports: str, norm: str, own: str) -> None:
    files = {"net.py": net(imports, norm=norm), **PACKAGE}
    assert site(files, {}).verdict is Verdict.UNKNOWN
    assert site(files, {own: "torch.nn.BatchNorm2d"}).verdict is Verdict.REDUNDANT


@pytest.mark.parametrize("own", ["other.layers.MyNorm", "layers.MyNorm", "mypkg.MyNorm", "Norm"])
def test_another_name_declares_nothing(own: str) -> None:
    files = {"net.py": net("from mypkg import Norm", norm="Norm(8)"), **PACKAGE}
    assert site(files, {own: "torch.nn.BatchNorm2d"}).verdict is Verdict.UNKNOWN


def test_a_name_without_dots_means_no_installed_class() -> None:
    installed = "/project/site-packages/"
    texts = {PATH: net("from mypkg.layers import MyNorm", norm="MyNorm(8)")}
    texts |= {f"{installed}{name}": text for name, text in PACKAGE.items()}
    for own, verdict in (("MyNorm", Verdict.UNKNOWN), ("mypkg.layers.MyNorm", Verdict.REDUNDANT)):
        options = Options(like=((own, "torch.nn.BatchNorm2d"),), src=(installed,))
        (found,) = lint(Source(PATH, texts[PATH]), Files(texts), options).flow.affine_sites
        assert found.verdict is verdict


@pytest.mark.parametrize(
    "imports", ["from models.layers import MyNorm", "import models.layers as l; MyNorm = l.MyNorm"]
)
def test_folders_without_an_init_file_are_packages_too(imports: str) -> None:
    files = {"net.py": net(imports, norm="MyNorm(8)"), "models/layers.py": OWN_NORM}
    assert site(files, {"models.layers.MyNorm": "torch.nn.BatchNorm2d"}).verdict is Verdict.REDUNDANT


@pytest.mark.parametrize(
    "imports", ["from ._native import normalise", "from . import _native as n; normalise = n.normalise"]
)
def test_a_relative_import_has_its_full_name(imports: str) -> None:
    layers = OWN_NORM.replace(UNSEEN, f"{imports}\n").replace("normalise(x)", "normalise(x, None, None, training=True)")
    files = {"net.py": net("from mypkg.layers import MyNorm", norm="MyNorm(8)"), **PACKAGE, "mypkg/layers.py": layers}
    made = report(files, {})
    assert [equation.callee for equation in unknown_steps(made)] == ["mypkg._native.normalise"]
    assert site(files, {"mypkg._native.normalise": "torch.nn.functional.batch_norm"}).verdict is Verdict.REDUNDANT


def test_names_that_are_imported_as_each_other_do_no_harm() -> None:
    files = {
        "net.py": net("from first import MyConv2d", conv="MyConv2d(3, 8, 3)"),
        "first.py": "from second import MyConv2d\n",
        "second.py": "from first import MyConv2d\n",
    }
    both = {"first.MyConv2d": "torch.nn.Conv2d", "second.MyConv2d": "torch.nn.Conv2d"}
    assert site(files, both).verdict is Verdict.REDUNDANT
    assert report(files, both).problems == ()


# --- a class of the file itself --------------------------------------------------------------------------------------

OWN_FILE = net(OWN_NORM, norm="MyNorm(8)")


@pytest.mark.parametrize("own", ["net.MyNorm", "MyNorm"])
@pytest.mark.parametrize("initialise", ["super().__init__()", "super(MyNorm, self).__init__()"])
def test_a_declared_class_of_the_file_itself(own: str, initialise: str) -> None:
    text = OWN_FILE.replace("super().__init__()", initialise, 1)
    assert site(text, {}).verdict is Verdict.UNKNOWN
    assert site(text, {own: "torch.nn.BatchNorm2d"}).verdict is Verdict.REDUNDANT


def test_the_layers_inside_of_a_declared_class_are_looked_at_all_the_same() -> None:
    own = (
        "class Normed(nn.Module):\n"
        "    def __init__(self, channels):\n"
        "        super(Normed, self).__init__()\n"
        "        self.inner = nn.Conv2d(channels, channels, 1)\n"
        "        self.norm = nn.BatchNorm2d(channels)\n"
        "    def forward(self, x):\n"
        "        return self.norm(self.inner(x))\n"
    )
    made = report(net(f"from torch import nn\n{own}", norm="Normed(8)"), {"Normed": "torch.nn.BatchNorm2d"})
    verdicts = {site.layer.label: site.verdict for site in made.flow.affine_sites}
    assert verdicts == {"inner": Verdict.REDUNDANT, "conv": Verdict.REDUNDANT}


# --- fixes -----------------------------------------------------------------------------------------------------------


def test_a_fix_of_a_class_that_was_not_looked_at_is_unsafe() -> None:
    made = fix(ABSENT, CONV)
    assert made is not None
    assert made.applicability == "unsafe"
    assert (
        made.reason
        == "`MyConv2d` is declared to be like `Conv2d`, and what arguments it takes itself was not looked at"
    )
    assert Source(PATH, ABSENT).edited(made.edits) == ABSENT.replace("3, 8, 3)", "3, 8, 3, bias=False)")


def test_a_fix_where_a_declared_norm_cancels_is_safe() -> None:
    made = fix(ABSENT_NORM, NORM)
    assert made is not None
    assert made.applicability == "safe"


def own_conv(parameters: str, body: str = "pass") -> dict[str, str]:
    """A package with a layer of its own, whose `__init__` has some parameters."""
    layers = f"from torch import nn\nclass MyConv2d(nn.Module):\n    def __init__(self{parameters}):\n        {body}\n"
    return {"net.py": ABSENT, "mypkg/__init__.py": "", "mypkg/layers.py": layers}


@pytest.mark.parametrize(
    ("parameters", "body", "expected"),
    [
        (", a, b, k, bias=True", "pass", "safe"),
        (", a, b, k, *, bias=True", "pass", "safe"),
        (", *args, **kwargs", "self.inner = nn.Conv2d(*args, **kwargs)", "safe"),
        (", a, b, k, **kwargs", "pass", None),
        (", a, b, k", "pass", None),
    ],
)
def test_a_fix_rests_on_the_own_signature_where_that_is_found(parameters: str, body: str, expected: str | None) -> None:
    made = fix(own_conv(parameters, body), CONV)
    assert (made.applicability if made else None) == expected


def test_a_class_that_is_one_of_torchs_takes_what_that_takes() -> None:
    layers = "from torch import nn\nclass MyConv2d(nn.Conv2d):\n    pass\n"
    made = fix({"net.py": ABSENT, "mypkg/__init__.py": "", "mypkg/layers.py": layers}, CONV)
    assert made is not None
    assert made.applicability == "safe"


def test_a_declared_function_that_makes_layers_is_looked_at_as_well() -> None:
    layers = "def MyConv2d(a, b, k, bias=True):\n    return build(a, b, k, bias)\n"
    made = fix({"net.py": ABSENT, "mypkg/__init__.py": "", "mypkg/layers.py": layers}, CONV)
    assert made is not None
    assert made.applicability == "safe"


def test_the_own_default_is_believed() -> None:
    assert site(own_conv(", a, b, k, bias=False"), CONV).layer.bias is False
    assert report(own_conv(", a, b, k, bias=False"), CONV).findings == ()


def test_the_own_places_of_arguments_count() -> None:
    files = own_conv(", a, b, k, bias=True, stride=1")
    files["net.py"] = ABSENT.replace("3, 8, 3)", "3, 8, 3, True)")
    made = fix(files, CONV)
    assert made is not None
    assert Source(PATH, files["net.py"]).edited(made.edits) == ABSENT.replace("3, 8, 3)", "3, 8, 3, False)")


def test_fixes_of_several_files_keep_what_was_declared() -> None:
    files = Files({PATH: ABSENT_NORM})
    (made,) = lint_all([PATH], files, Options(like=tuple(NORM.items())))
    assert not isinstance(made, Problem)
    (finding,) = made.findings
    assert fix_of(finding, made, files) is not None


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_layer_without_a_name_is_called_by_its_own_class() -> None:
    layers = "net = nn.Sequential(MyConv2d(3, 8, 3), nn.BatchNorm2d(8))\n"
    text = f"from torch import nn\nfrom mypkg.layers import MyConv2d\n{layers}"
    (finding,) = report(text, CONV).findings
    assert "MyConv2d" in finding.message
    assert "`Conv2d`" not in finding.message


@pytest.mark.parametrize(
    ("imports", "norm", "callee"),
    [
        ("from mypkg.layers import MyNorm", "MyNorm(8)", "mypkg.layers.MyNorm"),
        ("import mypkg", "mypkg.layers.MyNorm(8)", "mypkg.layers.MyNorm"),
        ("import functools, mypkg", "functools.partial(mypkg.MyNorm, eps=1)(8)", "mypkg.MyNorm"),
        ("from mypkg import make_norm", "make_norm(8)", "mypkg.make_norm"),
    ],
)
def test_the_name_of_an_unknown_callee_is_told(imports: str, norm: str, callee: str) -> None:
    made = report(net(imports, norm=norm), {})
    assert [equation.callee for equation in unknown_steps(made)] == [callee]
    assert site(net(imports, norm=norm), {callee: "torch.nn.BatchNorm2d"}).verdict is not Verdict.UNKNOWN


def test_a_function_that_is_declared_to_be_like_a_layer_is_unknown() -> None:
    text = net("from mypkg import normalise", norm="normalise")
    assert [equation.callee for equation in unknown_steps(report(text, {}))] == ["mypkg.normalise"]
    assert site(text, {"mypkg.normalise": "torch.nn.BatchNorm2d"}).verdict is Verdict.UNKNOWN


def test_an_unknown_callee_of_a_source_that_is_found_has_its_own_name() -> None:
    own = "import mypkg\nclass MyNorm(mypkg.Base):\n    pass"
    (step,) = unknown_steps(report(net(own, norm="MyNorm(8)"), {}))
    assert step.callee == "net.MyNorm"
    assert site(net(own, norm="MyNorm(8)"), {step.callee: "torch.nn.BatchNorm2d"}).verdict is Verdict.REDUNDANT


def test_a_method_that_a_class_inherits_can_be_declared() -> None:
    own = "import torch\nclass Fast(torch.autograd.Function):\n    pass"
    text = net(own, norm="nn.ReLU()", between="Fast.apply(x, None, None, None, None, True)")
    (step,) = unknown_steps(report(text, {}))
    assert step.callee == "net.Fast.apply"
    assert site(text, {step.callee: "torch.nn.functional.batch_norm"}).verdict is Verdict.REDUNDANT


@pytest.mark.parametrize("call", ["torch.fft.rfft(x)", "x.nothing()", "(lambda y: y.nothing())(x)"])
def test_what_cannot_be_declared_has_no_name(call: str) -> None:
    made = report(net("import torch", norm="nn.ReLU()", between=call), {})
    assert [*unknown_steps(made)] == []
    assert site(net("import torch", norm="nn.ReLU()", between=call), {}).verdict is Verdict.UNKNOWN


# --- what a person writes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "torch", "problem"),
    [
        ("a.B", "", "'a.B' does not say what it is like; write it as in mypkg.layers.MyConv2d=torch.nn.Conv2d."),
        (
            "a-b",
            "torch.nn.Conv2d",
            "'a-b' is no dotted name of a class or function; write it as in mypkg.layers.MyConv2d=torch.nn.Conv2d.",
        ),
        ("a.B", "torch.nn.Conv2D", "BiasLens knows no 'torch.nn.Conv2D' of torch; did you mean 'torch.nn.Conv2d'?"),
        ("a.B", "nn.BatchNorm2d", "BiasLens knows no 'nn.BatchNorm2d' of torch; did you mean 'torch.nn.BatchNorm2d'?"),
        (
            "a.B",
            "torch.nn.LayrNorm",
            "BiasLens knows no 'torch.nn.LayrNorm' of torch; did you mean 'torch.nn.LayerNorm'?",
        ),
        ("a.B", "!", "BiasLens knows no '!' of torch."),
    ],
)
def test_a_wrong_declaration_is_told(own: str, torch: str, problem: str) -> None:
    assert likenesses([(own, torch), ("c.D", "torch.nn.Linear")]) == ((("c.D", "torch.nn.Linear"),), (problem,))


def test_any_spelling_of_torchs_names_will_do() -> None:
    assert site(ABSENT, {"mypkg.layers.MyConv2d": "torch.nn.modules.conv.Conv2d"}).verdict is Verdict.REDUNDANT
