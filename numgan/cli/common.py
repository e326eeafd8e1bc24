"""Functions for all commands: add a command and its options, parse their values, and print JSON."""

import argparse
import json
from contextlib import suppress
from dataclasses import MISSING

import numpy as np

from ..core.fields import Flag, Maybe, Real, Record, Whole, flag_of, for_json, options


def add_command(commands, name, run, summary, **words):
    """Add a command with the name `name` to argparse's `commands`, and return its parser.

    run       a function of the parsed arguments that runs the command and returns the exit code; None means 0
    summary   the help text in the list of commands, and the description in its own help
    words     further arguments of argparse's add_parser, such as another description

    Every command gets the option --json. An argument without a type must not be empty.
    """
    words = {"description": summary, "formatter_class": argparse.RawDescriptionHelpFormatter} | words
    sub = commands.add_parser(name, help=summary, **words)
    sub.register("type", None, not_empty)  # for arguments without a type, which are names and paths
    sub.set_defaults(run=run)
    add_flag(sub, "--json", "print the result as JSON on stdout, and nothing else")
    return sub


def add_flag(parser, name, help):
    """Add the option `name`, such as --quick, which has no value, to a parser.

    It is True if the user writes it, otherwise False. `help` is its help text.
    """
    parser.add_argument(name, action="store_true", help=help)


def add_count(parser, name, help, default=None):
    """Add the option `name`, such as --seeds, whose value is a whole number of 1 or more, to a parser.

    default is its value if the user leaves it out, `help` its help text.
    """
    parser.add_argument(name, type=positive, default=default, metavar="N", help=help)


def _parser(convert, good, expected):
    """Make a function parse(text) -> value that converts a word of the command line.

    convert    convert(text) returns the value, or raises ValueError
    good       good(value) says whether the value is allowed
    expected   the allowed words, for the message

    parse raises argparse's ArgumentTypeError for a wrong word; argparse then prints the message.
    """

    def parse(text):
        with suppress(ValueError):
            value = convert(text)
            if good(value):
                return value
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")

    return parse


not_empty = _parser(str, bool, "a name or a path")
positive = _parser(int, lambda n: n >= 1, "a whole number of 1 or more")
natural = _parser(int, lambda n: 0 <= n < 1 << 63, "a whole number of 0 or more")  # that fits into int64
above_zero = _parser(float, lambda x: 0 < x < np.inf, "a number above 0")
names = _parser(lambda text: text.split(","), all, "names such as this,that")


def _name_and_value(text):
    """("k", 2) from the text "k=2". ValueError if the text after "=" is not JSON."""
    name, _, value = text.partition("=")
    return name, json.loads(value)


def _is_setting(pair):
    """Whether a pair (name, value) is a name that Python allows and a number or bool."""
    name, value = pair
    return name.isidentifier() and isinstance(value, (bool, int, float))


setting = _parser(_name_and_value, _is_setting, "name=value with a number, true or false, such as k=2")


def _parser_of(kind):
    """The function that converts a word of the command line to a value of `kind`, a Kind of core.fields.

    For Whole it is `positive` or `natural`, for Real `above_zero` or float, for a Record `setting`. For all
    other kinds it is None, which means `not_empty`: every parser uses it for an argument without a type.
    """
    kind = kind.kind if isinstance(kind, Maybe) else kind
    if isinstance(kind, Whole):
        return positive if kind.low else natural
    if isinstance(kind, Real):
        return above_zero if kind.low > 0 else float
    return setting if isinstance(kind, Record) else None


def add_option(parser, field):
    """Add the option that is declared by the field of a dataclass to a parser (see core.fields.option).

    If the user leaves it out, its parsed value is None. A field without a default becomes an argument without
    dashes, as SYSTEM in `numgan train SYSTEM`. A field for a bool becomes an option without a value. The
    option --set name=value may be written several times; its value is a list of pairs.
    """
    about = field.metadata
    words = {"help": about["help"], "metavar": about["metavar"], "type": _parser_of(about["kind"])}
    if field.default is MISSING:
        parser.add_argument(field.name, nargs="?", **words)
    elif isinstance(getattr(about["kind"], "kind", None), Flag):
        parser.add_argument(
            flag_of(field), dest=field.name, action="store_const", const=True, help=about["help"]
        )
    else:
        action = "append" if words["type"] is setting else "store"
        parser.add_argument(flag_of(field), dest=field.name, action=action, **words)


def given(args, declared):
    """{name: value} of the options that the user wrote on the command line. Other options are left out.

    args       the parsed command line
    declared   the dataclass whose fields are the options

    The settings of --set name=value become one dict {name: value}. Raises ValueError if a name comes twice.
    """
    found = {}
    for field in options(declared):
        value = getattr(args, field.name)
        if value is not None:
            found[field.name] = _once(value) if isinstance(value, list) else value
    return found


def _once(pairs):
    """The dict {name: value} of pairs (name, value) of --set. Raises ValueError if a name comes twice."""
    found = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"--set: expected {name} once, got {found[name]} and {value}; leave one out")
        found[name] = value
    return found


def print_json(value):
    """Print `value` as standard JSON on stdout. inf and nan become null, because JSON has no such numbers.

    An object that JSON does not know, such as a path, becomes its text.
    """
    print(json.dumps(for_json(value), indent=2, default=str, allow_nan=False))
