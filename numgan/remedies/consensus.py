"""Consensus optimisation (Mescheder et al. 2017, "The numerics of GANs", section 4, Algorithm 2): both players also descend on |v|^2.

    v = (d L_D / d phi, d L_G / d theta)          what each player descends on, the game's vector field; v = 0 where neither wants to move
    R = weight/2 |v|^2                            phi -= h (v_phi + d R / d phi),  theta -= h (v_theta + d R / d theta)

Simultaneous descent circles around v = 0; R pulls it in. With v held fixed and both derivatives exchanged, in all of (phi, theta)

    grad |v|^2 / 2  =  grad <d L_D / d phi, v_phi> + grad <d L_G / d theta, v_theta>
                    =  d/dt grad L_D(phi + t v_phi, theta) + d/dt grad L_G(phi, theta + t v_theta)          at t = 0

two Hessian-vector products: one moves D's weights along its own gradient and watches how every gradient of L_D moves, D's and, through
the fakes, G's; the other moves G's weights and watches those of L_G.
"""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import expect_finite, is_number, plain_fields
from ..core.parameters import Parameters, whole_gradient
from ..core.underflow import may_underflow
from ..layers import Layer, Pass
from ..losses import AdversarialLoss, nonsaturating


@may_underflow
@dataclass(frozen=True)
class Consensus:
    """weight/2 |v|^2          v = (d L_D / d phi, d L_G / d theta) of the game that `loss` makes of networks D and G

        value, (dphi, dtheta), (v_phi, v_theta) = Consensus(10.0, nonsaturating)(D, G, phi, theta, real, z)

    ValueError for a weight that is negative or not finite; TypeError for a loss that is no AdversarialLoss (its second derivatives
    are needed), or for networks and Parameters that are none; NonFiniteError for logits that are inf or nan.
    """

    weight: float = 10.0
    loss: AdversarialLoss = nonsaturating

    def __post_init__(self):
        if not is_number(self.weight):
            raise ValueError(
                f"Consensus: expected weight as a finite number of at least 0, got {self.weight!r}; the paper's is 10"
            )
        if not isinstance(self.loss, AdversarialLoss):
            raise TypeError(
                f"Consensus: expected loss as an AdversarialLoss such as numgan.nonsaturating, got {self.loss!r}"
            )
        plain_fields(self)

    def __call__(
        self, D, G, phi, theta, real, z, real_context=Pass(), fake_context=Pass(), gen_context=Pass()
    ):
        """(value, its gradients in phi and theta, v) at real samples (M, ...) and latents z (N, Z), which may differ in number.

        v is what the players descend on without the penalty: no need to compute it again.
        """
        for kind, given in ((Layer, dict(D=D, G=G)), (Parameters, dict(phi=phi, theta=theta))):
            for name, value in given.items():
                if not isinstance(value, kind):
                    raise TypeError(
                        f"Consensus: expected {name} as a {kind.__name__}, got {type(value).__name__}"
                    )
        fake, c_gen = G.forward(theta, z, gen_context)
        a, c_real = D.forward(phi, real, real_context)
        b, c_fake = D.forward(phi, fake, fake_context)
        expect_finite("Consensus", a, b)

        _, da, db = self.loss.discriminator(a, b)
        _, dphi_real = D.backward(da, c_real, need_dx=False)
        _, dphi_fake = D.backward(db, c_fake, need_dx=False)
        v_phi = whole_gradient(dphi_real, phi) + whole_gradient(dphi_fake, phi)
        _, db_gen = self.loss.generator(b)
        dfake, dys = D.backward_keeping(db_gen, c_fake)  # through D, which does not change
        _, dtheta = G.backward(dfake, c_gen, need_dx=False)
        v_theta = whole_gradient(dtheta, theta)

        ta, t_real = D.tangent_forward(None, c_real, v_phi)  # L_D as phi moves along v_phi
        tb, t_fake = D.tangent_forward(None, c_fake, v_phi)
        tda, tdb = self.loss.discriminator_tangent(a, b, ta, tb)
        _, h_real = D.tangent_backward(da, tda, c_real, t_real, need_dx=False)
        tdfake, h_fake = D.tangent_backward(db, tdb, c_fake, t_fake)
        _, mixed = G.backward(
            tdfake, c_gen, need_dx=False
        )  # G stands still: its backward pass is linear in dfake

        tfake, t_gen = G.tangent_forward(None, c_gen, v_theta)  # L_G as theta moves along v_theta
        tb, t_fake = D.tangent_forward(tfake, c_fake)
        tdb = self.loss.generator_tangent(b, tb)
        tdfake, h_mixed = D.tangent_backward(dys, tdb, c_fake, t_fake)
        _, h_theta = G.tangent_backward(dfake, tdfake, c_gen, t_gen, need_dx=False)

        square = sum(float(np.square(part.vector).sum()) for part in (v_phi, v_theta))
        return (
            self.weight / 2 * square,
            (self._sum(phi, h_real, h_fake, h_mixed), self._sum(theta, mixed, h_theta)),
            (v_phi, v_theta),
        )

    def _sum(self, p, *gradients):
        """The weighted sum of several gradients of the parameters p."""
        return p.like(
            p.dtype.type(self.weight) * sum(whole_gradient(gradient, p).vector for gradient in gradients)
        )
