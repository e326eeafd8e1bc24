"""`numgan profile`: the shares sum to the step, nothing counts twice, and the system is left as it was."""

import json
from types import SimpleNamespace

import pytest

from numgan import systems
from numgan.bench import profile


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_the_shares_of_a_profile_are_the_step(name):
    system = systems.build(name, width=0.1)
    found = profile.profile(system, steps=2, batch_size=8)
    assert sum(row["ms"] for row in found["rows"]) + found["elsewhere_ms"] == pytest.approx(found["step_ms"])
    assert found["elsewhere_ms"] > 0 and all(row["ms"] >= 0 for row in found["rows"])
    assert {row["pass"] for row in found["rows"]} <= set(profile.PASSES) and sum(
        found["kernel_calls"].values()
    ) > 0
    assert uncovered(system)


def uncovered(system):
    """Whether no method is covered any more."""
    owners = (
        [layer for net in system.networks.values() for _, layer in profile.places(net)]
        + list(system.optimizers.values())
        + [system.latent]
    )
    methods = {*profile.NAMES, "backward", "update", "draw"}
    return not any(methods & vars(owner).keys() for owner in owners if owner)


def test_a_profile_tells_frozen_from_trained():
    found = profile.profile(systems.build("dcgan", width=0.1), steps=2, batch_size=8)
    calls = {(row["network"], row["path"], row["pass"]): row["calls"] for row in found["rows"]}
    assert (
        calls["D", "0", "forward"] == 3
        and calls["D", "0", "backward"] == 2
        and calls["D", "0", "frozen backward"] == 1
    )
    assert (
        calls["G", "0", "backward"] == 1
        and ("G", "0", "frozen backward") not in calls
        and calls["G", "optimizer", "update"] == 1
    )
    assert calls["", "latents", "data"] == 1 and {place for place in calls if place[2] == "data"} == {
        ("", "latents", "data")
    }


def test_a_profile_counts_nothing_twice(monkeypatch):
    now = [100.0]

    def spend(seconds):
        now[0] += seconds

    monkeypatch.setattr(profile, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    clock = profile.Clock()
    inner = clock.timed(lambda: spend(2), "inner")
    clock.timed(lambda: (spend(1), inner()), "outer")()
    assert clock.seconds == {"inner": 2, "outer": 1} and clock.calls == {"inner": 1, "outer": 1}


def test_a_profile_uncovers_what_it_covered_after_an_error():
    system = systems.build("gan", width=0.1)
    with pytest.raises(KeyboardInterrupt), profile.watched(system):
        raise KeyboardInterrupt
    assert uncovered(system)


def test_profile_command(numgan):
    code, out, _ = numgan("profile", "wgan_gp", "--steps", 1, "--batch-size", 4)
    assert (
        code == 0
        and "tangent backward" in out
        and "elsewhere" in out
        and "kernel calls a step" in out
        and " thread" in out
    )
    found = json.loads(numgan("profile", "gan", "--steps", 1, "--batch-size", 4, "--threads", 1, "--json")[1])
    assert found["machine"]["threads"] == 1 and found["steps"] == 1 and found["batch"] == 4
    assert numgan("profile", "gann")[0] == 2 and numgan("profile", "gan", "--preset", "nothing")[0] == 2
