"""Checkpoints: whole or not there, equal for equal states, and no larger than the layout of the system."""

import io
import json
import os
import pickle
import stat
import tracemalloc
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from numgan import data, systems
from numgan.core.errors import FileFormatError
from numgan.training import checkpoint, kept, runs
from numgan.training.recipes import Recipe
from numgan.training.state import State

SYSTEM = systems.build("conditional", "digits", 0.05)
ABOUT = checkpoint.identity(SYSTEM, data.load("digits"), 16, 3)


@pytest.fixture
def state():
    """A state with no zeros in it, so that a forgotten part shows."""
    state = State.start(SYSTEM, 3)
    rng = np.random.default_rng(1)
    for vector in state.vectors().values():
        vector[:] = rng.standard_normal(vector.shape)
    state.step, state.batches = 7, 11
    for name, count in (("D", 5), ("G", 6)):
        state.moments[name]["step"] = count
    return state


@pytest.fixture
def path(tmp_path, state):
    checkpoint.save(tmp_path / "checkpoint.npz", state, ABOUT)
    return tmp_path / "checkpoint.npz"


def same(one, two):
    return one.counters() == two.counters() and all(
        np.array_equal(a, two.vectors()[name]) for name, a in one.vectors().items()
    )


def test_what_is_saved_comes_back(path, state):
    back = checkpoint.load(path, SYSTEM, ABOUT)
    assert same(back, state)
    assert (back.step, back.batches, back.moments["D"]["step"], back.moments["G"]["step"]) == (7, 11, 5, 6)
    assert set(back.vectors()) == {"D.weights", "D.m", "D.v", "G.weights", "G.m", "G.v", "G.average"}
    back.params["G"].vector[:] = 0  # it is writable, and the views are of the vector
    assert not back.params["G"][next(iter(back.params["G"]))].any()


def test_equal_states_make_equal_bytes(path, state, tmp_path):
    checkpoint.save(tmp_path / "again.npz", state, ABOUT)
    assert path.read_bytes() == (tmp_path / "again.npz").read_bytes()
    state.params["D"].vector[0] += 1
    checkpoint.save(tmp_path / "again.npz", state, ABOUT)
    assert path.read_bytes() != (tmp_path / "again.npz").read_bytes()


def test_numpy_reads_it_without_pickle(path, state):
    with np.load(path, allow_pickle=False) as file:
        assert np.array_equal(file["G.weights"], state.params["G"].vector)
        assert json.loads(file["about"].tobytes())["seed"] == 3


def test_a_system_without_generator_or_average():
    system = systems.build("classifier", "digits", 0.05)
    state = State.start(system, 0)
    assert state.averages == {} and set(state.vectors()) == {"C.weights", "C.m", "C.v"}


# ---- atomic writing


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, state, monkeypatch):
    before = path.read_bytes()
    state.step = 8

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left.*checkpoint.npz"):
        checkpoint.save(path, state, ABOUT)
    assert path.read_bytes() == before and os.listdir(path.parent) == ["checkpoint.npz"]


def test_the_bytes_reach_the_disk_before_the_name_and_the_folder_after(tmp_path, monkeypatch):
    done = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (done.append("folder" if os.path.isdir(f"/proc/self/fd/{fd}") else "file"), fsync(fd)),
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("name"), rename(a, b)))
    with checkpoint.replacing(tmp_path / "x") as file:
        file.write(b"1")
        assert not (tmp_path / "x").exists()
    if os.path.isdir("/proc/self/fd"):
        assert done == ["file", "name", "folder"]
    assert (tmp_path / "x").read_bytes() == b"1"


# ---- hostile files


