"""The judge: a classifier run that measures pictures, such as the samples of another run.

    judge = open_judge("mnist")          the judge of a known set; it is trained at the first call, and stored
                                         in the cache
    x = as_seen(judge, images)           uint8 pictures as float32 in the judge's pixel range
    probabilities(judge, x)              (N, 10) p(class | x)
    features(judge, x)                   (N, 128) the input of the judge's last layer, for distances between
                                         sets of pictures

A number that a judge gives depends on the judge. So state the judge's data and accuracy (`held_out(judge)`)
with the number, and never compare it with a number from Inception's features.
"""

import hashlib
import json
import os
from dataclasses import asdict, replace

import numpy as np
from threadpoolctl import threadpool_limits

from .. import data, systems
from ..core.errors import FileFormatError
from ..core.files import path_of
from ..core.streams import STDERR
from ..core.underflow import may_underflow
from ..data.idx_sets import cache_folder
from ..data.pixels import to_bytes, to_floats
from ..plot import readable
from ..training import checkpoint, runs
from ..training import loop as training
from ..training.recipes import Recipe

WEAK = 0.5  # below this part of the way from guessing to a perfect classifier, a judge is weak
JUDGED = ("mnist", "fashion-mnist", "digits")  # sets with labels and a test part


def open_judge(name="mnist", shape=None, folder=None, progress=True):
    """Open the judge of a known set, a run of the system `classifier`. Train it if the cache has none.

    name       "mnist", "fashion-mnist" or "digits"
    shape      the shape of the pictures to judge, such as (28, 28, 1); None: that of the set
    folder     the folder of the IDX files, as for data.load
    progress   True: messages and a progress bar on stderr

    The cache is $NUMGAN_CACHE, or the cache folder of the operating system. The folder of a judge is named by
    a digest of the recipe and of the data, so another recipe or other data have another judge. Only one
    process at a time trains a judge of a set; other processes wait. A training that was killed is resumed.

    Raises ValueError for a set without a judge, FileFormatError for a damaged judge in the cache, the errors
    of data.load, and Interrupted after Ctrl-C.
    """
    if name not in JUDGED:
        raise ValueError(
            f"open_judge: expected one of {', '.join(JUDGED)}, got {name!r}; `numgan train classifier` makes "
            "a judge of other data"
        )
    size = None if shape is None else "x".join(map(str, shape))
    recipe = Recipe("classifier", None, name, folder, size=size).resolve()
    system, dataset = recipe.build(), recipe.load()
    about = checkpoint.identity(system, dataset, system.batch_size, 0) | {
        "steps": system.steps,
        "words": list(asdict(recipe)),
    }
    place = cache_folder() / "judges" / name
    home = place / hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    try:
        judge = _finished(home, system, dataset)
        if judge is None:
            place.mkdir(parents=True, exist_ok=True)
            waiting = f"numgan: another process trains a judge in {place}: waiting"
            with runs.alone(place, wait=lambda: progress and print(waiting, file=STDERR, flush=True)):
                judge = _finished(home, system, dataset) or _train(home, recipe, system, dataset, progress)
    except FileFormatError as error:
        raise FileFormatError(
            f"{home}: the judge in this folder is damaged; delete the folder, and it is trained again "
            f"({error})"
        ) from error
    # the data files may have moved since the judge was trained: put their present folder into its recipe
    return replace(judge, config=judge.config | {"recipe": asdict(recipe)})


def judge_of(run):
    """Open the judge (a classifier run) for the data and the picture shape of `run`, as `open_judge` does.

    A judge exists for mnist, fashion-mnist and digits. It is trained here if the cache has none. Returns None
    for other data or shapes, and for a run whose training data were not read (`run.missing`).
    """
    recipe, shape = run.config["recipe"], run.system.sample_shape
    known = [
        systems.build("classifier", preset, systems.NARROW).sample_shape
        for preset in systems.presets("classifier")
    ]
    if run.missing or recipe is None or recipe["data"] not in JUDGED or shape not in known:
        return None
    return open_judge(recipe["data"], shape, recipe["folder"] and path_of(recipe["folder"]))


