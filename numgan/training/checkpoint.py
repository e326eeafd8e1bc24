"""Checkpoints: the state of a run in one file. A checkpoint file is complete or does not exist.

The file is an uncompressed .npz, which `numpy.load` reads too. Nothing is pickled. The file's size is checked
before it is read. The names, types and shapes of its arrays are compared with those of the system before a
State with their numbers is returned.
"""

import json
import os
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from ..core.arrays import HEADER, array_of, expect_directory, members, write_arrays
from ..core.errors import FileFormatError, damaged
from ..core.fields import Maybe, Real, Record, Whole
from ..core.files import opened, replacing
from . import kept
from .state import State

ABOUT = 1 << 16  # largest size of the description of the run, in bytes
LAST = "last metrics"  # the key of State.metrics in the description of the run
COUNT = 10**15  # largest number of steps, batches or updates
METRICS = Record({}, others=Record({"step": Whole(1, COUNT), "value": Maybe(Real())}))  # of State.metrics


def identity(system, data, batch_size, seed):
    """The identity of a run, a dict of everything that must be the same when the run is resumed.

    system       the System: its class, constants, networks (as hashes) and optimisers; those of every stage
                 if there are several
    data         the Dataset, or its fingerprint (see kept.fingerprint). The identity has a hash of it
    batch_size   the number of samples in a batch
    seed         the run's seed

    `save` writes the identity into the checkpoint, and `load` compares it with that of the run that is
    resumed. Raises ValueError if the identity has more than ABOUT bytes as JSON, because `load` could not
    read it.
    """
    stages = [_constants(now) | {"first": first} for first, now in system.stages]
    about = (
        stages[0]
        | ({"stages": stages} if len(stages) > 1 else {})
        | {
            "batch_size": batch_size,
            "seed": seed,
            "data": kept.digest(json.dumps(data if isinstance(data, dict) else kept.fingerprint(data))),
        }
    )
    if (size := len(_encode(about))) > ABOUT:
        raise ValueError(
            f"checkpoint: expected a description of the run of at most {ABOUT:,} bytes, got {size:,}; "
            "use fewer networks or stages, or shorter constants and names"
        )
    return about


def _constants(system):
    """Describe a system by a dict of text: its class, its constants, its networks and its optimisers.

        {constant: text, "system": class name, "networks": {name: hash}, "optimizers": {name: text}}

    The hash of a network is made from its layers and the layout of its parameters. The constants `data` and
    `steps` are left out, because a resumed run may change them. `identity` adds batch_size.
    """
    # networks and optimizers are added below, batch_size by `identity`; the data and the steps may change
    excluded = ("networks", "optimizers", "data", "batch_size", "steps")
    return {
        field.name: repr(getattr(system, field.name))
        for field in fields(system)
        if field.name not in excluded
    } | {
        "system": type(system).__name__,
        "networks": {
            name: kept.digest(repr([net, net.layout.slots])) for name, net in system.networks.items()
        },
        "optimizers": {name: repr(opt) for name, opt in system.optimizers.items()},
    }


# ---- writing


def save(path, state, about):
    """Write a State and the identity of its run to the checkpoint file `path`.

    state   the State
    about   the identity, a dict (see `identity`)

    Equal arguments give equal bytes. An older file is replaced as a whole: a reader sees the old file or the
    new one. The last metrics of the state are written beside the identity. Raises ValueError if the two have
    more than ABOUT bytes as JSON, because `load` could not read them again.
    """
    arrays = {
        "about": np.frombuffer(_encode(about, {LAST: state.metrics} if state.metrics else {}), np.uint8)
    }
    if state.metrics and (size := arrays["about"].size) > ABOUT:
        raise ValueError(
            f"checkpoint: expected a description of the run, with its metrics, of at most {ABOUT:,} bytes, "
            f"got {size:,}; return fewer metrics, or give them shorter names"
        )
    arrays |= {name: np.int64(value) for name, value in state.counters().items()} | state.vectors()
    with replacing(path) as file:
        write_arrays(file, arrays)


