"""The loop: what a step does, that a run repeats, resumes and extends bit for bit, and how it ends when it must."""

import copy
import inspect
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from dataclasses import astuple, dataclass, field, replace

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_info, threadpool_limits

import numgan as ng
from numgan import data, systems
from numgan._kernels import compiled
from numgan.core import files
from numgan.core.errors import FileFormatError, NonFiniteError
from numgan.core.randomness import derive
from numgan.data import Batches, Dataset
from numgan.data.pixels import to_bytes, to_floats
from numgan.evaluation import judging
from numgan.layers import Dense, Pass, ReLU, Sequential
from numgan.losses import Curve, nonsaturating
from numgan.systems import Result
from numgan.training import blame, checkpoint, recipes, runs, sampling
from numgan.training import loop as training
from numgan.training import step as one_step
from numgan.training.state import State

DIGITS, RING = data.load("digits"), data.load("ring")
SYSTEMS = {
    "gan": (lambda: systems.build("gan", "digits", 0.05), DIGITS),
    "points": (lambda: systems.build("gan", "points", 0.1), RING),
    "gan paper": (lambda: systems.build("gan", "paper", 0.02), data.load("digits", size=28)),
    "wgan": (lambda: systems.build("wgan", "digits", 0.05), DIGITS),
    "wgan_gp": (lambda: systems.build("wgan_gp", "digits", 0.05), DIGITS),
    "dcgan": (lambda: systems.build("dcgan", "digits", 0.05), DIGITS),
    "hinge": (lambda: systems.build("hinge", "digits", 0.05), DIGITS),
    "conditional": (lambda: systems.build("conditional", "digits", 0.05), DIGITS),
    "classifier": (lambda: systems.build("classifier", "digits", 0.1), DIGITS),
}


def make(name):
    system, dataset = SYSTEMS[name]
    return system(), dataset


def go(name, out, steps=6, **words):
    system, dataset = make(name)
    words = {"batch_size": 8, "seed": 5, "log_every": 2, "picture_every": 2, "progress": False} | words
    return training.train(system, dataset, out, steps=steps, **words)


def weights(out):
    return (out / "checkpoint.npz").read_bytes()


def metrics(out):
    """The records, but for the seconds, which no run repeats."""
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [{word: value for word, value in json.loads(line).items() if word != "seconds"} for line in lines]


# ---- one step


def step_once(system, dataset, batch_size=8, seed=5, state=None):
    state = state or State.start(system, seed)
    return state, training.advance(system, state, dataset.feed(batch_size, seed, system.pixels), seed)


def test_a_step_is_the_objectives_gradient_given_to_the_optimiser():
    """Written out by hand once, for a system that shares its fakes."""
    system = systems.build("dcgan", "digits", 0.05)
    state, results = step_once(system, DIGITS)
    params, moments = system.init(5), {}
    batch = systems.Batch(DIGITS.rows(Batches(len(DIGITS), 8, 5).indices(0)))
    fakes = system.generate(params, batch, derive(5, "step", 0, "fakes"))
    for turn, name in enumerate(("D", "G")):
        result = system.objectives()[name](params, batch, derive(5, "step", 0, turn), fakes)
        params[name].vector[:], moments[name], _ = system.optimizers[name].step(
            params[name].vector,
            result.gradients[name].vector,
            system.optimizers[name].start(params[name].vector),
        )
        assert result.loss == results[name].loss
        assert np.array_equal(state.params[name].vector, params[name].vector)
        assert (
            np.array_equal(state.moments[name]["m"], moments[name]["m"]) and state.moments[name]["step"] == 1
        )
    assert (state.step, state.batches) == (1, 1)


@dataclass(frozen=True, eq=False, repr=False)
class Spy(Dataset):
    """A dataset that remembers which rows were asked for."""

    taken: list = field(default_factory=list)

    def rows(self, indices, pixels=(-1.0, 1.0)):
        self.taken.append(np.asarray(indices))
        return super().rows(indices, pixels)


def spy_on(dataset, rows=None):
    return Spy(
        dataset.name,
        dataset.x[:rows],
        None if dataset.labels is None else dataset.labels[:rows],
        dataset.classes,
    )


def test_every_row_is_visited_once_an_epoch_in_batches_of_one_size():
    spy, system = spy_on(DIGITS, 30), systems.build("dcgan", "digits", 0.05)
    state, feed = State.start(system, 0), spy.feed(8, 0)
    for _ in range(15):  # 15 x 8 = 4 x 30
        training.advance(system, state, feed, 0)
    assert {len(rows) for rows in spy.taken} == {8}
    assert (np.bincount(np.concatenate(spy.taken), minlength=30) == 4).all()
    assert feed.epoch(state.batches) == 4


def test_each_turn_takes_a_fresh_batch_unless_fakes_are_shared():
    spy = spy_on(RING)
    state, _ = step_once(replace(systems.build("gan", "points", 0.1), k=3), spy)
    assert state.batches == len(spy.taken) == 4 and not np.array_equal(spy.taken[0], spy.taken[1])
    assert state.moments["D"]["step"] == 3 and state.moments["G"]["step"] == 1
    spy = spy_on(DIGITS)
    state, _ = step_once(systems.build("conditional", "digits", 0.05), spy)
    assert state.batches == len(spy.taken) == 1


def test_pixels_are_mapped_to_the_systems_range():
    """What an objective is given, in a step and in a run."""

    def given(system, dataset):
        seen = []

        class Seen(type(system)):
            def discriminator(self, params, batch, seed, fakes=None):
                seen.append(batch["x"])
                return super().discriminator(params, batch, seed, fakes)

        step_once(Seen(**vars(system)), dataset)
        return seen[0]

    gan, first = systems.build("gan", "digits", 0.05), Batches(len(DIGITS), 8, 5).indices(0)
    x = given(replace(gan, pixels=(0.0, 1.0)), DIGITS)
    assert x.dtype == np.float32 and np.allclose(x, DIGITS.x[first] / 255, atol=1e-6)
    assert np.array_equal(given(gan, DIGITS), DIGITS.rows(first)["x"])
    assert np.allclose(given(gan, DIGITS), DIGITS.x[first] / 127.5 - 1, atol=1e-6)
    first = Batches(len(RING), 8, 5).indices(0)
    assert np.array_equal(
        given(replace(systems.build("gan", "points", 0.1), pixels=(0, 1)), RING), RING.x[first]
    )