def _finished(home, system, dataset):
    """Open the judge, a classifier run, in the folder `home`. Returns the open run.

    system and dataset are those of the judge. Returns None if there is no judge or if its training is not
    finished.
    """
    if not (home / "config.json").exists() or not (home / "curves.png").exists():
        return None
    judge = runs.open_run(home, system, dataset)
    return judge if judge.state.step >= system.steps else None


def _train(home, recipe, system, dataset, progress):
    """Train the judge in the folder `home`, or resume its training, and return its open run.

    recipe, system, dataset   the Recipe of the classifier, its System and its training data
    progress                  True: messages and a progress bar on stderr
    """
    training.train(system, dataset, home, resume=runs.begun(home), recipe=recipe, progress=progress)
    return runs.open_run(home, system, dataset)


@may_underflow
def as_seen(judge, images):
    """Convert pictures (N, H, W, C) uint8 to float32 in the pixel range of the judge, an open classifier run.

    The result is the argument x of `probabilities` and `features`. images are the pictures.
    """
    return to_floats(images, judge.system.pixels)


@may_underflow
def probabilities(judge, x):
    """The probabilities p(class | x) of a judge, an open classifier run, for its K classes: (N, K) float32.

    x   pictures (N, H, W, C) float32 in the judge's pixel range (see `as_seen`)

    Raises ValueError for another x, or if `judge` is no classifier run.
    """
    with threadpool_limits(1):
        return judge.system.probabilities(judge.state.params, _checked("probabilities", judge, x))


@may_underflow
def features(judge, x):
    """The features of pictures: the input of the last layer of a judge (a classifier run), (N, F) float32.

    judge   the open run of the classifier
    x       pictures (N, H, W, C) float32 in the judge's pixel range (see `as_seen`)

    F is 128 for the presets. Raises ValueError for another x, or if `judge` is no classifier run.
    """
    with threadpool_limits(1):
        return judge.system.features(judge.state.params, _checked("features", judge, x))


def _checked(where, judge, x):
    """Return x, pictures for the judge. Raises ValueError unless they fit it, or if it is no classifier run.

    where   the name of the function that got x, for the message
    x       must be (N, H, W, C) float32 of the judge's shape, N at least 1, in its pixel range to within 0.01
    """
    _expect_classifier(judge)
    (low, high), shape = judge.system.pixels, judge.system.sample_shape
    if not (isinstance(x, np.ndarray) and x.dtype == np.float32 and len(x) and x.shape[1:] == shape):
        raise ValueError(
            f"{where}: expected pictures (N, {', '.join(map(str, shape))}) float32 and at least one, got "
            f"{getattr(x, 'shape', type(x).__name__)} {getattr(x, 'dtype', '')}; as_seen(judge, images) "
            "makes them of uint8 ones"
        )
    if not (x.min() >= low - 0.01 and x.max() <= high + 0.01):
        raise ValueError(
            f"{where}: expected pixels in {low:g}..{high:g}, the range of this judge, "
            f"got {x.min():g} to {x.max():g}; as_seen(judge, images) makes them of uint8 ones"
        )
    return x


def _expect_classifier(judge):
    """Raise ValueError unless the open run `judge` is that of a classifier."""
    if not hasattr(judge.system, "probabilities"):
        raise ValueError(
            f"{judge.folder} is a run of {type(judge.system).__name__}; a judge is a run of `numgan train "
            "classifier`"
        )


def expect_judge(judge, run):
    """Raise ValueError unless `judge` is a classifier run of the same picture shape and classes as `run`.

    If the data of `run` have no classes, every classifier of this shape fits.
    """
    _expect_classifier(judge)
    if judge.system.sample_shape != run.system.sample_shape:
        raise ValueError(
            f"{judge.folder} judges samples {judge.system.sample_shape}, and {run.folder} draws "
            f"{run.system.sample_shape}"
        )
    names, asked = judge.config["classes"], run.config["classes"]
    if asked and asked != names:
        raise ValueError(
            f"{judge.folder} knows the classes {', '.join(map(readable, names))}, and the data of "
            f"{run.folder} have {', '.join(map(readable, asked))}; judge with a classifier of the same data"
        )


