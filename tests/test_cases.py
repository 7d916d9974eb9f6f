"""The specification runs: torch agrees with every case, and so does the analysis."""

from __future__ import annotations

from dataclasses import replace

import pytest

from markdown_cases import Case, Expectation, all_cases, read_cases
from proof import changes_by_fix, contradictions
from verdicts import (
    after_safe_fixes,
    expected_parts,
    expected_verdicts,
    found_parts,
    found_verdicts,
    wrong_reasons,
)

CASES = all_cases()
WITH_FIX = [case for case in CASES if case.fixed is not None]
IN_TRAINING = [case for case in CASES if all(build.kind != "eval" for build in case.builds)]

OPPOSITES = {"redundant": "needed", "needed": "redundant", "returned": "redundant", "absorbed": "redundant"}

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
def test_torch_agrees(case: Case) -> None:
    assert contradictions(case) == []


@pytest.mark.parametrize("case", WITH_FIX, ids=str)
def test_torch_computes_the_same_with_the_fixed_file(case: Case) -> None:
    assert changes_by_fix(case) == []


@pytest.mark.parametrize("case", IN_TRAINING, ids=str)
def test_torch_refuses_the_opposite_of_every_expectation(case: Case) -> None:
    opposites = {line: Expectation(OPPOSITES[e.word]) for line, e in case.expectations.items() if e.word in OPPOSITES}
    refused = contradictions(replace(case, expectations={**case.expectations, **opposites}))
    assert [line for line in opposites if not any(text.startswith(f"line {line}:") for text in refused)] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_analysis_gives_the_expected_verdicts(case: Case) -> None:
    assert found_verdicts(case) == expected_verdicts(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_analysis_finds_the_parts_without_effect_and_no_others(case: Case) -> None:
    assert found_parts(case) == expected_parts(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_analysis_names_the_reason(case: Case) -> None:
    assert wrong_reasons(case) == []


@pytest.mark.parametrize("case", WITH_FIX, ids=str)
def test_the_fix_gives_the_expected_file(case: Case) -> None:
    assert after_safe_fixes(case).source.text == case.fixed


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_file_after_all_safe_fixes_computes_the_same(case: Case) -> None:
    assert changes_by_fix(replace(case, fixed=after_safe_fixes(case).source.text)) == []


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("# redundant: norm1", "# needed: relu", "torch says cancelled"),
        ("# redundant: norm1", "# unused", "torch says cancelled"),
        ("# redundant: norm1", "# redundant if: normalize", "on the other side"),
        ("# redundant if: normalize", "# redundant: norm2", "torch says cancelled and read"),
        ("# needed: relu", "# redundant: relu", "torch says read"),
        ("# needed: relu", "# unused", "torch says read"),
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
