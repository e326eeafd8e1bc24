"""Differentiation through updates of D, for the generator of the unrolled GAN (Metz et al. 2017).

    phi_0 = phi          phi_{k+1} = step(phi_k, g_k)          g_k = d L(phi_k, x, x~) / d phi          k < K

phi are D's parameters, K is the number of updates, L is D's loss on one batch of real samples x and fakes x~
= G(z), and step is the update of any optimiser. phi_K depends on the fakes through every g_k. Let dphi_K be
the derivative of a loss with respect to phi_K. The backward pass goes from step K - 1 to step 0:

    (dphi_k, dg_k) from dphi_{k+1}             optimiser.adjoint, also for momentum and Adam
    dphi_k += H dg_k                           H    = d^2 L / d phi d phi
    dx~    += M dg_k                           M    = d^2 L / d x~ d phi, transposed

One pair of tangent passes of D, with D's weights moving along dg_k, gives both products: tdphi = H dg_k and
tdx = M dg_k.
"""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import expect_finite, expect_samples, expect_type, is_integer
from ..core.parameters import Parameters, whole_gradient
from ..core.underflow import may_underflow
from ..layers import Layer, Pass
from ..layers.base import total
from ..losses import AdversarialLoss, RelativisticLoss
from ..optimizers import Optimizer


@may_underflow
@dataclass(frozen=True)
class Unrolling:
    """K updates of D on one batch, and the backward pass through these updates.

        phi_K, tape = unrolling.forward(phi, real, fake)
        dphi, dfake = unrolling.backward(dphi_K, tape)

    phi are D's parameters, and phi_K are those after K updates. dphi_K, dphi and dfake are the derivatives of
    one loss with respect to phi_K, phi and the fakes.

    D            a network whose layers have tangent passes, x (N, ...) -> logits (N, 1)
    loss         the loss of D, adversarial or relativistic. Only with an adversarial loss may the batches of
                 real samples and of fakes differ in size
    optimizer    any optimiser. Adam's first update is about lr sign(g), whose derivative is nearly 0
    steps        K. With K = 0, phi_K is phi, dphi is dphi_K, and dfake is None, which means zero
    state        the optimiser's state before the first of the K updates; None: a new state
    real_context, fake_context    the contexts of D's passes on real samples and on fakes in all updates

    Raises TypeError for a D that is not a layer, or a loss or optimizer of another class. Raises ValueError
    unless steps is an integer of at least 0. `forward` raises ValueError unless state belongs to the
    optimizer, and NonFiniteError for logits that are inf or nan.
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
        if not is_integer(self.steps):
            raise ValueError(f"Unrolling: expected steps as an integer of at least 0, got {self.steps!r}")

    def forward(self, phi, real, fake):
        """(phi_K, tape): D's Parameters after K updates, and the values of each update that `backward` needs.

        phi are D's Parameters, real (M, ...) are real samples and fake (N, ...) fakes. None of them changes.
        Held entries of phi (stored with the weights, not trained) are the same in phi_K. tape is a list with
        one tuple for each update. Raises TypeError unless phi is a Parameters and real
        and fake are arrays of floats; ValueError for an empty batch or a wrong state; NonFiniteError for
        logits that are inf or nan.
        """
        _expect_parameters("forward", "phi", phi)
        expect_samples("Unrolling.forward", real=real, fake=fake)
        state, tape = self._first_state(phi.vector), []
        held = {path: path for path in phi.layout.held}  # held entries stay the same in all steps
        for _ in range(self.steps):
            a, c_real = self.D.forward(phi, real, self.real_context)
            b, c_fake = self.D.forward(phi, fake, self.fake_context)
            expect_finite("Unrolling.forward", a, b)
            _, da, db = self.loss.discriminator(a, b)
            _, g_real = self.D.backward(da, c_real, need_dx=False)
            _, g_fake = self.D.backward(db, c_fake, need_dx=False)
            g = whole_gradient(g_real, phi) + whole_gradient(g_fake, phi)
            vector, state, update = self.optimizer.step(phi.vector, g.vector, state)
            tape.append((a, da, c_real, b, db, c_fake, update))
            phi = phi.like(vector).copy_from(phi, held)
        return phi, tape

    def backward(self, dphi, tape):
        """(dphi, dfake): the derivatives of a loss with respect to phi and to the fakes, through all updates.

        dphi    the argument: the derivative of the loss with respect to phi_K (Parameters)
        tape    the second result of `forward`

        With K = 0 updates the result dfake is None, which means zero. Raises TypeError unless dphi is a
        Parameters.
        """
        _expect_parameters("backward", "dphi", dphi)
        # names: dp, dstate: derivatives with respect to the parameters and the optimiser's state before an
        # update; a, b: logits of real samples and fakes; c_: caches; t: tangents, with D's weights along dg
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
            dfake = total(dfake, M_fake)  # their sum; None means zero
        return dphi.like(dp), dfake

    def _first_state(self, p):
        """The optimiser's state before the first update of the vector p (P,): self.state; if None, a new one.

        Raises ValueError if `state` does not have the moments of the optimiser, or if they do not have the
        shape of p.
        """
        if self.state is None:
            return self.optimizer.start(p)
        wanted = {"step": ()} | dict.fromkeys(self.optimizer.moments, p.shape)
        got = {name: np.shape(value) for name, value in dict(self.state).items()}
        if got != wanted:
            raise ValueError(
                f"Unrolling: expected a state of {self.optimizer!r} with {wanted}, got {got}; "
                "make it with optimizer.start(phi.vector)"
            )
        return self.state


def _expect_parameters(where, name, p):
    """Raise TypeError unless p is a Parameters; `where` and `name` are the method and its argument."""
    advice = "; make them with D.init(seed), or from a vector with phi.like(vector)"
    expect_type(f"Unrolling.{where}", p, Parameters, f"{name} as D's Parameters", advice)
