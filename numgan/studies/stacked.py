"""`stacked-mnist`: pictures of three digits in three colours, 1,000 modes, and a D too small to see them.

The protocol is that of Metz et al. 2017 (unrolled GANs), section 3.3.1, with the constants of Lin et al. 2018
(PacGAN), table 3. A picture consists of three random digits, one in each colour. A classifier finds the
digits a, b, c of 25,600 samples of the last iterate. The mode of a sample is the label 100 a + 10 b + c. KL
is the divergence of the histogram of labels from the uniform one. All arms have the same G. As in the paper,
D has only 1/4 or 1/2 of its usual number of filters.

The classifier gives a label to a picture of noise too. So the table also has the confidence of the
classifier.
"""

from dataclasses import dataclass

import numpy as np

from .. import plot
from ..core.arrays import load_array, save_array
from ..core.randomness import derive, stream
from ..data import Dataset, load
from ..data.pixels import to_bytes, to_floats
from ..evaluation.judging import as_seen, open_judge, probabilities
from ..layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    Pack,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from ..metrics import label_coverage
from ..optimizers import Adam
from ..systems import Latent
from ..systems.games.pacgan import PacGAN
from ..systems.games.r3gan import R3GAN
from ..systems.games.unrolled import UnrolledGAN
from .protocol import Column, Study, folder_of, train, trained

CLASSES = 1000
SAMPLES, PARTS = 25_600, 20  # samples for the judge, drawn in 20 parts: a part takes 12 MB
TRIPLES = 1_000_000  # training pictures; each is put together when a batch needs it
QUICK = 4  # steps with --quick
SHOWN = 14  # samples of an arm in the picture

FILTERS = {"quarter": 2, "half": 4}  # channels of D's first convolution
SIZES = {"quarter": "D 1/4", "half": "D 1/2"}
REMEDIES = {
    "0": "0 steps ahead",
    "1": "1 step ahead",
    "5": "5 steps ahead",
    "10": "10 steps ahead",
    "pac2": "PacGAN2",
    "r3pac2": "R3GAN, pairs",
}
STEPS, PACKED_STEPS = 2000, 3000  # a step with packing takes a fraction of the time of an unrolled step
RATE, PACKED_RATE = 1e-3, 2e-3  # of D; with 2e-3, unrolling 5 and 10 steps gave similar results
ARMS = {"real": "digits"} | {
    f"{size}-{remedy}": f"{SIZES[size]}, {words}" for size in SIZES for remedy, words in REMEDIES.items()
}

COLUMNS = (
    Column("modes", "modes of 1,000", 1),
    Column("kl", "KL"),
    Column("confidence", "classifier's confidence, %", 1, 100),
    Column("steps", "iterations", 0),
    Column("minutes", "minutes", 1),
)


@dataclass(frozen=True, eq=False, repr=False)
class Triples(Dataset):
    """A data set of a million pictures (28, 28, 3). Each has three random digits, one in each colour.

    x         (N, 28, 28, 1) uint8, the N digits of which the pictures are made
    labels    (N,), the labels of the digits
    triples   (TRIPLES, 3), row k has the indices of the three digits of picture k

    A picture is made when `rows` asks for it. Its label is 100 a + 10 b + c, where a, b, c are its digits'
    labels.
    """

    triples: np.ndarray = None

    def __len__(self):
        return len(self.triples)

    @property
    def sample_shape(self):
        return *self.x.shape[1:3], 3

    def rows(self, indices, pixels=(-1.0, 1.0)):
        """{"x": pictures (n, 28, 28, 3) in the range `pixels`, "labels": (n,)} of the rows `indices` (n,)."""
        chosen = self.triples[indices]
        x = np.stack([self.x[digits, ..., 0] for digits in chosen.T], axis=-1)
        labels = self.labels[chosen] @ np.array([100, 10, 1])  # 100 a + 10 b + c
        return {"x": to_floats(x, pixels), "labels": labels}


def triples(digits):
    """Make the Triples from `digits`, a Dataset of digits. The random indices are the same in every call."""
    rows = stream(2017, "stacked-mnist").integers(0, len(digits), (TRIPLES, 3))
    return Triples(
        "stacked-mnist", digits.x, digits.labels, digits.classes, digits.source, triples=rows.astype(np.int32)
    )


