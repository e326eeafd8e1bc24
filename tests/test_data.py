"""The data chapter: known values, every trap that real files hold, and files made by an enemy.

The real sets are read from the folder that NUMGAN_DATA names: a missing set then fails; without the variable it is skipped.
"""

import functools
import gzip
import hashlib
import http.server
import io
import math
import os
import shutil
import struct
import sys
import threading
import tracemalloc
import zlib
from importlib import resources

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from numgan.data import Batches, Dataset, grid, idx, load, modes, names, pictures, points, ring, swiss_roll
from numgan.data.folder import load_folder
from numgan.errors import FileFormatError
from numgan.randomness import stream

REAL = os.environ.get("NUMGAN_DATA")
real = pytest.mark.skipif(not REAL, reason="NUMGAN_DATA is not set: it should name a folder with mnist/ and fashion-mnist/ in it")
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def no_shared_folder(monkeypatch):
    """Tests say themselves what NUMGAN_DATA is."""
    monkeypatch.delenv("NUMGAN_DATA", raising=False)


# ---------------------------------------------------------------------------------------------------- Dataset

GREY = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=0)


def test_take_scales_images_exactly():
    x, labels = Dataset("every value", GREY).take([0, 2])
    assert x.dtype == np.float32 and x.shape == (2, 16, 16, 1) and labels is None
    assert np.array_equal(x[0].ravel(), np.arange(256, dtype=np.float32) / np.float32(127.5) - np.float32(1))
    assert x.min() == -1 and x.max() == 1
    assert np.array_equal(np.rint((x + 1) * 127.5).astype(np.uint8), GREY[:2])  # and back


def test_take_keeps_points_and_gives_new_arrays():
    x = np.array([[0.1, 2], [3, 1e30], [-5, 6]], np.float32)
    data = Dataset("points", x, np.array([4, 5, 6]))
    taken, labels = data.take(np.array([2, 0, 2]))
    assert np.array_equal(taken, x[[2, 0, 2]]) and labels.tolist() == [6, 4, 6]
    taken[:] = labels[:] = 0
    assert data.x[0, 1] == 2 and data.labels[2] == 6
    empty, labels = data.take([])
    assert empty.shape == (0, 2) and empty.dtype == np.float32 and labels.shape == (0,)


@pytest.mark.parametrize("rows", [[0.0, 1.0], 1, [[0, 1]], [True, False, True], ["0"]])
def test_take_refuses_what_is_not_a_row_of_integers(rows):
    with pytest.raises(TypeError, match="integer indices"):
        Dataset("d", GREY).take(rows)


def test_take_out_of_range():
    with pytest.raises(IndexError):
        Dataset("d", GREY).take([3])


def test_dataset_cannot_be_changed_and_leaves_the_callers_array_writable():
    x = GREY.copy()
    data = Dataset("d", x, np.zeros(3, np.int64), ("zero",))
    for change in (lambda: data.x.fill(1), lambda: data.labels.fill(1)):
        with pytest.raises(ValueError, match="read-only"):
            change()
    with pytest.raises(AttributeError):
        data.name = "other"
    x[:] = 7
    assert x.flags.writeable


def test_dataset_describes_itself_briefly():
    data = Dataset("mine", GREY.repeat(500, axis=0), np.zeros(1500, np.int64), ("a", "b"))
    assert repr(data) == "Dataset('mine': 1,500 images (16, 16, 1) uint8, 2 classes)"
    assert len(data) == 1500 and data.sample_shape == (16, 16, 1) and data.is_images
    plain = Dataset("plain", np.ones((2, 2), np.float32))
    assert repr(plain) == "Dataset('plain': 2 points (2,) float32)" and not plain.is_images and plain.sample_shape == (2,)


@pytest.mark.parametrize(
    "x, labels, classes",
    [
        (GREY[..., 0], None, ()),  # no channel axis
        (GREY.astype(np.float32), None, ()),
        (GREY.repeat(2, axis=-1), None, ()),  # two channels
        (GREY[:0], None, ()),
        (np.zeros((3, 2)), None, ()),  # float64 points
        (np.zeros((3, 3), np.float32), None, ()),
        (GREY, np.zeros(2, np.int64), ()),
        (GREY, np.zeros(3, np.int32), ()),
        (GREY, np.array([0, 1, 2]), ("a", "b")),
        (GREY, np.array([0, -1, 0]), ("a", "b")),
    ],
)
def test_dataset_refuses_what_does_not_fit(x, labels, classes):
    with pytest.raises(ValueError, match="Dataset\\('odd'\\): expected .*got"):
        Dataset("odd", x, labels, classes)


