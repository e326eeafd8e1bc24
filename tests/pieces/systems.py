"""Right and wrong systems of one's own: games, an autoencoder, a cycle, and systems without a generator."""

from dataclasses import dataclass, fields, replace

import numpy as np

from numgan.core.randomness import derive, stream
from numgan.layers import Dense, LeakyReLU, Pass, Sequential, Tanh
from numgan.losses import least_squares
from numgan.optimizers import Adam
from numgan.systems import Batch, Result, System, build
from numgan.systems.games.gan import GAN
from pieces import Piece


def adam(*names):
    return {name: Adam(1e-3) for name in names}


def small(inputs, outputs, kind=Tanh):
    return Sequential(Dense(inputs, 5), kind(), Dense(5, outputs))


def game(**methods):
    """A small GAN of points whose methods are replaced: generator=, discriminator= and others."""
    base = build("gan", "points", 0.02)
    own = type("OwnGAN", (GAN,), methods)
    return own(**{field.name: getattr(base, field.name) for field in fields(base) if field.init})


# ---- G's step


def scored(self, params, batch, seed, fakes):
    fakes = fakes or self.generate(params, batch, seed)
    logit, cache = self.networks["D"].forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
    return (fakes, cache, *self.loss.generator(logit))


def step_of_G(change):
    """An objective of G: change(self, params, D, dlogit, cache) is the gradient of the fakes."""

    def generator(self, params, batch, seed, fakes=None):
        fakes, cache, loss, dlogit = scored(self, params, batch, seed, fakes)
        dfake = change(self, params, self.networks["D"], dlogit, cache)
        _, dtheta = self.networks["G"].backward(dfake, fakes.cache, need_dx=False)
        return Result(loss, {"G": dtheta}, {})

    return generator


def right(self, params, D, dlogit, cache):
    return D.backward(dlogit, cache, frozen=True)[0]


def updates(self, params, D, dlogit, cache):
    dfake, dphi = D.backward(dlogit, cache)
    params["D"].vector[...] -= 1e-3 * dphi.vector
    return dfake


def after(change):
    """An objective of G whose right Result is changed by change(result, batch, seed)."""

    def generator(self, params, batch, seed, fakes=None):
        return change(GAN.generator(self, params, batch, seed, fakes), batch, seed)

    return generator


def noisy(result, batch, seed):
    return replace(result, loss=result.loss + 0.01 * np.random.default_rng().standard_normal())


calls = []


def counting(result, batch, seed):
    calls.append(1)
    return replace(result, loss=result.loss * len(calls))


def other_gradient(result, batch, seed):
    calls.append(1)
    gradient = result.gradients["G"]
    return replace(result, gradients={"G": gradient.like(gradient.vector * len(calls))})


def writes_batch(result, batch, seed):
    batch["x"][0] += 1
    return result


def float32_fakes(self, params, batch, seed, fakes=None, rounded=False):
    fakes = GAN.generate(self, params, batch, seed)
    x = fakes.x.astype(np.float32)
    fakes = replace(fakes, x=x.astype(fakes.x.dtype) if rounded else x)
    logit, cache = self.networks["D"].forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
    loss, dlogit = self.loss.generator(logit)
    dfake = self.networks["D"].backward(dlogit, cache, frozen=True)[0].astype(params["G"].dtype)
    return Result(loss, {"G": self.networks["G"].backward(dfake, fakes.cache, need_dx=False)[1]}, {})


def float64_gradient(result, batch, seed):
    gradient = result.gradients["G"]
    return replace(result, gradients={"G": gradient.like(gradient.vector * np.ones(gradient.vector.size))})


