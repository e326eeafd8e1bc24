"""Optimisers: each updates the parameters of a network from their gradient.

    p1, state1, cache = opt.step(p, g, state)               pure: p, g and state stay unchanged
    dp, dg, dstate    = opt.adjoint(dp1, dstate1, cache)    the backward pass of `step`, for unrolling
    opt.update(p, g, state)                                 in place, for the training loop

`step` and `update` make equal bits. p are the parameters and g the gradient, vectors (P,). `opt.start(p)`
makes the state, a dict: "step" is the number of updates made, and each moment, such as Adam's "m", has a
vector (P,). Every optimiser has these arguments:

    lr             the learning rate, a number or a schedule
    weight_decay   weight_decay p is added to g before the rule: the gradient of weight_decay |p|^2 / 2
    clip           the weights are clipped to [-clip, clip] after the rule (WGAN); None: no clipping
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
from .schedules import planned, value_at


@may_underflow
class Optimizer:
    """The base class of optimisers: it has everything but the formula of the update, the rule.

    A subclass defines `moments`, the names of its moments, and two methods:

    _rule(step, p, g, *moments)    updates p and the moments in place, with weight decay and clipping. step is
                                   the number of updates made before. Returns whether all new values are
                                   finite
    _rule_adjoint(dp1, dmoments, g, moments, step)    returns (dg, [derivative for each moment]): the
                                   derivatives of a loss with respect to g and to the moments before the
                                   update, from those with respect to p1 and to the moments after the update.
                                   Here g contains the weight decay

    lr             the learning rate, a number or a schedule
    weight_decay   weight_decay p is added to the gradient g before the rule; 0 by default
    clip           the weights are clipped to [-clip, clip] after the rule; None, the default: no clipping

    Raises ValueError for a negative or non-finite lr or weight_decay, or a clip other than None that is not a
    finite number above 0.
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
        """(weight_decay, clip), the last arguments of the optimisers' kernels; infinity if clip is None."""
        return self.weight_decay, math.inf if self.clip is None else self.clip

    def start(self, p):
        """The state before the first update of p (P,), a dict: "step" is 0, and each moment is zeros (P,)."""
        return {"step": 0} | {name: np.zeros_like(p) for name in self.moments}

    def update(self, p, g, state):
        """Update p and state in place. Returns True if all new values are finite, otherwise False.

        p        the parameters, a vector (P,)
        g        the gradient of the loss with respect to p, a vector (P,), which stays unchanged
        state    the result of `start`, or what the last update made of it

        Ctrl-C takes effect only after the update. Raises ValueError if g is None or differs from p in shape,
        or if state does not have the step and the moments of this optimiser.
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

        p (P,) are the parameters, g (P,) is the gradient, and `state` a dict as `start` makes it. All three
        stay unchanged. Raises ValueError if g differs from p in shape, or if state does not have the step and
        the moments of this optimiser.
        """
        p1 = p.copy()
        state1 = deepcopy(state)
        self.update(p1, g, state1)
        return p1, state1, (p, g, state, p1)

    def adjoint(self, dp1, dstate1, cache):
        """(dp, dg, dstate): the derivatives of a loss with respect to the arguments p, g and state of `step`.

        dp1 and dstate1 are the derivatives of this loss with respect to the results p1 and state1 of `step`,
        and cache is the third result. dstate1 and dstate are {moment: vector (P,)}. If dstate1 is None, or
        does not have a moment, the derivative with respect to the moment is zero. A weight that was clipped
        passes on no derivative of p1.
        """
        p, g, state, p1 = cache
        # a weight that was clipped does not change with p
        dp1 = dp1 if self.clip is None else dp1 * (np.abs(p1) < self.clip)
        dmoments = [_derivative(dstate1, name, p) for name in self.moments]
        moments = [state[name] for name in self.moments]
        decayed = g + self.weight_decay * p if self.weight_decay else g
        dg, dmoments = self._rule_adjoint(dp1, dmoments, decayed, moments, state["step"])
        # p1 = p + rule(g + weight_decay p)
        return dp1 + self.weight_decay * dg, dg, dict(zip(self.moments, dmoments))

    def changed(self, **constants):
        """A copy of the optimiser with new `constants`, values of arguments as keywords: changed(lr=1e-4).

        Raises TypeError for an unknown name, and ValueError for a wrong value.
        """
        words = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        return type(self)(**words | constants)

    def planned(self, old, new):
        """A copy of the optimiser in which every schedule over `old` steps is over `new` steps.

        `old` and `new` are numbers of updates. The optimiser itself is returned if it has no such schedule.
        """
        words = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        changes = {name: planned(value, old, new) for name, value in words.items()}
        changes = {name: value for name, value in changes.items() if value is not words[name]}
        return self.changed(**changes) if changes else self

    def __repr__(self):
        # The call that makes the optimiser, with lr and each argument whose value is not the default.
        words = [
            f"{name}={getattr(self, name)!r}"
            for name, parameter in inspect.signature(type(self)).parameters.items()
            if name == "lr" or getattr(self, name) != parameter.default
        ]
        return f"{type(self).__name__}({', '.join(words)})"


