"""Relativistic losses: means of f(t) = softplus(-t) over differences t of real and fake logits.

    loss                    D's loss, with a = D(real) and b = D(fake)      source
    relativistic_paired     mean f(a_n - b_n)                               RSGAN; Huang et al. 2024
    relativistic_average    mean f(a - mean b) + mean f(mean a - b)         RaSGAN

RSGAN and RaSGAN are losses of Jolicoeur-Martineau 2018.
G's loss is D's loss with the real and the fake logits exchanged. So G's loss needs the real logits too:
`generator(real, fake)`.
"""

from dataclasses import dataclass

from ..core.underflow import may_underflow
from .curves import SOFTPLUS_OF_MINUS, Curve, mean_of


@may_underflow
@dataclass(frozen=True)
class RelativisticLoss:
    """The base class of relativistic losses, which are means of f over differences of logits.

        L(a, b) = sum over the arrays t in compare(a, b) of mean f(t)          a = D(real), b = D(fake)
        L_D = L(a, b)          L_G = L(b, a)

    f is the attribute `curve`, a Curve. A subclass defines `compare`, which computes the differences t, a
    linear map of a and b. It also defines `transpose`, the transpose of this map, which computes the
    derivatives with respect to a and b. A constant that is added to all logits does not change the loss, so D
    gains nothing by raising all logits. A derivative has the shape of its logits.
    """

    name: str
    curve: Curve

    unbounded = True  # the difference of two logits should become as large as possible

    def __reduce__(self):
        return self.name  # pickle looks up this name in the module

    def compare(self, a, b):
        """A tuple of arrays t: differences of the logits a and b (arrays), linear in a and b.

        A subclass defines this method; here it raises TypeError.
        """
        raise TypeError(f"{self.name}: define compare(self, a, b) -> (t, ...)")

    def transpose(self, dts, a, b):
        """(da, db): the derivatives of the loss with respect to the logits a and b.

        dts is an iterable of the derivatives of the loss with respect to the arrays of compare(a, b), in
        their order. da has the shape of a, and db that of b. A subclass defines this method as the transpose
        of the linear map `compare`; here it raises TypeError. The same method maps tangents of dts to
        tangents of da and db.
        """
        raise TypeError(f"{self.name}: define transpose(self, dts, a, b) -> (da, db)")

    def discriminator(self, real, fake):
        """(loss, dreal, dfake): D's loss, and its derivatives with respect to the logits `real` and `fake`.

        loss = sum over the arrays t in compare(real, fake) of mean f(t). Each derivative has the shape of its
        logits. Raises ValueError if `real` or `fake` is empty, or if `compare` refuses their shapes.
        """
        loss, dts = 0, []
        for t in self.compare(real, fake):
            value, dt = self.curve.mean(t)
            loss += value
            dts.append(dt)
        return loss, *self.transpose(dts, real, fake)

    def generator(self, real, fake):
        """(loss, dfake): G's loss, and its derivative with respect to the logits `fake`.

        G's loss is D's loss with `real` and `fake` exchanged. The real logits do not depend on G, so the
        derivative with respect to them is not returned. Raises ValueError if `real` or `fake` is empty, or if
        `compare` refuses their shapes.
        """
        # after the exchange, the second result is the derivative with respect to `fake`
        loss, dfake, _ = self.discriminator(fake, real)
        return loss, dfake

    def discriminator_tangent(self, real, fake, treal, tfake):
        """(tdreal, tdfake): the tangents of dreal and dfake when the logits move along treal and tfake.

        dreal and dfake are the derivatives that `discriminator` returns for the logits `real` and `fake`.
        Each result has the shape of its logits.
        """
        # compare is linear, so compare(treal, tfake) are the tangents of the differences
        tdts = map(self.curve.tangent, self.compare(real, fake), self.compare(treal, tfake))
        return self.transpose(tdts, real, fake)

    def generator_tangent(self, real, fake, treal, tfake):
        """The tangent of dfake when the logits `real` and `fake` move along treal and tfake.

        dfake is the derivative of G's loss with respect to `fake`. treal is an argument because a change of
        D's weights moves the real logits too.
        """
        tdfake, _ = self.discriminator_tangent(fake, real, tfake, treal)
        return tdfake

    def __repr__(self):
        return self.name


@may_underflow
class RelativisticPaired(RelativisticLoss):
    """The relativistic loss with t_n = a_n - b_n: each real logit is compared with one fake logit.

    The logits a = D(real) and b = D(fake) and the differences t have one shape. Raises ValueError if a and b
    differ in shape.
    """

    def compare(self, a, b):
        # The tuple (a - b,). Raises ValueError if a and b differ in shape.
        if a.shape != b.shape:
            raise ValueError(
                f"{self.name}: expected as many real as fake logits, in one shape, "
                f"got {a.shape} and {b.shape}; draw batches of one size, or use relativistic_average"
            )
        return (a - b,)

    def transpose(self, dts, a, b):
        # (da, db) = (dt, -dt), because t = a - b. dts holds dt.
        (dt,) = dts
        return dt, -dt


@may_underflow
class RelativisticAverage(RelativisticLoss):
    """The relativistic loss with t = a - mean b and s = mean a - b: each logit is compared with a mean.

    The logits a = D(real) and b = D(fake) may differ in size. t has the shape of a, s the shape of b. mean a
    and mean b depend on every entry, so with dt and ds, the derivatives of the loss with respect to t and s:

        da = dt + sum(ds) / size of a          db = -ds - sum(dt) / size of b
    """

    def compare(self, a, b):
        return a - mean_of(b), mean_of(a) - b

    def transpose(self, dts, a, b):
        # (da, db) from dts = (dt, ds), by the formulas of the class.
        dt, ds = dts
        # t = a - mean b, s = mean a - b: each entry of a is in one entry of t and, divided by the size of a,
        # in every entry of s; likewise, with the opposite sign, each entry of b
        return dt + ds.sum() / a.size, -ds - dt.sum() / b.size


relativistic_paired = RelativisticPaired("relativistic_paired", SOFTPLUS_OF_MINUS)
relativistic_average = RelativisticAverage("relativistic_average", SOFTPLUS_OF_MINUS)

RELATIVISTIC = {loss.name: loss for loss in (relativistic_paired, relativistic_average)}
