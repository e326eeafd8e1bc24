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
    """The data of one objective, Batch(columns, number): {column: array (N, ...)}, such as batch["x"].

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
    """Generated samples, with the cache that the generator's backward pass needs.

    x        the samples (M, ...)
    cache    the cache of the generator's forward pass
    inputs   the generator's inputs from which x was made: z, or (z, labels)
    """

    x: np.ndarray
    cache: tuple
    inputs: object = None


@dataclass(frozen=True)
class Result:
    """The result of an objective.

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
    """Check `result`, a Result. Returns a copy with Python numbers, and with gradients as Parameters.

    params are {network: Parameters}, `trained` are the names of the networks that the objective trains. Each
    message begins with the text `where`. Raises TypeError for a field of the wrong type, or a gradient of
    another layout or dtype than the parameters. Raises ValueError if the gradients are not those of
    `trained`, or for a metric's name that is no text of at most 1000 characters.
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
    """Convert `value`, a number or an array of one entry, to a Python float. where: the message's beginning.

    Raises TypeError for any other value.
    """
    if np.size(value) != 1 or np.asarray(value).dtype.kind not in "fiub":
        raise TypeError(
            f"{where}: expected a number, got {type(value).__name__} {getattr(value, 'shape', '')}; take its "
            "mean"
        )
    return float(np.asarray(value).reshape(()))


def _gradient(gradient, p, where):
    """Check that `gradient` has the layout and the dtype of the Parameters p. Returns it as Parameters.

    A dict {path: array} of a network that is a single layer is converted. where: the message's beginning.
    Raises TypeError for another layout, dtype or type.
    """
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
    """Copy the arrays `new`, {name: array}, into those of the same name in the dict `memory`, in place.

    Nothing is copied if new is None. Raises ValueError for a name that `memory` does not have, or an array of
    another shape or dtype than in `memory`.
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
    """The latent prior: the distribution of each entry of the noise z (N, size).

    size is the number of entries of z for one sample. kind "normal": N(0, scale^2); "uniform": U(-scale,
    scale). Raises ValueError for another kind or size < 1.
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
        """Draw the noise z (n, size) for n samples from the numpy Generator `rng`. Returns z.

        z is drawn in float64 and then converted to `dtype` (float32 by default). So float32 and float64 get
        the same numbers, up to rounding.
        """
        shape = n, self.size
        z = rng.standard_normal(shape) if self.kind == "normal" else rng.uniform(-1, 1, shape)
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
    made_from       names of the batch's columns that a sample is made from, besides noise
    target          the name of the column of real data that samples should be like
    purpose         the use of a trained system, in words
    packed          the number of samples that D judges together; the batch size must be a multiple of it
    compares_pairs  whether objectives compare each fake with one real sample; a batch then has as many
                    fakes as real samples
    keeps_noise     whether dropout and noise stay on when samples are drawn
    looks_ahead     whether an objective needs weight gradients of a network that it does not train, as
                    unrolling (G's step follows updates of D) and consensus optimisation do
    remedies        changes of a two-player game (`Remedy`); their fields are settings of the system
    metric_labels   {metric: label of its curve}, for metrics whose name is not clear enough
    takes_logits    whether the losses take the outputs of `judges` as logits or other numbers without bounds
    penalises_samples   whether a penalty takes the gradient of a network in `judges` at each sample alone, so
                    that no layer of this network may mix samples
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
        """Whether the field `loss` takes outputs without bounds; False for a system without such a field."""
        return getattr(getattr(self, "loss", None), "unbounded", False)

    @property
    def averaged(self):
        """Names of the networks with a moving average: the trained ones of `drawers`; () if average is 0."""
        return tuple(name for name in self.drawers if name in self.optimizers) if self.average else ()

    @property
    def trains(self):
        """{objective's name: names of the networks that it trains}.

        By default an objective trains the network that has the objective's name.
        """
        return {name: (name,) for name in self.objectives()}

    def init(self, seed=0, dtype=np.float32):
        """The first parameters {name: Parameters}, one for each network, drawn from `seed` as `dtype`.

        Equal seeds give equal parameters.
        """
        return {name: net.init(stream(seed, "init", name), dtype) for name, net in self.networks.items()}

    def objectives(self):
        """{name: objective}, where an objective is a function (params, batch, seed) -> Result.

        A subclass must define this; here it raises TypeError.
        """
        raise TypeError(f"{type(self).__name__}: define objectives() -> {{name: objective}}")

    def example(self, n, rng):
        """A random batch {column: array (n, ...)} for tests and benchmarks; rng(column) -> numpy Generator.

        The column x (n, *sample_shape) is uniform in `pixels`. If there are classes, the column labels (n,)
        has their numbers, equally often, in random order.
        """
        x = {"x": rng("x").uniform(*self.pixels, (n, *self.sample_shape))}
        return x | (
            {"labels": rng("labels").permutation(np.resize(np.arange(self.classes), n))}
            if self.classes
            else {}
        )

    # ---- samples

    def inputs(self, batch, seed):
        """The generator's inputs for batch.fakes samples: here noise z (batch.fakes, Z), drawn from `seed`.

        batch is a Batch; z has its dtype. Equal seeds give equal inputs. A subclass may return a tuple of
        arrays, such as (z, labels). Raises TypeError for a system without a latent prior.
        """
        if self.latent is None:
            raise TypeError(
                f"{type(self).__name__} draws no samples from noise; a system that does has a field "
                "latent=numgan.systems.Latent(SIZE), and one that draws from the batch defines `inputs`"
            )
        return self.latent.draw(stream(seed, "latent"), batch.fakes, batch.dtype)

    def asked(self, batch):
        """The labels (batch.fakes,) of the samples to draw for the Batch `batch`.

        They are the labels of the batch, or 0, 1, ... up to the last class if the batch has none. The labels
        are repeated if they are too few, and cut if they are too many.
        """
        return np.resize(
            np.arange(self.classes) if batch.get("labels") is None else batch["labels"], batch.fakes
        )

    def draw(self, params, inputs, contexts):
        """(x, {network: cache}): the samples x (N, ...) that are drawn from `inputs`, and the caches.

        params are {network: Parameters}, contexts {network: Pass}. Here x is the output of the only network
        in `drawers` for `inputs`. Raises TypeError if there is not just one.
        """
        name = self._drawer()
        x, cache = self.networks[name].forward(params[name], inputs, contexts[name])
        return x, {name: cache}

    def generate(self, params, batch, seed):
        """The Fakes for a batch: batch.fakes samples, drawn from `seed` with params, {network: Parameters}.

        Raises TypeError unless the system has exactly one network in `drawers`.
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
        """A tuple with the names of the objectives of the step `step`, in order. Here: all objectives once.

        In a subclass a name may occur more than once. The training loop gives each of them a new batch, or
        one batch to all of them if `shares_fakes`.
        """
        return tuple(self.objectives())

    def at(self, step):
        """The system at the step `step`: a copy in which schedules have their value of this step.

        Here: self, because there are no schedules.
        """
        return self

    @property
    def stages(self):
        """((first step, system), ...): a pair for each stage. Here, without stages, ((0, self),)."""
        return ((0, self),)

    def inherit(self, params, old):
        """Copy the previous stage's parameters `old` into this stage's, `params`, in place.

        Both are {network: Parameters}. A parameter is copied if network, path and shape are equal in both.
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
        """{name: array of `dtype`}: first values of the arrays that the system keeps, besides parameters.

        An example is a pool of old fakes. Here: {}. Checkpoints contain this memory. Objectives get it by
        `with_state`. They never write to it: they return new arrays in Result.memory.
        """
        return {}

    def with_state(self, moments, memory=None):
        """A copy of the system that contains the optimisers' states and the memory, for its objectives.

        moments are {network: state of its optimiser}, memory is {name: array}, as `memory` makes it, or None.
        Here: self, which needs neither of them.
        """
        return self

    @property
    def settings(self):
        """{name: value} of the settings that `setting` can change.

        They are the numbers, bools and schedules among the fields of the system and of its remedies. The
        fields of the class System, such as batch_size, and the field `now` are left out.
        """
        common = {field.name for field in fields(System)} | {"now"}
        values = {}
        for record in (self, *self.remedies):
            values |= numbers(record)
        return {name: value for name, value in values.items() if name not in common}

    def setting(self, **values):
        """A copy of the system with new values of settings: system.setting(NAME=VALUE, ...).

        A value is a number or a bool, as the old value is. A number may take the place of a schedule. Raises
        ValueError for an unknown name or for a value that `fitting` refuses, such as a negative one.
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
        """A copy of the system in which the optimiser change(network's name, optimiser) replaces each one."""
        return replace(self, optimizers={name: change(name, opt) for name, opt in self.optimizers.items()})

    def with_average(self, decay):
        """A copy of the system whose moving average of weights has the decay `decay`; 0: no average."""
        return replace(self, average=decay)

    def __repr__(self):
        nets = "\n".join(f"  ({name}): {net!r}".replace("\n", "\n  ") for name, net in self.networks.items())
        return f"{type(self).__name__}(\n{nets}\n)"
