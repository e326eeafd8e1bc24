"""Experience replay: old fakes that D sees again, so that G cannot win by returning to what D has forgotten.

Shrivastava et al. 2017, section 2.3: a share of D's fakes is drawn from a pool of earlier ones, and new fakes take their places there.
"""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import is_number, plain_fields, positive
from ..core.underflow import may_underflow


@may_underflow
@dataclass(frozen=True)
class Pool:
    """Room for `size` old samples, each a row of one or more arrays (a picture and its label).

    Each new sample is, with probability `share`, shown as an old one, another for each, and takes its place; the rest fill what room is left.
    What the pool holds is a value, {"pool.count": ..., "pool.NAME": (size, ...)}: `mix` reads it and returns another.
    ValueError unless size is an integer of at least 1 and 0 <= share <= 1.
    """

    size: int
    share: float = 0.5

    def __post_init__(self):
        positive(self.size, "Pool size")
        if not (is_number(self.share) and self.share <= 1):
            raise ValueError(f"Pool: expected a share from 0 to 1, got {self.share!r}")
        plain_fields(self)

    def empty(self, **rows):
        """What an empty pool holds; rows: {name: (shape of one row, dtype)}."""
        return {"pool.count": np.zeros(1, np.int64)} | {
            f"pool.{name}": np.zeros((self.size, *shape), dtype) for name, (shape, dtype) in rows.items()
        }

    def mix(self, held, fresh, rng):
        """What is shown for `fresh` {name: (n, ...)}, in the same form, and what the pool holds afterwards; new arrays all.

        ValueError unless fresh is of as many rows under each name, and held what `empty` makes for such rows.
        """
        self._check(held, fresh)
        count, n = int(held["pool.count"][0]), len(next(iter(fresh.values())))
        old = np.flatnonzero(rng.random(n) < self.share)[:count]  # these are shown an old sample ...
        places = rng.permutation(count)[: len(old)]  # ... from a place of their own, and go there
        rest = np.setdiff1d(np.arange(n), old)[: self.size - count]
        shown, after = {}, {"pool.count": held["pool.count"] + len(rest)}
        for name, rows in fresh.items():
            before = held[f"pool.{name}"]
            shown[name], kept = rows.copy(), before.copy()
            shown[name][old] = before[places]
            kept[places], kept[count : count + len(rest)] = rows[old], rows[rest]
            after[f"pool.{name}"] = kept
        return shown, after

    def _check(self, held, fresh):
        shapes = {name: np.shape(rows) for name, rows in fresh.items()}
        if len({shape[:1] for shape in shapes.values()}) != 1 or () in shapes.values():
            raise ValueError(
                f"Pool.mix: expected fresh as arrays with one row for each sample, as many in each, got {shapes or 'none'}"
            )
        wanted = {"pool.count": (1,)} | {
            f"pool.{name}": (self.size, *shape[1:]) for name, shape in shapes.items()
        }
        got = {name: np.shape(array) for name, array in held.items() if name.startswith("pool.")}
        if got != wanted:
            raise ValueError(
                f"Pool.mix: expected held with {wanted} for these samples, got {got}; {self!r}.empty(...) makes it"
            )
