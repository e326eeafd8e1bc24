"""What a run says while it trains: sizes of networks, the time of all steps, a line a minute."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from training_cases import DIGITS, go

from numgan import systems
from numgan.optimizers import SGD, Adam, Historical
from numgan.optimizers.schedules import Cosine, Exponential, Linear, Warmup
from numgan.optimizers.schedules import planned as over
from numgan.systems.staged import Staged, planned
from numgan.training import loop, progress, runs
from numgan.training.progress import Progress, duration, size, sizes
from numgan.training.state import State


class Clock:
    """Seconds that go on when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def no_memory(monkeypatch):
    monkeypatch.setattr(progress, "memory", lambda: "")


def said(system, steps, seconds, first=0, by_minute=True, last=None):
    """The lines after the sizes, from a run whose step number n takes seconds(n)."""
    clock, lines = Clock(), []
    teller = Progress(system, steps, lines.append, by_minute, clock)
    teller.begin(first)
    networks, lines[:] = len(lines), []
    assert networks == len(system.networks)
    for step in range(first, last or steps):
        clock.now += seconds(step)
        teller.after(step + 1, {"D": 0.5, "G": 1.25})
    return lines


GAN = systems.build("gan", "digits", 0.05)


def test_after_ten_steps_the_time_of_all_steps():
    """The first step takes longer, because it allocates memory: it does not count as a typical one."""
    lines = said(GAN, 20_000, lambda step: 3.0 if step == 0 else 0.12, last=40)
    assert lines == ["a step takes about 0.12 s, all 20,000 steps about 40 min"]
    assert said(GAN, 10, lambda step: 0.12) == [] and len(said(GAN, 11, lambda step: 0.12)) == 1


def test_a_resumed_run_measures_again():
    lines = said(GAN, 20_000, lambda step: 0.24, first=10_000, last=10_020)
    assert lines == ["a step takes about 0.24 s, the other 9,990 steps about 40 min"]


def test_a_line_a_minute_where_there_is_no_bar():
    lines = said(GAN, 1000, lambda step: 0.5)
    assert lines[0] == "a step takes about 0.5 s, all 1,000 steps about 8 min"
    assert lines[1:3] == [
        "step 120 of 1,000, loss D 0.500, loss G 1.250, 2 steps/s, about 7 min left",
        "step 240 of 1,000, loss D 0.500, loss G 1.250, 2 steps/s, about 6 min left",
    ]
    assert len(lines) == 1 + 8  # the last step has its own line, from the session
    assert said(GAN, 1000, lambda step: 0.5, by_minute=False) == lines[:1]


def test_the_speed_is_that_of_the_last_minute():
    lines = said(GAN, 1000, lambda step: 0.5 if step < 120 else 2.0, last=151)
    assert lines[2] == "step 150 of 1,000, loss D 0.500, loss G 1.250, 0.5 steps/s, about 28 min left"


def test_slow_steps_are_told_before_there_are_ten():
    lines = said(GAN, 100, lambda step: 40.0, last=3)
    assert lines == ["step 2 of 100, loss D 0.500, loss G 1.250, 0.025 steps/s, about 65 min left"]


def test_steps_with_more_objectives_take_longer():
    """The first 25 steps of this WGAN have 101 objectives, and later every 500th; the others have 6."""
    wgan = systems.build("wgan", "mnist", 0.01)
    time = lambda step: 0.01 * len(wgan.rounds(step))
    total = sum(map(time, range(5000)))
    assert total == pytest.approx(0.01 * (34 * 101 + 4966 * 6))
    (line,) = said(wgan, 5000, time, last=12, by_minute=False)
    assert line == f"a step takes about 69 ms, all 5,000 steps about {duration(total)}"  # not 1.01 s a step


def test_objectives_that_depend_on_the_state_count_as_one():
    def rounds(step):
        raise ValueError("the remedies need what the training loop remembers")

    own = SimpleNamespace(networks={}, optimizers={}, averaged=(), at=lambda step: own, rounds=rounds)
    assert said(own, 20, lambda step: 2.0) == ["a step takes about 2 s, all 20 steps about 40 s"]


def test_the_sizes_of_networks():
    conditional = systems.build("conditional", "digits", 0.1)
    state = State.start(conditional, 0)
    for name, line in zip(conditional.networks, sizes(conditional)):
        vectors = [v for key, v in state.vectors().items() if key.startswith(f"{name}.")]
        kept = sum(v.nbytes for v in vectors) + state.params[name].vector.nbytes  # and the gradient
        average = ", average" if name == "G" else ""
        assert line == (
            f"{name}: {state.params[name].vector.size:,} parameters, {size(kept)} with weights, gradient, "
            f"moments{average}"
        )
    frozen = replace(GAN, optimizers={"D": SGD(0.1)})
    G, D = sizes(frozen)
    assert G.endswith("with weights") and D.endswith("with weights, gradient")


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0.0032, "3.2 ms"),
        (0.0994, "99 ms"),
        (0.0999, "0.1 s"),
        (0.12, "0.12 s"),
        (4.56, "4.6 s"),
        (45.4, "45 s"),
        (89.4, "89 s"),
        (120, "2 min"),
        (5000, "83 min"),
        (12_000, "3 h 20 min"),
        (216_000, "2.5 days"),
    ],
)
def test_times_in_words(seconds, words):
    assert duration(seconds) == words


