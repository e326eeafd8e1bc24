"""Settings: numbers and switches of a system or a remedy, for `numgan train --set NAME=VALUE`."""

from dataclasses import fields, is_dataclass, replace

from ..core.fields import Flag, Real, Whole
from ..optimizers.schedules import SCHEDULES

NUMBERS = Real(0, 1e38)  # a setting that is a number: below the largest float32
COUNTS = Whole(0, 1_000_000)  # a setting that is a count


def numbers(record):
    """{name: value} of the fields of a dataclass `record` that hold numbers, switches or schedules.

    A switch is a bool. {} if `record` is no dataclass.
    """
    if not is_dataclass(record):  # a user's own remedy may be a class without fields
        return {}
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {
        name: value for name, value in values.items() if isinstance(value, (bool, int, float, *SCHEDULES))
    }


def with_numbers(record, values):
    """A copy of the dataclass `record` with new values of its numbers, switches and schedules.

    values is {name: value}. Names that `numbers(record)` does not have are left out.
    """
    own = {name: values[name] for name in numbers(record).keys() & values}
    return replace(record, **own) if own else record


def fitting(name, old, value):
    """`value` as the new value of the setting `name`, converted to the type of the old value.

    A bool needs a bool, and an int an int; in all other cases the result is a float. Raises ValueError for a
    value of another type or out of range.
    """
    kind = Flag() if isinstance(old, bool) else COUNTS if isinstance(old, int) else NUMBERS
    kind.expect(value, name)
    return value if isinstance(old, int) else float(value)
