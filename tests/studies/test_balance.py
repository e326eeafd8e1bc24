"""The studies of balance: the rule for equilibrium, looks, a frozen D, random architectures, tables."""

import json
from types import SimpleNamespace

import numpy as np

from numgan.data import load
from numgan.layers import BatchNorm, Dense
from numgan.studies import STUDIES, architectures, balance, equilibrium
from numgan.studies.looks import Looks, accuracy, digits, ranked
from numgan.studies.protocol import folder_of, table
from numgan.training import loop as training
from numgan.training.state import State

STEPS = np.arange(10, 401, 10)


def _even(accuracies, window=50, stretch=100):
    return equilibrium.equilibrium(STEPS, np.asarray(accuracies), window, stretch)


def test_a_coin_is_even_after_one_window_and_one_stretch():
    """Windows of 5 looks, the first one whole at step 50; 10 in a row, so step 140."""
    assert _even(np.full(40, 0.5)) == 140 == _even(np.full(40, 0.546)) == _even(np.full(40, 0.454))
    assert _even(np.full(40, 0.56)) is None is _even(np.full(40, 0.44))


def test_even_counts_from_when_it_begins_and_an_interruption_starts_it_again():
    late = np.where(STEPS <= 200, 0.9, 0.5)
    assert _even(late) == 340  # the last window that holds a 0.9 ends at 240
    broken = np.full(40, 0.5)
    broken[10] = 1.0  # step 110: windows that hold it are at 0.6, until step 150
    assert _even(broken) == 250
    assert _even(np.tile([0.3, 0.7], 20)) == 140  # smoothed away: accuracies that swing about 0.5


def test_a_stretch_that_the_run_cuts_off_is_none():
    assert _even(np.where(STEPS <= 270, 0.9, 0.5)) is None


def test_accuracy_and_ranking_by_hand():
    assert accuracy(np.array([1.0, 2, -1]), np.array([-1.0, 3])) == (2 / 3 + 1 / 2) / 2
    assert ranked(np.array([1.0, 2, 3]), np.array([0.0, 2])) == (1 + 1.5 + 2) / 6
    assert ranked(np.zeros(3), np.zeros(4)) == 0.5


def test_looks_are_taken_once_and_a_torn_line_is_taken_again(tmp_path):
    asked = []

    def measure(state):
        asked.append(state.step)
        return {"x": np.float32(state.step / 2)}

    def through(looks):
        for step in range(1, 9):
            looks(SimpleNamespace(step=step))
        return looks

    looks = through(Looks(tmp_path / "looks.jsonl", 2, measure))
    assert asked == [2, 4, 6, 8] == list(looks.steps) and list(looks["x"]) == [1, 2, 3, 4]
    whole = (tmp_path / "looks.jsonl").read_bytes()
    (tmp_path / "looks.jsonl").write_bytes(whole[:-5])
    again = through(Looks(tmp_path / "looks.jsonl", 2, measure))
    assert (
        asked[4:] == [8]
        and again.records == looks.records
        and (tmp_path / "looks.jsonl").read_bytes() == whole
    )


def test_held_out_digits_are_no_training_rows_and_stay_the_same():
    (many, held), (few, same) = digits(), digits(100)
    assert (
        len(many) == 1500 and len(few) == 100 and held.shape == (297, 8, 8, 1) and np.array_equal(held, same)
    )
    assert np.array_equal(few.x, many.x[:100])
    everything = sorted(row.tobytes() for part in ("train", "test") for row in load("digits", part).x)
    back = np.rint((held + 1) * 127.5).astype(np.uint8)
    assert sorted(row.tobytes() for row in (*many.x, *back)) == everything


def _played(gan, steps):
    """The state after some steps on the ring."""
    state, feed = State.start(gan, 3), load("ring").feed(16, 3)
    for _ in range(steps):
        training.advance(gan, state, feed, 3)
    return state


def test_a_frozen_D_is_the_plain_one_at_that_step_and_G_goes_on():
    plain = equilibrium.system("ring", "frozen", 9)
    stopped = _played(equilibrium.Even(**{**vars(plain), "freeze": 4}), 9)
    four, nine = _played(plain, 4), _played(plain, 9)
    assert np.array_equal(stopped.params["D"].vector, four.params["D"].vector) and not np.array_equal(
        stopped.params["D"].vector, nine.params["D"].vector
    )
    assert stopped.moments["D"]["step"] == 4 and stopped.moments["G"]["step"] == 9


