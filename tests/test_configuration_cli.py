"""Configuration on the command line: flags, files, what they do to each file, and what the reference says."""

from __future__ import annotations

import json
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import pytest
from docs.generate import FOLDER

from biaslens.configuration.nearest import Configurations
from biaslens.configuration.reading import Layer, file_fields, key_of, setting_of
from biaslens.configuration.reference import literal
from biaslens.configuration.resolver import Resolver
from biaslens.configuration.schema import schema
from biaslens.configuration.toml import parse
from biaslens.options import EXCLUDED, Options
from biaslens.syntax.files import Files
from biaslens.text import Problem, Source
from command import Outcome, run
from test_cli import MODEL
from test_configuration import options_for, problems_in

HELPER = """\
from torch import nn

class Norm(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = nn.BatchNorm2d(c)

    def forward(self, x):
        return self.norm(x)
"""


# --- the command line ------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with one redundant bias in `model.py` and in `legacy/model.py`."""
    monkeypatch.chdir(tmp_path)
    for name in ("model.py", "legacy/model.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(MODEL)
    return tmp_path


def found_in(outcome: Outcome) -> dict[str, str]:
    """Where something was found, and its severity."""
    return {os.path.relpath(item["filename"]): item["severity"] for item in outcome.json}


def check(*arguments: str) -> dict[str, str]:
    return found_in(run("check", "--output-format", "json", *arguments))


def test_rules_and_severities_hold_by_file(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.biaslens]\nseverity = { BL1 = "hint", BL101 = "error" }')
    (project / "legacy/biaslens.toml").write_text("")
    assert check() == {"model.py": "error", "legacy/model.py": "warning"}
    assert check("--severity", "BL101=information,BL2=hint") == {
        "model.py": "information",
        "legacy/model.py": "information",
    }
    assert check("--isolated") == {"model.py": "warning", "legacy/model.py": "warning"}
    (project / "biaslens.toml").write_text('per-file-ignores = { "m*.py" = ["BL101"] }')
    assert check() == {"legacy/model.py": "warning"}
    assert check("--per-file-ignores", "legacy/:BL102,/legacy/:BL101") == {"model.py": "warning"}


def test_fixing_heeds_what_holds_for_each_file(project: Path) -> None:
    (project / "biaslens.toml").write_text('per-file-ignores = { "/legacy/" = ["ALL"] }\nselect = ["BL101"]')
    assert run("check", "--fix").code == 0
    assert ("bias=False" in (project / "model.py").read_text(), (project / "legacy/model.py").read_text()) == (
        True,
        MODEL,
    )


def test_files_with_other_likenesses_are_followed_apart(project: Path) -> None:
    own = "from mypkg import Norm\n" + MODEL.replace("nn.BatchNorm2d", "Norm")
    (project / "model.py").write_text(own)
    (project / "legacy/model.py").write_text(own)
    assert check() == {}
    (project / "legacy/biaslens.toml").write_text('like = { "mypkg.Norm" = "torch.nn.BatchNorm2d" }')
    assert check() == {"legacy/model.py": "warning"}
    assert "redundant" in run("sites", "legacy").out
    assert "redundant" not in run("sites", "model.py").out
    assert "redundant" in run("program", "legacy/model.py").out
    assert run("explain", "legacy/model.py:8").out.splitlines()[1].startswith("The bias of `conv` has no effect")


def test_excluded_files_are_checked_only_where_they_are_named(project: Path) -> None:
    (project / "biaslens.toml").write_text('extend-exclude = ["legacy"]')
    assert check() == {"model.py": "warning"}
    assert check("legacy/model.py") == check("legacy") == {"legacy/model.py": "warning"}
    assert check("--force-exclude", "legacy/model.py") == check("--force-exclude", "legacy") == {}
    assert run("sites", "--exclude", "*.py").out == ""
    with (project / "biaslens.toml").open("a") as file:
        file.write("\nforce-exclude = true")
    assert check("legacy/model.py", "model.py") == {"model.py": "warning"}
    given_text = MODEL.encode()
    outcome = run("check", "-", "--stdin-filename", "legacy/model.py", "--fix", stdin=given_text)
    assert (outcome.code, outcome.bytes_out, outcome.err) == (0, given_text, "")
    assert run("check", "-", "--stdin-filename", "legacy/model.py", stdin=given_text).code == 0


def test_the_usual_folders_are_excluded_unless_others_are_chosen(project: Path) -> None:
    (project / "build").mkdir()
    (project / "build/model.py").write_text(MODEL)
    assert sorted(check()) == ["legacy/model.py", "model.py"]
    assert sorted(check("--exclude", "legacy")) == ["build/model.py", "model.py"]
    assert sorted(check("--extend-exclude", "legacy")) == ["model.py"]


def test_a_gitignore_that_git_cannot_read_is_no_accident(project: Path) -> None:
    (project / ".gitignore").write_text("[z-a]\nlegacy/\n")
    assert sorted(check()) == ["model.py"]


def test_one_file_for_all_or_none(project: Path) -> None:
    (project / "legacy/biaslens.toml").write_text('ignore = ["BL101"]')
    (project / "strict.toml").write_text('severity = { ALL = "error" }')
    assert check() == {"model.py": "warning"}
    assert check("--config", "strict.toml") == {"model.py": "error", "legacy/model.py": "error"}
    assert check("--isolated") == {"model.py": "warning", "legacy/model.py": "warning"}
    outcome = run("check", "--isolated", "--config", "strict.toml")
    assert (outcome.code, "exclude each other" in outcome.err) == (2, True)
    (project / "other/pyproject.toml").parent.mkdir()
    (project / "other/pyproject.toml").write_text("[tool.ruff]")
    for name, words in (("missing.toml", "No such file"), ("other/pyproject.toml", "no table `[tool.biaslens]`")):
        outcome = run("check", "--config", name)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith(f"{name}:1:1: ")
        assert words in outcome.err


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[tool.biaslens]\nselct = 1", "pyproject.toml:2:1: There is no key named 'selct'. Did you mean 'select'?"),
        ("[tool.biaslens]\nselect = [", "pyproject.toml:2:11: This is not TOML: invalid value."),
        ("[tool.biaslens]\n\nmax-runs = '3'", "pyproject.toml:3:12: The key 'max-runs' must be a positive number."),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("check",),
        ("check", "--fix"),
        ("check", "--add-ignore"),
        ("check", "--show-settings"),
        ("check", "-"),
        ("sites",),
        ("program", "model.py"),
        ("explain", "model.py:7"),
    ],
)
def test_a_configuration_that_cannot_be_used_ends_every_command(
    project: Path, text: str, line: str, command: tuple[str, ...]
) -> None:
    (project / "pyproject.toml").write_text(text)
    outcome = run(*command, stdin=MODEL.encode())
    assert (outcome.code, outcome.out, outcome.err) == (2, "", line + "\n")
    assert (project / "model.py").read_text() == MODEL


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--severity", "BL101"), "--severity: There is no severity ''"),
        (("--severity", "BL101=loud"), "--severity: There is no severity 'loud'"),
        (("--per-file-ignores", "BL101"), "--per-file-ignores: The pattern '' can match nothing."),
        (("--exclude", "a["), "--exclude: The pattern 'a[' can match nothing."),
        (("--extend-select", "BL9X"), "--extend-select: No rule has the code or prefix 'BL9X'."),
        (("--max-runs", "0"), "'--max-runs'"),
    ],
)
def test_a_wrong_flag_says_which_one(project: Path, flags: tuple[str, ...], sentence: str) -> None:
    outcome = run("check", *flags)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err


