"""Draw samples of a trained system, and arrange them in one picture."""

import numpy as np
from threadpoolctl import threadpool_limits

from .. import plot
from ..core.randomness import derive, stream
from ..core.underflow import may_underflow
from ..data import in_units, is_pictures
from ..data.pixels import to_bytes
from ..layers import Pass
from ..layers.normalization import pooled
from ..systems import Batch
from .classes import numbers_of

CHUNK = 250  # samples in one forward pass
MEASURED = 20  # batches for the BatchNorm statistics


@may_underflow
class Sampler:
    """Draws samples of a trained system: sampler(n, seed) returns n samples and their labels.

    system       the System
    params       {network: Parameters} of all networks
    seed         the seed of the batches on which BatchNorm statistics are measured
    batch_size   the size of these batches
    dataset      the data; it has the class names, and the rows that samples are made from
                 (`system.made_from`)

    The statistics are measured when the Sampler is made, on MEASURED batches. So a sample does not depend on
    the other samples of its batch. Dropout and noise in layers are off unless `system.keeps_noise`.
    """

    def __init__(self, system, params, seed, batch_size, dataset):
        self.system, self.params, self.dataset = system, params, dataset
        self.classes = len(names_of(system, dataset))
        found = {name: [] for name in system.drawers}
        for i in range(MEASURED):
            contexts = {
                name: Pass(derive(seed, f"measure {name}") if system.keeps_noise else None)
                for name in system.networks
            }
            key = derive(seed, "measure", i)
            inputs = system.inputs(self.batch(batch_size, key), key)
            _, caches = system.draw(params, inputs, contexts)
            for name, cache in caches.items():
                found[name].append(system.networks[name].batch_statistics(cache))
        self.statistics = {name: pooled(trees) for name, trees in found.items()}

    def batch(self, n, seed, labels=None):
        """Make the Batch from which the system makes n samples: random rows of the data, and labels.

        seed     chooses the rows
        labels   names or numbers of classes, repeated in this order until there are n; None: all classes in
                 turn

        The Batch has only the columns of data that the system needs. It has labels only if the system has
        classes.
        """
        needed, columns = set(self.system.made_from) - {"labels"}, {}
        if needed:
            chosen = np.resize(stream(seed, "rows").permutation(len(self.dataset)), n)
            rows = self.dataset.rows(chosen, self.system.pixels)
            columns = {name: column for name, column in rows.items() if name in needed}
        if self.classes:
            columns["labels"] = np.resize(self.numbers(labels), n)
        return Batch(columns, number=n)

    def numbers(self, labels=None):
        """The class numbers, a list, of `labels`: a list of names or numbers of classes, or None for all.

        Raises the errors of `classes.numbers_of`, for example if the system has no classes.
        """
        every = list(range(self.classes))
        return every if labels is None else numbers_of(labels, names_of(self.system, self.dataset))

    @threadpool_limits.wrap(limits=1)  # equal bits for any number of BLAS threads
    def __call__(self, n, seed, labels=None, batch=None):
        """Draw n samples: (x, labels). x (n, ...) is float32 in the system's pixel range, labels is (n,).

        seed     the seed of the noise
        labels   names or numbers of classes, repeated in this order until there are n; None: all in turn
        batch    the Batch that the samples are made from; None: `self.batch(n, seed, labels)`

        The returned labels are class numbers, or None if the system has no classes. Raises the errors of
        `numbers`.
        """
        labels = None if labels is None else self.numbers(labels)
        batch = self.batch(n, seed, labels) if batch is None else batch
        inputs, pieces = self.system.inputs(batch, seed), []
        for i, start in enumerate(range(0, n, CHUNK)):
            part = slice(start, start + CHUNK)
            contexts = {
                name: Pass(
                    derive(seed, name, i) if self.system.keeps_noise else None, self.statistics.get(name)
                )
                for name in self.system.networks
            }
            piece = tuple(array[part] for array in inputs) if isinstance(inputs, tuple) else inputs[part]
            x, _ = self.system.draw(self.params, piece, contexts)
            pieces.append(x)
        return np.concatenate(pieces), batch.get("labels") if self.classes else None


def names_of(system, dataset):
    """The names of the classes of which the system draws samples, a tuple of texts.

    They are the names in the data set, or "0", "1", ... if it has no names. () for a system without classes.
    dataset is the data set that the system was trained on.
    """
    return (dataset.classes or tuple(map(str, range(system.classes)))) if system.classes else ()


def can_be_drawn(system, dataset):
    """Whether `picture` can show samples of the system: True if they are pictures or rows of numbers.

    Samples have the form of the column `system.target` of the data set.
    """
    like = dataset.columns[system.target]
    return is_pictures(like) or like.ndim == 2


@may_underflow
def picture(sampler, seed, count=None, labels=None, title=""):
    """Draw samples and return them as one Pillow image.

    sampler   a Sampler
    seed      the seed of the samples
    count     the number of samples; None: 10 for each class to draw; without classes 64 pictures or 2000
              points
    labels    names or numbers of the classes to draw; None: all
    title     text above points; pictures have no title

    The image depends on the samples:

    points                       are drawn over points of the data
    samples made from pictures   each sample is beside the pictures that it is made from
    other pictures with labels   one row for each class
    other pictures               about as many rows as columns
    """
    system = sampler.system
    like = sampler.dataset.columns[system.target]
    if labels is not None:
        labels = numbers_of(labels, names_of(system, sampler.dataset))
    if not count and sampler.classes:
        count = 10 * (sampler.classes if labels is None else len(set(labels)))
    elif not count:
        count = 64 if is_pictures(like) else 2000
    batch = sampler.batch(count, seed, labels)
    x, asked = sampler(count, seed, labels, batch)
    if not is_pictures(like):
        real, fake = in_units(sampler.dataset, like[:2000]), in_units(sampler.dataset, x)
        heads = getattr(sampler.dataset, "column_names", None)  # an Unpaired set has none
        return plot.points(real, fake, title, **({"names": heads} if heads else {}))
    images = to_bytes(x, system.pixels)
    given = [to_bytes(column, system.pixels) for column in batch.values() if column.shape == x.shape]
    if given:
        return plot.grid(
            np.stack([*given, images], axis=1).reshape(-1, *images.shape[1:]),
            (len(given) + 1) * max(1, int(count**0.5 / 2)),  # columns: sqrt(count) / 2 groups in a row
        )
    if asked is None:
        return plot.grid(images, int(np.ceil(len(images) ** 0.5)))
    shown = np.unique(asked)
    rows = [images[asked == label] for label in shown]
    columns = max(map(len, rows))
    table = np.full((len(rows), columns, *images.shape[1:]), plot.PAPER, np.uint8)
    for line, row in zip(table, rows):
        line[: len(row)] = row
    names = plot.legible(names_of(system, sampler.dataset))
    return plot.grid(table.reshape(-1, *images.shape[1:]), columns, [names[label] for label in shown])
