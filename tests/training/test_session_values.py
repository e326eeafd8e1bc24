"""Exact values of a session of training: its bar, lines, times, pictures and files, and refusals."""

import json
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import numgan as ng
from numgan import data, systems
from numgan.core.errors import NonFiniteError
from numgan.core.randomness import derive
from numgan.core.streams import STDERR
from numgan.data import Dataset
from numgan.systems import Latent, Result
from numgan.systems.games.two_player import TwoPlayerGAN
from numgan.systems.staged import Staged
from numgan.training import blame, loop, recipes, runs, sampling

RING = data.load("ring")
FEW = Dataset("few", RING.x[:20], source="a test")


def game(kind=TwoPlayerGAN, **words):
    networks = {"G": ng.networks.mlp(2, 3, 2), "D": ng.networks.mlp(2, 3, 1)}
    rules = {name: ng.SGD(0.1) for name in networks}
    plain = {"latent": Latent(2), "networks": networks, "optimizers": rules, "sample_shape": (2,)}
    return kind(**plain | words)


@pytest.fixture(autouse=True)
def small_plots(monkeypatch):
    """Pictures of a few pixels, because drawing takes most of the time. It returns what was to be drawn."""
    drawn = {"curves": [], "points": []}
    monkeypatch.setattr(
        loop.plot, "curves", lambda *words: drawn["curves"].append(words) or Image.new("L", (2, 2))
    )
    monkeypatch.setattr(
        loop.plot, "points", lambda *words: drawn["points"].append(words) or Image.new("L", (3, 2))
    )
    return drawn


def train(out, system=None, dataset=FEW, **words):
    words = {"batch_size": 4, "seed": 5, "progress": False} | words
    if words.get("resume"):
        words.pop("batch_size"), words.pop("seed")
    return loop.train(system or game(), dataset, out, **words)


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


