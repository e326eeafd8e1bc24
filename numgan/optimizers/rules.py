"""Optimisers: an update is one operation on one vector, either pure with an adjoint or in place.

    p1, state1, cache = opt.step(p, g, state)               pure: p, g and state stay unchanged
    dp, dg, dstate    = opt.adjoint(dp1, dstate1, cache)    the backward pass of `step`, for unrolling
    opt.update(p, g, state)                                 in place, for the training loop; equal bits

p are the parameters and g the gradient, vectors (P,). `opt.start(p)` makes the state: {"step": number of
updates made, and a vector (P,) for each moment}. The learning rate lr is a number or a schedule.

    weight_decay   adds weight_decay p to g before the rule, the gradient of weight_decay |p|^2 / 2
    clip           clips the weights to [-clip, clip] after the rule (WGAN)
"""

import inspect
import math
import signal
import threading
from contextlib import contextmanager
from copy import deepcopy

import numpy as np

from .. import _kernels as kernels
from ..core.arguments import is_number, plain
from ..core.underflow import may_underflow
from .schedules import value_at


@may_underflow
class Optimizer:
    """The base class: schedules, weight decay before the rule, clipping after the rule.

    A subclass defines `moments`, `_rule` and `_rule_adjoint`. `_rule(step, p, g, *moments)` updates p and the
    moments in place, with weight decay and clipping. It returns whether all new values are finite.
    `_rule_adjoint` returns (dg, dmoments), the derivatives with respect to g and to the moments before the
    update. Raises ValueError for a negative or non-finite lr or weight_decay, or a clip that is not above 0.
    """

    moments = ()

    def __init_subclass__(cls):
        super().__init_subclass__()
        may_underflow(cls)

    def __init__(self, lr, weight_decay=0.0, clip=None):
        name = type(self).__name__
        if (
            not (callable(lr) or is_number(lr))
            or not is_number(weight_decay)
            or not (clip is None or is_number(clip) and clip > 0)
        ):
            raise ValueError(
                f"{name}: expected finite lr >= 0, weight_decay >= 0 and clip > 0 or None, "
                f"got {lr!r}, {weight_decay!r}, {clip!r}; lr may be a schedule"
            )
        self.lr = plain(lr)
        self.weight_decay = plain(weight_decay)
        self.clip = plain(clip)

    @property
    def _options(self):
        """(weight_decay, clip), the last arguments of the kernels. clip = None becomes infinity."""
        return self.weight_decay, math.inf if self.clip is None else self.clip

    def start(self, p):
        """The state before the first update of p: step 0, and zeros for each moment."""
        return {"step": 0} | {name: np.zeros_like(p) for name in self.moments}

    def update(self, p, g, state):
        """Update p and state in place. Returns whether all new values are finite. g stays unchanged.

        Ctrl-C takes effect only after the update. Raises ValueError if g is None or differs from p in shape,
        or if state does not belong to this optimiser.
        """
        name = type(self).__name__
        if g is None or np.shape(p) != np.shape(g):
            got = None if g is None else np.shape(g)
            raise ValueError(
                f"{name}.update: expected g of shape {np.shape(p)}, got {got}; g is the gradient in p"
            )
        if not isinstance(state, dict) or state.keys() != {"step", *self.moments}:
            raise ValueError(
                f"{name}.update: expected a state with {sorted(['step', *self.moments])}, got "
                f"{sorted(state) if isinstance(state, dict) else state!r}; make it with start(p)"
            )
        with _interrupts_deferred():
            finite = self._rule(state["step"], p, g, *(state[name] for name in self.moments))
            state["step"] += 1
        return finite

    def step(self, p, g, state):
        """(p1, state1, cache): the parameters and the state after one update, and what `adjoint` needs.

        p, g and state stay unchanged. Raises ValueError like `update`.
        """
        p1 = p.copy()
        state1 = deepcopy(state)
        self.update(p1, g, state1)
        return p1, state1, (p, g, state, p1)

    def adjoint(self, dp1, dstate1, cache):
        """(dp, dg, dstate): the derivatives of a loss with respect to the arguments p, g and state of `step`.

        dp1 and dstate1 are its derivatives with respect to the results p1 and state1 of `step`. dstate1 and
        dstate are {moment: vector}. dstate1 = None, or a moment that it does not have, means zero.
        """
        p, g, state, p1 = cache
        dp1 = dp1 if self.clip is None else dp1 * (np.abs(p1) < self.clip)
        dmoments = [_derivative(dstate1, name, p) for name in self.moments]
        moments = [state[name] for name in self.moments]
        decayed = g + self.weight_decay * p if self.weight_decay else g
        dg, dmoments = self._rule_adjoint(dp1, dmoments, decayed, moments, state["step"])
        return dp1 + self.weight_decay * dg, dg, dict(zip(self.moments, dmoments))

    def changed(self, **constants):
        """A new optimiser of the same class, with the given constants changed."""
        words = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        return type(self)(**words | constants)

    def __repr__(self):
        words = [
            f"{name}={getattr(self, name)!r}"
            for name, parameter in inspect.signature(type(self)).parameters.items()
            if name == "lr" or getattr(self, name) != parameter.default
        ]
        return f"{type(self).__name__}({', '.join(words)})"


