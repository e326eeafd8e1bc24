"""The rules that every system must keep: each check is a function of a SystemPoint.

FIRST      these rules are checked before the gradients are compared. Otherwise noise, an update of a network
           or a lost path to G would be reported as wrong numbers
LATER      the rules about given fakes and training in float32
CONTRACT   all rules
"""

from functools import partial
from inspect import signature

import numpy as np

from ..core.probes import observe
from ..core.randomness import stream
from ..systems.system import System, remember
from .arrays import copied, leaves, same
from .purity import NEAR, changed_place, rough
from .report import failure


def objectives_are_pure(point):
    """Check that every objective gives equal bits when called twice, and writes to no argument.

    point is a SystemPoint: a system with random parameters and a batch. Also check that an objective takes
    the arguments (params, batch, seed), does not write to the memory, and has a finite loss. The bits are
    those of the loss, the gradients and the new memory. This check runs before gradients are compared: if an
    objective changed between calls, difference quotients would be meaningless.

    Raises GradientError if an objective fails; TypeError or ValueError if it returns no Result of the right
    form (see `checked` and `remember` in systems/system.py).
    """
    for objective, function in point.system.objectives().items():
        where = f"{point.subject}.{objective}"
        _expect_arguments(where, function)
        arguments = {"params": point.params, "batch": point.batch, "memory": point.memory}
        before = copied(arguments)
        one = point.run(objective)
        for word, argument in arguments.items():
            place = changed_place(before[word], argument, word)
            if place:
                raise failure(
                    f"{where}: it writes to {place}; an objective must only read its parameters, its batch "
                    "and its memory. Return the gradient, and the training loop makes the update"
                )
        if not np.isfinite(one.loss):
            raise failure(f"{where}: the loss is {one.loss} for random parameters; it must be finite")
        remember(copied(point.memory), one.memory)
        two = point.run(objective)
        results = {"loss": (one.loss, two.loss), "memory": (one.memory, two.memory)}
        results |= {
            f"gradient of {name}": (one.gradients[name], two.gradients[name]) for name in one.gradients
        }
        differ = [name for name, (first, second) in results.items() if not same(first, second)]
        if differ:
            raise failure(
                f"{where}: called twice with equal arguments it gives two results (another "
                f"{', '.join(differ)}); draw random numbers from stream(seed, name), and keep no value "
                "between calls"
            )


def _expect_arguments(where, function):
    """Raise GradientError unless an objective can be called as function(params, batch, seed).

    `where` begins the message. A function of C code, whose arguments Python does not know, passes.
    """
    try:
        form = signature(function)
        form.bind("params", "batch", "seed")
    except ValueError:
        return  # Python does not know the arguments of a compiled function
    except TypeError as error:
        raise failure(
            f"{where}: an objective must take the arguments (params, batch, seed), got {form}: {error}"
        ) from None


def objectives_compute_in_float64(point):
    """Check that every objective computes its loss in float64, without rounding to float32 inside.

    point is a SystemPoint: a system with random float64 parameters and a batch. The parameters move by 1e-7
    of their size. A loss with float32 numbers inside then jumps, and its difference quotients are useless.
    Raises GradientError in this case. The message names the first layer that gets or returns float32, if
    there is one.
    """
    for objective, trained in point.system.trains.items():
        directions = {
            name: point.params[name].like(
                stream(point.seed, "float64", name).standard_normal(point.params[name].vector.shape)
            )
            for name in trained
        }

        def loss(k):
            moved = {
                name: point.params[name].like(point.params[name].vector * (1 + NEAR * k * d.vector))
                for name, d in directions.items()
            }
            return [point.run(objective, point.params | moved).loss]

        jump = rough(loss)
        if jump:
            seen = []
            with observe(partial(_note_float32, seen), unfused=True):
                point.run(objective)
            place = seen[0] if seen else "the loss itself may be rounded"
            raise failure(
                f"{point.subject}.{objective}: it loses digits, as if it computed in float32 somewhere, "
                "although all arguments are float64: if the parameters move by 1e-7 of their size, the loss "
                f"jumps by {jump:.0e} of its size ({place}); keep the dtype of the batch and the parameters"
            )


