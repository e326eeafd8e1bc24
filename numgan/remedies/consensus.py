"""Consensus optimisation (Mescheder et al. 2017, "The numerics of GANs", section 4, Algorithm 2).

    v = (v_phi, v_theta) = (d L_D / d phi, d L_G / d theta)
    R = weight/2 |v|^2

    phi -= h (v_phi + d R / d phi)                theta -= h (v_theta + d R / d theta)

L_D and L_G are the losses of D and G, phi are D's parameters, theta are G's, and h is the learning rate. At
an equilibrium v = 0. Simultaneous gradient descent circles around such a point; descent on R leads towards
this point. Let v be a constant, and exchange the order of the derivatives. Then the gradient with respect to
all of (phi, theta) is

    grad |v|^2 / 2  =  grad <d L_D / d phi, v_phi> + grad <d L_G / d theta, v_theta>
                    =  d/dt grad L_D(phi + t v_phi, theta) + d/dt grad L_G(phi, theta + t v_theta)   at t = 0

These are two Hessian-vector products. The first is the tangent of all gradients of L_D when phi moves along
v_phi: the gradient with respect to phi, and that with respect to theta, which goes through the fakes. The
second is the tangent of all gradients of L_G when theta moves along v_theta.
"""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import expect_finite, expect_type
from ..core.parameters import Parameters, whole_gradient
from ..core.underflow import may_underflow
from ..layers import Layer, Pass
from ..losses import AdversarialLoss, nonsaturating
from .penalties import expect_weight


@may_underflow
@dataclass(frozen=True)
class Consensus:
    """The penalty weight/2 |v|^2 of consensus optimisation; v are the gradients of both players' losses.

    v = (d L_D / d phi, d L_G / d theta), where phi are D's parameters and theta G's.

    weight    the factor of the penalty; 10 by default
    loss      the AdversarialLoss that has both losses, L_D and L_G; nonsaturating by default

        value, (dphi, dtheta), (v_phi, v_theta) = Consensus(10.0, nonsaturating)(D, G, phi, theta, real, z)

    Raises ValueError for a weight that is negative or not finite. Raises TypeError for a loss that is not an
    AdversarialLoss (second derivatives are needed). The call raises TypeError for a D or G that is not a
    layer, or a phi or theta that is not a Parameters object, and NonFiniteError for logits that are inf or
    nan.
    """

    weight: float = 10.0
    loss: AdversarialLoss = nonsaturating

    def __post_init__(self):
        expect_weight(self, "10")
        if not isinstance(self.loss, AdversarialLoss):
            raise TypeError(
                "Consensus: expected loss as an AdversarialLoss such as numgan.nonsaturating, "
                f"got {self.loss!r}"
            )

    def __call__(
        self, D, G, phi, theta, real, z, real_context=Pass(), fake_context=Pass(), gen_context=Pass()
    ):
        """(value, (dphi, dtheta), (v_phi, v_theta)): the penalty, its gradients, and v.

        D, G            the two networks, whose layers have tangent passes
        phi, theta      the Parameters of D and of G
        real            (M, ...) real samples
        z               (N, Z) noise, the input of G; M and N may differ
        real_context    the context (Pass) of D's passes on real samples
        fake_context    the context of D's passes on fakes
        gen_context     the context of G's passes

        dphi and dtheta are the gradients of the penalty with respect to phi and theta. v_phi and v_theta are
        the gradients of the losses of D and G without the penalty. All four are Parameters; value is a float.
        For an update the caller adds v_phi to dphi and v_theta to dtheta.
        """
        for kind, given in ((Layer, dict(D=D, G=G)), (Parameters, dict(phi=phi, theta=theta))):
            for name, value in given.items():
                expect_type("Consensus", value, kind, f"{name} as a {kind.__name__}")
        # names: a, b: logits of real samples and fakes; c_: caches; d: derivatives of L_D or L_G;
        # t: tangents; h_, mixed: parts of the gradient of |v|^2 / 2
        fake, c_gen = G.forward(theta, z, gen_context)
        a, c_real = D.forward(phi, real, real_context)
        b, c_fake = D.forward(phi, fake, fake_context)
        expect_finite("Consensus", a, b)

        _, da, db = self.loss.discriminator(a, b)
        _, dphi_real = D.backward(da, c_real, need_dx=False)
        _, dphi_fake = D.backward(db, c_fake, need_dx=False)
        v_phi = whole_gradient(dphi_real, phi) + whole_gradient(dphi_fake, phi)
        _, db_gen = self.loss.generator(b)
        dfake, dys = D.backward_keeping(db_gen, c_fake)  # frozen: D's weights are constants here
        _, dtheta = G.backward(dfake, c_gen, need_dx=False)
        v_theta = whole_gradient(dtheta, theta)

        ta, t_real = D.tangent_forward(None, c_real, v_phi)  # tangents of L_D: phi moves along v_phi
        tb, t_fake = D.tangent_forward(None, c_fake, v_phi)
        tda, tdb = self.loss.discriminator_tangent(a, b, ta, tb)
        _, h_real = D.tangent_backward(da, tda, c_real, t_real, need_dx=False)
        tdfake, h_fake = D.tangent_backward(db, tdb, c_fake, t_fake)
        # theta does not move here, and G's backward pass is linear: the tangent of its result is its result
        # for tdfake
        _, mixed = G.backward(tdfake, c_gen, need_dx=False)

        tfake, t_gen = G.tangent_forward(None, c_gen, v_theta)  # tangents of L_G: theta moves along v_theta
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
        """weight times the sum of `gradients`, as Parameters with the layout of p.

        Each of the gradients is one that a backward pass of the network of p returned.
        """
        return p.like(
            p.dtype.type(self.weight) * sum(whole_gradient(gradient, p).vector for gradient in gradients)
        )
