"""The ladder: every rung is right on ugly shapes, and a kernel gets its place by speed if it is right."""

import argparse
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from numgan import _kernels, plot
from numgan.bench import ladder, rungs, timing, trial

EXAMPLE = Path(__file__).parents[2] / "benchmarks" / "ladder_example.py"
ALL = [rung for kind in ladder.KINDS for rung in ladder.RUNGS[kind].values()]

needs_rungs = pytest.mark.skipif(
    rungs._ladder is None, reason="the compiled rungs are not built: this is the NumPy-only version"
)


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture
def hurried(monkeypatch):
    """Climb in a second: what is timed does not matter, and no rung is checked twice."""
    monkeypatch.setattr(ladder, "check", checked)
    monkeypatch.setattr(
        ladder,
        "interleave",
        lambda sides, **_: timing.interleave(sides, rounds=1, seconds=1e-4, rest=lambda: None),
    )
    monkeypatch.setattr(_kernels, "measured_peak", lambda itemsize=4: 100.0)


@cache
def checked(rung):
    """Check a rung, once in all tests: a check takes seconds."""
    trial.check(rung)


def mine(function, kind="matmul", name="mine", **claims):
    return trial.Rung(kind, name, function, **claims)


def refusal(function, kind="matmul", **claims):
    with pytest.raises(ladder.WrongKernel) as caught:
        ladder.check(mine(function, kind, **claims))
    return str(caught.value)


# ---- the rungs


@pytest.mark.parametrize("rung", ALL, ids=lambda rung: f"{rung.kind}: {rung.name}")
def test_every_rung_passes_its_trial_in_both_types(rung):
    assert rung.dtypes == ("float32", "float64")
    checked(rung)


@needs_rungs
def test_every_idea_has_its_rung_and_says_why():
    assert list(ladder.RUNGS["matmul"]) == [
        "Python loop",
        "naive",
        "order",
        "blocking",
        "packing",
        "registers",
        "threads",
        "numgan, 1 thread",
        "numgan",
        "NumPy BLAS",
    ]
    assert list(ladder.RUNGS["conv"]) == [
        "Python loop",
        "naive",
        "order",
        "im2col",
        "packed windows",
        "implicit GEMM",
        "threads",
        "fast",
        "NumPy im2col",
    ]
    assert all(rung.function.__doc__ for rung in ALL)


@needs_rungs
@pytest.mark.parametrize("kernel", ["naive", "order", "blocking", "packing"])
def test_compiled_products_stay_inside_their_arrays(kernel):
    rng, guard = np.random.default_rng(0), 1e30
    a, b = rng.standard_normal((101, 197), np.float32), rng.standard_normal((197, 263), np.float32)
    memory = np.full((103, 263), guard, np.float32)
    memory[1:-1] = 0
    getattr(rungs._ladder, kernel)(a, b, memory[1:-1])
    assert np.all(memory[[0, -1]] == np.float32(guard))
    np.testing.assert_allclose(memory[1:-1], a @ b, atol=1e-4)


# ---- the trial


def test_a_dropped_edge_is_refused():
    def edge(a, b):
        c = np.zeros((len(a), b.shape[1]), a.dtype)
        end = b.shape[1] // 4 * 4 if b.shape[1] > 4 else b.shape[1]
        c[:, :end] = a @ b[:, :end]
        return c

    message = refusal(edge)
    assert message.startswith("matmul 'mine' at a (13, 7), b (7, 17), float32, a contiguous: error 0.9")
    assert (
        "allowed 4.8e-07 (|C - C64| <= 4.8e-07 |A| |B|)" in message
        and ", got 0; 13 of 221 elements are off" in message
    )
    assert "all in the last 1 of 17 along axis 1: is an edge left out?" in message


def test_ignored_strides_are_refused():
    message = refusal(lambda a, b: a.ravel("K").reshape(a.shape) @ b)
    assert "a transposed" in message and "are the strides used?" in message


def test_a_float32_sum_inside_float64_is_refused():
    def narrow(a, b):
        return (a.astype(np.float32) @ b.astype(np.float32)).astype(a.dtype)

    ladder.check(mine(narrow))  # it may claim float32
    assert "as large as float32's roundings" in refusal(narrow, dtypes=("float32", "float64"))


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda a, b: (a.astype(np.float16) @ b.astype(np.float16)).astype(a.dtype), "allowed 4.8e-07"),
        (lambda a, b: (a @ b).T, "expected an array float32 (2, 3), got float32 (3, 2)"),
        (lambda a, b: a.astype(np.float64) @ b, "expected an array float32 (1, 1), got float64 (1, 1)"),
        (lambda a, b: None, "got NoneType"),
        (lambda a, b: a @ b + np.nan, "error nan"),
        (lambda a, b: a @ b + (a.shape[1] == 0), "a (3, 0), b (0, 5)"),
        (lambda a, b: np.multiply(a, 2, out=a) @ b / 2, "it changed its argument a"),
        (lambda a, b: a @ b[::-1], "a (3, 2), b (2, 1)"),
        (lambda a, b: [][0], "raised IndexError"),
    ],
)
def test_a_wrong_product_is_refused(wrong, words):
    assert words in refusal(wrong)


