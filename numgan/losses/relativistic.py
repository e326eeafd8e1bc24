"""A relativistic loss judges real against fake: one curve f(t) = softplus(-t), of differences of logits. G pays what D pays with the roles
exchanged, so G's loss needs the real logits too: `generator(real, fake)`.

    loss                    D on real a, fake b                             source
    relativistic_paired     mean f(a_n - b_n)                               Jolicoeur-Martineau 2018: RSGAN; Huang et al. 2024
    relativistic_average    mean f(a - mean b) + mean f(mean a - b)         the first: RaSGAN
"""

from dataclasses import dataclass

from ..core.underflow import may_underflow
from .curves import PAY_IF_LOW, Curve, mean_of


@may_underflow
@dataclass(frozen=True)
class RelativisticLoss:
    """mean f(t), summed over the arrays t that `compare` makes of the logits a = D(real), b = D(fake); linearly, so a subclass gives it and
    its `transpose` only.

        D pays  L(a, b),    G pays  L(b, a)

    Adding one number to all logits changes nothing: D cannot win by raising both. A derivative has the shape of its logits.
    """

    name: str
    curve: Curve

    def __reduce__(self):
        return self.name

    def compare(self, a, b):
        """A tuple of differences, linear in the logits a and b."""
        raise TypeError(f"{self.name}: define compare(self, a, b) -> (t, ...)")

    def transpose(self, dts, a, b):
        """da, db from the derivatives dts of what compare(a, b) gave."""
        raise TypeError(f"{self.name}: define transpose(self, dts, a, b) -> (da, db)")

    def discriminator(self, real, fake):
        """loss, d loss / d real, d loss / d fake"""
        values, dts = zip(*map(self.curve.mean, self.compare(real, fake)))
        return sum(values), *self.transpose(dts, real, fake)

    def generator(self, real, fake):
        """loss, d loss / d fake; that in the real logits nobody needs: they do not depend on G."""
        loss, dfake, _ = self.discriminator(fake, real)
        return loss, dfake

    def discriminator_tangent(self, real, fake, treal, tfake):
        """How (dreal, dfake) move when the logits move along treal, tfake."""
        return self.transpose(
            tuple(map(self.curve.tangent, self.compare(real, fake), self.compare(treal, tfake))), real, fake
        )

    def generator_tangent(self, real, fake, treal, tfake):
        """How dfake moves when the logits move along treal, tfake: real ones move with D's weights."""
        return self.discriminator_tangent(fake, real, tfake, treal)[0]

    def __repr__(self):
        return self.name


@may_underflow
class RelativisticPaired(RelativisticLoss):
    """t_n = a_n - b_n, one pair of logits each          a, b of one shape, which is that of t; ValueError otherwise."""

    def compare(self, a, b):
        if a.shape != b.shape:
            raise ValueError(
                f"{self.name}: expected as many real as fake logits, in one shape, got {a.shape} and {b.shape}; "
                "draw batches of one size, or take relativistic_average"
            )
        return (a - b,)

    def transpose(self, dts, a, b):
        (dt,) = dts
        return dt, -dt


@may_underflow
class RelativisticAverage(RelativisticLoss):
    """t = a - mean b,  s = mean a - b          a, t of one shape; b, s of another, or the same.

    Each mean moves with every logit in it:  da = dt + sum(ds) / |a|,  db = -ds - sum(dt) / |b|.
    """

    def compare(self, a, b):
        return a - mean_of(b), mean_of(a) - b

    def transpose(self, dts, a, b):
        dt, ds = dts
        return dt + ds.sum() / a.dtype.type(a.size), -ds - dt.sum() / b.dtype.type(b.size)


# fmt: off
relativistic_paired  = RelativisticPaired("relativistic_paired", PAY_IF_LOW)
# fmt: on
relativistic_average = RelativisticAverage("relativistic_average", PAY_IF_LOW)

RELATIVISTIC = {loss.name: loss for loss in (relativistic_paired, relativistic_average)}
