"""The bridge from NumPy to the C kernels: pointers, sizes and strides go down, the GIL is let go, and one table of functions is chosen.

compiled.py is the front. Here nothing is checked but the number of dimensions; every array is float32 or float64, aligned to its
elements, and the output is C-contiguous. `share` = (row, rows, column, columns): compute part `row` of `rows` by part `column`
of `columns` of the output.
"""

import os

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from libc.stddef cimport ptrdiff_t
from libc.string cimport memset


cdef extern from "kernels.h" nogil:
    ctypedef struct ng_array:
        void *data
        ptrdiff_t size[4]
        ptrdiff_t stride[4]

    ctypedef struct ng_window:
        ptrdiff_t kernel[2]
        ptrdiff_t stride[2]
        ptrdiff_t padding[2]

    ctypedef struct ng_share:
        ptrdiff_t row, rows, column, columns

    ctypedef struct ng_kernels:
        int (*matmul)(const ng_array *, const ng_array *, const void *, const ng_array *, ng_share) noexcept nogil
        int (*conv2d)(const ng_array *, const ng_array *, const void *, const ng_array *, ng_window, ng_share) noexcept nogil
        int (*conv2d_input_gradient)(const ng_array *, const ng_array *, const void *, const ng_array *, ng_window, ng_share) noexcept nogil
        int (*conv2d_input_gradient_thin)(const ng_array *, const ng_array *, const void *, const ng_array *, ng_window, ng_share) noexcept nogil
        int (*conv2d_weight_gradient)(const ng_array *, const ng_array *, const ng_array *, ng_window, ng_share) noexcept nogil
        int (*max_pool2d)(const ng_array *, const ng_array *, const ng_array *, ng_window, ng_share) noexcept nogil
        int (*max_pool2d_gradient)(const ng_array *, const ng_array *, const ng_array *, ng_share) noexcept nogil

    const ng_kernels ng_table_baseline[2]
    const ng_kernels ng_table_avx2[2]
    const ng_kernels ng_table_avx512[2]
    bint ng_has_avx2()
    bint ng_has_avx512()


cdef const ng_kernels *kernels = ng_table_baseline  # [0] float32, [1] float64


def isas():
    """The instruction sets that this processor offers, the best one last."""
    return ["baseline"] + ["avx2"] * ng_has_avx2() + ["avx512"] * ng_has_avx512()


def _choose():
    """The best instruction set, or the lesser one that NUMGAN_ISA asks for."""
    global kernels
    names = isas()
    name = os.environ.get("NUMGAN_ISA") or names[-1]
    if name not in names:
        raise ImportError(f"numgan: NUMGAN_ISA={name!r}, but this processor offers {', '.join(names)}; unset it or choose one of these")
    if name == "avx2":
        kernels = ng_table_avx2
    elif name == "avx512":
        kernels = ng_table_avx512
    return name


_isa = _choose()


def isa():
    """The instruction set in use: "baseline", "avx2" or "avx512"."""
    return _isa


cdef struct Operand:
    ng_array array
    int wide  # 1 if the elements have eight bytes: the index into `kernels`


cdef Operand describe(object array) except *:
    """Pointer, sizes and strides of an array. The caller's reference keeps the memory; NumPy does not move it."""
    cdef Py_buffer buffer
    cdef Operand operand
    memset(&operand, 0, sizeof(operand))
    PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES)
    operand.array.data = buffer.buf
    operand.wide = buffer.itemsize == 8
    for axis in range(buffer.ndim):
        operand.array.size[axis] = buffer.shape[axis]
        operand.array.stride[axis] = buffer.strides[axis] // buffer.itemsize
    PyBuffer_Release(&buffer)
    return operand


cdef void *pointer(object array) except? NULL:
    return NULL if array is None else describe(array).array.data


cdef ng_window window_of(kernel, stride, padding) except *:
    cdef ng_window window
    for axis in range(2):
        window.kernel[axis], window.stride[axis], window.padding[axis] = kernel[axis], stride[axis], padding[axis]
    return window


cdef ng_share share_of(share) except *:
    cdef ng_share result
    result.row, result.rows, result.column, result.columns = share
    return result


cdef int done(int status) except -1:
    if status:
        raise MemoryError("numgan: no memory for the blocks of a kernel")
    return 0


def matmul(a, b, bias, c, share):
    """c = a b (+ bias)"""
    cdef Operand A = describe(a), B = describe(b), C = describe(c)
    cdef const void *add = pointer(bias)
    cdef ng_share part = share_of(share)
    with nogil:
        status = kernels[A.wide].matmul(&A.array, &B.array, add, &C.array, part)
    done(status)


def conv2d(x, w, bias, y, stride, padding, share):
    """y = x * w (+ bias); all arrays C-contiguous, here and below"""
    cdef Operand X = describe(x), W = describe(w), Y = describe(y)
    cdef const void *add = pointer(bias)
    cdef ng_window window = window_of(w.shape, stride, padding)
    cdef ng_share part = share_of(share)
    with nogil:
        status = kernels[X.wide].conv2d(&X.array, &W.array, add, &Y.array, window, part)
    done(status)


def conv2d_input_gradient(dy, w, bias, dx, stride, padding, share):
    """dx = the transpose of conv2d in x (+ bias)"""
    cdef Operand DY = describe(dy), W = describe(w), DX = describe(dx)
    cdef const void *add = pointer(bias)
    cdef ng_window window = window_of(w.shape, stride, padding)
    cdef ng_share part = share_of(share)
    with nogil:
        status = kernels[DY.wide].conv2d_input_gradient(&DY.array, &W.array, add, &DX.array, window, part)
    done(status)


def conv2d_input_gradient_thin(dy, w, bias, dx, stride, padding, share):
    """The same by scattering, for few channels and for weights that are not finite; shared out by images only"""
    cdef Operand DY = describe(dy), W = describe(w), DX = describe(dx)
    cdef const void *add = pointer(bias)
    cdef ng_window window = window_of(w.shape, stride, padding)
    cdef ng_share part = share_of(share)
    with nogil:
        status = kernels[DY.wide].conv2d_input_gradient_thin(&DY.array, &W.array, add, &DX.array, window, part)
    done(status)


def conv2d_weight_gradient(x, dy, dw, stride, padding, share):
    """dw = x' * dy"""
    cdef Operand X = describe(x), DY = describe(dy), DW = describe(dw)
    cdef ng_window window = window_of(dw.shape, stride, padding)
    cdef ng_share part = share_of(share)
    with nogil:
        status = kernels[X.wide].conv2d_weight_gradient(&X.array, &DY.array, &DW.array, window, part)
    done(status)


def max_pool2d(x, y, index, kernel, stride, padding, share):
    """y = max over windows, index = where"""
    cdef Operand X = describe(x), Y = describe(y), I = describe(index)
    cdef ng_window window = window_of(kernel, stride, padding)
    cdef ng_share part = share_of(share)
    with nogil:
        status = kernels[X.wide].max_pool2d(&X.array, &Y.array, &I.array, window, part)
    done(status)


def max_pool2d_gradient(dy, index, dx, share):
    """dx[n, index, c] += dy[n, h, w, c] on a dx of zeros"""
    cdef Operand DY = describe(dy), I = describe(index), DX = describe(dx)
    cdef ng_share part = share_of(share)
    with nogil:
        status = kernels[DY.wide].max_pool2d_gradient(&DY.array, &I.array, &DX.array, part)
    done(status)
