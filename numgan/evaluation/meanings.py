"""The meaning of figures: which number is better, and what a figure compares the samples with."""

from ..core.fields import for_json

JUDGED = "classifier"  # first word of the name of every measure that needs the judge
_BETTER = {  # {word: the figures for which this is better}; other figures only describe another figure
    "higher": ("modes", "precision", "recall", "coverage", "score", "agreement", "classes"),
    "as real": (
        "high_quality",
        "relative_std_least",
        "relative_std_mean",
        "relative_std_most",
        "density",  # also samples that are all alike have a high one, near the mean of the data
        "parzen_log_likelihood",
        "ssim_of_pairs",
        "ms_ssim_of_pairs",
        "confidence",
    ),
    "lower": (
        "reverse_kl",
        "nearest_neighbour_error",
        "mmd",
        "different_bins",
        "bins_js",
        "sliced_wasserstein",
        "frechet_distance",
        "classes_kl",
        "kid",
    ),
}
BETTER = {figure: word for word, figures in _BETTER.items() for figure in figures}
_AGAINST = {  # {what a figure compares the rows with: the figures}; the others compare with the test rows
    "the known modes": (
        "modes",
        "high_quality",
        "relative_std_least",
        "relative_std_mean",
        "relative_std_most",
    ),
    "equal shares of the modes": ("reverse_kl",),
    "each other, in pairs": ("ssim_of_pairs", "ms_ssim_of_pairs"),
    "the validation rows": ("parzen_sigma",),
    "their mean answer": ("score", "score_std"),
    "the labels that were asked for": ("agreement",),
    "the classes of the data": ("classes", "confidence"),
    "equal shares of the classes": ("classes_kl",),
}
AGAINST = {figure: what for what, figures in _AGAINST.items() for figure in figures}


def beside(measure, fake, real, test):
    """Make the dict {figure: {"samples", "real", "better", "against"}} of all figures of one measure.

    "samples"   the number for the samples
    "real"      the number for the training rows
    "better"    which samples are better: those with a "higher" or a "lower" number, or with a number "as
                real". None for a number that only describes another one
    "against"   a text: what both numbers are compared with

    measure   the name of the measure; if it needs the judge, the figures get the prefix classifier_
    fake      {figure: number} of the samples
    real      {figure: number} of the training rows
    test      the number and kind of the test rows, a text
    """
    prefix = f"{JUDGED}_" if measure.startswith(JUDGED) else ""
    return {
        prefix + name: {
            "samples": for_json(value),
            "real": for_json(real[name]),
            "better": BETTER.get(name.rstrip("_0123456789")),
            "against": AGAINST.get(name, test),
        }
        for name, value in fake.items()
    }