def generator():
    """The network G: z (N, 256) -> 4x4x64 -> 7x7x32 -> 14x14x16 -> 28x28x8 -> pictures (N, 28, 28, 3)."""
    layers = [Dense(256, 4 * 4 * 64, bias=False), Reshape(4, 4, 64), BatchNorm(64), ReLU()]
    for inputs, outputs, even in ((64, 32, 0), (32, 16, 1), (16, 8, 1)):
        layers += [
            ConvTranspose2d(inputs, outputs, kernel=3, stride=2, padding=1, output_padding=even, bias=False),
            BatchNorm(outputs),
            ReLU(),
        ]
    return Sequential(*layers, Conv2d(8, 3, kernel=3, padding=1), Tanh())


def discriminator(filters, m=1):
    """The network D: pictures (m N, 28, 28, 3) -> logits (N, 1), one for each pack of m pictures.

    It has three convolutions and a dense layer. The outputs of the convolutions have 14 x 14, 7 x 7 and 4 x 4
    pixels; the first one has `filters` channels, and each of the next two has twice the channels of the one
    before.
    """
    layers = [Pack(m)] if m > 1 else []
    for inputs, outputs in ((3 * m, filters), (filters, 2 * filters), (2 * filters, 4 * filters)):
        layers += [Conv2d(inputs, outputs, kernel=3, stride=2, padding=1), LeakyReLU(0.3)]
    return Sequential(*layers, Flatten(), Dense(4 * 4 * 4 * filters, 1))


def system(arm):
    """The GAN of the arm "SIZE-REMEDY": SIZE is a key of FILTERS, REMEDY a key of REMEDIES.

    "pac2" gives a PacGAN with packs of 2, "r3pac2" an R3GAN with packs of 2, and a number K an UnrolledGAN
    with K updates of D in G's loss. z has 256 entries, batches have 128 samples, the optimisers are Adam.
    """
    size, remedy = arm.split("-")
    m = 2 if remedy.endswith("pac2") else 1
    beta1, rate = 0.0 if remedy == "r3pac2" else 0.5, PACKED_RATE if m == 2 else RATE
    common = {
        "latent": Latent(256),
        "sample_shape": (28, 28, 3),
        "batch_size": 128,
        "shares_fakes": True,
        "networks": {"G": generator(), "D": discriminator(FILTERS[size], m)},
        "optimizers": {name: Adam(lr, beta1=beta1, beta2=0.99) for name, lr in (("D", rate), ("G", 1e-3))},
    }
    if remedy == "pac2":
        return PacGAN(**common)
    if remedy == "r3pac2":
        return R3GAN(gamma=0.05, every=16, average=0.99, **common)
    return UnrolledGAN(unroll=int(remedy), **common)


def trial(arm, seed, quick, folder, tell):
    """Train the GAN of one arm and count its modes. The arm "real" only counts the modes of the data.

    Returns {figure: value}: the figures of `judged`, and the steps and minutes of the training. They come
    from 25,600 samples, with `quick` from 400. Writes SHOWN = 14 samples to samples.npy in `folder`, except
    for "real". With `quick` the classifier is that of `_nearest_mean`, otherwise numgan's judge of MNIST. arm
    is a key of ARMS, seed that of training and samples; tell(fraction) moves the progress bar.
    """
    digits = load("mnist")
    data = triples(digits)
    classify = _nearest_mean(digits) if quick else _judge()
    count = SAMPLES // 64 if quick else SAMPLES  # 400 with --quick: 20 in each part
    if arm == "real":
        rows = stream(seed, "real").integers(0, TRIPLES, count)
        return judged(lambda n, part: data.rows(rows[part * n : (part + 1) * n])["x"], classify, count)
    gan, steps = system(arm), QUICK if quick else PACKED_STEPS if arm.endswith("pac2") else STEPS
    run = train(gan, data, folder / "run", seed, tell, steps)
    sampler = run.sampler()
    shown, _ = sampler(SHOWN, derive(seed, "shown"))  # (samples, labels)
    save_array(folder / "samples.npy", to_bytes(shown, gan.pixels))

    def drawn(n, part):
        x, _ = sampler(n, derive(seed, "judged", part))
        return x

    found = judged(drawn, classify, count)
    return found | trained(run)