def test_wrong_convolutions_are_refused():
    def conv(x, w, stride, padding):
        return trial.Conv.definition(x, w, stride, padding)

    ladder.check(mine(conv, "conv"))
    assert "stride (1, 2)" in refusal(
        lambda x, w, stride, padding: conv(x, w, (stride[0],) * 2, padding), "conv"
    )
    assert "float32" in refusal(lambda x, w, stride, padding: conv(x, w[::-1], stride, padding), "conv")
    nearly = lambda x, w, stride, padding: conv(x, w, stride, padding) * np.float32(1 + 5e-6)
    assert "|C - C64|" in refusal(nearly, "conv")
    ladder.check(mine(nearly, "conv", fast=True))  # a fast algorithm may round so much, and no more
    worse = lambda x, w, stride, padding: conv(x, w, stride, padding) * np.float32(1 + 3e-5)
    assert "allowed 1.0e-05 (rms(C - C64) <= 1e-5 rms(C64))" in refusal(worse, "conv", fast=True)
    assert "float64" in refusal(nearly, "conv", fast=True, dtypes=("float64",))


# ---- the registry


def test_the_registry_names_what_is_wrong():
    with pytest.raises(ValueError, match="expected one of the kinds matmul, conv, got 'dense'"):
        ladder.rung("dense", "mine")
    with pytest.raises(ValueError, match=r"already has a rung 'NumPy BLAS'.*RUNGS\['matmul'\].pop"):
        ladder.rung("matmul", "NumPy BLAS")
    with pytest.raises(
        ValueError, match="'mine' is to stand after 'nothing', but the matmul ladder has Python loop, "
    ):
        ladder.rung("matmul", "mine", after="nothing")
    with pytest.raises(ValueError, match="expected dtypes"):
        ladder.rung("matmul", "mine", dtypes=("float16",))
    for extra in (
        [mine(np.matmul, name="NumPy BLAS")],
        [mine(np.matmul), mine(np.matmul)],
        [mine(np.matmul, "conv")],
    ):
        with pytest.raises(ValueError, match="climb: expected matmul kernels in extra"):
            ladder.climb("matmul", extra=extra)


def test_a_file_may_import_what_lies_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "product_of_mine.py").write_text("product = lambda a, b: a @ b\n")
    (tmp_path / "kernels.py").write_text(
        "from numgan.bench import ladder\nfrom product_of_mine import product\n"
        "ladder.rung('matmul', 'mine')(product)\n"
    )
    (found,) = ladder.load(tmp_path / "kernels.py")["matmul"]
    ladder.check(found)


def test_a_file_leaves_the_registry_as_it_was():
    before = {kind: list(ladder.RUNGS[kind]) for kind in ladder.KINDS}
    found = ladder.load(EXAMPLE)
    assert [rung.name for rung in found["matmul"]] == ["slabs"] and found["conv"] == []
    assert {kind: list(ladder.RUNGS[kind]) for kind in ladder.KINDS} == before
    ladder.check(*found["matmul"])


# ---- the climb


def test_a_kernel_stands_where_its_speed_puts_it(monkeypatch):
    names = [rung.name for rung in ladder.RUNGS["matmul"].values()]
    milliseconds = {name: 2.0**-i for i, name in enumerate(names)}  # each twice as fast as the one before
    milliseconds["Python loop"] /= 64  # at size 32 of 128
    milliseconds["mine"] = 0.7
    monkeypatch.setattr(
        ladder,
        "interleave",
        lambda sides, **_: {name: timing.Timing.of([milliseconds[name]]) for name in sides},
    )
    monkeypatch.setattr(
        _kernels, "measured_peak", lambda itemsize=4: 7.0
    )  # passed by every rung above "mine", in any build
    steps = ladder.climb(
        "matmul", 128, extra=[mine(np.matmul, note="by hand"), mine(lambda a, b: a @ b * 2, name="wrong")]
    )
    assert [step.name for step in steps] == [names[0], "mine", *names[1:], "wrong"]
    assert steps[0].note == "timed at size 32" and steps[0].ratio_to_previous is None
    assert steps[1].note == f"yours: place {len(names)} of {len(names) + 1}; by hand"
    assert steps[1].gflops == pytest.approx(2 * 128**3 / 0.7e-3 / 1e9) and steps[
        1
    ].share_of_peak == pytest.approx(steps[1].gflops / 7)
    assert steps[1].ratio_to_previous == pytest.approx(1 / 0.7) and steps[
        2
    ].ratio_to_previous == pytest.approx(2)
    above = [step for step in steps if step.ms and step.gflops > 7]
    assert [step.name for step in above] == names[1:] and all(
        "above the measured peak" in step.note for step in above
    )
    assert steps[-1].ms is None and "error" in steps[-1].note