def test_constants_that_change_with_time_are_resolved_at_each_step():
    class Timed(type(systems.build("dcgan", "digits", 0.05))):
        asked = []

        def at(self, step):
            self.asked.append(step)
            return self

    plain = systems.build("dcgan", "digits", 0.05)
    timed = Timed(**vars(plain))
    state = State.start(timed, 5)
    Timed.asked.clear()
    for _ in range(2):
        step_once(timed, DIGITS, state=state)
    assert Timed.asked == [0, 1]


def test_a_step_tells_the_system_the_moments_and_the_memory():
    told = []

    class Knowing(type(systems.build("dcgan", "digits", 0.05))):
        def with_state(self, moments, memory=None):
            told.append((moments, memory))
            return self

        def memory(self, dtype=np.float32):
            return {"kept": np.arange(3.0)}

        def objectives(self):
            def remembering(*words):
                return replace(plain["G"](*words), memory={"kept": np.array([7.0, 8.0, 9.0])})

            plain = super().objectives()
            return plain | {"G": remembering}

    system = Knowing(**vars(systems.build("dcgan", "digits", 0.05)))
    state = State.start(system, 5)
    assert list(state.memory["kept"]) == [0, 1, 2]
    step_once(system, DIGITS, state=state)
    assert list(state.memory["kept"]) == [7, 8, 9]  # what an objective remembers is written there
    ((moments, memory),) = told
    assert moments is state.moments and moments.keys() == {"D", "G"}
    assert memory.keys() == {"kept"} and np.shares_memory(memory["kept"], state.memory["kept"])
    with pytest.raises(ValueError, match="read-only"):
        memory["kept"][0] = 1


def test_the_moving_average_counts_the_first_steps_less():
    system = replace(systems.build("gan", "points", 0.1), average=0.9)
    state = State.start(system, 5)
    expected = state.params["G"].vector.astype(np.float64)
    for step in range(1, 120):
        step_once(system, RING, state=state)
        decay = min(0.9, step / (step + 9))
        expected = decay * expected + (1 - decay) * state.params["G"].vector
    average = state.averages["G"].vector
    assert np.allclose(average, expected, atol=1e-5) and not np.allclose(
        average, state.params["G"].vector, atol=1e-4
    )
    assert (
        state.averages.keys() == {"G"}
        and state.sampled["G"] is state.averages["G"]
        and state.sampled["D"] is state.params["D"]
    )


# ---- the same bytes


