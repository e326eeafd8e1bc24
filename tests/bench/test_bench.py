"""The benchmarks: fair turns, statistics, the exchange with PyTorch, the output, refusal of wrong figures.

Torch is not needed.
"""

import json
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import numgan as ng
from numgan.bench import exchange, kernels, machine, steps, timing, worker
from numgan.bench.workloads import SHARED, WORKLOADS, Session, Workload
from numgan.networks import dcgan_discriminator, dcgan_generator
from numgan.systems.games.dcgan import DCGAN


def tiny():
    return DCGAN(
        latent=ng.systems.Latent(3),
        sample_shape=(8, 8, 1),
        batch_size=5,
        optimizers={name: ng.Adam(2e-4) for name in "DG"},
        networks={
            "G": dcgan_generator(3, 2, (6, 4), 1, kernel=4),
            "D": dcgan_discriminator(2, (4, 6), 1, kernel=4),
        },
    )


@pytest.fixture
def small(monkeypatch):
    """One more workload, that takes no time, and pauses and bursts that take hardly any."""
    monkeypatch.setitem(WORKLOADS, "tiny", Workload("tiny", SHARED, tiny))
    monkeypatch.setattr(timing.Rest.__init__, "__defaults__", (0.0,))
    monkeypatch.setattr(
        steps,
        "interleave",
        lambda sides, rounds, seconds, rest: timing.interleave(sides, rounds, 0.001, rest),
    )


# ---- turns and statistics


def test_sides_take_turns():
    told = []

    def side(name, ms):
        def burst(calls):
            told.append((name, calls))
            return [ms] * calls

        return burst

    times = timing.interleave(
        {"a": side("a", 10.0), "b": side("b", 1e4)}, rounds=3, seconds=0.05, rest=lambda: told.append("rest")
    )
    assert told == [("a", 1), ("b", 1)] + ["rest", ("a", 5), "rest", ("b", 1)] * 3
    assert times == {"a": timing.Timing(10.0, 10.0, 10.0, 15), "b": timing.Timing(1e4, 1e4, 1e4, 3)}


def test_the_first_call_of_a_burst_does_not_count():
    calls = iter([0.03, 0, 0])
    times = timing.burst(lambda: time.sleep(next(calls)), 2)
    assert len(times) == 2 and max(times) < 20


def test_median_and_quartiles():
    timing_ = timing.Timing.of([5.0, 1.0, 2.0, 3.0, 4.0])
    assert timing_ == timing.Timing(3.0, 2.0, 4.0, 5)
    with pytest.raises(ValueError, match="at least one"):
        timing.Timing.of([])
    with pytest.raises(ValueError, match="rounds"):
        timing.interleave({}, 0, 0.1, timing.Rest())


def test_a_rest_sees_what_other_programs_do(monkeypatch):
    counts = iter([(100, 1000), (103, 1010), (200, 2000), (201, 2010)])
    monkeypatch.setattr(timing, "_ticks", lambda: next(counts))
    rest = timing.Rest(0)
    rest(), rest()
    assert rest.busy == pytest.approx(4 / 20) and timing.Rest().busy is None


def test_the_machine():
    before = ng.num_threads()
    with machine.threads(1):
        assert machine.describe()["threads"] == 1
    assert ng.num_threads() == before and machine.describe().keys() == {
        "processor",
        "instruction_set",
        "threads",
        "backend",
    }
    assert 0.1 < machine.bandwidth(1, repeats=1) < 1e4


# ---- the exchange with PyTorch's arrays

