"""Pictures of rows of any number of columns."""

import numpy as np
import pytest

from numgan.plot.samples import points


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (5, 3)])
def test_rows_of_any_shape_are_drawn(shape):
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((50, *shape)), rng.standard_normal((20, *shape))
    one, other = points(real, fake), points(real, fake + 0.5)
    assert one.size == other.size and one.tobytes() != other.tobytes()