def refuse(path, match, system=SYSTEM, about=ABOUT):
    with pytest.raises(FileFormatError, match=match) as error:
        checkpoint.load(path, system, about)
    assert str(path) in str(error.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not there: restore it|there is no folder"):
        checkpoint.load(tmp_path / "none.npz", SYSTEM, ABOUT)


def test_truncated_at_any_length(path):
    whole = path.read_bytes()
    for length in [*range(0, len(whole), len(whole) // 40), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refuse(path, "expected")


def test_a_flipped_bit_is_refused_or_harmless(path, state):
    """Headers, names, checksums or data: what is accepted is the state that was saved, to the last bit."""
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    directory = whole.rindex(b"PK\x01\x02") - 600
    places = {
        *rng.integers(len(whole), size=150),
        *rng.integers(directory, len(whole), size=100),
        *range(0, 200, 3),
    }
    refused = 0
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert same(checkpoint.load(path, SYSTEM, ABOUT), state), place
        except FileFormatError:
            refused += 1
    assert refused > len(places) / 2


@pytest.mark.parametrize(
    "junk", [b"", b"not a zip", b"PK\x05\x06" + bytes(18), b"PK\x03\x04" + b"\xff" * 500, bytes(100_000)]
)
def test_not_a_checkpoint(path, junk):
    path.write_bytes(junk)
    refuse(path, "damaged|not a checkpoint")


def rewrite(path, change, compression=zipfile.ZIP_STORED):
    """Write the file again, each member's bytes through change(name, bytes) -> [(name, bytes), ...]."""
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename.removesuffix(".npy"), archive.read(info)) for info in archive.infolist()]
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore")  # zipfile warns of duplicates
        for name, content in members:
            for new_name, new_content in change(name, content):
                archive.writestr(f"{new_name}.npy", new_content)


def array(value, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(value), **options)
    return file.getvalue()


def swap(target, content):
    return lambda name, old: [(name, content if name == target else old)]


def test_rewriting_alone_changes_nothing(path, state):
    rewrite(path, lambda name, content: [(name, content)])
    assert same(checkpoint.load(path, SYSTEM, ABOUT), state)


class Planted:
    def __reduce__(self):
        return os.mkdir, ("planted-by-a-pickle",)


def test_a_pickle_is_never_loaded(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    content = array(np.array([Planted()], object), allow_pickle=True)
    for target in ("step", "about", "G.weights"):
        before = path.read_bytes()
        rewrite(path, swap(target, content))
        refuse(path, target)
        path.write_bytes(before)
    path.write_bytes(pickle.dumps(Planted()))
    refuse(path, "damaged")
    assert os.listdir(path.parent) == ["checkpoint.npz"]


CASES = {
    "duplicate": (lambda name, old: [(name, old)] * (2 if name == "G.weights" else 1), "twice"),
    "missing": (lambda name, old: [] if name == "G.average" else [(name, old)], "G.average"),
    "missing about": (lambda name, old: [] if name == "about" else [(name, old)], "about"),
    "besides": (lambda name, old: [(name, old)] + ([("../evil", old)] if name == "step" else []), "evil"),
    "one entry short": (
        swap("D.m", array(np.zeros(SYSTEM.networks["D"].layout.size - 1, np.float32))),
        "D.m",
    ),
    "another type": (swap("D.m", array(np.zeros(SYSTEM.networks["D"].layout.size))), "float64"),
    "another byte order": (swap("D.m", array(np.zeros(SYSTEM.networks["D"].layout.size, ">f4"))), "D.m"),
    "fewer bytes than its header says": (
        lambda name, old: [(name, old[:-4] if name == "D.m" else old)],
        "D.m",
    ),
    "more bytes than its header says": (
        lambda name, old: [(name, old + b"1234" if name == "D.m" else old)],
        "D.m",
    ),
    "a step before the first": (swap("step", array(np.int64(-1))), "0 or more"),
    "no array": (swap("step", b"\x93NUMPY\x01\x00\x10\x00{'descr': print}"), "whole checkpoint"),
    "deep header": (swap("step", b"\x93NUMPY\x01\x00\xa0\x0f" + b"(" * 4000), "whole checkpoint"),
    "about is no json": (swap("about", array(np.zeros(9, np.uint8))), "whole checkpoint"),
    "about is no dict": (swap("about", array(np.frombuffer(b"[1]", np.uint8))), "description"),
}


@pytest.mark.parametrize("case", CASES)
def test_members_that_do_not_fit(path, case):
    change, match = CASES[case]
    rewrite(path, change)
    refuse(path, match)


def test_bombs_are_not_unpacked(path):
    """Neither a compressed member nor a header that claims a terabyte costs memory."""
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "|u1", "fortran_order": False, "shape": (10**12,)})
    for change, compression in (
        (swap("D.m", bytes(20_000_000)), zipfile.ZIP_DEFLATED),
        (swap("D.m", huge.getvalue()), zipfile.ZIP_STORED),
        (swap("about", huge.getvalue()), zipfile.ZIP_STORED),
    ):
        before = path.read_bytes()
        rewrite(path, change, compression)
        assert path.stat().st_size < 1_000_000
        tracemalloc.start()
        refuse(path, "compressed" if compression else r"got .*1000000000000")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
        tracemalloc.stop()
        path.write_bytes(before)