COUNTS = {
    "mlp": (2_503_984, 2_384_401),
    "dcgan28": (759_681, 138_689),
    "dcgan64": (3_576_704, 2_765_568),
    "wgangp28": (759_681, 138_561),
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_workloads_are_the_comparators(name):
    system = WORKLOADS[name].build()
    assert tuple(system.networks[net].layout.size for net in "GD") == COUNTS[name]
    assert system.rounds(0) == (("D",) if name == "wgangp28" else ("D", "G")) and system.batch_size == (
        128 if name == "mlp" else 64
    )
    assert system.average == 0 and (system.shares_fakes or name == "wgangp28")
    adam = system.optimizers["D"]
    assert (adam.lr, adam.beta1, adam.beta2) == (
        (1e-4, 0.0, 0.9) if name == "wgangp28" else (2e-4, 0.5, 0.999)
    )


def test_first_weights_are_the_comparators():
    p = Session.of(WORKLOADS["dcgan28"]).state.params["D"]
    assert (
        p["2.W"].std() == pytest.approx(0.02, rel=0.02)
        and p["3.gain"].mean() == pytest.approx(1, abs=0.01)
        and not p["3.bias"].any()
    )
    assert (
        0.9 / np.sqrt(6272) < np.abs(p["6.W"]).max() <= 1 / np.sqrt(6272)
        and 0 < np.abs(p["0.b"]).max() <= 0.25
    )


def to_torch(array, view, axes):
    """numgan's array in PyTorch's order."""
    return array.reshape(view).transpose(axes)


@pytest.mark.parametrize("name", COUNTS)
def test_the_mapping_goes_there_and_back(name):
    system = WORKLOADS[name].build()
    for which, net in system.networks.items():
        shape = steps.shapes(system)[which]
        p = net.init(1)
        there = [to_torch(p[path], *how) for path, how in exchange.arrangements(net, shape).items()]
        assert exchange.read(net, shape, p.zeros(), there) == p


def test_the_mapping_is_pytorchs():
    """The formulas by hand: out[n, o] = sum W[o, c h w] x[n, c, h, w] over (c, h, w) in this order.

    The second network is a ConvTranspose2d of one pixel.
    """
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=(3, 2, 5, 4)), rng.normal(size=(7, 40)), rng.normal(size=7)
    net = ng.Sequential(ng.Flatten(), ng.Dense(40, 7))
    p = exchange.read(net, (2, 5, 4), net.init(0, np.float64), [W.reshape(7, 4, 2, 5).reshape(7, -1), b])
    assert np.allclose(net.forward(p, x, ng.Pass())[0], x.transpose(0, 3, 1, 2).reshape(3, -1) @ W.T + b)
    z, W = rng.normal(size=(3, 6)), rng.normal(size=(6, 5, 2, 3))
    net = ng.Sequential(ng.Dense(6, 30, bias=False), ng.Reshape(2, 3, 5))
    p = exchange.read(net, (6,), net.init(0, np.float64), [W])
    assert np.allclose(exchange.pictures(net.forward(p, z, ng.Pass())[0]), np.einsum("ni,iohw->nohw", z, W))
    x, W = rng.normal(size=(2, 5, 6, 3)), rng.normal(size=(4, 3, 3, 2))
    net = ng.Sequential(ng.Conv2d(3, 4, kernel=(3, 2), bias=False))
    p = exchange.read(net, x.shape[1:], net.init(0, np.float64), [W])
    windows = np.lib.stride_tricks.sliding_window_view(exchange.pictures(x), (3, 2), axis=(2, 3))
    assert np.allclose(
        exchange.pictures(net.forward(p, x, ng.Pass())[0]), np.einsum("nihwkl,oikl->nohw", windows, W)
    )


def test_what_has_no_counterpart_is_refused():
    with pytest.raises(TypeError, match="no counterpart"):
        exchange.arrangements(ng.Sequential(ng.LayerNorm(3)), (3,))
    with pytest.raises(ValueError):
        exchange.read(net := ng.Sequential(ng.Dense(2, 3)), (2,), net.init(0), [np.zeros((3, 2))])


def test_which_gradients_pass_a_kink():
    assert exchange.above_kinks(WORKLOADS["dcgan28"].build().networks["D"]) == {"6.W", "6.b"}
    assert exchange.above_kinks(ng.Sequential(ng.Dense(2, 3), ng.Tanh(), ng.Dense(3, 1))) == {
        "0.W",
        "0.b",
        "2.W",
        "2.b",
    }


# ---- steps


