"""Helpers for the tests of the command line."""

import re

NARROW = ["--width", "0.1", "--batch-size", "8"]


def refused(result, *parts, code=2):
    """One clear line on stderr after the usage, nothing on stdout, no traceback."""
    got, out, err = result
    said = re.sub(r"^usage: .*\n( +.*\n)*", "", err)
    assert (got, out) == (code, "") and "Traceback" not in err and len(said.splitlines()) == 1, err
    for part in parts:
        assert part in err