def test_settings_are_shown_with_their_places(project: Path) -> None:
    (project / "biaslens.toml").write_text(
        'ignore = ["BL101"]\nper-file-ignores = { "/legacy/" = ["BL2"] }\nextend-exclude = ["legacy"]\n'
    )
    text = run("check", "--show-settings", "legacy/model.py", "model.py", "--ignore", "BL102", "--max-runs", "3").out
    legacy, model = text.split("\n\n")
    assert legacy.splitlines()[:2] == [
        "# legacy/model.py: biaslens.toml",
        "# It is excluded: it is checked only where the command line names it.",
    ]
    assert 'per-file-ignores = { "' + str(project) + '/legacy/" = ["BL2"] }  # biaslens.toml' in legacy
    lines = model.splitlines()
    assert lines[0] == "# model.py: biaslens.toml"
    assert 'ignore = ["BL101", "BL102"]  # biaslens.toml, command line' in lines
    assert "max-runs = 3  # command line" in lines
    assert "per-file-ignores = {}  # biaslens.toml" in lines
    assert 'select = ["BL1"]  # default' in lines
    assert not isinstance(parse(Source("", text.partition("\n\n")[2])), Problem)
    assert run("check", "--show-settings", "--isolated").out.startswith("# .: no configuration file\n")


def test_installed_packages_are_read(project: Path) -> None:
    installed = project / ".venv/lib/python3.11/site-packages/normlib"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text(HELPER)
    (project / "model.py").write_text("from normlib import Norm\n" + MODEL.replace("nn.BatchNorm2d", "Norm"))
    assert run("check", "model.py").code == 0
    assert run("check", "--python", ".venv", "model.py").code == 1
    (project / "biaslens.toml").write_text('python = ".venv"')
    assert run("check", "model.py").code == 1
    (project / "biaslens.toml").write_text('python = "env"')
    outcome = run("check", "model.py")
    assert (outcome.code, outcome.err) == (
        0,
        "biaslens.toml:1:10: No installed packages are found in the Python environment 'env'.\n",
    )


