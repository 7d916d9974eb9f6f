"""`biaslens`, and `python -m biaslens`, which is the same.

Imports nothing else, as `import_path` says, before it is settled from where.
"""

import sys

from biaslens.import_path import import_only_what_is_installed


def main() -> int:
    """Runs the command line of this process, and gives its exit code."""
    import_only_what_is_installed()
    from biaslens.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
