"""`balance`: a D that is too strong, too weak, or overfits its training rows.

    strong        D makes 10 updates for each update of G, or D has 1,024 units in a hidden layer
    weak          D makes one update for 5 updates of G, or D has 32 units in a hidden layer
    overfitting   D learns from 300 or 100 digits, or a WGAN-GP critic from 1,500, 300 or 100. The outputs on
                  training rows and on held-out rows then differ more and more (the check of Gulrajani et al.
                  2017, section 5.6, there on 1,000 digits of MNIST)

Let f be the logit of D or the output of the critic. Both distances use the same fakes:

    distance             mean f(training rows) - mean f(fakes)
    held-out distance    mean f(held-out rows) - mean f(fakes)
    gap                  (mean f(training rows) - mean f(held-out rows)) / distance
                         0: D treats held-out rows like training rows; 1: D treats held-out rows like fakes
"""

from dataclasses import dataclass, replace

import numpy as np

from .. import plot
from ..losses import minimax
from ..metrics import density_coverage, kid
from ..networks import digit_discriminator
from ..systems.games import gan, wgan_gp
from ..systems.games.gan import GAN
from .looks import TRAINING, Looks, accuracy, curve, digits, fakes, logits, ranked
from .protocol import Column, Study, train, trained

ARMS = {
    "even": "GAN, one update of each",
    "d10": "10 of D to one of G",
    "d10-minimax": "10 of D, minimax loss",
    "g5": "one of D to 5 of G",
    "wide": "D of 1,024 units",
    "narrow": "D of 32 units",
    "gan-300": "GAN on 300 rows",
    "gan-100": "GAN on 100 rows",
    "critic-1500": "WGAN-GP on 1,500 rows",
    "critic-300": "WGAN-GP on 300 rows",
    "critic-100": "WGAN-GP on 100 rows",
}
STEPS, EVERY, SAMPLES = 6000, 50, 1000  # steps of G; steps between two measurements; fakes in each
QUICK = 10, 2  # STEPS and EVERY with --quick
UNITS = {"wide": 1024, "narrow": 32}  # units in each hidden layer of D; in the other arms 256
LOOKS = "looks.jsonl"  # the file of the measurements in the folder of a trial


@dataclass(frozen=True, kw_only=True, repr=False)
class Rare(GAN):
    """A GAN that trains D only in every `rest`-th step. G is trained in every step.

    rest   D is trained in the steps 0, rest, 2 rest, ...
    """

    rest: int = 1

    def rounds(self, step):
        """The names of the objectives of a step: "D" (k times) and "G", or "G" alone."""
        return super().rounds(step) if step % self.rest == 0 else ("G",)


def system(arm):
    """The system of `arm`, a key of ARMS: a preset for 8x8 digits, without a moving average of G.

    critic-...          the preset of `wgan_gp`, unchanged
    wide, narrow        the preset of `gan`, with 1,024 or 32 units in each hidden layer of D
    d10, d10-minimax    the preset of `gan`, with 10 updates of D for one of G; the second: minimax loss
    g5                  the preset of `gan`, with one update of D for 5 of G
    other arms          the preset of `gan`, unchanged

    An arm may have fewer training rows, see `rows_of`.
    """
    if arm.startswith("critic"):
        return wgan_gp.digits().with_average(0.0)
    even = Rare(**vars(gan.digits()) | {"average": 0.0})
    if arm in UNITS:
        return even.with_networks(D=digit_discriminator(UNITS[arm]))
    changes = {"d10": {"k": 10}, "d10-minimax": {"k": 10, "loss": minimax}, "g5": {"rest": 5}}
    return replace(even, **changes.get(arm, {}))


def rows_of(arm):
    """The number of training rows of an arm: 300 for "gan-300"; 1,500 if no number follows a hyphen."""
    *_, last = arm.rsplit("-", 1)
    return int(last) if last.isdigit() else TRAINING


def view(player, data, held):
    """Make the function measure(state) -> {figure: number} that `Looks` calls at regular steps.

    player   the GAN or WGAN-GP that is trained
    data     the Dataset of its training rows
    held     the held-out rows, pictures (N, 8, 8, 1)

    `state` is the State of the training. measure draws 1,000 fakes. Its figures:

    accuracy                 D's accuracy on held-out rows and fakes; not for a critic
    ranks, ranks_new         the share of pairs (training row, fake) or (held-out row, fake) in which D's
                             output is higher for the row
    distance, distance_new   mean output of D for training rows or held-out rows, minus that for fakes
    gap                      (mean for training rows - mean for held-out rows) / distance
    kid, coverage            1000 times the KID, and the coverage, of the fakes beside the held-out rows
    """
    real, flat = data.rows(np.arange(len(data)))["x"], held.reshape(len(held), -1)
    critic = isinstance(player, wgan_gp.WGANGP)

    def measure(state):
        x = fakes(player, state, SAMPLES)
        # D's outputs on training rows, held-out rows and fakes
        known, new, fake = (logits(player, state, rows).astype(np.float64) for rows in (real, held, x))
        distance = known.mean() - fake.mean()
        found = {} if critic else {"accuracy": accuracy(new, fake)}  # 0 is no threshold for a critic's output
        x = x.reshape(SAMPLES, -1)
        return found | {
            "ranks": ranked(known, fake),
            "ranks_new": ranked(new, fake),
            "distance": distance,
            "distance_new": new.mean() - fake.mean(),
            "gap": (known.mean() - new.mean()) / distance,
            "kid": 1e3 * kid(flat, x),
            "coverage": density_coverage(flat, x).coverage,
        }

    return measure


