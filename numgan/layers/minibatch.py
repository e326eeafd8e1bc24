"""MinibatchStd and MinibatchDiscrimination: features that compare the samples of a batch.

With these features D detects fakes that are too similar to each other. Both layers append the features to
x, along the last axis. In the sums of the tangent passes, a tangent of None means zero and is left out.
"""

import numpy as np

from .. import _kernels as kernels
from ..core.arguments import not_negative, positive
from ..core.probes import kink
from .base import Layer, Pass, expect, expect_floats, joined, product_rule, term, total
from .initializers import normal


class MinibatchStd(Layer):
    """y = (x, s): appends a channel with the mean standard deviation s of the samples in a group.

    s = mean over j of sqrt(var_j + eps)          x (N, ..., C)   y (N, ..., C + 1)

    j runs over all entries of a sample. var_j is the variance of entry j over the samples of the group. So
    each group has one number s, and s is the last channel at all positions of all samples of the group
    (Karras et al. 2018, section 3). A group is `group` consecutive samples (4 in the authors' code);
    group=None: the whole batch. Raises TypeError if x is not an array of floats; ValueError if x has fewer
    than two axes, or if the number of samples is not a multiple of `group`.
    """

    mixes_samples = True

    def __init__(self, group=None, eps=1e-8):
        self.group = None if group is None else positive(group, "MinibatchStd group")
        self.eps = not_negative(eps, "MinibatchStd eps")

    def output_shape(self, shape):
        return *shape[:-1], shape[-1] + 1

    def _groups(self, x):
        """x (N, ...) reshaped to (number of groups, samples in a group, entries of a sample).

        Without a group size all N samples are one group.
        """
        return x.reshape(-1, self.group or max(len(x), 1), int(np.prod(x.shape[1:])))

    def _appended(self, x, s):
        """y = (x, s) from x (N, ..., C) and s (number of groups,).

        Every position of a sample gets the number s of the sample's group as one more channel.
        """
        # one number for each sample, in an array (N, 1, ..., 1)
        column = np.repeat(s, len(x) // max(len(s), 1)).reshape(-1, *(1,) * (x.ndim - 1))
        return np.concatenate([x, np.broadcast_to(column, (*x.shape[:-1], 1))], axis=-1)

    def _sums(self, d):
        """The derivative with respect to s, as an array (number of groups, 1, 1).

        d is dy (N, ..., C + 1) or its tangent. For each group, the result is the sum of d over all copies of
        s in y.
        """
        return self._groups(d[..., -1:]).sum(axis=(1, 2), keepdims=True)

    def forward(self, p, x, context=Pass()):
        # (y, cache) with y = (x, s) and cache = (x - mean, std, shape of x); the first two as groups.
        expect_floats(self, x)
        expect(
            self,
            x.ndim >= 2 and len(x) % (self.group or 1) == 0,
            f"(N, ..., C) with N a multiple of {self.group or 1}",
            x,
            "choose such a batch size, or group=None",
        )
        g = self._groups(x)
        centred = g - g.mean(axis=1, keepdims=True)
        # std_j = sqrt(var_j + eps); s is the mean of std_j over the entries j
        std = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + self.eps)
        return self._appended(x, std.mean(axis=(1, 2))), (centred, std, x.shape)

    @staticmethod
    def _over_n_std(d, std):
        """d / (n std), where n is the number of entries in a group: samples times entries of a sample.

        d is (groups, samples, entries) and std (groups, 1, entries). With d = x - mean, the result is the
        derivative of s with respect to x. The tangent pass uses the same division.
        """
        n = d[0].size if len(d) else 1
        return d / (std * n)

    def backward(self, dy, cache, frozen=False, need_dx=True):
        # (dx, {}): dx is the part of dy for x, plus the derivative through s.
        centred, std, shape = cache
        dx = None
        if need_dx:
            # dx = dy + sums(dy) * slope, slope = ds/dx = centred / (n std); the last channel of dy is ds
            dx = dy[..., :-1] + (self._sums(dy) * self._over_n_std(centred, std)).reshape(shape)
        return dx, None if frozen else {}

    def tangent_forward(self, tx, cache, tp=None):
        # (ty, tcache): the tangents of y = (x, s), and of x - mean and std, when x moves along tx.
        centred, std, _ = cache
        if tx is None:
            return None, None
        tcentred = self._groups(tx) - self._groups(tx).mean(axis=1, keepdims=True)
        # std^2 = mean(centred^2) + eps, so std tstd = mean(centred tcentred)
        tstd = (centred * tcentred).mean(axis=1, keepdims=True) / std
        return self._appended(tx, tstd.mean(axis=(1, 2))), (tcentred, tstd)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        # (tdx, {}): the tangent of the dx that `backward` returns. A tangent of None means zero.
        centred, std, shape = cache
        # dx = dy + sums(dy) * slope with slope = centred / (n std); now its tangent, by the product rule
        tdx = None
        if need_dx and tdy is not None:
            tdx, _ = self.backward(tdy, cache, frozen=True)  # tdy + sums(tdy) * slope
        if need_dx and tcache is not None:
            tcentred, tstd = tcache
            # tslope = (tcentred - centred tstd / std) / (n std)
            tslope = self._over_n_std(tcentred - centred * tstd / std, std)
            tdx = total(tdx, (self._sums(dy) * tslope).reshape(shape))
        return tdx, None if frozen else {}

    def arguments(self):
        return "" if self.group is None else str(self.group)