def test_a_file_far_too_large_is_not_read(path):
    with open(path, "ab") as file:
        file.truncate(1 << 40)  # sparse: it takes no room
    tracemalloc.start()
    refuse(path, "at most")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_nothing_is_made_for_a_file_far_too_small(path, monkeypatch):
    """The system named in a run folder may be a large one."""
    monkeypatch.setattr(State, "empty", lambda system: pytest.fail("a state was made"))
    path.write_bytes(path.read_bytes()[:100])
    refuse(path, "expected a file of at least .* bytes, got 100; it is not a checkpoint of this system")
    path.unlink()
    path.mkdir()
    refuse(path, "expected a file of at least")


def test_the_directory_is_measured_before_it_is_read(path, monkeypatch):
    """zipfile makes an object of each member, and looks for the directory in whatever stands at the end."""
    whole = path.read_bytes()
    with zipfile.ZipFile(path, "a") as archive:
        for i in range(500):
            archive.writestr(f"{i}.npy", b"")
    monkeypatch.setattr(checkpoint.zipfile, "ZipFile", lambda *words: pytest.fail("the directory was read"))
    refuse(path, r"expected at most \d+ arrays, got a directory of .* bytes for 5\d\d")
    path.write_bytes(whole + b"more")
    refuse(path, "expected a zip file that ends with its directory, got other bytes at its end")


def test_an_archive_of_something_else_is_named_so(path):
    np.savez(path, x=np.zeros(sum(net.layout.size for net in SYSTEM.networks.values()), np.float32))
    refuse(path, "expected an array 'about', got none; the file is not a checkpoint of numgan")


# ---- other runs


def test_another_run_is_refused_by_name(path):
    digits = data.load("digits")
    wider = systems.build("conditional", "digits", 0.1)
    refuse(path, "networks|bytes", wider, checkpoint.identity(wider, digits, 16, 3))
    other = systems.build("dcgan", "digits", 0.05)
    refuse(path, "networks|system", other, checkpoint.identity(other, digits, 16, 3))
    refuse(path, "seed 4.*one with 3", about=checkpoint.identity(SYSTEM, digits, 16, 4))
    refuse(path, "batch_size", about=checkpoint.identity(SYSTEM, digits, 32, 3))
    refuse(path, "data", about=checkpoint.identity(SYSTEM, data.load("digits", "test"), 16, 3))
    slower = SYSTEM.with_optimizers(lambda name, opt: type(opt)(1e-5))
    refuse(path, "optimizers", slower, checkpoint.identity(slower, digits, 16, 3))


def test_equal_sizes_are_not_enough(path):
    """Two networks with as many parameters, in another order, are told apart."""
    from dataclasses import replace

    from numgan.layers import Dense, Sequential

    def system(*layers):
        return replace(systems.build("gan", "points"), networks={"G": Sequential(*layers)}, optimizers={})

    one, two = system(Dense(2, 3), Dense(3, 2)), system(Dense(3, 2), Dense(2, 3))
    ring = data.load("ring")
    about = [checkpoint.identity(each, ring, 4, 0) for each in (one, two)]
    checkpoint.save(path, State.start(one, 0), about[0])
    assert checkpoint.load(path, one, about[0]).step == 0
    refuse(path, "networks", two, about[1])


