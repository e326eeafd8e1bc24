"""Balance between the players: only one of them trains in each step. D's last loss decides which one."""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import not_negative
from ..core.underflow import may_underflow
from .remedy import Remedy


@may_underflow
@dataclass(frozen=True)
class Balance(Remedy):
    """Remedy: D trains while its loss is above `balance`; otherwise G trains. 0: both train in each step.

    The loss is the one of the last step, with the labels 1 for real samples and 0 for fakes, without
    penalties. In the first step D trains.
    """

    balance: float = 0.0
    checks = {"balance": not_negative}

    @property
    def needs_real(self):
        return self.balance > 0

    def memory(self, game, dtype):
        return {"loss": np.full(1, 1 + self.balance, dtype)} if self.balance else {}  # D trains first

    def rounds(self, rounds, game):
        if not self.balance:
            return rounds
        return game.judges if game.kept is None or game.kept["loss"][0] > self.balance else game.drawers

    def judged(self, real, fake, game):
        if not self.balance:
            return {}
        return {"loss": np.full(1, game.loss.discriminator(real, fake)[0], real.dtype)}
