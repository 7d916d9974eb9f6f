"""`biaslens sites` and `biaslens program`: what is known of every layer, and why."""

from __future__ import annotations

import json

from biaslens.cli.checking import Manner, results
from biaslens.cli.choices import Choices
from biaslens.cli.console import Console
from biaslens.cli.inputs import gather
from biaslens.render.table import layer_row, table
from biaslens.text import Problem


def list_sites(paths: tuple[str, ...], output_format: str, choices: Choices, manner: Manner, console: Console) -> int:
    """Prints every affine layer with its verdict; 2 where nothing could be read."""
    inputs = gather(paths, None, choices)
    found = [result for result in results(inputs, manner, console, layers=True) if result.is_checked]
    layers = [layer for result in found for layer in result.layers]
    if output_format == "json":
        console.say(json.dumps([layer.judgement for layer in layers], indent=2))
    elif layers:
        console.say(table([layer_row(layer, inputs.files.read, console.folder) for layer in layers]))
    elif any(result.problems for result in found):
        console.say("No layer with a weight and a bias was found in what could be followed.")
    elif found:
        console.say("No layer with a weight and a bias is constructed here.")
    return 2 if (inputs.problems or inputs.paths) and not found else 0


def print_program(path: str, choices: Choices, console: Console) -> int:
    """Prints the equations of a file and the fates of its biases; 2 where it could not be read."""
    from biaslens.lint import lint
    from biaslens.render.sites import program_text
    from biaslens.syntax.parse import parse
    from biaslens.unreached import unreached

    inputs = gather((path,), None, choices)
    source = inputs.files.read(inputs.paths[0]) if inputs.paths else inputs.problems[0]
    if isinstance(source, Problem):
        console.complain(source, inputs.files.read)
        return 2
    report = lint(source, inputs.files, inputs.resolver.options_for(source.path))
    for problem in report.problems:
        console.complain(problem, inputs.files.read)
    lost = unreached(parse(source), report.flow, report.problems)
    console.say(program_text(report, inputs.files.read, console.folder, lost))
    return 0