@needs_rungs
def test_threads_are_those_of_the_rung(hurried, monkeypatch):
    before, seen = _kernels.num_threads(), []
    monkeypatch.setitem(ladder.RUNGS, "matmul", {})

    def spy(a, b):
        seen.append(_kernels.num_threads())
        return a @ b

    ladder.climb("matmul", 16, threads=3, extra=[mine(spy)])
    assert seen[-1] == 3 and _kernels.num_threads() == before
    ladder.climb("matmul", 16, threads=3, extra=[mine(spy, threads=1)])
    assert seen[-1] == 1 and _kernels.num_threads() == before


# ---- the command


def run(capsys, *words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    ladder.add_arguments(parser)
    code = ladder.run(parser.parse_args([str(word) for word in words]))
    return code, capsys.readouterr().out


def test_json_and_picture(hurried, capsys, tmp_path):
    code, text = run(
        capsys, "matmul", "--size", 24, "--kernel", EXAMPLE, "--json", "--plot", tmp_path / "ladder.png"
    )
    (found,) = json.loads(text)["ladders"]
    assert code == 0 and (tmp_path / "ladder.png").stat().st_size > 1000
    assert set(found) == {
        "kind",
        "size",
        "problem",
        "dtype",
        "processor",
        "instruction_set",
        "threads",
        "backend",
        "peak_gflops",
        "others_busy",
        "compiled_rungs",
        "steps",
        "refused",
    }
    assert (
        found["kind"] == "matmul"
        and found["size"] == 24
        and found["peak_gflops"] == 100
        and found["refused"] == []
    )
    assert len(found["steps"]) == len(ladder.RUNGS["matmul"]) + 1 and "slabs" in [
        step["name"] for step in found["steps"]
    ]
    for step in found["steps"]:
        assert set(step) == {
            "name",
            "ms",
            "q25",
            "q75",
            "gflops",
            "share_of_peak",
            "error",
            "ratio_to_previous",
            "note",
        }
        assert step["q25"] <= step["ms"] <= step["q75"] and 0 < step["error"] < 5e-7
    assert plot.ladder([found, found]).width == 900


def test_the_table_and_a_refusal(hurried, capsys, tmp_path):
    file = tmp_path / "kernels.py"
    file.write_text(
        "from numgan.bench import ladder\nladder.rung('conv', 'twice')(lambda x, w, stride, padding: 2 * x)\n"
    )
    code, text = run(capsys, "conv", "--size", 2, "--kernel", file)
    assert code == 1 and "refused: conv 'twice' at x (1, 1, 1, 1)" in text
    lines = text.splitlines()
    assert (
        lines[0] == "conv: x (8, 32, 32, 2), w (4, 4, 2, 4), stride (2, 2), padding (1, 1), float32"
        and "GFLOP/s" in lines[1]
    )
    assert [line for line in lines if line.startswith("Python loop") and "e-0" in line]
    assert run(capsys, "--kernel", EXAMPLE, "matmul", "--size", 8)[0] == 0


def test_requests_that_make_no_sense(capsys, tmp_path):
    empty = tmp_path / "empty.py"
    empty.write_text("")
    for words, expected in [
        (("--size", 8), "--size: expected"),
        (("matmul", "--size", 0), "--size: expected"),
        (("--plot", "x.pdf"), "--plot: expected"),
        (("--kernel", empty), "registers no kernel; put"),
        (("conv", "--kernel", EXAMPLE), "registers no kernel of conv; put"),
    ]:
        with pytest.raises(ValueError, match=expected):
            run(capsys, *words)
    for words in [("--kernel", tmp_path / "none.py"), ("--plot", tmp_path / "none" / "x.png")]:
        with pytest.raises(FileNotFoundError):
            run(capsys, *words)


def test_without_compiled_kernels_the_python_rungs_are_offered():
    code = """if True:
        from numgan.bench import ladder, timing
        brief = {"rounds": 1, "seconds": 1e-4, "rest": lambda: None}
        ladder.interleave = lambda sides, **_: timing.interleave(sides, **brief)
        print(ladder.table(ladder.report("matmul", 8)))"""
    out = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMGAN_PURE": "1", "NUMGAN_BACKEND": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (
        "NumPy-only version" in out
        and "Python loop" in out
        and "NumPy BLAS" in out
        and "registers" not in out
    )
