"""Penalties on the gradient of D in its input, and their exact gradient in D's weights.

    g = grad_x D(x)          (N, ...), one gradient a sample          penalty = weight mean_n c(|g_n|)

    c(n)                     source
    (n - 1)^2                Gulrajani et al. 2017, eq. 3
    max(0, n - 1)^2          the same, section 4, "Two-sided penalty": gradients below 1 are left alone

The penalty's gradient in the weights phi is a second derivative of D. With v = d penalty / dg held fixed, the chain rule and then the
exchange of the two derivatives say

    d penalty / d phi  =  d/d phi <v, grad_x D(x)>  =  d/dt grad_phi D(x + t v)  at t = 0

so it is enough to move x along v and to watch how D's weight gradient moves, which is what the tangent passes are for.
"""

from dataclasses import dataclass

import numpy as np

from .layers import Run
from .layers.base import kink

EPS = 1e-12                 # inside the root of the norm: at g = 0 the penalty stays differentiable, and v is 0


def on_input_gradient(penalty, D, phi, x, run=Run()):
    """(value, its gradient in phi) of any penalty(g) -> (value, v), v = d value / dg, on g = grad_x sum D(x).

    x (N, ...), D(x) (N, 1); the layers of D need tangent passes. Where D mixes samples (BatchNorm), g is the gradient of the batch's sum.
    """
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        raise TypeError(f"on_input_gradient: expected x as one float array (N, ...), got {getattr(x, 'dtype', type(x).__name__)}; "
                        "a penalty is on the gradient in real-valued samples")
    y, cache = D.forward(phi, x, run)
    one = np.ones_like(y)
    g, dys = D.trail(one, cache)
    value, v = penalty(g)
    _, tcache = D.tangent_forward(v, cache)                                           # x moves along v ...
    _, _, tdphi = D.tangent_backward(dys, None, cache, tcache, need_dx=False)         # ... and grad_phi D moves so
    return value, tdphi


@dataclass(frozen=True)
class GradientPenalty:
    """weight mean_n (|g_n| - target)^2, or with one_sided weight mean_n max(0, |g_n| - target)^2          g = grad_x D(x) (N, ...)

        value, dphi = GradientPenalty(10.0)(D, phi, x, run)

    ValueError for a weight or target that is negative or not finite.
    """

    weight: float = 10.0
    target: float = 1.0
    one_sided: bool = False

    def __post_init__(self):
        if not (0 <= self.weight < np.inf and 0 <= self.target < np.inf):
            raise ValueError(f"GradientPenalty: expected weight and target as finite numbers of at least 0, got {self.weight} and {self.target}; "
                             "the paper's are 10 and 1")

    def __call__(self, D, phi, x, run=Run()):
        """The penalty at the points x (N, ...), and its gradient in the parameters phi of D."""
        return on_input_gradient(self.of, D, phi, x, run)

    def of(self, g):
        """The penalty as a function of g (N, ...), and its derivative v (N, ...)."""
        n = norms(g)
        excess = n - n.dtype.type(self.target)
        if self.one_sided:
            kink(lambda: excess > 0)
            excess = np.maximum(excess, 0)
        value = self.weight * float(np.square(excess).mean())
        v = 2 * self.weight / len(g) * (excess / n) * g                               # d|g| / dg = g / |g|
        return value, v


def norms(g):
    """|g_n| = sqrt(sum over all axes but the first of g^2 + eps)          g (N, ...) -> (N, 1, ..., 1)"""
    return np.sqrt(np.square(g).sum(axis=tuple(range(1, g.ndim)), keepdims=True) + g.dtype.type(EPS))


def between(real, fake, rng):
    """One point on the segment from each real sample to its fake: e x + (1 - e) G(z), e ~ U(0, 1) for each pair (Algorithm 1, line 6)

    real (M, ...), fake (N, ...) -> (min(M, N), ...), the first of both in pairs.
    """
    n = min(len(real), len(fake))
    e = rng.uniform(size=(n, *(1,) * (real.ndim - 1))).astype(real.dtype)
    return e * real[:n] + (1 - e) * fake[:n]
