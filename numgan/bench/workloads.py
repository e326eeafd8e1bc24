"""The four training steps of the benchmark. They use the systems of the package.

    mlp        784-1200-1200 networks, batch 128         the game of Goodfellow et al. 2014, with Adam
    dcgan28    100 -> 7x7x128 -> 14x14x64 -> 28x28x1     networks of Radford et al. 2016 for MNIST, batch 64
    dcgan64    100 -> 4x4x512 -> ... -> 64x64x3          the same for 64 x 64 colour pictures, batch 64
    wgangp28   the critic of dcgan28, without BatchNorm  Gulrajani et al. 2017, Algorithm 1, batch 64

The step of `numgan train` is timed. In mlp, dcgan28 and dcgan64, a step is one update of D (on real samples
and fakes) and one update of G. In numgan and in PyTorch, D and G use the same fakes. In wgangp28, a step is
one update of the critic only, with the exact gradient penalty. No gradient flows into its fakes.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Callable

import numpy as np

from ..core.randomness import stream
from ..data import Feed
from ..layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from ..networks import mlp
from ..optimizers import Adam
from ..systems import Batch, Latent
from ..systems.games import dcgan, wgan_gp
from ..systems.games.gan import GAN
from ..training import loop as training
from ..training.state import State
from .exchange import projects
from .worker import expect_known

# the notes of the workloads
SHARED = "fakes of one draw shared by both players"
ALONE = "one critic update, fakes drawn without gradient, exact penalty"


@dataclass(frozen=True)
class Workload:
    """A training step that is timed.

    name    the name of the workload
    note    a description of the step
    build   build() -> the system, with the batch_size of the workload
    """

    name: str
    note: str
    build: Callable


def _mlp():
    """Build the system of the workload mlp: a GAN with dense networks and Adam(2e-4, beta1 = 0.5)."""
    return GAN(
        latent=Latent(100),
        sample_shape=(784,),
        batch_size=128,
        shares_fakes=True,
        optimizers={name: Adam(2e-4, beta1=0.5, beta2=0.999) for name in ("D", "G")},
        networks={
            "G": mlp(100, 1200, 1200, 784, last=Tanh),
            "D": mlp(784, 1200, 1200, 1, activation=LeakyReLU),
        },
    )


def _dcgan28():
    """Build the system of the workload dcgan28: the preset dcgan/mnist without a moving average."""
    return replace(dcgan.mnist(), average=0.0)


def _dcgan64():
    """Build the system of the workload dcgan64.

    It is the preset dcgan/half with other networks. As in widely used code, convolutions and Dense have no
    biases, and D ends in a convolution.
    """
    window = {"kernel": 4, "stride": 2, "padding": 1, "bias": False}
    G = [Dense(100, 4 * 4 * 512, bias=False), Reshape(4, 4, 512), BatchNorm(512), ReLU()]
    D = [Conv2d(3, 64, **window), LeakyReLU(0.2)]
    for channels in (256, 128, 64):
        G += [ConvTranspose2d(2 * channels, channels, **window), BatchNorm(channels), ReLU()]
    for channels in (128, 256, 512):
        D += [Conv2d(channels // 2, channels, **window), BatchNorm(channels), LeakyReLU(0.2)]
    return replace(
        dcgan.half(),
        networks={
            "G": Sequential(*G, ConvTranspose2d(64, 3, **window), Tanh()),
            "D": Sequential(*D, Conv2d(512, 1, kernel=4, bias=False), Flatten()),
        },
    )


class _Critic(wgan_gp.WGANGP):
    """WGAN-GP in which a step is only one update of the critic."""

    def rounds(self, step):
        """The names of the objectives of a step: ("D",)."""
        return ("D",)


def _wgangp28():
    """Build the system of the workload wgangp28: the preset wgan_gp/mnist in which only the critic trains."""
    preset = wgan_gp.mnist()
    return _Critic(**vars(preset) | {"optimizers": {"D": preset.optimizers["D"]}})


WORKLOADS = {
    work.name: work
    for work in (
        Workload("mlp", SHARED, _mlp),
        Workload("dcgan28", SHARED, _dcgan28),
        Workload("dcgan64", SHARED, _dcgan64),
        Workload("wgangp28", ALONE, _wgangp28),
    )
}


def chosen(names):
    """The list of the Workloads with these names; None: all. Raises ValueError for an unknown name."""
    expect_known("workload", names or (), WORKLOADS)
    return [WORKLOADS[name] for name in names or WORKLOADS]


def initialise(net, p, rng):
    """Write first weights to p, the Parameters of the Sequential `net`, drawn as for the PyTorch networks.

    rng draws the numbers:

    weights of convolutions              N(0, 0.02^2), as in DCGAN
    a Dense from a latent to a picture   N(0, 0.02^2), because it is a convolution in PyTorch
    other weights of Dense               U(-a, a) with a = 1 / sqrt(fan in), PyTorch's default
    biases of Dense and convolutions     U(-a, a) too
    BatchNorm                            gains N(1, 0.02^2), biases 0
    """
    for i, (name, layer) in enumerate(net.children.items()):
        here = p.child(name)
        if isinstance(layer, BatchNorm):
            here["gain"][...], here["bias"][...] = rng.normal(1, 0.02, layer.channels), 0
        elif "W" in here:
            limit = 1 / np.sqrt(np.prod(layer.weight_shape[:-1]))  # 1 / sqrt(fan in)
            default = isinstance(layer, Dense) and not projects(net, i)
            here["W"][...] = (
                rng.uniform(-limit, limit, layer.weight_shape)
                if default
                else rng.normal(0, 0.02, layer.weight_shape)
            )
            if "b" in here:
                here["b"][...] = rng.uniform(-limit, limit, layer.features)


class Session:
    """A system in training on one batch that never changes, for timing.

    system   the system; step() makes one training step of it
    batch    the Batch of every step: the columns of `system.example`, random numbers in the range of the
             pixels as float32, and random labels if there are classes
    state    the State of the training

    Session(system, batch_size, seed) makes it. batch_size None means that of the system. seed gives the batch
    and the first weights.
    """

    def __init__(self, system, batch_size=None, seed=0):
        columns = system.example(batch_size or system.batch_size, partial(stream, seed, "bench"))
        columns = {
            name: column.astype(np.float32) if column.dtype.kind == "f" else column
            for name, column in columns.items()
        }
        self.system, self.state, self.batch = system, State.start(system, seed), Batch(columns)
        self.feed = Feed(lambda k: self.batch, float)

    @classmethod
    def of(cls, workload):
        """A Session of `workload`, a Workload. Its first weights are drawn as for PyTorch (`initialise`)."""
        session = cls(workload.build())
        for name, net in session.system.networks.items():
            initialise(net, session.state.params[name], stream(0, "first weights", name))
        return session

    def step(self):
        """Make one training step, which changes the state, and return {name of an objective: Result}.

        NumPy gives no warnings in this step.
        """
        with np.errstate(all="ignore"):
            return training.advance(self.system, self.state, self.feed, 0)
