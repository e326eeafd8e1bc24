"""`python -m numgan` runs the command `numgan`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
