"""Damage files of every kind that numgan reads, and check that each is read or refused.

    python benchmarks/fuzz_files.py                            1,000,000 inputs
    python benchmarks/fuzz_files.py --inputs 20000 --seed 3 --kinds idx,pictures

Each input is a valid file (a seed) with random changes. A structured change alters a field of a header, a
length, a member of an archive or a value in JSON, and corrects the checksums. A blind change alters bits,
cuts the file or inserts bytes of another seed.

An outcome is right if the file is read, or if numgan raises FileFormatError, another ValueError or
FileNotFoundError with the file's name in it. Failures are: any other exception, more than 5 seconds, more
memory than the kind's bound, and a change in the file's folder. The inputs of failures are kept. Prints a
JSON object for each kind; exit code 1 if there is a failure.
"""

import argparse
import contextlib
import copy
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
import zipfile
import zlib
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
from numgan.training import checkpoint, runs
from numgan.training import loop as training
from numgan.training.recipes import Plan, Recipe

SECONDS = 5  # of the processor, for one file; on a busy machine up to PATIENCE times as many on the clock
PATIENCE = 12
NUMBERS = [
    0,
    1,
    -1,
    2,
    7,
    255,
    256,
    65535,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**63,
    10**12 + 1,
    10**30,
    10**400,
    -(10**30),
    0.5,
    -0.0,
    1e-320,
    1e300,
    -1e300,
    float("inf"),
    float("-inf"),
    float("nan"),
]
VALUES = [
    *NUMBERS,
    None,
    True,
    False,
    "",
    "x",
    "nan",
    "\0",
    "\ud800",
    "\udc80",
    "é",
    "x" * 2000,
    [],
    [[]],
    [None],
    {},
    {"": 0},
    [1] * 300,
]


# ---- changes


