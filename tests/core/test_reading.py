"""Files from other people are read safely: pipes, archives, pictures, and a few thousand damaged files."""

import importlib.util
import os
import signal
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from file_cases import SYSTEM
from PIL import Image

from numgan.core import arrays
from numgan.core.errors import FileFormatError
from numgan.data.folder import load_folder
from numgan.data.idx import read_idx
from numgan.training import checkpoint

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")


def test_a_pipe_is_not_waited_for(tmp_path):
    for name, read in (
        ("x.png", lambda path: load_folder(path.parent)),
        ("x-idx", lambda path: read_idx(path, 1)),
        ("x.npy", arrays.load_array),
        ("checkpoint.npz", lambda path: checkpoint.load(path, SYSTEM, {})),
    ):
        os.mkfifo(tmp_path / name)
        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.alarm(10)
        try:
            with pytest.raises(FileFormatError, match=name):
                read(tmp_path / name)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)


def test_a_directory_of_more_members_than_asked_for_is_not_read(tmp_path):
    """The list of an archive's members can take far more memory than the file."""
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(20_000):
            archive.writestr(zipfile.ZipInfo(f"{i}.npy"), b"")
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="x.npz: expected at most 2 arrays"):
        arrays.load_arrays(path, "x", "y")
    assert tracemalloc.get_traced_memory()[1] < 3 * path.stat().st_size
    tracemalloc.stop()
    np.savez(path, x=np.arange(3), y=np.ones(2))
    x, y = arrays.load_arrays(path, "x", "y")
    assert x.tolist() == [0, 1, 2] and y.tolist() == [1, 1]
    whole = bytearray(path.read_bytes())
    struct.pack_into("<I", whole, len(whole) - 10, 10**6)
    path.write_bytes(whole)
    with pytest.raises(FileFormatError, match="a directory of 1,000,000 bytes"):
        arrays.load_arrays(path, "x", "y")


def test_a_picture_of_more_pixels_than_the_limit_is_refused(tmp_path):
    Image.new("1", (8000, 5000)).save(tmp_path / "x.png")
    with pytest.raises(
        FileFormatError, match="x.png: expected a picture that Pillow reads, of at most 33,554,432 pixels"
    ):
        load_folder(tmp_path)


def test_a_few_thousand_damaged_files(tmp_path):
    """The short form of `python benchmarks/fuzz_files.py`, which damages a million."""
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz_files.py"
    if not script.exists():
        pytest.skip("the benchmarks are not beside the tests")
    spec = importlib.util.spec_from_file_location("fuzz_files", script)
    fuzz_files = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_files"] = fuzz_files  # where dataclasses look for it
    spec.loader.exec_module(fuzz_files)
    with fuzz_files.prepared() as (root, kinds):
        for name, kind in kinds.items():
            found = fuzz_files.fuzz(name, kind, root, round(2500 * kind.share), 20, tmp_path / "kept")
            assert found["failures"] == 0 and found["inputs"], [
                found,
                *(path.name for path in tmp_path.glob("kept/*")),
            ]
