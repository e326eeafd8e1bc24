"""numgan: generative adversarial networks in NumPy. Every backward pass is by hand, every gradient checked.

    import numgan as ng

    net = ng.Sequential(ng.Dense(2, 64), ng.ReLU(), ng.Dense(64, 1))    # layers and networks: numgan.layers
    p = net.init(0)                                                     # all parameters, in one vector
    y, cache = net.forward(p, x)                                        # cache: what backward needs of x
    dx, dp = net.backward(dy, cache)                                    # dp has the form of p

    ng.check_layer(net)                                                 # finite differences: numgan.checking
    system = ng.build("dcgan", "digits")                                # a paper's system: numgan.systems
    ng.train(system, ng.data.load("digits"), "run")                     # the training loop: numgan.training

The package is written as a book. Reading order of its folders: layers, losses, optimizers, networks,
remedies, systems, checking, data, training, metrics, evaluation. All of them use core and _kernels.
"""

from .core import environment as _environment  # first: it reports environment variables with wrong values
from . import data, layers, losses, metrics, networks, optimizers, systems
from .layers import initializers
from .remedies import penalties
from .optimizers import schedules
from ._kernels import (
    backend,
    fast_convolutions,
    instruction_set,
    kernel_calls,
    num_threads,
    register_backend,
    release_memory,
    set_num_threads,
    use_backend,
    use_fast_convolutions,
)
from .checking import (
    check_consensus,
    check_layer,
    check_loss,
    check_optimizer,
    check_penalty,
    check_system,
    check_unrolling,
    gradcheck,
    numeric_gradient,
)
from .remedies.consensus import Consensus
from .core.version import VERSION as __version__
from .core.errors import FileFormatError, GradientError, NonFiniteError
from .layers import *
from .losses import (
    hinge,
    l1,
    l2,
    least_squares,
    minimax,
    nonsaturating,
    relativistic_average,
    relativistic_paired,
    smoothed,
    softmax_cross_entropy,
    wasserstein,
)
from .networks import dcgan_discriminator, dcgan_generator, mlp
from .optimizers import SGD, Adam, Historical, RMSProp, moving_average
from .core.parameters import Parameters
from .remedies.balance import Balance
from .remedies.noise import InstanceNoise, NoisyLabels
from .remedies.penalties import R1, R2, DRAGANPenalty, GradientPenalty, Lazy, R1Penalty, Roth, RothPenalty
from .remedies.replay import PastPlayers, Replay
from .systems import Batch, build
from .systems.games.two_player import TwoPlayerGAN
from .training import train
from .remedies.unrolling import Unrolling
