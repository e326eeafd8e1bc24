"""MNIST and Fashion-MNIST: the real files, IDX files made by an enemy, and where the files come from."""

import functools
import gzip
import hashlib
import http.server
import io
import os
import shutil
import struct
import threading
import tracemalloc

import numpy as np
import pytest
from data_cases import REAL, quick, real
from hypothesis import given
from hypothesis import strategies as st

from numgan.core.errors import FileFormatError
from numgan.data import idx, idx_sets, load

pytestmark = pytest.mark.usefixtures("no_shared_folder")


# ---- MNIST, the real files


@real
@pytest.mark.parametrize(
    "name, split, rows, mean, histogram",
    [
        (
            "mnist",
            "train",
            60_000,
            33.318421449829934,
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        ),
        (
            "mnist",
            "test",
            10_000,
            33.791224489795916,
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        ),
        ("fashion-mnist", "train", 60_000, 72.94035223214286, [6000] * 10),
        ("fashion-mnist", "test", 10_000, 73.14656658163265, [1000] * 10),
    ],
)
def test_real_sets(name, split, rows, mean, histogram, monkeypatch):
    monkeypatch.setenv("NUMGAN_DATA", REAL)
    data = load(name, split)
    assert data.x.shape == (rows, 28, 28, 1) and len(data.classes) == 10
    assert abs(data.x.mean(dtype=np.float64) - mean) < 1e-9
    assert np.bincount(data.labels, minlength=10).tolist() == histogram
    first = {"mnist": {"train": 5, "test": 7}, "fashion-mnist": {"train": 9, "test": 9}}[name][split]
    assert data.labels[0] == first
    assert (
        data.x[:, 0, 0].mean() < data.x[:, 14, 14].mean() / 10
    )  # the ink is in the middle: rows and columns are not mixed up


@real
def test_real_set_resized_and_unzipped(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMGAN_DATA", REAL)
    for file in idx_sets.FILES["test"]:
        with (
            gzip.open(os.path.join(REAL, "mnist", f"{file}.gz")) as packed,
            open(tmp_path / file, "wb") as plain,
        ):
            shutil.copyfileobj(packed, plain)
    data, other = load("mnist", "test", folder=tmp_path, size=16), load("mnist", "test")
    assert data.sample_shape == (16, 16, 1) and np.array_equal(data.labels, other.labels)
    assert abs(data.x.mean() - other.x.mean()) < 1


# ---- IDX, hostile files


def idx_bytes(values, shape=None, magic=None):
    values = np.asarray(values, np.uint8)
    shape = values.shape if shape is None else shape
    return (magic or bytes([0, 0, 8, len(shape)])) + struct.pack(f">{len(shape)}I", *shape) + values.tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 2), np.uint8)
GOOD, LABELS = idx_bytes(IMAGES), idx_bytes([3, 1, 4, 1, 9])


@pytest.fixture
def small(tmp_path):
    """A folder with a five-image set in it, and a function that replaces one of its files."""

    def put(images=GOOD, labels=LABELS):
        for file, content in zip(idx_sets.FILES["train"], (images, labels), strict=True):
            (tmp_path / f"{file}.gz").write_bytes(content)
        return tmp_path

    return put


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_small_set_from_a_folder(small, pack):
    data = load("fashion-mnist", folder=small(pack(GOOD), pack(LABELS)))
    assert np.array_equal(data.x, IMAGES[..., None]) and data.labels.tolist() == [3, 1, 4, 1, 9]
    assert data.labels.dtype == np.int64 and data.classes[9] == "Ankle boot" and "MIT" in data.source


