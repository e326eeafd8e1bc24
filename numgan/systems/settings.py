"""Settings: numbers and switches of a system or a remedy, for `numgan train --set NAME=VALUE`."""

from dataclasses import fields, is_dataclass, replace

from ..core.fields import Flag, Real, Whole
from ..optimizers.schedules import SCHEDULES

NUMBERS = Real(0, 1e38)  # a setting that is a number: below the largest float32
COUNTS = Whole(0, 1_000_000)  # a setting that is a count


def numbers(record):
    """{field: value} of the fields of the dataclass `record` that are settings.

    A setting is a field whose value is a number, a bool or a schedule. The result is {} if `record` is no
    dataclass.
    """
    if not is_dataclass(record):  # a user's own remedy may be a class without fields
        return {}
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {
        name: value for name, value in values.items() if isinstance(value, (bool, int, float, *SCHEDULES))
    }


def with_numbers(record, values):
    """A copy of the dataclass `record` with new values of its numbers, bools and schedules.

    values is {field: new value}. A name that is no setting of `record` (see `numbers`) is ignored. If no name
    is left, `record` itself is returned.
    """
    own = {name: values[name] for name in numbers(record).keys() & values}
    return replace(record, **own) if own else record


def fitting(name, old, value):
    """Check `value`, the new value of the setting `name`. Returns the value, converted as below.

    The type of the old value `old` decides which values are allowed:

    bool                 a bool
    int                  an integer from 0 to 1,000,000
    float or schedule    a number from 0 to 1e38; it is converted to a float

    Raises ValueError for any other value.
    """
    kind = Flag() if isinstance(old, bool) else COUNTS if isinstance(old, int) else NUMBERS
    kind.expect(value, name)
    return value if isinstance(old, int) else float(value)  # a bool is an int too