def swapped(self, params, batch, seed, fakes=None):
    """The two means of the loss of D exchange their numbers of samples."""
    result = GAN.discriminator(self, params, batch, seed, fakes)
    fakes, D, x = fakes or self.generate(params, batch, seed), self.networks["D"], batch["x"]
    real, one = D.forward(params["D"], x, Pass(derive(seed, "D on real")))
    fake, two = D.forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
    _, dreal, dfake = self.loss.discriminator(real, fake)
    dreal, dfake = dreal * (len(x) / len(fakes.x)), dfake * (len(fakes.x) / len(x))
    gradient = D.backward(dreal, one, need_dx=False)[1] + D.backward(dfake, two, need_dx=False)[1]
    return replace(result, gradients={"D": gradient})


def half_forgotten(self, params, batch, seed, fakes=None):
    result = GAN.discriminator(self, params, batch, seed, fakes)
    fakes, D = fakes or self.generate(params, batch, seed), self.networks["D"]
    fake, cache = D.forward(params["D"], fakes.x, Pass(derive(seed, "D on fake")))
    return replace(
        result, gradients={"D": D.backward(self.loss.discriminator(fake, fake)[2], cache, need_dx=False)[1]}
    )


# ---- an autoencoder, a regression and a cycle


@dataclass(frozen=True, kw_only=True, repr=False)
class AutoEncoder(System):
    """mean |Dec(E(x)) - x|^2, with an objective for each network."""

    frozen: bool = True

    def objectives(self):
        return {"E": self.encode, "Dec": self.decode}

    def both(self, params, batch, seed):
        h, coded = self.networks["E"].forward(params["E"], batch["x"], Pass(derive(seed, "E")))
        y, decoded = self.networks["Dec"].forward(params["Dec"], h, Pass(derive(seed, "Dec")))
        error = y - batch["x"]
        return (error * error).mean(), 2 * error / error.size, coded, decoded

    def encode(self, params, batch, seed):
        loss, dy, coded, decoded = self.both(params, batch, seed)
        dh, _ = self.networks["Dec"].backward(dy, decoded, frozen=self.frozen)
        return Result(loss, {"E": self.networks["E"].backward(dh, coded, need_dx=False)[1]}, {})

    def decode(self, params, batch, seed):
        loss, dy, _, decoded = self.both(params, batch, seed)
        return Result(loss, {"Dec": self.networks["Dec"].backward(dy, decoded, need_dx=False)[1]}, {})


class Joint(AutoEncoder):
    """One objective that trains both networks."""

    trains = {"both": ("E", "Dec")}

    def objectives(self):
        return {"both": self.joint}

    def joint(self, params, batch, seed):
        loss, dy, coded, decoded = self.both(params, batch, seed)
        dh, last = self.networks["Dec"].backward(dy, decoded)
        _, first = self.networks["E"].backward(dh, coded, need_dx=False)
        return Result(loss, {"E": first, "Dec": last}, {"error": loss})


class TakesFakes(AutoEncoder):
    """The objectives have the argument of a game, which an autoencoder does not use."""

    def encode(self, params, batch, seed, fakes=None):
        return super().encode(params, batch, seed)

    def decode(self, params, batch, seed, fakes=None):
        return super().decode(params, batch, seed)


def fake_of_each_row(self, params, batch, seed):
    """As many fakes as rows, as a system does whose G takes pictures."""
    return GAN.generate(self, params, Batch(batch), seed)


class Undeclared(Joint):
    """It does not say that it trains both."""

    trains = System.trains

    def objectives(self):
        return {"E": self.joint}


class NoSuchNetwork(AutoEncoder):
    def objectives(self):
        return {"encoder": self.encode}


class AsList(AutoEncoder):
    def objectives(self):
        return [self.encode, self.decode]


class Tuple(AutoEncoder):
    def encode(self, params, batch, seed):
        result = super().encode(params, batch, seed)
        return result.loss, result.gradients


class FewArguments(AutoEncoder):
    def encode(self, params, batch):
        return super().encode(params, batch, 0)


class RoundedLoss(AutoEncoder):
    def encode(self, params, batch, seed):
        result = super().encode(params, batch, seed)
        return replace(result, loss=np.float32(result.loss))


