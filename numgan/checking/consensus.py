"""check_consensus: the gradient of weight/2 |v|^2 with respect to all parameters of D and G.

v is the joint gradient: the gradients of D's loss and of G's loss. `check_system` checks v.
"""

from functools import partial

import numpy as np

from ..core.parameters import whole_gradient
from ..core.randomness import derive, stream
from ..core.underflow import may_underflow
from ..layers import Pass
from .differences import compare, parameter_blocks
from .points import outcomes, randomised
from .report import AllZero, Subject


@may_underflow
def check_consensus(consensus, D, G, z, *, slow=True, real=5, fake=4, seed=0):
    """Check consensus optimisation of the networks D and G and return a Report.

        numgan.check_consensus(Consensus(10.0), mlp(3, 5, 1), mlp(2, 4, 3), (2,))

    consensus    the `Consensus` under test
    z            the shape of one latent, without the batch axis
    slow         compare every entry of every parameter; False: a few random projections of each parameter
    real, fake   numbers of samples

    Raises GradientError if a gradient is wrong.
    """
    title = repr(consensus)
    make = partial(GamePoint, D, G, z, real, fake, seed)
    return outcomes(title, make, [gradient_in_weights], consensus, slow, title)


class GamePoint:
    """D and G with random parameters, real samples, latents and contexts, all from one seed and in float64.

    z, real and fake as in `check_consensus`. Another `attempt` gives other random numbers.
    """

    def __init__(self, D, G, z, real=5, fake=4, seed=0, attempt=0):
        rng = partial(stream, seed, "check consensus", attempt)
        self.networks, self.seed = dict(D=D, G=G), seed
        self.params = {
            name: randomised(net, net.init(rng("init", name), np.float64), rng("p", name))
            for name, net in self.networks.items()
        }
        self.at = rng("x").standard_normal((real, *G.output_shape(z))), rng("z").standard_normal((fake, *z))
        self.runs = [Pass(derive(seed, purpose)) for purpose in ("real", "fake", "generator")]

    def run(self, consensus, params):
        """(value, {network name: gradient}) of the consensus penalty with the parameters `params`."""
        value, gradients, _ = consensus(*self.networks.values(), *params.values(), *self.at, *self.runs)
        return value, dict(zip(params, gradients))

    def upstream(self, params):
        """(loss, {network name: gradient}) of a linear loss, <dy, D(x)> + <dx, G(z)>. dy and dx are random
        constants.
        """
        loss, gradients = 0.0, {}
        for owner, x, context in zip(self.networks, self.at, self.runs[::2]):
            y, cache = self.networks[owner].forward(params[owner], x, context)
            dy = stream(self.seed, "dy", owner).standard_normal(y.shape)
            loss += float((dy * y).sum())
            gradients[owner] = whole_gradient(self.networks[owner].backward(dy, cache)[1], params[owner])
        return loss, gradients


def gradient_in_weights(consensus, slow, subject, point):
    """Check d (penalty + linear loss) / d (phi, theta), the parameters of D and G at this GamePoint.

    Returns (max_error, notes). slow=False compares random projections. Why a linear loss is added: if the
    adversarial loss is piecewise linear, the gradient of |v|^2 with respect to D's last bias is zero, and
    nothing would be compared. Raises AllZero if a whole gradient is zero.
    """
    _, gradients = point.run(consensus, point.params)
    if not all(gradient.vector.any() for gradient in gradients.values()):
        raise AllZero(f"{subject}: the gradient is zero at this point; nothing was compared")
    blocks = []
    for owner, ordinary in point.upstream(point.params)[1].items():

        def value(q, owner=owner):
            params = point.params | {owner: q}
            return point.run(consensus, params)[0] + point.upstream(params)[0]

        gradient = gradients[owner] + ordinary
        name = f"gradient of {{}} of {owner}"
        blocks += parameter_blocks(point.params[owner], gradient, value, f"{subject}, {owner}", name)
    reproduce = f"numgan.check_consensus(consensus, D, G, z, seed={point.seed})"
    about = Subject(subject, reproduce, len(point.at[0]))
    return compare(blocks, about, stream(point.seed, "directions"), slow)
