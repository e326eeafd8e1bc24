"""Checkpoints: everything of a run that changes, in one file that is whole or not there at all.

    state.step, state.batches          steps done, batches drawn
    state.params[name]                 weights, one vector a network
    state.moments[name]                the optimiser's {"step": updates made, "m": ..., "v": ...}
    state.averages[name]               the moving average of the weights, for the networks in `system.averaged`
    state.memory                       what else the system remembers, {name: array}

Nothing else has to be kept: every random draw is a stream named by (seed, step, purpose), and batch k is a function of k.
The file is an uncompressed .npz that `numpy.load` reads too. Nothing is pickled, and a file is believed only as far as it
agrees with what the system must have: names, types, shapes and sizes are compared before any data are read.
"""

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from .arrays import HEADER, expect_directory, header, members
from .errors import FileFormatError
from .files import opened, replacing
from .parameters import Parameters
from .randomness import derive

ABOUT = 1 << 16           # bytes that the description of the run may take
COUNT = 10**15            # of steps, batches or updates, at most


@dataclass
class State:
    """What training changes; a run's configuration and a State decide everything that follows, bit for bit."""

    params: dict
    moments: dict
    averages: dict
    step: int = 0
    batches: int = 0
    memory: dict = field(default_factory=dict)

    @classmethod
    def of(cls, system, params):
        """The state before the first step of a stage, at these parameters."""
        moments = {name: opt.start(params[name].vector) for name, opt in system.optimizers.items()}
        averages = {name: params[name].copy() for name in system.averaged}
        return cls(params, moments, averages, memory=system.memory(next(iter(params.values())).dtype))

    @classmethod
    def empty(cls, system, dtype=np.float32):
        """The state of a system whose parameters are all zero: room for what a file holds."""
        return cls.of(system, {name: Parameters(np.zeros(net.layout.size, dtype), net.layout) for name, net in system.networks.items()})

    @classmethod
    def start(cls, system, seed, dtype=np.float32, weights=None):
        """The state before the first step.

        weights   {network: Parameters} of another run, to begin with in place of random ones; entries are taken by path
        """
        params = system.init(seed, dtype)
        for name, p in (weights or {}).items():
            params[name].copy_from(p)
        return cls.of(system.at(0), params)

    def enter(self, system, seed):
        """Begin the next stage, in place: networks of the stage's system, which keep the entries that they have; optimisers start anew.

        system   the system at the stage's first step
        """
        fresh = State.of(system, system.init(derive(seed, "stage", self.step), next(iter(self.params.values())).dtype))
        system.inherit(fresh.params, self.params)
        fresh.averages |= {name: fresh.params[name].copy() for name in fresh.averages}
        system.inherit(fresh.averages, self.averages)
        self.params, self.moments, self.averages, self.memory = fresh.params, fresh.moments, fresh.averages, fresh.memory

    @property
    def sampled(self):
        """{network: the weights that samples are drawn with}: moving averages where they are kept."""
        return self.params | self.averages

    def vectors(self):
        """{name in the file: array}, views: what is written here is written to the state. All are vectors but those of the memory."""
        found = {f"{name}.weights": p.vector for name, p in self.params.items()}
        found |= {f"{name}.{moment}": vector for name, state in self.moments.items() for moment, vector in state.items() if moment != "step"}
        found |= {f"{name}.average": p.vector for name, p in self.averages.items()}
        return found | {f"memory.{name}": array for name, array in self.memory.items()}

    def counters(self):
        """{name in the file: integer}"""
        return {"step": self.step, "batches": self.batches} | {f"{name}.updates": state["step"] for name, state in self.moments.items()}

    def _count(self, counters):
        self.step, self.batches = counters["step"], counters["batches"]
        for name, state in self.moments.items():
            state["step"] = counters[f"{name}.updates"]


def identity(system, dataset, batch_size, seed):
    """What must agree for a checkpoint to continue a run: a dict of strings and numbers, to be saved beside the weights."""
    stages = [_constants(now) | {"first": first} for first, now in system.stages]
    return stages[0] | ({"stages": stages} if len(stages) > 1 else {}) | {
        "batch_size": batch_size, "seed": seed,
        "data": [dataset.name, len(dataset), _fingerprint(*(part for column in dataset.columns.items() for part in column))],
    }


def _constants(system):
    """The constants, networks and optimisers of a system, as text."""
    apart = ("networks", "optimizers", "data", "batch_size", "steps")    # below, or free to change
    return {field.name: repr(getattr(system, field.name)) for field in fields(system) if field.name not in apart} | {
        "system": type(system).__name__,
        "networks": {name: _fingerprint(repr([net, net.layout.slots])) for name, net in system.networks.items()},
        "optimizers": {name: repr(opt) for name, opt in system.optimizers.items()},
    }


def _fingerprint(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part))
    return digest.hexdigest()[:16]


# ---- writing


