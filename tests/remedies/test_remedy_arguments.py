"""Each remedy checks its own arguments when it is made; the message names the remedy and the argument."""

import numpy as np
import pytest

from numgan.optimizers.schedules import Linear
from numgan.remedies.balance import Balance
from numgan.remedies.noise import InstanceNoise, NoisyLabels
from numgan.remedies.penalties import R1, DRAGANPenalty, R1Penalty, RothPenalty
from numgan.remedies.replay import PastPlayers, Replay

SHARE, COUNT, NUMBER = (
    "expected a share from 0 to 1, got ",
    "expected an integer of at least 1, got ",
    "expected a finite number of at least 0, got ",
)


@pytest.mark.parametrize(
    "kind, field, expected, wrong, right",
    [
        (PastPlayers, "past", SHARE, (2.0, -0.1, np.nan, "a", None, True), (0, 0.5, 1, np.float32(0.5))),
        (PastPlayers, "age", COUNT, (0, -1, 1.5, "a", None, True), (1, np.int64(3))),
        (Replay, "replay", SHARE, (1.01, np.inf, "a"), (0, 1.0)),
        (Replay, "pool", COUNT, (0, 2.0), (1,)),
        (Balance, "balance", NUMBER, (-1.0, np.nan, np.inf, "a"), (0, 1.5)),
        (NoisyLabels, "smooth", SHARE, (1.1, "x"), (0.9, 1)),
        (NoisyLabels, "flip", SHARE, (-0.5, "x"), (0.0, 1)),
        (NoisyLabels, "soft", "expected true or false, got ", ("x", 1, None), (True, False)),
        (InstanceNoise, "noise", NUMBER, ("a", -1.0, np.nan), (0, np.float64(0.2))),
        (
            InstanceNoise,
            "anneal",
            "expected a whole number from 0 to 1,000,000,000,000, got ",
            (-1, 0.5),
            (0, 9),
        ),
        (R1Penalty, "gamma", NUMBER, (-1.0, "a", Linear(1.0, 0.0, 5)), (0, 10.0)),
        (R1Penalty, "every", COUNT, (0, 1.5), (1, 16)),
        (RothPenalty, "gamma", NUMBER, (-1.0, "a", None), (2.0, Linear(1.0, 0.0, 5))),
    ],
)
def test_fields_are_checked_when_the_remedy_is_made(kind, field, expected, wrong, right):
    for value in wrong:
        with pytest.raises(ValueError) as error:
            kind(**{field: value})
        assert str(error.value).startswith(f"{kind.__name__} {field}: {expected}{value!r}")
    for value in right:
        kept = getattr(kind(**{field: value}), field)
        assert kept == value and not isinstance(kept, np.generic)


@pytest.mark.parametrize("wrong", [-1.0, None, "a"])
def test_the_penalty_of_dragan_can_be_called(wrong):
    message = "DRAGANPenalty: expected gradient_penalty as a penalty such as .* called with .* got "
    with pytest.raises(TypeError, match=f"^{message}{wrong!r}$"):
        DRAGANPenalty(wrong)
    assert DRAGANPenalty(R1(1.0)).gradient_penalty == R1(1.0)