class Float32Loss(AutoEncoder):
    """The loss is a number of NumPy with the type of the parameters, as a mean is."""

    def encode(self, params, batch, seed):
        result = super().encode(params, batch, seed)
        return replace(result, loss=params["E"].dtype.type(result.loss))


class NotANumber(AutoEncoder):
    def encode(self, params, batch, seed):
        return replace(super().encode(params, batch, seed), loss=float("nan"))


class LossOfEach(AutoEncoder):
    def encode(self, params, batch, seed):
        return replace(super().encode(params, batch, seed), loss=np.ones(3))


class SumOfSamples(AutoEncoder):
    """The gradient of the sum over the rows, with the loss of the mean."""

    def decode(self, params, batch, seed):
        loss, dy, _, decoded = self.both(params, batch, seed)
        dy = dy * len(dy)
        return Result(loss, {"Dec": self.networks["Dec"].backward(dy, decoded, need_dx=False)[1]}, {})


class Unknown(AutoEncoder):
    """It returns a memory that the system does not have."""

    def decode(self, params, batch, seed):
        return replace(super().decode(params, batch, seed), memory={"count": np.zeros(1)})


class Perceptual(AutoEncoder):
    """A fixed network that is not among the system's networks measures the error."""

    eye = small(3, 2)
    weights = eye.init(0, np.float64)
    frozen_eye = True

    def both(self, params, batch, seed):
        _, _, coded, decoded = super().both(params, batch, seed)
        h, coded = self.networks["E"].forward(params["E"], batch["x"], Pass(derive(seed, "E")))
        y, decoded = self.networks["Dec"].forward(params["Dec"], h, Pass(derive(seed, "Dec")))
        weights = self.weights.astype(params["E"].dtype)
        seen, cache = self.eye.forward(weights, y, Pass())
        wanted, _ = self.eye.forward(weights, batch["x"], Pass())
        error = seen - wanted
        dy, _ = self.eye.backward(2 * error / error.size, cache, frozen=self.frozen_eye)
        return (error * error).mean(), dy, coded, decoded


class UnfrozenEye(Perceptual):
    frozen_eye = False


class Regression(System):
    """No generator and no discriminator: a network F that learns a column."""

    def objectives(self):
        return {"F": self.fit}

    def example(self, n, rng):
        return {"x": rng("x").standard_normal((n, 3)), "target": rng("target").standard_normal((n, 2))}

    def fit(self, params, batch, seed):
        y, cache = self.networks["F"].forward(params["F"], batch["x"], Pass(derive(seed, "F")))
        error = y - batch["target"]
        _, gradient = self.networks["F"].backward(2 * error / error.size, cache, need_dx=False)
        return Result(float((error * error).mean()), {"F": gradient}, {"error": float(np.abs(error).max())})


class Denoising(Regression):
    """Noise from the seed is added to x: equal seeds give equal noise."""

    def fit(self, params, batch, seed):
        noise = stream(seed, "noise").standard_normal(batch["x"].shape).astype(batch["x"].dtype)
        return super().fit(params, batch | {"x": batch["x"] + noise}, seed)


