"""Damage files of every kind that numgan reads, and check that each is read or refused.

    python benchmarks/fuzz_files.py                            1,000,000 inputs
    python benchmarks/fuzz_files.py --inputs 20000 --seed 3 --kinds idx,pictures

Each input is a valid file (a seed) with random changes (`file_changes.py`). A structured change alters a
field of a header, a length, a member of an archive or a value in JSON, and corrects the checksums. A blind
change alters bits, cuts the file or inserts bytes of another seed.

An outcome is right if the file is read, or if numgan raises FileFormatError, another ValueError or
FileNotFoundError with the file's name in it. Failures are: any other exception, more than 5 seconds, more
memory than the kind's bound, and a change in the file's folder. The inputs of failures are kept. Prints a
JSON object for each kind; exit code 1 if there is a failure.
"""

import argparse
import contextlib
import gzip
import io
import json
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from numgan import data, systems
from numgan.core import arrays, files
from numgan.core.errors import FileFormatError
from numgan.data.digits import FILE, read_table
from numgan.data.folder import _formats, load_folder
from numgan.data.idx import read_idx
from numgan.studies import looks, protocol
from numgan.training import checkpoint, kept, runs
from numgan.training import loop as training
from numgan.training.recipes import Plan, Recipe

sys.path.insert(0, str(Path(__file__).parent))
from file_changes import (  # noqa: E402
    blind,
    idx_change,
    json_change,
    lines_change,
    npy_change,
    picture_change,
    table_change,
    zip_change,
)

sys.path.pop(0)

SECONDS = 5  # of the processor, for one file; on a busy machine up to PATIENCE times as many on the clock
PATIENCE = 12


# ---- the kinds: their seeds, and how they are read


@dataclass
class Kind:
    """A kind of file.

    seeds    [(file name, bytes)], valid files
    change   change(rng, raw, others) -> the bytes of a damaged file; others: the bytes of all seeds
    read     read(path) reads a file with numgan
    share    the fraction of all inputs that are of this kind
    bound    bytes of memory that reading may take
    """

    seeds: list
    change: object
    read: object
    share: float
    bound: int = 200 << 20


def _idx():
    rng = np.random.default_rng(0)
    found = []
    for shape in ((3, 4, 5), (40, 2, 2), (30,)):
        raw = (
            bytes([0, 0, 8, len(shape)])
            + struct.pack(f">{len(shape)}I", *shape)
            + rng.integers(0, 10, shape, np.uint8).tobytes()
        )
        found += [("x", raw), ("x", gzip.compress(raw, mtime=0))]
    return found


def _pictures():
    found, rng = [], np.random.default_rng(0)
    suffixes, formats = (
        {name: suffix for suffix, name in Image.registered_extensions().items()},
        set(_formats()),
    )
    for mode, shape in (
        ("L", (9, 7)),
        ("RGB", (9, 7, 3)),
        ("RGBA", (9, 7, 4)),
        ("P", (9, 7)),
        ("1", (9, 7)),
        ("I;16", (9, 7)),
        ("CMYK", (9, 7, 4)),
    ):
        image = Image.fromarray(
            rng.integers(0, 255, shape, np.uint16 if mode == "I;16" else np.uint8),
            None if mode in ("P", "1", "I;16") else mode,
        )
        image = image.convert(mode) if mode in ("P", "1") else image
        for name in sorted(Image.SAVE.keys() & formats):
            file = io.BytesIO()
            with contextlib.suppress(Exception):  # a format may lack the mode or the codec
                image.save(file, format=name)
                found.append((f"x{suffixes[name]}", file.getvalue()))
    return found


