"""Points to check at: every layer somewhere in general position, where no bias is zero and no gradient is hidden."""

from functools import cached_property

import numpy as np

from ..core.randomness import stream
from ..layers import Layer, Pass
from ..layers.spectral import refreshed
from .arrays import copied, flat, leaves, moved, normal, real
from .report import BadPoint, failure

TRIES = 8  # points drawn before that is called a failure


def randomised(net, p, rng):
    """A well-conditioned random point near the initial one, in place: gradients of ordinary size, no unit dead, no zero anywhere.

    Weights are N(0, 1 / fan_in), whatever their initialiser; vectors (biases, gains) move by 0.3 N(0, 1), so that none stays on ReLU's kink.
    Held entries follow the weights, and stay 0.3 of their size away from where they would end, for the passes must be right there too.
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
    """The names of what is trained: all but the held entries."""
    return [name for name in p if name not in p.layout.held]


def direction(p, rng):
    """A standard normal draw in the form of p, zero in the held entries."""
    drawn = p.like(rng.standard_normal(p.vector.shape))
    for name in p.layout.held:
        drawn[name][...] = 0
    return drawn


def names_of(gradient, where):
    """The names that a gradient has to be right in; GradientError if that of a held entry, which is a constant, is not exactly zero."""
    for name in gradient.layout.held:
        if np.any(gradient[name]):
            raise failure(
                f"{where}: {name} is held, a constant of the pass: its gradient must be None or exactly zero"
            )
    return trained_names(gradient)


def scale_of(array):
    """An array's own scale: its root mean square."""
    return float(np.sqrt(np.mean(np.square(array)))) or 1.0 if array.size else 1.0


def is_shape(x):
    return isinstance(x, tuple) and all(isinstance(n, (int, np.integer)) for n in x)


def drawn(x):
    """Whether any part of what was given for x is left to be drawn: a shape, or nothing at all."""
    return x is None or is_shape(x) or isinstance(x, tuple) and any(map(drawn, x))


