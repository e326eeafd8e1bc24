"""What a system is: networks, and objectives that train them.

    objective(params, batch, seed) -> Result(loss, gradients, metrics, memory)

params are {network: Parameters}. The training loop, the check of a whole step's gradient, the sampler and the
benchmarks use this interface only, so one version of each works for every system. They do not know the names
of networks. They ask the system which networks an objective trains, and which networks draw a sample. An
objective is a pure function: equal arguments give equal bits.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from ..core.arguments import expect_type
from ..core.fields import Text
from ..core.parameters import Parameters, whole_gradient
from ..core.randomness import derive, stream
from ..core.underflow import may_underflow
from ..layers import Pass
from .settings import fitting, numbers, with_numbers


class Batch(dict):
    """The data that an objective gets: {column: array (N, ...)}, such as batch["x"] and batch["labels"].

    number   the number of fakes that the objective draws; None: as many as there are rows, N
    fakes    the same number as an integer, so N if `number` is None
    """

    def __init__(self, columns, number=None):
        super().__init__(columns)
        self.number = number

    @property
    def fakes(self):
        return len(next(iter(self.values()))) if self.number is None else self.number

    @property
    def dtype(self):
        """The dtype of the first floating-point column; float32 if there is no such column."""
        return next(
            (column.dtype for column in self.values() if column.dtype.kind == "f"), np.dtype(np.float32)
        )


@dataclass(frozen=True)
class Fakes:
    """Generated samples, with what the generator's backward pass needs.

    x        the samples (M, ...)
    cache    the cache of the generator's forward pass
    inputs   the generator's inputs from which x was made: z, or (z, labels)
    """

    x: np.ndarray
    cache: tuple
    inputs: object = None


@dataclass(frozen=True)
class Result:
    """What an objective returns: a loss, its gradients, and numbers for the curves.

    loss        a number
    gradients   {network: gradient of the loss}, one for each network that the objective trains
    metrics     {name: number} for the curves. A metric that is not computed in this step is left out; the
                curves then keep its last value
    memory      {name: array}, new values for some arrays of `System.memory`; the other arrays keep their
                values. None: no new values
    """

    loss: float
    gradients: dict
    metrics: dict
    memory: dict | None = None


def checked(result, params, trained, where):
    """Check the Result of an objective. Returns a copy with Python numbers and with gradients as Parameters.

    result    the Result: loss, gradients, metrics and memory
    params    {network: Parameters}
    trained   the names of the networks that the objective trains
    where     the beginning of the message

    Raises TypeError for a field of the wrong type, or a gradient of another layout or dtype than the
    parameters. Raises ValueError if the gradients are not those of `trained`.
    """
    expect_type(where, result, Result, "a Result(loss, gradients, metrics)")
    expect_type(where, result.gradients, dict, "gradients as a dict {name: ...}")
    expect_type(where, result.metrics, dict, "metrics as a dict {name: ...}")
    expect_type(where, result.memory, dict | None, "memory as a dict {name: array} or None")
    for name in result.metrics:
        Text().expect(name, f"{where}: a metric's name")  # metrics.jsonl must be readable again
    if set(result.gradients) != set(trained):
        got = ", ".join(map(str, result.gradients)) or "none"
        raise ValueError(
            f"{where}: expected gradients of {', '.join(trained)}, which it trains, got {got}; "
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
        gradient = whole_gradient({**dict.fromkeys(p), **gradient}, p)  # the network is a single layer
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


def remember(memory, new):
    """Copy the arrays of the dict `new` into the arrays of the dict `memory` with the same names, in place.

    new=None: copy nothing. Raises ValueError for a name, shape or dtype that `memory` does not have.
    """
    for name, array in (new or {}).items():
        kind = str(getattr(array, "dtype", type(array).__name__))
        held = memory.get(name)
        if held is None or held.shape != np.shape(array) or str(held.dtype) != kind:
            known = ", ".join(f"{word} {old.shape} {old.dtype}" for word, old in memory.items()) or "nothing"
            raise ValueError(
                f"Result.memory: expected arrays of {known}, as memory() made them, got {name} "
                f"{np.shape(array)} {kind}"
            )
        memory[name][...] = array


@may_underflow
@dataclass(frozen=True)
class Latent:
    """The distribution from which the noise z (N, size) is drawn, entry by entry.

    kind "normal": N(0, scale^2); "uniform": U(-scale, scale). Raises ValueError for another kind or size < 1.
    """

    size: int
    kind: str = "normal"
    scale: float = 1.0

    def __post_init__(self):
        if self.kind not in ("normal", "uniform") or self.size < 1:
            raise ValueError(
                f"Latent: expected size >= 1 and kind normal or uniform, got {self.size}, {self.kind!r}"
            )

    def draw(self, rng, n, dtype=np.float32):
        """Draw the noise z (n, size) for n samples from the numpy Generator `rng`.

        z is drawn in float64 and then converted to `dtype`, so float32 and float64 get the same numbers, up
        to rounding.
        """
        z = (
            rng.standard_normal((n, self.size))
            if self.kind == "normal"
            else rng.uniform(-1, 1, (n, self.size))
        )
        return (self.scale * z).astype(dtype)


@may_underflow
@dataclass(frozen=True, kw_only=True)
class System:
    """The base class of every system. A subclass adds its paper's settings and a method for each objective.

    networks       {name: network}
    optimizers     {network's name: optimiser}; a network without an optimiser never changes
    latent         the prior of the noise that samples are drawn from; None: the system uses no noise
    sample_shape   the shape of one row of the column x, such as (H, W, C) or (2,)
    classes        the number of classes; 0: the system uses no labels
    pixels         (lowest, highest) value of a pixel in the networks' inputs
    shares_fakes   True: all objectives of a step use the same fakes; False: each objective draws new fakes
    average        decay of the moving average of the weights, with which samples are drawn; 0: no average
    data, batch_size, steps     the defaults of `train`

    Class attributes, which describe the system to code that works with any system:

    drawers         names of the networks that draw a sample; (): the system draws no samples
    judges          names of the networks whose output distinguishes real samples from generated ones
    made_from       names of the batch's columns that a sample is made from, in addition to noise
    target          the name of the column of real data that samples should be like
    purpose         what a trained system does, in words
    packed          the number of samples that D judges together; the batch size must be a multiple of it
    compares_pairs  whether objectives compare each fake with one real sample; a batch then has as many
                    fakes as real samples
    keeps_noise     whether dropout and noise stay on when samples are drawn
    looks_ahead     whether an objective needs weight gradients of a network that it does not train, as
                    unrolling (G's step follows updates of D) and consensus optimisation do
    remedies        changes of a two-player game (`Remedy`); their fields are settings of the system
    metric_labels   {metric: what its curve shows}, for metrics whose name does not say it
    takes_logits    whether the losses take the outputs of `judges` as logits or other numbers without bounds
    penalises_samples   whether a penalty takes the gradient of a judge at each sample alone, so that no layer
                    of the judge may mix samples
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
    packed = 1
    compares_pairs = False
    keeps_noise = False
    looks_ahead = False
    remedies = ()
    penalises_samples = False
    metric_labels = {}

    def __init_subclass__(cls, **words):
        super().__init_subclass__(**words)
        may_underflow(cls)

    @property
    def takes_logits(self):
        return getattr(getattr(self, "loss", None), "unbounded", False)

    @property
    def averaged(self):
        """A tuple of the names of the networks with a moving average of their weights.

        They are the trained networks that draw samples (`drawers`); none if the decay `average` is 0.
        """
        return tuple(name for name in self.drawers if name in self.optimizers) if self.average else ()

    @property
    def trains(self):
        """The networks that each objective trains: {objective's name: tuple of names of networks}.

        By default an objective trains the network that has the objective's name.
        """
        return {name: (name,) for name in self.objectives()}

    def init(self, seed=0, dtype=np.float32):
        """Draw new random parameters from `seed`: {network: Parameters} for all networks.

        dtype is the dtype of the parameters.
        """
        return {name: net.init(stream(seed, "init", name), dtype) for name, net in self.networks.items()}

    def objectives(self):
        """The objectives of the system: {name: function (params, batch, seed) -> Result}.

        A subclass must define this method; here it raises TypeError.
        """
        raise TypeError(f"{type(self).__name__}: define objectives() -> {{name: objective}}")

    def example(self, n, rng):
        """A random batch of n rows for tests and benchmarks: {column: array (n, ...)}.

        rng   a function: rng(column) -> numpy Generator

        It has the column x, uniform in `pixels`, and the column labels if there are classes.
        """
        x = {"x": rng("x").uniform(*self.pixels, (n, *self.sample_shape))}
        return x | (
            {"labels": rng("labels").permutation(np.resize(np.arange(self.classes), n))}
            if self.classes
            else {}
        )

    # ---- samples

    def inputs(self, batch, seed):
        """The inputs of the generator for batch.fakes samples: here noise z (batch.fakes, Z).

        They depend on the seed and the batch only. A subclass may return a tuple of arrays. Raises TypeError
        for a system without a latent prior.
        """
        if self.latent is None:
            raise TypeError(
                f"{type(self).__name__} draws no samples from noise; a system that does has a field "
                "latent=numgan.systems.Latent(SIZE), and one that draws from the batch defines `inputs`"
            )
        return self.latent.draw(stream(seed, "latent"), batch.fakes, batch.dtype)

    def asked(self, batch):
        """The labels (batch.fakes,) of the samples that are drawn for a batch.

        They are the labels of the batch, or 0, 1, ... up to the last class if the batch has none. They are
        repeated if there are too few, and cut if there are too many.
        """
        return np.resize(
            np.arange(self.classes) if batch.get("labels") is None else batch["labels"], batch.fakes
        )

    def draw(self, params, inputs, contexts):
        """Draw samples from `inputs`: (x, {network: cache}). Here x is the output of the only generator.

        params     {network: Parameters}
        inputs     the inputs of the generator, as from the method `inputs`
        contexts   {network: Pass}, the contexts of the forward passes

        The generator is the network whose name is in `drawers`.
        """
        name = self._drawer()
        x, cache = self.networks[name].forward(params[name], inputs, contexts[name])
        return x, {name: cache}

    def generate(self, params, batch, seed):
        """Draw samples for a batch with the parameters params {network: Parameters}. Returns a Fakes object.

        Their number is batch.fakes, `seed` gives the noise. TypeError: `drawers` does not name one network.
        """
        name = self._drawer()
        inputs = self.inputs(batch, seed)
        x, caches = self.draw(params, inputs, {name: Pass(derive(seed, name))})
        return Fakes(x, caches[name], inputs)

    def _drawer(self):
        """The name of the only network in `drawers`. Raises TypeError for another number of networks."""
        if len(self.drawers) != 1:
            raise TypeError(
                f"{type(self).__name__}: expected one network in `drawers`, the names of the networks that "
                f"draw a sample, got {self.drawers!r}; name one, or define `draw` and `generate`"
            )
        return self.drawers[0]

    # ---- time

    def rounds(self, step):
        """The names of the objectives that a step computes, in order. Here: all objectives once.

        A name may occur twice. The training loop gives each of them a new batch, or one batch to all of them
        if `shares_fakes`.
        """
        return tuple(self.objectives())

    def at(self, step):
        """A copy of the system for one step: constants that change with time have their values of this step.

        Here: self, because there are no such constants.
        """
        return self

    @property
    def stages(self):
        """((first step, system), ...): a pair for each stage of a run. Here, without stages, ((0, self),)."""
        return ((0, self),)

    def inherit(self, params, old):
        """Copy the parameters of the previous stage, `old`, into those of this stage, `params`, in place.

        Both are {network: Parameters}. A parameter is copied if its network, name and shape are equal in
        both.
        """
        for name in params.keys() & old.keys():
            common = [
                path
                for path in params[name]
                if path in old[name].layout.slots and params[name][path].shape == old[name][path].shape
            ]
            params[name].copy_from(old[name], {path: path for path in common})

    # ---- state besides parameters

    def memory(self, dtype=np.float32):
        """The first values of the arrays that the system keeps from step to step: {name: array}. Here: {}.

        An example is a pool of old fakes. Parameters and moments do not belong to it. Checkpoints contain
        this memory. Objectives get it by `with_state`. They never write to it: they return new arrays in
        Result.memory. dtype is the dtype of arrays of floats.
        """
        return {}

    def with_state(self, moments, memory=None):
        """A copy of the system that contains the optimisers' states and the memory, for its objectives.

        moments are {network: state}, memory is {name: array}. Here: self, which needs neither of them.
        """
        return self

    @property
    def settings(self):
        """The settings of the system that `setting` can change: {name: value}.

        They are the numbers, bools and schedules among the fields of the subclass and of its remedies.
        """
        common = {field.name for field in fields(System)} | {"now"}
        values = {}
        for record in (self, *self.remedies):
            values |= numbers(record)
        return {name: value for name, value in values.items() if name not in common}

    def setting(self, **values):
        """A copy of the system with new values {name: number or bool} of its settings.

        A number may replace a schedule. Raises ValueError for an unknown name, or a wrong value (`fitting`).
        """
        own = self.settings
        for name in values:
            if name not in own:
                raise ValueError(
                    f"{type(self).__name__} has no setting {name!r}; there are {', '.join(own) or 'none'}"
                )
        values = {name: fitting(name, own[name], value) for name, value in values.items()}
        changed = with_numbers(self, values)
        if not self.remedies:
            return changed
        return replace(changed, remedies=tuple(with_numbers(remedy, values) for remedy in self.remedies))

    def with_optimizers(self, change):
        """A copy of the system with other optimisers. change(network's name, optimiser) returns a new one."""
        return replace(self, optimizers={name: change(name, opt) for name, opt in self.optimizers.items()})

    def with_average(self, decay):
        """A copy of the system with `decay` as the decay of the moving average of weights; 0: no average."""
        return replace(self, average=decay)

    def __repr__(self):
        nets = "\n".join(f"  ({name}): {net!r}".replace("\n", "\n  ") for name, net in self.networks.items())
        return f"{type(self).__name__}(\n{nets}\n)"