BAD_IDX = {
    "empty": (b"", "an empty file"),
    "one byte": (b"\0", "got 00;"),
    "labels for images": (idx_bytes([1, 2, 3]), "00 00 08 03"),
    "float dtype": (idx_bytes(IMAGES, magic=b"\0\0\x0d\3"), "got 00 00 0d 03"),
    "not zero first": (idx_bytes(IMAGES, magic=b"\1\0\x08\3"), "got 01 00 08 03"),
    "text": (b"<html>not found</html>", "got 3c 68 74 6d"),
    "half a header": (GOOD[:9], "got 5 bytes"),
    "no rows": (idx_bytes(IMAGES[:0]), "at least one row"),
    "no columns": (idx_bytes(IMAGES[:, :, :0]), "at least one row"),
    "no values": (GOOD[:16], "expected 46 bytes"),
    "one value short": (GOOD[:-1], "expected 46 bytes.*got 45"),
    "one value more": (GOOD + b"\0", "expected 46 bytes.*got (47|more)"),
    "2**40 values": (idx_bytes(IMAGES, (2**14, 2**13, 2**13)), "at most 1,073,741,824 values"),
    "2**96 values": (idx_bytes(IMAGES, (2**32 - 1,) * 3), "at most"),
    "2**64 values": (idx_bytes(IMAGES, (2**30, 2**30, 2**4)), "at most"),  # 0 in 64-bit arithmetic
    "2**29 values": (idx_bytes(IMAGES, (2**9, 2**10, 2**10)), "expected 536,870,928 bytes"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", BAD_IDX)
def test_bad_idx(small, name, pack):
    content, message = BAD_IDX[name]
    folder = small(images=pack(content))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=message) as caught:
        load("mnist", folder=folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "train-images-idx3-ubyte.gz: expected " in str(caught.value) and "fetch it again" in str(
        caught.value
    )
    assert peak < 4e6


def forged(content, claimed):
    """A gzip file whose last four bytes claim another length."""
    return gzip.compress(content, 1)[:-4] + struct.pack("<I", claimed)


def test_gzip_bombs_are_not_unpacked(small):
    header = struct.pack(">4I", 0x803, 10, 28, 28)
    zeros = bytes(100_000_000)  # 400 KB packed
    large = struct.pack(">4I", 0x803, 10**6, 28, 28)
    for bomb in (
        gzip.compress(header + zeros, 1),  # more than the header says
        forged(header + zeros, 16 + 7840),  # ... and the trailer lies about it
        forged(large, 16 + 784 * 10**6),  # header and trailer agree on 784 MB, and nothing comes
        gzip.compress(zeros, 1),  # no header at all
    ):
        folder = small(images=bomb)
        tracemalloc.start()
        with pytest.raises(FileFormatError, match="train-images"):
            load("mnist", folder=folder)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4e6


PACKED = gzip.compress(GOOD, mtime=0)


@quick
@given(cut=st.integers(0, len(PACKED) - 1), tail=st.binary(min_size=1, max_size=20))
def test_any_cut_and_any_tail_is_noticed(tmp_path, cut, tail):
    path = tmp_path / "images"
    for content in (
        PACKED[:cut],
        GOOD[: min(cut, len(GOOD) - 1)],
        PACKED + b"\1" + tail,
        PACKED + PACKED,
        GOOD + tail,
    ):
        path.write_bytes(content)
        with pytest.raises(FileFormatError):
            idx.read_idx(path, axes=3)


def test_a_changed_bit_in_gzip_is_noticed_or_harmless(tmp_path):
    path, noticed = tmp_path / "images", {}
    for bit in range(8 * len(PACKED)):
        content = bytearray(PACKED)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            assert np.array_equal(idx.read_idx(path, axes=3), IMAGES)
        except FileFormatError:
            noticed.setdefault(bit // 8, set()).add(bit % 8)
    assert all(len(noticed[place]) == 8 for place in (0, 1, 2))  # the magic and the method
    assert all(
        len(noticed[place]) == 8 for place in range(len(PACKED) - 8, len(PACKED))
    )  # checksum and length
    assert sum(map(len, noticed.values())) > 0.7 * 8 * len(PACKED)


def test_a_file_that_shrinks_while_it_is_read():
    with pytest.raises(FileFormatError, match="expected 46 bytes.*got 45"):
        idx._parse(io.BytesIO(GOOD[:-1]), len(GOOD), (3,), ("u1",), "images")


@quick
@given(shape=st.tuples(st.integers(1, 7), st.integers(1, 5), st.integers(1, 6)), packed=st.booleans())
def test_idx_round_trip(tmp_path, shape, packed):
    values = np.random.default_rng(shape).integers(0, 256, shape, np.uint8)
    (tmp_path / "any-name").write_bytes(gzip.compress(idx_bytes(values)) if packed else idx_bytes(values))
    assert np.array_equal(idx.read_idx(tmp_path / "any-name", axes=3), values)


def test_labels_must_agree_with_images(small):
    with pytest.raises(FileFormatError, match="expected 5 labels.*got 4"):
        load("mnist", folder=small(labels=idx_bytes([1, 2, 3, 4])))
    with pytest.raises(FileFormatError, match="train-labels.*labels in 0..9, got 10 in row 3"):
        load("mnist", folder=small(labels=idx_bytes([1, 9, 0, 10, 2])))


# ---- where the files are


def test_shared_folder_without_the_set_is_an_error_and_no_download(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path))
    monkeypatch.setattr(idx_sets, "_download", lambda *_: pytest.fail("tried to download"))
    with pytest.raises(
        FileNotFoundError,
        match="NUMGAN_DATA is set.*no such folder.*put train-images.*folder=F.*unset NUMGAN_DATA",
    ):
        load("mnist")
    (tmp_path / "mnist").mkdir()
    with pytest.raises(
        FileNotFoundError, match="train-images-idx3-ubyte.gz or train-images-idx3-ubyte in .*got neither"
    ):
        load("mnist")


def test_shared_folder_with_the_set(small, monkeypatch, tmp_path):
    small()
    shutil.copytree(tmp_path, tmp_path / "root" / "fashion-mnist", ignore=shutil.ignore_patterns("root"))
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path / "root"))
    assert len(load("fashion-mnist")) == 5
    with pytest.raises(FileNotFoundError, match="t10k"):
        load("fashion-mnist", "test")