def at_points(make, check):
    """check(point) at the first of the points make(0), make(1), ... where there is something to see (no kink, nothing dead); BadPoint if
    none of TRIES is such a point, or if this one was given (its `fresh` is False) and not drawn.
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


class Point:
    """A layer with parameters, an input, upstream gradients and directions, all drawn from a seed, all float64.

    x       an array, a shape without the batch axis, or a tuple of such; None: guessed from the layer's sizes
    p, run  drawn unless given; the run has a seed, so dropout is on, with one mask
    """

    def __init__(self, layer, x=None, p=None, context=None, batch=3, seed=0, attempt=0, shown=None):
        if not isinstance(layer, Layer):
            raise TypeError(
                f"check_layer: expected a numgan.layers.Layer, got {layer!r}; derive your class from it"
            )
        self.layer, self.seed, self.batch, self._attempt = layer, seed, batch, attempt
        self.given = x
        text = repr(layer)
        self.subject = shown or (text if "\n" not in text else type(layer).__name__)
        self.context = Pass(seed=seed) if context is None else context
        fresh = (
            layer.init(stream(seed, "check init", attempt), np.float64) if p is None else p.astype(np.float64)
        )
        self.p = randomised(layer, fresh, self.rng("p")) if p is None else fresh
        self.x = self._input(x) if x is not None else self._guess()
        self.y, self.cache = self._untouched()
        if any(array is None or not isinstance(array, np.ndarray) for _, array in leaves(self.y)):
            raise failure(
                f"{self.subject}: forward must return (y, cache) with y an array or a tuple of arrays, got y = {self.y!r}"
            )
        self.batch = len(leaves(self.x)[0][1])
        self.dy, self.tdy, self.tx = (
            normal(self.rng("dy"), self.y),
            normal(self.rng("tdy"), self.y),
            normal(self.rng("tx"), self.x),
        )
        self.tp = direction(self.p, self.rng("tp"))

    def rng(self, *purpose):
        return stream(self.seed, "check", self._attempt, *purpose)

    def _input(self, x, purpose="x"):
        rng = self.rng(purpose)
        if is_shape(x):
            return rng.standard_normal((self.batch, *x))
        if isinstance(x, tuple):
            return tuple(self._input(part, f"{purpose} {i}") for i, part in enumerate(x))
        return x.astype(np.float64) if real(np.asarray(x)) else np.asarray(x)

    def _guess(self):
        """An input that the layer takes: from the first size that it or its first part is made of."""
        first = self.layer
        while first.children and not any(hasattr(first, name) for name in ("inputs", "channels", "classes")):
            first = next(iter(first.children.values()))
        if isinstance(getattr(first, "classes", None), int):
            return self.rng("x").integers(0, first.classes, self.batch)
        sizes = [
            getattr(first, name)
            for name in ("inputs", "channels")
            if isinstance(getattr(first, name, None), int)
        ] or [12]
        for shape in [(n,) for n in sizes] + [(side, side + 2, n) for side in (5, 11, 29) for n in sizes]:
            try:
                x = self._input(shape)
                self.layer.output_shape(shape)
                self.layer.forward(self.p, x, self.context)
                return x
            except (ValueError, IndexError, TypeError):
                continue
        raise ValueError(
            f"check_layer: cannot guess an input of {self.subject}; give x, an array or a shape such as (8, 8, 3) without the batch"
        )

    @property
    def fresh(self):
        """Whether another x may be drawn when this one will not do."""
        return drawn(self.given)

    @property
    def reproduce(self):
        layer = self.subject if "(" in self.subject else "layer"
        arguments = [f"x={self.given}"] if is_shape(self.given) else ["x=x"] if self.given is not None else []
        return f"numgan.check_layer({', '.join([layer, *arguments, f'seed={self.seed}'])})"

    def forward(self, x=None, p=None):
        return self.layer.forward(self.p if p is None else p, self.x if x is None else x, self.context)

    def at(self, t, tx, tp):
        """y and cache with x moved by t tx and the parameters by t tp; None: not moved."""
        return self.forward(
            self.x if tx is None else moved(self.x, tx, t),
            None if tp is None else self.p.like(self.p.vector + t * tp.vector),
        )

    @cached_property
    def gradients(self):
        """dx and dp of the random dy, by the layer's backward pass."""
        return self.layer.backward(copied(self.dy), self._untouched()[1])

    def _untouched(self):
        """A forward pass over copies: a layer that writes to its arguments must not spoil the point before that is checked."""
        return self.layer.forward(self.p.copy(), copied(self.x), self.context)

    def vector(self, dp, which="backward"):
        """A gradient, a mapping {name: array or None}, as one vector in the order of the parameters; raises GradientError for a wrong form."""
        whole = self.p.zeros()
        if dp is None or set(dp) != set(whole):
            raise failure(
                f"{self.subject}: {which} must return gradients named {', '.join(whole) or 'nothing'}, got "
                f"{None if dp is None else ', '.join(dp) or 'nothing'}; their names and shapes are those of shapes()"
            )
        for name in whole:
            if dp[name] is not None:
                if np.shape(dp[name]) != whole[name].shape:
                    raise failure(
                        f"{self.subject}: {which}: expected the gradient of {name} with shape {whole[name].shape}, "
                        f"got {np.shape(dp[name])}"
                    )
                whole[name][...] = dp[name]
        names_of(whole, f"{self.subject}: {which}")
        return whole

    def input_gradient(self, dx, which="backward"):
        """A gradient in the form of x, one vector; raises GradientError for a wrong form."""
        if isinstance(self.x, tuple) and not isinstance(dx, tuple):
            if dx is not None:
                raise failure(
                    f"{self.subject}: {which}: x is a tuple of {len(self.x)} arrays, so its gradient must be one too"
                )
            dx = (None,) * len(self.x)
        for (path, array), (_, d) in zip(leaves(self.x), leaves(dx)):
            if not real(array) and d is not None:
                raise failure(
                    f"{self.subject}: {which}: x{path} is {array.dtype}, so its gradient must be None"
                )
            if d is not None and np.shape(d) != array.shape:
                raise failure(
                    f"{self.subject}: {which}: expected the gradient of x{path} with shape {array.shape}, got {np.shape(d)}"
                )
        return flat(dx, like=self.x)