def kinds(root):
    """{name: Kind}. numgan itself makes the seeds, in the folder `root`."""
    system, dataset = systems.build("gan", "points", 0.05), data.load("ring")
    recipe = Recipe("gan", "points", "ring", width=0.05, settings={"k": 1})
    about = checkpoint.identity(system, dataset, 4, 0)
    config = training._begun(system, dataset, Plan(40, 4, 0), recipe)
    config |= {"resumed": [{"step": 20, "versions": runs.environment()}], "diverged": "words"}
    record = {
        "epoch": 0.5,
        "losses": {"D": 1.5, "G": None},
        "gradients": {"D": 0.1},
        "metrics": {"D(x)": 0.5, "D(G(z))": 0.25},
        "seconds": 0.125,
    }
    home = files.make_folder(root / "home")
    runs.write_config(home, config)
    checkpoint.save(home / "checkpoint.npz", checkpoint.State.start(system, 0), about)
    kept.save(home, dataset, config["data"], config["seed"])
    (home / "metrics.jsonl").write_bytes(
        b"".join(runs.line({"step": step} | record) for step in range(10, 50, 10))
    )
    run = {path.name: path.read_bytes() for path in home.iterdir()}
    asked = {"study": "ring", "quick": True, "setting": "words"}
    study = protocol.Study(
        "t.",
        "s",
        {"a": "A"},
        (protocol.Column("modes", "modes"), protocol.Column("yes", "yes", style="words")),
        None,
    )
    result = {
        "arm": "a",
        "seed": 0,
        "seconds": 1.5,
        "modes": 3,
        "yes": "no",
        "curve": [1.0, None],
        "rows": [[1, 2], [3, 4]],
    }
    seen = b"".join(looks._line({"step": step, "kid": step / 7}) for step in range(0, 100, 20))
    files.make_folder(root / "trials")
    files.make_folder(root / "trials" / "a-0")
    arrays.save_array(root / "x.npy", np.arange(12, dtype=np.float32).reshape(3, 4))
    np.savez(root / "x.npz", x=np.arange(5), y=np.ones((2, 3)))
    text = lambda value: json.dumps(value).encode()

    def read_study(path):
        protocol._claim(path.parent, asked)

    def read_result(path):
        found = protocol._read(study, path.parents[2], "a", 0)
        protocol.table(study, {"a": [found, found]})

    def read_run(path):
        runs.read_metrics(path.parent, runs.open_run(path.parent).state.step)

    return {
        "idx": Kind(_idx(), idx_change, lambda path: read_idx(path, axes=3), 0.14),
        "config": Kind(
            [("config.json", run["config.json"])],
            json_change,
            lambda path: runs.read_config(path.parent),
            0.24,
        ),
        "metrics": Kind(
            [("metrics.jsonl", run["metrics.jsonl"])],
            lines_change,
            lambda path: runs.read_metrics(path.parent, 30),
            0.18,
        ),
        "looks": Kind([("looks.jsonl", seen)], lines_change, looks.read, 0.08),
        "study": Kind([("study.json", text(asked))], json_change, read_study, 0.08),
        "result": Kind([("trials/a-0/result.json", text(result))], json_change, read_result, 0.08),
        "seconds": Kind(
            [("seconds.json", text({"before": 3.25}))], json_change, protocol._seconds_before, 0.04
        ),
        "arrays": Kind([("x.npy", (root / "x.npy").read_bytes())], npy_change, arrays.load_array, 0.03),
        "rows": Kind(
            [("data.npz", run["data.npz"])], zip_change, lambda path: kept.load(path.parent, config), 0.02
        ),
        "archives": Kind(
            [("x.npz", (root / "x.npz").read_bytes())],
            zip_change,
            lambda path: arrays.load_arrays(path, "x", "y"),
            0.02,
        ),
        "checkpoint": Kind(
            [("checkpoint.npz", run["checkpoint.npz"])],
            zip_change,
            lambda path: checkpoint.load(path, system, about),
            0.03,
        ),
        "pictures": Kind(
            _pictures(), picture_change, lambda path: load_folder(path.parent, None, None), 0.05, 600 << 20
        ),
        "run": Kind(
            [
                ("run/config.json", run["config.json"]),
                ("run/checkpoint.npz", run["checkpoint.npz"]),
                ("run/metrics.jsonl", run["metrics.jsonl"]),
            ],
            lambda rng, raw, others: (
                json_change
                if raw[:1] == b"{" and b"recipe" in raw
                else lines_change
                if raw[:1] == b"{"
                else zip_change
            )(rng, raw, [raw]),
            read_run,
            0.003,
        ),
        "table": Kind(
            [("digits.csv.gz", Path(data.__file__).with_name(FILE).read_bytes())],
            table_change,
            read_table,
            0.007,
        ),
    }


# ---- one kind, many inputs


class Late(BaseException):
    """Reading has taken more than SECONDS."""


def _raise_late(number, frame):
    raise Late


