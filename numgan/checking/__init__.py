"""Gradient checks: compare analytic gradients, of the library or your own, with difference quotients.

    gradcheck          checks the gradient of any function
    numeric_gradient   computes the gradient of any function by difference quotients
    check_layer        checks all passes of a layer or network (yours too), and rules such as "a pass does
                       not write to its arguments"
    check_loss         checks the derivatives of a loss
    check_optimizer    checks the `adjoint` of an optimiser, and that its `update` equals its `step`
    check_penalty      checks a penalty on the gradient of a critic with respect to its input, to second
                       order
    check_consensus    checks a penalty on the gradients of the losses of G and D, taken together
    check_unrolling    checks the derivative through K updates of a discriminator
    check_system       checks the objectives of a GAN; the gradient of G passes through the frozen
                       discriminator
    entries            runs the catalogue of checks behind `numgan gradcheck`, with an Entry for each check

The checks return a Report, or raise GradientError if a gradient is wrong.

Reading order: points, methods, constant, quotients (when a quotient may be trusted), differences, explain,
callables, functions, purity, frozen, layer, experiments (what a message says about the cause), loss,
optimizer, penalty, consensus, unrolling, contract, system, cases, catalogue.
"""

from .catalogue import Entry, entries
from .consensus import check_consensus
from .functions import gradcheck, numeric_gradient
from .layer import check_layer
from .loss import check_loss
from .optimizer import check_optimizer
from .penalty import check_penalty
from .report import Report
from .system import check_system
from .unrolling import check_unrolling
