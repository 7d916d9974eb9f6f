"""Reads the specification: Markdown in which every `##` section with a Python block is one case.

A case is prose, one model file, and the ways to build it:

    ## A convolution directly before a batch norm
    The mean of every channel is subtracted, and with it whatever was added to all of the channel.

    ```python
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)  # redundant: norm
            self.norm = nn.BatchNorm2d(8)

        def forward(self, x):
            return self.norm(self.conv(x))
    ```

    - build `Net()` on `(4, 3, 9, 9)`

The model file begins with `PRELUDE`, which the text leaves out; on the pages of `docs/` it is complete as it stands.
A comment at the end of a constructor call's first line says what must be found there, whether or not the layer has a
bias at present:

| comment | verdict | what torch must say |
|---|---|---|
| `# redundant: norm` | redundant, and the norm, operation or mechanism that cancels it | cancelled in every run |
| `# redundant if: condition` | redundant under a condition | cancelled in each `build`, read in an `otherwise` |
| `# redundant in every use` | redundant wherever the file uses it | the same |
| `# absorbed: fc2` | the bias of a later layer can take its place | read, and undone by a change of that bias alone |
| `# needed: relu` | needed, and what reads it (may be left out) | read in some run |
| `# returned` | needed, since it reaches the output | read in some run |
| `# unused` | the layer is never applied | neither its bias nor its weight matters |
| `# unknown` | we cannot tell, and a finding would be wrong | read in some run |
| `# missed` | we cannot tell, and a finding would be right | cancelled in every run |

A comment may go on with a part of the bias that has no effect, while the whole has one: `# needed; no effect:
bias.chunk(3)[1]`, or `; no effect if norm is None: …`. Torch then perturbs that part alone: it has no effect in any
run, or under a condition in each `build`, and it has one in an `otherwise`. Conditions are executed: on the arguments
that the layer was made with they hold in each `build`, and nowhere where torch reads the bias. Only what one says of
code that nobody knows is believed: "`f`, which could not be followed, leaves it as it is".

A run is "- build `expression` on `inputs`", "- otherwise …" for the other side of a condition, or "- eval …" in eval
mode; a page for readers hides it: "<!-- build … -->". Inputs are shapes (a tuple of integers) or any expressions;
several are separated by commas. An expression may name a method: "- build `Net().features` on `(4, 3, 9, 9)`". A block
that opens with "```python fixed" holds the same file after all safe fixes.

A bias that is redundant, and not left out by a `bias=False` on its line, has a safe fix. A case says where that is not
so: "- no safe fix", but an unsafe one, "- no fix" at all, or "- an unsafe fix" beside the safe ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PRELUDE = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n\n"

FOLDER = Path(__file__).parent / "cases"
DOCS = Path(__file__).parent.parent / "docs"

_BLOCK = re.compile(r"^```python( fixed)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_RUN = re.compile(r"^(?:- |<!-- )(build|otherwise|eval) `(.+?)` on `(.+)`(?: -->)?$", re.MULTILINE)
_FIXES = re.compile(r"^- (no|no safe|an unsafe) fix$", re.MULTILINE)
_WORDS = "redundant if|redundant in every use|redundant|absorbed|needed|returned|unused|unknown|missed"
_EXPECTATION = re.compile(rf"#\s+({_WORDS})(?::\s+([^;]+))?(?:;\s+no effect(?: if ([^:]+))?:\s+(.+))?$")
_NEED_A_NAME = ("redundant", "redundant if", "absorbed")
_NEED_BOTH_SIDES = ("redundant if", "redundant in every use")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be found on a line. text: the norm, the reader or the condition, or "".

    part: the code that selects a part of the bias which has no effect, or ""; part_condition: when, or "".
    """

    word: str
    text: str = ""
    part: str = ""
    part_condition: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """One way to run the model. kind: "build", "otherwise" or "eval"; the others are Python expressions."""

    kind: str
    model: str
    inputs: str


