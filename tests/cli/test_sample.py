"""numgan sample: pictures, arrays, and the figures of a judge."""

import json
from pathlib import Path

import numpy as np
import pytest
from cli_cases import refused
from PIL import Image

from numgan.evaluation import judging
from numgan.training import runs


def test_sample_draws_a_picture_or_arrays(numgan, folder):
    run = folder / "conditional"
    assert numgan("sample", run)[0] == 0
    with Image.open(run / "drawn.png") as all_classes, Image.open(run / "samples.png") as final:
        assert all_classes.size == final.size
    code, out, _ = numgan(
        "sample", run, "--labels", "3,7", "--count", 6, "--seed", 5, "--out", "two.npz", "--json"
    )
    assert code == 0 and json.loads(out) == {
        "run": str(run),
        "seed": 5,
        "file": "two.npz",
        "labels": [3, 7],
        "classes": ["3", "7"],
    }
    with np.load("two.npz") as file:
        assert (
            file["x"].shape == (6, 8, 8, 1)
            and file["x"].dtype == np.uint8
            and list(file["labels"]) == [3, 7, 3, 7, 3, 7]
        )
        first = file["x"]
    numgan("sample", run, "--labels", "3,7", "--count", 6, "--seed", 5, "--out", "again.npz")
    numgan("sample", run, "--labels", "3,7", "--count", 6, "--seed", 6, "--out", "other.npz")
    with np.load("again.npz") as again, np.load("other.npz") as other:
        assert np.array_equal(again["x"], first) and not np.array_equal(other["x"], first)
    assert numgan("sample", run, "--labels", "3,7", "--count", 5, "--out", "two.png")[0] == 0
    with Image.open("two.png") as picture:
        assert picture.height < picture.width  # two rows of three, the last place empty
    refused(numgan("sample", run, "--out", "x.bmp"), ".png or .npz")
    refused(numgan("sample", run, "--labels", "3,10"), "from 0 to 9")
    refused(numgan("sample", folder / "gan", "--labels", "3"), "no labels")
    refused(
        numgan("sample", folder / "classifier"),
        "is a run of Classifier, which draws no samples: it tells the class of a picture",
    )
    refused(numgan("sample", "nothing"), "not a run")


def test_judging(numgan, folder):
    words = ["sample", folder / "conditional", "--judge", folder / "classifier", "--count", 50]
    result = json.loads(numgan(*words, "--json")[1])
    assert set(result) == {
        "run",
        "seed",
        "judge",
        "samples",
        "agreement",
        "confidence",
        "shares",
        "copies",
        "copies_share",
        "held_out",
    }
    assert result["samples"] == 50 and 0 <= result["agreement"] <= 1 and 0.1 <= result["confidence"] <= 1
    assert sum(result["shares"].values()) == pytest.approx(1) and list(result["shares"]) == list("0123456789")
    assert result["held_out"]["rows"] == 297 and result["held_out"]["accuracy"] > 0.3
    code, out, _ = numgan(*words)
    assert code == 0 and f"{result['agreement']:.2%}" in out and "copies" in out and "297 held-out" in out
    code, out, _ = numgan("sample", folder / "gan", "--judge", folder / "classifier", "--out", "x.png")
    assert code == 0 and "1,000 samples" in out and "-" in out and Path("x.png").exists()
    refused(numgan("sample", folder / "conditional", "--judge", folder / "gan"), "a judge is")


def test_the_judge_knows_real_digits_and_their_labels(folder, monkeypatch):
    """The "generator" returns training rows: agreement is the classifier's accuracy, and all are copies."""
    run, classifier = runs.open_run(folder / "conditional"), runs.open_run(folder / "classifier")

    class Real:
        def __call__(self, n, seed, labels=None):
            rows = run.dataset.rows(np.arange(n), run.system.pixels)
            return rows["x"], rows["labels"]

    monkeypatch.setattr(runs.OpenRun, "sampler", lambda self: Real())
    judged = judging.judge(run, classifier, 300)
    assert judged["copies"] == 300 and abs(judged["agreement"] - judged["held_out"]["accuracy"]) < 0.15