# ---------------------------------------------------------------------------------------------------- Batches

sizes = st.integers(1, 40)


@quick
@given(n=sizes, batch_size=sizes, seed=st.integers(0, 2**40), epochs=st.integers(1, 4))
def test_every_row_once_per_epoch(n, batch_size, seed, epochs):
    batches = Batches(n, batch_size, seed)
    rows = [batches.indices(k) for k in range(math.ceil(epochs * n / batch_size))]
    assert all(batch.shape == (batch_size,) for batch in rows)
    for epoch in np.concatenate(rows)[: epochs * n].reshape(epochs, n):
        assert np.array_equal(np.sort(epoch), np.arange(n))


@quick
@given(n=sizes, batch_size=sizes, asked=st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_batch_k_does_not_depend_on_what_was_asked_before(n, batch_size, asked):
    used = Batches(n, batch_size, seed=3)
    for k in asked:
        batch = used.indices(k)
        assert np.array_equal(batch, Batches(n, batch_size, seed=3).indices(k))
        batch[:] = -1  # the caller owns it
        assert np.array_equal(used.indices(k), Batches(n, batch_size, seed=3).indices(k))


def test_batches_are_the_named_permutations_laid_end_to_end():
    line = np.concatenate([stream(11, "permutation", epoch).permutation(7) for epoch in range(5)])
    for batch_size in (1, 3, 7, 10, 17):
        batches = Batches(7, batch_size, seed=11)
        for k in range(35 // batch_size):
            assert np.array_equal(batches.indices(k), line[k * batch_size : (k + 1) * batch_size])


def test_epochs_and_seeds_differ():
    batches = Batches(1000, 1000, seed=0)
    assert not np.array_equal(batches.indices(0), np.arange(1000))
    assert not np.array_equal(batches.indices(0), batches.indices(1))
    assert not np.array_equal(batches.indices(0), Batches(1000, 1000, seed=1).indices(0))


def test_batches_cache_a_permutation(monkeypatch):
    drawn = []
    monkeypatch.setattr("numgan.data.batches.stream", lambda *path: drawn.append(path) or stream(*path))
    batches = Batches(100, 30, seed=0)
    for k in range(10):  # exactly three epochs
        batches.indices(k)
    assert drawn == [(0, "permutation", epoch) for epoch in range(3)]


def test_epoch_counts_what_came_before():
    batches = Batches(10, 25, seed=0)
    assert [batches.epoch(k) for k in range(3)] == [0.0, 2.5, 5.0] and isinstance(batches.epoch(0), float)
    assert repr(batches) == "Batches(n=10, batch_size=25, seed=0)"


@pytest.mark.parametrize("arguments, error", [((0, 1, 0), ValueError), ((1, 0, 0), ValueError), ((1, 1, -1), ValueError),
                                              ((1.5, 1, 0), TypeError), ((1, 2.0, 0), TypeError)])  # fmt: skip
def test_batches_refuse(arguments, error):
    with pytest.raises(error):
        Batches(*arguments)


def test_batches_refuse_a_negative_or_broken_number():
    with pytest.raises(ValueError, match="got -1"):
        Batches(3, 2, 0).indices(-1)
    with pytest.raises(TypeError):
        Batches(3, 2, 0).indices(0.5)


# ---------------------------------------------------------------------------------------------------- points


def test_ring_has_eight_equal_modes():
    centres, std = modes("ring")
    assert centres.shape == (8, 2) and std == 0.02
    assert np.allclose(np.hypot(*centres.T), 2.0)
    gaps = np.linalg.norm(centres - np.roll(centres, 1, axis=0), axis=1)
    assert np.allclose(gaps, 4 * np.sin(np.pi / 8))  # an end-point counted twice would have a gap of 0
    check_mixture(*ring(40_000, np.random.default_rng(0)), centres, std)


def test_grid_has_twenty_five_equal_modes():
    centres, std = modes("grid")
    assert std == 0.05
    assert sorted(map(tuple, centres)) == [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]
    check_mixture(*grid(40_000, np.random.default_rng(0)), centres, std)


def check_mixture(x, labels, centres, std):
    """Weights within 5 standard errors of 1 / K, offsets of mean 0 and of the right size, labels that are the nearest mode."""
    n, k = len(x), len(centres)
    assert x.dtype == np.float32 and x.shape == (n, 2) and labels.dtype == np.int64
    weights = np.bincount(labels, minlength=k) / n
    assert np.abs(weights - 1 / k).max() < 5 * math.sqrt((1 - 1 / k) / k / n)
    nearest = np.linalg.norm(x[:, None] - centres, axis=2).argmin(axis=1)
    assert np.array_equal(nearest, labels)
    offset = x - centres[labels]
    assert np.abs(offset.mean(axis=0)).max() < 5 * std / math.sqrt(n)
    assert np.abs(offset.std(axis=0) / std - 1).max() < 5 / math.sqrt(2 * n)


def test_ring_takes_other_numbers():
    x, labels = ring(5000, np.random.default_rng(1), modes=3, radius=10.0, std=0.5)
    assert set(labels) == {0, 1, 2}
    assert np.allclose(x[labels == 1].mean(axis=0), [10 * math.cos(2 * math.pi / 3), 10 * math.sin(2 * math.pi / 3)], atol=0.1)
    assert abs(np.std(x[labels == 0, 1]) - 0.5) < 0.05


def test_swiss_roll_is_the_documented_spiral():
    x, labels = swiss_roll(5000, np.random.default_rng(2), noise=0)
    assert x.dtype == np.float32 and labels is None
    t = 7.5 * np.hypot(*x.T.astype(np.float64))  # the radius is t / 7.5 and the angle is t
    assert np.abs(np.exp(1j * t) - np.exp(1j * np.arctan2(x[:, 1], x[:, 0]))).max() < 1e-4
    assert 1.5 * np.pi < t.min() < 1.51 * np.pi and 4.49 * np.pi < t.max() < 4.5 * np.pi
    noisy, _ = swiss_roll(5000, np.random.default_rng(2))
    assert abs(np.std(noisy - x) - 0.25 / 7.5) < 0.001
    assert np.all(np.abs(noisy.std(axis=0) - 1) < 0.15)


@pytest.mark.parametrize("name, draw", [("ring", ring), ("grid", grid), ("swiss-roll", swiss_roll)])
def test_loaded_points_are_a_named_draw(name, draw):
    data, test = load(name), load(name, split="test")
    x, labels = draw(100_000, stream(points.SEED, name, "train"))
    assert np.array_equal(data.x, x) and np.array_equal(data.labels, labels)
    assert not np.array_equal(data.x, test.x) and len(test) == 100_000
    assert len(data.classes) == {"ring": 8, "grid": 25, "swiss-roll": 0}[name]


def test_points_refuse():
    with pytest.raises(ValueError, match="expected n of at least 1"):
        ring(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="expected modes of at least 1"):
        ring(5, np.random.default_rng(0), modes=0)
    with pytest.raises(ValueError, match="'ring' or 'grid'"):
        modes("swiss-roll")
    with pytest.raises(ValueError, match="these are points"):
        load("ring", size=32)


# ---------------------------------------------------------------------------------------------------- digits


def test_digits_are_the_published_ones():
    train, test = load("digits"), load("digits", "test")
    assert train.x.shape == (1500, 8, 8, 1) and test.x.shape == (297, 8, 8, 1) and train.x.dtype == np.uint8
    histogram = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # of the test file as its authors publish it
    assert (np.bincount(train.labels) + np.bincount(test.labels)).tolist() == histogram
    assert np.bincount(test.labels).tolist() == [27, 31, 27, 30, 33, 30, 30, 30, 28, 31]
    x = np.concatenate([train.x, test.x])
    assert abs(x.mean() * 16 / 255 - 4.884164579855314) < 0.01  # the mean of the original values
    assert set(np.unique(x)) == {round(v * 255 / 16) for v in range(17)}
    top = [0, 0, 5, 13, 9, 1, 0, 0]  # the first row of the first digit, a zero
    assert train.x[0, 0, :, 0].tolist() == [round(v * 255 / 16) for v in top] and train.labels[0] == 0
    assert train.classes == tuple("0123456789") and "CC BY 4.0" in train.source and "Alpaydin" in train.source


def test_digits_carry_their_attribution():
    text = (resources.files("numgan.data") / "digits.LICENSE.txt").read_text(encoding="utf-8")
    for fact in ("Alpaydin", "Kaynak", "UCI", "CC BY 4.0", "creativecommons.org/licenses/by/4.0", "Changes"):
        assert fact in text


@pytest.mark.parametrize(
    "content", [b"", b"no gzip", gzip.compress(b"1,2\n3,4\n"), gzip.compress(b"a,b\n"), gzip.compress(b"1,2")[:-9]]
)
def test_damaged_digits(content, monkeypatch, tmp_path):
    (tmp_path / "digits.csv.gz").write_bytes(content)
    monkeypatch.setattr("numgan.data.digits.resources.files", lambda package: tmp_path)
    with pytest.raises(FileFormatError, match="digits.csv.gz: expected"):
        load("digits")


# ---------------------------------------------------------------------------------------------------- MNIST, the real files


@real
@pytest.mark.parametrize(
    "name, split, rows, mean, histogram",
    [
        ("mnist", "train", 60_000, 33.318421449829934, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("mnist", "test", 10_000, 33.791224489795916, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
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
    assert data.x[:, 0, 0].mean() < data.x[:, 14, 14].mean() / 10  # the ink is in the middle: rows and columns are not mixed up


@real
def test_real_set_resized_and_unzipped(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMGAN_DATA", REAL)
    for file in idx.FILES["test"]:
        with gzip.open(os.path.join(REAL, "mnist", f"{file}.gz")) as packed, open(tmp_path / file, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    data, other = load("mnist", "test", folder=tmp_path, size=16), load("mnist", "test")
    assert data.sample_shape == (16, 16, 1) and np.array_equal(data.labels, other.labels)
    assert abs(data.x.mean() - other.x.mean()) < 1


# ---------------------------------------------------------------------------------------------------- IDX, hostile files


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
        for file, content in zip(idx.FILES["train"], (images, labels), strict=True):
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
    "one value more": (GOOD + b"\0", "expected 46 bytes.*got 47"),
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
    assert "train-images-idx3-ubyte.gz: expected " in str(caught.value) and "fetch it again" in str(caught.value)
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
        PACKED + tail,
        PACKED + bytes(len(tail)),
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
    assert all(len(noticed[place]) == 8 for place in range(len(PACKED) - 8, len(PACKED)))  # checksum and length
    assert sum(map(len, noticed.values())) > 0.7 * 8 * len(PACKED)


def test_a_file_that_shrinks_while_it_is_read():
    with pytest.raises(FileFormatError, match="expected 30 values.*got only 29"):
        idx._parse(io.BytesIO(GOOD[:-1]), len(GOOD), "in the file", 3, "images")


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


# ---------------------------------------------------------------------------------------------------- where the files are


def test_shared_folder_without_the_set_is_an_error_and_no_download(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path))
    monkeypatch.setattr(idx, "_download", lambda *_: pytest.fail("tried to download"))
    with pytest.raises(
        FileNotFoundError, match="NUMGAN_DATA is set.*no such folder.*put train-images.*folder=F.*unset NUMGAN_DATA"
    ):
        load("mnist")
    (tmp_path / "mnist").mkdir()
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte.gz or train-images-idx3-ubyte in .*got neither"):
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
    monkeypatch.setitem(idx.MIRRORS, "mnist", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.delenv("NUMGAN_CACHE", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    yield served
    server.shutdown()
    server.server_close()


def test_the_cache_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMGAN_CACHE", str(tmp_path))
    assert idx.cache_folder() == tmp_path
    monkeypatch.setenv("NUMGAN_CACHE", "")
    assert idx.cache_folder().name == "numgan"


def test_download_checks_and_caches(mirror, tmp_path, monkeypatch, small):
    folder = small(gzip.compress(GOOD), gzip.compress(LABELS))
    for file in idx.FILES["train"]:
        (folder / f"{file}.gz").rename(mirror / f"{file}.gz")
    with pytest.raises(FileFormatError, match="expected a file of SHA-256 440fcabf.*put train-images"):
        load("mnist")
    digests = {file: hashlib.sha256((mirror / f"{file}.gz").read_bytes()).hexdigest() for file in idx.FILES["train"]}
    monkeypatch.setitem(idx.SHA256, "mnist", digests)
    assert len(load("mnist")) == 5
    for file in mirror.iterdir():
        file.unlink()
    assert len(load("mnist")) == 5  # from the cache
    assert sorted(path.name for path in (tmp_path / "cache" / "numgan" / "mnist").iterdir()) == [
        f"{f}.gz" for f in idx.FILES["train"]
    ]


def test_failed_download_says_what_to_do(mirror):
    message = (
        "expected to download http.*t10k-images-idx3-ubyte.gz.*404.*put train-images-idx3-ubyte.gz.*folder=F.*NUMGAN_DATA names"
    )
    with pytest.raises(ConnectionError, match=message):
        load("mnist", "test")


def test_no_network_says_what_to_do(monkeypatch, mirror):
    monkeypatch.setitem(idx.MIRRORS, "mnist", "http://127.0.0.1:9/")  # the discard port: nobody listens
    with pytest.raises(ConnectionError, match="put train-images-idx3-ubyte.gz"):
        load("mnist", "test")


@real
def test_checksums_are_those_of_the_real_files():
    for name, digests in idx.SHA256.items():
        assert sorted(digests) == sorted(file for files in idx.FILES.values() for file in files)
        for file, digest in digests.items():
            with open(os.path.join(REAL, name, f"{file}.gz"), "rb") as content:
                assert hashlib.sha256(content.read()).hexdigest() == digest


# ---------------------------------------------------------------------------------------------------- pictures of every kind

RED, WHITE = (255, 0, 0), (255, 255, 255)


def two_halves(mode, left, right, size=(8, 4)):
    """An image whose left half has one value and whose right half has another."""
    image = Image.new(mode, size, right)
    image.paste(left, (0, 0, size[0] // 2, size[1]))
    return image


def palette():
    return two_halves("RGB", RED, (0, 0, 255)).quantize(4)


def palette_with_transparency():
    image = Image.new("P", (8, 4), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 4, 4))
    return image


def sixteen_bit(left, right):
    values = np.full((4, 8), right, np.uint16)
    values[:, :4] = left
    return Image.fromarray(values)


PICTURES = {  # name of the file: (image, how it is saved, left pixel, right pixel)
    "grey.png": (lambda: two_halves("L", 10, 200), {}, (10,), (200,)),
    "bilevel.png": (lambda: two_halves("1", 0, 1), {}, (0,), (255,)),
    "rgb.png": (lambda: two_halves("RGB", RED, (1, 2, 3)), {}, RED, (1, 2, 3)),
    "rgb.webp": (lambda: two_halves("RGB", RED, (1, 2, 3)), {"lossless": True}, RED, (1, 2, 3)),
    "palette.png": (palette, {}, RED, (0, 0, 255)),
    "palette.gif": (palette, {}, RED, (0, 0, 255)),
    "palette-alpha.png": (palette_with_transparency, {"transparency": 1}, RED, WHITE),
    "palette-alphas.png": (palette_with_transparency, {"transparency": bytes([255, 51])}, RED, (204, 204, 255)),
    "palette-alpha.gif": (palette_with_transparency, {"transparency": 1}, RED, WHITE),
    "la.png": (lambda: two_halves("LA", (10, 255), (10, 0)), {}, (10,), (255,)),
    "la-half.png": (lambda: two_halves("LA", (0, 51), (100, 255)), {}, (204,), (100,)),
    "rgba.png": (lambda: two_halves("RGBA", (*RED, 255), (0, 0, 0, 0)), {}, RED, WHITE),
    "rgba-half.png": (lambda: two_halves("RGBA", (255, 0, 0, 51), (0, 0, 0, 51)), {}, (255, 204, 204), (204, 204, 204)),
    "grey-key.png": (lambda: two_halves("L", 10, 200), {"transparency": 10}, (255,), (200,)),
    "rgb-key.png": (lambda: two_halves("RGB", RED, (1, 2, 3)), {"transparency": (1, 2, 3)}, RED, WHITE),
    "cmyk.tif": (lambda: two_halves("CMYK", (0, 255, 255, 0), (0, 0, 0, 255)), {}, RED, (0, 0, 0)),
    "sixteen.png": (lambda: sixteen_bit(257 * 3, 65535), {}, (3,), (255,)),
    "sixteen-round.png": (lambda: sixteen_bit(128, 129), {}, (0,), (1,)),
    "sixteen.tif": (lambda: sixteen_bit(257 * 3, 257 * 77), {}, (3,), (77,)),
    "sixteen.pgm": (lambda: Image.fromarray(np.asarray(sixteen_bit(257 * 3, 257 * 77), np.int32)), {}, (3,), (77,)),
    "UPPER.PNG": (lambda: two_halves("L", 10, 200), {}, (10,), (200,)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_picture_of_every_kind(tmp_path, name):
    make, how, left, right = PICTURES[name]
    make().save(tmp_path / name, **how)
    x, labels, classes = load_folder(tmp_path)
    assert x.shape == (1, 4, 8, len(left)) and x.dtype == np.uint8 and labels is None and classes == ()
    assert (x[0, :, :4] == left).all() and (x[0, :, 4:] == right).all()


def png(width, height, packed=b"", bits=8, transparent=None):
    """A grey PNG with a header of our choice; transparent: the grey value that is not opaque."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    key = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    return b"\x89PNG\r\n\x1a\n" + header + key + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_sixteen_bit_grey_with_a_transparent_value(tmp_path):
    line = b"\0" + struct.pack(">3H", 257 * 5, 1000, 1001)
    (tmp_path / "a.png").write_bytes(png(3, 1, zlib.compress(line), bits=16, transparent=1000))
    assert load_folder(tmp_path)[0].ravel().tolist() == [5, 255, 4]


def test_jpeg_cmyk_is_not_inverted(tmp_path):
    two_halves("CMYK", (0, 255, 255, 0), (0, 0, 0, 255), (32, 16)).save(tmp_path / "a.jpg", quality=95)
    x, _, _ = load_folder(tmp_path)
    assert np.abs(x[0, 8, 4].astype(int) - RED).max() < 12 and x[0, 8, 28].max() < 12


def test_premultiplied_grey():
    image = Image.new("LA", (2, 2), (100, 255)).convert("La")
    assert np.array_equal(np.asarray(pictures.flatten(image)), np.full((2, 2), 100))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_orientation(tmp_path, orientation, suffix):
    """The picture is stored as the EXIF standard says for each orientation, and must come out upright: dark corner top left."""
    upright = np.full((16, 24), 255, np.uint8)
    upright[:8, :8] = 0
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
              6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1)}[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(
        tmp_path / f"a.{suffix}", exif=exif, **{"jpg": {"quality": 100}}.get(suffix, {})
    )
    x, _, _ = load_folder(tmp_path)
    assert x.shape == (1, 16, 24, 1)
    assert np.abs(x[0, ..., 0].astype(int) - upright).max() < 8


def test_pixels_without_a_range_are_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(FileFormatError, match="float.tif.*8 or 16 bits"):
        load_folder(tmp_path)
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(tmp_path / "float.tif")
    with pytest.raises(FileFormatError, match="float.tif.*70000.*8 or 16 bits"):
        load_folder(tmp_path)


# ---------------------------------------------------------------------------------------------------- size and channels


def test_crop_is_centred_and_by_whole_pixels():
    strip = np.arange(30, dtype=np.uint8)[None].repeat(10, axis=0)
    assert np.array_equal(np.asarray(pictures.fit(Image.fromarray(strip), (10, 10))), strip[:, 10:20])
    assert np.array_equal(np.asarray(pictures.fit(Image.fromarray(strip.T.copy()), (10, 10))), strip.T[10:20])
    assert np.array_equal(np.asarray(pictures.fit(Image.fromarray(strip), (10, 29))), strip[:, :29])


def test_shrinking_is_antialiased():
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)[None, ..., None]
    small = pictures.convert(board, size=(8, 8))
    assert small.shape == (1, 8, 8, 1) and np.abs(small.astype(int) - 127.5).max() < 5  # nearest pixel would give 0 or 255


@quick
@given(have=st.tuples(sizes, sizes), want=st.tuples(sizes, sizes), old=st.sampled_from([1, 3]), new=st.sampled_from([1, 3]))
def test_any_size_becomes_any_size(have, want, old, new):
    flat = np.full((2, *have, old), 77, np.uint8)
    out = pictures.convert(flat, want, new)
    assert out.shape == (2, *want, new) and (out == 77).all()  # a flat picture stays flat


def test_channels():
    data = load("digits", channels=3)
    assert data.sample_shape == (8, 8, 3) and (data.x == load("digits").x).all()
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8).reshape(1, 2, 2, 3)
    assert pictures.convert(colours, channels=1).ravel().tolist() == [76, 150, 29, 9]  # 0.299 R + 0.587 G + 0.114 B


def test_size():
    assert load("digits", size=16).sample_shape == (16, 16, 1)
    assert load("digits", size=(6, 9), channels=3).sample_shape == (6, 9, 3)
    assert np.array_equal(load("digits", size=(8, 8)).x, load("digits").x)


@pytest.mark.parametrize(
    "size, error", [(0, ValueError), ((3, -1), ValueError), ((1, 2, 3), ValueError), (2.5, TypeError), ("32", TypeError)]
)
def test_size_refused(size, error):
    with pytest.raises(error):
        load("digits", size=size)


# ---------------------------------------------------------------------------------------------------- folders


def save(path, value=0, size=(6, 6), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def test_classes_are_the_first_sub_folders(tmp_path):
    for place, value in [("b/1.png", 1), ("a/x/2.png", 2), ("c/0.png", 3), ("a/1.png", 4), ("Zoo/7.png", 5)]:
        save(tmp_path / place, value)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("not a picture")
    data = load(tmp_path)
    assert data.classes == ("Zoo", "a", "b", "c")
    assert data.x[:, 0, 0, 0].tolist() == [5, 4, 2, 1, 3] and data.labels.tolist() == [0, 1, 1, 2, 3]
    assert data.name == tmp_path.name and str(tmp_path) in data.source
    save(tmp_path / "top.png", 6)
    assert load(tmp_path).labels is None and load(tmp_path).classes == () and len(load(str(tmp_path))) == 6


def test_order_is_that_of_the_names_not_of_the_disk(tmp_path, monkeypatch):
    for value, name in enumerate(["a-b/1.png", "a/1.png", "a/10.png", "a/2.png", "z.png"]):
        save(tmp_path / name, value)
    expected = load(tmp_path).x
    walk = os.walk

    def backwards(*arguments, **options):
        for place, folders, files in walk(*arguments, **options):
            yield place, folders, files[::-1]

    monkeypatch.setattr(os, "walk", backwards)
    assert np.array_equal(load(tmp_path).x, expected)
    assert expected[:, 0, 0, 0].tolist() == [1, 2, 3, 0, 4]  # by parts: "a" before "a-b"


def test_mixed_sizes_become_square(tmp_path):
    stripes = np.repeat(np.array([10, 250, 10], np.uint8), 40)[None].repeat(40, axis=0)  # 120 x 40, light in the middle
    Image.fromarray(stripes).save(tmp_path / "wide.png")
    save(tmp_path / "small.png", 100, (5, 7))
    x = load(tmp_path).x
    assert x.shape == (2, 64, 64, 1) and (x[0] == 100).all() and (x[1] == 250).all()
    assert load(tmp_path, size=(20, 60)).x[1, :, 0].max() == 10  # the whole strip
    assert load(tmp_path, size=10).sample_shape == (10, 10, 1)


def test_one_size_is_kept_and_one_colour_makes_all_colour(tmp_path):
    save(tmp_path / "a.png", 100, (5, 7))
    save(tmp_path / "b.png", 50, (5, 7))
    assert load(tmp_path).sample_shape == (7, 5, 1)
    save(tmp_path / "c.png", (1, 2, 3), (5, 7), "RGB")
    data = load(tmp_path)
    assert data.sample_shape == (7, 5, 3) and data.x[0, 0, 0].tolist() == [100] * 3 and data.x[2, 0, 0].tolist() == [1, 2, 3]
    assert load(tmp_path, channels=1).sample_shape == (7, 5, 1)


def test_no_picture_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden.png").write_bytes(b"left by some system")
    with pytest.raises(FileNotFoundError, match="expected a folder with pictures.*found none among 2 files"):
        load(tmp_path)


def test_hidden_files_and_other_suffixes_are_left_alone(tmp_path):
    save(tmp_path / "a.png", 1)
    (tmp_path / "._a.png").write_bytes(b"resource fork")
    (tmp_path / "captions.csv").write_text("a.png,one")
    (tmp_path / "data.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    save(tmp_path / ".thumbnails" / "a.png", 2)
    assert len(load(tmp_path)) == 1


def test_links_are_followed_once(tmp_path):
    save(tmp_path / "elsewhere" / "a.png", 1)
    save(tmp_path / "set" / "cats" / "b.png", 2)
    try:
        (tmp_path / "set" / "dogs").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (tmp_path / "set" / "cats" / "loop").symlink_to(tmp_path / "set" / "cats", target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let us make links")
    data = load(tmp_path / "set")
    assert data.classes == ("cats", "dogs") and data.labels.tolist() == [0, 1]


def picture_bytes(suffix, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole.{suffix}")
    return (tmp_path / f"whole.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "webp", "tif"])
def test_truncated_picture_is_named(tmp_path, suffix):
    whole = picture_bytes(suffix, tmp_path)
    (tmp_path / f"whole.{suffix}").unlink()
    for kept in (0, 1, 20, len(whole) // 2):
        (tmp_path / f"cut.{suffix}").write_bytes(whole[:kept])
        for size in (None, 8):
            with pytest.raises(FileFormatError, match=f"cut.{suffix}: expected a picture.*mend the file or take it out"):
                load(tmp_path, size=size, channels=size and 1)


@pytest.mark.parametrize(
    "content, message",
    [
        (png(20_000, 20_000), "DecompressionBomb"),
        (png(10_000, 10_000), "DecompressionBomb"),  # Pillow alone would only warn
        (png(0, 5), "cut|cannot|invalid|expected"),
        (b"GIF89a" + bytes(30), "expected a picture"),
        (b"cos\nsystem\n(S'exit 1'\ntR.", "UnidentifiedImageError"),
        (b"\0\0\0\x20ftypmp42" + bytes(50), "UnidentifiedImageError"),
    ],
    ids=["bomb", "small bomb", "no width", "empty gif", "pickle", "film"],
)
def test_hostile_picture_is_named(tmp_path, content, message):
    save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        load(tmp_path)
    assert "bad.png" in str(caught.value)


def test_postscript_is_never_run(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(
        EpsImagePlugin, "Ghostscript", lambda *arguments, **options: ran.append(arguments) or Image.core.new("RGB", (9, 9))
    )
    Image.new("RGB", (9, 9)).save(tmp_path / "a.eps")
    with Image.open(tmp_path / "a.eps") as image:
        image.load()
    assert len(ran) == 1  # Pillow alone runs it
    with pytest.raises(FileNotFoundError, match="found none among 1"):
        load(tmp_path)
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(FileFormatError, match="a.png.*UnidentifiedImageError"):
        load(tmp_path)
    assert len(ran) == 1


@pytest.mark.parametrize("terminal, bars", [(True, 2), (False, 0)])
def test_progress_bar_for_many_files_on_a_terminal(tmp_path, monkeypatch, capsys, terminal, bars):
    monkeypatch.setattr("numgan.data.folder.BAR_FROM", 3)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    for k in range(3):
        save(tmp_path / f"{k}.png")
    load(tmp_path)
    assert capsys.readouterr().err == ""  # few files: no bar
    save(tmp_path / "3.png")
    load(tmp_path)
    shown = capsys.readouterr().err
    assert ("looking: 100%" in shown) + ("reading: 100%" in shown) == bars


def test_a_sub_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    save(tmp_path / "open" / "a.png")
    save(tmp_path / "closed" / "a.png")
    scandir = os.scandir

    def guarded(place):
        if os.path.basename(place) == "closed":
            raise PermissionError(f"not allowed: {place}")
        return scandir(place)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(PermissionError, match="closed"):
        load(tmp_path)


@real
def test_real_folders_hold_every_trap():
    emoji = load(os.path.join(REAL, "emoji", "twemoji"))  # palette and RGBA, one of another size
    assert emoji.x.shape == (1887, 64, 64, 3) and emoji.labels is None
    assert (emoji.x[:, 0, 0] == 255).all(axis=-1).mean() > 0.8  # transparent corners are white, not black
    faces = load(os.path.join(REAL, "orl-faces"))
    assert faces.x.shape == (400, 112, 92, 1) and np.bincount(faces.labels).tolist() == [10] * 40


# ---------------------------------------------------------------------------------------------------- load


def test_names_are_what_load_takes(tmp_path):
    table = names()
    assert list(table) == ["digits", "mnist", "fashion-mnist", "ring", "grid", "swiss-roll"]
    assert all("\n" not in line and 20 < len(line) < 130 for line in table.values())
    for name in table:
        if name in idx.SOURCES:
            with pytest.raises(FileNotFoundError):
                load(name, folder=tmp_path)
        else:
            assert load(name).name == name
    table.clear()
    assert names()  # a copy


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "mnits"}, "did you mean 'mnist'"),
        ({"name": "no/such/folder"}, "got neither"),
        ({"name": "digits", "split": "valid"}, "expected split 'train' or 'test', got 'valid'"),
        ({"name": "digits", "channels": 2}, "expected channels 1 .* got 2"),
        ({"name": "digits", "folder": "."}, "folder= is for mnist and fashion-mnist"),
        ({"name": "grid", "channels": 1}, "these are points"),
    ],
)
def test_load_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        load(**arguments)


def test_load_refuses_a_split_of_a_folder_and_a_number(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="has no split 'test'"):
        load(tmp_path, split="test")
    with pytest.raises(TypeError):
        load(0)
