"""Several files that use each other's layers: what is said of a layer counts every use that is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from biaslens.flow import Site, Verdict
from biaslens.lint import Report, lint, lint_all
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Problem, Source

HEAD = "from torch import nn\n"
PROJECTION = HEAD + (
    "class Projection(nn.Module):\n"
    "    def __init__(self, width):\n"
    "        super().__init__()\n"
    "        self.linear = nn.Linear(width, width)\n"
    "    def forward(self, x):\n"
    "        return self.linear(x)\n"
)
NORMALISED = HEAD + (
    "from projection import Projection\n"
    "class Normalised(nn.Module):\n"
    "    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.project = Projection(8)\n"
    "        self.norm = nn.BatchNorm1d(8)\n"
    "    def forward(self, x):\n"
    "        return self.norm(self.project(x.flatten(1)))\n"
)
ACTIVATED = NORMALISED.replace("Normalised", "Activated").replace("nn.BatchNorm1d(8)", "nn.ReLU()")


def test_a_helper_is_judged_by_its_users_in_other_files() -> None:
    alone = site(reports({"projection.py": PROJECTION})["projection.py"])
    used = site(reports({"projection.py": PROJECTION, "normalised.py": NORMALISED})["projection.py"])
    assert alone.verdict is Verdict.NEEDED
    assert (used.verdict, used.seen_in) == (Verdict.IN_EVERY_USE, ("Normalised",))


def test_one_use_that_reads_it_is_enough_to_need_it() -> None:
    files = {"projection.py": PROJECTION, "normalised.py": NORMALISED, "activated.py": ACTIVATED}
    used = site(reports(files)["projection.py"])
    assert used.verdict is Verdict.NEEDED
    assert "ReLU" in used.condition


def test_the_order_of_the_files_does_not_matter() -> None:
    files = {"projection.py": PROJECTION, "normalised.py": NORMALISED}
    backwards = dict(reversed(files.items()))
    assert site(reports(files)["projection.py"]) == site(reports(backwards)["projection.py"])


def test_a_file_by_itself_gets_the_same_report() -> None:
    path = "/project/normalised.py"
    files = Files({"/project/projection.py": PROJECTION, path: NORMALISED})
    together = next(iter(lint_all([path], files, Options())))
    assert isinstance(together, Report)
    assert together.flow.sites == lint(Source(path, NORMALISED), files, Options()).flow.sites


def test_a_run_does_not_see_what_another_one_changed() -> None:
    text = HEAD + (
        "LAYERS = {'norm': nn.BatchNorm2d}\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, plain=False):\n"
        "        super().__init__()\n"
        "        if plain:\n"
        "            LAYERS['norm'] = nn.Identity\n"
        "        self.conv = nn.Conv2d(3, 8, 3)\n"
        "        self.norm = LAYERS['norm'](8)\n"
        "    def forward(self, x):\n"
        "        return self.norm(self.conv(x))\n"
    )
    found = site(reports({"net.py": text})["net.py"])
    assert (found.verdict, found.condition) == (Verdict.CONDITIONAL, "plain is false")


def test_a_bias_that_is_there_only_without_a_norm_is_no_finding() -> None:
    text = HEAD + (
        "class Block(nn.Module):\n"
        "    def __init__(self, norm=True, bias=False):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 8, 3, bias=bias)\n"
        "        self.norm = nn.BatchNorm2d(8) if norm else nn.ReLU()\n"
        "    def forward(self, x):\n"
        "        return self.norm(self.conv(x))\n"
    )
    user = HEAD + "from block import Block\nhead = nn.Sequential(Block(), Block(norm=False, bias=True))\n"
    found = reports({"block.py": text, "user.py": user})["block.py"]
    assert found.findings == ()


def test_a_script_that_evaluates_its_model_freezes_nothing() -> None:
    script = NORMALISED + (
        "model = Normalised()\n"
        "for epoch in range(3):\n"
        "    model.train()\n"
        "    model(batch)\n"
        "    model.eval()\n"
        "    model(batch)\n"
    )
    files = {"projection.py": PROJECTION, "normalised.py": script}
    assert site(reports(files)["projection.py"]).verdict is Verdict.IN_EVERY_USE


def test_what_a_use_without_a_bias_reads_does_not_count() -> None:
    text = PROJECTION.replace("width):", "width, bias=True):").replace("width, width)", "width, width, bias=bias)")
    activated = ACTIVATED.replace("Projection(8)", "Projection(8, bias=False)")
    found = reports({"projection.py": text, "normalised.py": NORMALISED, "activated.py": activated})
    assert (site(found["projection.py"]).verdict, site(found["projection.py"]).seen_in) == (
        Verdict.IN_EVERY_USE,
        ("Normalised",),
    )


def test_numbers_that_a_loop_keeps_combining_take_no_time() -> None:
    lines = ["def clip(a, b, c, points):", "    for p in points:"]
    lines += ["        a, b, c = a * b - c // a, b * c - a // p, (a - b) * (b + c)", "        if a > b * c:"]
    lines += ["            a = c / b + a % 7", "    return make(a, b, c)"]
    assert reports({"clip.py": HEAD + "\n".join(lines)})["clip.py"].problems == ()


def test_modules_that_import_each_other_in_a_circle_are_fine() -> None:
    first = HEAD + "from second import *\nfrom second import make\nclass First(nn.Module):\n    pass\n"
    second = HEAD + "from first import *\nfrom first import First\ndef make():\n    return nn.Conv2d(3, 8, 1)\n"
    found = reports({"first.py": first, "second.py": second})
    assert [report.problems for report in found.values()] == [(), ()]


def test_names_that_are_imported_for_types_only_are_found_but_not_taken() -> None:
    package = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from projection import Projection\n"
        "    NORM = 1\n"
        "else:\n"
        "    import sys\n"
        "    sys.modules[__name__] = lazy(__name__)\n"
    )
    user = NORMALISED.replace("from projection", "from package")
    files = {"projection.py": PROJECTION, "package.py": package, "normalised.py": user}
    assert site(reports(files)["projection.py"]).verdict is Verdict.IN_EVERY_USE


def reports(files: dict[str, str]) -> dict[str, Report]:
    """The reports on files of one folder, by name."""
    paths = {name: f"/project/{name}" for name in files}
    snapshot = Files({paths[name]: text for name, text in files.items()})
    found = zip(files, lint_all(list(paths.values()), snapshot, Options()), strict=True)
    return {name: report for name, report in found if not isinstance(report, Problem)}


def site(report: Report) -> Site:
    """The only affine layer that a file makes."""
    (found,) = report.flow.affine_sites
    return found


def test_a_star_import_brings_what_the_module_exports() -> None:
    norms = HEAD + "class Norm(nn.BatchNorm2d): pass\n"
    plain = HEAD + "class Norm(nn.Identity): pass\n"
    net = HEAD + (
        "from norms import *\n"
        "from plain import *\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 8, 3)\n"
        "        self.norm = Norm(8)\n"
        "    def forward(self, x):\n"
        "        return self.norm(self.conv(x))\n"
    )
    for exported, verdict in (("__all__ = ['other']\n", Verdict.UNKNOWN), ("__all__ = ['Norm']\n", Verdict.REDUNDANT)):
        files = {"norms.py": exported + norms, "plain.py": "__all__ = ['other']\n" + plain, "net.py": net}
        assert site(reports(files)["net.py"]).verdict is verdict


def test_what_is_said_of_a_file_does_not_hang_on_the_files_before_it() -> None:
    examples = [str(file) for file in sorted((Path(__file__).parent.parent / "examples").glob("*.py"))]

    def said(paths: Sequence[str]) -> dict[str, list[str]]:
        reports = [one for one in lint_all(paths, Files(), Options()) if isinstance(one, Report)]
        return {report.source.path: [finding.message for finding in report.findings] for report in reports}

    together = said(examples)
    assert together == said(examples[::-1])
    assert together == {path: said([path])[path] for path in examples}
