"""PyTorch's part of `numgan bench steps`: the same networks, losses, batch and updates, in five variants.

    naive       as in most tutorials: the generator step computes the weight gradients of D and discards them;
                Adam with its default loop
    careful     D is frozen in the generator step, gradients are set to None, Adam(fused=True)
    cl          careful, with the memory layout channels_last
    compile     careful, with torch.compile
    compilecl   careful, with channels_last and torch.compile

Only the separate process for PyTorch imports this file (see `worker`).
"""

import torch
import torch.nn.functional as F
from torch import nn

from .timing import burst

LATENT = 100  # entries of z


# ---- the networks; first weights: PyTorch's for Linear, N(0, 0.02^2) in convolutions, N(1, 0.02^2) for gains


def _dense_nets():
    """The networks (G, D) of the workload mlp: G is 100-1200-1200-784, D is 784-1200-1200-1."""
    G = [
        nn.Linear(LATENT, 1200),
        nn.ReLU(True),
        nn.Linear(1200, 1200),
        nn.ReLU(True),
        nn.Linear(1200, 784),
        nn.Tanh(),
    ]
    D = [
        nn.Linear(784, 1200),
        nn.LeakyReLU(0.2, True),
        nn.Linear(1200, 1200),
        nn.LeakyReLU(0.2, True),
        nn.Linear(1200, 1),
    ]
    return nn.Sequential(*G), nn.Sequential(*D)


def _generator(start, channels, colours, bias):
    """A DCGAN generator: z (N, 100, 1, 1) -> pictures (N, colours, H, W) in -1..1.

    start      height and width of the smallest feature map; each further layer doubles both
    channels   the channels of the feature maps, from the smallest map on
    bias       whether the last layer has a bias
    """
    layers = [
        nn.ConvTranspose2d(LATENT, channels[0], start, bias=False),
        nn.BatchNorm2d(channels[0]),
        nn.ReLU(True),
    ]
    for many, few in zip(channels, channels[1:]):
        layers += [nn.ConvTranspose2d(many, few, 4, 2, 1, bias=False), nn.BatchNorm2d(few), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(channels[-1], colours, 4, 2, 1, bias=bias), nn.Tanh())


def _discriminator(colours, channels, last, bias, norm=True):
    """A DCGAN discriminator: pictures (N, colours, H, W) -> logits. Each convolution halves the picture.

    channels   the channels of the convolutions
    last       the layers after them
    bias       whether the first convolution has a bias
    norm       whether BatchNorm follows each convolution but the first; otherwise they have biases
    """
    layers = [nn.Conv2d(colours, channels[0], 4, 2, 1, bias=bias), nn.LeakyReLU(0.2, True)]
    for few, many in zip(channels, channels[1:]):
        layers += (
            [nn.Conv2d(few, many, 4, 2, 1, bias=not norm)]
            + [nn.BatchNorm2d(many)] * norm
            + [nn.LeakyReLU(0.2, True)]
        )
    return nn.Sequential(*layers, *last)


def nets(workload):
    """The networks (G, D) of a workload (a name in WORKLOADS), with PyTorch's default weights.

    `Game` draws the first weights of convolutions and BatchNorm afterwards.
    """
    if workload == "mlp":
        return _dense_nets()
    if workload == "dcgan64":
        last = nn.Conv2d(512, 1, 4, bias=False), nn.Flatten()
        return _generator(4, (512, 256, 128, 64), 3, bias=False), _discriminator(
            3, (64, 128, 256, 512), last, bias=False
        )
    last = nn.Flatten(), nn.Linear(128 * 7 * 7, 1)
    norm = workload == "dcgan28"  # the critic of wgangp28 has no BatchNorm
    return _generator(7, (128, 64), 1, bias=True), _discriminator(1, (64, 128), last, bias=True, norm=norm)


