"""Check the environment variables of the kernels, such as NUMGAN_BACKEND, when this module is imported.

The kernels read these variables at import. An impossible value raises ValueError or ImportError, with the
variable's name, its value and an advice. In the command `numgan`, this error is printed as one line, and the
command ends with exit code 2.
"""

import sys
from pathlib import Path


def _is_command():
    """Whether this process is the command `numgan` or `python -m numgan`, True or False.

    While `python -m numgan` imports the package, sys.argv[0] is "-m". So the name of the package is then
    looked for in sys.orig_argv, the arguments of Python itself.
    """
    program = Path((sys.argv or [""])[0]).stem
    return program == "numgan" or (program == "-m" and "numgan" in sys.orig_argv)


try:
    from .. import _kernels  # noqa: F401
except (ValueError, ImportError) as error:
    if not _is_command():
        raise
    print(f"numgan: {str(error).removeprefix('numgan: ')}", file=sys.stderr)
    sys.exit(2)
