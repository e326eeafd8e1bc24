"""The classifier: it learns p(class | picture) from labelled data, and then judges generated samples.

The network C descends on the loss -mean log softmax(C(x))[c], the cross-entropy. x is a picture, c is the
number of its class, and C(x) are K logits, one for each class.
"""

from dataclasses import dataclass

import numpy as np

from ...core.randomness import derive, stream
from ...layers import Flatten, Pass, ReLU, Sequential
from ...losses import softmax, softmax_cross_entropy
from ...networks import mlp, pooling_discriminator
from ...optimizers import Adam
from ...optimizers.schedules import Cosine
from ..system import Result, System


@dataclass(frozen=True, kw_only=True, repr=False)
class Classifier(System):
    """A system with one network, C: pictures (N, H, W, channels) -> logits (N, K), one for each class.

    shift   in training, every picture is moved by up to this number of pixels along both axes
    """

    shift: int = 0

    purpose = "tells the class of a picture"
    metric_labels = {"accuracy": "accuracy on the batches of training"}

    def objectives(self):
        return {"C": self.cross_entropy}

    def cross_entropy(self, params, batch, seed):
        """The Result of a step: the loss -mean log p(c | x), its gradient for C, and the accuracy.

        x are the batch's pictures, each moved at random by up to `shift` pixels. c are their labels. The
        accuracy is the share of the pictures for which the largest logit is that of c.
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
        """The features (N, F) of pictures x (N, H, W, channels): the input of C's last layer.

        F is the number of entries of this input. params, statistics and dropout are as in `probabilities`.
        """
        return _in_pieces(self.networks["C"][:-1], params["C"], x, statistics)


def _in_pieces(net, psi, x, statistics):
    return np.concatenate(
        [net.forward(psi, x[i : i + 500], Pass(None, statistics))[0] for i in range(0, len(x), 500)]
    )


def shifted(x, most, rng, fill):
    """A copy of the pictures x (N, H, W, channels), each moved by -most to most pixels along both axes.

    The distances are drawn from `rng`, a numpy Generator. New pixels get the value `fill`.
    """
    n, h, w, _ = x.shape
    wide = np.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), constant_values=fill)
    top, left = rng.integers(0, 2 * most + 1, (n, 2)).T[..., None]
    return wide[
        np.arange(n)[:, None, None], (top + np.arange(h))[:, :, None], (left + np.arange(w))[:, None, :]
    ]


def _convolutional(size, width, rate, steps, **settings):
    """A Classifier of grey pictures of `size` x `size` pixels with 10 classes.

    C has convolutions with 32 and 64 channels, each with max-pooling, then a dense layer of 128 units with
    dropout, then the layer of the logits. `width` is a factor of the numbers 32, 64 and 128. Adam's learning
    rate falls from `rate` to 0 in `steps` steps. `settings` are further fields of the Classifier.
    """
    channels = [max(int(c * width), 2) for c in (32, 64)]
    C = pooling_discriminator(size, channels, hidden=max(int(128 * width), 4), colours=1, outputs=10)
    return Classifier(
        classes=10,
        sample_shape=(size, size, 1),
        steps=steps,
        networks={"C": C},
        optimizers={"C": Adam(Cosine(rate, steps), beta1=0.9)},
        **settings,
    )


def digits(width=1.0):
    """8x8 pictures: convolutions 32 and 64 with max-pooling, a dense layer of 128, dropout.

    Returns a Classifier. `width` is a factor of the hidden widths.
    """
    return _convolutional(8, width, rate=1e-3, steps=1500, data="digits", batch_size=64)


def mnist(width=1.0):
    """28x28 pictures: convolutions 32 and 64 with max-pooling, a dense layer of 128, dropout.

    Training takes ten epochs. In training every picture is moved by up to one pixel along both axes.
    Returns a Classifier. `width` is a factor of the hidden widths.
    """
    return _convolutional(28, width, rate=2e-3, steps=4690, data="mnist", batch_size=128, shift=1)


def dense(width=1.0):
    """28x28 pictures: dense layers of the sizes 784-256-256-10 with ReLU, Adam.

    Returns a Classifier. `width` is a factor of the hidden widths.
    """
    h = max(int(256 * width), 4)
    return Classifier(
        classes=10,
        sample_shape=(28, 28, 1),
        data="mnist",
        batch_size=128,
        steps=1876,
        networks={"C": Sequential(Flatten(), *mlp(784, h, h, 10, activation=ReLU))},
        optimizers={"C": Adam(1e-3, beta1=0.9)},
    )


PRESETS = {"digits": digits, "mnist": mnist, "dense": dense}