def test_arms_differ_in_what_they_say():
    gammas = {
        arm: equilibrium.system(*arm, 9).settings.get("gamma", 0)
        for arm in (("ring", "r1"), ("digits", "r1-decay"), ("ring", "gan"))
    }
    assert list(gammas.values()) == [0.1, 3, 0]
    assert (
        equilibrium.system("digits", "r1-average", 9).average
        and not equilibrium.system("digits", "gan", 9).average
    )
    decay = equilibrium.system("ring", "decay", 9).optimizers["G"].lr
    assert decay(0) == 1e-3 and decay(9) == 0
    rounds = [balance.system("g5").rounds(step) for step in range(6)]
    assert rounds == [("D", "G"), ("G",), ("G",), ("G",), ("G",), ("D", "G")] and balance.system(
        "d10"
    ).rounds(1) == 10 * ("D",) + ("G",)
    assert {arm: balance.rows_of(arm) for arm in ("even", "gan-100", "critic-300", "d10-minimax")} == {
        "even": 1500,
        "gan-100": 100,
        "critic-300": 300,
        "d10-minimax": 1500,
    }


def _quick(study, arms, tmp_path):
    """{arm: [result]} of quick trials in this process."""
    results = {}
    for arm in arms:
        folder = folder_of(tmp_path, arm, 0)
        folder.mkdir(parents=True)
        results[arm] = [
            json.loads(json.dumps(study.trial(arm, 0, True, folder, lambda done: None), default=float))
        ]
    return results


def test_quick_past_equilibrium(tmp_path, monkeypatch):
    for name in equilibrium.SAMPLES:  # fewer samples to measure
        monkeypatch.setitem(equilibrium.SAMPLES, name, 200)
    study = STUDIES["past-equilibrium"]
    results = _quick(study, ("ring-gan", "digits-r1", "digits-r1-frozen"), tmp_path)
    (ring,), (plain,), (frozen,) = results.values()
    again = study.trial(
        "digits-r1-frozen", 0, True, folder_of(tmp_path, "digits-r1-frozen", 0), lambda done: None
    )
    assert all(again[key] == value for key, value in frozen.items())  # a trial that was cut at its end
    assert (
        plain["even"] == frozen["even"] == 6 and plain["reached"] == 1
    )  # the first window and stretch of a quick run
    assert (
        all(plain[f"{key}_at"] == frozen[f"{key}_at"] for key in ("accuracy", "distance", "coverage"))
        and "modes_at" not in plain
    )
    assert (
        plain["distance_end"] != frozen["distance_end"] and plain["distance_worst"] >= plain["distance_after"]
    )
    assert (
        0 <= ring["modes_worst"] <= ring["modes_after"] <= 8
        and ring["width_end"] >= 0
        and "width_worst" not in ring
    )
    assert len(table(study, results).splitlines()) == 5
    lines = study.summary(results).splitlines()
    assert (
        lines[2].startswith("| ring, GAN | ")
        and lines[2].endswith(" | - |")
        and lines[3].startswith("| digits, R1 | - | - | - | - | 0.0 →")
    )
    assert study.draw(results, tmp_path)["past-equilibrium.png"].width > 500


class _Looked(SimpleNamespace):
    def __getitem__(self, name):
        return np.array([record[name] for record in self.records.values()])


def test_an_arm_that_is_never_even_says_so():
    looks = _Looked(records={10: {"step": 10, "distance": 3.0}}, steps=np.array([10]))
    found = equilibrium._compared(looks, None, {"stretch": 10})
    assert found == {"distance_end": 3.0}
    assert "| 0 | - | - | - | - | - | - | 3 | - |" in table(
        STUDIES["past-equilibrium"], {"ring-gan": [found | {"reached": 0, "even": None}]}
    )


def test_figures_are_taken_over_the_stretch_and_after_it():
    """Even at step 30 after a stretch of 20: looks 20 and 30, then 40 and 50."""
    values = {10: 9.0, 20: 1.0, 30: 3.0, 40: 8.0, 50: 4.0}
    looks = _Looked(
        records={
            step: {"step": step, "distance": value, "modes": value, "width": value}
            for step, value in values.items()
        },
        steps=np.array(list(values)),
    )
    found = equilibrium._compared(looks, 30, {"stretch": 20})
    assert [found[f"distance_{when}"] for when in ("at", "after", "worst", "end")] == [2, 6, 8, 4]
    assert found["modes_worst"] == 4 and "width_worst" not in found
    assert equilibrium._compared(looks, 50, {"stretch": 20})["distance_after"] is None


