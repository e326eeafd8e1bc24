"""What a system is: networks, and for each set of parameters that it trains, one objective.

    objective(params, batch, seed, made=None) -> Result(loss, gradients, metrics, memory)

The training loop, the whole-step gradient check and the benchmarks are written once, over this, and serve every system.
An objective is a pure function: equal arguments, equal bits. Every paper's objectives are written out in its own file, also
where two differ by a line: the file is there to be read beside the paper.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from ..fields import Flag, Real, Whole
from ..layers import Run
from ..randomness import derive, stream
from ..schedules import SCHEDULES
from ..underflow import may_underflow

NUMBERS, COUNTS = Real(0, 1e38), Whole(0, 1_000_000)      # settings: numbers below float32's largest; counts


@dataclass(frozen=True)
class Batch:
    """What an objective is given: real samples x (N, ...), their labels (N,) or None, and how many fakes to draw (N unless said)."""

    x: np.ndarray
    labels: np.ndarray | None = None
    number: int | None = None

    @property
    def fakes(self):
        return len(self.x) if self.number is None else self.number


@dataclass(frozen=True)
class Made:
    """Fakes x (M, ...), G's cache, which sends a gradient back into the generator, and what G was given for them."""

    x: np.ndarray
    cache: tuple
    inputs: object = None


@dataclass(frozen=True)
class Result:
    """loss (a float), gradients {name of the parameter set: Parameters}, and metrics {name: float} for the curves.

    memory   {name: new array} of what the system is to remember (see `System.memory`); what is not in it stays
    """

    loss: float
    gradients: dict
    metrics: dict
    memory: dict | None = None


def _fitting(name, old, value):
    """A value as it takes the place of an old one; ValueError for another kind or sign."""
    kind = Flag() if isinstance(old, bool) else COUNTS if isinstance(old, int) else NUMBERS
    kind.expect(value, name)
    return value if isinstance(old, int) else float(value)


def remember(memory, new):
    """Write new arrays {name: array} (None: none) into the arrays of a memory; ValueError for a name, shape or type that it does not have."""
    for name, array in (new or {}).items():
        if name not in memory or memory[name].shape != array.shape or memory[name].dtype != array.dtype:
            known = ", ".join(f"{word} {kept.shape} {kept.dtype}" for word, kept in memory.items()) or "nothing"
            raise ValueError(f"Result.memory: expected arrays of {known}, as memory() made them, got {name} {array.shape} {array.dtype}")
        memory[name][...] = array


@may_underflow
@dataclass(frozen=True)
class Latent:
    """The latent prior: z (N, size), from N(0, scale^2) or from U(-scale, scale)."""

    size: int
    kind: str = "normal"
    scale: float = 1.0

    def __post_init__(self):
        if self.kind not in ("normal", "uniform") or self.size < 1:
            raise ValueError(f"Latent: expected size >= 1 and kind normal or uniform, got {self.size}, {self.kind!r}")

    def draw(self, rng, n, dtype=np.float32):
        """z (n, size); drawn in float64, so that both dtypes see the same point."""
        z = rng.standard_normal((n, self.size)) if self.kind == "normal" else rng.uniform(-1, 1, (n, self.size))
        return (self.scale * z).astype(dtype)


@may_underflow
@dataclass(frozen=True, kw_only=True)
class System:
    """The common part of every system; a subclass adds its networks, what its paper sets, and one method for each objective.

    networks       {name: network}; parameters, gradients and optimisers carry the same names; G, if there is one, draws the fakes
    optimizers     {name: optimiser}, in the order of play
    latent         the prior of what G is given
    sample_shape   of one data point: (H, W, C) or (2,)
    pixels         (lowest, highest) value of a pixel as the networks see it
    shares_fakes   whether one draw of fakes serves all objectives of a step, or each draws its own
    average        decay of the moving average of the generator's weights that samples are drawn with; 0: none

    and what `train` takes unless told otherwise: data, batch_size, steps.
    """

    networks: dict
    optimizers: dict
    sample_shape: tuple
    latent: Latent | None = None
    classes: int = 0
    pixels: tuple = (-1.0, 1.0)
    average: float = 0.0
    data: str = "digits"
    batch_size: int = 64
    steps: int = 2000
    shares_fakes: bool = False

    def __init_subclass__(cls, **words):
        super().__init_subclass__(**words)
        may_underflow(cls)

    @property
    def packed(self):
        """How many samples D judges at once; a batch holds a multiple of it."""
        return 1

    @property
    def paired(self):
        """Whether its objectives compare each fake with one real sample, and so want as many of the one as of the other."""
        return False

    @property
    def noisy(self):
        """Whether G keeps its dropout and noise when samples are drawn."""
        return False

    @property
    def updates_within(self):
        """Whether G's objective looks at how D is trained, and so owes D's weight gradients."""
        return False

    def init(self, seed=0, dtype=np.float32):
        """Fresh parameters, {name: Parameters}."""
        return {name: net.init(stream(seed, "init", name), dtype) for name, net in self.networks.items()}

    def objectives(self):
        """{name of the parameter set: its objective}"""
        raise TypeError(f"{type(self).__name__}: define objectives() -> {{name: objective}}")

    def latents(self, n, seed, dtype=np.float32, labels=None):
        """What G is given for n samples, fixed by the seed: z (n, Z), and with labels a tuple."""
        if self.latent is None:
            raise TypeError(f"{type(self).__name__} has no generator and draws no samples")
        return self.latent.draw(stream(seed, "latent"), n, dtype)

    def generate(self, params, batch, seed):
        """Fakes for a batch, with G's cache: Made."""
        inputs = self.latents(batch.fakes, seed, batch.x.dtype, batch.labels)
        return Made(*self.networks["G"].forward(params["G"], inputs, Run(derive(seed, "G"))), inputs)

    def rounds(self, step):
        """Whose turn it is within the step-th step: names of objectives, in order; each takes a fresh batch."""
        return tuple(self.optimizers)

    def at(self, step):
        """The system as it is at a step; constants that change with time are resolved here."""
        return self

    def memory(self, dtype=np.float32):
        """What a run carries besides parameters and moments, as it is before the first step: {name: array}, such as samples to be seen again.

        A checkpoint holds it. Objectives are given it by `knowing`, never write to it, and return new arrays in Result.memory.
        """
        return {}

    def knowing(self, moments, memory=None):
        """The system that is told its optimisers' states {name: state} and its memory {name: array}; one whose objectives need them keeps them."""
        return self

    @property
    def settings(self):
        """{name: value} of its own numbers and switches, which `setting` changes."""
        apart = {field.name for field in fields(System)} | {"now"}
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in apart}
        return {name: value for name, value in values.items() if isinstance(value, (bool, int, float, *SCHEDULES))}

    def setting(self, **values):
        """The same system with other settings, a schedule's place taken by a number; ValueError for a name, kind or sign that does not fit."""
        own = self.settings
        for name in values:
            if name not in own:
                raise ValueError(f"{type(self).__name__} has no setting {name!r}; there are {', '.join(own) or 'none'}")
        return replace(self, **{name: _fitting(name, own[name], value) for name, value in values.items()})

    def with_optimizers(self, change):
        """The same system, each optimiser replaced by change(name, optimiser)."""
        return replace(self, optimizers={name: change(name, opt) for name, opt in self.optimizers.items()})

    def __repr__(self):
        nets = "\n".join(f"  ({name}): {net!r}".replace("\n", "\n  ") for name, net in self.networks.items())
        return f"{type(self).__name__}(\n{nets}\n)"
