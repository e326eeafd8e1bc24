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

    f is `curve`. A subclass defines `compare`, which computes the differences, and `transpose`, its
    transpose. A constant that is added to all logits does not change the loss, so D gains nothing by raising
    all logits. A derivative has the shape of its logits.
    """

    name: str
    curve: Curve

    unbounded = True  # the difference of two logits should become as large as possible

    def __reduce__(self):
        return self.name

    def compare(self, a, b):
        """The differences t of the logits a = D(real) and b = D(fake), a tuple of arrays, linear in a and b.

        A subclass defines this method; here it raises TypeError.
        """
        raise TypeError(f"{self.name}: define compare(self, a, b) -> (t, ...)")

    def transpose(self, dts, a, b):
        """The derivatives (da, db) of the loss for the logits a and b, from those for their differences.

        dts    the derivatives of the loss with respect to the arrays of compare(a, b), in order
        a, b   the logits D(real) and D(fake)

        A subclass defines this method as the transpose of the linear map `compare`; here it raises TypeError.
        It also maps tangents of dts to tangents of da and db.
        """
        raise TypeError(f"{self.name}: define transpose(self, dts, a, b) -> (da, db)")

    def discriminator(self, real, fake):
        """The loss of D and its derivatives for the logits `real` and `fake`: (loss, dreal, dfake).

        real and fake are the logits of D on real samples and on fakes. Raises ValueError if one of them is
        empty.
        """
        loss, dts = 0, []
        for t in self.compare(real, fake):
            value, dt = self.curve.mean(t)
            loss += value
            dts.append(dt)
        return loss, *self.transpose(dts, real, fake)

    def generator(self, real, fake):
        """The loss of G and its derivative with respect to the logits `fake`: (loss, dfake).

        real and fake are the logits of D on real samples and on fakes. The real logits do not depend on G, so
        the derivative with respect to them is not returned.
        """
        loss, dfake, _ = self.discriminator(fake, real)
        return loss, dfake

    def discriminator_tangent(self, real, fake, treal, tfake):
        """(tdreal, tdfake): the tangents of dreal and dfake when the logits move along treal and tfake.

        dreal and dfake are the derivatives that `discriminator` returns. real and fake are the logits of D on
        real samples and on fakes.
        """
        tdts = map(self.curve.tangent, self.compare(real, fake), self.compare(treal, tfake))
        return self.transpose(tdts, real, fake)

    def generator_tangent(self, real, fake, treal, tfake):
        """The tangent of dfake when the logits `real` and `fake` move along treal and tfake.

        dfake is the derivative of G's loss with respect to `fake`. treal is an argument because a change of
        D's weights moves the real logits too.
        """
        return self.discriminator_tangent(fake, real, tfake, treal)[0]

    def __repr__(self):
        return self.name


@may_underflow
class RelativisticPaired(RelativisticLoss):
    """The relativistic loss with t_n = a_n - b_n: each real logit is compared with one fake logit.

    The logits a = D(real) and b = D(fake) and the differences t have one shape. Raises ValueError if a and b
    differ in shape.
    """

    def compare(self, a, b):
        if a.shape != b.shape:
            raise ValueError(
                f"{self.name}: expected as many real as fake logits, in one shape, "
                f"got {a.shape} and {b.shape}; draw batches of one size, or use relativistic_average"
            )
        return (a - b,)

    def transpose(self, dts, a, b):
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
        dt, ds = dts
        return dt + ds.sum() / a.size, -ds - dt.sum() / b.size


relativistic_paired = RelativisticPaired("relativistic_paired", SOFTPLUS_OF_MINUS)
relativistic_average = RelativisticAverage("relativistic_average", SOFTPLUS_OF_MINUS)

RELATIVISTIC = {loss.name: loss for loss in (relativistic_paired, relativistic_average)}
