"""Settings become options; what cannot be used is said and leaves what was chosen at the start."""

from __future__ import annotations

import os

import pytest

from biaslens.lsp.configured import ELSEWHERE, Configured
from biaslens.lsp.documents import Document
from biaslens.lsp.settings import at_start, in_section
from biaslens.options import Options

FOLDER = "/project"


def chosen(sent: object, later: object = None) -> tuple[Options, tuple[str, ...]]:
    """The options of a file in a workspace folder, and what is said of the settings.

    sent: what the client sends at the start. later: what it answers when it is asked.
    """
    configured = Configured(at_start(sent), Options())
    configured.enter([FOLDER])
    if later is not None:
        configured.choose({ELSEWHERE: in_section(later)})
    return configured.options_for(f"{FOLDER}/model.py"), configured.complaints


def test_the_names_are_those_of_the_options_in_either_case() -> None:
    settings = {"select": ["BL1", "bl2"], "max_runs": 8, "maxSteps": 1000, "inlayHints": True, "extendSelect": ["ALL"]}
    assert chosen({"settings": settings}) == (
        Options(select=("BL1", "BL2"), extend_select=("",), max_runs=8, max_steps=1000, inlay_hints=True),
        (),
    )


def test_folders_are_relative_to_the_workspace_folder() -> None:
    options, problems = chosen({"settings": {"src": ["lib", "/usr/lib/models", "../other", "~/models"]}})
    home = os.path.expanduser("~/models")
    assert (options.src, problems) == (("/project/lib", "/usr/lib/models", "/other", home), ())


def test_a_walk_leaves_out_what_the_settings_and_open_files_exclude() -> None:
    configured = Configured({"extendExclude": ["gen"]}, Options())
    configured.enter([FOLDER, "/other"])
    configured.put(Document("file:///other/biaslens.toml", "/other/biaslens.toml", 1, 'exclude = ["old/"]'))
    leaves_out = configured.walking()
    configured.choose({ELSEWHERE: {"extendExclude": []}})
    places = {
        "/project/gen": True,
        "/project/old": False,
        "/other/old": True,
        "/other/build": False,
        "/other/gen": True,
    }
    assert {path: leaves_out(path, True) for path in places} == places
    assert configured.options_for(FOLDER).extend_exclude == ()


def test_what_is_like_torchs_is_an_object_of_names() -> None:
    like = {"mypkg.layers.MyConv2d": "torch.nn.Conv2d", "Norm": "torch.nn.BatchNorm2d"}
    assert chosen({"settings": {"like": like}}) == (Options(like=tuple(like.items())), ())


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            ["a.B=torch.nn.Linear"],
            "The setting 'like' must be a table of names of your own with names of torch.",
        ),
        ({"a.B": 1}, "The setting 'like' must be a table of names of your own with names of torch."),
        (
            {"a.B": "torch.nn.Liner", "a.C": "torch.nn.Linear"},
            "BiasLens knows no 'torch.nn.Liner' of torch; did you mean 'torch.nn.Linear'?",
        ),
    ],
)
def test_a_wrong_likeness_is_told_and_the_others_count(value: object, problem: str) -> None:
    options, problems = chosen({"settings": {"like": value, "maxRuns": 8}})
    likenesses = (("a.C", "torch.nn.Linear"),) if isinstance(value, dict) and "a.C" in value else ()
    assert options == Options(like=likenesses, max_runs=8)
    assert problems == (problem,)


@pytest.mark.parametrize("sent", [None, {}, [], "x", {"settings": None}, {"settings": []}, {"other": 1}])
def test_without_settings_the_defaults_hold(sent: object) -> None:
    assert chosen(sent) == (Options(), ())


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("selct", ["BL1"], "There is no setting named 'selct'. Did you mean 'select'?"),
        ("select", "BL1", "The setting 'select' must be a list of strings."),
        ("select", [1], "The setting 'select' must be a list of strings."),
        ("select", ["BL1", "XY"], "No rule has the code or prefix 'XY'. `biaslens rules` lists them."),
        ("select", ["BL1", "BL1O1"], "No rule has the code or prefix 'BL1O1'. Did you mean 'BL101'?"),
        ("maxRuns", "8", "The setting 'maxRuns' must be a positive number."),
        ("maxRuns", 0, "The setting 'maxRuns' must be a positive number."),
        ("maxRuns", True, "The setting 'maxRuns' must be a positive number."),
        ("inlayHints", 1, "The setting 'inlayHints' must be true or false."),
        ("inlay_hints", "on", "The setting 'inlay_hints' must be true or false."),
        ("diagnosticMode", "all", "The setting 'diagnosticMode' must be one of openFilesOnly, workspace, off."),
        ("diagnostic_mode", ["off"], "The setting 'diagnostic_mode' must be one of openFilesOnly, workspace, off."),
        ("analysis", True, "There is no setting named 'analysis'."),
        ("severity", ["BL1"], "The setting 'severity' must be a table of rules with severities."),
        ("severity", {"BL1": 2}, "The setting 'severity' must be a table of rules with severities."),
        (
            "severity",
            {"BL1": "fatal"},
            "There is no severity 'fatal': choose one of error, warning, information, hint.",
        ),
        ("python", ["python3"], "The setting 'python' must be the name of a file or folder."),
        ("exclude", ["[z-a]"], "The pattern '[z-a]' can match nothing."),
        (
            "perFileIgnores",
            {"a.py": "BL1"},
            "The setting 'perFileIgnores' must be a table of patterns with lists of rules.",
        ),
        (
            "configurationPreference",
            "first",
            "The setting 'configurationPreference' must be one of editorFirst, filesystemFirst, editorOnly.",
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_and_the_others_count(name: str, value: object, problem: str) -> None:
    settings = {name: value, "ignore": ["BL102"]}
    options, problems = chosen({"settings": {"codeLens": True}}, settings)
    assert (options.ignore, options.code_lens, problems) == (("BL102",), True, (problem,))
    assert (options.max_runs, options.inlay_hints, options.severity) == (256, False, ())


def test_what_is_absent_or_null_is_as_at_the_start() -> None:
    start = {"settings": {"ignore": ["BL101"], "inlayHints": True, "maxRuns": 3}}
    assert chosen(start, {"inlayHints": None, "maxRuns": 5}) == (
        Options(ignore=("BL101",), inlay_hints=True, max_runs=5),
        (),
    )
    as_it_was = Options(ignore=("BL101",), inlay_hints=True, max_runs=3)
    assert chosen(start, {}) == (as_it_was, ())
    assert chosen(start, {"ignore": [], "inlayHints": False}) == (Options(max_runs=3), ())


def test_groups_of_settings_are_somebody_elses() -> None:
    assert chosen({"settings": {"trace": {"server": "off"}, "codeLens": True}}) == (Options(code_lens=True), ())


@pytest.mark.parametrize(
    ("settings", "found"), [({"codeLens": True}, {"codeLens": True}), (None, {}), ([], {}), ("x", {})]
)
def test_the_settings_stand_under_our_name_or_alone(settings: object, found: object) -> None:
    assert in_section({"biaslens": settings, "other": {"codeLens": False}}) == found
    assert in_section(settings) == found
