"""A run that was stopped, killed or resumed ends with the bits of a run without interruption."""

import os
import signal
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits
from training_cases import DIGITS, SYSTEMS, checkpoint_step, go, make, metrics, weights

import numgan as ng
from numgan import systems
from numgan._kernels import compiled
from numgan.training import checkpoint, runs, sampling
from numgan.training import loop as training


def stopped(name, out, at):
    """Stop a run of 6 steps after `at` steps, as Ctrl-C does."""

    def look(state):
        if state.step == at:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(training.Interrupted):
        go(name, out, look=look)


@pytest.mark.parametrize("name", SYSTEMS)
def test_resumed_is_uninterrupted(name, tmp_path):
    """Weights, moments, averages, counters, data order, metrics and pictures: N steps are k, then N - k.

    A run of k steps that is extended to N is the same too, unless a schedule is over all steps: that of the
    classifier is over k steps first.
    """
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    go(name, whole)
    if name == "classifier":
        stopped(name, parts, 3)
    else:
        go(name, parts, steps=3)
    system, dataset = make(name)
    training.train(system, dataset, parts, steps=6, resume=True, progress=False)
    assert weights(whole) == weights(parts)
    # step 3 was an end, so it was logged
    assert [record for record in metrics(parts) if record["step"] != 3] == metrics(whole)
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


def test_killed_before_the_configuration_was_written_and_begun_again(tmp_path, monkeypatch):
    """The first checkpoint is there, and config.json is not. The same command begins again in this folder."""
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(runs, "write_config", lambda *args: sys.exit())
        go("gan", tmp_path / "run")
    with pytest.raises(FileExistsError, match="not empty and holds no run"):
        go("gan", tmp_path / "run", seed=6)  # another run's first checkpoint stays
    go("gan", tmp_path / "run")
    go("gan", tmp_path / "whole")
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


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


def test_a_damaged_picture_does_not_stop_a_run(tmp_path):
    out, system = tmp_path / "run", systems.build("gan", "digits", 0.05)
    training.train(system, DIGITS, out, steps=4, picture_every=2, progress=False)
    (out / "samples" / "step-000002.png").write_bytes(b"no picture")
    assert training.train(system, DIGITS, out, steps=6, resume=True, progress=False).steps == 6