@dataclass(frozen=True, kw_only=True, repr=False)
class Cycle(System):
    """CycleGAN in the plane with an objective for each of its four networks."""

    weight: float = 10.0
    frozen: bool = True
    whole: bool = True

    def objectives(self):
        names = {"AB": ("BA", "DB", "a"), "BA": ("AB", "DA", "b")}
        made = {
            name: lambda p, batch, seed, n=name, given=given: self.translate(n, *given, p, batch)
            for name, given in names.items()
        }
        return made | {
            "DA": lambda p, batch, seed: self.judge("DA", "BA", "b", "a", p, batch),
            "DB": lambda p, batch, seed: self.judge("DB", "AB", "a", "b", p, batch),
        }

    def example(self, n, rng):
        return {name: rng(name).standard_normal((n, 2)) for name in ("a", "b")}

    def translate(self, name, back, judge, source, params, batch):
        F, G, D = (self.networks[n] for n in (name, back, judge))
        fake, c_fake = F.forward(params[name], batch[source], Pass())
        logit, c_judge = D.forward(params[judge], fake, Pass())
        loss, dlogit = least_squares.generator(logit)
        again, c_again = G.forward(params[back], fake, Pass())
        error = again - batch[source]
        dfake, _ = D.backward(dlogit, c_judge, frozen=self.frozen)
        dback, _ = G.backward(2 * self.weight * error / error.size, c_again, frozen=True)
        _, gradient = F.backward(dfake + dback if self.whole else dfake, c_fake, need_dx=False)
        return Result(loss + self.weight * (error * error).mean(), {name: gradient}, {})

    def judge(self, name, maker, source, target, params, batch):
        D = self.networks[name]
        fake, _ = self.networks[maker].forward(params[maker], batch[source], Pass())
        real, c_real = D.forward(params[name], batch[target], Pass())
        logit, c_fake = D.forward(params[name], fake, Pass())
        loss, dreal, dfake = least_squares.discriminator(real, logit)
        one, two = D.backward(dreal, c_real, need_dx=False)[1], D.backward(dfake, c_fake, need_dx=False)[1]
        return Result(loss, {name: one + two}, {})


def auto(kind=AutoEncoder, **settings):
    nets = {"E": small(3, 2), "Dec": small(2, 3)}
    return kind(networks=nets, optimizers=adam(*nets), sample_shape=(3,), **settings)


def regression(kind=Regression):
    return kind(networks={"F": small(3, 2)}, optimizers=adam("F"), sample_shape=(3,))


def cycle(**settings):
    nets = {name: small(2, 2) for name in ("AB", "BA")}
    nets |= {name: small(2, 1, LeakyReLU) for name in ("DA", "DB")}
    return Cycle(networks=nets, optimizers=adam(*nets), sample_shape=(2,), **settings)


def no_fakes(self, params, batch, seed):
    return GAN.generator(self, params, batch, seed)


RIGHT = [
    Piece("a game", game),
    Piece("a game whose G takes no fakes", lambda: game(generator=no_fakes)),
    Piece("a game written out", lambda: game(generator=step_of_G(right))),
    Piece("three steps of D", lambda: game(rounds=lambda self, step: ("D", "D", "D", "G"))),
    Piece("two time scales", lambda: replace(game(), optimizers={"D": Adam(4e-4), "G": Adam(1e-4)})),
    Piece("equal numbers of samples", game, settings={"real": 4, "fake": 4}),
    Piece("every entry", game, settings={"slow": True}),
    Piece("an autoencoder", auto),
    Piece("an autoencoder with one objective", lambda: auto(Joint)),
    Piece("an autoencoder whose objectives take fakes", lambda: auto(TakesFakes)),
    Piece("one fake of each row", lambda: game(generate=fake_of_each_row, compares_pairs=True)),
    Piece("a loss of NumPy", lambda: auto(Float32Loss)),
    Piece("a fixed network outside", lambda: auto(Perceptual)),
    Piece("a regression", regression),
    Piece("noise from the seed", lambda: regression(Denoising)),
    Piece("a cycle", cycle),
]

