"""The plan that fuses each ReLU or LeakyReLU of a Sequential into the kernel of a neighbouring layer.

The kernel of the neighbour then also applies the LeakyReLU or its derivative, so the LeakyReLU costs no pass
over memory of its own. Below, LeakyReLU means ReLU too, and a product is a Dense, Conv2d or ConvTranspose2d.

    consecutive layers                 pass       fused into the kernel of    call
    product or BatchNorm, LeakyReLU    forward    the product or BatchNorm    forward(..., slope=)
    BatchNorm, LeakyReLU               backward   BatchNorm                   backward(..., slope=)
    product, LeakyReLU, product        backward   the second product          backward(..., slope=, gate=)

slope is that of the LeakyReLU, gate is its output. The plan depends on the layers alone and is made once.
Every cache is the same as without fusing.
"""

from dataclasses import dataclass

from .activations import LeakyReLU, ReLU
from .bilinear import Conv2d, ConvTranspose2d, Dense
from .normalization import BatchNorm

PRODUCTS = Dense, Conv2d, ConvTranspose2d


@dataclass(frozen=True)
class Fused:
    """The plan of one layer of a Sequential: which LeakyReLU the layer's kernels compute in addition.

    LeakyReLU means ReLU too. If the layer is a LeakyReLU itself, the plan says whether the kernel of a
    neighbouring layer computes it. Only layers whose class is exactly Dense, Conv2d, ConvTranspose2d,
    BatchNorm, LeakyReLU or ReLU are fused. A layer of a subclass never is, because the passes of a subclass
    may differ.
    """

    forward: dict  # additional arguments of the layer's forward pass
    slope: float | None = None  # slope of the LeakyReLU whose derivative this layer's backward computes
    gated: bool = False  # this derivative needs the LeakyReLU's output, which is in its cache
    before: bool = False  # the layer is a LeakyReLU that the layer before it computes
    after: bool = False  # the layer is a LeakyReLU whose derivative a neighbour computes

    def backward(self, below):
        """A dict with the additional arguments of the layer's backward pass; {} if there are none.

        below    the cache of the layer before this layer

        "slope" is in the dict if this layer also computes the derivative of a LeakyReLU. "gate", the output
        of the LeakyReLU, is in it only if `gated` is True. Then the layer before is the LeakyReLU, and the
        first entry of its cache is this output.
        """
        if self.slope is None:
            return {}
        if not self.gated:
            return {"slope": self.slope}
        gate, *_ = below
        return {"slope": self.slope, "gate": gate}


def plan(layers):
    """A list with one Fused for each layer in the list `layers`, which a Sequential runs in this order."""
    kinds = [type(layer) for layer in layers]

    def fused(i):  # whether layer i is a LeakyReLU that layer i - 1 computes
        return 0 < i < len(kinds) and kinds[i] in (LeakyReLU, ReLU) and kinds[i - 1] in (*PRODUCTS, BatchNorm)

    def gates(i):  # whether layer i computes the derivative of the LeakyReLU i - 1
        return kinds[i] in PRODUCTS and fused(i - 1) and kinds[i - 2] in PRODUCTS

    steps = []
    for i, kind in enumerate(kinds):
        forward = {"slope": layers[i + 1].slope} if fused(i + 1) else {}  # layer i computes layer i + 1 too
        if gates(i):
            steps.append(Fused(forward, layers[i - 1].slope, gated=True))
        elif kind is BatchNorm and fused(i + 1):
            steps.append(Fused(forward, layers[i + 1].slope))
        else:
            # the derivative of LeakyReLU i is computed by BatchNorm i - 1 or by the product i + 1
            after = fused(i) and (kinds[i - 1] is BatchNorm or i + 1 < len(kinds) and gates(i + 1))
            steps.append(Fused(forward, before=fused(i), after=after))
    return steps


UNFUSED = Fused({})