def trial(arm, seed, quick, folder, tell):
    """Train one arm and measure it at regular steps. Returns {figure: value} of the last measurement.

    The result also has the lowest KID of all measurements ("best_kid"), its step ("best_step"), and the steps
    and minutes of the training. arm is a key of ARMS, seed the seed of the training. Training takes 6,000
    steps of G with a measurement every 50, with `quick` 10 and 2. The files are in `folder`; tell(fraction)
    moves the progress bar.
    """
    steps, every = QUICK if quick else (STEPS, EVERY)
    player = system(arm)
    data, held = digits(rows_of(arm))
    looks = Looks(folder / LOOKS, every, view(player, data, held))
    run = train(player, data, folder / "run", seed, tell, steps, look=looks)
    last = {name: value for name, value in looks.records[steps].items() if name != "step"}
    best = looks["kid"].argmin()
    return last | {"best_kid": looks["kid"][best], "best_step": int(looks.steps[best])} | trained(run)


COLUMNS = (
    Column("accuracy", "D's accuracy, held-out rows, %", 1, 100),
    Column("ranks", "training rows above fakes, %", 1, 100),
    Column("ranks_new", "held-out rows above fakes, %", 1, 100),
    Column("gap", "gap, % of the distance", 0, 100),
    Column("kid", "KID x 1000", 0),
    Column("coverage", "coverage, %", 1, 100),
    Column("best_kid", "lowest KID", 0),
    Column("best_step", "at step", 0),
    Column("minutes", "minutes"),
)


def draw(results, out):
    """Draw curves over the steps of G, for seed 0 of every arm. Returns {file name: picture}.

    The panels show the accuracy of D, the KID of the fakes (once for the arms that change the strength of D,
    once for those with few training rows), and for each critic its distance on training rows and on held-out
    rows. The picture is balance.png. results is {arm: [result of each seed]}. The curves are read from the
    study's folder `out`.
    """
    critics = [arm for arm in results if arm.startswith("critic")]
    strength = [arm for arm in results if rows_of(arm) == TRAINING and arm not in critics]
    few = [arm for arm in results if arm == "even" or arm not in strength]

    def curves(arms, figure):  # {heading of an arm: (steps, values)} for a panel
        return {ARMS[arm]: curve(out, arm, LOOKS, figure) for arm in arms}

    panels = [
        {
            "title": "strength of D",
            "y": "D's accuracy on held-out rows",
            "curves": curves(strength, "accuracy"),
            "level": 0.5,
        },
        {"title": "strength of D", "y": "KID x 1000", "curves": curves(strength, "kid"), "log": True},
        *(
            {
                "title": ARMS[arm],
                "y": "mean f(real) - mean f(fake)",
                "level": 0.0,
                "curves": {
                    "training rows": curve(out, arm, LOOKS, "distance"),
                    "held-out rows": curve(out, arm, LOOKS, "distance_new"),
                },
            }
            for arm in critics
        ),
        {"title": "rows to train on", "y": "KID x 1000", "curves": curves(few, "kid"), "log": True},
    ]
    return {"balance.png": plot.over_steps(panels, 2, "digits, seed 0")}


DIFFERS = f"""\
The data are 8x8 digits, and the networks have 2 x 256 dense units. Every arm makes {STEPS:,} G steps, so in
some arms D makes ten times as many updates as in others, and in one arm a fifth. All arms have the same 297
held-out rows, also those that train on fewer rows. "Rows above fakes" is the share of pairs that D ranks
correctly; 50 means that D does not tell them apart. The distance is the critic's estimate without its
penalty. KID and coverage compare the pixels of 1,000 samples with the held-out rows; the KID of real rows
is 0 ± 3. "Lowest KID" is that of the best look, which was chosen after the run. So it is not a result, but
it shows whether further training made the samples worse."""

BALANCE = Study(
    "A D that is too strong, too weak, or has learnt its rows by heart.",
    "Gulrajani et al. 2017, section 5.6 (overfitting critics; a figure "
    "without a table); the strength of D has no published table",
    ARMS,
    COLUMNS,
    trial,
    seeds=3,
    draw=draw,
    differs=DIFFERS,
)