def judged(draw, classify, count):
    """Count the modes of pictures: {"modes": captured modes, "kl": KL, "confidence": mean confidence}.

    draw       draw(n, part) returns n pictures in -1..1; it is called with part = 0, 1, ..., PARTS - 1
    classify   classify(images (n, 28, 28, 1) uint8) -> (n, 10), the probabilities of the digits in one colour
    count      the number of pictures, in PARTS = 20 equal parts

    The KL is that of the histogram of the 1,000 modes from the uniform distribution. The confidence is the
    largest of the ten probabilities.
    """
    labels, confidence = [], []
    for part in range(PARTS):
        images = to_bytes(draw(count // PARTS, part), (-1.0, 1.0))
        p = np.stack([classify(images[..., colour : colour + 1]) for colour in range(3)])  # (3, n, 10)
        labels.append(p.argmax(axis=2).T @ np.array([100, 10, 1]))  # 100 a + 10 b + c
        confidence.append(p.max(axis=2).mean())
    found = label_coverage(np.concatenate(labels), CLASSES)
    return {"modes": found.captured, "kl": found.kl, "confidence": float(np.mean(confidence))}


def _judge():
    """Make a function classify(images (N, 28, 28, 1) uint8) -> p (N, 10), by numgan's judge of MNIST.

    p are the probabilities of the digits. All studies share this judge. It is trained if the cache has none.
    """
    judge = open_judge("mnist", progress=False)
    return lambda images: probabilities(judge, as_seen(judge, images))


def _nearest_mean(digits):
    """Make a function classify(images (N, 28, 28, 1) uint8) -> p (N, 10) that needs no training, for --quick.

    p is 1 for the nearest of ten mean digits and 0 for the other ones. The means are those of `digits`, a
    Dataset. The accuracy is about 80 %.
    """
    means = np.stack([digits.x[digits.labels == digit].mean(axis=0).ravel() for digit in range(10)])
    means = means.astype(np.float32)

    def p(images):
        rows = images.reshape(len(images), -1).astype(np.float32)
        # |row - mean|^2 without |row|^2, which is the same for all means
        distance = -2 * rows @ means.T + np.square(means).sum(axis=1)
        return np.eye(10, dtype=np.float32)[distance.argmin(axis=1)]

    return p


def draw(results, out):
    """Draw samples of seed 0, one row for each arm except the data. Returns {"samples.png": image}.

    results is {arm: [result of each seed]}. The samples are read from the study's folder `out`.
    """
    arms = [arm for arm in results if arm != "real"]
    samples = np.concatenate([load_array(folder_of(out, arm, 0) / "samples.npy") for arm in arms])
    return {"samples.png": plot.grid(samples, SHOWN, [ARMS[arm] for arm in arms])}


PUBLISHED = {
    "D 1/4, 0 steps": ("30.6 ± 20.7", "5.99 ± 0.42"),
    "D 1/4, 1 step": ("65.4 ± 34.8", "5.91 ± 0.14"),
    "D 1/4, 5 steps": ("236.4 ± 63.3", "4.67 ± 0.43"),
    "D 1/4, 10 steps": ("327.2 ± 74.7", "4.66 ± 0.46"),
    "D 1/4, PacDCGAN2": ("484.5 ± 33.0", "2.61 ± 0.22"),
    "D 1/4, PacDCGAN4": ("667.4 ± 29.0", "1.81 ± 0.15"),
    "D 1/2, 0 steps": ("628.0 ± 140.9", "2.58 ± 0.75"),
    "D 1/2, 1 step": ("523.6 ± 55.8", "2.44 ± 0.26"),
    "D 1/2, 5 steps": ("732.0 ± 45.0", "1.66 ± 0.09"),
    "D 1/2, 10 steps": ("817.4 ± 37.9", "1.43 ± 0.12"),
    "D 1/2, PacDCGAN2": ("840.7 ± 15.9", "1.00 ± 0.05"),
    "D 1/2, PacDCGAN3": ("866.6 ± 12.1", "0.90 ± 0.04"),
}

DIFFERS = f"""\
The GANs train for {STEPS:,} iterations, the packed ones for {PACKED_STEPS:,}, the paper's for at most
500,000. So the learning rates are larger: Adam with betas 0.5 and 0.99, a rate of 1e-3 for G (the paper:
1e-4), and for D {RATE:g}, or {PACKED_RATE:g} if packed (the paper: 2e-4). D has no BatchNorm, and both
players use the same fakes. The unrolled and plain GANs play the minimax game, in which the loss of G is the
negative loss of D. PacGAN2 has the non-saturating loss. R3GAN has packs of two, R1 and R2 of 0.05 at every
16th step, a moving average of 0.99 and beta1 = 0. Rates and steps were chosen on seed 0. The classifier is
numgan's judge of MNIST. Published figures: mean ± standard error."""

STACKED = Study(
    "1,000 modes of stacked digits: unrolling and packing against a D too small to see them all.",
    "Metz et al. 2017 (unrolled GANs), section 3.3.1; Lin et al. 2018 (PacGAN), table 3",
    ARMS,
    COLUMNS,
    trial,
    seeds=3,
    draw=draw,
    published={f"{row}, published": {"modes": modes, "kl": kl} for row, (modes, kl) in PUBLISHED.items()},
    differs=DIFFERS,
)