def as_torch(system, found):
    """{network: arrays in PyTorch's order} of {network: Parameters}"""
    return {
        name: [
            to_torch(p[path], *how)
            for path, how in exchange.arrangements(system.networks[name], steps.shapes(system)[name]).items()
        ]
        for name, p in found.items()
    }


class Torch:
    """PyTorch's process played by numgan: its gradients in PyTorch's order, `wrong` added to D's."""

    wrong = 0.0

    def __init__(self, module, threads, tuned=True):
        assert module == "torch_steps" and tuned
        self.session = Session(tiny(), seed=3)

    def __call__(self, function, *arguments):
        return getattr(self, function)(*arguments)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def build(self, workload, variant, real):
        if variant == "compile":
            raise worker.Refused("RuntimeError: not this one")
        assert real.shape == (5, 1, 8, 8)
        self.session.batch["x"] = np.ascontiguousarray(real.transpose(0, 2, 3, 1))
        return as_torch(self.session.system, self.session.state.params)

    def gradients(self, variant, z, mix):
        found = as_torch(self.session.system, steps.gradients(self.session, z))
        return found | {"D": [array + self.wrong for array in found["D"]]}

    def side(self, variant):
        return lambda calls: [7.0] * calls


@pytest.fixture
def torch(monkeypatch, small):
    monkeypatch.setattr(steps, "expect_sides", lambda against: None)
    monkeypatch.setattr(steps, "Worker", Torch)
    return Torch


KEYS = {"workload", "numgan_ms", "torch_ms", "ratio_vs_best"}


def test_steps_json(numgan, torch):
    words = [
        "bench",
        "steps",
        "--workloads",
        "tiny",
        "--against",
        "torch,numpy",
        "--variants",
        "careful,cl,compile",
        "--rounds",
        2,
        "--threads",
        1,
    ]
    code, out, _ = numgan(*words, "--json")
    found = json.loads(out)
    assert code == 0 and found.keys() == {"results"}
    (result,) = found["results"]
    assert (
        result.keys() >= KEYS
        and result["torch_ms"] == {"careful": 7.0, "cl": 7.0}
        and result["ratio_vs_best"] == 7 / result["numgan_ms"]
    )
    assert (
        result["not_possible"] == {"compile": "RuntimeError: not this one"}
        and result["gradients_agree"] is True
        and result["threads"] == 1
    )
    assert result["numpy_ms"] > 0 and len(result["gradients"]["cl"]) == 15 and "one draw" in result["note"]
    assert (
        result["largest_gradient_difference"]["difference"] < 1e-6
        and result["instruction_set"] == ng.instruction_set()
    )
    code, out, _ = numgan(*words, "--plot", "steps.png")
    assert (
        code == 0
        and "not possible" in out
        and "the gradients agree" in out
        and "one draw" in out
        and "G.0.W" in out
    )
    assert machine.describe()["processor"] in out and Path("steps.png").stat().st_size


def test_gradients_that_differ_fail_the_command(numgan, torch, monkeypatch):
    monkeypatch.setattr(Torch, "wrong", 0.3)
    code, out, _ = numgan(
        "bench", "steps", "--workloads", "tiny", "--against", "torch", "--variants", "careful", "--rounds", 1
    )
    assert code == 1 and "DO NOT AGREE" in out


def test_agreement_is_strict_above_the_last_kink(small):
    session = Session(tiny())
    z, _ = steps.draws(session)
    exact = steps.gradients(session, z, np.float64)
    theirs = as_torch(session.system, exact)
    assert {
        one.parameter for one in steps.agree(session.system, exact, theirs, exact) if one.limit == 1e-5
    } == {"D.6.W", "D.6.b"}
    for path, change, holds in (
        ("6.W", 9e-6, True),
        ("6.W", 2e-5, False),
        ("0.W", 2e-2, True),
        ("0.W", 4e-2, False),
    ):
        bent = exact["D"].copy()
        bent[path][...] *= 1 + change
        found = {
            one.parameter: one for one in steps.agree(session.system, exact | {"D": bent}, theirs, exact)
        }
        assert found[f"D.{path}"].holds == holds and found[f"D.{path}"].difference == pytest.approx(change)
        assert found[f"D.{path}"].torch_error == 0 and all(
            one.holds for name, one in found.items() if name != f"D.{path}"
        )


