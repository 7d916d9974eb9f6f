"""The command line on real files: what it prints, with which exit code, and what it writes."""

import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from biaslens import __version__
from biaslens.rules.registry import RULES
from command import run

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")

BIASLENS = (sys.executable, "-m", "biaslens")

MODEL = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.bn = nn.BatchNorm2d(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.bn(self.conv(x)).relu().mean((2, 3)))
"""

FIXED = MODEL.replace("nn.Conv2d(3, 16, 3)", "nn.Conv2d(3, 16, 3, bias=False)")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with one redundant bias, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return path


def test_version_says_the_version() -> None:
    outcome = run("--version")
    assert (outcome.code, outcome.out) == (0, f"biaslens {__version__}\n")


def test_findings_exit_with_1_and_clean_files_with_0(model: Path) -> None:
    (model.parent / "clean.py").write_text(FIXED)
    assert run("check", "model.py").code == 1
    assert run("check", "clean.py").code == 0
    assert run("check").code == 1
    assert run("check", "--exit-zero").code == 0


def test_full_output_shows_layer_norm_trail_and_fix(model: Path) -> None:
    lines = run("check", model).out.splitlines()
    assert lines[0].startswith("model.py:7:21: BL101 [*] ")
    assert "7 |         self.conv = nn.Conv2d(3, 16, 3)" in lines
    assert lines[3].endswith("|" + " " * 21 + "^" * len("nn.Conv2d(3, 16, 3)"))
    assert re.search(r"-{18} .*bn", lines[5])
    assert "  = trail: conv → bn" in lines
    assert any(line.startswith("  = help: ") for line in lines)
    assert lines[-1] == "Found 1 redundant bias in 1 file (1 fixable with `--fix`)."


def test_concise_output_is_one_line_for_each_finding(model: Path) -> None:
    finding, summary = run("check", "--output-format", "concise").out.splitlines()
    assert re.fullmatch(r"model\.py:7:21: BL101 \[\*\] .*conv.*", finding)
    assert summary.startswith("Found 1 ")


def test_quiet_leaves_the_summary_out(model: Path) -> None:
    assert len(run("check", "--quiet", "--output-format", "concise").out.splitlines()) == 1
    model.write_text(FIXED)
    assert run("check", "--quiet").out == ""


def test_json_output_has_ruffs_names_and_one_based_positions(model: Path) -> None:
    outcome = run("check", "--output-format", "json", "model.py")
    (finding,) = outcome.json
    assert outcome.code == 1
    assert finding["code"] == "BL101"
    assert finding["filename"] == str(model)
    assert finding["location"] == {"row": 7, "column": 21}
    assert finding["end_location"] == {"row": 7, "column": 21 + len("nn.Conv2d(3, 16, 3)")}
    assert finding["message"]
    assert finding["url"].startswith("https://")
    assert (finding["verdict"], finding["condition"]) == ("redundant", "")
    assert finding["cancelled_by"] == {
        "label": "bn",
        "name": "torch.nn.BatchNorm2d",
        "location": {"filename": str(model), "row": 8, "column": 19},
    }
    assert [step["location"]["row"] for step in finding["trail"]] == [12, 12]
    assert finding["fix"]["applicability"] == "safe"


def test_the_edits_in_json_are_those_that_fix_makes(model: Path) -> None:
    (finding,) = run("check", "--output-format", "json").json
    lines = model.read_text().splitlines(keepends=True)
    (edit,) = finding["fix"]["edits"]
    row, column = edit["location"]["row"] - 1, edit["location"]["column"] - 1
    assert edit["end_location"]["row"] - 1 == row
    lines[row] = lines[row][:column] + edit["content"] + lines[row][edit["end_location"]["column"] - 1 :]
    assert "".join(lines) == FIXED


def test_json_output_of_clean_files_is_an_empty_list(model: Path) -> None:
    model.write_text(FIXED)
    outcome = run("check", "--output-format", "json")
    assert (outcome.code, outcome.json) == (0, [])


def test_every_verdict_but_plain_redundant_has_a_condition(model: Path) -> None:
    model.write_text(
        MODEL.replace("def __init__(self)", "def __init__(self, normalize=True)").replace(
            "nn.BatchNorm2d(16)", "nn.BatchNorm2d(16) if normalize else nn.Identity()"
        )
    )
    (finding,) = run("check", "--output-format", "json").json
    assert finding["verdict"] == "redundant if"
    assert "normalize" in finding["condition"]


def test_select_and_ignore_choose_rules(model: Path) -> None:
    assert run("check", "--select", "BL102").code == 0
    assert run("check", "--select", "BL102,BL101").code == 1
    assert run("check", "--ignore", "BL101").code == 0
    assert run("check", "--select", "ALL", "--output-format", "concise").out.startswith("model.py:7:21: BL101")


def test_own_layers_can_be_said_to_be_like_torchs(model: Path) -> None:
    own = MODEL.replace("nn.Conv2d(", "MyConv2d(").replace("nn.BatchNorm2d(", "norms.MyNorm(")
    model.write_text("from mypkg import MyConv2d, norms\n" + own)
    conv, norm = "mypkg.MyConv2d=torch.nn.Conv2d", "mypkg.norms.MyNorm=torch.nn.BatchNorm2d"
    assert run("check").code == 0
    assert run("check", "--like", conv).code == 0
    for flags in (("--like", conv, "--like", norm), ("--like", f"{conv}, {norm}")):
        outcome = run("check", *flags, "--output-format", "concise")
        assert outcome.code == 1
        assert "conv" in outcome.out
        assert "1 fixable with `--unsafe-fixes`" in outcome.out
    assert "MyConv2d" in run("sites", "--like", conv).out
    assert "conv at model.py:8:21: redundant" in run("program", "--like", f"{conv},{norm}", "model.py").out
    assert run("check", "--like", f"{conv},{norm}", "--fix", "--unsafe-fixes").code == 0
    assert "MyConv2d(3, 16, 3, bias=False)" in model.read_text()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("mypkg.MyConv2d", "'mypkg.MyConv2d' does not say what it is like"),
        ("mypkg.MyConv2d=", "'mypkg.MyConv2d' does not say what it is like"),
        ("=torch.nn.Conv2d", "'' is no dotted name of a class or function"),
        ("mypkg.MyConv2d=torch.nn.Conv2D", "did you mean 'torch.nn.Conv2d'?"),
    ],
)
def test_a_wrong_likeness_exits_with_2_and_says_why(model: Path, value: str, sentence: str) -> None:
    outcome = run("check", "--like", value)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--select", "XY1"),
        ("--output-format", "xml"),
        ("--fix", "--diff"),
        ("-", "a.py"),
        ("--stdin-filename", "a.py", "b.py"),
    ],
)
def test_wrong_arguments_exit_with_2_and_say_why(model: Path, arguments: tuple[str, ...]) -> None:
    outcome = run("check", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Error: " in outcome.err


def test_fix_repairs_the_file_and_says_how_much(model: Path) -> None:
    outcome = run("check", "--fix")
    assert (outcome.code, outcome.out) == (0, "Found 1 redundant bias in 1 file (1 fixed, 0 remaining).\n")
    assert model.read_text() == FIXED
    assert run("check", "--fix").out == "No redundant bias found.\n"


def test_fix_repairs_several_findings_on_one_line(model: Path) -> None:
    layers = "Conv2d(3, 4, 1), Conv2d(4, 4, 1), BatchNorm2d(4), Conv2d(4, 4, 1)"
    model.write_text(f"from torch.nn import *\nnet = Sequential({layers})\n")
    assert "(2 fixed, 0 remaining)" in run("check", "--fix").out
    fixed = "Sequential(Conv2d(3, 4, 1, bias=False), Conv2d(4, 4, 1, bias=False), BatchNorm2d(4), Conv2d(4, 4, 1))"
    assert model.read_text() == f"from torch.nn import *\nnet = {fixed}\n"


def test_fix_leaves_unsafe_fixes_alone_unless_told(model: Path) -> None:
    loading = MODEL + "\n\nimport torch\n\nnet = Net()\nnet.load_state_dict(torch.load('net.pt'))\n"
    model.write_text(loading)
    outcome = run("check", "--fix")
    assert outcome.code == 1
    assert "1 fixable with `--unsafe-fixes`" in outcome.out
    assert model.read_text() == loading
    assert run("check", "--fix", "--unsafe-fixes").code == 0
    assert model.read_text().startswith(FIXED)


def test_diff_prints_a_patch_that_git_applies_and_writes_nothing(model: Path) -> None:
    outcome = run("check", "--diff", "model.py")
    assert (outcome.code, outcome.err) == (1, "Would fix 1 finding in 1 file.\n")
    assert model.read_text() == MODEL
    subprocess.run(["git", "apply", "-p0"], input=outcome.bytes_out, cwd=model.parent, check=True)
    assert model.read_text() == FIXED
    assert run("check", "--diff").code == 0


@pytest.mark.parametrize(
    ("before", "encoding"),
    [
        pytest.param(MODEL.replace("\n", "\r\n"), "utf-8", id="carriage returns"),
        pytest.param(MODEL.rstrip("\n"), "utf-8", id="no final line end"),
        pytest.param("\ufeff" + MODEL, "utf-8", id="a byte order mark"),
        pytest.param("# -*- coding: latin-1 -*-\n# Größe\n" + MODEL, "latin-1", id="an encoding declaration"),
    ],
)
def test_fix_changes_nothing_else(model: Path, before: str, encoding: str) -> None:
    model.write_bytes(before.encode(encoding))
    assert run("check", "--fix").code == 0
    expected = before.replace("nn.Conv2d(3, 16, 3)", "nn.Conv2d(3, 16, 3, bias=False)")
    assert model.read_bytes() == expected.encode(encoding)


def test_fix_keeps_permissions_and_links(model: Path) -> None:
    model.chmod(0o750)
    link = model.parent / "link.py"
    link.symlink_to(model)
    assert run("check", "--fix", link).code == 0
    assert link.is_symlink()
    assert stat.S_IMODE(model.stat().st_mode) == 0o750
    assert model.read_text() == FIXED
    assert sorted(path.name for path in model.parent.iterdir()) == ["link.py", "model.py"]


def test_standard_input_is_checked_under_the_name_it_is_given(model: Path) -> None:
    outcome = run("check", "-", "--stdin-filename", "pkg/net.py", "--output-format", "json", stdin=MODEL.encode())
    (finding,) = outcome.json
    assert outcome.code == 1
    assert finding["filename"] == str(model.parent / "pkg" / "net.py")
    assert run("check", "-", stdin=MODEL.encode()).out.startswith("-:7:21: BL101")
    assert run("check", "--stdin-filename", "net.py", stdin=MODEL.encode()).out.startswith("net.py:7:21: BL101")


def test_standard_input_is_fixed_onto_the_standard_output(model: Path) -> None:
    crlf = MODEL.replace("\n", "\r\n").encode()
    outcome = run("check", "--fix", "-", stdin=crlf)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.bytes_out == FIXED.replace("\n", "\r\n").encode()


def test_sites_lists_every_layer_with_its_verdict(model: Path) -> None:
    heading, conv, head = run("sites", "model.py").out.splitlines()
    assert heading.split() == ["location", "layer", "bias", "verdict", "reason"]
    assert conv.split()[:5] == ["model.py:7:21", "conv", "(Conv2d)", "True", "redundant"]
    assert head.split()[:5] == ["model.py:9:21", "head", "(Linear)", "True", "needed"]


def test_sites_as_json_says_the_same(model: Path) -> None:
    conv, head = run("sites", "--output-format", "json").json
    assert (conv["layer"], conv["bias"], conv["verdict"]) == ("torch.nn.Conv2d", True, "redundant")
    assert (head["layer"], head["location"], head["verdict"]) == ("torch.nn.Linear", {"row": 9, "column": 21}, "needed")


def test_sites_judges_a_layer_without_a_bias_as_if_it_had_one(model: Path) -> None:
    model.write_text(FIXED)
    conv, _ = run("sites", "--output-format", "json").json
    assert (conv["bias"], conv["verdict"]) == (False, "redundant")


def test_program_shows_the_equations_and_the_fates(model: Path) -> None:
    lines = run("program", "model.py").out.splitlines()
    assert lines[0].startswith("Net · path 1 of 1")
    assert any("bn" in line and " = " in line for line in lines)
    assert any(line.startswith("conv at model.py:7:21: redundant") for line in lines)


def test_rules_lists_codes_that_explain_explains() -> None:
    codes = [line.split()[0] for line in run("rules").out.splitlines()]
    assert codes[0] == "BL101"
    for code in codes:
        page = run("explain", code.lower())
        assert page.code == 0
        assert page.out.startswith("# ")
        assert f"\n\n**{code}** " in page.out
    assert run("explain", "bias-before-batch-norm").out == run("explain", "BL101").out


def test_explaining_an_unknown_rule_names_the_nearest() -> None:
    outcome = run("explain", "BL110")
    assert (outcome.code, outcome.out) == (2, "")
    assert re.search(r"no rule 'BL110'. Did you mean BL10\d\?", outcome.err)


def test_explaining_a_line_says_what_the_hover_says(model: Path) -> None:
    lines = run("explain", "model.py:7").out.splitlines()
    assert lines[0] == "model.py:7:21: nn.Conv2d(3, 16, 3)"
    assert lines[1].startswith("The bias of `conv` has no effect: `bn` subtracts the mean")
    assert lines[2].startswith("Leave it out (`bias=False`).")
    assert "Path: `conv` (line 12) → `bn` (line 12)" in lines
    assert run("explain", "model.py:7:25").out == run("explain", "model.py:7").out
    called = run("explain", "model.py:12").out.split("\n\n")
    assert [text.partition(": ")[2].partition("\n")[0] for text in called] == [
        "self.head(self.bn(self.conv(x)).relu().mean((2, 3)))",
        "self.bn(self.conv(x))",
        "self.conv(x)",
    ]
    assert run("explain", f"{model}:12:40").out.count("\n\n") == 0


def test_explaining_the_inside_of_a_long_call_explains_the_call(model: Path) -> None:
    model.write_text(
        MODEL.replace("nn.Conv2d(3, 16, 3)", "nn.Conv2d(\n            3,\n            16,\n            3,\n        )")
    )
    assert run("explain", "model.py:9").out == run("explain", "model.py:7").out != ""


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("model.py:3", "There is no layer, norm or softmax to explain at model.py:3. The nearest are at 7, 8, 9, 12."),
        ("model.py:99", "model.py has 13 lines, and no 99."),
        ("model.py:0", "model.py has 13 lines, and no 0."),
        ("model.py:1:1", "There is no layer, norm or softmax to explain at model.py:1."),
        ("plain.py:1", "There is no layer, norm or softmax to explain at plain.py:1, nor anywhere else in the file."),
        ("missing.py:1", "missing.py:1:1: No such file or directory."),
        (".:1", ". is not a single file: name the file and the line, as in `model.py:12`."),
        ("model.py", "Which line of model.py? Add it, as in model.py:12."),
    ],
)
def test_a_place_without_anything_to_explain_is_an_error(model: Path, place: str, words: str) -> None:
    (model.parent / "plain.py").write_text("x = 1\n")
    outcome = run("explain", place)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.err


def test_an_explanation_is_wrapped_on_a_terminal(model: Path) -> None:
    shown = _on_a_terminal("explain", "model.py:7", cwd=model.parent, NO_COLOR="1", COLUMNS="60")
    assert max(map(len, shown.splitlines())) <= 80  # but addresses are never broken
    assert "\x1b[1m" in _on_a_terminal("explain", "model.py:7", cwd=model.parent)


def test_a_walk_honours_gitignore_and_skips_environments(model: Path) -> None:
    for name in (
        "kept/a.py",
        "ignored/a.py",
        ".venv/lib/a.py",
        "node_modules/a.py",
        "kept/generated_a.py",
        "kept/b.txt",
    ):
        (model.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (model.parent / name).write_text(MODEL)
    (model.parent / ".gitignore").write_text("ignored/\n*_a.py\n")
    found = {finding["filename"] for finding in run("check", "--output-format", "json").json}
    assert found == {str(model), str(model.parent / "kept" / "a.py")}
    assert run("check", "kept/generated_a.py", "kept/b.txt").code == 1, "what is named is checked"
    assert run("check", "ignored").code == 1, "a folder that is named is walked"


def test_a_file_named_twice_is_checked_once(model: Path) -> None:
    assert len(run("check", "--output-format", "json", "model.py", ".", model).json) == 1


def test_files_are_found_in_a_stable_order(model: Path) -> None:
    for name in ("z/a.py", "a/z.py", "b.py"):
        (model.parent / name).parent.mkdir(exist_ok=True)
        (model.parent / name).write_text(MODEL)
    findings = run("check", "--output-format", "json").json
    assert [os.path.relpath(finding["filename"]) for finding in findings] == ["b.py", "model.py", "a/z.py", "z/a.py"]


def _on_a_terminal(*arguments: str, cwd: Path, **environment: str) -> str:
    """What a command prints on a terminal."""
    leader, follower = pty.openpty()
    variables = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "100", **environment}
    with subprocess.Popen([*BIASLENS, *arguments], stdout=follower, stderr=follower, cwd=cwd, env=variables) as process:
        os.close(follower)
        parts: list[bytes] = []
        try:
            while part := os.read(leader, 65536):
                parts.append(part)
        except OSError:  # the way Linux says that the other side has closed
            pass
        os.close(leader)
        process.wait(timeout=60)
    return b"".join(parts).decode("utf-8")


def test_colour_is_for_terminals_only(model: Path) -> None:
    assert "\x1b[" in _on_a_terminal("check", cwd=model.parent)
    assert "\x1b[" not in _on_a_terminal("check", cwd=model.parent, NO_COLOR="1")
    assert "\x1b[" not in run("check").out


def test_explain_is_typeset_on_a_terminal(model: Path) -> None:
    page = _on_a_terminal("explain", "BL101", cwd=model.parent, NO_COLOR="1")
    assert "## " not in page
    assert "batch norm" in page


def test_a_reader_that_goes_away_is_no_error(model: Path) -> None:
    for number in range(40):
        (model.parent / f"copy{number}.py").write_text(MODEL)
    command = f"{' '.join(BIASLENS)} check --output-format json | head -c 1"
    done = subprocess.run(
        ["bash", "-c", command], check=False, cwd=model.parent, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[", "")


def test_an_interrupt_is_quiet(model: Path) -> None:
    with patch("biaslens.cli.work.study", side_effect=KeyboardInterrupt):
        outcome = run("check")
    assert (outcome.code, outcome.out, outcome.err.strip()) == (130, "", "")


def test_the_readmes_examples_are_what_the_command_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (model,) = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(model)
    examples = re.findall(r"^```console\n\$ biaslens (.*?)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert len(examples) == 3
    for command, expected in examples:
        shortened = re.escape(expected).replace(re.escape("…\n"), "(?:.*\n)+")
        assert re.fullmatch(shortened, run(*command.split()).out), command


def test_the_readme_lists_every_rule() -> None:
    listed = re.findall(r"^\| (BL\d+) \| (\S+) \|", README, re.MULTILINE)
    assert listed == [(rule.code, rule.name) for rule in RULES]
