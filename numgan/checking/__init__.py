"""Gradient checks: compare the gradients of the library, and your own, with difference quotients.

    gradcheck          any function
    check_layer        a layer or network, also one of your own: all passes, and the rules they must keep
    check_loss, check_optimizer
    check_penalty      a penalty on the input gradient of a critic, to second order
    check_consensus    a penalty on the joint gradient of both players
    check_unrolling    the derivative through K updates of a discriminator
    check_system       the objectives of a GAN, through the frozen discriminator
    entries            the catalogue that `numgan gradcheck` runs

Reading order: points, differences (when a quotient may be trusted), explain, functions, layer, loss,
optimizer, penalty, consensus, unrolling, system, cases, catalogue.
"""

from .catalogue import Entry, entries
from .consensus import check_consensus
from .functions import gradcheck
from .layer import check_layer
from .loss import check_loss
from .optimizer import check_optimizer
from .penalty import check_penalty
from .report import Report
from .system import check_system
from .unrolling import check_unrolling