@dataclass(frozen=True, slots=True)
class Case:
    """One model file.

    expectations: by one-based line of `text`. fixed: the file after all safe fixes, or None where it is not shown.
    fixes: of which kinds there are fixes, "safe" and "unsafe".
    """

    name: str
    text: str
    expectations: Mapping[int, Expectation]
    builds: tuple[Build, ...]
    fixed: str | None = None
    fixes: frozenset[str] = frozenset()

    @property
    def has_finding(self) -> bool:
        """Whether a bias without effect is expected, or a part of one."""
        return any(e.word.startswith("redundant") or e.part for e in self.expectations.values())

    def __str__(self) -> str:
        return self.name


def all_cases() -> tuple[Case, ...]:
    """Every case of the specification, and every example of the documentation, whose model files are complete."""
    texts = [(file, PRELUDE) for file in sorted(FOLDER.glob("*.md"))] + [
        (file, "") for file in sorted(DOCS.glob("*.md"))
    ]
    return tuple(case for file, prelude in texts for case in read_cases(file.read_text("utf-8"), file.stem, prelude))


def read_cases(markdown: str, theme: str, prelude: str = PRELUDE) -> Iterator[Case]:
    """The cases of one Markdown text; sections without a Python block are prose. ValueError where one is malformed.

    prelude: what every model file begins with and the text leaves out.
    """
    for section in re.split(r"^## ", markdown, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        if _BLOCK.search(body):
            yield _read_case(f"{theme}: {heading.strip()}", body, prelude)


def expectations_of(text: str) -> dict[int, Expectation]:
    """The expectations in a file's comments, by one-based line."""
    found = ((number, _EXPECTATION.search(line)) for number, line in enumerate(text.split("\n"), 1))
    return {
        number: Expectation(match[1], (match[2] or "").strip(), (match[4] or "").strip(), match[3] or "")
        for number, match in found
        if match
    }


def _read_case(name: str, body: str, prelude: str) -> Case:
    blocks = [(match[1] is not None, prelude + match[2]) for match in _BLOCK.finditer(body)]
    models = [text for is_fixed, text in blocks if not is_fixed]
    fixed = [text for is_fixed, text in blocks if is_fixed]
    builds = tuple(Build(*match.groups()) for match in _RUN.finditer(_BLOCK.sub("", body)))
    if len(models) != 1 or len(fixed) > 1:
        raise ValueError(f"{name}: a case has one model file and at most one fixed one")
    expectations = expectations_of(models[0])
    about_fixes = _FIXES.findall(_BLOCK.sub("", body))
    if len(about_fixes) > 1 or (about_fixes and not _is_fixable(models[0], expectations)):
        raise ValueError(f"{name}: there is nothing of which to say what fixes it has")
    fixes = _SAFETY[about_fixes[0] if about_fixes else "" if _is_fixable(models[0], expectations) else "no"]
    case = Case(name, models[0], expectations, builds, fixed[0] if fixed else None, fixes)
    _check_form(case)
    return case


_SAFETY: Mapping[str, frozenset[str]] = {
    "": frozenset({"safe"}),
    "no safe": frozenset({"unsafe"}),
    "an unsafe": frozenset({"safe", "unsafe"}),
    "no": frozenset(),
}


def _is_fixable(text: str, expectations: Mapping[int, Expectation]) -> bool:
    lines = text.split("\n")
    redundant = (lines[line - 1] for line, e in expectations.items() if e.word.startswith("redundant"))
    return any("bias=False" not in line for line in redundant)


def _check_form(case: Case) -> None:
    if not case.expectations:
        raise ValueError(f"{case.name}: nothing is expected")
    kinds = {build.kind for build in case.builds}
    if "build" not in kinds:
        raise ValueError(f"{case.name}: it says no way to build the model")
    for line, expectation in case.expectations.items():
        if expectation.word in _NEED_A_NAME and not expectation.text:
            raise ValueError(f"{case.name}: line {line} does not say what makes it {expectation.word}")
        if expectation.word in _NEED_BOTH_SIDES and "otherwise" not in kinds:
            raise ValueError(f"{case.name}: line {line} needs a run of the other side")