def _differences(column):
    """The matrix (N, N) with the entry M_n - M_m in row n and column m, from the array `column`, M (N,)."""
    return column[:, None] - column


class MinibatchDiscrimination(Layer):
    """y = (x, o): appends B features o_nb that measure how close sample n is to the others of its batch.

    M = x T          o_nb = sum over samples m != n of exp(-sum_c |M_nbc - M_mbc|)

    x (N, A)   T (A, B C)   M (N, B C), for each sample B vectors of C numbers   o (N, B)   y (N, A + B)

    A = inputs, B = features, C = columns (Salimans et al. 2016, section 3.2). T is the parameter; `init` is
    its initialiser. Raises TypeError if x is not an array of floats, ValueError if x is not (N, A).
    """

    mixes_samples = True
    shown = ("inputs", "features", "columns")

    def __init__(self, inputs, features, columns, init=normal(0.05)):
        self.inputs = positive(inputs, "MinibatchDiscrimination inputs")
        self.features = positive(features, "MinibatchDiscrimination features")
        self.columns = positive(columns, "MinibatchDiscrimination columns")
        self.initializer = init

    def parameter_shapes(self):
        return {"T": (self.inputs, self.features * self.columns)}

    def initial_values(self, rng):
        shape = self.inputs, self.features * self.columns
        return {"T": self.initializer(rng, shape, *shape)}

    def output_shape(self, shape):
        expect(self, shape == (self.inputs,), f"({self.inputs},) per sample", shape)
        return (self.inputs + self.features,)

    def flops(self, shape):
        return 2 * self.inputs * self.features * self.columns

    def _columns(self, M):
        """M (N, B C) as an array (B, C, N), whose last axis holds the numbers of all samples side by side.

        So the N x N differences of one column fit into the cache of a CPU core.
        """
        return np.ascontiguousarray(M.T).reshape(self.features, self.columns, len(M))

    def _weighted(self, near, dy):
        """The array Q (B, N, N) with Q_bnm = near_bnm (do_nb + do_mb), from near (B, N, N) and dy (N, A + B).

        near_bnm = exp(-sum_c |M_nbc - M_mbc|), and do, the derivative with respect to o, is the last B
        columns of dy. near_bnm is a term of o_nb and of o_mb, so the derivatives with respect to o_nb and
        o_mb are added.
        """
        do = dy[:, self.inputs :].T  # (B, N)
        return near * (do[:, :, None] + do[:, None])  # (B, N, 1) + (B, 1, N)

    def _gather(self, Q, M):
        """The derivative dM (N, B C) from Q (B, N, N) and M (B, C, N).

        dM_nbc = -sum_m Q_bnm sign(M_nbc - M_mbc)

        Q is a result of `_weighted`, M is the result of `_columns`.
        """
        dM = np.empty_like(M)
        for b, c in np.ndindex(self.features, self.columns):  # einsum: the sum over m of each row n
            dM[b, c] = -np.einsum("nm,nm->n", Q[b], np.sign(_differences(M[b, c])))
        return np.ascontiguousarray(dM.reshape(self.features * self.columns, M.shape[2]).T)

    def forward(self, p, x, context=Pass()):
        # (y, cache) with y = (x, o) (N, A + B) and cache = (x, T, M, near).
        # M (B, C, N) is the result of `_columns`, and near (B, N, N) holds exp(-sum_c |M_nbc - M_mbc|), with
        # 0 for m = n.
        expect_floats(self, x)
        expect(
            self,
            x.ndim == 2 and x.shape[1] == self.inputs,
            f"(N, {self.inputs})",
            x,
            "add Flatten() before it" if x.ndim > 2 else "",
        )
        T = p["T"]
        M = self._columns(kernels.matmul(x, T))
        kink(lambda: M[..., :, None] > M[..., None, :])
        near = np.empty((self.features, len(x), len(x)), M.dtype)
        for b in range(self.features):  # near_bnm = exp(-sum_c |M_nbc - M_mbc|)
            near[b] = np.exp(-sum(np.abs(_differences(column)) for column in M[b]))
            np.fill_diagonal(near[b], 0)  # m != n; subtracting 1 instead would round away small terms
        return np.concatenate([x, near.sum(axis=2).T], axis=1), (x, T, M, near)  # o_nb = sum_m near_bnm

    def backward(self, dy, cache, frozen=False, need_dx=True):
        # (dx, {"T": dT}) from dy (N, A + B), whose first A columns belong to x and whose last B to o.
        x, T, M, near = cache
        dM = self._gather(self._weighted(near, dy), M)
        # M = x T, so dx = dy for the copied part + dM T', and dT = x' dM
        dx = dy[:, : self.inputs] + kernels.matmul(dM, T.T) if need_dx else None
        return dx, None if frozen else {"T": kernels.dense_weight_gradient(x, dM)}

    def tangent_forward(self, tx, cache, tp=None):
        # (ty, (tx, tT, tnear)): the tangents of y, and of near, when x and T move along tx and tT.
        x, T, M, near = cache
        tT = None if tp is None else tp["T"]
        tM = product_rule(kernels.matmul, x, T, tx, tT)  # tM = tx T + x tT
        if tM is None:
            return None, (None, None, None)
        tM = self._columns(tM)
        tnear = np.empty_like(near)
        for b in range(self.features):
            # tnear_bnm = -near_bnm sum_c sign(M_nbc - M_mbc) (tM_nbc - tM_mbc)
            tnear[b] = -near[b] * sum(
                np.sign(_differences(column)) * _differences(tcolumn)
                for column, tcolumn in zip(M[b], tM[b], strict=True)
            )
        to = tnear.sum(axis=2).T
        return joined((tx, to), (x.shape, to.shape)), (tx, tT, tnear)

    def tangent_backward(self, dy, tdy, cache, tcache, frozen=False, need_dx=True):
        # (tdx, {"T": tdT}): the tangents of the results of `backward`, by the product rule.
        x, T, M, near = cache
        tx, tT, tnear = tcache
        tdx = tdp = None
        dM = self._gather(self._weighted(near, dy), M)
        # the signs in `_gather` are constant, so tdM is `_gather` of the tangent of `_weighted`
        tdM = term(self._gather, product_rule(self._weighted, near, dy, tnear, tdy), M)
        if need_dx:  # tdx = tdy + tdM T' + dM tT'
            tdx = total(
                None if tdy is None else tdy[:, : self.inputs],
                term(kernels.matmul, tdM, T.T),
                term(kernels.matmul, dM, term(np.transpose, tT)),
            )
        if not frozen:  # tdT = tx' dM + x' tdM
            tdp = {"T": product_rule(kernels.dense_weight_gradient, x, dM, tx, tdM)}
        return tdx, tdp
