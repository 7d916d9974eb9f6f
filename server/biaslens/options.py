"""One dataclass from which command line flags, keys of configuration files and editor settings derive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace

EXCLUDED = (
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".git-rewrite",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pycache__",
    "__pypackages__",
    "_build",
    "buck-out",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)
"""Folders without code of one's own: ruff's list, and the caches of Python."""


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for one file. A field's metadata says how people choose it, and all texts about it derive from there.

    kind: how a value is written, a name in `configuration.kinds`; by default the type of the field's default tells.
    metavar: what is written behind its flag. help: what it means, one sentence. example: a line of a configuration
    file. where: "editor" for what only editors can choose. adds: a choice in one place is added to those in weaker
    places, instead of replacing them. follows: it changes how code is followed, not only what is said about it.

    select, extend_select, ignore: prefixes of rule codes. per_file_ignores: patterns with such prefixes; in the options
    of one file, those that hold for it. exclude, extend_exclude: patterns of .gitignore, from the root of the file
    system; one without a slash is the name of a file or folder anywhere. severity: prefixes with severities. python,
    src: absolute names. like: names of one's own with the names of what that is like in the catalogue.
    """

    select: tuple[str, ...] = field(
        default=("BL1",),
        metadata={
            "kind": "rules",
            "metavar": "RULE,…",
            "help": "Rule codes or prefixes to check.",
            "example": 'select = ["BL1", "BL203"]',
        },
    )
    extend_select: tuple[str, ...] = field(
        default=(),
        metadata={
            "kind": "rules",
            "metavar": "RULE,…",
            "help": "Rule codes or prefixes to check besides those of `select`.",
            "example": 'extend-select = ["BL2"]',
            "adds": True,
        },
    )
    ignore: tuple[str, ...] = field(
        default=(),
        metadata={
            "kind": "rules",
            "metavar": "RULE,…",
            "help": "Rule codes or prefixes to leave out.",
            "example": 'ignore = ["BL105"]',
            "adds": True,
        },
    )
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = field(
        default=(),
        metadata={
            "kind": "rules by file",
            "metavar": "PATTERN:RULE,…",
            "help": "Rule codes or prefixes to leave out in the files that a pattern matches.",
            "example": 'per-file-ignores = { "legacy/" = ["ALL"], "**/test_*.py" = ["BL1"] }',
        },
    )
    severity: tuple[tuple[str, str], ...] = field(
        default=(),
        metadata={
            "kind": "severities",
            "metavar": "RULE=SEVERITY,…",
            "help": "How findings of a rule are shown: error, warning, information or hint.",
            "example": 'severity = { BL1 = "error", BL105 = "information" }',
            "adds": True,
        },
    )
    exclude: tuple[str, ...] = field(
        default=EXCLUDED,
        metadata={
            "kind": "patterns",
            "metavar": "PATTERN,…",
            "help": "Files and folders that are not checked, as patterns of .gitignore.",
            "example": 'exclude = ["third_party/", "*_generated.py"]',
        },
    )
    extend_exclude: tuple[str, ...] = field(
        default=(),
        metadata={
            "kind": "patterns",
            "metavar": "PATTERN,…",
            "help": "Files and folders that are not checked besides those of `exclude`.",
            "example": 'extend-exclude = ["notebooks/old/"]',
            "adds": True,
        },
    )
    force_exclude: bool = field(
        default=False,
        metadata={
            "help": "Leave excluded files out even where the command line names them.",
            "example": "force-exclude = true",
        },
    )
    python: str = field(
        default="",
        metadata={
            "kind": "environment",
            "metavar": "PATH",
            "help": "A Python interpreter or the folder of an environment, whose installed packages are read.",
            "example": 'python = ".venv"',
            "follows": True,
        },
    )
    src: tuple[str, ...] = field(
        default=(),
        metadata={
            "kind": "folders",
            "metavar": "FOLDER,…",
            "help": "Folders in which imported modules are looked up besides the file's own package.",
            "example": 'src = ["src", "libs/models"]',
            "follows": True,
        },
    )
    like: tuple[tuple[str, str], ...] = field(
        default=(),
        metadata={
            "kind": "names",
            "metavar": "OWN=TORCH,…",
            "help": "Own layers or functions to take for torch's: mypkg.layers.MyConv2d=torch.nn.Conv2d.",
            "example": 'like = { "mypkg.layers.MyConv2d" = "torch.nn.Conv2d" }',
            "adds": True,
            "follows": True,
        },
    )
    max_runs: int = field(
        default=256,
        metadata={
            "help": "How many paths to follow through one class.",
            "example": "max-runs = 16",
            "follows": True,
        },
    )
    max_steps: int = field(
        default=200_000,
        metadata={
            "help": "How many steps to spend on one class.",
            "example": "max-steps = 50000",
            "follows": True,
        },
    )
    inlay_hints: bool = field(
        default=False,
        metadata={
            "help": "Say at the end of each line that makes a layer what becomes of its bias.",
            "where": "editor",
        },
    )
    code_lens: bool = field(
        default=False,
        metadata={
            "help": "Count above each class its findings and the parameters without effect.",
            "where": "editor",
        },
    )
    configuration: str = field(
        default="",
        metadata={
            "kind": "file",
            "help": "A configuration file to use instead of the nearest one, as `--config` does.",
            "where": "editor",
        },
    )
    configuration_preference: str = field(
        default="editorFirst",
        metadata={
            "choices": ("editorFirst", "filesystemFirst", "editorOnly"),
            "help": "Whether these settings or those of configuration files win, or whether there are only these.",
            "where": "editor",
        },
    )
    diagnostic_mode: str = field(
        default="openFilesOnly",
        metadata={
            "choices": ("openFilesOnly", "workspace", "off"),
            "help": "Whether findings of open files only, of all files of the workspace, or of none are shown.",
            "where": "editor",
        },
    )

    @property
    def analysis(self) -> Options:
        """The same for all that concerns what is found; what only editors can choose is at its default."""
        return self._without(lambda metadata: metadata.get("where") == "editor")

    @property
    def following(self) -> Options:
        """The same for all that concerns how code is followed, everything else at its default."""
        return self._without(lambda metadata: not metadata.get("follows"))

    def selects(self, code: str) -> bool:
        """Whether a rule is on: the longest matching prefix decides, `ignore` wins a tie."""
        if any(code.startswith(prefix) for _, prefixes in self.per_file_ignores for prefix in prefixes):
            return False
        chosen = max((len(p) for p in (*self.select, *self.extend_select) if code.startswith(p)), default=-1)
        left_out = max((len(p) for p in self.ignore if code.startswith(p)), default=-1)
        return chosen > left_out

    def severity_of(self, code: str, usual: str) -> str:
        """How findings of a rule are shown: by the longest prefix with a severity, else as usual."""
        matching = [(len(prefix), severity) for prefix, severity in self.severity if code.startswith(prefix)]
        return max(matching, default=(0, usual))[1]

    def _without(self, left_out: Callable[[Mapping[str, object]], bool]) -> Options:
        defaults = {field.name: field.default for field in fields(self) if left_out(field.metadata)}
        return replace(self, **defaults)
