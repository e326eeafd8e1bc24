"""The study of stacked digits, on the package's digits: data, nets, count of modes, a quick trial."""

import json
import os

import numpy as np
import pytest

from numgan import cli, studies
from numgan.core.errors import TrialError
from numgan.data import load
from numgan.layers import Conv2d, ConvTranspose2d, Pack
from numgan.metrics import label_coverage
from numgan.studies import STUDIES, stacked

REAL = os.environ.get("NUMGAN_DATA")
real = pytest.mark.skipif(
    not REAL, reason="NUMGAN_DATA is not set: it should name a folder with mnist/ in it"
)


@pytest.fixture(scope="module")
def digits():
    return load("digits", size=28)


@pytest.fixture(scope="module")
def data(digits):
    return stacked.triples(digits)


def test_a_triple_is_three_digits_one_a_colour(digits, data):
    rows = np.array([0, 7, 999_999])
    found = data.rows(rows)
    x, labels = found["x"], found["labels"]
    assert (
        len(data) == 1_000_000 and data.sample_shape == (28, 28, 3) == x.shape[1:] and x.dtype == np.float32
    )
    for row, picture, label in zip(rows, x, labels, strict=True):
        a, b, c = data.triples[row]
        assert label == int("".join(str(digits.labels[digit]) for digit in (a, b, c)))
        expected = digits.rows(np.array([a, b, c]))["x"][..., 0]
        np.testing.assert_array_equal(picture, np.moveaxis(expected, 0, -1))
    assert np.array_equal(stacked.triples(digits).triples, data.triples)


def test_triples_are_drawn_evenly(data):
    for colour in data.triples.T:
        counts = np.bincount(colour, minlength=1500)
        assert abs(counts / counts.mean() - 1).max() < 5 / counts.mean() ** 0.5
    assert (
        abs(np.corrcoef(data.triples.T) - np.eye(3)).max() < 0.005
    )  # the colours know nothing of each other


@real
def test_what_counts_as_perfect():
    """25,600 real triples by their true labels have all modes.

    The KL is 999 / 2N from chance, and 0.0043 from digits that are not equally frequent.
    """
    data = stacked.triples(load("mnist"))
    found = label_coverage(data.rows(np.arange(stacked.SAMPLES))["labels"], stacked.CLASSES)
    assert found.captured == 1000 and abs(found.kl - 0.0240) < 0.002


@pytest.mark.parametrize("arm", stacked.ARMS)
def test_the_nets_are_the_papers(arm):
    if arm == "real":
        return
    gan = stacked.system(arm)
    m = 2 if "pac2" in arm else 1
    filters = {"quarter": (2, 4, 8), "half": (4, 8, 16)}[arm.split("-")[0]]
    G, D = gan.networks["G"], gan.networks["D"]
    assert [shape for _, layer, shape in G.parts((256,)) if isinstance(layer, (ConvTranspose2d, Conv2d))] == [
        (4, 4, 64),
        (7, 7, 32),
        (14, 14, 16),
        (28, 28, 8),
    ] and G.output_shape((256,)) == (28, 28, 3)
    assert [
        layer.output_shape(shape) for _, layer, shape in D.parts((28, 28, 3)) if isinstance(layer, Conv2d)
    ] == [(size, size, n) for size, n in zip((14, 7, 4), filters, strict=True)] and D.output_shape(
        (28, 28, 3)
    ) == (1,)
    assert isinstance(D[0], Pack) == (m == 2) and gan.batch_size % m == 0


def test_labels_are_read_colour_by_colour():
    """A classifier reads the digit off the grey level. If all 1,000 labels occur once, the KL is 0."""
    levels = np.arange(10) * 25

    def name(images):
        return np.eye(10)[np.rint(images[:, 0, 0, 0] / 25).astype(int)]

    def draw(n, part):
        labels = np.arange(part * n, (part + 1) * n) % 1000
        colours = np.stack([labels // 100, labels // 10 % 10, labels % 10], axis=-1)
        return np.broadcast_to(levels[colours][:, None, None] / 127.5 - 1, (n, 2, 2, 3)).astype(np.float32)

    assert stacked.judged(draw, name, 2000) == {"modes": 1000, "kl": 0.0, "confidence": 1.0}
    few = stacked.judged(lambda n, part: draw(n, 0), name, 200)  # labels 0 to 9 only: a and b never change
    assert few["modes"] == 10 and abs(few["kl"] - np.log(100)) < 1e-12


def test_the_quick_classifier_knows_most_digits(digits):
    test = load("digits", "test", size=28)
    assert (stacked._nearest_mean(digits)(test.x).argmax(axis=1) == test.labels).mean() > 0.75


@pytest.mark.parametrize("arm", ["quarter-5", "half-r3pac2"])
def test_a_quick_trial(arm, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(stacked, "load", lambda name: digits)
    told = []
    found = stacked.trial(arm, 0, True, tmp_path, told.append)
    assert (
        1 <= found["modes"] <= 1000 and 0 <= found["kl"] <= np.log(1000) and found["steps"] == stacked.QUICK
    )
    again = stacked.trial(arm, 0, True, tmp_path, told.append)  # nothing is left to do, and the figures stay
    assert all(found[key] == again[key] for key in ("modes", "kl", "confidence"))
    json.dumps(found)
    results = {name: [found] for name in ("real", arm)}
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / f"{arm}-0").symlink_to(tmp_path)
    pictures = stacked.draw(results, tmp_path)
    assert pictures.keys() == {"samples.png"}


def test_without_mnist_it_says_what_it_needs(tmp_path, monkeypatch, in_this_process):
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(
        TrialError, match="trial real, seed 0, failed: .*mnist.*unset NUMGAN_DATA to download it"
    ):
        studies.run(
            "stacked-mnist",
            STUDIES["stacked-mnist"],
            tmp_path / "s",
            quick=True,
            seeds=1,
            processes=1,
            progress=False,
        )


def test_the_command_says_it_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        studies, "run", lambda *args, **options: (_ for _ in ()).throw(TrialError("trial real failed"))
    )
    assert cli.main(["study", "stacked-mnist", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "numgan study: trial real failed\n"