class SGD(Optimizer):
    """Stochastic gradient descent, with or without momentum.

    p1 = p - lr g                                                  momentum = 0
    m1 = momentum m + g,  p1 = p - lr m1                           heavy ball (Polyak 1964)
    m1 = momentum m + g,  p1 = p - lr (g + momentum m1)            nesterov=True

    p are the parameters, g is the gradient at p, and m the moment; p1 and m1 are their values after the
    update. momentum is a number or a schedule, 0 by default; nesterov is False by default. The Nesterov form
    is that of Sutskever et al. 2013, section 2, rewritten so that g is evaluated at p. Raises ValueError
    unless 0 <= momentum < 1, or if nesterov is True and momentum is 0.
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
        # (dg, [dm]), or (dg, []) without momentum, from dp1 and dmoments = [dm1]; see `Optimizer`.
        lr = value_at(self.lr, step)
        momentum = value_at(self.momentum, step)
        if not dmoments:  # p1 = p - lr g
            return -lr * dp1, []
        (dm1,) = dmoments  # m1 = momentum m + g, so dg and dm contain dm1 and momentum dm1
        if self.nesterov:  # p1 = p - lr (g + momentum m1)
            dm1 = dm1 - lr * momentum * dp1
            return dm1 - lr * dp1, [momentum * dm1]
        dm1 = dm1 - lr * dp1  # p1 = p - lr m1
        return dm1, [momentum * dm1]


class RMSProp(Optimizer):
    """RMSProp (Tieleman and Hinton 2012, lecture 6.5): each step is divided by the size of past gradients.

    v1 = decay v + (1 - decay) g^2,  p1 = p - lr g / (sqrt(v1) + eps)

    p are the parameters, g is the gradient, and the moment v is a mean of past g^2; p1 and v1 are the values
    after the update. The defaults are lr = 1e-3, decay = 0.99 and eps = 1e-8. In `adjoint` the derivative of
    sqrt at v1 = 0 is defined as 0. Raises ValueError unless 0 <= decay < 1 and eps >= 0.
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
        # (dg, [dv]) from dp1 and dmoments = [dv1], with the moments [v] before the update.
        (v,) = moments
        (dv1,) = dmoments
        # p1 = p - lr ratio with ratio = g / (root + eps) and root = sqrt(v1). The derivative of ratio is
        # 1 / (root + eps) for g, and -g / (root + eps)^2 for root.
        root = np.sqrt(self.decay * v + (1 - self.decay) * np.square(g))
        dratio = -value_at(self.lr, step) * dp1
        dv1 = dv1 - dratio * g / (root + self.eps) ** 2 * _half_inverse(root)
        # g is in the ratio and in v1 = decay v + (1 - decay) g^2
        return dratio / (root + self.eps) + dv1 * 2 * (1 - self.decay) * g, [self.decay * dv1]


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, Algorithm 1): a mean of past gradients, divided by their size.

    m1 = beta1 m + (1 - beta1) g                   v1 = beta2 v + (1 - beta2) g^2
    mhat = m1 / (1 - beta1^t)                      vhat = v1 / (1 - beta2^t)                      t = step + 1
    p1 = p - lr mhat / (sqrt(vhat) + eps)

    p are the parameters, g is the gradient, m and v are the moments; p1, m1 and v1 are the values after the
    update, and step counts from 0. The defaults are lr = 2e-4, beta1 = 0.5, beta2 = 0.999 and eps = 1e-8; lr
    and beta1 are DCGAN's (Radford et al. 2016, section 4). In `adjoint` the derivatives of p1 with respect to
    m1 and v1 are defined as 0 where v1 = 0. Raises ValueError unless 0 <= beta1, beta2 < 1 and eps >= 0.
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
        # (dg, [dm, dv]) from dp1 and dmoments = [dm1, dv1], with the moments [m, v] before the update.
        m, v = moments
        dm1, dv1 = dmoments
        # p1 = p - lr ratio with ratio = mhat / (root + eps) and root = sqrt(vhat), where mhat = m1 / bias1
        # and vhat = v1 / bias2. The derivative of ratio is 1 / (root + eps) for mhat, and
        # -mhat / (root + eps)^2 for root; that of root is 1 / (2 root) for vhat. At root = 0 both count as 0.
        bias1 = 1 - self.beta1 ** (step + 1)
        bias2 = 1 - self.beta2 ** (step + 1)
        mhat = (self.beta1 * m + (1 - self.beta1) * g) / bias1
        root = np.sqrt((self.beta2 * v + (1 - self.beta2) * np.square(g)) / bias2)
        dratio = -value_at(self.lr, step) * dp1
        dm1 = dm1 + np.where(root > 0, dratio / (root + self.eps) / bias1, 0)
        dv1 = dv1 - dratio * mhat / (root + self.eps) ** 2 * _half_inverse(root) / bias2
        # m1 = beta1 m + (1 - beta1) g, v1 = beta2 v + (1 - beta2) g^2
        return (1 - self.beta1) * dm1 + 2 * (1 - self.beta2) * g * dv1, [self.beta1 * dm1, self.beta2 * dv1]