@pytest.mark.parametrize("name", SYSTEMS)
def test_resumed_is_uninterrupted(name, tmp_path):
    """Weights, moments, averages, counters, data order, metrics and pictures (also: an N-step run = k, resume, N - k)."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    go(name, whole)
    go(name, parts, steps=3)
    system, dataset = make(name)
    training.train(system, dataset, parts, steps=6, resume=True, progress=False)
    assert weights(whole) == weights(parts)
    assert [record for record in metrics(parts) if record["step"] != 3] == metrics(
        whole
    )  # 3 was an end, so it was logged
    for picture in runs.pictures(whole):
        assert picture.read_bytes() == (parts / "samples" / picture.name).read_bytes()
    assert bool(runs.pictures(whole)) == ("G" in system.networks)


def test_a_resume_without_the_moments_would_be_seen(tmp_path, monkeypatch):
    """The test above can fail: with optimiser moments forgotten, or the batch counter, the end is another."""
    go("gan", tmp_path / "whole")
    load = checkpoint.load

    def forgetful(forget):
        def loading(*args):
            state = load(*args)
            forget(state)
            return state

        return loading

    for i, forget in enumerate(
        [
            lambda state: state.moments["D"]["m"].fill(0),
            lambda state: setattr(state, "batches", 0),
            lambda state: state.averages["G"].vector.fill(0),
        ]
    ):
        out = tmp_path / str(i)
        go("gan", out, steps=3)
        monkeypatch.setattr(checkpoint, "load", forgetful(forget))
        go("gan", out, resume=True)
        monkeypatch.setattr(checkpoint, "load", load)
        assert weights(out) != weights(tmp_path / "whole")


def test_logging_pictures_and_checkpoints_do_not_change_training(tmp_path):
    go("conditional", tmp_path / "much", log_every=1, picture_every=1, checkpoint_every=1)
    go("conditional", tmp_path / "little", log_every=1000, picture_every=1000)
    assert weights(tmp_path / "much") == weights(tmp_path / "little")
    assert len(metrics(tmp_path / "much")) == 6 and len(metrics(tmp_path / "little")) == 1


def test_the_gradients_norm_is_logged(tmp_path):
    """Of the update that led to the line, for every network, in the file of a run that logs every step."""
    system, dataset = make("gan")
    go("gan", tmp_path / "run", steps=3, log_every=1)
    state, feed = State.start(system, 5), dataset.feed(8, 5)
    for record in metrics(tmp_path / "run"):
        results = training.advance(system, state, feed, 5)
        assert record["gradients"].keys() == {"D", "G"}
        for name, result in results.items():
            exact = np.sqrt((result.gradients[name].vector.astype(np.float64) ** 2).sum())
            assert record["gradients"][name] == pytest.approx(exact, rel=1e-5)


def test_another_seed_is_another_run(tmp_path):
    go("gan", tmp_path / "a", steps=2)
    go("gan", tmp_path / "b", steps=2, seed=6)
    with np.load(tmp_path / "a" / "checkpoint.npz") as a, np.load(tmp_path / "b" / "checkpoint.npz") as b:
        assert not np.array_equal(a["G.weights"], b["G.weights"])


@pytest.mark.skipif(compiled is None, reason="the reference kernels have no threads of their own")
def test_the_number_of_threads_changes_no_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled.calls, "_SMALL", 0)  # every product is cut, however small
    before = ng.num_threads()
    try:
        for threads in (1, 2, 3):
            ng.set_num_threads(threads)
            go("conditional", tmp_path / str(threads), steps=3, picture_every=1)
    finally:
        ng.set_num_threads(before)
    assert weights(tmp_path / "1") == weights(tmp_path / "2") == weights(tmp_path / "3")
    assert len({(tmp_path / str(n) / "samples.png").read_bytes() for n in (1, 2, 3)}) == 1


def test_blas_runs_on_one_thread_while_training_and_sampling(tmp_path, monkeypatch):
    seen = []
    blas = lambda: {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    advance, picture = training.advance, sampling.picture
    monkeypatch.setattr(training, "advance", lambda *args: (seen.append(blas()), advance(*args))[1])
    monkeypatch.setattr(
        sampling, "picture", lambda *args, **words: (seen.append(blas()), picture(*args, **words))[1]
    )
    with threadpool_limits(2):
        outside = blas()
        go("gan", tmp_path / "run", steps=2)
        assert blas() == outside  # and it is put back
    assert len(seen) == 4 and all(threads <= {1} for threads in seen)


def test_both_backends_train_alike(tmp_path):
    """Not to the bit, but to rounding: three steps of plain gradient descent."""
    if ng.backend() == "reference":
        pytest.skip("needs the compiled kernels beside the reference ones")
    ends = []
    for backend in ("reference", "compiled"):
        with ng.use_backend(backend):
            state, _ = step_once(
                systems.build("dcgan", "digits", 0.05).with_optimizers(lambda name, opt: ng.SGD(0.1)), DIGITS
            )
        ends.append(state.params["D"].vector)
    assert np.allclose(*ends, atol=1e-5)


# ---- what a run leaves


def test_the_run_folder(tmp_path):
    trained = go("conditional", tmp_path / "run", steps=5)
    assert {path.name for path in tmp_path.joinpath("run").iterdir() if not path.name.startswith(".")} == {
        "config.json",
        "metrics.jsonl",
        "samples",
        "samples.png",
        "training.gif",
        "curves.png",
        "checkpoint.npz",
    }
    assert [path.name for path in runs.pictures(trained.folder)] == [
        f"step-{n:06d}.png" for n in (0, 2, 4, 5)
    ]
    with (
        Image.open(trained.files["samples"]) as grid,
        Image.open(trained.files["samples over time"]) as animation,
    ):
        assert grid.height < grid.width < grid.height + 30  # ten a class, names at the left
        assert animation.n_frames >= 2 and animation.size == grid.size
    record = json.loads((trained.folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert (
        record.keys() == {"step", "epoch", "losses", "gradients", "metrics", "seconds"}
        and record["step"] == trained.steps == 5
    )
    assert record["losses"] == trained.losses and record["epoch"] == pytest.approx(5 * 8 / 1500, abs=1e-4)
    assert record["metrics"].keys() == {"D(x)", "D(G(z))"}
    config = json.loads((trained.folder / "config.json").read_text())
    assert (
        config["versions"]["numpy"] == np.__version__
        and config["versions"]["backend"] == ng.backend()
        and config["seed"] == 5
    )
    assert trained.steps_per_second > 0 and all(path.exists() for path in trained.files.values())


def test_a_classifier_leaves_no_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(training.plot, "curves", lambda *words: Image.new("L", (2, 2)))  # a second of drawing
    trained = go("classifier", tmp_path / "run", steps=2)
    left = {path.name for path in trained.folder.iterdir() if not path.name.startswith(".")}
    assert left - {"samples"} == {"config.json", "metrics.jsonl", "curves.png", "checkpoint.npz"}
    assert trained.files.keys() == {"curves", "metrics", "configuration", "checkpoint"}
    assert not runs.pictures(trained.folder)


def test_a_system_of_points_leaves_scatter_plots(tmp_path):
    trained = go("points", tmp_path / "run", steps=2)
    with Image.open(trained.files["samples"]) as picture:
        assert picture.size == (500, 500)


def test_two_lines_when_stderr_is_no_terminal_and_none_when_asked(tmp_path, capfd):
    go("gan", tmp_path / "a", steps=2, progress=True)
    out, err = capfd.readouterr()
    assert out == "" and len(err.splitlines()) == 2 and "steps/s" in err.splitlines()[1]
    go("gan", tmp_path / "b", steps=2)
    assert capfd.readouterr() == ("", "")


# ---- extending, refusing


def test_extending_and_what_cannot_be_changed(tmp_path):
    out = tmp_path / "run"
    go("gan", out, steps=4)
    system, dataset = make("gan")
    again = lambda **words: training.train(system, dataset, out, resume=True, progress=False, **words)
    before = weights(out)
    assert again().steps == 4 and weights(out) == before  # nothing to do is no harm
    with pytest.raises(ValueError, match="has 4 already, got 3"):
        again(steps=3)
    for words in ({"seed": 6}, {"batch_size": 9}):
        with pytest.raises(ValueError, match="with which the run began"):
            again(**words)
    assert again(steps=6).steps == 6 and runs.read_config(out)["steps"] == 6


@pytest.mark.parametrize(
    "words", [{"steps": 0}, {"batch_size": 0}, {"seed": -1}, {"log_every": 0}, {"picture_every": -2}]
)
def test_numbers_out_of_range(tmp_path, words):
    with pytest.raises(ValueError, match=f"{next(iter(words))}: expected at least"):
        go("gan", tmp_path / "run", **words)
    assert not (tmp_path / "run").exists()


def test_a_folder_in_use_is_never_written(tmp_path):
    go("gan", tmp_path / "run", steps=1)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match="holds a run already.*--resume"):
        go("gan", tmp_path / "run")
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("x")
    with pytest.raises(FileExistsError, match="not empty"):
        go("gan", tmp_path / "other")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="file"):
        go("gan", tmp_path / "file" / "run")


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    if files.fcntl is None:
        pytest.skip("no flock here")
    go("gan", tmp_path / "run", steps=1)
    with runs.alone(tmp_path / "run"), pytest.raises(ValueError, match="another process"):
        go("gan", tmp_path / "run", resume=True)


def test_data_that_do_not_fit_the_system(tmp_path):
    bare = Dataset("bare", DIGITS.x)
    many = Dataset("many", DIGITS.x[:12], np.arange(12), tuple("abcdefghijkl"))
    for system, dataset, match in (
        (systems.build("conditional", "digits", 0.05), bare, "learns from labels, and bare has none"),
        (systems.build("conditional", "digits", 0.05), many, "10 classes, and many has 12"),
        (systems.build("gan", "points"), DIGITS, r"expected samples \(2,\)"),
    ):
        with pytest.raises(ValueError, match=match):
            training.train(system, dataset, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_fewer_classes_than_the_system_has(tmp_path):
    few = Dataset("few", DIGITS.x[DIGITS.labels < 3], DIGITS.labels[DIGITS.labels < 3], ("a", "b", "c"))
    training.train(
        systems.build("conditional", "digits", 0.05),
        few,
        tmp_path / "run",
        steps=1,
        batch_size=8,
        progress=False,
    )
    with Image.open(tmp_path / "run" / "samples.png") as grid:
        assert grid.height < grid.width / 3  # three rows of ten


def test_killed_before_the_configuration_was_written_and_begun_again(tmp_path, monkeypatch):
    """The first checkpoint is there, and config.json is not. The same command then begins again, in the same folder."""
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(runs, "write_config", lambda *args: sys.exit())
        go("gan", tmp_path / "run")
    with pytest.raises(FileExistsError, match="not empty and holds no run"):
        go("gan", tmp_path / "run", seed=6)  # another run's first checkpoint stays
    go("gan", tmp_path / "run")
    go("gan", tmp_path / "whole")
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


@pytest.mark.parametrize(
    "name, content", [("checkpoint.npz", b"mine"), ("letter.txt", b"mine"), ("checkpoint.npz", None)]
)
def test_a_folder_with_something_in_it_is_no_place_for_a_run(name, content, tmp_path):
    """Not even with a checkpoint of the same run that has made steps."""
    go("gan", tmp_path / "run")
    (tmp_path / "other").mkdir()
    content = weights(tmp_path / "run") if content is None else content
    (tmp_path / "other" / name).write_bytes(content)
    with pytest.raises(FileExistsError, match="not empty and holds no run"):
        go("gan", tmp_path / "other")
    assert (tmp_path / "other" / name).read_bytes() == content and len(
        list((tmp_path / "other").iterdir())
    ) == 1


GROWTH = """
import os, sys
from dataclasses import replace
from numgan import data, systems, training