class SGD(Optimizer):
    """p1 = p - lr g                                                  momentum = 0
    m1 = momentum m + g,  p1 = p - lr m1                              heavy ball (Polyak 1964)
    m1 = momentum m + g,  p1 = p - lr (g + momentum m1)               nesterov=True

    The Nesterov form is that of Sutskever et al. 2013, section 2, rewritten so that g is evaluated at p.
    momentum is a number or a schedule. Raises ValueError unless 0 <= momentum < 1, or if nesterov is True and
    momentum is 0.
    """

    def __init__(self, lr, momentum=0.0, nesterov=False, weight_decay=0.0, clip=None):
        super().__init__(lr, weight_decay, clip)
        if not (callable(momentum) or is_number(momentum, 0, 1)) or nesterov and not momentum:
            raise ValueError(
                f"SGD: expected 0 <= momentum < 1, and above 0 with nesterov, got {momentum!r}; "
                "set nesterov=False for momentum 0"
            )
        self.momentum = plain(momentum)
        self.nesterov = nesterov
        self.moments = ("m",) if self.momentum else ()

    def _rule(self, step, p, g, m=None):
        lr = value_at(self.lr, step)
        momentum = value_at(self.momentum, step)
        return kernels.sgd(p, g, m, lr, momentum, self.nesterov, *self._options)

    def _rule_adjoint(self, dp1, dmoments, g, moments, step):
        lr = value_at(self.lr, step)
        momentum = value_at(self.momentum, step)
        if not dmoments:
            return -lr * dp1, []
        (dm1,) = dmoments
        if self.nesterov:
            dm1 = dm1 - lr * momentum * dp1
            return dm1 - lr * dp1, [momentum * dm1]
        dm1 = dm1 - lr * dp1
        return dm1, [momentum * dm1]


class RMSProp(Optimizer):
    """v1 = decay v + (1 - decay) g^2,  p1 = p - lr g / (sqrt(v1) + eps)

    (Tieleman and Hinton 2012, lecture 6.5)

    The derivative of sqrt at v1 = 0 is defined as 0. Raises ValueError unless 0 <= decay < 1 and eps >= 0.
    """

    moments = ("v",)

    def __init__(self, lr=1e-3, decay=0.99, eps=1e-8, weight_decay=0.0, clip=None):
        super().__init__(lr, weight_decay, clip)
        if not (is_number(decay, 0, 1) and is_number(eps)):
            raise ValueError(f"RMSProp: expected 0 <= decay < 1 and eps >= 0, got {decay!r}, {eps!r}")
        self.decay = plain(decay)
        self.eps = plain(eps)

    def _rule(self, step, p, g, v):
        return kernels.rmsprop(p, g, v, value_at(self.lr, step), self.decay, self.eps, *self._options)

    def _rule_adjoint(self, dp1, dmoments, g, moments, step):
        (v,) = moments
        (dv1,) = dmoments
        root = np.sqrt(self.decay * v + (1 - self.decay) * np.square(g))
        dratio = -value_at(self.lr, step) * dp1
        dv1 = dv1 - dratio * g / (root + self.eps) ** 2 * _half_inverse(root)
        return dratio / (root + self.eps) + dv1 * 2 * (1 - self.decay) * g, [self.decay * dv1]


