"""The fast kernels: the functions of reference.py, with the same names and arguments, written in C (_core).

Each function allocates its output and cuts the work into shares, parts for the threads. Then it calls C,
which computes the shares without the GIL (Python's lock); calls.py has the details. Matrix products and
convolutions are in products.py. Kernels that pass over memory once are in pointwise.py.
"""

from . import _core, calls, products
from .calls import empty, measured_peak, num_threads, set_num_threads
from .pointwise import (
    adam,
    rmsprop,
    sgd,
    moving_average,
    add,
    all_finite,
    channel_moments,
    normalize,
    channel_products,
    normalize_gradient,
    column_sum,
    leaky_relu,
    leaky_relu_gradient,
)
from .products import (
    conv2d,
    conv2d_input_gradient,
    conv2d_weight_gradient,
    matmul,
    max_pool2d,
    max_pool2d_gradient,
)
