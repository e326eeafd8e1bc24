"""The environment variables that the kernels read when they are imported, such as NUMGAN_BACKEND.

A value that is not possible raises ValueError or ImportError, with the name of the variable, its value and an
advice. The command `numgan` prints this error as one line and ends with exit code 2.
"""

import sys
from pathlib import Path


def _is_command():
    """Whether this process is `numgan` or `python -m numgan`: then argv[0] is -m during the import."""
    program = Path((sys.argv or [""])[0]).stem
    return program == "numgan" or (program == "-m" and "numgan" in sys.orig_argv)


try:
    from .. import _kernels  # noqa: F401
except (ValueError, ImportError) as error:
    if not _is_command():
        raise
    print(f"numgan: {str(error).removeprefix('numgan: ')}", file=sys.stderr)
    sys.exit(2)
