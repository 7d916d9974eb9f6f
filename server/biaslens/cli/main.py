"""The command line: which commands and flags there are. What a command does is in the module of its name.

Each command imports that module when it runs, so that `--version` and `--help` answer at once.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

from biaslens import __version__
from biaslens.options import Options

if TYPE_CHECKING:
    from biaslens.cli.check import Format
    from biaslens.cli.choices import Choices

_Command = TypeVar("_Command", bound=Callable[..., Any])

_INTERRUPTED = 130
"""The exit code of shells for a program that Ctrl-C ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of this process, and gives its exit code. No exception leaves it."""
    _open_what_is_closed()
    try:
        code = biaslens.main(arguments, prog_name="biaslens", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        _silence(sys.stdout)
        return 1
    except OSError as error:  # a full disk under the standard output, for example
        _silence(sys.stdout)
        sys.stderr.write(f"biaslens: {error}\n")
        return 2
    except Exception as error:  # the last resort: a bug of ours is one line, not a traceback
        where = _innermost_line(error)
        sys.stderr.write(
            f"biaslens {__version__} failed: {type(error).__name__}: {' '.join(str(error).split())} ({where}). "
            "This is a bug in BiasLens; please report this line with the command and the file that cause it.\n"
        )
        return 2


def _choices(*names: str) -> Callable[[_Command], _Command]:
    """Adds the flags of the named fields of `Options`, without names all that a command line can choose.

    A flag takes a number, a text, or texts separated by commas or given repeatedly. What is not given is None.
    """

    def add(command: _Command) -> _Command:
        command = click.option("--isolated", is_flag=True, help="Use no configuration file.")(command)
        command = click.option(
            "--config",
            metavar="FILE",
            help="Use this configuration file for all files, not the nearest one of each. Its paths are relative to "
            "the current folder.",
        )(command)
        for field in reversed([field for field in fields(Options) if field.metadata.get("where") != "editor"]):
            flag, words, usual = f"--{field.name.replace('_', '-')}", field.metadata["help"], field.default
            if names and field.name not in names:
                continue
            if isinstance(usual, bool):
                command = click.option(flag, is_flag=True, default=None, help=words)(command)
            elif isinstance(usual, int):
                kind, words = click.IntRange(min=1), f"{words}  [default: {usual}]"
                command = click.option(flag, type=kind, metavar="NUMBER", help=words)(command)
            else:
                repeated, metavar = isinstance(usual, tuple), field.metadata["metavar"]
                command = click.option(flag, multiple=repeated, metavar=metavar, help=words)(command)
        return command

    return add


def _manner(command: _Command) -> _Command:
    """Adds the flags that say how several files are looked at; what they choose changes nothing of what is found."""
    command = click.option(
        "--cache-dir",
        "cache_folder",
        metavar="FOLDER",
        envvar="BIASLENS_CACHE_DIR",
        help="Where results are kept for the next run.  [default: .biaslens_cache beside the configuration]",
    )(command)
    command = click.option("-n", "--no-cache", is_flag=True, help="Neither use nor keep results of other runs.")(
        command
    )
    return click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=1),
        metavar="NUMBER",
        help="How many files to look at at a time.  [default: as many as there are cores]",
    )(command)


_OF_FOLLOWING = ("python", "src", "like", "max_runs", "max_steps")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def biaslens() -> None:
    """Finds the biases of PyTorch models that cannot change what the model computes, and explains why."""


@biaslens.command()
@click.argument("paths", nargs=-1, metavar="[PATH]…", type=click.Path())
@click.option(
    "--output-format",
    type=click.Choice(("full", "concise", "json")),
    default="full",
    show_default=True,
    help="How findings are printed.",
)
@click.option("--fix", is_flag=True, help="Apply the safe fixes to the files.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: apply the unsafe fixes as well.")
@click.option("--diff", is_flag=True, help="Print what --fix would change, and write nothing.")
@click.option("--add-ignore", is_flag=True, help="Add an ignore comment to the line of every finding.")
@click.option("-e", "--exit-zero", is_flag=True, help="Exit with 0 although there are findings.")
@click.option("-q", "--quiet", is_flag=True, help="Print findings only, no summary.")
@click.option("--stdin-filename", metavar="PATH", help="Check the standard input, under this name.")
@click.option("--show-settings", is_flag=True, help="Print what holds for each path and where it was chosen.")
@_manner
@_choices()
def check(
    paths: tuple[str, ...],
    *,
    output_format: Format,
    fix: bool,
    unsafe_fixes: bool,
    diff: bool,
    add_ignore: bool,
    exit_zero: bool,
    quiet: bool,
    stdin_filename: str | None,
    show_settings: bool,
    jobs: int | None,
    no_cache: bool,
    cache_folder: str | None,
    **choices: Any,
) -> int:
    """Check files and folders; without any, the current folder. `-` is the standard input.

    Exits with 0 where nothing was found, 1 where something was, and 2 where nothing could be checked.
    """
    from biaslens.cli.check import Request
    from biaslens.cli.check import check as run
    from biaslens.cli.checking import Manner
    from biaslens.cli.console import console

    if ("-" in paths or stdin_filename) and set(paths) - {"-"}:
        raise click.UsageError("The standard input (`-`) cannot be checked together with files.")
    if fix and diff:
        raise click.UsageError("--fix and --diff exclude each other.")
    if add_ignore and (fix or diff):
        raise click.UsageError("--add-ignore excludes --fix and --diff.")
    if add_ignore and ("-" in paths or stdin_filename):
        raise click.UsageError("--add-ignore changes files, not the standard input (`-`).")
    chosen = _chosen(**choices)
    manner = Manner(jobs, not no_cache, cache_folder)
    if show_settings:
        from biaslens.cli.settings import show_settings as show

        return show(paths, stdin_filename, chosen, console())
    if add_ignore:
        from biaslens.cli.add_ignore import add_ignore as add

        return add(paths, chosen, manner, console())
    request = Request(
        paths,
        chosen,
        manner,
        output_format=output_format,
        fix=fix,
        unsafe_fixes=unsafe_fixes,
        diff=diff,
        exit_zero=exit_zero,
        quiet=quiet,
        stdin_filename=stdin_filename,
    )
    return run(request, console())


@biaslens.command()
@click.argument("paths", nargs=-1, metavar="[PATH]…", type=click.Path())
@click.option("--output-format", type=click.Choice(("table", "json")), default="table", show_default=True)
@_manner
@_choices("exclude", "extend_exclude", "force_exclude", *_OF_FOLLOWING)
def sites(
    paths: tuple[str, ...],
    *,
    output_format: str,
    jobs: int | None,
    no_cache: bool,
    cache_folder: str | None,
    **choices: Any,
) -> int:
    """List every layer that has or could have a bias, with its verdict."""
    from biaslens.cli.checking import Manner
    from biaslens.cli.console import console
    from biaslens.cli.sites import list_sites

    return list_sites(paths, output_format, _chosen(**choices), Manner(jobs, not no_cache, cache_folder), console())


@biaslens.command()
@click.option("--cache-dir", "cache_folder", metavar="FOLDER", envvar="BIASLENS_CACHE_DIR", help="Where it is.")
def clean(cache_folder: str | None) -> int:
    """Delete the cache of the current folder's project."""
    from biaslens.cli.checking import clean_cache
    from biaslens.cli.console import console

    return clean_cache(cache_folder, console())


