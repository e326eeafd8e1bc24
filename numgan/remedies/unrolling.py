"""Differentiating through updates of D: what the unrolled GAN's generator sees (Metz et al. 2017).

    phi_0 = phi          phi_{k+1} = step(phi_k, g_k)          g_k = d L(phi_k, x, x~) / d phi          k < K

L is the discriminator's loss on one batch of real samples x and fakes x~ = G(z), and step any optimiser's. phi_K depends on the
fakes through every g_k. Let a loss at phi_K have the derivative dphi_K. Backwards, each step hands over to its adjoint:

    (dphi_k, dg_k) from dphi_{k+1}             optimiser.adjoint: also through momentum and Adam
    dphi_k += H dg_k                           H    = d^2 L / d phi d phi
    dx~    += M dg_k                           M    = d^2 L / d x~ d phi, transposed

With D's weights moving along dg_k, one pair of tangent passes gives both products: tdphi is the first, tdx the second.
"""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import expect_finite, expect_samples
from ..core.parameters import Parameters, whole_gradient
from ..core.underflow import may_underflow
from ..layers import Layer, Pass
from ..layers.base import total
from ..losses import AdversarialLoss, RelativisticLoss
from ..optimizers import Optimizer


@may_underflow
@dataclass(frozen=True)
class Unrolling:
    """K updates of D on one batch, and the way back through them.

        phi_K, tape = unrolling.forward(phi, real, fake)
        dphi, dfake = unrolling.backward(dphi_K, tape)

    D            a network whose layers have tangent passes, x (N, ...) -> logits (N, 1)
    loss         what D descends on; real and fake batches may differ in size
    optimizer    any; its state is where the first of the updates finds it, None: as before its first update. At Adam's very first one, which
                 is about lr sign(g), nearly nothing passes back
    steps        K; with 0 phi_K is phi, dphi is dphi_K, and dfake None, which is zero
    real_context, fake_context    the randomness of D's passes, one draw for all steps

    TypeError for another D, loss or optimizer, ValueError unless steps is an integer of at least 0 and the state one of the optimizer's;
    NonFiniteError for logits that are inf or nan.
    """

    D: object
    loss: AdversarialLoss
    optimizer: Optimizer
    steps: int
    state: dict | None = None
    real_context: Pass = Pass()
    fake_context: Pass = Pass()

    def __post_init__(self):
        expected = dict(
            D=(Layer, "a network"),
            loss=((AdversarialLoss, RelativisticLoss), "a loss such as numgan.nonsaturating"),
            optimizer=(Optimizer, "an optimiser such as numgan.Adam(1e-3)"),
        )
        for name, (kinds, such) in expected.items():
            if not isinstance(getattr(self, name), kinds):
                raise TypeError(f"Unrolling: expected {name} as {such}, got {getattr(self, name)!r}")
        if isinstance(self.steps, bool) or not isinstance(self.steps, (int, np.integer)) or self.steps < 0:
            raise ValueError(f"Unrolling: expected steps as an integer of at least 0, got {self.steps!r}")

    def forward(self, phi, real, fake):
        """phi_K (Parameters) and the tape: what each step leaves for its adjoint. phi is only read."""
        _expect_parameters("forward", phi=phi)
        expect_samples("Unrolling.forward", real=real, fake=fake)
        state, tape = self._standing(phi.vector), []
        held = {path: path for path in phi.layout.held}  # the same constants in all steps
        for _ in range(self.steps):
            a, c_real = self.D.forward(phi, real, self.real_context)
            b, c_fake = self.D.forward(phi, fake, self.fake_context)
            expect_finite("Unrolling.forward", a, b)
            _, da, db = self.loss.discriminator(a, b)
            g_real, g_fake = (
                self.D.backward(da, c_real, need_dx=False)[1],
                self.D.backward(db, c_fake, need_dx=False)[1],
            )
            g = whole_gradient(g_real, phi) + whole_gradient(g_fake, phi)
            vector, state, update = self.optimizer.step(phi.vector, g.vector, state)
            tape.append((a, da, c_real, b, db, c_fake, update))
            phi = phi.like(vector).copy_from(phi, held)
        return phi, tape

    def backward(self, dphi, tape):
        """dphi, dfake: how a loss with the derivative dphi (Parameters) at phi_K moves with phi and with the fakes, by way of the updates."""
        _expect_parameters("backward", dphi=dphi)
        dp, dstate, dfake = dphi.vector, None, None
        for a, da, c_real, b, db, c_fake, update in reversed(tape):
            dp, dg, dstate = self.optimizer.adjoint(dp, dstate, update)
            along = dphi.like(dg)
            ta, t_real = self.D.tangent_forward(None, c_real, along)
            tb, t_fake = self.D.tangent_forward(None, c_fake, along)
            tda, tdb = self.loss.discriminator_tangent(a, b, ta, tb)
            _, H_real = self.D.tangent_backward(da, tda, c_real, t_real, need_dx=False)
            M_fake, H_fake = self.D.tangent_backward(db, tdb, c_fake, t_fake)
            dp = dp + whole_gradient(H_real, dphi).vector + whole_gradient(H_fake, dphi).vector
            dfake = total(dfake, M_fake)
        return dphi.like(dp), dfake

    def _standing(self, p):
        """The optimiser's state before the first of the updates of p (P,)."""
        if self.state is None:
            return self.optimizer.start(p)
        wanted = {"step": ()} | dict.fromkeys(self.optimizer.moments, p.shape)
        got = {name: np.shape(value) for name, value in dict(self.state).items()}
        if got != wanted:
            raise ValueError(
                f"Unrolling: expected a state of {self.optimizer!r} with {wanted}, got {got}; its start(phi.vector) makes one"
            )
        return self.state


def _expect_parameters(where, **named):
    for name, p in named.items():
        if not isinstance(p, Parameters):
            raise TypeError(
                f"Unrolling.{where}: expected {name} as D's Parameters, got {type(p).__name__}; "
                "D.init(seed) makes them, and phi.like(vector) makes them of a vector"
            )