def test_sizes_in_words():
    assert [size(n) for n in (12, 1234, 5_678_000, 3e9)] == ["12 bytes", "1.23 kB", "5.68 MB", "3 GB"]


def test_the_memory_of_the_process_is_measured(monkeypatch):
    monkeypatch.undo()
    found = progress.memory()
    assert found == "" if progress.sys.platform == "win32" else found.startswith("; memory so far ")
    monkeypatch.setattr(progress, "sys", SimpleNamespace(platform="win32"))
    assert progress.memory() == ""


# ---- in a run


def test_a_run_says_it_on_stderr_and_nothing_without_progress(tmp_path, capfd):
    go("gan", tmp_path / "run", steps=12, progress=True)
    out, err = capfd.readouterr()
    lines = [line.removeprefix("numgan: ") for line in err.splitlines()]
    assert out == "" and lines[1:3] == sizes(GAN) and len(lines) == 5
    assert lines[3].startswith("a step takes about ") and ", all 12 steps about " in lines[3]
    go("gan", tmp_path / "run", steps=30, resume=True, progress=True)
    assert ", the other 8 steps about " in capfd.readouterr().err
    go("gan", tmp_path / "quiet", steps=12)
    assert capfd.readouterr() == ("", "")


def test_the_minutes_are_said_only_without_a_terminal(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        loop, "Progress", lambda *words, by_minute: made.append(by_minute) or Progress(*words, by_minute)
    )
    for terminal in (True, False):
        monkeypatch.setattr(loop.STDERR, "isatty", lambda: terminal, raising=False)
        go("gan", tmp_path / str(terminal), steps=1)
    assert made == [False, True]


# ---- schedules over all steps of a run


def test_schedules_over_all_steps_are_planned():
    assert over(Cosine(0.1, 40), 40, 7) == Cosine(0.1, 7) and over(Cosine(0.1, 41), 40, 7) == Cosine(0.1, 41)
    assert over(Linear(1, 2, 40, wait=3), 40, 7) == Linear(1, 2, 7, wait=3)
    assert over(Warmup(Cosine(0.1, 40), 40), 40, 7) == Warmup(Cosine(0.1, 7), 40)
    assert over(0.3, 40, 7) == 0.3 and over(Exponential(1, 0.5), 40, 7) == Exponential(1, 0.5)
    rule = SGD(0.1, momentum=Linear(0.5, 0.7, 40))
    assert repr(rule.planned(40, 7)) == repr(SGD(0.1, momentum=Linear(0.5, 0.7, 7)))
    assert rule.planned(41, 7) is rule
    pulled = Historical(Adam(Cosine(0.1, 40), beta1=0.9), 0.5)
    assert repr(pulled.planned(40, 7)) == repr(Historical(Adam(Cosine(0.1, 7), beta1=0.9), 0.5))


def test_a_system_is_planned_for_the_steps_of_its_run():
    r3gan = systems.build("r3gan", "mnist", 0.05)
    short = planned(r3gan, 1200)
    assert planned(r3gan, r3gan.steps) is r3gan
    assert {rule.lr for rule in short.optimizers.values()} == {Cosine(1e-3, 1200)}
    paper = systems.build("gan", "paper", 0.02)  # its momentum rises for longer than its run
    assert {rule.momentum for rule in planned(paper, 60).optimizers.values()} == {Linear(0.5, 0.7, 125_000)}
    staged = Staged.of((3, GAN), (4, GAN))
    assert planned(staged, 5) is staged


def weights(folder):
    with np.load(folder / "checkpoint.npz") as file:
        return file["C.weights"]


def test_an_extended_run_has_the_schedule_of_its_new_length(tmp_path):
    """Steps 1 to 3 have the rates of Cosine over 3 steps, steps 4 to 6 those of Cosine over 6 steps."""
    out = tmp_path / "run"
    go("classifier", out, steps=3)
    lr = lambda: runs.read_config(out)["optimizers"]["C"]
    assert "steps=3" in lr()
    go("classifier", out, steps=6, resume=True)
    assert "steps=6" in lr()

    system = systems.build("classifier", "digits", 0.1)
    state, feed = State.start(system, 5), DIGITS.feed(8, 5)
    for step in range(6):
        loop.advance(planned(system, 3 if step < 3 else 6), state, feed, 5)
    assert np.array_equal(weights(out), state.params["C"].vector)
    assert runs.open_run(out, system, DIGITS).state.step == 6

    go("classifier", tmp_path / "whole", steps=6)
    assert not np.array_equal(weights(out), weights(tmp_path / "whole"))
