"""What a system is: networks, and objectives that train them.

    objective(params, batch, seed) -> Result(loss, gradients, metrics, memory)

The training loop, the whole-step gradient check, the sampler and the benchmarks are written once, over this, and serve
every system. They ask the system for its networks by role: which ones an objective trains, which ones a sample is drawn
through. They know no network's name. An objective is a pure function: equal arguments, equal bits.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from ..core.fields import Flag, Real, Whole
from ..core.parameters import Parameters, whole_gradient
from ..core.randomness import derive, stream
from ..core.underflow import may_underflow
from ..layers import Pass
from ..optimizers.schedules import SCHEDULES

NUMBERS, COUNTS = Real(0, 1e38), Whole(0, 1_000_000)  # settings: numbers below float32's largest; counts


class Batch(dict):
    """What an objective is given: {column: array (N, ...)}, such as batch["x"] and batch["labels"].

    fakes   how many samples an objective draws; N unless `number` is given
    """

    def __init__(self, columns, number=None):
        super().__init__(columns)
        self.number = number

    @property
    def fakes(self):
        return len(next(iter(self.values()))) if self.number is None else self.number

    @property
    def dtype(self):
        """The type of its floating-point columns; float32 if there are none."""
        return next(
            (column.dtype for column in self.values() if column.dtype.kind == "f"), np.dtype(np.float32)
        )


@dataclass(frozen=True)
class Fakes:
    """Generated samples x (M, ...), the cache that sends a gradient back into the generator, and the generator's inputs."""

    x: np.ndarray
    cache: tuple
    inputs: object = None


@dataclass(frozen=True)
class Result:
    """What an objective returns.

    loss        a number
    gradients   {network: Parameters}, of the networks that the objective trains
    metrics     {name: number} for the curves
    memory      {name: new array} of what the system remembers (see `System.memory`); other entries keep their values
    """

    loss: float
    gradients: dict
    metrics: dict
    memory: dict | None = None


def checked(result, params, trained, where):
    """The Result of an objective with Python numbers and whole gradients.

    trained   names of the networks that the objective trains
    TypeError or ValueError, beginning with `where`, for a result that cannot be used.
    """
    if not isinstance(result, Result):
        raise TypeError(f"{where}: expected a Result(loss, gradients, metrics), got {type(result).__name__}")
    if set(result.gradients) != set(trained):
        raise ValueError(
            f"{where}: expected gradients of {', '.join(trained)}, which it trains, got "
            f"{', '.join(result.gradients) or 'none'}; "
            "define `trains` if the objective trains other networks"
        )
    gradients = {
        name: _gradient(result.gradients[name], params[name], f"{where}: gradient of {name}")
        for name in trained
    }
    metrics = {name: _number(value, f"{where}: metric {name!r}") for name, value in result.metrics.items()}
    return Result(_number(result.loss, f"{where}: loss"), gradients, metrics, result.memory)


def _number(value, where):
    if np.size(value) != 1 or np.asarray(value).dtype.kind not in "fiub":
        raise TypeError(
            f"{where}: expected a number, got {type(value).__name__} {getattr(value, 'shape', '')}; take its "
            "mean"
        )
    return float(np.asarray(value).reshape(()))


def _gradient(gradient, p, where):
    if (
        not isinstance(gradient, Parameters)
        and isinstance(gradient, dict)
        and set(gradient) <= set(p.layout.slots)
    ):
        gradient = whole_gradient({**dict.fromkeys(p), **gradient}, p)  # of a network that is a single layer
    if not isinstance(gradient, Parameters) or gradient.layout != p.layout:
        other = (
            f" of another network, {gradient.vector.size} entries for {p.vector.size}"
            if isinstance(gradient, Parameters)
            else ""
        )
        raise TypeError(
            f"{where}: expected Parameters with the network's layout, as its backward pass returns them, "
            f"got {type(gradient).__name__}{other}"
        )
    if gradient.dtype != p.dtype:
        raise TypeError(
            f"{where}: expected {p.dtype} like the parameters, got {gradient.dtype}; some array in the "
            "objective has another type"
        )
    return gradient


