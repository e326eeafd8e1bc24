"""A remedy is one change of the two-player game, such as noise on D's inputs or a penalty on D's gradient.

`TwoPlayerGAN(remedies=(R1Penalty(10.0), InstanceNoise(0.1), Replay(0.5)))` plays with three remedies. In each
step the game calls the methods below of each remedy, in the order of the tuple. A remedy defines only the
methods for what it changes.
Its fields are settings of the game: `numgan train hacks --set noise=0.2` sets InstanceNoise.noise.
"""

from ..core.arguments import plain_fields


class Remedy:
    """The base class of remedies. Each method here leaves the game as it is.

    game    the system; a remedy reads its step `now` and its memory `remembered`
    where   "real" or "fake", the kind of the samples
    seed    the seed of the objective; a remedy draws from a stream with its own name
    memory  {name: array} that a remedy keeps between steps. A method returns new values of some entries

    A remedy's fields are checked when it is made: `checks` is {field: check(value, name)}, and a check raises
    ValueError or TypeError for a wrong value.
    """

    checks = {}

    def __post_init__(self):
        for name, check in self.checks.items():
            check(getattr(self, name), f"{type(self).__name__} {name}")
        plain_fields(self)

    def __repr__(self):
        # a checkpoint has this text: so a run continues only with the remedies that it began with
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"
        )

    needs_real = False  # whether D gets real samples in G's step too

    def memory(self, game, dtype):
        """{name: array}: the initial values of what the remedy keeps between steps.

        Called before the first step.
        """
        return {}

    def rounds(self, rounds, game):
        """The names of the objectives of one step, in order. `rounds` are the names without this remedy."""
        return rounds

    def opponent(self, params, name, game, seed):
        """The parameters of a player's opponent, the network `name`. `params` are those without this remedy.

        The opponent of D is G, and that of G is D.
        """
        return params

    def fakes(self, rows, game, seed):
        """(rows, new memory): the fakes that D gets in D's step.

        rows is {"x": fakes}, with their labels as "y" if there are classes. The argument has the same form.
        """
        return rows, {}

    def input(self, x, where, game, seed):
        """The samples that D gets in place of the samples x (N, ...), in the steps of both players."""
        return x

    def loss(self, loss, where, game, seed):
        """The loss of D on the samples `where`, as a function: logits -> (loss, dlogits).

        The argument `loss` is this function without this remedy.
        """
        return loss

    def penalty(self, D, phi, real, fake, game, seed):
        """(value, gradient with respect to phi) of a term that is added to D's loss; None: no term.

        real and fake are the inputs of D. phi are D's parameters.
        """
        return None

    def before_update(self, params, game):
        """New memory, made in D's step from the parameters {network: Parameters} before the update."""
        return {}

    def judged(self, real, fake, game):
        """New memory, made from the logits (N, 1) of D on real samples and on fakes.

        It is called in D's step, and in G's step if a remedy has needs_real = True.
        """
        return {}