def look(state):
    if state.step in (100, 300):
        print(int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE"))

system = replace(systems.build("unrolled", "points"), unroll=2)
training.train(system, data.load("ring"), sys.argv[1], steps=300, batch_size=64, picture_every=20, progress=False, look=look)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_run_does_not_grow(tmp_path):
    """Resident memory in a process of its own, over 200 steps and ten pictures: one of G's gradients a step would be 40 MB."""
    run = subprocess.run(
        [sys.executable, "-c", GROWTH, tmp_path / "run"], capture_output=True, text=True, timeout=120
    )
    early, late = map(int, run.stdout.split())
    assert late - early < 2.5e6, run.stderr


def test_a_torn_line_and_later_pictures_are_cut_back(tmp_path):
    out = tmp_path / "run"
    go("gan", out, steps=4)
    with open(out / "metrics.jsonl", "a") as file:
        file.write('{"step": 6, "losses": {}}\n{"step": 7, "lo')
    (out / "samples" / "step-000006.png").write_bytes(b"later")
    (out / "samples" / ".step-000007.png.tmp").write_bytes(b"torn")
    assert [record["step"] for record in runs.rewind(out, 4)] == [2, 4]
    assert [record["step"] for record in metrics(out)] == [2, 4]
    assert max(path.name for path in (out / "samples").iterdir()) == "step-000004.png"


# ---- interruptions


def raising(monkeypatch, at, *numbers):
    """Have this process receive signals in the middle of a step."""
    advance = training.advance

    def interrupted(system, state, *rest):
        if state.step + 1 == at:
            for number in numbers:
                signal.raise_signal(number)
        return advance(system, state, *rest)

    monkeypatch.setattr(training, "advance", interrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_finishes_the_step_and_saves(tmp_path, monkeypatch, number):
    out, before = tmp_path / "run", signal.getsignal(number)
    with (
        monkeypatch.context() as patch,
        pytest.raises(training.Interrupted, match=f"step 3 of 6.*--resume {out}"),
    ):
        raising(patch, 3, number)
        go("gan", out)
    assert signal.getsignal(number) is before
    system, dataset = make("gan")
    assert training.train(system, dataset, out, resume=True, progress=False).steps == 6
    go("gan", tmp_path / "whole")
    assert weights(out) == weights(tmp_path / "whole")


def test_the_second_signal_leaves_at_once(tmp_path, monkeypatch):
    out = tmp_path / "run"
    raising(monkeypatch, 3, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as error:
        go("gan", out, checkpoint_every=1)
    assert not isinstance(error.value, training.Interrupted)
    assert checkpoint_step(out) == 2  # the step under way is not in it


def checkpoint_step(out):
    with np.load(out / "checkpoint.npz") as file:
        return int(file["step"])


def test_training_in_another_thread(tmp_path):
    """Only the main thread can take signals; others train without."""
    thread = threading.Thread(target=go, args=("gan", tmp_path / "run"), kwargs={"steps": 2})
    thread.start()
    thread.join()
    assert checkpoint_step(tmp_path / "run") == 2


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    out, fsync, left = tmp_path / "run", os.fsync, [8]

    def filling(descriptor):
        left[0] -= not os.path.isdir(f"/proc/self/fd/{descriptor}")
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left.*intact.*--resume"):
        patch.setattr(os, "fsync", filling)
        go("gan", out, checkpoint_every=1)
    reached = checkpoint_step(out)
    assert 0 < reached < 6 and not list(out.rglob("*.tmp"))
    system, dataset = make("gan")
    training.train(system, dataset, out, resume=True, progress=False)
    go("gan", tmp_path / "whole")
    assert weights(out) == weights(tmp_path / "whole")


def test_the_log_is_on_the_disk_before_a_checkpoint_is_written(tmp_path, monkeypatch):
    """A resumed run cuts the log back to its checkpoint, so no line of a step before it may be missing."""
    out, done, save, fsync = tmp_path / "run", [], checkpoint.save, os.fsync

    def synced(descriptor):
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        done.append((name, (out / name).read_text().count("\n")) if name == "metrics.jsonl" else "other")
        fsync(descriptor)

    def saved(path, state, about):
        done.append(("save", state.step))
        save(path, state, about)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(checkpoint, "save", saved)
    monkeypatch.setattr(training.plot, "curves", lambda *words: Image.new("L", (2, 2)))  # a second of drawing
    go("classifier", out, steps=3, log_every=1, checkpoint_every=1)
    assert [what for what in done if what != "other"] == [
        ("save", 0),
        *(what for step in (1, 2, 3) for what in (("metrics.jsonl", step), ("save", step))),
    ]


def test_checkpoints_by_the_clock(tmp_path, monkeypatch):
    saved, save = [], checkpoint.save
    monkeypatch.setattr(
        checkpoint, "save", lambda path, state, about: (saved.append(state.step), save(path, state, about))
    )
    go("gan", tmp_path / "a", steps=4, checkpoint_seconds=0.0)
    go("gan", tmp_path / "b", steps=4)
    go("gan", tmp_path / "c", steps=5, checkpoint_every=2)
    assert saved == [0, 1, 2, 3, 4, 0, 4, 0, 2, 4, 5]


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_held_vectors_are_renewed_by_an_update_and_nothing_else_moves_them(decay):
    """Weight decay shrinks all that it is given: u and v are put back, then moved on by one power iteration, in the average too."""
    system = systems.build("hinge", "points", 0.1).with_optimizers(
        lambda name, opt: ng.SGD(0.01, weight_decay=decay, clip=0.05)
    )
    system = replace(system, average=0.5)
    state = State.start(system, 5)
    before = state.params["D"].copy()
    step_once(system, RING, state=state)
    after, held = state.params["D"], state.params["D"].layout.held
    assert len(held) == 6
    for path in held:
        layer, name = path.rsplit(".", 1)
        W, u = after[f"{layer}.W"], before[f"{layer}.u"]
        v = u @ W / np.linalg.norm(u @ W)
        expected = v if name == "v" else W @ v / np.linalg.norm(W @ v)
        assert np.allclose(after[path], expected, atol=1e-5) and abs(np.linalg.norm(after[path]) - 1) < 1e-5


def test_whoever_looks_sees_the_state_after_every_step(tmp_path):
    seen = []
    system = systems.build("gan", "points", 0.1)
    look = lambda state: seen.append((state.step, state.params["G"].vector.copy()))
    training.train(
        system, RING, tmp_path / "run", steps=3, batch_size=8, log_every=2, progress=False, look=look
    )
    state, feed = State.start(system, 0), RING.feed(8, 0)
    for step, weights in seen:
        training.advance(system, state, feed, 0)
        assert state.step == step and np.array_equal(weights, state.params["G"].vector)
    assert len(seen) == 3


def test_the_plan_of_a_run_that_says_nothing():
    system = systems.build("r1", "points", 0.1)
    numbers = lambda *words: list(astuple(recipes.Plan(*words).resolve(system)))
    assert numbers() == [10000, 256, 0, 10, 500] and numbers(65)[-1] == 3
    assert numbers(7, 8, 9, 11, 12) == [7, 8, 9, 11, 12] and numbers(7)[-1] == 1
    for place, least in enumerate((1, 1, 0, 1, 1)):
        words = [5, 5, 5, 5, 5]
        for value in (least - 1, True, 2.0, "3"):
            words[place] = value
            with pytest.raises(ValueError, match=rf"expected at least {least} \(an integer\), got"):
                numbers(*words)
        words[place] = np.int64(least)
        assert all(type(number) is int for number in numbers(*words))


def test_what_train_does_unless_told_otherwise():
    parameters = inspect.signature(training.train).parameters
    said = dict.fromkeys(("steps", "batch_size", "seed", "recipe", "weights", "look"))
    said |= dict.fromkeys(("log_every", "picture_every", "checkpoint_every"))
    said |= {"resume": False, "checkpoint_seconds": 30.0, "progress": True}
    assert {name: parameters[name].default for name in said} == said


def test_what_a_run_leaves_behind_can_be_opened(tmp_path):
    system = systems.build("gan", "points", 0.05)
    trained = training.train(
        system, RING, tmp_path / "run", steps=2, batch_size=4, picture_every=1, progress=False
    )
    assert set(trained.files) == {
        "samples",
        "samples over time",
        "curves",
        "metrics",
        "configuration",
        "checkpoint",
    }
    for what in ("samples", "samples over time", "curves"):
        with Image.open(trained.files[what]) as image:
            assert image.format == ("GIF" if what == "samples over time" else "PNG") and min(image.size) > 50
    assert sorted(path.name for path in (tmp_path / "run" / "samples").iterdir()) == [
        f"step-00000{k}.png" for k in range(3)
    ]
    assert (
        len(runs.read_metrics(tmp_path / "run", 2)) == 1
        and trained.steps == 2
        and set(trained.losses) == {"D", "G"}
    )
    assert json.loads(trained.files["configuration"].read_text())["steps"] == 2


# ---- inf and nan


def poisoned(network, path, value=np.inf):
    system = systems.build("gan", "points", 0.1)
    state = State.start(system, 5)
    state.params[network][path][...] = value
    return system, state


@pytest.mark.parametrize(
    "network, path, named",
    [
        ("G", "2.W", "objective D: the output of 2 Dense.*in network G"),
        ("D", "4.b", "objective D: the output of 4 Dense.*in network D"),
        ("D", "0.W", "objective D: the output of 0 Dense.*in network D"),
    ],
)
def test_the_layer_whose_output_is_not_finite_is_named(network, path, named):
    system, state = poisoned(network, path, np.nan)
    before = {name: p.vector.copy() for name, p in state.params.items()}
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match=f"step 1, {named}"):
        training.advance(system, state, RING.feed(8, 5), 5)
    assert (
        all(np.array_equal(before[name], p.vector, equal_nan=True) for name, p in state.params.items())
        and state.step == 0
    )


@pytest.mark.parametrize("name", ["r1", "wgan_gp", "roth"])
def test_a_penalty_says_where_too(name):
    system = systems.build(name, "points", 0.1)
    state = State.start(system, 5)
    state.params["D"]["0.W"][...] = np.nan
    with (
        np.errstate(all="ignore"),
        pytest.raises(NonFiniteError, match="step 1, objective D: the output of 0 .*in network D"),
    ):
        training.advance(system, state, RING.feed(8, 5), 5)


def test_shared_fakes_are_watched_too():
    system = systems.build("conditional", "digits", 0.05)
    state = State.start(system, 5)
    state.params["G"]["2.layer.0.W"][...] = np.inf
    with (
        np.errstate(all="ignore"),
        pytest.raises(
            NonFiniteError, match=r"objective D: the output of 2\.layer\.0 ConvTranspose2d.*in network G"
        ),
    ):
        step_once(system, DIGITS, state=state)


@pytest.mark.parametrize("name, shared", [("gan", False), ("conditional", True)])
def test_a_bad_step_is_repeated_with_the_seeds_that_it_had(name, shared, monkeypatch):
    """Other fakes could be finite."""
    asked = []
    monkeypatch.setattr(one_step, "locate", lambda *arguments: asked.append(arguments) or "here")
    system = systems.build(name, "digits", 0.05)
    state = State.start(system, 5)
    state.step = 7
    state.params["D"].vector[...] = np.nan
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="^step 8, objective D: here$"):
        step_once(system, DIGITS, state=state)
    ((now, objective, params, batch, key, again, result),) = asked
    assert (
        objective == "D"
        and params is state.params
        and key == derive(5, "step", 7, 0)
        and np.isnan(result.loss)
    )
    assert again == (derive(5, "step", 7, "fakes") if shared else key) and len(batch["x"]) == 8


@pytest.mark.parametrize("name, shared", [("gan", False), ("dcgan", True)])
def test_the_fakes_of_a_bad_step_are_those_that_it_had(name, shared):
    system, told = systems.build(name, "digits", 0.05), []

    class Told(type(system)):
        def objectives(self):
            return {"D": lambda params, batch, seed, fakes=None: told.append((seed, fakes))}

    system = Told(**vars(system))
    params, batch = system.init(0), systems.Batch(DIGITS.rows(np.arange(6)))
    result = Result(np.inf, {"D": params["D"].zeros()}, {})
    said = blame.locate(system, "D", params, batch, 11, 12, result)
    assert said == "all layers are finite, and the loss is inf" and [seed for seed, _ in told] == [11]
    ((_, fakes),) = told
    assert fakes is None if not shared else np.array_equal(fakes.x, system.generate(params, batch, 12).x)


class Steep(Dense):
    """A Dense layer whose weight gradient is nan: the forward pass shows nothing."""

    def backward(self, dy, cache, frozen=False, need_dx=True):
        dx, dp = super().backward(dy, cache, frozen, need_dx)
        return dx, dp and {**dp, "W": dp["W"] * np.nan}


def test_the_gradient_that_is_not_finite_is_named_from_the_output():
    system = systems.build("gan", "points", 0.1)
    D = Sequential(Dense(2, 5), ReLU(), Sequential(Steep(5, 5), ReLU()), Steep(5, 5), Dense(5, 1))
    with pytest.raises(
        NonFiniteError,
        match=r"objective D: all layers are finite.*gradient of D's 3\.W, of Steep\(5, 5\).*first of 2",
    ):
        step_once(replace(system, networks=system.networks | {"D": D}), RING)


@pytest.mark.parametrize("steep, last", [((0,), 0), ((0, 2, 4), 4), ((0, 2, 4, 6), 6)])
def test_of_many_bad_gradients_the_one_nearest_to_the_output_is_named(steep, last):
    """The others are bad because it is: a gradient comes from the output."""
    system = systems.build("gan", "points", 0.1)
    sizes = {0: (2, 5), 2: (5, 6), 4: (6, 7), 6: (7, 1)}
    D = Sequential(*(ReLU() if i % 2 else (Steep if i in steep else Dense)(*sizes[i]) for i in range(7)))
    named = rf"gradient of D's {last}\.W, of Steep\({sizes[last][0]}, {sizes[last][1]}\), is not \(the first of {len(steep)}, seen from the output\)"
    with pytest.raises(NonFiniteError, match=named):
        step_once(replace(system, networks=system.networks | {"D": D}), RING)


def test_the_bar_shows_the_losses_of_the_step(tmp_path, monkeypatch):
    shown, advanced = [], []

    class Bar(training.tqdm):
        def set_postfix(self, figures, **how):
            shown.append(figures)

        def update(self, n=1):
            advanced.append(n)

    monkeypatch.setattr(training, "tqdm", Bar)
    losses = []
    training.train(
        systems.build("gan", "points", 0.1),
        RING,
        tmp_path / "run",
        steps=3,
        batch_size=8,
        log_every=1,
        progress=True,
    )
    for record in runs.read_metrics(tmp_path / "run", 3):
        losses.append({f"loss {name}": f"{loss:.3f}" for name, loss in record["losses"].items()})
    assert shown == losses and len(losses) == 3 and advanced == [1, 1, 1]


def test_a_loss_that_is_not_finite_is_named():
    bad = Curve(lambda a: a * np.inf, np.ones_like, np.zeros_like)
    system = replace(systems.build("gan", "points", 0.1), loss=replace(nonsaturating, for_generator=bad))
    with (
        np.errstate(all="ignore"),
        pytest.raises(NonFiniteError, match="objective G: all layers are finite, and the loss is"),
    ):
        step_once(system, RING)


def test_a_run_that_diverges_keeps_its_last_good_checkpoint(tmp_path):
    class Breaks(systems.gan.GAN):
        def generator(self, params, batch, seed, fakes=None):
            result = super().generator(params, batch, seed, fakes)
            return result if moved(params) < 3 else Result(float("nan"), result.gradients, {})

    counted = []
    moved = lambda params: (counted.append(0), len(counted) - 1)[1]
    system = Breaks(**vars(systems.build("gan", "points", 0.1)))
    out = tmp_path / "run"
    with pytest.raises(
        NonFiniteError, match=f"step 4, objective G: .*{out} keeps the checkpoint of step 3.*--lr"
    ):
        training.train(system, RING, out, steps=9, batch_size=8, checkpoint_every=1, progress=False)
    assert checkpoint_step(out) == 3
    assert json.loads((out / "config.json").read_text())["diverged"].startswith("step 4, objective G: ")


def test_weights_that_an_update_made_infinite_are_never_saved(tmp_path):
    system = systems.build("gan", "points", 0.1).with_optimizers(
        lambda name, opt: ng.SGD(1e300 if name == "G" else 0.1)
    )
    with pytest.raises(
        NonFiniteError,
        match=r"step 1, update of G: the new weights of 0.W, of Dense\(2, 12\), are not finite.*checkpoint of step 0",
    ):
        training.train(system, RING, tmp_path / "run", steps=1, batch_size=8, picture_every=9, progress=False)
    assert checkpoint_step(tmp_path / "run") == 0


@pytest.mark.parametrize("what", ["new weights", "moment 'v'"])
@pytest.mark.parametrize("entry, path", [(0, "0.W"), (-1, "4.b")])
def test_one_entry_that_an_update_spoiled_is_enough(what, entry, path):
    system = systems.build("gan", "points", 0.1)
    state = State.start(system, 0)
    assert blame.locate_update(system, "G", state) is None
    (state.params["G"].vector if what == "new weights" else state.moments["G"]["v"])[entry] = np.inf
    assert blame.locate_update(system, "G", state).startswith(f"the {what} of {path}, of Dense(")


# ---- samples


def test_samples_do_not_depend_on_their_neighbours():
    system = systems.build("conditional", "digits", 0.1)
    sampler = sampling.Sampler(system, State.start(system, 1).sampled, 1, 16, DIGITS)
    many, asked = sampler(20, 4)
    few, _ = sampler(3, 4)
    assert np.array_equal(asked, np.arange(20) % 10) and np.allclose(many[:3], few, atol=1e-6)
    assert not np.allclose(many[0], many[10], atol=1e-3)
    z = system.inputs(systems.Batch({"labels": np.arange(3)}), 4)
    batch_statistics = system.networks["G"].forward(State.start(system, 1).sampled["G"], z, Pass())[0]
    assert not np.allclose(few, batch_statistics, atol=1e-4)


def test_a_sampler_in_chunks_is_a_sampler_at_once(monkeypatch):
    system = systems.build("conditional", "digits", 0.1)
    sampler = sampling.Sampler(system, State.start(system, 1).sampled, 1, 16, DIGITS)
    whole, _ = sampler(11, 4, [3, 7])
    monkeypatch.setattr(sampling, "CHUNK", 4)
    pieces, asked = sampler(11, 4, [3, 7])
    assert np.allclose(whole, pieces, atol=1e-6) and list(asked) == [3, 7] * 5 + [3]


def test_bytes_of_pixels():
    assert list(to_bytes(np.array([-2, -1, 0, 1, 3.0]), (-1, 1))) == [0, 0, 128, 255, 255]
    assert list(to_bytes(np.array([0.5, 1.0]), (0, 1))) == [128, 255]
    assert np.array_equal(to_bytes(DIGITS.rows(np.arange(99))["x"], (-1, 1)), DIGITS.x[:99])


def test_copies_are_counted_at_the_datas_own_levels():
    """The digits have 17 grey levels: a copy that a generator missed by less than half a level is still a copy."""
    assert len(np.unique(DIGITS.x)) == 17
    near = np.clip(DIGITS.x[:40].astype(int) + 7, 0, 255).astype(np.uint8)
    assert judging.copies(near, DIGITS.x) == 40
    changed = DIGITS.x[:40].copy()
    changed[:, 0, 0] = 255 - changed[:, 0, 0]
    assert judging.copies(changed, DIGITS.x) == 0
    assert judging.copies(np.concatenate([near[:1]] * 3 + [changed]), DIGITS.x) == 3


@pytest.mark.parametrize(
    "words", [{"steps": 2.5}, {"batch_size": 2.5}, {"batch_size": "a"}, {"seed": "a"}, {"steps": True}]
)
def test_numbers_that_are_no_integers(tmp_path, words):
    with pytest.raises(ValueError, match=f"{next(iter(words))}: expected at least . .an integer., got"):
        training.train(
            systems.build("gan", "digits", 0.05),
            DIGITS,
            tmp_path / "run",
            progress=False,
            **{"steps": 1} | words,
        )
    assert not (tmp_path / "run").exists()


def test_numpy_integers_are_integers(tmp_path):
    out = tmp_path / "run"
    assert (
        training.train(
            systems.build("gan", "digits", 0.05),
            DIGITS,
            out,
            steps=np.int64(2),
            batch_size=np.int32(4),
            progress=False,
        ).steps
        == 2
    )
    assert runs.read_config(out)["steps"] == 2


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_every_constant_of_a_system_is_part_of_a_run(name):
    """A checkpoint continues the run that it is of, and no other that differs in a constant."""
    system = systems.build(name, None, 0.05)
    plain = checkpoint.identity(system, DIGITS, 4, 0)
    others = {
        "pixels": (0.0, 1.0),
        "average": 0.5,
        "classes": 3,
        "latent": systems.Latent(32, "uniform", 5.0),
        "loss": ng.wasserstein,
        "k": 7,
        "n_critic": 9,
        "warm": 8,
    }
    for word, value in others.items():
        if hasattr(system, word):
            assert checkpoint.identity(replace(system, **{word: value}), DIGITS, 4, 0) != plain, word
    assert checkpoint.identity(replace(system, steps=1, batch_size=1), DIGITS, 4, 0) == plain


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_systems_can_be_pickled(name):
    for preset in systems.presets(name):
        system = systems.build(name, preset, 0.05)
        again = pickle.loads(pickle.dumps(system))
        assert (
            repr(again) == repr(system)
            and again.init(3)[next(iter(again.networks))] == system.init(3)[next(iter(system.networks))]
        )
        assert getattr(again, "loss", None) is getattr(system, "loss", None)
    loss = pickle.loads(pickle.dumps(ng.smoothed(ng.minimax, 0.8)))
    assert (
        loss.name == "smoothed(minimax, 0.8)"
        and ng.smoothed(copy.deepcopy(ng.nonsaturating)).name == "smoothed(nonsaturating, 0.9)"
    )


def test_epochs_in_steps():
    gan, wgan, dcgan = (systems.build(name, "digits", 0.05) for name in ("gan", "wgan", "dcgan"))
    assert [recipes.steps_of(system, 1500, 64, 2) for system in (gan, wgan, dcgan)] == [
        24,
        8,
        47,
    ]  # 2, 6 and 1 batches of 64 a step
    with pytest.raises(ValueError, match="epochs: expected"):
        recipes.steps_of(gan, 1500, 64, 1e12)


def test_a_damaged_picture_does_not_stop_a_run(tmp_path):
    out, system = tmp_path / "run", systems.build("gan", "digits", 0.05)
    training.train(system, DIGITS, out, steps=4, picture_every=2, progress=False)
    (out / "samples" / "step-000002.png").write_bytes(b"no picture")
    assert training.train(system, DIGITS, out, steps=6, resume=True, progress=False).steps == 6


def test_a_checkpoint_of_infinite_weights_is_refused(tmp_path):
    system, about = systems.build("gan", "digits", 0.05), {"a": 1}
    state = State.start(system, 0)
    state.params["G"].vector[0] = np.nan
    checkpoint.save(tmp_path / "checkpoint.npz", state, about)
    with pytest.raises(FileFormatError, match="expected G.weights of finite numbers, got inf or nan"):
        checkpoint.load(tmp_path / "checkpoint.npz", system, about)
    with pytest.raises(FileFormatError, match="expected a file of at least"):
        checkpoint.load(tmp_path / "checkpoint.npz", systems.build("dcgan", "mnist"), about)


# ---- what a picture of samples shows


class Drawer:
    """A sampler that says what it was asked for; each picture is of one grey, its label."""

    def __init__(self, name, dataset):
        self.system, self.dataset, self.asked = (
            systems.build(name, "points" if name == "r1" else "digits", 0.05),
            dataset,
            [],
        )
        self.classes = len(dataset.classes) if self.system.classes else 0

    def batch(self, n, seed, labels=None):
        self.asked.append((n, seed, labels))
        return systems.Batch({}, number=n)

    def __call__(self, n, seed, labels=None, batch=None):
        assert (n, seed, labels) == self.asked[-1] and batch.fakes == n
        asked = np.resize(np.arange(self.classes) if labels is None else labels, n) if self.classes else None
        x = np.zeros((n, *self.system.sample_shape), np.float32)
        return (x if asked is None else x + asked.reshape(-1, 1, 1, 1) / 255), asked


@pytest.fixture
def laid_out(monkeypatch):
    """What plot.grid and plot.points are given."""
    given = []
    monkeypatch.setattr(sampling.plot, "grid", lambda *arguments: given.append(arguments) or "grid")
    monkeypatch.setattr(sampling.plot, "points", lambda *arguments: given.append(arguments) or "points")
    return given


@pytest.mark.parametrize("count, shown, columns", [(None, 64, 8), (9, 9, 3), (10, 10, 4), (1, 1, 1)])
def test_pictures_lie_in_a_square(laid_out, count, shown, columns):
    drawer = Drawer("gan", DIGITS)
    assert sampling.picture(drawer, 5, count) == "grid"
    ((images, width),) = laid_out
    assert (
        drawer.asked == [(shown, 5, None)]
        and images.shape == (shown, 8, 8, 1)
        and images.dtype == np.uint8
        and width == columns
    )
    assert np.all(images == 128)  # 0 in -1..1


def test_pictures_by_class_lie_in_rows_filled_up_with_paper(laid_out):
    names, few = ("zero", "one", "two", "three"), DIGITS.labels < 4
    drawer = Drawer("conditional", Dataset("few", DIGITS.x[few], DIGITS.labels[few], names))
    drawer.system = replace(drawer.system, pixels=(0.0, 1.0))
    sampling.picture(drawer, 5)
    sampling.picture(drawer, 6, None, [3, 1, 3])
    sampling.picture(drawer, 7, 5, [3, 1])
    assert drawer.asked == [(40, 5, None), (20, 6, [3, 1, 3]), (5, 7, [3, 1])]
    (images, width, rows), (_, _, two), (five, three, same) = laid_out
    assert (
        width == 10
        and rows == list(names)
        and [image[0, 0, 0] for image in images] == [0] * 10 + [1] * 10 + [2] * 10 + [3] * 10
    )
    assert two == same == ["one", "three"] and three == 3
    assert [image[0, 0, 0] for image in five] == [1, 1, sampling.plot.PAPER, 3, 3, 3]


def test_labels_that_the_system_does_not_have_are_refused():
    system = systems.build("conditional", "digits", 0.05)
    sampler = sampling.Sampler(system, system.init(0), 0, 8, DIGITS)
    assert sampler(4, 0, [0, 9])[1].tolist() == [0, 9, 0, 9] and sampler(12, 0)[1].tolist() == [
        *range(10),
        0,
        1,
    ]
    for labels in ([0, 10], [-1, 3], [10], [3, -1]):
        with pytest.raises(ValueError, match=r"labels: expected numbers from 0 to 9, got \["):
            sampler(4, 0, labels)
    plain = systems.build("gan", "digits", 0.05)
    with pytest.raises(ValueError, match="has no labels to ask for"):
        sampling.Sampler(plain, plain.init(0), 0, 8, DIGITS)(4, 0, [1])
    assert (
        sampling.Sampler(plain, plain.init(0), 0, 8, DIGITS)(4, 0)[1] is None
    )  # nor does it tell labels, though the data have some


def test_points_lie_over_the_data(laid_out):
    assert sampling.picture(Drawer("r1", RING), 5, title="step 3") == "points"
    sampling.picture(Drawer("r1", Dataset("few", RING.x[:7])), 5, 11)
    (true, x, title), (few, y, none) = laid_out
    assert np.array_equal(true, RING.x[:2000]) and x.shape == (2000, 2) and title == "step 3"
    assert np.array_equal(few, RING.x[:7]) and y.shape == (11, 2) and none == ""


def test_pixels_in_the_range_that_the_networks_see():
    x = np.array([0, 51, 255], np.uint8)
    for pixels, expected in (((-1, 1), [-1, -0.6, 1]), ((0.0, 1.0), [0, 0.2, 1]), ((2.0, 6.0), [2, 2.8, 6])):
        assert (
            np.allclose(to_floats(x, pixels), expected, atol=1e-6)
            and to_floats(x, pixels).dtype == np.float32
        )
        assert np.array_equal(to_bytes(to_floats(x, pixels), pixels), x)
    assert np.array_equal(to_floats(x), to_floats(x, (-1, 1))) and np.array_equal(
        to_floats(x), x / np.float32(127.5) - 1
    )
    assert to_bytes(np.array([2.0, 6.0, 4.0, 1.0, 7.0]), (2.0, 6.0)).tolist() == [0, 255, 128, 0, 255]
