"""The blocks of memory of outputs (memory.c, _core.Block): reused after their last owner, never before."""

import copy
import gc
import pickle
import sys

import numpy as np
import pytest
from kernel_cases import python
from kernel_marks import needs_compiled

from numgan._kernels import compiled

pytestmark = needs_compiled
F4 = np.dtype(np.float32)
MB = 1 << 20


def make(*shape, dtype=F4):
    return compiled.empty(shape, dtype)


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(1 << 14,), (127, 257), (3, 11, 101, 67), (1 << 20,), (7, 1 << 19), (1, 1)]
)
def test_blocks_are_aligned_arrays(shape, dtype):
    array = compiled.empty(shape, np.dtype(dtype))
    assert (
        array.shape == shape and array.dtype == dtype and array.flags.c_contiguous and array.flags.writeable
    )
    assert array.nbytes < compiled.calls._LARGE or address(array) % 64 == 0
    array[...] = 3
    assert (array == 3).all()


@pytest.mark.parametrize("shape", [(0,), (0, 1 << 40), (5, 0, 7), ()])
def test_nothing(shape):
    assert compiled.empty(shape, F4).shape == shape


@pytest.mark.parametrize("count", [1 << 50, 1 << 59, (1 << 60) - 1, (1 << 60) + 1])
def test_more_than_there_is(count):
    with pytest.raises(MemoryError, match=f"numgan: no memory for an array of {8 * count} bytes"):
        make(count, dtype=np.dtype(np.float64))


def test_live_arrays_never_share():
    rng = np.random.default_rng(0)
    live = {}
    for i in range(600):
        if len(live) > 12:
            gone = rng.choice(list(live))
            assert (live[gone] == gone).all()
            del live[gone]
        live[i] = make(int(rng.integers(1 << 14, 1 << 18)))
        live[i].fill(i)
    for i, array in live.items():
        assert (array == i).all()


@pytest.mark.parametrize(
    "hold",
    [
        lambda a: a[3:],
        lambda a: a.reshape(50, -1).T[::2],
        lambda a: a.view(np.uint8),
        memoryview,
        lambda a: np.frombuffer(a, np.float64),
        lambda a: a.reshape(-1)[:0],
        lambda a: np.asarray(memoryview(a)),
        lambda a: np.ma.masked_array(a),
        iter,
    ],
    ids=[
        "slice",
        "transpose",
        "bytes",
        "memoryview",
        "frombuffer",
        "empty",
        "through a memoryview",
        "masked",
        "iterator",
    ],
)
def test_a_view_keeps_its_block(hold):
    array = make(50, 1000)
    where = address(array)
    view = hold(array)
    del array
    others = [make(50, 1000) for _ in range(70)]  # more than are kept
    assert where not in map(address, others)
    del view
    gc.collect()
    assert address(make(50, 1000)) == where  # the last one given back


def test_a_block_is_reused_after_its_last_owner():
    for shape in (300, 500), (2500, 1000):
        array = make(*shape)
        where = address(array)
        assert sys.getrefcount(array.base) >= 1
        del array
        again = make(*shape)
        assert address(again) == where


def test_kernels_do_not_write_into_what_is_alive():
    """An output may take the block of a dead array; never that of an argument or of an earlier result."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((400, 400)).astype(np.float32)
    results = []
    for _ in range(20):
        x = compiled.matmul(x, x)
        x /= abs(x).max()
        y = compiled.matmul(x, x)
        results.append((y, y.copy()))
        del y
    assert all(np.array_equal(a, b) for a, b in results)
    assert len({address(a) for a, _ in results}) == 20


def test_copies_and_pickles_are_ordinary():
    array = make(100, 300)
    array[...] = np.arange(30000).reshape(100, 300)
    pickled = [pickle.loads(pickle.dumps(array, protocol=protocol)) for protocol in (2, 5)]
    for other in copy.copy(array), copy.deepcopy(array), array.copy(), *pickled:
        assert np.array_equal(other, array) and not np.shares_memory(other, array)
    with pytest.raises(ValueError, match="own"):
        array.resize((200, 300))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_how_much_is_kept_and_that_it_comes_back():
    """All memory that was in use at once is kept. Blocks of other sizes displace the oldest ones.

    The kept memory is at most a quarter and 32 MB above the memory in use. release_memory frees all of it.
    """
    run = python("""if True:
        import os, numpy as np, numgan
        from numgan._kernels import compiled
        MB, F4 = 1 << 20, np.dtype(np.float32)
        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") / MB
        def use(mb):
            array = compiled.empty((int(mb * MB / 4),), F4)
            array.fill(1)
            return array
        before = resident()
        some = [use(mb) for mb in range(8, 48, 3)]   # 385 MB in 14 sizes, the smallest a little rounded up
        del some
        kept = resident() - before
        most = 0
        for mb in range(9, 160, 2):
            use(mb)
            most = max(most, resident() - before)
        where = use(20.5).__array_interface__["data"][0]
        again = use(20.5).__array_interface__["data"][0] == where
        held = use(10)
        freed = numgan.release_memory() / MB
        left = resident() - before
        print(380 < kept < 410, most < 1.25 * 400 + 32 + 10, again, 300 < freed < most, left < 20)
        print((held == 1).all(), numgan.release_memory())""")
    assert run.stdout.split() == ["True"] * 6 + ["0"], run.stdout + run.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_small_blocks_come_back_too():
    """Blocks below the size that the system maps on its own."""
    run = python("""if True:
        import os, numpy as np, numgan
        from numgan._kernels import compiled
        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)
        before = resident()
        arrays = [compiled.empty((1 << 18,), np.dtype(np.float32)) for _ in range(200)]
        for array in arrays:
            array.fill(1)
        del array, arrays
        kept = resident() - before
        numgan.release_memory()
        print(kept > 190, resident() - before < 20)""")
    assert run.stdout.split() == ["True"] * 2, run.stdout + run.stderr