class Historical(Optimizer):
    """Historical averaging (Salimans et al. 2016, section 3.3): weights are pulled to their past mean.

        g1 = g + 2 weight (p - a)          a1 = a + (p - a) / (step + 1)

    The optimiser `rule` makes the update, with g1 in place of the gradient g. a (P,) is the mean of the
    parameters p before each past update, and a1 its value after the update. a is the moment "past". At the
    first update a = p, and the added term is 0. This term is the gradient of weight |p - a|^2 for a constant
    a. No reported loss contains weight |p - a|^2. Learning rate, weight decay and clipping are those of
    `rule`. Raises ValueError for a weight below 0 or not finite, or a rule that is not an optimiser or is a
    Historical.
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
        # `constants` are those of `rule`; the weight stays
        return Historical(self.rule.changed(**constants), self.weight)

    def planned(self, old, new):
        return Historical(self.rule.planned(old, new), self.weight)

    def _pulled(self, p, g, past):
        """The gradient that `rule` gets: g + 2 weight (p - past), where `past` is the mean of past p."""
        return g + 2 * self.weight * (p - past)

    def _rule(self, step, p, g, *moments):
        # Update the mean `past` and then p with g1, in place. Returns whether the new values are finite.
        *moments, past = moments
        pulled = self._pulled(p, g, past)
        past += (p - past) / (step + 1)
        return self.rule._rule(step, p, pulled, *moments)

    def adjoint(self, dp1, dstate1, cache):
        # (dp, dg, dstate) as in `Optimizer.adjoint`: the adjoint of `rule`, and the part through g1.
        p, g, state, p1 = cache
        dp, dg, dstate = self.rule.adjoint(dp1, dstate1, (p, self._pulled(p, g, state["past"]), state, p1))
        # past1 = past + (p - past) / (step + 1), and g1 = g + 2 weight (p - past)
        dpast1 = _derivative(dstate1, "past", p)
        share = dpast1 / (state["step"] + 1)
        return dp + 2 * self.weight * dg + share, dg, dstate | {"past": dpast1 - share - 2 * self.weight * dg}


def _derivative(dstate, name, p):
    """The derivative with respect to the moment `name`, a vector (P,): dstate[name], or zeros.

    dstate is {moment: vector} or None. The result is zeros in the shape of the vector p if dstate is None, if
    it does not have this moment, or if it has None for it.
    """
    found = (dstate or {}).get(name)
    return np.zeros_like(p) if found is None else found


def _half_inverse(root):
    """The derivative of sqrt(v) with respect to v: 1 / (2 root), where root = sqrt(v); 0 where v = 0."""
    return np.divide(0.5, root, out=np.zeros_like(root), where=root > 0)


@may_underflow
def moving_average(average, p, decay):
    """Update a moving average of the weights p in place: average = decay average + (1 - decay) p.

    average and p are vectors (P,); decay is a number from 0 to 1. Returns nothing. Samples are drawn with the
    average (Yazici et al. 2019). Ctrl-C takes effect only after the update. Raises ValueError if average and
    p differ in shape.
    """
    if average.shape != p.shape:
        raise ValueError(
            f"moving_average: expected p of shape {average.shape}, got {p.shape}; use p of that network"
        )
    with _interrupts_deferred():
        kernels.moving_average(average, p, decay)


@contextmanager
def _interrupts_deferred():
    """A context in which Ctrl-C takes effect only at the end, so that no update is interrupted in the middle.

    So the parameters and the optimiser's state always change together. Several Ctrl-C in the context count as
    one. In a thread other than the main one, or if SIGINT has no handler in Python, the context does nothing:
    Python runs handlers in the main thread only.
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
        if interrupts:  # the arguments (signal number, frame) of the last Ctrl-C
            handler(*interrupts[-1])
