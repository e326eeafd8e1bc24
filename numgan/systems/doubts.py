"""Doubts about a system: designs whose every gradient is right, and which still train badly.

    for doubt in doubts(system): print(doubt.says, doubt.advice)

There are two kinds. The last layer of a discriminator may bound its output, as a Sigmoid does, although the
loss takes logits, which may be any number. And a layer may mix the samples of a batch, as BatchNorm does,
where a number of one sample is meant: in a penalty on D's gradient at each sample (Gulrajani et al. 2017,
section 4), in a batch of one sample, or in a classifier's answer.
"""

from typing import NamedTuple

import numpy as np

from ..core.randomness import stream
from ..core.underflow import may_underflow
from ..layers import BatchNorm, Condition, Pack, Pick, Sequential
from ..layers.bilinear import Bilinear
from ..layers.dropout import Dropout, Noise
from ..layers.given import Given
from ..layers.shaping import Move
from ..layers.virtual import Referenced

ENOUGH = 2.0  # sigmoid(2) = 0.88; a logit that cannot exceed 2 in size cannot say that D is sure
FAR = 1e6  # at inputs of this size the output of an unbounded network is far beyond ENOUGH
ROWS = 4  # the number of samples, or of packs of samples, in a test batch


class Doubt(NamedTuple):
    """One doubt about a system.

    about     "output": a bounded output of a discriminator; "samples": a layer that mixes samples
    says      the fault in words, with the names of the network and the layer
    advice    advice to the user, a sentence
    """

    about: str
    says: str
    advice: str

    def __str__(self):
        return f"{self.says}. {self.advice}"


@may_underflow
def doubts(system, batch_size=None):
    """A list of Doubts about the system, each of them once; [] if there is none.

    system       a System. Of a Staged, which is a run in stages, the systems of all stages are examined
    batch_size   the number of rows in a batch; None: the system's
    """
    found = []
    for _, now in system.stages:
        if now is not system:  # the system of a stage
            found += doubts(now, batch_size)
            continue
        found += [doubt for name in now.judges if (doubt := bounded(now, name))]
        found += mixed(now, now.batch_size if batch_size is None else batch_size)
    return list(dict.fromkeys(found))


# ---- a bounded output under a loss on logits


def bounded(system, name):
    """A Doubt if system.networks[name] bounds its output, and the loss takes logits; otherwise None.

    If the last layer has no parameters, the range of its output is computed for inputs from -FAR to FAR. If
    the range is unknown, the whole network runs with weights and inputs of size FAR = 1e6. The output is
    bounded if its range does not contain -ENOUGH..ENOUGH, where ENOUGH = 2. An output with one bound only,
    such as that of a ReLU, gives a Doubt only if the loss compares outputs with 0. A dense or convolutional
    last layer gives no Doubt.
    """
    if not system.takes_logits:
        return None
    net = system.networks[name]
    last = last_layer(net)
    if isinstance(last, Bilinear):  # a dense or convolutional layer: its output has no bounds
        return None
    if last is not None and last.parameter_shapes():  # _range_of runs layers without parameters only
        last = None
    low, high = _range_of(last) or _range_of_all(system, name) or (-np.inf, np.inf)
    loss = getattr(system, "loss", None)
    from_zero = getattr(loss, "from_zero", False)
    if (low <= -ENOUGH and high >= ENOUGH) or (not from_zero and max(-low, high) >= FAR):
        return None
    between = (
        f"never below {low:.3g}"
        if high >= ENOUGH
        else f"never above {high:.3g}"
        if low <= -ENOUGH
        else f"between {low:.3g} and {high:.3g}"
    )
    ends = "" if last is None else f" ends in {last!r}, and"
    advice = f"Leave {'its last activation' if last is None else repr(last)} out, and train again."
    wants = (
        "takes logits and applies the sigmoid itself"
        if getattr(loss, "of_logits", False)
        else ("needs outputs without bounds")
    )
    of = getattr(loss, "name", "") or f"of {type(system).__name__}"
    return Doubt("output", f"{name}{ends} gives outputs {between}, but the loss {of} {wants}", advice)


def last_layer(net):
    """The layer that computes the output of the network `net`; None if it is unknown.

    It is known for a single layer, and for Sequential, Condition, Given and Referenced at any depth. Layers
    that only move or pick numbers, such as Reshape and Pick, and dropout and noise are left out.
    """
    while net is not None:
        if isinstance(net, Sequential):
            *_, net = [None, *(layer for layer in net if not isinstance(layer, (Move, Pick, Dropout, Noise)))]
        elif isinstance(net, (Condition, Referenced)):
            (net,) = net.children.values()
        elif isinstance(net, Given):
            net = net.layer
        else:
            return None if net.children else net