# --- reference -------------------------------------------------------------------------------------------------------


def test_every_key_is_listed_and_explained() -> None:
    listed = [line.split()[0] for line in run("config").out.splitlines()]
    assert listed == [key_of(field.name) for field in file_fields()]
    for field in file_fields():
        text = run("config", key_of(field.name)).out
        assert field.metadata["help"] in text
        assert f"--{key_of(field.name)}" in text
        assert f"biaslens.{setting_of(field.name)}" in text
        assert run("config", setting_of(field.name)).out == text
    outcome = run("config", "selct")
    assert (outcome.code, outcome.err) == (2, "There is no key 'selct'. Did you mean 'select'?\n")
    assert run("config", "zzz").err == "There is no key 'zzz'. `biaslens config` lists them.\n"


@pytest.mark.parametrize("field", file_fields(), ids=lambda field: field.name)
def test_the_example_of_a_key_chooses_something_else_than_the_default(field: Any) -> None:
    example = cast("str", field.metadata["example"])
    assert [message for _, message in problems_in(example) if field.name != "python"] == []
    options = Resolver(Configurations(Files({"/project/biaslens.toml": example})), Layer("flags"), "/project")
    chosen = options.resolved("/project/legacy/test_model.py")
    assert list(chosen.origins) == [field.name]
    assert replace(chosen.options, **{field.name: field.default}) == Options() != chosen.options


def test_a_default_in_the_notation_of_toml_is_the_default() -> None:
    for field in file_fields():
        if field.name not in ("exclude", "python"):  # patterns and paths are read relative to a folder
            text = f"{key_of(field.name)} = {literal(field.default, field)}"
            assert options_for({"/project/biaslens.toml": text}) == Options()


def test_the_schema_has_every_key_and_accepts_its_example() -> None:
    made = schema()
    assert json.loads(run("config", "--schema").out) == made
    assert made["additionalProperties"] is False
    for field in file_fields():
        property_ = made["properties"][key_of(field.name)]
        assert property_["description"] == field.metadata["help"]
        example = parse(Source("", field.metadata["example"]))
        assert not isinstance(example, Problem)
        assert fits(example[key_of(field.name)], property_)
        assert fits(property_["default"], property_)
    assert not fits(["BL9X"], made["properties"]["select"])
    assert not fits({"BL1": "loud"}, made["properties"]["severity"])
    assert not fits({"XX": "hint"}, made["properties"]["severity"])
    assert not fits(0, made["properties"]["max-runs"])
    assert made["properties"]["exclude"]["default"] == list(EXCLUDED)


def fits(value: object, wanted: Any) -> bool:
    """Whether a value fits a schema, as far as ours go."""
    match wanted:
        case {"enum": names}:
            return value in names
        case {"type": "array", "items": item}:
            return isinstance(value, list) and all(fits(one, item) for one in cast("list[object]", value))
        case {"type": "object", "additionalProperties": item}:
            pairs = cast("dict[str, object]", value).items() if isinstance(value, dict) else [("", None)]
            return all(fits(one, item) and fits(name, wanted.get("propertyNames", {})) for name, one in pairs)
        case {"type": name}:
            kinds = {"boolean": bool, "integer": int, "string": str}
            return type(value) is kinds[name] and not (name == "integer" and cast("int", value) < wanted["minimum"])
        case _:
            return True


def test_every_option_is_on_the_page() -> None:
    page = (FOLDER / "configuration.md").read_text("utf-8")
    for field in fields(Options):
        assert f"`biaslens.{setting_of(field.name)}`" in page
        assert field.metadata["help"] in page


def test_the_examples_of_the_page_run(project: Path) -> None:
    page = (FOLDER / "configuration.md").read_text("utf-8")
    (pyproject, alone, *keys) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(keys) == len(file_fields())
    paths = ("/project/pyproject.toml", "/project/biaslens.toml")
    first, second = (options_for({path: text}) for path, text in zip(paths, (pyproject, alone), strict=True))
    assert first == second != Options()
    (project / "pyproject.toml").write_text(pyproject)
    (project / "wrong.toml").write_text("selct = 1")
    examples = re.findall(r"^```console\n\$ biaslens (.*?)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(examples) == 2
    for command, expected in examples:
        outcome = run(*command.split())
        shortened = re.escape(expected).replace(re.escape("…\n"), "(?:.*\n)+")
        assert re.fullmatch(shortened, outcome.out + outcome.err), command
