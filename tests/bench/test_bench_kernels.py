"""`numgan bench kernels` and `growth`: cases, yardsticks, fast forms; no direct kernel passes the peak."""

import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import numgan as ng
from numgan import _kernels
from numgan._kernels import reference
from numgan.bench import cases, growth, im2col, kernels, machine, timing


@pytest.fixture
def brief(monkeypatch):
    """Pauses and bandwidth that take no time."""
    monkeypatch.setattr(timing.Rest.__init__, "__defaults__", (0.0,))
    monkeypatch.setattr(machine, "bandwidth", lambda n: 20.0)


def drawn(path):
    with Image.open(path) as image:
        return min(image.size) > 100


@pytest.fixture
def bare(monkeypatch, brief):
    """A known peak, short bursts, and one case of each kind, none of which has a fast form."""
    monkeypatch.setattr(_kernels, "measured_peak", lambda itemsize=4: 1e6)
    monkeypatch.setattr(
        kernels,
        "interleave",
        lambda sides, rounds, seconds, rest: timing.interleave(sides, rounds, 0.001, rest),
    )
    few = [
        (cases.Product(7, 5, 3), np.float64),
        (cases.Convolution("dcgan28 1-64", "input gradient", 2), np.float32),
        (cases.LayerPass(ng.BatchNorm(5), "backward", (4, 3, 2, 5)), np.float32),
        (cases.Update(100), np.float32),
    ]
    monkeypatch.setattr(kernels, "cases", lambda quick: [(case, np.dtype(dtype)) for case, dtype in few])


@pytest.mark.parametrize(
    "shape, kernel, stride, padding",
    [
        ((7, 5, 3), (3, 2), (2, 1), (1, 0)),
        ((6, 9, 2), (1, 4), (1, 3), (0, 2)),
        ((5, 5, 1), (2, 2), (3, 3), (0, 0)),
    ],
)
def test_im2col_is_convolution(shape, kernel, stride, padding):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, *shape)), rng.normal(size=(*kernel, shape[2], 4))
    y = reference.conv2d(x, w, stride, padding)
    dy = rng.normal(size=y.shape)
    assert np.allclose(im2col.conv2d(x, w, stride, padding), y)
    assert np.allclose(
        im2col.conv2d_weight_gradient(x, dy, kernel, stride, padding),
        reference.conv2d_weight_gradient(x, dy, kernel, stride, padding),
    )
    assert np.allclose(
        im2col.conv2d_input_gradient(dy, w, stride, padding, shape[:2]),
        reference.conv2d_input_gradient(dy, w, stride, padding, shape[:2]),
    )


@pytest.mark.parametrize("quick", [False, True])
def test_the_cases(quick):
    found = cases.cases(quick)
    names = [(case.name, np.dtype(dtype).name) for case, dtype in found]
    assert len(names) == len(set(names)) and all(case.flops > 0 and case.traffic > 0 for case, _ in found)
    assert ("matmul 128x1200x1200", "float64") in names and (
        "conv 5x5 64-128 weight gradient",
        "float32",
    ) in names
    if not quick:
        (case,) = (case for case, _ in found if case.name == "conv dcgan64 256-512 forward")
        assert case.flops == 2 * 64 * 4 * 4 * 512 * 4 * 4 * 256


def test_kernels_tell_speed_and_error(numgan, bare):
    found = json.loads(numgan("bench", "kernels", "--against", "numpy", "--threads", 1, "--json")[1])
    assert found["machine"]["threads"] == 1 and found["bandwidth_gbs"] > 0 and len(found["results"]) == 4
    for row in found["results"]:
        assert (
            row["form"] == "direct"
            and 0 <= row["error"] < 1e-5
            and row["quartiles_ms"][0] <= row["ms"] <= row["quartiles_ms"][1]
        )
        assert row["share"] == pytest.approx(row["gflops"] / 1e6) and row["against"]["numpy"]["error"] < 1e-5
    assert found["results"][0]["error"] < 1e-14
    code, out, _ = numgan("bench", "kernels", "--against", "numpy", "--plot", "roofline.png")
    assert (
        code == 0
        and "matmul 7x5x3" in out
        and "GB/s" in out
        and "numpy takes" in out
        and drawn("roofline.png")
    )


