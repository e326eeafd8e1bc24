"""Health: a diagnosis of a run from its curves and samples.

    for verdict in examine(run): print(verdict.level, verdict.check, verdict.says)

A Verdict is the result of one check. The loss of a good GAN does not fall to zero, so its curves are checked
for known failures (curve_checks.py): a discriminator that is always right and gives G no gradient, a
generator's gradient that vanishes or grows without bound, losses that grow without bound. The samples are
compared with real rows (sample_checks.py): their quality, their variety, and whether they are copies. Every
figure of samples stands beside the same figure of true rows. Before all this, health says how young the run
is, because most problems of a young run have one remedy: to train longer.
"""

from ..systems import doubts
from ..training import runs
from .advice import Adviser, usual_steps
from .curve_checks import curves as _curves
from .sample_checks import samples as _samples
from .verdicts import LEVELS, Limits, Verdict, worst

__all__ = ["LEVELS", "Limits", "Verdict", "examine", "worst"]

# A run with less than this share of the steps of its preset is young. Measured: gan on digits is bad after a
# twentieth of the steps and good after half of them. r3gan on digits is good after half of them, too.
YOUNG = 0.5


def examine(run):
    """Check an open run. Returns a list of Verdicts, the results of the checks.

    The checks are on the number of steps, on the system's design, on the run's curves and, if the run has a
    generator, on samples that are drawn here. The Verdicts have the order of the checks, not of the levels.
    """
    records = runs.read_metrics(run.folder, run.state.step)
    adviser = Adviser(run)
    young = adviser.longer(usual_steps(run), "Train longer first") if _is_young(run) else ""
    found = [*_steps(run, adviser), *_design(run), *_curves(run, records, young)]
    return found + _samples(run, young) if run.system.drawers else found


def _is_young(run):
    """Whether an open run has done less than YOUNG (half) of the steps of its preset."""
    return run.state.step < YOUNG * usual_steps(run)


def _steps(run, adviser):
    """Yield the Verdict (the result of a check) on the number of steps of an open run.

    adviser   the Adviser of the run

    Nothing is yielded if the run has all steps that its preset has.
    """
    done, planned, usual = run.state.step, run.config["steps"], usual_steps(run)
    whose = "system" if adviser.recipe is None else "preset"
    of = f"{done:,} of the {whose}'s {usual:,} steps"
    if "diverged" in run.config:
        yield Verdict(
            "steps",
            "bad",
            done / planned,
            "bad if it diverged",
            f"it diverged, and {done:,} of {planned:,} steps are kept: {run.config['diverged']}",
            adviser.slower(),
        )
    elif done < planned:
        kept = of if planned == usual else f"{done:,} of {planned:,} steps"
        more = f"; it is young: {of}" if _is_young(run) and planned < usual else ""
        yield Verdict(
            "steps",
            "look",
            done / planned,
            "look below 1",
            f"{kept} are done: the run was stopped{more}",
            adviser.longer(usual if more else None),
        )
    elif _is_young(run):
        advice = adviser.longer(usual, "Train longer first")
        yield Verdict("steps", "look", done / usual, f"look below {YOUNG:g}", f"it is young: {of}", advice)
    elif done < usual:
        yield Verdict("steps", "ok", done / usual, f"look below {YOUNG:g}", of)


def _design(run):
    """Yield a Verdict (the result of a check) for each layer of an open run that mixes samples by mistake."""
    for doubt in doubts(run.system, run.config.get("batch_size")):
        if doubt.about == "samples":
            yield Verdict("mixed samples", "look", None, "look if there are any", doubt.says, doubt.advice)