def _fitting(name, old, value):
    """A value as it takes the place of an old one; ValueError for another kind or sign."""
    kind = Flag() if isinstance(old, bool) else COUNTS if isinstance(old, int) else NUMBERS
    kind.expect(value, name)
    return value if isinstance(old, int) else float(value)


def remember(memory, new):
    """Write new arrays {name: array} (None: none) into the arrays of a memory; ValueError for a name, shape or type that it does not have."""
    for name, array in (new or {}).items():
        if name not in memory or memory[name].shape != array.shape or memory[name].dtype != array.dtype:
            known = (
                ", ".join(f"{word} {kept.shape} {kept.dtype}" for word, kept in memory.items()) or "nothing"
            )
            raise ValueError(
                f"Result.memory: expected arrays of {known}, as memory() made them, got {name} {array.shape} "
                f"{array.dtype}"
            )
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
            raise ValueError(
                f"Latent: expected size >= 1 and kind normal or uniform, got {self.size}, {self.kind!r}"
            )

    def draw(self, rng, n, dtype=np.float32):
        """z (n, size); drawn in float64, so that both dtypes see the same point."""
        z = (
            rng.standard_normal((n, self.size))
            if self.kind == "normal"
            else rng.uniform(-1, 1, (n, self.size))
        )
        return (self.scale * z).astype(dtype)