def test_the_critics_draws_are_the_systems():
    """What PyTorch is given to mix with is what the penalty mixes with."""
    session = Session(WORKLOADS["wgangp28"].build(), batch_size=2)
    seen = []
    system = replace(session.system, penalty=lambda f, w, x, run: seen.append(x) or (0.0, w.zeros()))
    z, mix = steps.draws(session)
    session.system = system
    assert steps.gradients(session, z).keys() == {"D"}
    made = system.networks["G"].forward(session.state.params["G"], z, ng.Pass(steps.SEED))[0]
    assert np.array_equal(seen[0], mix * session.batch["x"] + (1 - mix) * made)


def test_numgan_alone_and_its_memory(numgan, small):
    (result,) = json.loads(
        numgan("bench", "steps", "--workloads", "mlp", "--rounds", 1, "--memory", "--json")[1]
    )["results"]
    assert result["torch_ms"] == {} and result["ratio_vs_best"] is None and result["gradients_agree"] is None
    assert result["peak_mb"]["numgan"] is None or 30 < result["peak_mb"]["numgan"] < 1000


@pytest.mark.parametrize(
    "words, part",
    [
        (["--workloads", "mpl"], "dcgan28"),
        (["--against", "jax"], "numpy, torch"),
        (["--variants", "eager", "--against", "torch"], "careful"),
        (["--plot", "x.pdf"], ".png"),
        (["--plot", "nowhere/x.png"], "no folder"),
        (["--plot", "link.png"], "a link"),
    ],
)
def test_steps_refuses_what_it_does_not_know(numgan, words, part):
    Path("link.png").symlink_to("nothing")
    code, out, err = numgan("bench", "steps", *words, "--json")
    assert code == 2 and out == "" and part in err and "Traceback" not in err


@pytest.mark.parametrize("command", ["steps", "kernels"])
def test_torch_is_optional(numgan, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, err = numgan("bench", command, "--against", "torch", "--json")
    assert code == 2 and "pip install 'numgan[bench]'" in err


def test_numgan_never_imports_torch():
    code = "import sys, numgan.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_worker_that_refuses_and_one_that_ends():
    with worker.Worker("steps", 1, tuned=False) as process:
        with pytest.raises(worker.Refused, match="ValueError: workload"):
            process("own_steps", "nothing", 1)
        assert process("own_steps", "mlp", 0) is None
    with (
        worker.Worker("no_such_module", 1) as process,
        pytest.raises(RuntimeError, match="ended with code 1"),
    ):
        process("run")


@pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed: pip install 'numgan[bench]'"
)
@pytest.mark.parametrize("name", ["mlp", "dcgan28", "wgangp28"])
def test_every_gradient_agrees_with_pytorch(name):
    (result,) = steps.compare([name], ("torch",), ("careful",), rounds=1, seconds=0.01)
    assert result["gradients_agree"] and result["torch_ms"].keys() == {"careful"}
    assert len(result["gradients"]["careful"]) == sum(
        len(net.layout.names)
        for player, net in WORKLOADS[name].build().networks.items()
        if player == "D" or name != "wgangp28"
    )


# ---- the command


@pytest.mark.parametrize(
    "words", [["bench", "steps"], ["bench", "kernels"], ["bench", "growth"], ["profile"]]
)
def test_help_teaches(numgan, words):
    code, out, _ = numgan(*words, "--help")
    assert code == 0 and "examples:" in out and "--json" in out and "--threads" in out


def test_bench_needs_to_know_which(numgan):
    code, _, err = numgan("bench")
    assert (
        code == 2
        and "usage" in err
        and all(word in numgan("bench", "--help")[1] for word in ("steps", "kernels", "growth"))
    )


def test_ctrl_c_exits_with_130(numgan, monkeypatch):
    def interrupted(*words, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(kernels, "measure", interrupted)
    code, _, err = numgan("bench", "kernels")
    assert code == 130 and "Traceback" not in err
