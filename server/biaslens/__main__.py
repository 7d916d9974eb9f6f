"""`python -m biaslens` is `biaslens`."""

import sys

from biaslens.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
