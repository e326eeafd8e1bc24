"""Random crops and flips of pictures.

The random numbers of batch k come from the stream of (seed, k), so a resumed run gets the same bytes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..core.randomness import stream
from .dataset import Feed, Unpaired, expect_data


@dataclass(frozen=True, eq=False)
class Augmented:
    """A data set whose batches are cropped and mirrored at random.

    dataset   a Dataset. For an Unpaired set, augment each of its data sets: Unpaired(name, x=Augmented(...))
    crop      (height, width) of a random window of every picture; None: whole pictures
    flip      True: mirror left and right with probability 1/2

    A column holds pictures if it has four axes, (N, H, W, C). If a row has several pictures, one in each
    such column, all of them are cropped and mirrored alike. All other attributes are those of
    `dataset`.

    Raises TypeError for an Unpaired set or a value that is no data set, ValueError if a picture is smaller
    than the window.
    """

    dataset: object
    crop: tuple | None = None
    flip: bool = False

    def __post_init__(self):
        if isinstance(self.dataset, Unpaired):
            raise TypeError(
                "Augmented: expected a Dataset, got an Unpaired set; augment each of its sides by itself"
            )
        expect_data("Augmented", dataset=self.dataset)
        for name, column in self._pictures().items():
            if self.crop and (column.shape[1] < self.crop[0] or column.shape[2] < self.crop[1]):
                raise ValueError(
                    f"Augmented: expected a crop of at most {column.shape[1:3]}, the size of {name}, got "
                    f"{self.crop}"
                )

    def _pictures(self):
        """{column: pictures (N, H, W, C)} of the columns of the data set that have four axes."""
        return {name: column for name, column in self.dataset.columns.items() if column.ndim == 4}

    def __getattr__(self, name):
        """The attribute `name` of the data set. Python calls this if an Augmented has no such attribute."""
        if name == "dataset":  # pickle reads the attribute before it exists
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self):
        return len(self.dataset)

    @property
    def sample_shape(self):
        """The shape of one sample: (height, width, C) of the window for pictures, that of a row otherwise."""
        shape = self.dataset.sample_shape
        return (*self.crop, *shape[2:]) if self.crop and len(shape) == 3 else shape

    def feed(self, batch_size, seed, pixels=(-1.0, 1.0)):
        """The Feed of shuffled batches of `batch_size` rows, with pictures cropped and mirrored at random.

        seed     an integer of at least 0. Equal seeds give equal batches
        pixels   (lowest, highest): the range of the pictures, which are float32
        """
        feed, pictures = self.dataset.feed(batch_size, seed, pixels), self._pictures().keys()

        def batch(k):
            rows = feed.batch(k)
            # Each column gets a new generator of one stream, so that all pictures of a row change alike.
            return {
                name: self._changed(x, stream(seed, "augment", k)) if name in pictures else x
                for name, x in rows.items()
            }

        return Feed(batch, feed.epoch)

    def _changed(self, x, rng):
        """Crop and mirror each of the pictures x (N, H, W, C) at random. Returns new pictures (N, h, w, C).

        rng   a numpy Generator. Equal states of it give the same windows and the same mirrored rows
        """
        corner, mirrored = rng.random((len(x), 2)), rng.random(len(x)) < 0.5
        if self.crop:
            windows = sliding_window_view(x, self.crop, axis=(1, 2))  # (N, tops, lefts, C, h, w)
            # corner is in [0, 1), so the integer part of corner * (tops, lefts) is a valid (top, left)
            top, left = np.floor(corner * windows.shape[1:3]).astype(int).T
            # windows[n, top, left] is (C, h, w) for each n; moveaxis gives (N, h, w, C)
            x = np.ascontiguousarray(np.moveaxis(windows[np.arange(len(x)), top, left], 1, -1))
        return np.where(mirrored[:, None, None, None], x[:, :, ::-1], x) if self.flip else x