def _encode(about, last=None):
    """Make JSON text, as bytes, of the dict `about` with sorted keys.

    The items of the dict `last` follow at the end, in their own order. None: no such items.
    """
    return json.dumps(json.loads(json.dumps(about, sort_keys=True)) | (last or {})).encode()


# ---- reading


def load(path, system, about):
    """Read the checkpoint file `path` of a run of `system`. Returns the State.

    about   the identity of the run, as from `identity`

    Raises FileNotFoundError if the file does not exist. Raises FileFormatError if it is damaged, belongs to
    another run, or is too small or too large for this system; its arrays are not read if its size is wrong.
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
    """Read the State in `file`, an open checkpoint file of a run of `system`.

    about   the identity of the run, as from `identity`
    path    the name of the file, for messages

    The sizes of the file and of its directory are checked first. Then the identity in the file is compared
    with `about`. Then the name, type and shape of each array are compared with those of the system. The step
    in the file determines the stage of the run, and so which arrays there must be.

    Raises FileFormatError if one of these does not fit, or if weights, moments or averages have inf or nan.
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
        metrics = _compare(_read(archive, there, "about", np.uint8, None), about, path)
        step = _counter(archive, there, "step")
        stage = sum(first <= step for first, _ in system.stages) - 1  # the last stage that has begun
        state = empty[stage]
        state.metrics = metrics
        _expect_names(there, {"about", *names[stage]}, path)
        state._count({name: _counter(archive, there, name) for name in state.counters()})
        for name, vector in state.vectors().items():
            vector[...] = _read(archive, there, name, vector.dtype, vector.shape)
            if not name.startswith("memory.") and not np.isfinite(vector).all():
                raise damaged(path, f"{name} of finite numbers", "inf or nan")
    return state


def _expect_names(there, names, path):
    """Raise FileFormatError unless the keys of the dict `there`, the arrays in a file, equal the set `names`.

    path   the name of the file, for the message, which lists the missing arrays or those that are too many
    """
    if there.keys() != names:
        missing, extra = sorted(names - there.keys()), sorted(there.keys() - names)
        raise damaged(
            path,
            f"the arrays of this system{f', {missing} among them' if missing else ''}",
            f"{extra or 'none of these'} instead" if missing else f"{extra} besides",
            "it is a checkpoint of another system, preset or optimiser",
        )


def _read(archive, there, name, dtype, shape):
    """Read the array `name` of an open checkpoint, a zip file.

    archive   the open ZipFile
    there     its members, {name: ZipInfo}
    dtype     the expected dtype
    shape     the expected shape; None: (n,) with n of at most ABOUT

    Raises FileFormatError if the array is missing or has another dtype or shape. Damaged bytes can raise
    other errors, which `load` turns into FileFormatError.
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
    """Read the counter `name` of a State, such as its step, from an open checkpoint. Returns an int.

    archive   the open ZipFile
    there     its members, {name: ZipInfo}

    Raises FileFormatError unless the counter is from 0 to COUNT.
    """
    value = int(_read(archive, there, name, np.int64, ()))
    if not 0 <= value <= COUNT:
        path = f"{archive.fp.name}, {name}"
        raise damaged(path, f"a count of 0 or more, at most {COUNT:,}", f"{value:,}")
    return value


def _compare(raw, about, path):
    """Compare the identity of the run in a checkpoint file with the identity that is expected.

    raw     the array of bytes in the file: JSON text with the identity and the last metrics
    about   the expected identity, a dict (see `identity`)
    path    the name of the file, for the message

    Returns the last metrics, {name: {"step", "value"}}. Raises FileFormatError if the identities differ. The
    message names the first key, in order of the alphabet, with different values.
    """
    found, wanted = json.loads(raw.tobytes()), json.loads(_encode(about))
    if not isinstance(found, dict):
        raise damaged(path, "a description of the run", type(found).__name__)
    metrics = found.pop(LAST, {})
    METRICS.expect(metrics, LAST)
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise damaged(
                path,
                f"a checkpoint of a run with {key} {wanted.get(key)!r}",
                f"one with {found.get(key)!r}",
                "a run continues only with the system, data and settings that it began with",
            )
    return metrics
