"""numgan: the GAN textbook that runs. `import numgan as ng` and read on in numgan.layers."""

from . import data, initializers, layers, losses, networks, optimizers, schedules, systems
from ._kernels import backend, kernel_calls, use_backend
from .errors import FileFormatError, GradientError, NonFiniteError
from .layers import *
from .parameters import Parameters

__version__ = "0.1.0"
