"""Every derivative of the library, broken: negated, doubled or dropped in one place, it must be called wrong.

These are passes of layers, adjoints of optimisers, curves of losses, and gradients of objectives, so no sign
is unguarded. Bugs that have a story are in bugzoo/.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
from bugzoo import patched

from numgan import build, check_layer, check_loss, check_optimizer
from numgan.checking import differences
from numgan.checking.cases import LOSSES, OPTIMIZERS
from numgan.checking.layer import dx, parameters, tangent_backward, tangent_forward
from numgan.checking.layer_cases import LAYERS, Case
from numgan.checking.points import outcome
from numgan.checking.system import SystemPoint, check_objective
from numgan.core.errors import GradientError
from numgan.core.probes import kink
from numgan.layers import BatchNorm, Dense, record_kinks
from numgan.losses import (
    RELATIVISTIC,
    AdversarialLoss,
    Curve,
    PairLoss,
    RelativisticLoss,
    softmax_cross_entropy,
)
from numgan.systems import SYSTEMS

MUTATIONS = {"negated": lambda a: -a, "doubled": lambda a: 2 * a, "dropped": np.zeros_like}
CATCHER = {
    "dx": dx,
    "dp": parameters,
    "ty": tangent_forward,
    "tdx": tangent_backward,
    "tdp": tangent_backward,
}
RESULTS = {"backward": ("dx", "dp"), "tangent_forward": ("ty", None), "tangent_backward": ("tdx", "tdp")}


def _change(result, place, change):
    """`result`, a tuple of arrays or a mapping of them, changed at one place; None stays."""
    if isinstance(result, tuple):
        return tuple(
            _change(part, place[1:], change) if i == place[0] else part for i, part in enumerate(result)
        )
    if hasattr(result, "keys"):
        parts = {
            key: change(result[key]) if key == place[0] and result[key] is not None else result[key]
            for key in result
        }
        return (
            result.like(np.concatenate([parts[key].ravel() for key in result]))
            if hasattr(result, "like")
            else parts
        )
    return None if result is None else change(result)


def _places(result, place=()):
    """Where _change can change something that is not zero."""
    if isinstance(result, tuple):
        return [found for i, part in enumerate(result) for found in _places(part, (*place, i))]
    if hasattr(result, "keys"):
        return [(*place, key) for key in result if result[key] is not None and np.any(result[key])]
    return [place] if result is not None and np.any(result) else []


def _broken(layer, method, index, place, change):
    """A copy of the layer, one result of one of its passes changed."""

    def with_a_bug(results, *arguments, **settings):
        results = list(results)
        results[index] = _change(results[index], place, change)
        return tuple(results)

    return patched(layer, method, with_a_bug)


# ---- layers


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.title)
def test_every_result_of_every_pass_is_checked(case, mutation):
    layer, point, broken = case.layer, case.point(), 0
    _, tcache = layer.tangent_forward(point.tx, point.cache, point.tp)
    results = {
        "backward": point.gradients,
        "tangent_forward": layer.tangent_forward(point.tx, point.cache, point.tp),
        "tangent_backward": layer.tangent_backward(point.dy, point.tdy, point.cache, tcache),
    }
    for method, labels in RESULTS.items():
        for index, label in enumerate(labels):
            for place in _places(results[method][index]) if label else ():
                bad = replace(
                    case, layer=_broken(layer, method, index, place, MUTATIONS[mutation]), name=case.title
                )
                with pytest.raises(GradientError):
                    outcome(bad.point, CATCHER[label])
                broken += 1
    assert broken >= 2


def test_a_single_wrong_entry_is_found_and_named():
    layer = _broken(
        Dense(4, 3), "backward", 1, ("W",), lambda dW: dW + 1e-5 * (np.arange(dW.size) == 7).reshape(dW.shape)
    )
    with pytest.raises(GradientError, match=r"gradient of W is wrong in 1 of 12 entries; worst at \[2, 1\]"):
        check_layer(layer, (4,))
    assert check_layer(Case(Dense(4, 3)).layer, (4,)).max_error < 1e-9


# ---- optimisers


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_result_of_every_adjoint_is_checked(optimizer, monkeypatch):
    monkeypatch.setattr("numgan.checking.optimizer._MANY", 7)  # `update`, which has no bug here, is quick
    state = {"step": 3} | {name: np.ones(4) for name in optimizer.moments}
    p = np.linspace(0.1, 0.4, 4)
    results = optimizer.adjoint(np.ones(4), None, optimizer.step(p, p, state)[2])
    for index, place in [(i, place) for i, result in enumerate(results) for place in _places(result)]:
        for change in MUTATIONS.values():
            with pytest.raises(GradientError):
                check_optimizer(_broken(optimizer, "adjoint", index, place, change))


# ---- losses


def _broken_losses(loss):
    """(what is broken, the broken loss): every curve's f' and f'', also where they are constant zero."""
    changes = MUTATIONS | {"invented": lambda a: a + 1}
    tables = AdversarialLoss, RelativisticLoss, PairLoss
    curves = (
        {field.name: getattr(loss, field.name) for field in fields(loss)} if isinstance(loss, tables) else {}
    )
    for name, curve in curves.items():
        if isinstance(curve, Curve):
            for part, (word, change) in (
                (part, change) for part in ("d", "dd") for change in changes.items()
            ):
                original, probe = getattr(curve, part), np.linspace(-2.5, 2.5, 6)
                if not np.array_equal(change(original(probe)), original(probe)):
                    bad = replace(curve, **{part: lambda x, f=original, change=change: change(f(x))})
                    yield f"{name}.{part} {word}", replace(loss, **{name: bad})


@pytest.mark.parametrize("loss", LOSSES[:-1], ids=repr)
def test_every_derivative_of_every_curve_is_checked(loss):
    found = list(_broken_losses(loss))
    assert len(found) >= 5 * sum(isinstance(getattr(loss, field.name), Curve) for field in fields(loss))
    for what, broken in found:
        with pytest.raises(GradientError):
            check_loss(broken)
            pytest.fail(what)


@pytest.mark.parametrize("loss", RELATIVISTIC.values(), ids=repr)
@pytest.mark.parametrize(
    "method, index",
    [
        ("discriminator", 1),
        ("discriminator", 2),
        ("generator", 1),
        ("discriminator_tangent", 0),
        ("discriminator_tangent", 1),
        ("generator_tangent", None),
    ],
)
def test_every_result_of_a_relativistic_loss_is_checked(loss, method, index):
    for change in (*MUTATIONS.values(), lambda d: d + 1e-3):

        def changed(self, *logits, change=change):
            result = getattr(loss, method)(*logits)
            return (
                change(result)
                if index is None
                else tuple(change(part) if i == index else part for i, part in enumerate(result))
            )

        broken = type("Broken", (type(loss),), {method: changed})(loss.name, loss.curve)
        with pytest.raises(GradientError):
            check_loss(broken)


def test_every_derivative_of_the_cross_entropy_is_checked():
    assert LOSSES[-1] is softmax_cross_entropy  # the one loss that is no curve
    for change in MUTATIONS.values():

        class Broken(type(softmax_cross_entropy)):
            def __call__(self, y, labels, change=change):
                loss, dy = super().__call__(y, labels)
                return loss, change(dy)

        class BrokenTangent(type(softmax_cross_entropy)):
            def tangent(self, y, ty, labels, change=change):
                return change(super().tangent(y, ty, labels))

        for broken in (Broken(), BrokenTangent()):
            with pytest.raises(GradientError):
                check_loss(broken)


# ---- objectives


def _broken_system(system, objective, owner, name, change, known):
    """The same system; one parameter's gradient of one objective is changed.

    known   {point: result and kinks of the healthy objective there}: they are the same for every bug, so they
            are computed once
    """

    class Broken(type(system)):
        def objectives(self):
            healthy = super().objectives()

            def with_a_bug(params, batch, seed):
                point = objective, *(p.vector.tobytes() for p in params.values())
                if point not in known:
                    with record_kinks() as pieces:
                        known[point] = healthy[objective](params, batch, seed), pieces
                result, pieces = known[point]
                kink(lambda: np.array(pieces))
                gradient = result.gradients[owner].copy()
                gradient[name][...] = change(gradient[name])
                return replace(result, gradients=result.gradients | {owner: gradient})

            return healthy | {objective: with_a_bug}

    return Broken(**{field.name: getattr(system, field.name) for field in fields(system) if field.init})


def _before_batch_norm(net):
    """Biases that the BatchNorm after them undoes."""
    layers = list(net.children.items())
    return [
        f"{i}.b"
        for (i, layer), (_, after) in zip(layers, layers[1:])
        if "b" in layer.parameter_shapes() and isinstance(after, BatchNorm)
    ]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_gradient_of_every_objective_is_checked(name, monkeypatch):
    monkeypatch.setattr(differences, "LOCATE", 0)  # the block is enough here, where in it takes a while
    system, broken = build(name, width=0.01), 0
    if name == "unrolled":
        system = replace(system, unroll=2)
    for objective in system.objectives():
        known = {}
        for owner, gradient in SystemPoint(system).run(objective).gradients.items():
            alive = [
                path
                for path in gradient
                if np.abs(gradient[path]).max() > 1e-10 * np.abs(gradient.vector).max()
            ]
            undone = _before_batch_norm(system.networks[owner])
            assert (
                len(alive) >= len(gradient) - len(gradient.layout.held) - len(undone) - 1
            )  # the critic's last bias: its two terms cancel
            for parameter in alive:
                for change in MUTATIONS.values():
                    with pytest.raises(GradientError, match=f"gradient of {parameter} of {owner}"):
                        check_objective(
                            _broken_system(system, objective, owner, parameter, change, known), objective
                        )
                    broken += 1
    assert broken >= 12