class Adam(Optimizer):
    """m1 = beta1 m + (1 - beta1) g                   v1 = beta2 v + (1 - beta2) g^2
    mhat = m1 / (1 - beta1^t)                      vhat = v1 / (1 - beta2^t)                      t = step + 1
    p1 = p - lr mhat / (sqrt(vhat) + eps)          (Kingma and Ba 2015, Algorithm 1)

    beta1 = 0.5 is DCGAN's (Radford et al. 2016, section 4). The derivative at m1 = v1 = 0 is defined as 0.
    Raises ValueError unless 0 <= beta1, beta2 < 1 and eps >= 0.
    """

    moments = ("m", "v")

    def __init__(self, lr=2e-4, beta1=0.5, beta2=0.999, eps=1e-8, weight_decay=0.0, clip=None):
        super().__init__(lr, weight_decay, clip)
        if not (is_number(beta1, 0, 1) and is_number(beta2, 0, 1) and is_number(eps)):
            raise ValueError(
                f"Adam: expected 0 <= beta1, beta2 < 1 and eps >= 0, got {beta1!r}, {beta2!r}, {eps!r}"
            )
        self.beta1 = plain(beta1)
        self.beta2 = plain(beta2)
        self.eps = plain(eps)

    def _rule(self, step, p, g, m, v):
        lr = value_at(self.lr, step)
        return kernels.adam(p, g, m, v, lr, self.beta1, self.beta2, self.eps, step + 1, *self._options)

    def _rule_adjoint(self, dp1, dmoments, g, moments, step):
        m, v = moments
        dm1, dv1 = dmoments
        bias1 = 1 - self.beta1 ** (step + 1)
        bias2 = 1 - self.beta2 ** (step + 1)
        mhat = (self.beta1 * m + (1 - self.beta1) * g) / bias1
        root = np.sqrt((self.beta2 * v + (1 - self.beta2) * np.square(g)) / bias2)
        dratio = -value_at(self.lr, step) * dp1
        dm1 = dm1 + np.where(root > 0, dratio / (root + self.eps) / bias1, 0)
        dv1 = dv1 - dratio * mhat / (root + self.eps) ** 2 * _half_inverse(root) / bias2
        return (1 - self.beta1) * dm1 + 2 * (1 - self.beta2) * g * dv1, [self.beta1 * dm1, self.beta2 * dv1]


class Historical(Optimizer):
    """Historical averaging (Salimans et al. 2016, section 3.3): the optimiser `rule` gets g1 in place of g

        g1 = g + 2 weight (p - a)          a1 = a + (p - a) / (step + 1)

    a (P,) is the mean of the weights before each past update. It counts as a constant. At the first update a
    = p, and the added term is 0. The term 2 weight (p - a) is the gradient of weight |p - a|^2, which is not
    part of any reported loss. Learning rate, weight decay and clipping are those of `rule`. Raises ValueError
    for a weight below 0 or not finite, or a rule that is not an optimiser or is a Historical.
    """

    def __init__(self, rule, weight):
        if not isinstance(rule, Optimizer) or isinstance(rule, Historical) or not is_number(weight):
            raise ValueError(
                "Historical: expected a rule such as Adam(), an optimiser that is not Historical, "
                f"and a finite weight >= 0, got {rule!r} and {weight!r}"
            )
        self.rule = rule
        self.weight = plain(weight)
        self.moments = (*rule.moments, "past")
        self.lr = rule.lr
        self.clip = rule.clip

    def start(self, p):
        return self.rule.start(p) | {"past": p.copy()}

    def changed(self, **constants):
        return Historical(self.rule.changed(**constants), self.weight)

    def _pulled(self, p, g, past):
        """g1 of the class: g plus the gradient of weight |p - past|^2. past is the mean a."""
        return g + 2 * self.weight * (p - past)

    def _rule(self, step, p, g, *moments):
        *moments, past = moments
        pulled = self._pulled(p, g, past)
        past += (p - past) / (step + 1)
        return self.rule._rule(step, p, pulled, *moments)

    def adjoint(self, dp1, dstate1, cache):
        p, g, state, p1 = cache
        dp, dg, dstate = self.rule.adjoint(dp1, dstate1, (p, self._pulled(p, g, state["past"]), state, p1))
        dpast1 = _derivative(dstate1, "past", p)
        share = dpast1 / (state["step"] + 1)
        return dp + 2 * self.weight * dg + share, dg, dstate | {"past": dpast1 - share - 2 * self.weight * dg}


def _derivative(dstate, name, p):
    """dstate[name], the derivative with respect to the moment `name`.

    Zeros in the shape of p if dstate is None, lacks this moment or holds None for it.
    """
    found = (dstate or {}).get(name)
    return np.zeros_like(p) if found is None else found


def _half_inverse(root):
    """1 / (2 root), the derivative of sqrt(v) with respect to v, where root = sqrt(v).

    It is 0 where v = 0.
    """
    return np.divide(0.5, root, out=np.zeros_like(root), where=root > 0)


@may_underflow
def moving_average(average, p, decay):
    """Replace `average` by decay average + (1 - decay) p, in place.

    average and p are vectors (P,). Samples are drawn with the average (Yazici et al. 2019).
    Raises ValueError if average and p differ in length.
    """
    if average.shape != p.shape:
        raise ValueError(
            f"moving_average: expected p of shape {average.shape}, got {p.shape}; use p of that network"
        )
    with _interrupts_deferred():
        kernels.moving_average(average, p, decay)


@contextmanager
def _interrupts_deferred():
    """A context in which Ctrl-C takes effect only at the end, so that p and its state change together.

    Python runs signal handlers in the main thread only, so in another thread this does nothing.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    interrupts = []
    signal.signal(signal.SIGINT, lambda *arguments: interrupts.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if interrupts:
            handler(*interrupts[-1])