def _range_of(layer):
    """(lowest, highest) output of a layer without parameters for inputs from -FAR to FAR; None if unknown.

    It is unknown if the layer is None, raises an error, or returns numbers that are not finite.
    """
    if layer is None:
        return None
    # the column of inputs: -FAR to -0.001, 0, 0.001 to FAR
    x = np.concatenate([-np.geomspace(FAR, 1e-3, 200), [0.0], np.geomspace(1e-3, FAR, 200)])[:, None]
    try:
        with np.errstate(all="ignore"):
            y, _ = layer.forward({}, x)
        y = np.asarray(y)
    except Exception:  # a layer of one's own may need another input; then nothing is known of it
        return None
    return (float(y.min()), float(y.max())) if np.isfinite(y).all() else None


def _range_of_all(system, name):
    """(-m, m), m: the largest |output| of a network with random weights and inputs of size FAR, or None.

    The network is system.networks[name]. Its input is the tuple of all columns of a random batch of
    ROWS = 4 packs, or one column: the first of them that the network takes. Entries that are not trained,
    such as u and v of Spectral, keep their values. None: the system makes no random batch or the network no
    first parameters, the network takes none of the inputs, or an output is not finite.
    """
    net, rng = system.networks[name], stream(0, "doubts")
    try:
        batch = system.example(ROWS * system.packed, lambda column: stream(0, "doubts", column))
        p = net.init(0, np.float64)
    except Exception:  # an example or initial values that a system of one's own does not have
        return None
    held = {path: p[path].copy() for path in p.layout.held}
    p.vector[...] = FAR * rng.standard_normal(p.vector.size)
    for path, value in held.items():
        p[path][...] = value
    columns = [FAR * column if column.dtype.kind == "f" else column for column in batch.values()]
    for x in (tuple(columns), *columns):
        try:
            with np.errstate(all="ignore"):
                y, _ = net.forward(p, x)
            y = np.abs(y)
        except Exception:  # the network takes another input
            continue
        return (-float(y.max()), float(y.max())) if np.isfinite(y).all() else None


# ---- layers that mix samples


def mixing(net):
    """A list of the layers in `net`, at any depth, whose output for a sample depends on the other samples."""
    own = [net] if net.mixes_samples else []
    return own + [found for child in net.children.values() for found in mixing(child)]


def mixed(system, batch_size):
    """A list of Doubts about layers that mix samples although a number of one sample is meant.

    The cases are: a layer of a discriminator whose gradient at each sample is penalised; a layer of a trained
    network whose batch has one sample (for a discriminator, one pack); a layer other than BatchNorm in a
    network that draws samples; any layer of a classifier. A network gets at most one Doubt for each case,
    with the name of the first such layer. system is a System, batch_size the number of rows in a batch.
    """
    found = []
    which = {name: mixing(net) for name, net in system.networks.items()}  # the layers that mix samples
    apart = "Take a layer that keeps samples apart, such as LayerNorm, or "

    def doubt(says, advice):  # it uses the variables name and layer of the loop below
        found.append(
            Doubt("samples", f"{name} has {layer!r}, which mixes the samples of a batch, {says}", advice)
        )

    for name, layers in which.items():
        if not layers:
            continue
        judge = name in system.judges
        unpacked = [one for one in layers if not isinstance(one, Pack)]  # a pack is the sample that D judges
        if judge and system.penalises_samples and unpacked:
            layer, *_ = unpacked
            doubt(
                f"and {type(system).__name__} has a penalty on the gradient of {name} at each sample, which "
                "is then not defined: the output for one sample depends on the others",
                f"{apart}leave the penalty out.",
            )
        layer, *_ = layers
        if name in system.optimizers and (batch_size // system.packed if judge else batch_size) == 1:
            doubt("and a batch has only one: it is compared with itself", "Take a larger batch size.")
        unmeasured = [one for one in layers if not isinstance(one, BatchNorm)]
        if name in system.drawers and unmeasured:
            layer, *_ = unmeasured
            doubt("so a sample depends on the samples that are drawn with it", f"{apart}leave it out.")
        if hasattr(system, "probabilities"):  # the system is a classifier
            doubt(
                "so its answer for one picture depends on the pictures that are classified with it",
                f"{apart}give measured statistics to `probabilities`.",
            )
    return found