def test_a_run_without_a_name_takes_the_first_free_number(tmp_path):
    recipe = Recipe("gan", "digits")
    root = tmp_path / "not" / "there"
    assert runs.choose(recipe, root) == root / "gan-digits-1"
    (root / "gan-digits-2").mkdir()
    assert runs.choose(recipe, root) == root / "gan-digits-3"
    assert runs.choose(replace(recipe, preset="points"), root) == root / "gan-points-1" and all(
        path.is_dir() for path in root.iterdir()
    )


def test_equal_descriptions_make_equal_files(tmp_path):
    system = systems.build("gan", "points", 0.05)
    state, about = State.start(system, 0), {"b": 1, "a": {"y": [1, "x"], "x": None}}
    checkpoint.save(tmp_path / "one.npz", state, about)
    checkpoint.save(tmp_path / "two.npz", state, {"a": {"x": None, "y": [1, "x"]}, "b": 1})
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert checkpoint.load(tmp_path / "two.npz", system, about).step == 0


def test_an_empty_state_is_all_zero():
    system = systems.build("gan", "points", 0.05)
    state, begun = State.empty(system), State.start(system, 0)
    assert not any(array.any() for array in state.vectors().values()) and not any(state.counters().values())
    assert {name: array.shape for name, array in state.vectors().items()} == {
        name: array.shape for name, array in begun.vectors().items()
    }
    assert (
        state.sampled == {"D": state.params["D"], "G": state.averages["G"]}
        and state.sampled["G"] is state.averages["G"]
    )
    assert not begun.memory and {array.dtype for array in state.vectors().values()} == {np.dtype(np.float32)}


def test_no_more_bytes_are_read_than_a_right_file_can_have(tmp_path):
    """64 KB for the description, and for each array its data and two headers of 4 KB.

    An archive may begin with other bytes.
    """
    system, path = systems.build("gan", "points", 0.05), tmp_path / "c.npz"
    state = State.start(system, 0)
    most = (
        2**16
        + sum(array.nbytes for array in state.vectors().values())
        + 2 * 4096 * (2 + len(state.vectors()) + len(state.counters()))
    )
    checkpoint.save(path, state, {})
    whole = path.read_bytes()
    path.write_bytes(bytes(most - len(whole)) + whole)
    assert checkpoint.load(path, system, {}).params["G"] == state.params["G"]
    path.write_bytes(bytes(most + 1 - len(whole)) + whole)
    with pytest.raises(FileFormatError, match=f"expected at most {most:,} bytes, got {most + 1:,}"):
        checkpoint.load(path, system, {})


def test_all_bytes_reach_the_disk_before_the_name(tmp_path, monkeypatch):
    sizes, path, fsync = [], tmp_path / "file", os.fsync

    def seen(number):
        sizes.append(
            (
                os.fstat(number).st_size if not stat.S_ISDIR(os.fstat(number).st_mode) else "folder",
                path.exists(),
            )
        )
        fsync(number)

    monkeypatch.setattr(os, "fsync", seen)
    with checkpoint.replacing(path) as file:
        file.write(b"12345")
    assert sizes == [(5, False), ("folder", True)] and path.read_bytes() == b"12345"


def test_the_identity_of_a_run_names_its_system_and_its_seed():
    system, dataset = systems.build("wgan", "points", 0.1), data.load("ring")
    found = checkpoint.identity(system, dataset, 32, 7)
    assert found["system"] == "WGAN" and found["batch_size"] == 32 and found["seed"] == 7
    assert len(found["data"]) == 16 and found["n_critic"] == "5"
    renamed = replace(dataset, name="moved")
    assert checkpoint.identity(system, renamed, 32, 7) == found  # the name of equal data does not count
    assert checkpoint.identity(system, kept.fingerprint(renamed), 32, 7) == found
