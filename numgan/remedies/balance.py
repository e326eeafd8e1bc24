"""Balance between G and D: only one of the two trains in each step. D's loss decides which one."""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import not_negative
from ..core.underflow import may_underflow
from .remedy import Remedy


@may_underflow
@dataclass(frozen=True)
class Balance(Remedy):
    """Remedy: in each step D trains alone if its loss is above `balance`, and otherwise G trains alone.

    balance    the limit, a number; with 0 the remedy does nothing: both players train in each step

    The loss is the adversarial loss of D in the step before, without penalties and with the labels 1 for real
    samples and 0 for fakes. In the first step D trains. Raises ValueError unless balance is a finite number
    of at least 0.
    """

    balance: float = 0.0
    checks = {"balance": not_negative}

    @property
    def needs_real(self):
        """Whether D gets real samples in G's step too: True, unless balance is 0.

        The reason: D's loss is needed after each step.
        """
        return self.balance > 0

    def memory(self, game, dtype):
        """{"loss": array (1,) of type dtype}: D's last loss, at first 1 + balance; {} if balance is 0.

        `game` is not used.
        """
        return {"loss": np.full(1, 1 + self.balance, dtype)} if self.balance else {}  # D trains first

    def rounds(self, rounds, game):
        """The name of a step's one objective, in a tuple: D's if D's last loss is above `balance`, else G's.

        It is D's in the first step. If balance is 0, the result is `rounds`, the names without this remedy.
        An objective has the name of the network that it trains. game.judges is a tuple with the name of D,
        game.drawers a tuple with that of G.
        """
        if not self.balance:
            return rounds
        if game.kept is None:  # the game has no memory yet: this is the first step
            return game.judges
        (loss,) = game.kept["loss"]
        return game.judges if loss > self.balance else game.drawers

    def judged(self, real, fake, game):
        """{"loss": D's loss (1,)} for the logits `real` (M, 1) and `fake` (N, 1); {} if balance is 0.

        The loss is game.loss, the adversarial loss of the system `game`.
        """
        if not self.balance:
            return {}
        loss, _, _ = game.loss.discriminator(real, fake)
        return {"loss": np.full(1, loss, real.dtype)}
