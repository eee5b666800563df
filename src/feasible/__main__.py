"""Runs the command line: `python -m feasible`."""

import sys

from feasible.cli import main

if __name__ == "__main__":
    sys.exit(main())