def _note_float32(seen, layer, name, arguments, words, call):
    """Run one pass of a layer for `observe` and return its result. Note a forward pass that uses float32.

    seen               a list; a text is appended if the input or the output of a forward pass is float32 or
                       float16
    layer, name        the layer, and the name of the pass
    arguments, words   the arguments of the pass, by position and by keyword
    call               call() runs the pass
    """
    result = call()
    if name == "forward":
        given = arguments[1] if len(arguments) > 1 else words.get("x")
        for verb, tree in (("gets x", given), ("returns y", result[0])):
            if any(getattr(array, "dtype", None) in (np.float32, np.float16) for _, array in leaves(tree)):
                seen.append(f"{layer!r} {verb} as float32")
    return result


def objectives_keep_float32(point):
    """Check that every objective works in float32, the type of training.

    point is a SystemPoint: a system with random parameters and a batch. If the parameters are float32,
    gradients and memory must be float32 too. A constant of float64 inside an objective would make them
    float64, and the training loop refuses that. Raises GradientError if an objective fails.
    """
    point = point.in_float32()
    for objective in point.system.objectives():
        try:
            remember(copied(point.memory), point.run(objective).memory)
        except (TypeError, ValueError) as error:
            raise failure(f"with parameters and batch in float32, as in training: {error}") from error


def given_fakes_change_nothing(point):
    """Check that an objective gives the same bits with given fakes as when it draws the same fakes itself.

    The bits are those of the loss and the gradients. Only objectives with an argument `fakes` are checked.
    point is a SystemPoint: a system with random parameters and a batch. Also check that `System.generate`
    draws as many fakes as batch.fakes says. Returns None, or a note if no objective has the argument `fakes`,
    or if the system draws no fakes. Raises GradientError if an objective fails.
    """
    taking = [
        name
        for name, objective in point.system.objectives().items()
        if "fakes" in signature(objective).parameters
    ]
    if not taking:
        return "no objective takes fakes"
    if not point.system.drawers and type(point.system).generate is System.generate:
        return "no network draws fakes: `drawers` is empty"
    fakes = point.system.generate(point.params, point.batch, point.seed)
    if len(fakes.x) != point.batch.fakes:
        raise failure(
            f"{point.subject}: generate drew {len(fakes.x)} fakes, batch.fakes is {point.batch.fakes}; draw "
            "batch.fakes of them, or write compares_pairs = True in the class if each fake belongs to one "
            "row of the batch"
        )
    for objective in taking:
        one, two = point.run(objective), point.run(objective, fakes=fakes)
        if not same((one.loss, one.gradients), (two.loss, two.gradients)):
            raise failure(
                f"{point.subject}.{objective}: with fakes= it differs from drawing the same fakes itself"
            )


def frozen_networks_compute_no_weight_gradient(point):
    """Check that an objective computes no weight gradient of a network that it does not train.

    point is a SystemPoint: a system with random parameters and a batch. Each backward pass through a layer of
    a network that is not trained must have frozen=True and return dp = None. A layer is not checked if it is
    also part of a trained network.

    Returns "" if a network was checked. Otherwise returns a note: every objective trains every network, or
    the system looks ahead (an objective needs weight gradients of a network that it does not train, as
    unrolling does). Raises GradientError if an objective fails.
    """
    system, looked_at = point.system, False
    if system.looks_ahead:
        return (
            "an objective looks ahead: it differentiates through updates of a network that it does not train"
        )
    owners = {id(layer): name for name, net in system.networks.items() for layer in _with_weights(net)}
    for objective, trained in system.trains.items():
        learning = {id(layer) for name in trained for layer in _with_weights(system.networks[name])}
        around = FrozenOnly(f"{point.subject}.{objective}", learning, owners)
        with observe(around, unfused=False):
            point.run(objective)
        looked_at = looked_at or around.ran or bool(system.networks.keys() - set(trained))
    return "" if looked_at else "every objective trains every network"


