"""Checkpoints: the state of a run in one file. A checkpoint file is complete or does not exist.

The file is an uncompressed .npz, which `numpy.load` reads too. Nothing is pickled. When the file is read, all
names, types, shapes and sizes are compared with those of the system before the data are read.
"""

import hashlib
import json
import os
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from ..core.arrays import HEADER, array_of, expect_directory, members
from ..core.errors import FileFormatError, damaged
from ..core.files import opened, replacing
from .state import State

ABOUT = 1 << 16  # largest size of the description of the run, in bytes
COUNT = 10**15  # largest number of steps, batches or updates


def identity(system, dataset, batch_size, seed):
    """The identity of a run: a dict of text and numbers. A checkpoint fits only a run of equal identity.

    It has the system's constants, networks and optimisers, the batch size, the seed and a hash of the data.
    Raises ValueError if the identity is too long to be read again.
    """
    stages = [_constants(now) | {"first": first} for first, now in system.stages]
    about = (
        stages[0]
        | ({"stages": stages} if len(stages) > 1 else {})
        | {
            "batch_size": batch_size,
            "seed": seed,
            "data": [
                dataset.name,
                len(dataset),
                _fingerprint(*(part for column in dataset.columns.items() for part in column)),
            ],
        }
    )
    if (size := len(_encode(about))) > ABOUT:
        raise ValueError(
            f"checkpoint: expected a description of the run of at most {ABOUT:,} bytes, got {size:,}; "
            "use fewer networks or stages, or shorter constants and names"
        )
    return about


def _constants(system):
    """{name: text}: the constants, networks and optimisers of a system.

    A network is a hash of its layers and layout.
    """
    # networks and optimizers are added below, batch_size by `identity`; data's name and steps may change
    excluded = ("networks", "optimizers", "data", "batch_size", "steps")
    return {
        field.name: repr(getattr(system, field.name))
        for field in fields(system)
        if field.name not in excluded
    } | {
        "system": type(system).__name__,
        "networks": {
            name: _fingerprint(repr([net, net.layout.slots])) for name, net in system.networks.items()
        },
        "optimizers": {name: repr(opt) for name, opt in system.optimizers.items()},
    }


def _fingerprint(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part))
    return digest.hexdigest()[:16]


# ---- writing


def save(path, state, about):
    """Write a State and `about`, the description of its run (see `identity`), to the file `path`.

    Equal states give equal bytes. An existing file is replaced at once, never in part.
    """
    arrays = {"about": np.frombuffer(_encode(about), np.uint8)}
    arrays |= {name: np.int64(value) for name, value in state.counters().items()} | state.vectors()
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # its date is constant
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), version=(1, 0), allow_pickle=False)


def _encode(about):
    return json.dumps(about, sort_keys=True).encode()


# ---- reading


def load(path, system, about):
    """Read the State in a checkpoint of `system`.

    about   the description of the run, as from `identity`
    Raises FileFormatError if the file is damaged or belongs to another run, FileNotFoundError if it does not
    exist. Never reads more bytes than a correct file has.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: restore it from a copy, or begin a new run")
    needed = min(sum(4 * net.layout.size for net in now.networks.values()) for _, now in system.stages)
    if path.stat().st_size < needed:  # before arrays of the system's size are made
        raise damaged(
            path,
            f"a file of at least {needed:,} bytes",
            f"{path.stat().st_size:,}",
            "it is not a checkpoint of this system, or damaged",
        )
    with opened(path) as file:
        try:
            return _read_state(file, system, about, path)
        except FileFormatError:
            raise
        except Exception as error:  # zipfile, struct, ast and numpy raise many types for a damaged file
            raise damaged(path, "a whole checkpoint", f"{type(error).__name__}: {error}") from error


def _read_state(file, system, about, path):
    """Read the State in an open file.

    Sizes and names are checked before any data, each header before its data. Raises FileFormatError if they
    do not fit the system, or if `about` differs from the description in the file.
    """
    empty = [State.empty(now) for _, now in system.stages]
    names = [{**state.vectors(), **state.counters()} for state in empty]
    most = 2 + max(map(len, names))  # + 2: the description, and one unknown array for the error message
    limit = (
        ABOUT
        + max(sum(vector.nbytes for vector in state.vectors().values()) for state in empty)
        + 2 * HEADER * most
    )
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise damaged(
            path,
            f"at most {limit:,} bytes",
            f"{size:,}",
            "it is not a checkpoint of this system, or not of this preset",
        )
    expect_directory(file, most, path)
    with zipfile.ZipFile(file) as archive:
        there = members(archive, path)
        _compare(_read(archive, there, "about", np.uint8, None), about, path)
        step = _counter(archive, there, "step")
        stage = sum(first <= step for first, _ in system.stages) - 1
        state = empty[stage]
        _expect_names(there, {"about", *names[stage]}, path)
        state._count({name: _counter(archive, there, name) for name in state.counters()})
        for name, vector in state.vectors().items():
            vector[...] = _read(archive, there, name, vector.dtype, vector.shape)
            if not name.startswith("memory.") and not np.isfinite(vector).all():
                raise damaged(path, f"{name} of finite numbers", "inf or nan")
    return state


def _expect_names(there, names, path):
    if there.keys() != names:
        missing, extra = sorted(names - there.keys()), sorted(there.keys() - names)
        raise damaged(
            path,
            f"the arrays of this system{f', {missing} among them' if missing else ''}",
            f"{extra or 'none of these'} instead" if missing else f"{extra} besides",
            "it is a checkpoint of another system, preset or optimiser",
        )


def _read(archive, there, name, dtype, shape):
    """Read one array of the archive.

    there   the members of the archive, {name: ZipInfo}
    shape   the expected shape; None: one row of at most ABOUT entries
    Raises FileFormatError if the array is missing, damaged or of another dtype or shape.
    """
    path = f"{archive.fp.name}, {name}"
    if name not in there:
        raise damaged(archive.fp.name, f"an array {name!r}", "none", "the file is not a checkpoint of numgan")
    with archive.open(there[name]) as member:
        # the directory may claim more bytes than the file has, and read() would allocate them
        array = array_of(member.read(os.fstat(archive.fp.fileno()).st_size), path)
    fits = array.shape == shape if shape is not None else array.ndim == 1 and array.size <= ABOUT
    if array.dtype != dtype or not fits:
        raise damaged(
            path,
            f"{np.dtype(dtype)} {'in one row' if shape is None else shape}",
            f"{array.dtype} {array.shape}",
            "it is a checkpoint of another system or preset, or it is damaged",
        )
    return array


def _counter(archive, there, name):
    """Read one of the counters of a State, as an int. Raises FileFormatError unless it is from 0 to COUNT."""
    value = int(_read(archive, there, name, np.int64, ()))
    if not 0 <= value <= COUNT:
        path = f"{archive.fp.name}, {name}"
        raise damaged(path, f"a count of 0 or more, at most {COUNT:,}", f"{value:,}")
    return value


def _compare(raw, about, path):
    """Compare `raw`, the description in the file as bytes of JSON, with `about`, that of the run.

    Raises FileFormatError, which names the first difference.
    """
    found, wanted = json.loads(raw.tobytes()), json.loads(_encode(about))
    if not isinstance(found, dict):
        raise damaged(path, "a description of the run", type(found).__name__)
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise damaged(
                path,
                f"a checkpoint of a run with {key} {wanted.get(key)!r}",
                f"one with {found.get(key)!r}",
                "a run continues only with the system, data and settings that it began with",
            )
