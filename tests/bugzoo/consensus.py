"""Planted bugs: consensus optimisation."""

from dataclasses import replace

import numpy as np
from consensus_cases import dirac

from bugzoo import Bug, class_bug
from numgan import Consensus, check_consensus, losses
from numgan.layers import Sequential, Softplus, Tanh
from numgan.networks import mlp

NETWORKS = {"D": mlp(3, 4, 1, activation=Tanh), "G": mlp(2, 4, 3, activation=Softplus)}
LOSS = losses.nonsaturating


def exact(consensus, networks=NETWORKS):
    check_consensus(consensus, networks["D"], networks["G"], (2,), slow=False)


def with_networks(networks):
    exact(Consensus(3.0, LOSS), networks)


def with_loss(loss):
    exact(Consensus(3.0, loss))


def _changed(text, change, **how):
    """Consensus whose call is what `change` makes of (it, right value, right gradients, v, the arguments)."""

    def call(self, *at):
        return change(self, *Consensus.__call__(self, *at), at)

    planted = type("Planted", (Consensus,), {"__doc__": text, "__call__": call})
    return class_bug("own", planted, Consensus, 3.0, losses.minimax, **how)


def _times(gradients, **factors):
    return tuple(g.like(factors.get(name, 1) * g.vector) for name, g in zip("DG", gradients, strict=True))


class StillFakes(Sequential):
    """The tangent of the fakes, which move as G moves, is lost in the network."""

    def tangent_forward(self, tx, cache, tp=None):
        ty, tcache = super().tangent_forward(tx, cache, tp)
        return np.zeros_like(ty), tcache


class NothingReachesG(Sequential):
    """The mixed derivative of L_D, which belongs to G, is lost in the network."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        tdx, tdp = super().tangent_backward(dy, tdy, cache, tcache, frozen, need_dx)
        return None if tdx is None else np.zeros_like(tdx), tdp


class WeightsStandStill(Sequential):
    """tW is left out of tdx in the network."""

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        still = tuple((tc[0], None) if isinstance(tc, tuple) else tc for tc in tcache)
        return super().tangent_backward(dy, tdy, cache, still, frozen, need_dx)


class Flat(losses.AdversarialLoss):
    """The losses' own curvature is left out, so the dlogits stand still."""

    def discriminator_tangent(self, real, fake, treal, tfake):
        return np.zeros_like(real), np.zeros_like(fake)

    def generator_tangent(self, fake, tfake):
        return np.zeros_like(fake)


class ZeroSum(losses.AdversarialLoss):
    """G's curvature is taken for minus D's, as if the game were a zero-sum one."""

    def generator_tangent(self, fake, tfake):
        return -self.on_fake.tangent(fake, tfake)


CONSENSUS_BUGS = [
    _changed(
        "The penalty has no factor 1/2.",
        lambda self, value, g, v, at: (2 * value, _times(g, D=2, G=2), v),
        value=dirac,
    ),
    _changed(
        "The factor 1/2 is in the value only.",
        lambda self, value, g, v, at: (value, _times(g, D=2, G=2), v),
        by=exact,
    ),
    _changed(
        "The weight is in the value only.",
        lambda self, value, g, v, at: (value, _times(g, D=1 / 3, G=1 / 3), v),
        by=exact,
    ),
    _changed(
        "The penalty is |v| and not its square.",
        lambda self, value, g, v, at: (
            np.sqrt(2 * value / 3),
            _times(g, D=1 / np.sqrt(6 * value), G=1 / np.sqrt(6 * value)),
            v,
        ),
        value=dirac,
    ),
    _changed("G climbs on the penalty.", lambda self, value, g, v, at: (value, _times(g, G=-1), v), by=exact),
    _changed("D climbs on the penalty.", lambda self, value, g, v, at: (value, _times(g, D=-1), v), by=exact),
    _changed("v is taken for its own derivative.", lambda self, value, g, v, at: (value, v, v), by=exact),
    _changed(
        "v is taken for a constant.", lambda self, value, g, v, at: (value, _times(g, D=0, G=0), v), by=exact
    ),
    _changed(
        "v_theta is left out of the value.",
        lambda self, value, g, v, at: (1.5 * np.square(v[0].vector).sum(), g, v),
        by=exact,
    ),
    *(
        Bug(
            "own",
            broken.__doc__.replace("the network", name),
            lambda broken=broken, name=name: {**NETWORKS, name: broken(*NETWORKS[name])},
            lambda: NETWORKS,
            by=with_networks,
        )
        for broken, name in (
            (StillFakes, "D"),
            (NothingReachesG, "D"),
            (WeightsStandStill, "D"),
            (WeightsStandStill, "G"),
        )
    ),
    class_bug("own", Flat, losses.AdversarialLoss, by=with_loss, **vars(LOSS)),
    class_bug("own", ZeroSum, losses.AdversarialLoss, by=with_loss, **vars(LOSS)),
    Bug(
        "own",
        "D's curvature on real samples is left out.",
        lambda: replace(LOSS, on_real=replace(LOSS.on_real, dd=np.zeros_like)),
        lambda: LOSS,
        by=with_loss,
    ),
]