NOT_TRAINED = "computes its weight gradient, and this objective does not train"
WRONG = [
    Piece("one fake of each row, which is not declared", lambda: game(generate=fake_of_each_row),
          ("generate drew 5 fakes, batch.fakes is 3; .* compares_pairs = True",)),
    Piece("D not frozen", lambda: game(generator=step_of_G(lambda s, p, D, d, c: D.backward(d, c)[0])),
          (NOT_TRAINED + " D",)),
    Piece("the decoder not frozen", lambda: auto(frozen=False), (NOT_TRAINED + " Dec",)),
    Piece("a judge of a cycle not frozen", lambda: cycle(frozen=False), (NOT_TRAINED + " DB",)),
    Piece("a network outside not frozen", lambda: auto(UnfrozenEye), (NOT_TRAINED, "outside of `networks`")),
    Piece("detached", lambda: game(generator=step_of_G(lambda s, p, D, d, c: 0 * right(s, p, D, d, c))),
          ("the gradient of G is zero everywhere; it never arrives",)),
    Piece("around D", lambda: game(generator=step_of_G(lambda s, p, D, d, c: np.ones((len(d), 2)))),
          ("does not change with the weights of D; it must pass through D",)),
    Piece("a sign", lambda: game(generator=step_of_G(lambda s, p, D, d, c: -right(s, p, D, d, c))),
          ("the sign: analytic = -numeric",)),
    Piece("a sum over the fakes",
          lambda: game(generator=step_of_G(lambda s, p, D, d, c: right(s, p, D, d * len(d), c))),
          ("analytic = 3 x numeric, the number of fakes: a sum",)),
    Piece("a sum over the rows", lambda: auto(SumOfSamples),
          ("analytic = 5 x numeric, the batch size: a sum",)),
    Piece("the cycle's way back is lost", lambda: cycle(whole=False), ("gradient of .* of AB is wrong",)),
    Piece("exchanged numbers", lambda: game(discriminator=swapped),
          ("right for as many fakes as real samples", "cause: .* are exchanged")),
    Piece("the real half is forgotten", lambda: game(discriminator=half_forgotten),
          ("gradient of .* of D is wrong",)),
    Piece("D updated in place", lambda: game(generator=step_of_G(updates)),
          (r"G: it writes to params\['D'\]",)),
    Piece("the batch written", lambda: game(generator=after(writes_batch)), (r"it writes to batch\['x'\]",)),
    Piece("noise in the loss", lambda: game(generator=after(noisy)),
          (r"two results \(another loss\)", "stream")),
    Piece("a counter", lambda: game(generator=after(counting)), ("called twice .* two results",)),
    Piece("another gradient each time", lambda: game(generator=after(other_gradient)),
          ("another gradient of G",)),
    Piece("fakes of float32", lambda: game(generator=float32_fakes),
          ("parameters are float64, but x is float32",)),
    Piece("rounded fakes",
          lambda: game(generator=lambda s, p, batch, seed: float32_fakes(s, p, batch, seed, rounded=True)),
          ("computed in float32",)),
    Piece("a loss rounded to float32", lambda: auto(RoundedLoss), ("computed in float32", "the loss itself")),
    Piece("a gradient of float64 in training", lambda: game(generator=after(float64_gradient)),
          ("float32, as in training", "expected float32 like the parameters, got float64")),
    Piece("a tuple for a Result", lambda: auto(Tuple), (r"E: expected a Result\(loss, .* got tuple",)),
    Piece("no seed", lambda: auto(FewArguments), (r"must take the arguments \(params, batch, seed\)",)),
    Piece("nan", lambda: auto(NotANumber), ("the loss is nan",)),
    Piece("a loss of each sample", lambda: auto(LossOfEach), ("loss: expected a number, got ndarray",)),
    Piece("trains not declared", lambda: auto(Undeclared),
          ("expected gradients of E, which it trains, got E, Dec",)),
    Piece("no network of this name", lambda: auto(NoSuchNetwork),
          ("among the networks E, Dec, got 'encoder'",)),
    Piece("no optimiser", lambda: replace(auto(), optimizers=adam("E")), ("expected an optimiser of Dec",)),
    Piece("a list of objectives", lambda: auto(AsList), ("expected a dict {name: objective}, got list",)),
    Piece("a memory that is not there", lambda: auto(Unknown), (r"Result\.memory: .* got count",)),
    Piece("a round without an objective", lambda: game(rounds=lambda self, step: ("D", "E")),
          ("rounds: expected names of the objectives D, G, got 'E'",)),
]  # fmt: skip
