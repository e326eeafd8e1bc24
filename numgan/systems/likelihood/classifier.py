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
        """The objective of C: the Result with the loss -mean log p(c | x), its gradient, and the accuracy.

        params   {"C": Parameters}; the gradient is that for C's parameters
        batch    the Batch with pictures batch["x"] and class numbers c, batch["labels"]
        seed     the seed of the random moves and of dropout

        Each picture is moved at random by up to `shift` pixels. The accuracy is the share of the pictures for
        which the largest logit is that of c.
        """
        C = self.networks["C"]
        x = shifted(batch["x"], self.shift, stream(seed, "shift"), self.pixels[0])
        logits, cache = C.forward(params["C"], x, Pass(derive(seed, "C")))
        loss, dlogits = softmax_cross_entropy(logits, batch["labels"])
        _, dpsi = C.backward(dlogits, cache, need_dx=False)
        return Result(loss, {"C": dpsi}, {"accuracy": (logits.argmax(axis=1) == batch["labels"]).mean()})

    def probabilities(self, params, x, statistics=None):
        """The probabilities p(class | x) (N, K) of the K classes, for pictures x (N, H, W, channels).

        params       {"C": Parameters}
        statistics   measured statistics for BatchNorm (see `measure`); None: BatchNorm uses those of each 500
                     pictures

        Dropout is off. The pictures pass through C in groups of 500.
        """
        return softmax(_in_pieces(self.networks["C"], params["C"], x, statistics))

    def features(self, params, x, statistics=None):
        """The features (N, F) of pictures x (N, H, W, channels): the input of C's last layer, of F entries.

        params       {"C": Parameters}
        statistics   measured statistics for BatchNorm; None: BatchNorm uses those of each 500 pictures

        Dropout is off.
        """
        return _in_pieces(self.networks["C"][:-1], params["C"], x, statistics)


def _in_pieces(net, psi, x, statistics):
    return np.concatenate(
        [net.forward(psi, x[i : i + 500], Pass(None, statistics))[0] for i in range(0, len(x), 500)]
    )


def shifted(x, most, rng, fill):
    """A copy of the pictures x (N, H, W, channels) in which each picture is moved along both axes at random.

    most   the distances are from -most to most pixels
    rng    a numpy Generator, which draws the distances
    fill   the value of new pixels at the border
    """
    n, h, w, _ = x.shape
    wide = np.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), constant_values=fill)
    top, left = rng.integers(0, 2 * most + 1, (n, 2)).T[..., None]
    return wide[
        np.arange(n)[:, None, None], (top + np.arange(h))[:, :, None], (left + np.arange(w))[:, None, :]
    ]


def _convolutional(shape, classes, width, rate, steps, **settings):
    """Make a Classifier of pictures with one convolution with max-pooling for each level, and a dense layer.

    shape      (height, width, channels) of a picture, of a size that `levels_of` knows
    classes    the number of classes
    width      factor of the hidden sizes. Without it, the last convolution has 32 channels for each level,
               the one before it half as many (32 and 64 for two levels), and the dense layer has 128 units
    rate       the learning rate of Adam, which falls to 0 in `steps` steps
    settings   further fields of the Classifier

    Dropout follows the dense layer, and then comes the layer of the logits.
    """
    channels = channels_of(levels_of(shape[:2])[1], 32, width)[::-1]
    C = pooling_discriminator(shape[:2], channels, max(int(128 * width), 4), shape[2], outputs=classes)
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

    Makes the system and returns it, a Classifier. `width` is a factor of the hidden widths, `shape` the shape
    of one sample and `classes` the number of classes.
    """
    return _convolutional(shape, classes, width, rate=1e-3, steps=1500, data="digits", batch_size=64)


def mnist(width=1.0, shape=(28, 28, 1), classes=10):
    """28x28 pictures: convolutions 32 and 64 with max-pooling, a dense layer of 128, dropout.

    Training takes ten epochs. In training every picture is moved by up to one pixel along both axes. Makes
    the system and returns it, a Classifier. `width` is a factor of the hidden widths, `shape` the shape of
    one sample and `classes` the number of classes.
    """
    settings = {"data": "mnist", "batch_size": 128, "shift": 1}
    return _convolutional(shape, classes, width, rate=2e-3, steps=4690, **settings)


def pictures(width=1.0, shape=(32, 32, 3), classes=10):
    """Pictures of any size from 8x8 on, with any number of classes: `digits`, with the levels they need.

    In training every picture is moved by up to one pixel along both axes. Makes the system and returns it, a
    Classifier. `width` is a factor of the hidden widths, `shape` the shape of one sample and `classes` the
    number of classes.
    """
    settings = {"data": "a folder of images", "batch_size": 64, "shift": 1}
    return _convolutional(shape, classes, width, rate=1e-3, steps=3000, **settings)


def dense(width=1.0, shape=(28, 28, 1), classes=10):
    """28x28 pictures: dense layers of the sizes 784-256-256-10 with ReLU, Adam.

    Makes the system and returns it, a Classifier. `width` is a factor of the hidden widths, `shape` the shape
    of one sample and `classes` the number of classes.
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
