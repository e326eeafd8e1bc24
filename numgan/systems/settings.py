"""Settings: numbers and switches of a system or a remedy, for `numgan train --set NAME=VALUE`."""

from dataclasses import fields, is_dataclass, replace

from ..core.fields import Flag, Real, Whole
from ..optimizers.schedules import SCHEDULES

NUMBERS = Real(0, 1e38)  # a setting that is a number: below the largest float32
COUNTS = Whole(0, 1_000_000)  # a setting that is a count


def numbers(record):
    """{name: value} of the fields of a dataclass that are numbers, switches or schedules."""
    if not is_dataclass(record):  # a remedy of one's own without fields
        return {}
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {
        name: value for name, value in values.items() if isinstance(value, (bool, int, float, *SCHEDULES))
    }


def with_numbers(record, values):
    """The same dataclass with those of the values that are its numbers."""
    own = {name: values[name] for name in numbers(record).keys() & values}
    return replace(record, **own) if own else record


def fitting(name, old, value):
    """The new value of a setting, converted to the type of the old one.

    Raises ValueError for a value of another type or sign.
    """
    kind = Flag() if isinstance(old, bool) else COUNTS if isinstance(old, int) else NUMBERS
    kind.expect(value, name)
    return value if isinstance(old, int) else float(value)
