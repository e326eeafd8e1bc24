"""Balance between G and D: only one of the two trains in each step. D's loss decides which one."""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import not_negative
from ..core.underflow import may_underflow
from .remedy import Remedy


@may_underflow
@dataclass(frozen=True)
class Balance(Remedy):
    """Remedy: only one of D and G trains in a step. D trains if its loss is above `balance`, otherwise G.

    The loss is the adversarial loss of D in the step before, without penalties and with the labels 1 for real
    samples and 0 for fakes. In the first step D trains. With balance = 0 the remedy does nothing: both
    networks train in each step. Raises ValueError unless balance is a finite number of at least 0.
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
