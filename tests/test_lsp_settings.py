"""Settings become options; what cannot be used is said and leaves what was chosen at the start."""

from __future__ import annotations

import pytest

from biaslens.lsp.settings import at_start, in_section, options_from
from biaslens.options import Options


def test_the_names_are_those_of_the_options_in_either_case() -> None:
    settings = {"select": ["BL1", "BL2"], "searchPaths": ["lib"], "max_runs": 8, "maxSteps": 1000, "inlayHints": True}
    assert at_start({"settings": settings}) == (
        Options(select=("BL1", "BL2"), search_paths=("lib",), max_runs=8, max_steps=1000, inlay_hints=True),
        (),
    )


def test_what_is_like_torchs_is_an_object_of_names() -> None:
    like = {"mypkg.layers.MyConv2d": "torch.nn.Conv2d", "Norm": "torch.nn.BatchNorm2d"}
    assert at_start({"settings": {"like": like}}) == (Options(like=tuple(like.items())), ())


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (["a.B=torch.nn.Linear"], "The setting 'like' must map names of your own to names of torch."),
        ({"a.B": 1}, "The setting 'like' must map names of your own to names of torch."),
        (
            {"a.B": "torch.nn.Liner", "a.C": "torch.nn.Linear"},
            "BiasLens knows no 'torch.nn.Liner' of torch; did you mean 'torch.nn.Linear'?",
        ),
    ],
)
def test_a_wrong_likeness_is_told_and_the_others_count(value: object, problem: str) -> None:
    options, problems = at_start({"settings": {"like": value, "maxRuns": 8}})
    likenesses = (("a.C", "torch.nn.Linear"),) if isinstance(value, dict) and "a.C" in value else ()
    assert options == Options(like=likenesses, max_runs=8)
    assert problems == (problem,)


@pytest.mark.parametrize("sent", [None, {}, [], "x", {"settings": None}, {"settings": []}, {"other": 1}])
def test_without_settings_the_defaults_hold(sent: object) -> None:
    assert at_start(sent) == (Options(), ())


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("selct", ["BL1"], "There is no setting named 'selct'."),
        ("select", "BL1", "The setting 'select' must be a list of strings."),
        ("select", [1], "The setting 'select' must be a list of strings."),
        ("select", {"BL1": True}, "The setting 'select' must be a list of strings."),
        ("maxRuns", "8", "The setting 'maxRuns' must be a positive number."),
        ("maxRuns", 0, "The setting 'maxRuns' must be a positive number."),
        ("maxRuns", True, "The setting 'maxRuns' must be a positive number."),
        ("codeLens", 1, "The setting 'codeLens' must be true or false."),
        ("code_lens", "on", "The setting 'code_lens' must be true or false."),
        ("diagnosticMode", "all", "The setting 'diagnosticMode' must be one of openFilesOnly, workspace, off."),
        ("diagnostic_mode", ["off"], "The setting 'diagnostic_mode' must be one of openFilesOnly, workspace, off."),
        ("analysis", True, "There is no setting named 'analysis'."),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_and_the_others_count(name: str, value: object, problem: str) -> None:
    options, problems = options_from({name: value, "ignore": ["BL102"]}, Options(code_lens=True))
    assert options == Options(ignore=("BL102",), code_lens=True)
    assert problems == (problem,)


def test_what_is_absent_or_null_is_as_at_the_start() -> None:
    start = Options(ignore=("BL101",), inlay_hints=True, max_runs=3)
    assert options_from({"inlayHints": None, "maxRuns": 5}, start) == (
        Options(ignore=("BL101",), inlay_hints=True, max_runs=5),
        (),
    )
    assert options_from(None, start) == (start, ())
    assert options_from({"ignore": [], "inlayHints": False, "diagnosticMode": "openFilesOnly"}, start) == (
        Options(max_runs=3),
        (),
    )


def test_groups_of_settings_are_somebody_elses() -> None:
    assert options_from({"trace": {"server": "off"}, "codeLens": True}, Options()) == (Options(code_lens=True), ())


@pytest.mark.parametrize("settings", [{"codeLens": True}, None, [], "x"])
def test_the_settings_stand_under_our_name_or_alone(settings: object) -> None:
    assert in_section({"biaslens": settings, "other": {"codeLens": False}}) == settings
    assert in_section(settings) == settings