def test_folder_without_the_set(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder=.*put train-images"):
        load("mnist", folder=tmp_path)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A web server on this machine, with a folder to fill, and a cache of its own for pooch."""
    served = tmp_path / "served"
    served.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=served))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setitem(idx_sets.MIRRORS, "mnist", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.delenv("NUMGAN_CACHE", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    yield served
    server.shutdown()
    server.server_close()


def test_the_cache_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMGAN_CACHE", str(tmp_path))
    assert idx_sets.cache_folder() == tmp_path
    monkeypatch.setenv("NUMGAN_CACHE", "")
    assert idx_sets.cache_folder().name == "numgan"


def test_download_checks_and_caches(mirror, tmp_path, monkeypatch, small):
    folder = small(gzip.compress(GOOD), gzip.compress(LABELS))
    for file in idx_sets.FILES["train"]:
        (folder / f"{file}.gz").rename(mirror / f"{file}.gz")
    with pytest.raises(FileFormatError, match="expected a file of SHA-256 440fcabf.*put train-images"):
        load("mnist")
    digests = {
        file: hashlib.sha256((mirror / f"{file}.gz").read_bytes()).hexdigest()
        for file in idx_sets.FILES["train"]
    }
    monkeypatch.setitem(idx_sets.SHA256, "mnist", digests)
    assert len(load("mnist")) == 5
    for file in mirror.iterdir():
        file.unlink()
    assert len(load("mnist")) == 5  # from the cache
    assert sorted(path.name for path in (tmp_path / "cache" / "numgan" / "mnist").iterdir()) == [
        f"{f}.gz" for f in idx_sets.FILES["train"]
    ]


def test_failed_download_says_what_to_do(mirror):
    message = (
        "expected to download http.*t10k-images-idx3-ubyte.gz.*404.*put train-images-idx3-ubyte.gz.*"
        "folder=F.*NUMGAN_DATA names"
    )
    with pytest.raises(ConnectionError, match=message):
        load("mnist", "test")


def test_no_network_says_what_to_do(monkeypatch, mirror):
    monkeypatch.setitem(idx_sets.MIRRORS, "mnist", "http://127.0.0.1:9/")  # the discard port: nobody listens
    with pytest.raises(ConnectionError, match="put train-images-idx3-ubyte.gz"):
        load("mnist", "test")


@real
def test_checksums_are_those_of_the_real_files():
    for name, digests in idx_sets.SHA256.items():
        assert sorted(digests) == sorted(file for files in idx_sets.FILES.values() for file in files)
        for file, digest in digests.items():
            with open(os.path.join(REAL, name, f"{file}.gz"), "rb") as content:
                assert hashlib.sha256(content.read()).hexdigest() == digest
