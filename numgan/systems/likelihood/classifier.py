"""The classifier: it learns p(class | picture) from labelled data, and then judges generated samples.

The network C descends on the loss -mean log softmax(C(x))[c], the cross-entropy. x is a picture, c is the
number of its class, and C(x) are K logits, one for each class.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from ...core.randomness import derive, stream
from ...layers import Flatten, Pass, ReLU, Sequential
from ...losses import softmax, softmax_cross_entropy
from ...networks import mlp, pooling_discriminator
from ...networks.sizes import channels_of, levels_of
from ...optimizers import Adam
from ...optimizers.schedules import Cosine
from ..system import Result, System


@dataclass(frozen=True, kw_only=True, repr=False)
class Classifier(System):
    """A system with one network, C: pictures (N, H, W, channels) -> logits (N, K), one for each class.

    shift   in training, every picture is moved by up to this number of pixels along both axes

    Raises ValueError for a single class.
    """

    shift: int = 0

    purpose = "tells the class of a picture"
    metric_labels = {"accuracy": "accuracy on the batches of training"}

    def __post_init__(self):
        if self.classes == 1:
            raise ValueError(
                "expected at least 2 classes to distinguish, got 1; put the pictures of each class into a "
                "sub-folder of its own"
            )

    def objectives(self):
        return {"C": self.cross_entropy}

    def cross_entropy(self, params, batch, seed):
        """The Result of a step: the loss -mean log p(c | x), its gradient for C, and the accuracy.

        x are the pictures batch["x"], each moved at random by up to `shift` pixels. c are their labels,
        batch["labels"]. The metric "accuracy" is the share of the pictures for which the largest logit is
        that of c. params are {"C": Parameters}. The moves and dropout are drawn from `seed`.
        """
        C = self.networks["C"]
        lowest, _ = self.pixels
        x = shifted(batch["x"], self.shift, stream(seed, "shift"), fill=lowest)
        logits, cache = C.forward(params["C"], x, Pass(derive(seed, "C")))
        loss, dlogits = softmax_cross_entropy(logits, batch["labels"])
        _, dpsi = C.backward(dlogits, cache, need_dx=False)
        return Result(loss, {"C": dpsi}, {"accuracy": (logits.argmax(axis=1) == batch["labels"]).mean()})

    def probabilities(self, params, x, statistics=None):
        """The probabilities p(class | x) (N, K) of the K classes, for pictures x (N, H, W, channels).

        params       {"C": Parameters}
        statistics   measured statistics for BatchNorm (see `measure`); None: BatchNorm uses those of each
                     group

        Dropout is off. The pictures pass through C in groups of 500, which limits the memory.
        """
        return softmax(_in_groups(self.networks["C"], params["C"], x, statistics))

    def features(self, params, x, statistics=None):
        """The features (N, F) of pictures x (N, H, W, channels): the input of C's last layer.

        F is the number of entries of this input. params are {"C": Parameters}. statistics are the measured
        statistics for BatchNorm; None: those of each group of 500 pictures. Dropout is off.
        """
        return _in_groups(self.networks["C"][:-1], params["C"], x, statistics)


def _in_groups(net, psi, x, statistics):
    """The outputs of `net` with the parameters psi for the rows of x, in groups of 500, without dropout.

    statistics: measured statistics for BatchNorm, or None.
    """
    context = Pass(None, statistics)  # without a seed dropout is off
    return np.concatenate(
        [y for y, _ in (net.forward(psi, x[i : i + 500], context) for i in range(0, len(x), 500))]
    )


def shifted(x, most, rng, fill):
    """A copy of the pictures x (N, H, W, channels), each moved by -most to most pixels along both axes.

    The distances are integers, drawn from `rng`, a numpy Generator. New pixels get the value `fill`.
    """
    n, h, w, _ = x.shape
    wide = np.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), constant_values=fill)
    top, left = rng.integers(0, 2 * most + 1, (n, 2)).T[..., None]  # (N, 1) each: the corner of each crop
    # picture i of the result: rows top[i] to top[i] + h - 1, columns left[i] to left[i] + w - 1 of wide[i]
    return wide[
        np.arange(n)[:, None, None], (top + np.arange(h))[:, :, None], (left + np.arange(w))[:, None, :]
    ]


def _convolutional(shape, classes, width, rate, steps, **settings):
    """A Classifier of pictures of shape (height, width, channels), of a size that `levels_of` knows.

    C has one convolution with max-pooling for each level, then a dense layer of 128 units with dropout, then
    the layer of the logits. The last convolution has 32 channels for each level, the one before it half as
    many: 32 and 64 for two levels. `width` is a factor of these numbers and of 128. Adam's learning rate
    falls from `rate` to 0 in `steps` steps, along a cosine. `classes` is the number of classes, `settings`
    are further fields of the Classifier. Raises ValueError for another size, or for a single class.
    """
    *size, colours = shape
    _, levels = levels_of(size)
    channels = channels_of(levels, 32, width)[::-1]  # from the first convolution to the last
    C = pooling_discriminator(size, channels, max(int(128 * width), 4), colours, outputs=classes)
    return Classifier(
        classes=classes,
        sample_shape=shape,
        steps=steps,
        networks={"C": C},
        optimizers={"C": Adam(Cosine(rate, steps), beta1=0.9)},
        **settings,
    )


def digits(width=1.0, shape=(8, 8, 1), classes=10):
    """8x8 pictures: convolutions 32 and 64 with max-pooling, a dense layer of 128, dropout.

    Returns a Classifier. width: a factor of the sizes of the hidden layers; shape: (height, width, channels)
    of a picture, which the networks follow; classes: the number of classes.
    """
    return _convolutional(shape, classes, width, rate=1e-3, steps=1500, data="digits", batch_size=64)


def mnist(width=1.0, shape=(28, 28, 1), classes=10):
    """28x28 pictures: convolutions 32 and 64 with max-pooling, a dense layer of 128, dropout.

    Training takes ten epochs. In training every picture is moved by up to one pixel along both axes.
    Returns a Classifier. width: a factor of the sizes of the hidden layers; shape: (height, width, channels)
    of a picture, which the networks follow; classes: the number of classes.
    """
    settings = {"data": "mnist", "batch_size": 128, "shift": 1}
    return _convolutional(shape, classes, width, rate=2e-3, steps=4690, **settings)


def pictures(width=1.0, shape=(32, 32, 3), classes=10):
    """Pictures of any size from 8x8 on, with any number of classes: `digits`, with the levels they need.

    In training every picture is moved by up to one pixel along both axes.
    Returns a Classifier. width: a factor of the sizes of the hidden layers; shape: (height, width, channels)
    of a picture, which the networks follow; classes: the number of classes.
    """
    settings = {"data": "a folder of images", "batch_size": 64, "shift": 1}
    return _convolutional(shape, classes, width, rate=1e-3, steps=3000, **settings)


def dense(width=1.0, shape=(28, 28, 1), classes=10):
    """28x28 pictures: dense layers of the sizes 784-256-256-10 with ReLU, Adam.

    Returns a Classifier. width: a factor of the sizes of the hidden layers; shape: (height, width, channels)
    of a picture, which the networks follow; classes: the number of classes.
    """
    h = max(int(256 * width), 4)
    return Classifier(
        classes=classes,
        sample_shape=shape,
        data="mnist",
        batch_size=128,
        steps=1876,
        networks={"C": Sequential(Flatten(), *mlp(prod(shape), h, h, classes, activation=ReLU))},
        optimizers={"C": Adam(1e-3, beta1=0.9)},
    )


PRESETS = {"digits": digits, "mnist": mnist, "pictures": pictures, "dense": dense}
