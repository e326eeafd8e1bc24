"""Samples of a generator: drawn, made bytes, and laid out as a picture."""

import numpy as np
from threadpoolctl import threadpool_limits

from . import plot
from .layers import Run, measure
from .randomness import derive
from .underflow import may_underflow

CHUNK = 250               # samples of one forward pass
MEASURED = 20             # latent batches that BatchNorm statistics are measured over


@may_underflow
class Sampler:
    """Draws from G: BatchNorm statistics are measured once, so a sample does not depend on its neighbours; dropout is off unless `system.noisy`.

    weights   G's Parameters; classes: how many labels to ask for in turn (0: the system has none)
    sampler(n, seed, labels=None) -> x (n, ...) float32 in the system's range, and the labels asked for (n,) or None
    """

    def __init__(self, system, weights, seed, batch_size, classes=0):
        self.system, self.weights, self.classes = system, weights, classes
        asked = self._asked(batch_size, None)
        batches = (system.latents(batch_size, derive(seed, "measure", i), labels=asked) for i in range(MEASURED))
        self.statistics = measure(system.networks["G"], weights, batches, derive(seed, "measure G") if system.noisy else None)

    def _asked(self, n, labels):
        return np.resize(np.arange(self.classes) if labels is None else labels, n) if self.classes else None

    @threadpool_limits.wrap(limits=1)                    # equal bits for any number of BLAS threads
    def __call__(self, n, seed, labels=None):
        if labels is not None and not self.classes:
            raise ValueError(f"{type(self.system).__name__} has no labels to ask for; leave --labels out")
        if labels is not None and not all(0 <= label < self.classes for label in labels):
            raise ValueError(f"labels: expected numbers from 0 to {self.classes - 1}, got {list(labels)}")
        asked = self._asked(n, labels)
        z = self.system.latents(n, seed, labels=asked)
        pieces = [tuple(part[i:i + CHUNK] for part in z) if isinstance(z, tuple) else z[i:i + CHUNK] for i in range(0, n, CHUNK)]
        runs = [Run(derive(seed, "G", i) if self.system.noisy else None, self.statistics) for i in range(len(pieces))]
        return np.concatenate([self.system.networks["G"].forward(self.weights, piece, run)[0] for piece, run in zip(pieces, runs)]), asked


@may_underflow
def to_bytes(x, pixels):
    """Pictures in the range `pixels` as uint8, as they are saved; what lies outside is clipped."""
    low, high = pixels
    return np.rint(np.clip((x - low) / (high - low), 0, 1) * 255).astype(np.uint8)


@may_underflow
def picture(sampler, dataset, classes, seed, count=None, labels=None, title=""):
    """Samples as one Pillow image: conditional ones with a row for each class, others in a square, points over the data."""
    default = 10 * len(set(labels) if labels else range(sampler.classes)) if sampler.classes else 64 if dataset.is_images else 2000
    x, asked = sampler(count or default, seed, labels)
    if not dataset.is_images:
        return plot.points(dataset.take(np.arange(min(len(dataset), 2000)))[0], x, title)
    images = to_bytes(x, sampler.system.pixels)
    if asked is None:
        return plot.grid(images, int(np.ceil(len(images) ** 0.5)))
    rows = [images[asked == label] for label in np.unique(asked)]
    columns = max(map(len, rows))
    padded = [np.concatenate([row, np.full((columns - len(row), *row.shape[1:]), plot.PAPER, np.uint8)]) for row in rows]
    return plot.grid(np.concatenate(padded), columns, [classes[label] for label in np.unique(asked)])


@may_underflow
def scaled(x, system):
    """Pictures in -1..1 in the range that a system's networks see."""
    low, high = system.pixels
    return x if (low, high) == (-1, 1) else (low + (x + 1) * ((high - low) / 2)).astype(x.dtype)
