"""check_consensus: checks the gradient of the penalty weight/2 |v|^2 of consensus optimisation.

The gradient is that with respect to all parameters of D and G. v is one vector: the gradient of D's loss with
respect to D's parameters, and that of G's loss with respect to G's parameters. `check_system` checks v
itself.
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
    """Check the gradient of consensus optimisation of the networks D and G and return a Report.

        numgan.check_consensus(Consensus(10.0), mlp(3, 5, 1), mlp(2, 4, 3), (2,))

    consensus    the `Consensus` under test
    D, G         the networks; their parameters are drawn at random
    z            the shape of one latent, without the batch axis
    slow         compare every entry of every parameter; False: a few random projections of each parameter
    real, fake   the numbers of real samples and of latents

    Raises GradientError if a gradient is wrong. seed gives all random numbers.
    """
    title = repr(consensus)
    make = partial(GamePoint, D, G, z, real, fake, seed)
    return outcomes(title, make, [gradient_in_weights], consensus, slow, title)


class GamePoint:
    """D and G with random parameters, real samples, latents and contexts, in float64: what one check needs.

    z            the shape of one latent, without the batch axis
    real, fake   the numbers of real samples and of latents
    seed         gives all random numbers, together with attempt: another attempt gives other numbers
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
        """(value, gradients) of the consensus penalty at these parameters. gradients is {network: gradient}.

        consensus   the `Consensus` object under test
        params      {network: Parameters}, with D first
        """
        value, gradients, _ = consensus(*self.networks.values(), *params.values(), *self.at, *self.runs)
        return value, dict(zip(params, gradients))

    def upstream(self, params):
        """(loss, {network: gradient}) of the linear loss <dy, D(x)> + <dx, G(z)>.

        x are the real samples and z the latents of this GamePoint; dy and dx are random constants. params is
        {network: Parameters}.
        """
        loss, gradients = 0.0, {}
        context_real, _, context_generator = self.runs  # the second one is that of D(G(z))
        for owner, x, context in zip(self.networks, self.at, (context_real, context_generator)):
            y, cache = self.networks[owner].forward(params[owner], x, context)
            dy = stream(self.seed, "dy", owner).standard_normal(y.shape)
            loss += float((dy * y).sum())
            gradients[owner] = whole_gradient(self.networks[owner].backward(dy, cache)[1], params[owner])
        return loss, gradients


def gradient_in_weights(consensus, slow, subject, point):
    """Check the gradient of (consensus penalty + linear loss) with respect to the parameters of D and G.

    Returns (max_error, notes): the largest relative error, and a text for the report. The penalty is weight/2
    |v|^2, the linear loss is `GamePoint.upstream`. The linear loss is there because of adversarial losses
    that are piecewise linear: then the gradient of |v|^2 with respect to D's last bias is zero, and nothing
    would be compared.

    consensus   the `Consensus` object under test
    slow        compare every entry; False: random projections
    subject     the text that begins messages
    point       the GamePoint: D and G with their random parameters and samples

    Raises AllZero if the penalty's gradient with respect to all parameters of D, or of G, is zero. Raises
    GradientError if a gradient is wrong.
    """
    _, gradients = point.run(consensus, point.params)
    if not all(gradient.vector.any() for gradient in gradients.values()):
        raise AllZero(f"{subject}: the gradient is zero at this point; nothing was compared")
    blocks = []
    _, linear = point.upstream(point.params)
    for owner, ordinary in linear.items():

        def value(q, owner=owner):
            params = point.params | {owner: q}
            return point.run(consensus, params)[0] + point.upstream(params)[0]

        gradient = gradients[owner] + ordinary
        name = f"gradient of {{}} of {owner}"
        blocks += parameter_blocks(point.params[owner], gradient, value, f"{subject}, {owner}", name)
    reproduce = f"numgan.check_consensus(consensus, D, G, z, seed={point.seed})"
    real, _ = point.at
    about = Subject(subject, reproduce, len(real))
    return compare(blocks, about, stream(point.seed, "directions"), slow)
