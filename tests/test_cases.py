"""The specification runs: torch agrees with every case, and so does the analysis."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calls import Called
from conditions import holds
from markdown_cases import Case, Expectation, all_cases, read_cases
from proof import changes_by_fix, contradictions, contradictions_in, measured
from verdicts import (
    after_safe_fixes,
    expected_parts,
    expected_verdicts,
    found_fixes,
    found_parts,
    found_verdicts,
    wrong_conditions,
    wrong_reasons,
)

CASES = all_cases()
WITH_FIXED_FILE = [case for case in CASES if case.fixed is not None]
WITH_SAFE_FIX = [case for case in CASES if "safe" in case.fixes]
EXPECTATIONS = [expectation for case in CASES for expectation in case.expectations.values()]

OPPOSITES = {
    "redundant": "needed",
    "redundant if": "redundant",
    "redundant in every use": "redundant",
    "absorbed": "missed",
    "needed": "missed",
    "returned": "missed",
    "unused": "needed",
    "unknown": "missed",
    "missed": "needed",
}
"""What is missed is cancelled like what is redundant, and in eval mode as well."""

AT_LEAST = {
    "redundant": 180,
    "redundant if": 20,
    "redundant in every use": 3,
    "absorbed": 28,
    "needed": 200,
    "returned": 50,
    "unused": 1,
    "unknown": 20,
    "missed": 0,
}
"""Of each kind of expectation. Those that are missed may all be found one day."""


def _condition(expectation: Expectation) -> str:
    return expectation.text if expectation.word == "redundant if" else expectation.part_condition


SAMPLE = """
## A norm, and an activation
Why.
```python
class Net(nn.Module):
    def __init__(self, normalize=True):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)  # redundant: norm1
        self.norm1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3)  # redundant if: normalize
        self.norm2 = nn.BatchNorm2d(4) if normalize else nn.Identity()
        self.conv3 = nn.Conv2d(4, 4, 3)  # needed: relu

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        return F.relu(self.conv3(x))
```
- build `Net()` on `(4, 3, 9, 9)`
- otherwise `Net(normalize=False)` on `(4, 3, 9, 9)`
"""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_torch_agrees_with_every_expectation_and_with_no_opposite(case: Case) -> None:
    runs = measured(case)
    assert contradictions_in(runs, case) == []
    opposites = {line: Expectation(OPPOSITES[e.word]) for line, e in case.expectations.items()}
    refused = contradictions_in(runs, replace(case, expectations=opposites))
    assert [line for line in opposites if not any(text.startswith(f"line {line}:") for text in refused)] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_analysis_says_what_is_expected(case: Case) -> None:
    assert found_verdicts(case) == expected_verdicts(case)
    assert found_parts(case) == expected_parts(case)
    assert wrong_reasons(case) == []
    assert found_fixes(case) == case.fixes, "a case says which fixes it has: see `markdown_cases.py`"


def test_a_condition_as_code_holds_where_torch_says_so() -> None:
    conditional = [case for case in CASES if any(_condition(e) for e in case.expectations.values())]
    found = [wrong_conditions(case, measured(case)) for case in conditional]
    assert [text for wrong, _ in found for text in wrong] == []
    assert sum(count for _, count in found) >= 15


@pytest.mark.parametrize("case", WITH_FIXED_FILE, ids=str)
def test_the_fix_gives_the_expected_file(case: Case) -> None:
    assert after_safe_fixes(case).source.text == case.fixed


@pytest.mark.parametrize("case", WITH_SAFE_FIX, ids=str)
def test_a_file_after_all_safe_fixes_computes_the_same(case: Case) -> None:
    after = after_safe_fixes(case)
    assert after.problems == ()
    assert after.source.text != case.text
    assert changes_by_fix(replace(case, fixed=after.source.text)) == []


@pytest.mark.parametrize(
    ("count", "at_least"),
    [
        pytest.param(len(CASES), 345, id="cases"),
        pytest.param(len(WITH_FIXED_FILE), 20, id="with the file after the fixes"),
        pytest.param(len(WITH_SAFE_FIX), 140, id="with a safe fix"),
        pytest.param(sum(bool(_condition(e)) for e in EXPECTATIONS), 20, id="conditions"),
        pytest.param(sum(bool(e.part) for e in EXPECTATIONS), 13, id="parts"),
        pytest.param(sum(bool(e.text) for e in EXPECTATIONS), 400, id="reasons"),
        *(
            pytest.param(sum(e.word == word for e in EXPECTATIONS), at_least, id=word)
            for word, at_least in AT_LEAST.items()
        ),
    ],
)
def test_no_kind_of_case_dwindles(count: int, at_least: int) -> None:
    assert count >= at_least


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("# redundant: norm1", "# needed: relu", "torch says cancelled"),
        ("# redundant: norm1", "# unused", "torch says cancelled"),
        ("# redundant: norm1", "# redundant if: normalize", "on the other side"),
        ("# redundant if: normalize", "# redundant: norm2", "torch says cancelled and read"),
        ("# needed: relu", "# redundant: relu", "torch says read"),
        ("# needed: relu", "# unused", "torch says read"),
        ("# redundant: norm1", "# unknown", "torch says cancelled"),
        ("# needed: relu", "# missed", "torch says read"),
        ("# redundant if: normalize", "# redundant if: not normalize", "`not normalize` does not hold in `Net()`"),
        ("# redundant if: normalize", "# redundant if: True", "`True` holds in `Net(normalize=False)`, and torch says"),
        ("# redundant if: normalize", "# redundant if: other", "`other` cannot be executed"),
        ("# redundant if: normalize", "# redundant if: normalize and (other or nothing)", "cannot be executed"),
        ("# redundant if: normalize", "# redundant if: `train()` is called after it is built", "does not hold"),
        ("# redundant if: normalize", "# redundant if: `forward()` is not called", "does not hold"),
        ("# redundant if: normalize", "# redundant if: `other()` is not called", "holds in `Net(normalize=False)`"),
        ("# needed: relu", "# absorbed: norm1", "cannot undo it"),
        ("# redundant: norm1", "# absorbed: norm1", "torch says cancelled"),
        ("  # needed: relu", "", "nothing is expected"),
        ("def forward(self, x):", "def forward(self, x):  # needed: forward", "no run makes a layer there"),
        ("- build `Net()`", "- build `Net(False)`", "where it should be cancelled"),
        ("nn.BatchNorm2d(4)\n", "nn.GroupNorm(2, 4)\n", "torch says read"),
        ("self.norm1(self.conv1(x))", "self.norm1(0 * self.conv1(x))", "torch says not reached"),
    ],
)
def test_a_case_that_torch_contradicts_is_refused(before: str, after: str, complaint: str) -> None:
    (true_case,) = read_cases(SAMPLE, "sample")
    assert contradictions(true_case) == []
    assert before in SAMPLE
    (false_case,) = read_cases(SAMPLE.replace(before, after, 1), "sample")
    assert any(complaint in text for text in contradictions(false_case)), contradictions(false_case)


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("a is true and b is false", True),
        ("a is true and b is true", False),
        ("b is true or a is true", True),
        ("b is true or c is none of 'x', 'y'", False),
        ("c is 'x' or 'y'", True),
        ("a and (b or c is 'x' or 'y')", True),
        ("a and (b or c is 'y' or 'z')", False),
        ("(a and b) or (a and c == 'x')", True),
        ("(a and b) or unheard", None),
        ("c == 'x and y' or b", False),
        ("with the default `c='x'` and a is true", True),
        ("another `c` than `'x'`", False),
        ("with the default `later=1`", True),
        ("len(options) == 0", True),
        ("'x' not in options", True),
        ("made == 3", True),
        ("later == 1", True),
        ("differing == 1", None),
        ("`build()` is called", True),
        ("`helper()` is not called", False),
        ("`train()` is called after it is built", False),
        ("nothing calls `train()` after it is built", True),
        ("`f.g`, which could not be followed, leaves it as it is and a is true", True),
        ("b is true and `f.g`, which could not be followed, leaves it as it is", False),
    ],
)
def test_conditions_in_words_are_executed(condition: str, value: bool | None) -> None:
    build = Called(0, "build", 1, {"a": True, "b": False, "c": "x", "options": {}}, {}, {"made": 3})
    later = [
        Called(1, "helper", 2, {"later": 1, "differing": 1}, {}),
        Called(2, "helper", 2, {"later": 1, "differing": 2}, {}),
        Called(3, "train", 3, {"mode": False}, {}),
    ]
    assert holds(condition, [build], later) is value


FUSED = """
## One layer for all
Why.
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(4, 12)  # needed; no effect: bias.chunk(3)[1]

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return F.softmax(q @ k.transpose(1, 2), dim=-1) @ v
```
- build `Net()` on `(3, 5, 4)`
"""


@pytest.mark.parametrize("wrong", ["bias.chunk(3)[0]", "bias.chunk(3)[2]", "bias[4:9]", "bias[3:8]", "bias"])
def test_a_part_that_torch_reads_is_refused(wrong: str) -> None:
    (true_case,) = read_cases(FUSED, "sample")
    assert contradictions(true_case) == []
    (false_case,) = read_cases(FUSED.replace("bias.chunk(3)[1]", wrong), "sample")
    assert any("should be cancelled, torch says read" in text for text in contradictions(false_case))


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("nn.Conv2d(4, 4, 3)  # needed: relu", "nn.Conv2d(4, 4, 3, bias=False)", "moves the output"),
        ("self.norm1", "self.other_norm", "changes the keys"),
        ("F.relu(self.conv3(x))", "self.conv3(x)", "moves the output"),
    ],
)
def test_a_fix_that_changes_the_model_is_refused(before: str, after: str, complaint: str) -> None:
    (case,) = read_cases(SAMPLE, "sample")
    right = case.text.replace("nn.Conv2d(3, 4, 3)", "nn.Conv2d(3, 4, 3, bias=False)")
    assert changes_by_fix(replace(case, fixed=right)) == []
    assert before in right
    assert any(complaint in text for text in changes_by_fix(replace(case, fixed=right.replace(before, after))))


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("# redundant: norm1", "# redundant", "does not say"),
        ("# needed: relu", "# absorbed", "does not say"),
        ("- build `Net()` on `(4, 3, 9, 9)`\n", "", "no way to build"),
        ("- otherwise", "- build", "needs a run of the other side"),
        ("- build", "```python\npass\n```\n- build", "one model file"),
    ],
)
def test_a_malformed_case_is_refused(before: str, after: str, complaint: str) -> None:
    assert before in SAMPLE
    with pytest.raises(ValueError, match=complaint):
        list(read_cases(SAMPLE.replace(before, after, 1), "sample"))


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)
