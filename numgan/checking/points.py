"""Random points for the checks. A point is a layer with random parameters and a random input.

At such a point no bias is zero and no gradient vanishes by accident.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from ..core.arguments import positive
from ..core.parameters import Parameters
from ..core.randomness import stream
from ..layers import Layer, Pass
from ..layers.spectral import refreshed
from .arrays import copied, flat, leaves, moved, normal, real
from .guess import guess
from .methods import expect_methods, kind, missing_parameter, pair
from .report import BadPoint, Report, Subject, failure, tidy, title

TRIES = 8  # the number of random points before the check fails


def randomised(net, p, rng):
    """Write random values to the parameters p of the layer `net`, in place, and return p.

    array of two axes or more   becomes N(0, 1 / fan_in), whatever the initialiser was
    vector (a bias or gain)     changes by 0.3 N(0, 1), so that no unit stays on the kink of ReLU
    held entries                such as u and v of spectral normalization: are refreshed for the new weights,
                                and then change by 0.3 N(0, 1) times their scale, because the passes must also
                                be right before the held entries have converged

    So gradients have ordinary size, no unit is dead, and no entry is zero. rng draws the numbers.
    """
    for name in trained_names(p):
        array = p[name]
        if array.ndim >= 2:
            array[...] = rng.standard_normal(array.shape) / np.sqrt(max(np.prod(array.shape[:-1]), 1))
        else:
            array += 0.3 * rng.standard_normal(array.shape)
    for name, value in refreshed(net, p).items():
        p[name][...] = value + 0.3 * scale_of(value) * rng.standard_normal(value.shape)
    return p


def trained_names(p):
    """The list of names of the trained entries of the Parameters p.

    All other entries are held: they are stored with the weights and not trained.
    """
    return [name for name in p if name not in p.layout.held]


def direction(p, rng):
    """Random Parameters in the form of p: standard normal numbers, with zeros in the held entries.

    Held entries are stored with the weights and not trained. rng draws the numbers.
    """
    result = p.like(rng.standard_normal(p.vector.shape))
    for name in p.layout.held:
        result[name][...] = 0
    return result


def names_of(gradient, where):
    """The names of the trained entries of `gradient`, which is the Parameters of a gradient.

    Raises GradientError if the gradient of a held entry is not exactly zero: a held entry is stored with the
    weights and not trained, so it is a constant of the pass. `where` begins the message.
    """
    for name in gradient.layout.held:
        if np.any(gradient[name]):
            raise failure(
                f"{where}: {name} is held, a constant of the pass: its gradient must be None or exactly zero"
            )
    return trained_names(gradient)


def scale_of(array):
    """The scale of an array: its root mean square; 1 if that is zero or the array is empty."""
    return float(np.sqrt(np.mean(np.square(array)))) or 1.0 if array.size else 1.0


def is_shape(x):
    """Whether x is a shape: a tuple of integers, such as (8, 8, 3). The empty tuple counts as a shape."""
    return isinstance(x, tuple) and all(isinstance(n, (int, np.integer)) for n in x)


def is_random(x):
    """Whether at least one array of the input x must be drawn at random.

    True if x is None, a shape, or a tuple that contains None or a shape. False if x consists of arrays.
    """
    return x is None or is_shape(x) or isinstance(x, tuple) and any(map(is_random, x))


def at_points(make, check):
    """Return check(point) for the first random point at which the check can decide.

    make(attempt) draws a point, an object with random arrays, for attempt = 0, 1, and so on. The check cannot
    decide if it raises BadPoint: the point lies on a kink, or units are dead. Raises BadPoint if none of
    TRIES (8) points is suitable. Raises it at once if the user gave the input as arrays (`fresh` is False),
    since no other point can be drawn.
    """
    for attempt in range(TRIES):
        point = make(attempt)
        try:
            return check(point)
        except BadPoint as error:
            if not getattr(point, "fresh", True):
                raise
            last = error
    raise type(last)(f"none of {TRIES} random points will do: {last}")


def outcome(make, check, *arguments, **settings):
    """Run check(*arguments, point, **settings) at a random point and return (max_error or None, note).

    max_error is the largest relative error, None if the check measures none. note is a text for the report.

    make    make(attempt) draws a point. Points are tried until the check can decide, see `at_points`
    check   a function that returns max_error, None, or (max_error or None, note). A missing note becomes ""

    Raises BadPoint if no point is suitable, and the GradientError of the check.
    """
    return tidy(at_points(make, partial(check, *arguments, **settings)))


def outcomes(subject, make, checks, *arguments):
    """Run several checks and return the Report called `subject`, with one row for each check.

    make     make(attempt) draws a random point, see `at_points`
    checks   a list of functions; each is called as check(*arguments, point)

    A row has the name of the check, its largest relative error or None, and a note. Raises GradientError if a
    check fails.
    """
    report = Report(subject)
    for check in checks:
        report.add(title(check), *outcome(make, check, *arguments))
    return report


@dataclass(frozen=True)
class Case:
    """A layer and an input x for it. Raises TypeError if the layer is no Layer.

    x         an array, a shape without the batch axis, or a tuple of such; None: guessed from the layer
    context   the Pass; None: a Pass with a seed, so that dropout is on and has the same mask in every pass
    batch     the number of samples, if x is not an array
    name      the title; "": the repr of the layer, or the name of its class if the repr has several lines
    p         the parameters; None: random ones
    """

    layer: Layer
    x: object = None
    context: Pass | None = None
    batch: int = 3
    name: str = ""
    p: Parameters | None = None

    def __post_init__(self):
        if not isinstance(self.layer, Layer):
            raise TypeError(
                f"check_layer: expected a numgan.layers.Layer, got {self.layer!r}; derive your class from "
                "Layer, and give an object of the class"
            )
        positive(self.batch, "check_layer: batch")
        given = [np.asarray(array) for _, array in leaves(self.x) if isinstance(array, np.ndarray)]
        if not all(np.isfinite(array).all() for array in given if real(array)):
            raise ValueError("check_layer: expected finite numbers in x, got inf or nan")
        if isinstance(self.x, (int, np.integer)):
            raise ValueError(
                f"check_layer: expected x as an array or as a shape without the batch axis, got {self.x}; "
                f"write x=({self.x},)"
            )

    @property
    def title(self):
        """The name of the case for messages; see `name` above."""
        text = repr(self.layer)
        return self.name or (text if "\n" not in text else type(self.layer).__name__)

    def point(self, seed=0):
        return Point(self, seed)


class Point:
    """A layer with all arrays that its checks need, in float64. Random arrays come from one seed.

    case          the Case: the layer and its input
    p, x, y       the parameters, the input and the output
    dy            the derivative of a loss with respect to y, random
    tp, tx, tdy   random directions along which p, x and dy move
    moving        names of the directions that the checks of the tangent passes use; None: all

    Another `attempt` gives other random arrays. Raises GradientError if forward does not return arrays, and
    ValueError if x is None and cannot be guessed.
    """

    def __init__(self, case, seed=0, attempt=0):
        self.case = case
        self.layer = case.layer
        self.subject = case.title
        self.batch = case.batch
        self.seed = seed
        self._attempt = attempt
        self.moving = None
        self.context = Pass(seed=seed) if case.context is None else case.context
        expect_methods(self.subject, self.layer)
        if case.p is None:
            fresh = self.layer.init(stream(seed, "check init", attempt), np.float64)
            self.p = randomised(self.layer, fresh, self.rng("p"))
        else:
            self.p = self._given(case.p)
        self.x = guess(self) if case.x is None else self.draw(case.x)
        self.y, self.cache = self._untouched()
        for path, array in leaves(self.y):
            if not isinstance(array, np.ndarray):
                raise failure(
                    f"{self.subject}: forward must return (y, cache) with y an array or a tuple of arrays, "
                    f"got y{path} = {kind(array)}"
                )
        _, first = leaves(self.x)[0]  # pairs (path, array)
        self.batch = len(first)
        self.dy = normal(self.rng("dy"), self.y)
        self.tdy = normal(self.rng("tdy"), self.y)
        self.tx = normal(self.rng("tx"), self.x)
        self.tp = direction(self.p, self.rng("tp"))

    def elsewhere(self, k=1):
        """Point k of the same case: its random arrays differ from those of all tries of `at_points`."""
        return Point(self.case, self.seed, self._attempt + k * TRIES)

    def rng(self, *purpose):
        """The numpy Generator of the stream with this purpose, texts, for the seed and the attempt."""
        return stream(self.seed, "check", self._attempt, *purpose)

    def draw(self, x, purpose="x"):
        """The input x in float64, with an array of random numbers in place of each shape.

        x is a shape without the batch axis, an array, or a tuple of these. `purpose` names the random stream.
        """
        rng = self.rng(purpose)
        if is_shape(x):
            return rng.standard_normal((self.batch, *x))
        if isinstance(x, tuple):
            return tuple(self.draw(part, f"{purpose} {i}") for i, part in enumerate(x))
        x = np.asarray(x)
        return x.astype(np.float64) if real(x) else x

    def _given(self, p):
        """Convert the parameters p that the user gave, Parameters or a dict, to Parameters of float64.

        A dict is {name: array}. Raises ValueError if a name or a shape is not that of the layer.
        """
        if isinstance(p, Parameters):
            return p.astype(np.float64)
        whole = self.layer.init(0, np.float64)
        if not isinstance(p, dict) or set(p) != set(whole):
            raise ValueError(
                f"check_layer: expected p with the parameters {', '.join(whole) or 'none'}, got {kind(p)}; "
                "make it with layer.init(seed)"
            )
        for name, array in p.items():
            if np.shape(array) != whole[name].shape:
                raise ValueError(
                    f"check_layer: expected p[{name!r}] with shape {whole[name].shape}, got {np.shape(array)}"
                )
            whole[name][...] = array
        return whole

    @property
    def fresh(self):
        """True if at least one array of x is random, so that another x may be drawn for another attempt.

        False if the user gave all of x as arrays.
        """
        return is_random(self.case.x)

    @property
    def about(self):
        """The Subject for messages: the name of the layer, a line that repeats the check, the batch size."""
        x, layer = self.case.x, self.subject if "(" in self.subject else "layer"
        given = "" if x is None else f"x={x}, " if is_shape(x) else "x=x, "
        reproduce = f"numgan.check_layer({layer}, {given}seed={self.seed})"
        arrays = [array for _, array in leaves(self.y)]
        numbers = {"the number of entries of y": sum(array.size for array in arrays)}
        if arrays[0].ndim > 2:
            rows = arrays[0].size // max(arrays[0].shape[-1], 1)
            numbers = {"the number of samples and positions": rows} | numbers
        return Subject(self.subject, reproduce, self.batch, numbers)

    def run(self, name, *arguments, **words):
        """Run the pass `name` of the layer and return its result, a pair.

        The arguments of the pass are `arguments`, by position, and `words`, by keyword. Raises GradientError
        if the result is no pair.
        """
        return pair(self.subject, name, getattr(self.layer, name)(*arguments, **words))

    def forward(self, x=None, p=None):
        """(y, cache) of a forward pass of the layer. None: the input or the parameters of this Point."""
        return self.run("forward", self.p if p is None else p, self.x if x is None else x, self.context)

    def weighted(self, x, p=None):
        """The vector dy * y, entry by entry, for the output y at the input x and the parameters p.

        The sum of this vector is the function <dy, y>. Its gradients are what backward returns. p=None stands
        for the parameters of this Point.
        """
        return flat(self.dy) * flat(self.forward(x, p)[0])

    def at(self, t, tx=None, tp=None):
        """Run a forward pass of the layer at input x + t tx and parameters p + t tp. Returns (y, cache).

        t is a number. A direction tx or tp of None stands for zero.
        """
        return self.forward(
            self.x if tx is None else moved(self.x, tx, t),
            None if tp is None else self.p.like(self.p.vector + t * tp.vector),
        )

    @property
    def directions(self):
        """{"tx": tx, "tp": tp}: the random directions of the input and of the parameters.

        "tx" is left out if x has no floats, "tp" if there are no parameters.
        """
        moving = {"tx": self.tx} if flat(self.x).size else {}
        return moving | ({"tp": self.tp} if self.p.vector.size else {})

    @cached_property
    def gradients(self):
        """(dx, dp) of the layer's backward pass for the random dy. They are computed once and stored."""
        return self.run("backward", copied(self.dy), self._untouched()[1])

    def _untouched(self):
        """(y, cache) of a forward pass with copies of p and x.

        So the arrays of this Point keep their values even if the layer writes to its arguments.
        """
        try:
            return self.run("forward", self.p.copy(), copied(self.x), self.context)
        except KeyError as error:
            if str(error.args[0]).startswith("no parameter"):
                raise missing_parameter(self.subject, self.layer, error) from error
            raise

    def vector(self, dp, which="backward"):
        """Convert dp, the gradient with respect to the parameters, to Parameters in the form of p.

        dp is {name: array or None}; None becomes zeros. Without parameters, dp may also be None. `which`
        names the pass in messages. Raises GradientError if dp is no such dict, if its names or shapes differ
        from those of p, or if a held entry has a gradient that is not zero.
        """
        whole = self.p.zeros()
        if dp is None and not len(whole):
            return whole
        if not isinstance(dp, Mapping) or set(dp) != set(whole):
            names = f"gradients named {', '.join(whole)}" if whole else "{} (there are no parameters)"
            got = (", ".join(map(str, dp)) or "nothing") if isinstance(dp, Mapping) else kind(dp)
            raise failure(
                f"{self.subject}: {which} must return {names}, got {got}; use a dict {{name: array}} "
                "with the names and shapes of parameter_shapes()"
            )
        for name in whole:
            if dp[name] is not None:
                if np.shape(dp[name]) != whole[name].shape:
                    raise failure(
                        f"{self.subject}: {which}: expected the gradient of {name} with shape "
                        f"{whole[name].shape}, got {np.shape(dp[name])}"
                    )
                whole[name][...] = dp[name]
        names_of(whole, f"{self.subject}: {which}")
        return whole

    def input_gradient(self, dx, which="backward"):
        """Convert dx, the gradient with respect to x, to one vector. None becomes zeros.

        Arrays of integers in x are left out. `which` names the pass in messages. Raises GradientError if dx
        is not a tuple where x is one, if a shape differs from that of x, or if an array of integers has a
        gradient that is not None.
        """
        if isinstance(self.x, tuple) and dx is None:
            dx = (None,) * len(self.x)
        if isinstance(self.x, tuple) and not isinstance(dx, tuple):
            raise failure(
                f"{self.subject}: {which}: x is a tuple of {len(self.x)} arrays, so its gradient "
                f"must be a tuple too, got {kind(dx)}"
            )
        given = leaves(dx)
        if len(given) != len(leaves(self.x)):
            raise failure(
                f"{self.subject}: {which}: expected {len(leaves(self.x))} gradients, one for each array of "
                f"x, got {kind(dx)}; use None for an array without a gradient"
            )
        for (path, array), (_, d) in zip(leaves(self.x), given):
            if d is not None and not isinstance(d, np.ndarray):
                raise failure(
                    f"{self.subject}: {which}: expected the gradient of x{path} as an array, got {kind(d)}"
                )
            if not real(array) and d is not None:
                raise failure(
                    f"{self.subject}: {which}: x{path} has dtype {array.dtype}, so its gradient must be None"
                )
            if d is not None and np.shape(d) != array.shape:
                raise failure(
                    f"{self.subject}: {which}: expected the gradient of x{path} with shape {array.shape}, "
                    f"got {np.shape(d)}"
                )
        return flat(dx, like=self.x)