def test_a_direct_kernel_above_the_peak_is_an_error_of_the_bench(numgan, bare, monkeypatch):
    monkeypatch.setattr(_kernels, "measured_peak", lambda itemsize=4: 1e-9)
    code, out, err = numgan("bench", "kernels")
    assert code == 1 and "matmul 7x5x3" in out and "above the measured peak" in err and "conv dcgan28" in err


def test_a_fast_form_is_marked_and_may_exceed_the_peak(bare, monkeypatch):
    inside = []

    @contextmanager
    def fast(wanted):
        inside.append(wanted)
        yield
        inside.pop()

    plain = _kernels.conv2d_input_gradient
    monkeypatch.setattr(_kernels, "use_fast_convolutions", fast)
    monkeypatch.setattr(
        _kernels,
        "conv2d_input_gradient",
        lambda *words: plain(*words) * np.float32(1 + 1e-5 * inside[-1] if inside else 1),
    )
    rows = kernels.measure(rounds=1)["results"]
    assert [row["form"] for row in rows] == ["direct", "direct", "fast", "direct", "direct"]
    assert rows[1]["error"] < 2e-6 < rows[2]["error"]
    for row in rows:
        row["share"] = 1.5
    assert len(kernels.impossible(rows)) == 4


@pytest.mark.skipif(ng.backend() == "reference", reason="the reference kernels have no fast form")
def test_numgans_own_fast_form_is_found(bare):
    case = cases.Convolution("3x3 64-64", "forward", 8)
    with ng.use_backend("compiled"):  # only the C kernels have fast forms
        found = kernels._forms(case, case.arrays(np.float32))
        assert found.keys() == {"direct", "fast"} and np.allclose(found["direct"], found["fast"], atol=1e-3)
        assert kernels._forms(case, case.arrays(np.float64)).keys() == {"direct"}


def test_without_a_peak_there_is_no_share(numgan, bare, monkeypatch):
    monkeypatch.setattr(_kernels, "measured_peak", lambda itemsize=4: None)
    code, out, _ = numgan("bench", "kernels", "--plot", "roofline.png")
    assert code == 0 and "not known" in out and "BatchNorm backward" in out


# ---- growth


def test_growth(numgan, brief, monkeypatch):
    least = growth.Setting(batch=2, width=0.05, resolution=8, depth=1)
    monkeypatch.setattr(
        growth,
        "plan",
        lambda quick, threads: {
            "depth": [least, replace(least, depth=2)],
            "threads": [replace(least, threads=1)],
        },
    )
    found = json.loads(numgan("bench", "growth", "--quick", "--json")[1])
    assert [(row["panel"], row["value"]) for row in found["results"]] == [
        ("depth", 1),
        ("depth", 2),
        ("threads", 1),
    ]
    assert all(row["ms_per_image"] > 0 for row in found["results"])
    code, out, _ = numgan("bench", "growth", "--quick", "--plot", "growth.png")
    assert code == 0 and "ms an image" in out and drawn("growth.png")


@pytest.mark.parametrize("quick", [False, True])
def test_what_grows_is_one_thing_at_a_time(quick):
    plan = growth.plan(quick, 3)
    assert plan.keys() == {"batch", "width", "resolution", "depth", "threads"} and len(plan["threads"]) == 3
    for word, settings in plan.items():
        assert {replace(setting, **{word: 1}) for setting in settings} == {
            replace(growth.base(quick), **{word: 1})
        }
    with pytest.raises(ValueError, match="halvings"):
        growth.Setting(resolution=28, depth=3).system()
