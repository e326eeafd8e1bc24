"""A remedy is one change of the two-player game, such as noise on D's inputs or a penalty on D's gradient.

`TwoPlayerGAN(remedies=(R1Penalty(10.0), InstanceNoise(0.1), Replay(0.5)))` is a game with three remedies. In
each step the game calls the methods of `Remedy` for each remedy, in the order of the tuple. A remedy defines
only the methods for the parts that it changes. The fields of a remedy are settings of the game: `numgan train
hacks --set noise=0.2` sets InstanceNoise.noise.
"""

from difflib import get_close_matches
from inspect import isfunction

from ..core.arguments import plain_fields


class Remedy:
    """The base class of remedies: changes of a two-player game. Each method here leaves the game as it is.

    A subclass overrides the methods for the parts of the game that it changes. The arguments and results of
    the methods:

    game          the system; a remedy reads the step, `game.now`, and the memory, `game.remembered`
    where         "real" or "fake", the kind of the samples
    seed          the seed of the objective; a remedy draws from a stream with a name of its own
    new memory    {name: array}: new values of some of the arrays that the remedy keeps between steps.
                  They are in `game.remembered` from the next objective on

    A remedy's fields are checked when it is made. `checks` is {field: function(value, name)}; the function
    raises ValueError or TypeError for a wrong value.

    The game would never call a method with a misspelt name. So the definition of a subclass raises TypeError
    if it has a public name that is almost the name of a method or attribute of this class, or if it has
    public methods and overrides no method of this class. The name of a helper method begins with "_".
    """

    checks = {}

    def __init_subclass__(cls, **words):
        """Raise TypeError for a subclass with a misspelt public name, or without a method of a remedy."""
        super().__init_subclass__(**words)
        known = [name for name in vars(Remedy) if not name.startswith("_")]
        points = [name for name in known if isfunction(vars(Remedy)[name])]  # what the game calls
        own = [name for name in vars(cls) if not name.startswith("_") and name not in known]
        methods = [name for name in own if isfunction(vars(cls)[name])]
        for name in own:
            # at most 2 known names whose similarity with this name is at least 0.7 (1: equal)
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
        """Check the fields by `checks`, and convert NumPy numbers in the fields to Python numbers.

        Raises the ValueError or TypeError of a check.
        """
        for name, check in self.checks.items():
            check(getattr(self, name), f"{type(self).__name__} {name}")
        plain_fields(self)

    def __repr__(self):
        """The class and all fields, such as Replay(replay=0.5, pool=1024)."""
        # a checkpoint has this text: so a run continues only with the remedies that it began with
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"
        )

    needs_real = False  # whether D gets real samples in G's step too

    def memory(self, game, dtype):
        """{name: array}: initial values of the arrays that the remedy keeps between steps. Here: {}.

        `game` is the system, `dtype` that of the parameters. The game calls this method before the first
        step.
        """
        return {}

    def rounds(self, rounds, game):
        """The names of the objectives of one step of the system `game`, a tuple in their order.

        `rounds` are these names without the remedy. Here: `rounds` unchanged.
        """
        return rounds

    def opponent(self, params, name, game, seed):
        """The Parameters of a player's opponent: of G in D's step, and of D in G's step.

        `name` is the name of the opponent's network. `params` are its Parameters without this remedy; they
        are the result here. `game` is the system, `seed` that of the objective.
        """
        return params

    def fakes(self, rows, game, seed):
        """(rows, new memory): the fakes that D gets in D's step.

        rows is {"x": fakes (N, ...)}, and with classes {"x": fakes, "y": labels (N,)}. The argument `rows`
        has the fakes without this remedy. New memory is {name: array}, see the class. Here: (`rows`, {}).
        `game` is the system, `seed` that of the objective.
        """
        return rows, {}

    def input(self, x, where, game, seed):
        """The samples (N, ...) that D gets in place of the samples x (N, ...), in both players' steps.

        Here: x, unchanged.

        where   "real" or "fake": the sort of the samples
        game    the system
        seed    the seed of the objective
        """
        return x

    def loss(self, loss, where, game, seed):
        """The loss of D on real samples or on fakes, as a function: logits -> (loss, dlogits).

        dlogits is the derivative of the loss with respect to the logits (N, 1). where is "real" or "fake".
        The argument `loss` is the function without this remedy, and the result here. `game` is the system,
        `seed` that of the objective.
        """
        return loss

    def penalty(self, D, phi, real, fake, game, seed):
        """(value, gradient in phi) of a term that is added to D's loss. Here: None, no term.

        A remedy may compute its penalty in some steps and leave it out in others, as `Lazy.term` does.
        In a step without the penalty this method returns None. The curve "penalty" then keeps its last
        value.

        D is a network, phi are its Parameters. real and fake are the inputs of D: samples, or (samples,
        labels). `game` is the system, `seed` that of the objective.
        """
        return None

    def before_update(self, params, game):
        """New memory {name: array} from the parameters before an update of D. Here: {}.

        params are {network: Parameters}, `game` is the system.
        """
        return {}

    def judged(self, real, fake, game):
        """New memory {name: array} from D's logits for real samples, real (M, 1), and fakes, fake (N, 1).

        Here: {}. The game calls this method in D's step. If needs_real of a remedy is True, the game calls it
        in G's step too.
        """
        return {}