class Clock:
    """A clock that goes on by 1/32 of a second whenever it is read."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        self.now += 1 / 32
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(loop, "time", made)
    return made


# ---- lines and times


def test_the_seconds_of_a_line_are_counted_from_the_start_of_the_run(tmp_path, clock):
    trained = train(tmp_path / "run", steps=1)
    assert [line["seconds"] for line in lines(tmp_path / "run")] == [round(2 / 32, 3)]
    assert trained.seconds == 3 / 32 and trained.steps_per_second == 32 / 3
    (tmp_path / "run" / "metrics.jsonl").write_text(
        "".join(json.dumps(line | {"seconds": 7.5}) + "\n" for line in lines(tmp_path / "run"))
    )
    trained = train(tmp_path / "run", resume=True, steps=4)
    assert trained.steps == 4 and trained.steps_per_second * trained.seconds == pytest.approx(3)
    assert [line["step"] for line in lines(tmp_path / "run")] == [1, 4]
    assert 7.5 + 2 / 32 < lines(tmp_path / "run")[1]["seconds"] < 8


def test_a_resumed_run_counts_on_from_its_last_line(tmp_path, clock):
    train(tmp_path / "run", steps=3, log_every=1)
    written = [line | {"seconds": 3.0 * line["step"]} for line in lines(tmp_path / "run")]
    (tmp_path / "run" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
    train(tmp_path / "run", resume=True, steps=4)
    assert [line["seconds"] for line in lines(tmp_path / "run")] == [3, 6, 9, round(9 + 2 / 32, 3)]


def test_a_line_has_the_epoch_of_its_batches(tmp_path):
    train(tmp_path / "run", game(k=2), Dataset("d", RING.x[:17]), steps=2, log_every=1)
    assert [line["epoch"] for line in lines(tmp_path / "run")] == [round(12 / 17, 4), round(24 / 17, 4)]


def test_numbers_that_are_not_finite_are_null_in_the_lines(tmp_path):
    class Odd(TwoPlayerGAN):
        def generator(self, params, batch, seed, fakes=None):
            result = super().generator(params, batch, seed, fakes)
            return replace(result, metrics={"a": np.inf, "b": np.nan, "c": 2})

    train(tmp_path / "run", game(Odd), steps=1)
    (line,) = lines(tmp_path / "run")
    found = line["metrics"]
    assert (
        found["a"] is None and found["b"] is None and found["c"] == 2 and found.keys() >= {"D(x)", "D(G(z))"}
    )


# ---- the bar, and what is said


def test_the_bar_is_given_the_steps_of_the_run(tmp_path, monkeypatch):
    made, shown = [], []

    class Bar:
        def __init__(self, **words):
            made.append(words)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def set_postfix(self, figures, **how):
            shown.append(how)

        def update(self, *amount):
            assert amount in ((), (1,))

    monkeypatch.setattr(loop, "tqdm", Bar)
    train(tmp_path / "run", steps=2)
    train(tmp_path / "run", resume=True, steps=5, progress=True)
    common = {"unit": "step", "dynamic_ncols": True, "file": STDERR}
    assert made == [
        common | {"total": 2, "initial": 0, "disable": True},
        common | {"total": 5, "initial": 2, "disable": None},
    ]
    assert shown == [{"refresh": False}] * 5


def test_a_run_is_named_by_its_recipe_or_its_class(tmp_path, capfd, small_plots):
    out = tmp_path / "run"
    train(out, steps=2, progress=True)
    first, G, D, last = capfd.readouterr().err.splitlines()
    assert first == f"numgan: TwoPlayerGAN on few: 20 samples, steps 0 to 2, in {out}"
    assert G == "numgan: G: 17 parameters, 136 bytes with weights, gradient"  # 9 + 8 numbers, SGD
    assert D == "numgan: D: 13 parameters, 104 bytes with weights, gradient"
    assert last.startswith("numgan: 2 steps in ") and last.endswith(f" steps/s), in {out}")
    train(out, resume=True, steps=3, progress=True)
    first, *_, last = capfd.readouterr().err.splitlines()
    assert "steps 2 to 3, in" in first and last.startswith("numgan: 1 steps in ")
    recipe = recipes.Recipe("gan", "points", "ring")
    train(tmp_path / "named", recipe=recipe, steps=1, progress=True)
    assert capfd.readouterr().err.startswith("numgan: gan points on few: 20 samples, steps 0 to 1")
    names = [name for _, name in small_plots["curves"]]
    assert names == ["TwoPlayerGAN on few", "TwoPlayerGAN on few", "gan points on few"]


def test_a_stopped_run_says_where_it_stopped(tmp_path, capfd, monkeypatch):
    asked = SimpleNamespace(asked=False)

    @contextmanager
    def requests():
        yield asked

    monkeypatch.setattr(loop, "stop_requests", requests)
    look = lambda state: setattr(asked, "asked", state.step == 3)
    with pytest.raises(loop.Interrupted, match="stopped after step 3 of 6, and saved; continue with"):
        train(tmp_path / "run", steps=6, progress=True, look=look)
    assert capfd.readouterr().err.splitlines()[3:] == ["numgan: stopped and saved at step 3"]
    assert not (tmp_path / "run" / "curves.png").exists()


# ---- configuration


def test_each_session_is_in_the_configuration(tmp_path):
    out = tmp_path / "run"
    train(out, steps=2)
    config = runs.read_config(out)
    assert "resumed" not in config and config["source"] == "a test" and config["recipe"] is None
    assert config["networks"]["D"] == repr(game().networks["D"]) and config["classes"] == []
    for steps in (3, 5):
        train(out, resume=True, steps=steps)
    config = runs.read_config(out)
    assert [session["step"] for session in config["resumed"]] == [2, 3] and config["steps"] == 5
    assert config["resumed"][0]["versions"] == config["versions"]


def test_at_most_a_thousand_earlier_sessions_are_kept(tmp_path):
    out = tmp_path / "run"
    train(out, steps=2)
    config = runs.read_config(out)
    earlier = [{"step": i, "versions": config["versions"]} for i in range(1003)]
    runs.write_config(out, config | {"resumed": earlier})
    train(out, resume=True)
    kept = [session["step"] for session in runs.read_config(out)["resumed"]]
    assert kept == [*range(3, 1003), 2]


def test_a_resumed_run_is_no_longer_called_diverged(tmp_path):
    out = tmp_path / "run"
    train(out, steps=2)
    runs.write_config(out, runs.read_config(out) | {"diverged": "step 3"})
    train(out, resume=True, steps=3)
    assert "diverged" not in runs.read_config(out)


# ---- what is refused before anything is written


def test_a_batch_that_is_no_whole_number_of_packs_is_refused(tmp_path):
    system = systems.build("pacgan", "points", 0.02)
    with pytest.raises(ValueError, match="batch"):
        train(tmp_path / "run", system, RING, batch_size=5, steps=1)
    assert not (tmp_path / "run").exists()


def test_a_configuration_that_numgan_could_not_read_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="source: expected text of at most"):
        train(tmp_path / "run", dataset=Dataset("d", FEW.x, source="x" * ((4 << 20) + 1)), steps=1)
    assert not (tmp_path / "run").exists()


def test_a_damaged_run_is_refused_without_a_trace(tmp_path):
    out = tmp_path / "run"
    train(out, steps=2)
    (out / ".lock").unlink()
    (out / "checkpoint.npz").write_bytes(b"no checkpoint")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(ValueError, match="checkpoint.npz"):
        train(out, resume=True, steps=3)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_run_that_began_in_the_meantime_is_not_overwritten(tmp_path, monkeypatch):
    """Another process begins a run in the folder while this one waits for the lock."""
    out, alone = tmp_path / "run", runs.alone

    @contextmanager
    def late(folder, *words):
        (out / "config.json").write_text("of another process")
        with alone(folder, *words):
            yield

    monkeypatch.setattr(runs, "alone", late)
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(out, steps=1)
    assert (out / "config.json").read_text() == "of another process" and not (out / "checkpoint.npz").exists()


def test_numpys_warnings_are_off_during_a_run(tmp_path):
    class Large(TwoPlayerGAN):
        def generator(self, params, batch, seed, fakes=None):
            assert np.isinf(np.square(np.full(1, 1e30, np.float32)))  # an overflow
            return super().generator(params, batch, seed, fakes)

    with np.errstate(all="raise"):
        assert train(tmp_path / "run", game(Large), steps=1).steps == 1


def test_the_search_for_a_bad_layer_has_no_warnings_of_numpy():
    class Large(TwoPlayerGAN):
        def generator(self, params, batch, seed, fakes=None):
            assert np.isinf(np.square(np.full(1, 1e30, np.float32)))  # an overflow
            return super().generator(params, batch, seed, fakes)

    system, batch = game(Large), systems.Batch(FEW.rows(np.arange(4)))
    params = system.init(0)
    result = Result(np.inf, {"G": params["G"].zeros()}, {})
    with np.errstate(all="raise"):
        said = blame.locate(system, "G", params, batch, 1, 1, result)
        assert said == "all layers are finite, and the loss is inf"
        params["D"]["0.W"][...] = np.nan
        said = blame.locate(system, "G", params, batch, 1, 1, result)
    assert said == "the output of 0 Dense(2, 3) is not finite, in network D"


def test_a_step_that_diverges_is_told_with_advice(tmp_path):
    class Breaks(TwoPlayerGAN):
        def generator(self, params, batch, seed, fakes=None):
            return Result(np.nan, super().generator(params, batch, seed, fakes).gradients, {})

    out = tmp_path / "run"
    with pytest.raises(
        NonFiniteError, match=f"^step 1, objective G: .*{out} keeps the checkpoint of step 0. Try"
    ):
        train(out, game(Breaks), steps=3)


# ---- pictures


def test_the_picture_of_a_step_is_that_of_its_weights(tmp_path, small_plots):
    system = game(average=0.5)
    train(tmp_path / "run", system, steps=3, picture_every=2)
    state = runs.open_run(tmp_path / "run", system, FEW).state
    sampler = sampling.Sampler(system, state.sampled, 5, 4, FEW)
    seed = derive(5, "grid")
    assert [title for _, _, title in small_plots["points"]] == ["step 0", "step 2", "step 3"]
    for true, x, _ in small_plots["points"]:
        assert np.array_equal(true, FEW.x) and x.shape == (2000, 2)
    assert np.array_equal(small_plots["points"][-1][1], sampler(2000, seed)[0])
    assert not np.array_equal(small_plots["points"][0][1], small_plots["points"][-1][1])


def test_the_system_of_a_picture_is_that_of_its_step(tmp_path, monkeypatch):
    seen, Sampler = [], sampling.Sampler
    monkeypatch.setattr(
        sampling, "Sampler", lambda system, *words: seen.append(system) or Sampler(system, *words)
    )
    run = Staged.of((2, game()), (2, game(k=2)))
    train(tmp_path / "run", run, steps=4, picture_every=1)
    assert [(system.k, system.now) for system in seen] == [(1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]


def test_a_picture_of_another_size_is_left_out_of_the_animation(tmp_path, monkeypatch):
    frames = []
    monkeypatch.setattr(loop.plot, "gif", lambda found, file: frames.append(len(found)) or file.write(b"gif"))
    train(tmp_path / "run", steps=3, picture_every=1)
    path = tmp_path / "run" / "samples" / "step-000002.png"
    Image.new("L", (5, 5)).save(path)
    train(tmp_path / "run", resume=True, steps=4)
    path.write_bytes(b"no picture")
    train(tmp_path / "run", resume=True, steps=5)
    assert frames == [4, 4, 5]


def test_samples_that_cannot_be_drawn_leave_no_pictures(tmp_path):
    networks = {
        "G": ng.Sequential(*ng.networks.mlp(2, 3, 3), ng.Reshape(1, 3)),
        "D": ng.Sequential(ng.Flatten(), *ng.networks.mlp(3, 3, 1)),
    }
    clips = Dataset("clips", np.random.default_rng(0).standard_normal((20, 1, 3)).astype(np.float32))
    trained = train(
        tmp_path / "run", game(networks=networks, sample_shape=(1, 3)), clips, steps=2, picture_every=1
    )
    assert trained.files.keys() == {"curves", "metrics", "configuration", "checkpoint", "rows of the data"}
    assert list((tmp_path / "run" / "samples").iterdir()) == []


# ---- stages


def test_every_stage_is_entered_at_its_step():
    run = Staged.of((1, game()), (2, game(k=2)), (1, game(k=3)))
    state, feed, batches = ng.training.State.start(run, 0), FEW.feed(4, 0), []
    for _ in range(5):
        before, kept = state.batches, state.moments["G"]
        ng.training.advance(run, state, feed, 0)
        batches.append((state.batches - before, state.moments["G"] is kept, state.moments["G"]["step"]))
    assert batches == [(2, False, 0), (3, True, 1), (3, False, 0), (4, True, 1), (4, True, 2)]


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_without_a_name_is_refused(resume, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="^out: expected a path, got ''; write '.' for the current folder"):
        train("", resume=resume, steps=1)
    assert not list(tmp_path.iterdir())
