"""Advice: what can be done about a sick run, in sentences that fit this run.

A run that the command line started gets commands, in backticks. A command is given only if numgan accepts it
for the run's data: its recipe is built and checked here first. A run of a system that was made in Python gets
Python expressions, in which `system` and `dataset` are those of the run.
"""

import shlex
from dataclasses import MISSING, replace

from .. import systems
from ..core.fields import flag_of, options
from ..optimizers.schedules import value_at
from ..training import recipes

PENALISED = ("r1", "r3gan", "wgan_gp", "roth")  # systems with a penalty on D, in the order of preference
# the options that belong to one system; the others, such as those of the data, are kept for another system
OF_A_SYSTEM = dict.fromkeys(("lr", "loss", "smooth", "weight_decay", "average", "settings"))
COMMANDS = 2  # largest number of commands in one advice
RATE = "Start again with a smaller learning rate"


class Adviser:
    """Gives advice for one open run, the argument `run`. The methods return sentences.

    A method returns "" if numgan accepts none of its commands for this run. The attribute `recipe` is the
    Recipe of the run; None for a run that was made in Python.
    """

    def __init__(self, run):
        self.run, self.system = run, run.system
        recipe = run.config["recipe"]
        self.recipe = recipes.Recipe(**recipe) if recipe and "system" in recipe else None

    # ---- the same run

    def longer(self, steps=None, say="Continue it"):
        """A sentence that says how to continue the run. `say` are its first words.

        steps   the number of steps at which the run shall end; None: the number in its configuration
        """
        if self.recipe is None:
            more = f", steps={steps}" if steps else ""
            return f"{say} with `numgan.train(system, dataset, {str(self.run.folder)!r}{more}, resume=True)`."
        more = f" --steps {steps}" if steps else ""
        return f"{say} with `numgan train --resume {shlex.quote(str(self.run.folder))}{more}`."

    @property
    def can_learn(self):
        """True if a learning rate is above 1/1000 of its first value: then more steps change the weights."""
        return any(
            value_at(rule.lr, self.run.state.step) > 1e-3 * value_at(rule.lr, 0)
            for rule in self.system.optimizers.values()
            if hasattr(rule, "lr")
        )

    # ---- another run

    def slower(self):
        """A sentence that advises to start again with a tenth of the learning rate with which the run began.

        If the optimisers have several rates, the smallest counts.
        """
        rates = [value_at(rule.lr, 0) for rule in self.system.optimizers.values() if hasattr(rule, "lr")]
        if not rates:
            return "Start again with optimisers of smaller learning rates."
        rate = float(f"{min(rates) / 10:.1g}")
        if self.recipe is None:
            return f"{RATE}: `system.with_optimizers(lambda name, rule: rule.changed(lr={rate}))`."
        return self._first(RATE, replace(self.recipe, lr=rate))

    def calmer(self):
        """Sentences with remedies for a D that is right nearly every time.

        The remedies: another loss of G if the loss is minimax, a penalty on D, or smooth labels.
        """
        loss = getattr(getattr(self.system, "loss", None), "name", "")
        if self.recipe is None:
            way = [self._penalty_in_python()]
            if loss == "minimax":
                way.insert(
                    0,
                    "Take a loss whose gradient does not vanish: "
                    "`dataclasses.replace(system, loss=numgan.nonsaturating)`.",
                )
            return " ".join(way)
        ways = []
        if loss == "minimax":
            ways.append(
                ("Take a loss whose gradient does not vanish", replace(self.recipe, loss="nonsaturating"))
            )
        ways += self._penalised()
        ways.append(("Smooth the labels of real samples", replace(self.recipe, smooth=0.9)))
        return self._some(ways) or self.slower()

    def bolder(self):
        """A sentence with a remedy for a D or critic that is worse than G: twice its updates in a step.

        For a system without a setting of this number it is that of `slower`.
        """
        found = [name for name in ("n_critic", "k") if name in self.system.settings]
        if not found:
            return self.slower()
        name, say = found[0], "Make more updates of D in a step"
        value = 2 * self.system.settings[name]
        if self.recipe is None:
            return f"{say}: `system.setting({name}={value})`."
        settings = {**(self.recipe.settings or {}), name: value}
        return self._first(say, replace(self.recipe, settings=settings))

    def bounded(self):
        """Sentences with remedies for a critic whose losses grow without bound.

        The remedies: a gradient penalty, or a smaller learning rate.
        """
        if self.recipe is not None and self.recipe.system in PENALISED:
            return self.slower()
        if self.recipe is None:
            return f"{self.slower()} {self._penalty_in_python()}"
        way = [("Take a critic with a gradient penalty", other) for other in self._others("wgan_gp")]
        return " ".join(filter(None, (self.slower(), self._some(way))))

    def stronger_penalty(self):
        """A sentence that advises to multiply the penalty's weight by ten, or to set it to 1 if it is 0.

        The weight is the setting gamma; if the system has no such number, the sentence is that of `slower`.
        """
        weight = self.system.settings.get("gamma")
        if not isinstance(weight, (int, float)):
            return self.slower()
        value = float(f"{10 * weight or 1.0:.3g}")
        say = "Give the penalty a larger weight"
        if self.recipe is None:
            return f"{say}: `system.setting(gamma={value})`."
        settings = {**(self.recipe.settings or {}), "gamma": value}
        return self._first(say, replace(self.recipe, settings=settings))

    def smaller(self):
        """A sentence with remedies for a G that copies its training rows: more data or half the widths."""
        say = "Take more data, or narrower networks"
        if self.recipe is None:
            return f"{say}."
        return self._first(say, replace(self.recipe, width=self.recipe.width / 2)) or f"{say}."

    def variety(self):
        """Sentences with remedies for a G that draws too few kinds of samples.

        The remedies: D judges packs of several samples, or D gets a penalty.
        """
        if self.recipe is None:
            return f"{self._penalty_in_python()} Or let D judge packs of samples, with `numgan.layers.Pack`."
        ways = (
            []
            if self.system.packed > 1
            else [("Let D judge packs of samples", other) for other in self._others("pacgan")]
        )
        if "pack" in self.system.settings and self.system.packed == 1:
            settings = {**(self.recipe.settings or {}), "pack": 2}
            ways = [("Let D judge packs of samples", replace(self.recipe, settings=settings))]
        return self._some(ways + self._penalised()) or self.slower()

    # ---- the commands

    def _penalised(self):
        """[(words, Recipe)] of the first other system in PENALISED that accepts the run's data; or []."""
        return [
            ("Take a system with a penalty on D", other)
            for name in PENALISED
            if name != self.recipe.system
            for other in self._others(name)
        ][:1]

    def _penalty_in_python(self):
        """A sentence that says how to add a penalty on D's gradient to the run's system in Python."""
        if hasattr(self.system, "remedies") and hasattr(self.system, "kept"):
            return (
                "Add a penalty on the gradient of D: "
                "`dataclasses.replace(system, remedies=(*system.remedies, numgan.R1Penalty(1.0)))`."
            )
        return "Add a penalty on the gradient of D, such as `numgan.R1(1.0)`, to its loss."

    def _others(self, name):
        """A list with at most one Recipe: that of the system `name` for the data of this run.

        Its preset is the first one that accepts these data; [] if no preset does.
        """
        mine = self.recipe
        for preset, make in systems.presets(name).items():
            if make(systems.NARROW).sample_shape == tuple(self.system.sample_shape):
                other = replace(mine, system=name, preset=preset, **OF_A_SYSTEM)
                if self._accepted(other):
                    return [other]
        return []

    def _accepted(self, recipe):
        """Whether the Recipe can be built, and its system trained on the data of this run."""
        try:
            recipes.check(recipe.build(), self.run.dataset)
        except (ValueError, TypeError):
            return False
        return True

    def _first(self, say, recipe):
        """The sentence with the words `say` and the command of a Recipe; "" if numgan does not accept it."""
        return self._some([(say, recipe)])

    def _some(self, ways):
        """Sentences for the first COMMANDS of `ways` whose commands numgan accepts; "" if it accepts none.

        ways is a list of pairs (words, Recipe). A sentence is the words and the command that starts the
        Recipe.
        """
        fitting = [(say, recipe) for say, recipe in ways if self._accepted(recipe)]
        return " ".join(f"{say}: `{command(recipe)}`." for say, recipe in fitting[:COMMANDS])


def usual_steps(run):
    """The number of training steps of the preset (or the system) of an open run, whatever --steps said."""
    return run.config.get("usual_steps", run.system.steps)


def command(recipe):
    """The command line that starts a run of a resolved Recipe, as text: `numgan train SYSTEM ...`.

    recipe is the Recipe, in which preset, data and paths are filled in.
    """
    words = ["numgan", "train", recipe.system]
    for field in options(recipes.Recipe):
        value = getattr(recipe, field.name)
        if field.default is MISSING or value is None or value == field.default:
            continue
        pairs = value.items() if isinstance(value, dict) else [(None, value)]
        for name, one in pairs:
            text = str(one).lower() if isinstance(one, bool) else str(one)
            words += [flag_of(field), text if name is None else f"{name}={text}"]
    return shlex.join(words)
