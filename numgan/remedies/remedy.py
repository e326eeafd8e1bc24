"""A remedy is one change of the two-player game, such as noise on D's inputs or a penalty on D's gradient.

`TwoPlayerGAN(remedies=(R1Penalty(10.0), InstanceNoise(0.1), Replay(0.5)))` plays with three of them. The game
calls each remedy at the points below, in the order of the tuple. A remedy defines the points that it changes.
Its fields are settings of the game: `numgan train hacks --set noise=0.2` sets InstanceNoise.noise.
"""

from ..core.arguments import plain_fields


class Remedy:
    """The points of the game. Here every point leaves the game as it is.

    game    the system; a remedy reads its step `now` and its memory `remembered`
    where   "real" or "fake", the kind of the samples
    seed    the seed of the objective; a remedy draws from its own named stream

    A remedy's fields are checked when it is made: `checks` is {field: check(value, name)}, and a check raises
    ValueError or TypeError for a wrong value.
    """

    checks = {}

    def __post_init__(self):
        for name, check in self.checks.items():
            check(getattr(self, name), f"{type(self).__name__} {name}")
        plain_fields(self)

    def __repr__(self):
        # a checkpoint has this text, so that a run continues only with the remedies that it began with
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"
        )

    needs_real = False  # whether D judges real samples in G's step too

    def memory(self, game, dtype):
        """Before the first step: initial values {name: array} of what the remedy keeps between steps."""
        return {}

    def rounds(self, rounds, game):
        """The objectives of a step, in order."""
        return rounds

    def opponent(self, params, name, game, seed):
        """The parameters of a player's opponent, the network `name`."""
        return params

    def fakes(self, rows, game, seed):
        """The fakes {"x": ...} for D in D's step, with their labels "y" if there are any; new memory."""
        return rows, {}

    def input(self, x, where, game, seed):
        """The samples x (N, ...) that D judges, in both players' steps."""
        return x

    def loss(self, loss, where, game, seed):
        """D's loss on one kind of samples, a function: logits -> (loss, dlogits)."""
        return loss

    def penalty(self, D, phi, real, fake, game, seed):
        """A term of D's loss: (value, gradient in phi), or None. real, fake: the inputs of D."""
        return None

    def before_update(self, params, game):
        """In D's step: new memory, made from the parameters {network: Parameters} before the update."""
        return {}

    def judged(self, real, fake, game):
        """In both players' steps: new memory, made from the logits (N, 1) of D."""
        return {}
