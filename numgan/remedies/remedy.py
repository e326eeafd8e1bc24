"""A remedy is one change of the two-player game, such as noise on D's inputs or a penalty on D's gradient.

`TwoPlayerGAN(remedies=(R1Penalty(10.0), InstanceNoise(0.1), Replay(0.5)))` is a game with three remedies. In
each step the game calls the methods of `Remedy` for each remedy, in the order of the tuple. A remedy defines
only the methods for what it changes. The fields of a remedy are settings of the game: `numgan train hacks
--set noise=0.2` sets InstanceNoise.noise.
"""

from difflib import get_close_matches
from inspect import isfunction

from ..core.arguments import plain_fields


class Remedy:
    """The base class of remedies. Each method here leaves the game as it is; a subclass overrides some.

    The arguments and results of the methods:

    game          the system; a remedy reads the step, `game.now`, and the memory, `game.remembered`
    where         "real" or "fake", the kind of the samples
    seed          the seed of the objective; a remedy draws from a stream with a name of its own
    new memory    {name: array}: new values of some of the arrays that the remedy keeps between steps.
                  They are in `game.remembered` from the next objective on

    A remedy's fields are checked when it is made. `checks` is {field: function(value, name)}; the function
    raises ValueError or TypeError for a wrong value.

    The game would never call a method with a misspelt name. So a subclass raises TypeError if it has a public
    name that is almost one of these, or public methods and none of these. Helper methods begin with "_".
    """

    checks = {}

    def __init_subclass__(cls, **words):
        super().__init_subclass__(**words)
        known = [name for name in vars(Remedy) if not name.startswith("_")]
        points = [name for name in known if isfunction(vars(Remedy)[name])]
        own = [name for name in vars(cls) if not name.startswith("_") and name not in known]
        methods = [name for name in own if isfunction(vars(cls)[name])]
        for name in own:
            like = get_close_matches(
                name.lower(), points if name in methods else ["needs_real", "checks"], 2, 0.7
            )
            if like:
                raise TypeError(
                    f"{cls.__name__}: the game does not call {name!r}; did you mean {' or '.join(like)}? "
                    'Begin the name of a helper with "_"'
                )
        if methods and not any(getattr(cls, name) is not getattr(Remedy, name) for name in points):
            raise TypeError(
                f"{cls.__name__}: the game calls none of its methods {', '.join(methods)}; define one of "
                f"{', '.join(points)}"
            )

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
        """The first values of the arrays that the remedy keeps between steps: {name: array}, here {}.

        game    the system
        dtype   the dtype of arrays of floats

        The game calls this method before the first step.
        """
        return {}

    def rounds(self, rounds, game):
        """The names of the objectives of one step, in order. Here they are returned unchanged.

        rounds   the names without this remedy
        game     the system
        """
        return rounds

    def opponent(self, params, name, game, seed):
        """The Parameters of a network's opponent: of G in D's step, and of D in G's step. Here unchanged.

        params   the Parameters of the opponent without this remedy
        name     the name of the opponent's network
        game     the system;  seed: the seed of the objective
        """
        return params

    def fakes(self, rows, game, seed):
        """(rows, new memory): the fakes that D gets in D's step. Here they are returned unchanged, with {}.

        rows   {"x": fakes}, and with classes {"x": fakes, "y": labels}: the fakes without this remedy
        game   the system;  seed: the seed of the objective

        New memory is {name: array}, new values of arrays that the remedy keeps between steps.
        """
        return rows, {}

    def input(self, x, where, game, seed):
        """The samples (N, ...) that D gets instead of the samples x (N, ...), in all steps. Here x itself.

        where   "real" or "fake", the kind of the samples
        game    the system;  seed: the seed of the objective
        """
        return x

    def loss(self, loss, where, game, seed):
        """The loss of D on real samples or fakes, a function logits -> (loss, dlogits). Here unchanged.

        loss    the function without this remedy
        where   "real" or "fake", the kind of the samples
        game    the system;  seed: the seed of the objective

        dlogits is the derivative of the loss with respect to the logits.
        """
        return loss

    def penalty(self, D, phi, real, fake, game, seed):
        """(value, gradient with respect to phi) of a term that is added to D's loss; None, as here: no term.

        D, phi       the network and its Parameters
        real, fake   the inputs of D: samples, or (samples, labels)
        game         the system;  seed: the seed of the objective

        A penalty that is computed at some steps only returns None at the other steps, as `Lazy.term` does.
        The curve then shows its last value.
        """
        return None

    def before_update(self, params, game):
        """New values {name: array} of arrays that the remedy keeps, before an update of D. Here {}.

        params   {network: Parameters} before the update
        game     the system
        """
        return {}

    def judged(self, real, fake, game):
        """New values {name: array} of arrays that the remedy keeps, from the logits of D. Here {}.

        real   (M, 1) the logits on real samples
        fake   (N, 1) the logits on fakes
        game   the system

        The game calls this method in D's step, and also in G's step if a remedy has needs_real = True.
        """
        return {}