def _draw_weights(module):
    """Draw the first weights of `module`: N(0, 0.02^2) for a convolution, N(1, 0.02^2) for BatchNorm2d."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


# ---- the steps


class Game:
    """A GAN in PyTorch. A step is one update of D on real samples and fakes, and one of G on the same fakes.

    workload   a name in WORKLOADS
    variant    "naive", "careful", "cl", "compile" or "compilecl", see the top of this file
    real       (N, C, H, W) or (N, 784), a NumPy array: the batch of every step
    """

    lr, betas = 2e-4, (0.5, 0.999)

    def __init__(self, workload, variant, real):
        torch.manual_seed(0)
        self.careful = variant != "naive"
        self.layout = (
            torch.channels_last
            if variant in ("cl", "compilecl") and real.ndim == 4
            else torch.contiguous_format
        )
        plain = [net.apply(_draw_weights).to(memory_format=self.layout) for net in nets(workload)]
        self.plain = dict(zip("GD", plain))
        compiled = variant.startswith("compile")
        self.G, self.D = (torch.compile(net, dynamic=False) if compiled else net for net in plain)
        self.optimizers = {
            name: torch.optim.Adam(net.parameters(), self.lr, self.betas, fused=self.careful or None)
            for name, net in self.plain.items()
        }
        self.real = self._laid(torch.from_numpy(real))
        self.ones, self.zeros = torch.ones(len(real)), torch.zeros(len(real))
        self.latent_shape = (len(real), LATENT, *(1,) * (real.ndim - 2))  # a latent is a picture of one pixel

    def _laid(self, x):
        """The tensor x in the memory layout of the variant; a tensor that is no picture is unchanged."""
        return x.contiguous(memory_format=self.layout) if x.ndim == 4 else x

    def latents(self):
        """New latents, N(0, 1): (N, 100), or (N, 100, 1, 1) for pictures."""
        return torch.randn(self.latent_shape)

    def step(self):
        """One update of D, then one of G, with the same fakes."""
        self.discriminate(fake := self.G(self.latents()))
        self.optimizers["D"].step()
        self.generate(fake)
        self.optimizers["G"].step()

    def discriminate(self, fake):
        """Write the gradient of D's loss to .grad of D's parameters. `fake` is G(z).

        The loss is the batch mean of -log D(x) - log(1 - D(G(z))). D(x) and D(G(z)) are probabilities here.
        """
        self.optimizers["D"].zero_grad(set_to_none=True)
        F.binary_cross_entropy_with_logits(self.D(self.real).flatten(), self.ones).backward()
        F.binary_cross_entropy_with_logits(self.D(fake.detach()).flatten(), self.zeros).backward()

    def generate(self, fake):
        """Write the gradient of G's loss to .grad of G's parameters. `fake` is G(z).

        The loss is the batch mean of -log D(G(z)).
        """
        self.optimizers["G"].zero_grad(set_to_none=True)
        self.plain["D"].requires_grad_(not self.careful)
        F.binary_cross_entropy_with_logits(self.D(fake).flatten(), self.ones).backward()
        self.plain["D"].requires_grad_(True)

    def gradients(self, z, mix):
        """The gradients of D and G in one step: {network: [arrays in the order of parameters()]}.

        z is the latents (N, 100). `mix` is not used here; `Critic` uses it. No weight is updated.
        """
        fake = self.G(torch.from_numpy(z).reshape(self.latent_shape))
        self.discriminate(fake)
        found = {"D": self._taken("D")}
        self.generate(fake)
        return found | {"G": self._taken("G")}

    def _taken(self, name):
        """Copies of the gradients of the network `name`, "D" or "G": [NumPy arrays, as parameters()]."""
        return [p.grad.numpy(force=True).copy() for p in self.plain[name].parameters()]

    def weights(self):
        """The weights of G and D: {network: [NumPy arrays in the order of parameters()]}."""
        return {
            name: [p.numpy(force=True).copy() for p in net.parameters()] for name, net in self.plain.items()
        }


class Critic(Game):
    """WGAN-GP in PyTorch. A step is one update of the critic (D); G does not change.

    No gradient of the fakes is computed. The penalty 10 mean (|grad D(x^)| - 1)^2 contains a gradient with
    respect to x^, which is differentiated again for the update.
    """

    lr, betas = 1e-4, (0.0, 0.9)

    def step(self):
        """One update of the critic. The fakes are drawn without a gradient, `mix` is drawn from U(0, 1)."""
        with torch.no_grad():
            fake = self._laid(self.G(self.latents()))
        self.criticise(fake, torch.rand(len(fake), 1, 1, 1))
        self.optimizers["D"].step()

    def criticise(self, fake, mix):
        """Write the gradient of mean D(G(z)) - mean D(x) + 10 mean (|grad D(x^)| - 1)^2 to .grad of D.

        x^ = mix x + (1 - mix) G(z)          `fake` is G(z), mix (N, 1, 1, 1)
        """
        self.optimizers["D"].zero_grad(set_to_none=True)
        between = self._laid(fake + mix * (self.real - fake)).requires_grad_(True)
        (slope,) = torch.autograd.grad(self.D(between).sum(), between, create_graph=True)  # grad D(x^)
        penalty = (slope.flatten(1).norm(2, 1) - 1).square().mean()
        (self.D(fake).mean() - self.D(self.real).mean() + 10 * penalty).backward()

    def gradients(self, z, mix):
        """The gradient of D in one step: {"D": [arrays in the order of parameters()]}; no weight is updated.

        z is the latents (N, 100), mix (N, 1, 1, 1) the weights of the real samples in x^.
        """
        with torch.no_grad():
            fake = self._laid(self.G(torch.from_numpy(z).reshape(self.latent_shape)))
        self.criticise(fake, torch.from_numpy(mix))
        return {"D": self._taken("D")}


# ---- the functions that the worker calls

_games = {}  # {variant: Game}, of the workload that was built last


def build(workload, variant, real):
    """Build a variant of a workload for the batch `real`. Returns its first weights, see `Game.weights`.

    workload, variant and real are the arguments of `Game`; all three are remembered under the variant's name.
    `gradients` and `run` then use it. torch.compile compiles the networks in the first call of `gradients`,
    and may fail there.
    """
    _games[variant] = (Critic if workload == "wgangp28" else Game)(workload, variant, real)
    return _games[variant].weights()


def gradients(variant, z, mix):
    """The gradients of one step of a variant: {network: [arrays in the order of parameters()]}.

    z and mix are the arguments of `Game.gradients`. `build` must have built the variant before.
    """
    return _games[variant].gradients(z, mix)


def run(variant, calls):
    """Make `calls` training steps of a variant and return the milliseconds of each step.

    One more step comes first and does not count. `build` must have built the variant.
    """
    return burst(_games[variant].step, calls)