@biaslens.command()
@click.argument("file", type=click.Path())
@_choices(*_OF_FOLLOWING)
def program(file: str, **choices: Any) -> int:
    """Show the equations that a file was read as, and what becomes of every bias in them."""
    from biaslens.cli.console import console
    from biaslens.cli.sites import print_program

    return print_program(file, _chosen(**choices), console())


@biaslens.command()
@click.argument("subject", metavar="RULE|FILE:LINE")
@_choices(*_OF_FOLLOWING)
def explain(subject: str, **choices: Any) -> int:
    """Explain a rule (BL101), or what becomes of the biases on a line of a file (model.py:12, net.ipynb:cell 3:12)."""
    from biaslens.cli.console import console
    from biaslens.cli.documentation import explain as explain_rule
    from biaslens.cli.places import explain_place, place_of

    place = place_of(subject)
    if place is not None:
        return explain_place(place, _chosen(**choices), console())
    if os.path.exists(subject):
        raise click.UsageError(f"Which line of {subject}? Add it, as in {subject}:12.")
    return explain_rule(subject, console())


@biaslens.command()
def rules() -> int:
    """List the rules."""
    from biaslens.cli.console import console
    from biaslens.cli.documentation import list_rules

    return list_rules(console())


@biaslens.command()
@click.argument("key", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON schema of a configuration file.")
def config(key: str | None, schema: bool) -> int:
    """List what a configuration file can choose, or explain one KEY of it."""
    from biaslens.cli.console import console
    from biaslens.cli.settings import explain_key, list_keys, print_schema

    if schema:
        if key:
            raise click.UsageError("--schema takes no key.")
        return print_schema(console())
    return explain_key(key, console()) if key else list_keys(console())


@biaslens.command()
@click.option("--stdio", is_flag=True, help="Serve over the standard input and output, as it does without any flag.")
@click.option("--tcp", is_flag=True, help="Serve one client on a port of this machine instead, for development.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port for --tcp; by default any free one.")
@click.option(
    "--log-level",
    type=click.Choice(("error", "warning", "info", "debug")),
    default="warning",
    show_default=True,
    help="What is logged, to the editor and to the standard error.",
)
def server(*, stdio: bool, tcp: bool, port: int, log_level: str) -> None:
    """Serve an editor: the Language Server Protocol over the standard input and output."""
    gc.disable()  # nothing goes away of what is imported now; when all is there, it is on again
    from biaslens.lsp.server import main as serve

    if stdio and tcp:
        raise click.UsageError("--stdio and --tcp exclude each other.")
    if port and not tcp:
        raise click.UsageError("--port is the port for --tcp.")
    serve(port if tcp else None, log_level)


def _chosen(*, config: str | None, isolated: bool, **flags: Any) -> Choices:
    from biaslens.cli.choices import Choices

    return Choices({name: value for name, value in flags.items() if value not in (None, ())}, config, isolated)


def _open_what_is_closed() -> None:
    """Gives the process the streams that its parent closed, so that nothing else has to think of that."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # open until the end


def _silence(stream: Any) -> None:
    """Sends what is still buffered nowhere, so that the interpreter does not complain about the closed pipe at exit."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _innermost_line(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "unknown place"
