"""Gradient checks: compare analytic gradients, of the library or your own, with difference quotients.

    gradcheck          checks the gradient of any function
    check_layer        checks all passes of a layer or network (yours too), and the rules that passes must
                       keep
    check_loss         checks the derivatives of a loss
    check_optimizer    checks an optimiser's `adjoint`, and `update` against `step`
    check_penalty      checks a penalty on the input gradient of a critic, to second order
    check_consensus    checks a penalty on the joint gradient of G and D
    check_unrolling    checks the derivative through K updates of a discriminator
    check_system       checks the objectives of a GAN; G's gradient passes through the frozen discriminator
    entries            runs the catalogue of checks behind `numgan gradcheck`

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
