"""The results of a layer do not depend on the order of its arguments in memory, to the last bit."""

import numpy as np
import pytest

from numgan.checking.arrays import copied, mapped, real, same
from numgan.checking.layer_cases import LAYERS


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.title)
def test_fortran_order_gives_the_same_bits(case, dtype):
    point = case.point()

    def passes(order):
        def given(tree):
            return mapped(
                lambda a: a if a is None else np.array(a.astype(dtype) if real(a) else a, order=order), tree
            )

        p, layer = point.p.astype(dtype), point.layer
        y, cache = layer.forward(p, given(point.x), point.context)
        ty, tcache = layer.tangent_forward(given(point.tx), cache, point.tp.astype(dtype))
        tangents = layer.tangent_backward(given(point.dy), given(point.tdy), cache, tcache)
        return {
            "y": copied(y),
            "gradients": copied(layer.backward(given(point.dy), cache)),
            "ty": copied(ty),
            "tangents": copied(tangents),
        }

    expected, got = passes("C"), passes("F")
    assert [name for name in expected if not same(expected[name], got[name])] == []