def save(path, state, about):
    """Write a State and the description of its run (`identity`); equal states make equal bytes."""
    arrays = {"about": np.frombuffer(_encode(about), np.uint8)}
    arrays |= {name: np.int64(value) for name, value in state.counters().items()} | state.vectors()
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:      # ZipInfo's date is constant
                np.lib.format.write_array(member, np.asarray(array), version=(1, 0), allow_pickle=False)


def _encode(about):
    return json.dumps(about, sort_keys=True).encode()


# ---- reading


def load(path, system, about):
    """The State in a checkpoint of `system`, whose run is described by `about`.

    FileFormatError if the file is damaged or is another run's; FileNotFoundError if it is not there. At most the bytes that a
    right file has are ever read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: restore it from a copy, or begin a new run")
    stages = [now for _, now in system.stages]
    needed = min(sum(4 * net.layout.size for net in now.networks.values()) for now in stages)
    if not path.is_file() or path.stat().st_size < needed:       # before anything of the system's size is made
        raise _broken(path, f"a file of at least {needed:,} bytes", f"{path.stat().st_size:,}", "it is not a checkpoint of this system, or damaged")
    with opened(path) as file:
        try:
            return _read_state(file, system, about, path)
        except FileFormatError:
            raise
        except Exception as error:                       # zipfile, struct, ast and numpy raise nearly every kind on a damaged file
            raise _broken(path, "a whole checkpoint", f"{type(error).__name__}: {error}") from error


def _read_state(file, system, about, path):
    """The State in an open file; the names and sizes of all arrays are compared before the data are read."""
    empty = [State.empty(now) for _, now in system.stages]
    names = [{**state.vectors(), **state.counters()} for state in empty]
    most = 2 + max(map(len, names))                      # with the description, and one to be named as too many
    limit = ABOUT + max(sum(vector.nbytes for vector in state.vectors().values()) for state in empty) + 2 * HEADER * most
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise _broken(path, f"at most {limit:,} bytes", f"{size:,}", "it is not a checkpoint of this system, or not of this preset")
    expect_directory(file, most, path)
    with zipfile.ZipFile(file) as archive:
        there = members(archive, path)
        _compare(_read(archive, there, "about", np.uint8, None), about, path)
        step = int(_read(archive, there, "step", np.int64, ()))
        stage = sum(first <= step for first, _ in system.stages) - 1
        state = empty[stage]
        _expect_names(there, {"about", *names[stage]}, path)
        state._count({name: int(_read(archive, there, name, np.int64, ())) for name in state.counters()})
        for name, vector in state.vectors().items():
            vector[...] = _read(archive, there, name, vector.dtype, vector.shape)
            if not np.isfinite(vector).all():
                raise _broken(path, f"{name} of finite numbers", "inf or nan")
    return state


def _broken(path, expected, got, advice="the file is damaged: restore it from a copy, or train again"):
    return FileFormatError(f"{path}: expected {expected}, got {got}; {advice}")


def _expect_names(there, names, path):
    if there.keys() != names:
        missing, extra = sorted(names - there.keys()), sorted(there.keys() - names)
        raise _broken(path, f"the arrays of this system{f', {missing} among them' if missing else ''}",
                      f"{extra or 'none of these'} instead" if missing else f"{extra} besides",
                      "it is a checkpoint of another system, preset or optimiser")


def _read(archive, there, name, dtype, shape):
    """One array; its header must be what is expected before a byte of data is read. shape None: any row of at most ABOUT bytes."""
    path = f"{archive.fp.name}, {name}"
    if name not in there:
        raise _broken(archive.fp.name, f"an array {name!r}", "none", "the file is not a checkpoint of numgan")
    with archive.open(there[name]) as member:
        got, fortran, found = header(member, path)
        shape = got if shape is None and len(got) == 1 and got[0] <= ABOUT else shape
        if found != np.dtype(dtype) or got != shape or fortran:
            raise _broken(path, f"{np.dtype(dtype)} {shape or 'in one row' if shape is None else shape}", f"{found} {got}",
                          "it is a checkpoint of another system or preset, or it is damaged")
        nbytes = int(np.prod(shape, dtype=object)) * found.itemsize
        data = member.read(nbytes + 1)                   # to the end, where zipfile compares the checksum
        if len(data) != nbytes:
            raise _broken(path, f"{nbytes:,} bytes of data", f"{len(data):,}")
    array = np.frombuffer(data, found).reshape(shape)
    if found == np.int64 and not 0 <= array.min() <= array.max() <= COUNT:
        raise _broken(path, f"a count of 0 or more, at most {COUNT:,}", f"{array.min():,}")
    return array


def _compare(raw, about, path):
    """Compare the description in the file with that of the run: the message names what differs."""
    found, wanted = json.loads(raw.tobytes()), json.loads(_encode(about))
    if not isinstance(found, dict):
        raise _broken(path, "a description of the run", type(found).__name__)
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise _broken(path, f"a checkpoint of a run with {key} {wanted.get(key)!r}", f"one with {found.get(key)!r}",
                          "a run continues only with the system, data and settings that it began with")