def blind(rng, raw, others):
    """The bytes `raw` after random changes that ignore the file's format."""
    out = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        size, at = len(out), rng.randrange(len(out) + 1)
        kind = rng.randrange(9)
        if kind == 0 and size:
            out[at % size] ^= 1 << rng.randrange(8)
        elif kind == 1 and size:
            out[at % size] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at : at + rng.choice((1, 2, 4, 100))]
        elif kind == 4:
            out[at:at] = rng.choice((b"\0", b"\xff" * 4, bytes(100), b"\n", b'"', b"9"))
        elif kind == 5:
            other = rng.choice(others)
            cut = rng.randrange(len(other) + 1)
            out[at:] = other[cut:]
        elif kind == 6:
            out[at:at] = out[at : at + rng.choice((4, 32, 1000))]
        else:  # a number of 2, 4 or 8 bytes, often near the start
            at = rng.randrange(min(64, size) + 1) if kind == 7 else at
            form = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
            most = (1 << 8 * struct.calcsize(form)) - 1
            out[at : at + struct.calcsize(form)] = struct.pack(
                form, rng.choice((0, 1, 2, most, most >> 1, most // 2 + 1, size, size + 1, 65536)) & most
            )
    return bytes(out)


def places(value):
    """Every (container, key) in a JSON value: container[key] is an entry of a list or of an object."""
    for key in (
        range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, dict) else ()
    ):
        yield value, key
        yield from places(value[key])


def altered(rng, value):
    """A JSON value with some entries replaced, removed, renamed or moved."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        found = list(places(value))
        if not found:
            break
        container, key = rng.choice(found)
        kind = rng.randrange(8)
        if kind == 0:
            del container[key]
        elif kind == 1 and isinstance(container, dict):
            container[rng.choice(("x", "", "\ud800", "steps", "a" * 2000))] = container.pop(key)
        elif kind == 2:
            other, name = rng.choice(found)
            with contextlib.suppress(LookupError):  # an earlier change may have removed one
                container[key] = json.loads(json.dumps(other[name]))
        elif kind == 3 and isinstance(container[key], (int, float)):
            with contextlib.suppress(OverflowError):
                container[key] *= rng.choice((-1, 0, 2, 0.5, 10**6, 10**13))
        else:
            container[key] = copy.deepcopy(rng.choice(VALUES))
    return value


def json_text(rng, value):
    """The bytes of a JSON file with random changes of its values, sometimes in the text too."""
    text = json.dumps(altered(rng, value), ensure_ascii=rng.random() < 0.9).encode(errors="surrogatepass")
    kind = rng.randrange(30)
    if kind == 0:
        return text.replace(
            b":",
            b":"
            + rng.choice((b"[" * 100_000, b'{"":' * 3000, b"1e999,", b"9" * 5000, b"-Infinity,", b"NaN,")),
            1,
        )
    if kind == 1:
        return rng.choice(
            (
                text.decode(errors="replace").encode("utf-16"),
                b"\xef\xbb\xbf" + text,
                text + text,
                text[:-2],
                b"\xff" + text,
            )
        )
    return text


def json_change(rng, raw, others):
    """A JSON file with changed values or bytes."""
    return json_text(rng, json.loads(raw)) if rng.random() < 0.8 else blind(rng, raw, others)


def lines_change(rng, raw, others):
    """A JSON-lines file with lines repeated, cut, replaced or changed."""
    if rng.random() < 0.2:
        return blind(rng, raw, others)
    lines = raw.splitlines(keepends=True)
    for _ in range(rng.choice((1, 1, 2))):
        at, kind = rng.randrange(len(lines)), rng.randrange(6)
        if kind == 0:
            lines.insert(rng.randrange(len(lines)), lines[at])
        elif kind == 1:
            lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
        elif kind == 2:
            lines[at] = rng.choice((b"\n", b"\0" * 500, b"0\n", b"[]\n", b"\xff\n", b"x" * 100_000 + b"\n"))
        else:
            with contextlib.suppress(ValueError, RecursionError):  # the line is cut already
                lines[at] = json_text(rng, json.loads(lines[at])).replace(b"\n", b"") + b"\n"
    return b"".join(lines)


def idx_change(rng, raw, others):
    """An IDX file with a changed header or length, as it is or in gzip format with a changed checksum."""
    zipped = raw[:2] == b"\x1f\x8b"
    plain = bytearray(gzip.decompress(raw) if zipped else raw)
    kind = rng.randrange(8)
    if kind < 3:
        at = rng.randrange(4 + 4 * plain[3])
        plain[at] = rng.choice((0, 1, 2, 3, 8, 9, 13, 127, 128, 255))
    elif kind == 3:
        axis = 4 + 4 * rng.randrange(plain[3])
        struct.pack_into(">I", plain, axis, rng.choice((0, 1, 2**16, 2**31, 2**32 - 1)))
    elif kind == 4:  # other dimensions with the same product
        plain[4 : 4 + 4 * plain[3]] = struct.pack(
            f">{plain[3]}I", *rng.sample([len(plain) - 4 - 4 * plain[3], 1, 1], plain[3])
        )
    elif kind == 5:
        plain = plain[: rng.randrange(len(plain))] + bytes(rng.choice((0, 1, 100)))
    if kind < 6 and rng.random() < 0.5:
        zipped = not zipped
    if not zipped:
        return blind(rng, bytes(plain), others) if kind > 5 else bytes(plain)
    out = bytearray(gzip.compress(bytes(plain), mtime=0))
    if rng.random() < 0.4:
        out[-8:] = struct.pack(
            "<II",
            zlib.crc32(plain) ^ rng.choice((0, 1)),
            rng.choice((0, len(plain), len(plain) + 1, 2**30, 2**32 - 1)),
        )
    if rng.random() < 0.2:
        out += rng.choice((bytes(out), b"\0" * 20, b"junk"))
    return blind(rng, bytes(out), others) if kind > 5 else bytes(out)


def table_change(rng, raw, others):
    """The gzipped CSV table with changed characters."""
    text = bytearray(gzip.decompress(raw))
    for _ in range(rng.choice((1, 2, 5))):
        at = rng.randrange(len(text))
        text[at : at + rng.choice((0, 1, 2))] = rng.choice(
            (b",", b"\n", b"-", b"99", b"9" * 30, b"x", b"1_0", b"\xff", b" ", b"1.5", b"\0", b"")
        )
    if rng.random() < 0.7:
        del text[rng.randrange(2000) :]  # most are cut: a whole table takes long to read
    return blind(rng, raw, others) if rng.random() < 0.3 else gzip.compress(bytes(text), 1)


def npy(header, body):
    """The bytes of a .npy file."""
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + body


def npy_change(rng, raw, others):
    """A .npy file with a changed header or length."""
    (length,) = struct.unpack_from("<H", raw, 8)
    header, body = raw[10 : 10 + length], raw[10 + length :]
    kind = rng.randrange(6)
    if kind == 0:
        return npy(
            rng.choice(
                (b"", b"(" * 4000, b"{}", b"{'descr': print}", b"\xff" * 40, b"None", header.strip()[:-1])
            ),
            body,
        )
    if kind == 1:
        name = rng.choice(
            (
                b"|O",
                b"<f8",
                b">f4",
                b"|S100000000",
                b"<U9",
                b"|V0",
                b"<M8[s]",
                b"|b1",
                b"<c16",
                b"|u1",
                b"?",
                b"f4,i8",
            )
        )
        return npy(
            b"{'descr': '%s', 'fortran_order': False, 'shape': (%d,), }\n"
            % (name, rng.choice((0, 1, len(body)))),
            body,
        )
    if kind == 2:
        shape = rng.choice(
            (
                b"(1,",
                b"(-1,)",
                b"(10**9,)",
                b"(1000000000000,)",
                b"(0, 99999999999)",
                b"()",
                b"(True,)",
                b"(1.0,)",
                b"[1]",
                b"1",
            )
        )
        return npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': %s, }\n" % shape, body)
    if kind == 3:
        return npy(header, rng.choice((body[:-1], body + b"\0", b"", body[::-1])))
    if kind == 4:
        return npy(header.replace(b"False", rng.choice((b"True", b"None", b"2"))), body)
    return blind(rng, raw, others)


def zip_change(rng, raw, others):
    """A zip file with changed members, or with changed numbers in its records."""
    if rng.random() < 0.35:
        marks = [
            at
            for mark in (b"PK\1\2", b"PK\3\4", b"PK\5\6")
            for at in range(len(raw) - 30)
            if raw[at : at + 4] == mark
        ]
        out, at = bytearray(raw), rng.choice(marks or [0])
        form = rng.choice(("<H", "<I"))
        struct.pack_into(
            form,
            out,
            at + rng.randrange(4, 26),
            rng.choice((0, 1, 8, 0xFFFF, 0x7FFF, 100))
            if form == "<H"
            else rng.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF, len(raw), 10**6)),
        )
        return bytes(out)
    if rng.random() < 0.25:
        return blind(rng, raw, others)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = [[info.filename, archive.read(info), zipfile.ZIP_STORED] for info in archive.infolist()]
    for _ in range(rng.choice((1, 1, 2))):
        member, kind = rng.choice(members), rng.randrange(8)
        if kind == 0:
            member[0] = rng.choice(
                ("../x.npy", "x", "step.npy", "\0.npy", "about.npy", "x" * 3000 + ".npy", "/etc/x.npy")
            )
        elif kind == 1:
            members.append(list(member))
        elif kind == 2 and len(members) > 1:
            members.remove(member)
        elif kind == 3:
            member[2] = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        elif kind == 4:
            rng.shuffle(members)
        elif kind == 5 and member[0] == "about.npy":
            text = json_text(rng, json.loads(member[1][128:]))
            member[1] = npy(b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }\n" % len(text), text)
        elif kind == 6:
            member[1] = (
                member[1][:128] + np.int64(rng.choice((-1, 0, 1, 2**62, 2**63 - 1, 10**12 + 1))).tobytes()
            )
        else:
            member[1] = npy_change(rng, member[1], others)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, body, compression in members:
            archive.writestr(zipfile.ZipInfo(name), body, compression)
    return file.getvalue()


def picture_change(rng, raw, others):
    """A picture: a PNG with changed chunks and correct checksums, or another format with a blind change."""
    if raw[:4] != b"\x89PNG" or rng.random() < 0.2:
        return blind(rng, raw, others)
    chunks, at = [], 8
    while at < len(raw):
        (size,) = struct.unpack_from(">I", raw, at)
        chunks.append([raw[at + 4 : at + 8], raw[at + 8 : at + 8 + size]])
        at += size + 12
    for _ in range(rng.choice((1, 1, 2, 3))):
        chunk, kind = rng.choice(chunks), rng.randrange(7)
        if kind == 0:
            chunks.insert(rng.randrange(len(chunks) + 1), list(chunk))
        elif kind == 1 and len(chunks) > 1:
            chunks.remove(chunk)
        elif kind == 2:
            head = (
                list(struct.unpack(">II5B", chunks[0][1]))
                if len(chunks[0][1]) == 13
                else [8, 8, 8, 2, 0, 0, 0]
            )
            field = rng.randrange(7)
            head[field] = (
                rng.choice((0, 1, 9, 3000, 100_000, 2**31 - 1, 2**32 - 1))
                if field < 2
                else rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
            )
            chunks[0] = [b"IHDR", struct.pack(">II5B", *head)]
        elif kind == 3:
            chunk[0] = rng.choice(
                (
                    b"IDAT",
                    b"PLTE",
                    b"tRNS",
                    b"acTL",
                    b"fcTL",
                    b"fdAT",
                    b"iCCP",
                    b"eXIf",
                    b"zTXt",
                    b"iTXt",
                    b"gAMA",
                    b"xxxx",
                )
            )
        elif kind == 4:
            body = rng.choice(
                (
                    bytes(10**6),
                    b"a\0\0" + zlib.compress(bytes(10**7)),
                    b"",
                    b"\0",
                    bytes(rng.randrange(300)),
                    b"II*\0" + bytes(40),
                )
            )
            chunks.insert(
                1, [rng.choice((b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"tRNS", b"PLTE", b"fcTL")), body]
            )
        elif kind == 5 and chunk[0] == b"IDAT":
            chunk[1] = zlib.compress(bytes(rng.choice((0, 1, 10**3, 10**6))))
        else:
            chunk[1] = blind(rng, chunk[1], others)
    return raw[:8] + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


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
        "arrays": Kind([("x.npy", (root / "x.npy").read_bytes())], npy_change, arrays.load_array, 0.05),
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
