"""Which leaky units are computed along with a neighbour, so that they cost no pass over memory of their own.

    product or BatchNorm, unit                 forward:   the layer before computes the unit too             layer.forward(..., slope=)
    BatchNorm, unit                            backward:  BatchNorm computes the unit's derivative too       layer.backward(..., slope=)
    product, unit, product                     backward:  the product above does, gated by the unit's y      layer.backward(..., slope=, gate=)

The plan depends on the layers alone, so it is made once. Every cache is what it would be without it.
"""

from dataclasses import dataclass

from .activations import LeakyReLU, ReLU
from .bilinear import Conv2d, ConvTranspose2d, Dense
from .normalization import BatchNorm

PRODUCTS = Dense, Conv2d, ConvTranspose2d


@dataclass(frozen=True)
class Fused:
    """One layer's place in the plan; a subclass of these layers is never fused, for its passes may differ."""

    forward: dict  # what the layer's forward is told
    slope: float | None = None  # of the unit whose derivative the layer's backward computes
    gated: bool = False  # by that unit's y, which lies in the cache below
    before: bool = False  # the layer is a unit that the layer before it has computed
    after: bool = False  # ... and whose derivative a neighbour computes

    def backward(self, below):
        """What the layer's backward is told; below is the cache of the layer before it."""
        return (
            {}
            if self.slope is None
            else {"slope": self.slope, "gate": below[0]}
            if self.gated
            else {"slope": self.slope}
        )


def plan(layers):
    """[Fused] of a list of layers."""
    kinds = [type(layer) for layer in layers]

    def fused(i):  # whether layer i is a unit that layer i - 1 computes
        return 0 < i < len(kinds) and kinds[i] in (LeakyReLU, ReLU) and kinds[i - 1] in (*PRODUCTS, BatchNorm)

    def gates(i):  # whether layer i computes the derivative of unit i - 1
        return kinds[i] in PRODUCTS and fused(i - 1) and kinds[i - 2] in PRODUCTS

    steps = []
    for i, kind in enumerate(kinds):
        forward = {"slope": layers[i + 1].slope} if fused(i + 1) else {}
        if gates(i):
            steps.append(Fused(forward, layers[i - 1].slope, gated=True))
        elif kind is BatchNorm and fused(i + 1):
            steps.append(Fused(forward, layers[i + 1].slope))
        else:
            after = fused(i) and (kinds[i - 1] is BatchNorm or i + 1 < len(kinds) and gates(i + 1))
            steps.append(Fused(forward, before=fused(i), after=after))
    return steps


UNFUSED = Fused({})
