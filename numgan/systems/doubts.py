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
FAR = 1e6  # so far from 0 the output of an unbounded network is far beyond ENOUGH
ROWS = 4


class Doubt(NamedTuple):
    """One doubt about a system: a design with right gradients that trains badly.

    about    "output": a discriminator with a bounded output; "samples": a layer that mixes samples
    says     the fault in words, with network and layer
    advice   what to do, a sentence
    """

    about: str
    says: str
    advice: str

    def __str__(self):
        return f"{self.says}. {self.advice}"


@may_underflow
def doubts(system, batch_size=None):
    """The list of Doubts about a system: designs with right gradients that train badly. [] if there are none.

    batch_size   the number of rows in a batch; None: the system's

    If the system is a Staged, all its stages are examined.
    """
    found = []
    for _, now in system.stages:
        if now is not system:
            found += doubts(now, batch_size)
            continue
        found += [doubt for name in now.judges if (doubt := bounded(now, name))]
        found += mixed(now, now.batch_size if batch_size is None else batch_size)
    return list(dict.fromkeys(found))


# ---- a bounded output under a loss on logits


def bounded(system, name):
    """A Doubt if the network `name` of the system bounds its output and the loss takes logits, or None.

    An output with one bound only, as that of a ReLU, is a fault if the loss compares outputs with 0. The last
    activation is examined first. If it is unknown, the network itself runs with weights and inputs of size
    FAR: the output of an unbounded network is then far beyond ENOUGH.
    """
    if not system.takes_logits:
        return None
    net = system.networks[name]
    last = last_layer(net)
    if isinstance(last, Bilinear):
        return None
    if last is not None and last.parameter_shapes():
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
    """The layer that computes the last values of the network `net`; None if its structure is not known here.

    Layers that only move numbers, and dropout and noise, are skipped.
    """
    while net is not None:
        if isinstance(net, Sequential):
            rest = [layer for layer in net if not isinstance(layer, (Move, Pick, Dropout, Noise))]
            net = rest[-1] if rest else None
        elif isinstance(net, (Condition, Referenced)):
            (net,) = net.children.values()
        elif isinstance(net, Given):
            net = net.layer
        else:
            return None if net.children else net


def _range_of(layer):
    """(lowest, highest) output of a layer without parameters for inputs from -FAR to FAR; None if unknown.

    It is None for layer=None, or if the layer raises an error for these inputs.
    """
    if layer is None:
        return None
    x = np.concatenate([-np.geomspace(FAR, 1e-3, 200), [0.0], np.geomspace(1e-3, FAR, 200)])[:, None]
    try:
        with np.errstate(all="ignore"):
            y = np.asarray(layer.forward({}, x)[0])
    except Exception:  # a layer of one's own may need another input; then nothing is known of it
        return None
    return (float(y.min()), float(y.max())) if np.isfinite(y).all() else None


def _range_of_all(system, name):
    """(-m, m), where m is the largest output of a network with weights and inputs of size FAR, or None.

    system, name   the System, and the name of the network

    It is None if the outputs are not finite, or if no input for the network can be made. Entries that are not
    trained, such as u and v of Spectral, keep their values.
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
                y = np.abs(net.forward(p, x)[0])
        except Exception:  # the network takes another input
            continue
        return (-float(y.max()), float(y.max())) if np.isfinite(y).all() else None


# ---- layers that mix samples


def mixing(net):
    """The list of layers in `net`, at any depth, whose output for a sample depends on the other samples."""
    return [net] * net.mixes_samples + [found for child in net.children.values() for found in mixing(child)]


def mixed(system, batch_size):
    """The list of Doubts about layers that mix the samples of a batch where each sample must be alone.

    system       the System
    batch_size   the number of rows in a batch
    """
    found, which = [], {name: mixing(net) for name, net in system.networks.items()}
    apart = "Take a layer that keeps samples apart, such as LayerNorm, or "

    def doubt(says, advice):
        found.append(
            Doubt("samples", f"{name} has {layer!r}, which mixes the samples of a batch, {says}", advice)
        )

    for name, layers in which.items():
        if not layers:
            continue
        judge = name in system.judges
        unpacked = [one for one in layers if not isinstance(one, Pack)]  # a pack is the sample that D judges
        if judge and system.penalises_samples and unpacked:
            layer = unpacked[0]
            doubt(
                f"and {type(system).__name__} has a penalty on the gradient of {name} at each sample, which "
                "is then not defined: the output for one sample depends on the others",
                f"{apart}leave the penalty out.",
            )
        layer = layers[0]
        if name in system.optimizers and (batch_size // system.packed if judge else batch_size) == 1:
            doubt("and a batch has only one: it is compared with itself", "Take a larger batch size.")
        unmeasured = [one for one in layers if not isinstance(one, BatchNorm)]
        if name in system.drawers and unmeasured:
            layer = unmeasured[0]
            doubt("so a sample depends on the samples that are drawn with it", f"{apart}leave it out.")
        if hasattr(system, "probabilities"):
            doubt(
                "so its answer for one picture depends on the pictures that are classified with it",
                f"{apart}give measured statistics to `probabilities`.",
            )
    return found
