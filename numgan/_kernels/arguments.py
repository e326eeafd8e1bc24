"""The arguments of every kernel: one table for the checks of door.py and for the calls of the C code.

Python passes arrays and numbers to C by these names. c/arguments.h has the same names in the same order.
"""

from typing import NamedTuple


class Array(NamedTuple):
    """An array argument of a kernel: its number of dimensions (None: any), and whether it may be None."""

    ndim: int | None
    optional: bool


class Arguments(NamedTuple):
    """The arguments of a kernel: `arrays` is {name: Array}, `scalars` a tuple of the names of numbers."""

    arrays: dict
    scalars: tuple


# kernel | arrays, as name(dimensions), or name() for any number of dimensions; ? if it may be None | numbers
_TABLE = """
matmul                 | a(2) b(2) bias(1)? c(2) gate(2)?                                        | slope
matvec                 | a(2) b(2) bias(1)? c(2)                                                 |
dense_weight_gradient  | x(2) dy(2)                                                              |
conv2d                 | x(4) w(4) bias(1)? y(4) gate(4)?                                        | slope
conv2d_input_gradient  | dy(4) w(4) bias(1)? dx(4) gate(4)?                                      | slope
conv2d_weight_gradient | x(4) dy(4) dw(4)                                                        |
max_pool2d             | x(4) y(4) index(4)                                                      |
max_pool2d_gradient    | dy(4) index(4) dx(4)                                                    |
adam                   | p(1) g(1) m(1) v(1) finite(1)          | rate beta1 beta2 scale eps weight_decay clip
rmsprop                | p(1) g(1) v(1) finite(1)               | lr decay eps weight_decay clip
sgd                    | p(1) g(1) m(1)? finite(1)              | momentum of_m of_g weight_decay clip
moving_average         | average(1) p(1)                                                         | decay
all_finite             | x() finite(1)                                                           |
channel_moments        | x(2) partial(2)                                                         | rows
pool_moments           | mean(1) variance(1) partial(2)                                          | rows total
normalize              | x(2) mean(1) scale(1) bias(1) y(2)                                      | slope
channel_products       | dy(2) x(2) mean(1) scale(1)? bias(1)? partial(2)                        | rows slope
normalize_gradient     | dy(2) x(2) mean(1) scale(1) centre(1) share(1) bias(1)? dx(2)           | slope
column_sum             | x(2) partial(2)                                                         | rows
leaky_relu             | x() y()                                                                 | slope
leaky_relu_gradient    | dy() y() dx()                                                           | slope
add                    | one() two()? out()                                                      |
peak                   | sums(1) products(1)                                                     | steps
"""


def _arguments(arrays, scalars):
    """Make the Arguments of one line of the table, from the texts of its two columns.

    arrays     words such as "a(2)" or "bias(1)?": name, number of dimensions, and ? if it may be None
    scalars    the names of the numbers, with spaces between
    """
    named = {}
    for word in arrays.split():
        name, dimensions = word.rstrip("?)").split("(")
        named[name] = Array(int(dimensions) if dimensions else None, word.endswith("?"))
    return Arguments(named, tuple(scalars.split()))


_lines = [line.split("|") for line in _TABLE.strip().split("\n")]
ARGUMENTS = {kernel.strip(): _arguments(arrays, scalars) for kernel, arrays, scalars in _lines}
for kernel in "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient":  # the other forms, same arguments
    ARGUMENTS[f"{kernel}_thin"] = ARGUMENTS[f"fast_{kernel}"] = ARGUMENTS[kernel]