def test_quick_balance(tmp_path, monkeypatch):
    monkeypatch.setattr(balance, "SAMPLES", 200)
    study = STUDIES["balance"]
    results = _quick(study, ("even", "narrow", "critic-100"), tmp_path)
    even, critic = results["even"][0], results["critic-100"][0]
    assert (
        0 <= even["accuracy"] <= 1
        and 0 <= even["ranks_new"] <= 1
        and "accuracy" not in critic
        and critic["ranks"] > 0.9
    )
    assert np.isclose(critic["gap"] * critic["distance"], critic["distance"] - critic["distance_new"])
    assert even["best_kid"] <= even["kid"] and even["best_step"] in (2, 4, 6, 8, 10)
    assert table(study, results).splitlines()[4].startswith("| WGAN-GP on 100 rows | - |")
    assert study.draw(results, tmp_path)["balance.png"].width > 500


def test_an_architecture_is_drawn_from_its_seed_and_is_the_same_for_both():
    several = [architectures.drawn(seed) for seed in range(40)]
    assert several == [architectures.drawn(seed) for seed in range(40)]
    assert {of.activation_g for of in several} == set(architectures.ACTIVATIONS) and {
        of.norm_d for of in several
    } == {True, False}
    assert {of.depth_g for of in several} <= set(range(2, 13)) and {of.lr for of in several} == {
        5e-4,
        1e-3,
        2e-3,
    }
    of = next(of for of in several if of.norm_g and of.norm_d)
    gan, wgan = architectures.system("gan", of), architectures.system("wgan-gp", of)
    assert repr(gan.networks["G"]) == repr(wgan.networks["G"])

    def count(net, kind):
        return sum(isinstance(layer, kind) for layer in net.children.values())

    assert (
        count(gan.networks["G"], Dense) == of.depth_g
        and count(wgan.networks["D"], Dense) == count(gan.networks["D"], Dense) == of.depth_d
    )
    assert count(gan.networks["D"], BatchNorm) == of.depth_d - 1 and count(wgan.networks["D"], BatchNorm) == 0


def test_who_works_where_is_counted_in_pairs():
    def rows(*figures):
        return [{"modes": modes, "high_quality": quality} for modes, quality in figures]

    results = {
        "gan": rows((8, 0.9), (7, 0.6), (8, 0.3), (2, 0.98), (0, 0.0)),
        "wgan-gp": rows((8, 0.5), (6, 0.9), (8, 0.6), (7, 0.5), (8, 0.1)),
    }
    _, _, quarter, half, most, *published = architectures.summary(results).splitlines()
    assert quarter.endswith("25 % of high quality | 2 | 1 | 1 | 1 | 5 |")
    assert half.endswith("50 % of high quality | 1 | 1 | 2 | 1 | 5 |") and most.endswith(
        "75 % of high quality | 0 | 1 | 0 | 4 | 5 |"
    )
    assert [sum(map(int, row.split(" | ")[1:5])) for row in published] == [200, 200]


def test_a_run_that_ends_in_inf_does_not_work(tmp_path, monkeypatch):
    monkeypatch.setattr(
        architectures,
        "drawn",
        lambda seed: architectures.Architecture(3, 3, 32, 32, "ReLU", "ReLU", False, False, 1e30),
    )
    found = architectures.trial("gan", 0, True, tmp_path, lambda done: None)
    assert (
        found["success"] == 0
        and found["broken"] == 1
        and found["modes"] == 0
        and found["words"].startswith("step ")
    )


def test_quick_random_architectures_from_the_command_line(numgan, tmp_path, in_this_process):
    code, out, err = numgan("study", "random-architectures", "--quick", "--out", "s")
    assert (
        code == 0
        and "| GAN, non-saturating |" in out
        and "| 0 | 0 | 0 | 1 | 1 |" in out
        and "110 | 1 | 88 | 1 | 200 |" in out
    )
    assert (tmp_path / "s" / "architectures.png").exists() and "One run an arm" in out
