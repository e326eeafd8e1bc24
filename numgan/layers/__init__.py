"""The layers. Each has four passes, written by hand.

The passes are forward, backward, tangent_forward and tangent_backward; base.py defines them.

Reading order: base, activations, bilinear, pooling, resampling, shaping, normalization, dropout, embedding,
minibatch, packing, equalized, spectral, network, given, virtual.
"""

import types

from .activations import ELU, Elementwise, LeakyReLU, Maxout, ReLU, Sigmoid, Softplus, Tanh
from ..core.probes import record_kinks, watch_finite
from .base import Layer, LinearMap, Pass
from .bilinear import Conv2d, ConvTranspose2d, Dense
from .dropout import Dropout, Noise
from .embedding import Embedding
from .equalized import Equalized
from .given import Given
from .minibatch import MinibatchDiscrimination, MinibatchStd
from .network import Condition, Network, Parallel, Residual, Sequential, Skip
from .normalization import BatchNorm, InstanceNorm, LayerNorm, PixelNorm, measure
from .packing import Pack
from .pooling import AvgPool2d, MaxPool2d
from .resampling import PixelShuffle, Upsample
from .shaping import Concat, Crop, Flatten, Pad, Reshape, Pick
from .spectral import Spectral, power_step
from .virtual import Referenced, VirtualBatchNorm

# Every name that is imported above, except modules.
__all__ = [
    name for name, value in globals().items() if not (name[0] == "_" or isinstance(value, types.ModuleType))
]