def _snapshot(folder):
    """{path: mode, inode, size and mtime} of everything in a folder."""
    return {
        path: os.lstat(path)[:2] + os.lstat(path)[6:7] + (os.lstat(path).st_mtime_ns,)
        for path in folder.rglob("*")
    }


def outcome(kind, path, raw):
    """Read the file `path`. Returns ("read" or "refused", None) or ("failed", reason)."""
    before = _snapshot(path.parent)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * SECONDS)
    try:
        kind.read(path)
        found = "read", None
    except (FileFormatError, ValueError, FileNotFoundError) as error:
        named = path.name in str(error) or str(path.parent) in str(error)
        why = f"{type(error).__name__} that does not name the file: {error}"
        found = ("refused", None) if named else ("failed", why)
    except Late:
        found = "failed", f"more than {SECONDS} s"
    except Exception as error:
        found = "failed", f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    return found if _snapshot(path.parent) == before else ("failed", "its folder has changed")


def _peak():
    """The largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def fuzz(name, kind, root, number, seed, keep, until=float("inf")):
    """Test `number` inputs of one kind. Returns {kind, inputs, read, refused, failures, seconds}.

    keep    the folder for the inputs of failures
    until   the value of time.monotonic() at which to stop
    """
    rng, began = random.Random(f"{seed} {name}"), time.monotonic()
    counts, raws, floor = {"read": 0, "refused": 0, "failed": 0}, [raw for _, raw in kind.seeds], _peak()
    for i in range(number):
        if time.monotonic() > until:
            break
        file, raw = rng.choice(kind.seeds)
        try:
            changed = kind.change(rng, raw, raws)
        except (
            ValueError,
            LookupError,
            OverflowError,
            RecursionError,
            struct.error,
        ):  # two changes in conflict
            changed = blind(rng, raw, raws)
        path = root / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(changed)
        what, why = outcome(kind, path, changed)
        if _peak() - floor > kind.bound:
            what, why, floor = "failed", f"{(_peak() - floor) >> 20} MB more", _peak()
        counts[what] += 1
        if what == "failed":
            keep.mkdir(exist_ok=True)
            kept = keep / f"{name}-{i}-{path.name}"
            kept.write_bytes(changed)
            print(f"{kept}: {why}"[:300], file=sys.stderr)
        if kind.share < 0.01:  # kind "run" reads several files: restore this one
            path.write_bytes(raw)
        else:
            path.unlink()
    return {
        "kind": name,
        "inputs": sum(counts.values()),
        "read": counts["read"],
        "refused": counts["refused"],
        "failures": counts["failed"],
        "seconds": round(time.monotonic() - began, 1),
    }


@contextlib.contextmanager
def prepared(names=None):
    """(root, kinds) in a temporary folder, in /dev/shm if that exists."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    before = {number: signal.signal(number, _raise_late) for number in (signal.SIGALRM, signal.SIGPROF)}
    shared = os.environ.get("NUMGAN_DATA")
    with tempfile.TemporaryDirectory(dir=memory) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow: damaged tags; zipfile: repeated names
        root = Path(folder)
        os.environ["NUMGAN_DATA"] = str(root / "home")  # it holds no data sets, but a run may name one
        try:
            found = kinds(root)
            for name, kind in found.items():
                for file, raw in kind.seeds:
                    path = root / name / file
                    path.parent.mkdir(parents=True, exist_ok=True)
                    if name == "run":
                        path.write_bytes(raw)
            yield root, {name: kind for name, kind in found.items() if names is None or name in names}
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.environ.pop("NUMGAN_DATA") if shared is None else os.environ.__setitem__("NUMGAN_DATA", shared)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--inputs",
        type=int,
        default=1_000_000,
        metavar="N",
        help="number of all inputs; each kind has its share",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random changes")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--kinds", metavar="A,B", help="only these kinds")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for failed inputs")
    args = parser.parse_args()
    until, failures = time.monotonic() + args.seconds, 0
    with prepared(args.kinds and args.kinds.split(",")) as (root, chosen):
        whole = sum(kind.share for kind in chosen.values())
        for name, kind in chosen.items():
            found = fuzz(
                name, kind, root, round(args.inputs * kind.share / whole), args.seed, args.keep, until
            )
            failures += found["failures"]
            print(json.dumps(found), flush=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