@may_underflow
@dataclass(frozen=True, kw_only=True)
class System:
    """The common part of every system. A subclass adds what its paper sets, and one method for each objective.

    networks       {name: network}; parameters carry the same names
    optimizers     {name: optimiser} of the networks that are trained; a network without one never changes
    latent         the prior of the noise that a sample is drawn from; None: samples are made from data alone
    sample_shape   of one row of the column x, such as (H, W, C) or (2,)
    classes        how many classes the labels have; 0: the system uses no labels
    pixels         (lowest, highest) value of a pixel as the networks see it
    shares_fakes   whether one draw of fakes serves all objectives of a step, or each draws its own
    average        decay of the moving average of the weights that samples are drawn with; 0: none
    data, batch_size, steps     what `train` takes unless told otherwise

    Roles, for whoever knows no network's name (class attributes):

    drawers        names of the networks that a sample passes through; (): the system draws no samples
    judges         names of the networks whose output tells real samples from generated ones
    made_from      columns of the batch that a sample is made from, besides noise
    target         the column that samples are like
    purpose        what a trained system does for its user, in words
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

    drawers = ()
    judges = ()
    made_from = ()
    target = "x"
    purpose = "learns"

    def __init_subclass__(cls, **words):
        super().__init_subclass__(**words)
        may_underflow(cls)

    @property
    def averaged(self):
        """Names of the networks whose moving average is kept: those that samples are drawn through, and that are trained."""
        return tuple(name for name in self.drawers if name in self.optimizers) if self.average else ()

    @property
    def trains(self):
        """{objective: names of the networks that it trains}. An objective with a network's name trains this network."""
        return {name: (name,) for name in self.objectives()}

    @property
    def packed(self):
        """How many samples are judged at once; a batch holds a multiple of it."""
        return 1

    @property
    def compares_pairs(self):
        """Whether its objectives compare each fake with one real sample, so that there are as many fakes as real samples."""
        return False

    @property
    def keeps_noise(self):
        """Whether dropout and noise stay on when samples are drawn."""
        return False

    @property
    def looks_ahead(self):
        """Whether an objective follows the training of a network that it does not train, and so needs its weight gradients."""
        return False

    def init(self, seed=0, dtype=np.float32):
        """Fresh parameters, {name: Parameters}."""
        return {name: net.init(stream(seed, "init", name), dtype) for name, net in self.networks.items()}

    def objectives(self):
        """{name: objective}"""
        raise TypeError(f"{type(self).__name__}: define objectives() -> {{name: objective}}")

    def example(self, n, rng):
        """A random batch {column: array (n, ...)} for checks and benchmarks: x, and labels if there are classes.

        rng   rng(name) -> numpy Generator
        """
        x = {"x": rng("x").uniform(*self.pixels, (n, *self.sample_shape))}
        return x | (
            {"labels": rng("labels").permutation(np.resize(np.arange(self.classes), n))}
            if self.classes
            else {}
        )

    # ---- samples

    def inputs(self, batch, seed):
        """What batch.fakes samples are drawn from, fixed by the seed: an array (N, ...) or a tuple of them. Here: noise."""
        if self.latent is None:
            raise TypeError(f"{type(self).__name__} draws no samples from noise")
        return self.latent.draw(stream(seed, "latent"), batch.fakes, batch.dtype)

    def asked(self, batch):
        """The labels (batch.fakes,) of the samples to draw: those of the batch in turn, or every class in turn if it has none."""
        return np.resize(
            np.arange(self.classes) if batch.get("labels") is None else batch["labels"], batch.fakes
        )

    def draw(self, params, inputs, contexts):
        """x, {network: cache}: the samples for these inputs. Here: the inputs pass through the one network in `drawers`.

        contexts   {network: Run} for the forward passes
        """
        (name,) = self.drawers
        x, cache = self.networks[name].forward(params[name], inputs, contexts[name])
        return x, {name: cache}

    def generate(self, params, batch, seed):
        """Fakes for a batch, of a system with one network in `drawers`."""
        (name,) = self.drawers
        inputs = self.inputs(batch, seed)
        x, caches = self.draw(params, inputs, {name: Pass(derive(seed, name))})
        return Fakes(x, caches[name], inputs)

    # ---- time

    def rounds(self, step):
        """Names of the objectives of the step-th step, in order. Each takes a fresh batch."""
        return tuple(self.objectives())

    def at(self, step):
        """The system at a step; constants that change with time have their values of this step."""
        return self

    @property
    def stages(self):
        """((first step, system), ...) of a run whose networks or optimisers change (`Staged`)."""
        return ((0, self),)

    def inherit(self, params, old):
        """Take over, in place, what fresh params of this stage have in common with those of the stage before: equal names, paths and shapes."""
        for name in params.keys() & old.keys():
            common = [
                path
                for path in params[name]
                if path in old[name].layout.slots and params[name][path].shape == old[name][path].shape
            ]
            params[name].copy_from(old[name], {path: path for path in common})

    # ---- state besides parameters

    def memory(self, dtype=np.float32):
        """The first values of what a run carries besides parameters and moments, {name: array}, such as a pool of old fakes.

        Checkpoints hold it. Objectives get it through `with_state`, never write to it, and return new arrays in Result.memory.
        """
        return {}

    def with_state(self, moments, memory=None):
        """The system with its optimisers' states {name: state} and its memory {name: array} attached. Most need neither and return self."""
        return self

    @property
    def settings(self):
        """{name: value} of its own numbers and switches, which `setting` changes."""
        apart = {field.name for field in fields(System)} | {"now"}
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in apart}
        return {
            name: value for name, value in values.items() if isinstance(value, (bool, int, float, *SCHEDULES))
        }

    def setting(self, **values):
        """The same system with other settings, a schedule's place taken by a number; ValueError for a name, kind or sign that does not fit."""
        own = self.settings
        for name in values:
            if name not in own:
                raise ValueError(
                    f"{type(self).__name__} has no setting {name!r}; there are {', '.join(own) or 'none'}"
                )
        return replace(self, **{name: _fitting(name, own[name], value) for name, value in values.items()})

    def with_optimizers(self, change):
        """The same system, each optimiser replaced by change(name, optimiser)."""
        return replace(self, optimizers={name: change(name, opt) for name, opt in self.optimizers.items()})

    def with_average(self, decay):
        """The same system with another decay of the moving average."""
        return replace(self, average=decay)

    def __repr__(self):
        nets = "\n".join(f"  ({name}): {net!r}".replace("\n", "\n  ") for name, net in self.networks.items())
        return f"{type(self).__name__}(\n{nets}\n)"