def _with_weights(net):
    """The list of all layers inside a network `net`, at any depth, that have parameters of their own.

    A layer that is used twice occurs twice.
    """
    own = [net] if net.parameter_shapes() else []
    return own + [layer for child in net.children.values() for layer in _with_weights(child)]


class FrozenOnly:
    """An observer of all passes of one objective (for `observe`): layers that are not trained must be frozen.

    subject    the beginning of a message
    learning   the ids of the layers that the objective trains. Layers that run inside the passes of these
               layers count as trained, too
    owners     {id of a layer: name of its network}, for messages
    ran        True after a backward pass of a layer with weights that the objective does not train

    A backward or tangent_backward pass of a layer with weights that is not trained must have frozen=True and
    return dp = None. Otherwise the observer raises GradientError.
    """

    def __init__(self, subject, learning, owners):
        self.subject, self.learning, self.owners = subject, learning, owners
        self.ran = False
        self.inside = 0  # how many passes of trained layers run at present, one within the other

    def __call__(self, layer, method, arguments, words, call):
        """Run one pass of a layer and return its result; see the class for what is checked.

        method             the name of the pass
        arguments, words   its positional and its named arguments
        call               a function without arguments that runs the pass
        """
        trained = id(layer) in self.learning
        self.inside += trained
        try:
            result = call()
        finally:
            self.inside -= trained
        backward = method in ("backward", "tangent_backward") and layer.parameter_shapes()
        if backward and not trained and not self.inside:
            self.ran = True
            at = 2 if method == "backward" else 4  # the position of `frozen` among the arguments
            frozen = arguments[at] if len(arguments) > at else words.get("frozen")
            if not frozen or result[1] is not None:  # result[1] is dp, the weight gradient
                name = self.owners.get(id(layer), "a network outside of `networks`")
                raise failure(
                    f"{self.subject}: {layer!r} of {name} computes its weight gradient, and this objective "
                    f"does not train {name}; pass frozen=True to the backward pass through {name}"
                )
        return result


def the_generator_learns_from_the_discriminator(point):
    """Check that the gradient of a generator is not zero and changes with the weights of its discriminator.

    point is a SystemPoint: a system with random parameters and a batch. If both are true, the gradient passes
    through the discriminator. Returns "", or a note if no objective trains a generator without its
    discriminator. Raises GradientError if a gradient fails.
    """
    system, looked_at = point.system, False
    for objective, trained in system.trains.items():
        judges = [name for name in system.judges if name not in trained]
        drawers = [name for name in trained if name in system.drawers]
        if not judges or not drawers:
            continue
        looked_at, moved = True, dict(point.params)
        for name in judges:
            p = point.params[name]
            noise = stream(point.seed, f"another {name}").standard_normal(p.vector.shape)
            moved[name] = p.like(0.5 * p.vector + 0.1 * noise)  # other weights of ordinary size
        here, there = point.run(objective).gradients, point.run(objective, moved).gradients
        for name in drawers:
            one, two = here[name].vector, there[name].vector
            if not one.any():
                raise failure(
                    f"{point.subject}.{objective}: the gradient of {name} is zero everywhere; it never "
                    "arrives"
                )
            if np.abs(one - two).max() <= 1e-6 * np.abs(one).max():
                which = " and ".join(judges)
                raise failure(
                    f"{point.subject}.{objective}: the gradient of {name} does not change with the weights "
                    f"of {which}; it must pass through {which}"
                )
    return "" if looked_at else "no generator that learns from a discriminator"


FIRST = [
    objectives_are_pure,
    objectives_compute_in_float64,
    frozen_networks_compute_no_weight_gradient,
    the_generator_learns_from_the_discriminator,
]
LATER = [given_fakes_change_nothing, objectives_keep_float32]
CONTRACT = FIRST + LATER