@may_underflow
def judge(run, classifier, count=1000, labels=None, seed=0):
    """Draw samples of a run, classify them with a classifier run, and return the results as a dict.

    run          the open run that draws samples
    classifier   the open run of a classifier
    count        the number of samples
    labels       class numbers to draw, repeated in this order; None: all classes in turn
    seed         the seed of the samples

    The dict has these entries:

    samples        the number of samples
    agreement      fraction of samples that are classified as the requested class; None for samples without
                   classes
    confidence     mean of the highest probability
    shares         {class: fraction of samples that are classified as this class}
    copies         number of samples equal to a training row, after rounding to the grey levels of the data;
                   None if the training data were not read (`run.missing`)
    copies_share   copies divided by the number of samples, or None
    held_out       {rows, accuracy, confidence} of the classifier on real data that it never saw; None if the
                   data have no test part

    Raises ValueError if `classifier` is no classifier run, or has another picture shape or other classes.
    """
    expect_judge(classifier, run)
    names = classifier.config["classes"]
    with threadpool_limits(1):
        x, asked = run.sampler()(count, seed, labels)
        images = to_bytes(x, run.system.pixels)
        p = probabilities(classifier, as_seen(classifier, images))
        answer = p.argmax(axis=1)
        known = run.dataset.columns[run.system.target] if run.missing is None else None
        copied = None if known is None else copies(images, known)
        return {
            "samples": count,
            "agreement": None if asked is None else float((answer == asked).mean()),
            "confidence": float(p.max(axis=1).mean()),
            "shares": {name: float((answer == k).mean()) for k, name in enumerate(names)},
            "copies": copied,
            "copies_share": None if copied is None else copied / count,
            "held_out": held_out(classifier),
        }


@may_underflow
def held_out(classifier):
    """Measure an open classifier run on the test part of its data. Returns a dict, or None:

    rows         the number of test rows
    accuracy     fraction of the rows that are classified correctly
    confidence   mean of the highest probability

    It returns None if the data have no test part or were moved, or if the run was started from Python code
    without a recipe.
    """
    recipe = classifier.config["recipe"]
    if recipe is None:
        return None
    try:
        known = recipe["data"] in data.names() and not recipe.get("test")
        test = Recipe(**recipe).load("test") if known else Recipe(**recipe).test_part(classifier.dataset)
    except OSError:  # the files are not there, and cannot be downloaded
        return None
    except ValueError:
        if recipe["data"] not in data.names() and not os.path.exists(path_of(recipe["data"])):
            return None  # the file or folder of the user was moved
        raise
    if test is None or test.labels is None:
        return None
    rows = test.rows(np.arange(len(test)), classifier.system.pixels)
    p = probabilities(classifier, rows["x"])
    accuracy = float((p.argmax(axis=1) == rows["labels"]).mean())
    return {"rows": len(test), "accuracy": accuracy, "confidence": float(p.max(axis=1).mean())}


def doubt(found, classes):
    """A text that says so if a judge is hardly better than guessing; "" otherwise.

    Its accuracy a and chance c = 1 / classes then have (a - c) / (1 - c) below WEAK (0.5).

    found     what `held_out` returned for the judge: a dict, or None
    classes   the number of its classes
    """
    if found is None or found["accuracy"] - 1 / classes >= WEAK * (1 - 1 / classes):
        return ""
    return f"hardly better than guessing ({1 / classes:.2%}), so its numbers say little: train it longer"


@may_underflow
def copies(images, real):
    """Count the pictures in `images` (M, H, W, C) that equal a picture in `real` (N, H, W, C).

    Both are uint8. Each pixel of `images` is first rounded to the nearest grey level that occurs in `real`.
    """
    levels = np.unique(real).astype(np.int64)
    nearest = levels[np.abs(np.arange(256)[:, None] - levels).argmin(axis=1)].astype(np.uint8)
    # nearest[v] is the level for the grey value v
    known = {row.tobytes() for row in real}
    return sum(row.tobytes() in known for row in nearest[images])
