"""Functions for all commands of the command line: add a command, parse its numbers, and print JSON."""

import argparse
import json

import numpy as np


def add_command(commands, name, run, summary, **words):
    """Add a sub-parser. Its default `run` is called with the arguments. Every command has --json."""
    words = {"description": summary, "formatter_class": argparse.RawDescriptionHelpFormatter} | words
    sub = commands.add_parser(name, help=summary, **words)
    sub.set_defaults(run=run)
    sub.add_argument(
        "--json", action="store_true", help="print the result as JSON on stdout, and nothing else"
    )
    return sub


def _number(convert, good, expected):
    def parse(text):
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not good(value):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return parse


positive = _number(int, lambda n: n >= 1, "a whole number of 1 or more")
natural = _number(int, lambda n: 0 <= n < 1 << 63, "a whole number of 0 or more")
above_zero = _number(float, lambda x: 0 < x < np.inf, "a number above 0")
labels = _number(
    lambda text: [int(part) for part in text.split(",")],
    lambda labels: min(labels) >= 0,
    "class numbers such as 3,7",
)
names = _number(lambda text: text.split(","), all, "names such as this,that")


def setting(text):
    """Parse name=value and return (name, value). The value is a JSON number, true or false."""
    name, _, value = text.partition("=")
    try:
        value = json.loads(value)
    except ValueError:
        value = None
    if not name.isidentifier() or not isinstance(value, (bool, int, float)):
        raise argparse.ArgumentTypeError(
            f"expected name=value with a number, true or false, such as k=2, got {text!r}"
        )
    return name, value


def print_json(value):
    """Print a value as standard JSON. inf and nan become null, because JSON has no such numbers."""
    print(json.dumps(_finite(value), indent=2, default=str, allow_nan=False))


def _finite(value):
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
