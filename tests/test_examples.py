"""The examples are what a newcomer opens first: what is said about each of their layers is proved with torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from markdown_cases import Build, Case, expectations_of
from proof import changes_by_fix, contradictions
from verdicts import after_safe_fixes, expected_verdicts, found_verdicts, wrong_reasons

EXAMPLES = Path(__file__).parent.parent / "examples"

LINES: Mapping[str, Mapping[str, str]] = {
    "dcgan": {
        "nn.ConvTranspose2d(latent, width * 4, 4)": "redundant: main.1",
        "nn.ConvTranspose2d(width * 4, width * 2, 4": "redundant: main.4",
        "nn.ConvTranspose2d(width * 2, width, 4": "redundant: main.7",
        "nn.ConvTranspose2d(width, 3, 4": "needed: main.10",
        "nn.Conv2d(before, after, 4": "redundant if: normalize is true",
        "nn.Conv2d(width * 4, 1, 4)": "returned",
    },
    "unet": {
        "nn.Conv2d(before, after, kernel_size=3": "redundant: 1",
        "nn.Conv2d(after, after, kernel_size=3": "redundant: 4",
        "nn.ConvTranspose2d(before, after, kernel_size=2": "needed: 1",
        "nn.Conv2d(width, classes, kernel_size=1)": "returned",
    },
    "pointnet": {
        "nn.Conv2d(last, width, 1)": "redundant: mlp_bns.0",
        "nn.Conv1d(32, 64, 1)": "redundant: bn",
        "nn.Linear(64, 32)": "redundant: bn1",
        "nn.Linear(32, 32)": "needed: drop2",
        "nn.Linear(32, classes)": "needed: log_softmax",
    },
    "vgg": {
        "nn.Conv2d(channels, entry": "redundant if: batch_norm is true",
        "nn.Linear(last * 4, 64)": "needed: classifier.1",
        "nn.Linear(64, classes)": "returned",
    },
    "resnet": {
        "nn.Conv2d(before, after, kernel_size=3": "redundant if: with the default `norm_layer=None`",
        "nn.Conv2d(before, after, kernel_size=1": "redundant if: with the default `norm_layer=None`",
        "nn.Conv2d(3, 8, kernel_size=7": "redundant if: with the default `norm_layer=None`",
        "nn.Linear(width, classes)": "returned",
    },
    "attention": {
        "self.query = nn.Linear(": "needed: softmax",
        "self.key = nn.Linear(": "redundant: softmax",
        "self.value = nn.Linear(": "needed",
        "self.out = nn.Linear(": "needed",
        "nn.Linear(width, 4 * width)": "needed: mlp.1",
        "nn.Linear(4 * width, width)": "needed",
        "self.embed = nn.Linear(": "needed",
        "self.score = nn.Linear(": "redundant: softmax",
        "self.head = nn.Linear(": "returned",
    },
    "conditional_gan": {
        "nn.Linear(latent, 64)": "redundant: from_latent_bn",
        "nn.Linear(classes, 64)": "redundant: from_label_bn",
        "nn.Linear(128, width * 4 * 4)": "needed: bn",
        "nn.ConvTranspose2d(width, width // 2, 4": "redundant: up1_bn",
        "nn.ConvTranspose2d(width // 2, 1, 4": "needed: tanh",
        "nn.Conv2d(1, width, 4": "needed: leaky_relu",
        "nn.Conv2d(width, 2 * width, 4": "redundant: conv2_bn",
        "nn.Linear(2 * width * 4 * 4 + classes, 64)": "redundant: fc1_bn",
        "nn.Linear(64, 1)": "returned",
    },
}

BUILDS: Mapping[str, tuple[Build, ...]] = {
    "dcgan": (
        Build("build", "Generator(latent=8, width=4)", "(4, 8)"),
        Build("otherwise", "Discriminator(width=4)", "(4, 3, 32, 32)"),
        Build("build", "nn.Sequential(*Discriminator.block(3, 4))", "(4, 3, 8, 8)"),
    ),
    "unet": (Build("build", "UNet(width=2)", "(2, 3, 8, 8)"),),
    "pointnet": (Build("build", "PointNet()", "(8, 3, 4, 6)"),),
    "vgg": (
        Build("build", "VGG()", "(4, 3, 16, 16)"),
        Build("otherwise", "VGG(batch_norm=False)", "(4, 3, 16, 16)"),
    ),
    "resnet": (
        Build("build", "ResNet([2, 1])", "(4, 3, 16, 16)"),
        Build("otherwise", "ResNet([2, 1], norm_layer=lambda c: nn.GroupNorm(2, c))", "(4, 3, 16, 16)"),
    ),
    "attention": (
        Build("build", "Encoder()", "(4, 6, 12)"),
        Build("build", "Encoder()", "(2, 3, 12), torch.tensor([[False, False, True], [False, False, False]])"),
    ),
    "conditional_gan": (
        Build("build", "Generator()", "(4, 32), (4, 10)"),
        Build("build", "Discriminator()", "(4, 1, 16, 16), (4, 10)"),
    ),
}

NAMES = sorted(LINES)


@pytest.mark.parametrize("name", NAMES)
def test_torch_agrees(name: str) -> None:
    assert contradictions(example(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_analysis_gives_the_proved_verdicts(name: str) -> None:
    case = example(name)
    assert found_verdicts(case) == expected_verdicts(case)
    assert wrong_reasons(case) == []


@pytest.mark.parametrize("name", NAMES)
def test_an_example_after_all_safe_fixes_computes_the_same_and_is_clean(name: str) -> None:
    case = example(name)
    result = after_safe_fixes(case)
    assert [finding.message for finding in result.report.findings if finding.severity == "warning"] == []
    assert changes_by_fix(replace(case, fixed=result.source.text)) == []


def test_every_example_is_proved() -> None:
    assert NAMES == sorted(file.stem for file in EXAMPLES.glob("*.py")) == sorted(BUILDS)


def example(name: str) -> Case:
    """The example with the expectations that the table gives for its lines."""
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    lines = text.split("\n")
    for snippet, expectation in LINES[name].items():
        (place,) = (number for number, line in enumerate(lines) if snippet in line)
        lines[place] += f"  # {expectation}"
    expected = "\n".join(lines)
    return Case(name, expected, expectations_of(expected), BUILDS[name])
