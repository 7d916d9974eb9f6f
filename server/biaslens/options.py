"""One dataclass from which command line flags, pyproject keys and editor settings derive."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Options:
    """What a user can choose. `help` in each field's metadata is the text of its flag, key and setting.

    select, ignore: rule codes or prefixes. search_paths: folders in which imported modules are looked up, after
    the file's own package root. like: pairs of a dotted name of the user's own and the name of what
    that is like in the catalogue. inlay_hints, code_lens: what an editor shows beside findings. diagnostic_mode: of
    which files an editor shows findings.
    """

    select: tuple[str, ...] = field(default=("BL1",), metadata={"help": "Rule codes or prefixes to check."})
    ignore: tuple[str, ...] = field(default=(), metadata={"help": "Rule codes or prefixes to leave out."})
    search_paths: tuple[str, ...] = field(
        default=(), metadata={"help": "Folders in which imported modules are looked up besides the file's own package."}
    )
    like: tuple[tuple[str, str], ...] = field(
        default=(),
        metadata={
            "help": "Own layers or functions to take for torch's: mypkg.layers.MyConv2d=torch.nn.Conv2d.",
            "metavar": "OWN=TORCH,…",
        },
    )
    max_runs: int = field(default=64, metadata={"help": "How many paths to follow through one class."})
    max_steps: int = field(default=200_000, metadata={"help": "How many steps to spend on one class."})
    inlay_hints: bool = field(
        default=False, metadata={"help": "Say at the end of each line that makes a layer what becomes of its bias."}
    )
    code_lens: bool = field(
        default=False, metadata={"help": "Count above each class its findings and the parameters without effect."}
    )
    diagnostic_mode: str = field(
        default="openFilesOnly",
        metadata={
            "help": "Show findings of open files only, of all files of the workspace, or none.",
            "choices": ("openFilesOnly", "workspace", "off"),
        },
    )

    @property
    def analysis(self) -> Options:
        """The same for all that concerns what is found; what is only shown is at its default."""
        return replace(self, inlay_hints=False, code_lens=False, diagnostic_mode="openFilesOnly")

    def selects(self, code: str) -> bool:
        """Whether a rule is on: the longest matching prefix decides, `ignore` wins a tie."""
        chosen = max((len(p) for p in self.select if code.startswith(p)), default=-1)
        left_out = max((len(p) for p in self.ignore if code.startswith(p)), default=-1)
        return chosen > left_out
