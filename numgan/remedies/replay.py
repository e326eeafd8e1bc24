"""Experience replay: D is trained on old fakes too, so that G cannot return to fakes that D has forgotten.

Shrivastava et al. 2017, section 2.3, draw some of D's fakes from a pool of old fakes. New fakes replace the
drawn ones in the pool. Chintala et al. 2016, point 8, also keep old parameters of G and D: a network then
trains against an older opponent.
"""

from dataclasses import dataclass

import numpy as np

from ..core.arguments import plain_fields, positive, share
from ..core.randomness import stream
from ..core.underflow import may_underflow
from .remedy import Remedy


@may_underflow
@dataclass(frozen=True)
class Pool:
    """The rule of a pool of at most `size` old samples, some of which D gets in place of new samples.

    Each new sample is replaced by an old one with probability `share`, and takes the row of the old one in
    the pool. New samples that are not replaced are also copied into the free rows of the pool. No old sample
    is used twice in a batch, so at most as many are used as the pool holds.

    A sample may have several arrays, such as an image and its label. This object does not store samples. The
    content of the pool is a dict, which `empty` makes and of which `mix` returns a new one:

    "pool.count"    (1,) the number of samples in the pool
    "pool.NAME"     (size, ...) the samples' arrays NAME, such as x; rows from count on are free

    Raises ValueError unless size is an integer of at least 1 and 0 <= share <= 1.
    """

    size: int
    share: float = 0.5

    def __post_init__(self):
        positive(self.size, "Pool size")
        share(self.share, "Pool")
        plain_fields(self)

    def empty(self, **rows):
        """The content of an empty pool, a dict with "pool.count" and "pool.NAME" for each array NAME.

        The arrays are given as NAME=(shape of one sample, dtype), such as x=((8, 8, 1), np.float32).
        """
        return {"pool.count": np.zeros(1, np.int64)} | {
            f"pool.{name}": np.zeros((self.size, *shape), dtype) for name, (shape, dtype) in rows.items()
        }

    def mix(self, held, fresh, rng):
        """(the samples for D, the new content of the pool), both as new arrays.

        held     the content of the pool
        fresh    the new samples, {name: array (n, ...)}; the samples for D have the same form
        rng      the numpy Generator that draws which new samples are replaced, and by which old ones

        Raises ValueError if the arrays of `fresh` differ in length, or if `held` is not the content of a pool
        for samples of these shapes.
        """
        self._check(held, fresh)
        (count,) = map(int, held["pool.count"])
        n = len(next(iter(fresh.values())))  # the number of new samples
        old = np.flatnonzero(rng.random(n) < self.share)[:count]  # old samples replace these rows of fresh
        places = rng.permutation(count)[: len(old)]  # the rows of the pool that hold these old samples
        rest = np.setdiff1d(np.arange(n), old)[: self.size - count]  # rows of fresh for the pool's free rows
        mixed, content = {}, {"pool.count": held["pool.count"] + len(rest)}
        for name, rows in fresh.items():
            before = held[f"pool.{name}"]
            mixed[name], after = rows.copy(), before.copy()
            mixed[name][old] = before[places]
            after[places], after[count : count + len(rest)] = rows[old], rows[rest]
            content[f"pool.{name}"] = after
        return mixed, content

    def _check(self, held, fresh):
        """Raise ValueError for wrong shapes in `held`, a pool's content, or `fresh`, {name: array}."""
        shapes = {name: np.shape(rows) for name, rows in fresh.items()}
        if len({shape[:1] for shape in shapes.values()}) != 1 or () in shapes.values():
            raise ValueError(
                "Pool.mix: expected fresh as arrays with one row for each sample, as many in each, "
                f"got {shapes or 'none'}"
            )
        wanted = {"pool.count": (1,)} | {
            f"pool.{name}": (self.size, *shape[1:]) for name, shape in shapes.items()
        }
        got = {name: np.shape(array) for name, array in held.items() if name.startswith("pool.")}
        if got != wanted:
            raise ValueError(
                f"Pool.mix: expected held with {wanted} for these samples, got {got}; "
                f"make it with {self!r}.empty(...)"
            )


@may_underflow
@dataclass(frozen=True)
class Replay(Remedy):
    """Remedy: in D's step some new fakes are replaced by old ones from a pool (see `Pool`).

    replay    the probability that a fake is replaced; 0: there is no pool
    pool      the largest number of fakes in the pool

    Raises ValueError unless replay is from 0 to 1 and pool is an integer of at least 1.
    """

    replay: float = 0.5
    pool: int = 1024
    checks = {"replay": share, "pool": positive}

    def memory(self, game, dtype):
        """The content of an empty pool for samples x of `dtype`, and labels y if the game has classes.

        It is {} if replay is 0.
        """
        if not self.replay:
            return {}
        # the labels y have the shape (): one number for each sample
        columns = {"x": (game.sample_shape, dtype)} | ({"y": ((), np.int64)} if game.classes else {})
        return Pool(self.pool, self.replay).empty(**columns)

    def fakes(self, rows, game, seed):
        """(rows with some old fakes in place of new ones, the new content of the pool), drawn from `seed`.

        rows is {"x": fakes}, with classes also "y". The old content is game.remembered. (rows, {}) if replay
        is 0.
        """
        if not self.replay:
            return rows, {}
        return Pool(self.pool, self.replay).mix(game.remembered, rows, stream(seed, "replay"))


@may_underflow
@dataclass(frozen=True)
class PastPlayers(Remedy):
    """Remedy: sometimes G or D trains against an opponent with older parameters.

    past    the probability of an older opponent in each objective after the first step; 0: never
    age     the parameters are stored at the steps 0, age, 2 age, ..., so they are up to `age` steps old

    Raises ValueError unless past is from 0 to 1 and age is an integer of at least 1.
    """

    past: float = 0.05
    age: int = 500
    checks = {"past": share, "age": positive}

    def memory(self, game, dtype):
        """{"past.NAME": vector of zeros} of `dtype`, one for the parameters of each network NAME of `game`.

        It is {} if past is 0.
        """
        if not self.past:
            return {}
        return {f"past.{name}": np.zeros(net.layout.size, dtype) for name, net in game.networks.items()}

    def opponent(self, params, name, game, seed):
        """The stored Parameters of the network `name` with probability `past`, otherwise params.

        The decision is drawn from `seed`. In the first step, game.now = 0, the result is params, and also if
        past is 0.
        """
        if self.past and game.now and stream(seed, "past").random() < self.past:
            return params.like(game.remembered[f"past.{name}"])
        return params

    def before_update(self, params, game):
        """{"past.NAME": copy of the parameters of the network NAME}, one for each network.

        It is {} if the step game.now is no multiple of `age`, or if past is 0. params are {network:
        Parameters}.
        """
        if not self.past or game.now % self.age:
            return {}
        return {f"past.{name}": p.vector.copy() for name, p in params.items()}
