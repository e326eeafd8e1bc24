"""The bridge from NumPy to the C kernels: pointers, sizes and strides go down, the GIL is let go, and one instruction set is chosen.

products.py and pointwise.py are the front. Here nothing is checked: every array is float32 or float64 (the first one decides), aligned to its
elements, and of at most four dimensions.
"""

import os
import threading

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stddef cimport ptrdiff_t
from libc.string cimport memset


cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept        # not `except -1`: the exception stays set while the kernels are unwound


ctypedef int (*poller)() noexcept nogil


cdef extern from "kernels.h" nogil:
    ctypedef struct ng_array:
        void *data
        ptrdiff_t size[4]
        ptrdiff_t stride[4]

    ctypedef struct ng_window:
        ptrdiff_t kernel[2]
        ptrdiff_t stride[2]
        ptrdiff_t padding[2]

    ctypedef struct ng_call:
        ng_array array[8]
        ng_window window
        double scalar[8]

    int NG_KERNELS, NG_ARRAYS, NG_NO_MEMORY, NG_INTERRUPTED
    int NG_BASELINE, NG_AVX2, NG_AVX512
    const char *ng_names[]
    bint ng_has(int isa)
    int ng_run(int isa, bint wide, int kernel, const ng_call *call, ptrdiff_t rows, ptrdiff_t columns, int threads, poller poll)
    void *ng_block(size_t bytes)
    void ng_release(void *memory, size_t bytes)
    size_t ng_free_kept()


# --- which kernels -----------------------------------------------------------------------------------------------------

cdef dict _kernels = {ng_names[i].decode(): i for i in range(NG_KERNELS)}
cdef dict _isas = {"baseline": NG_BASELINE, "avx2": NG_AVX2, "avx512": NG_AVX512}


def isas():
    """The instruction sets that this processor offers, the best one last."""
    return [name for name, isa in _isas.items() if ng_has(isa)]


def _choose():
    """The best instruction set, or the lesser one that NUMGAN_ISA asks for."""
    names = isas()
    name = os.environ.get("NUMGAN_ISA") or names[-1]
    if name not in names:
        raise ImportError(f"numgan: NUMGAN_ISA={name!r}, but this processor offers {', '.join(names)}; unset it or choose one of these")
    return name


_isa = _choose()
cdef int chosen = _isas[_isa]


def isa():
    """The instruction set in use: "baseline", "avx2" or "avx512"."""
    return _isa


# --- calling one -------------------------------------------------------------------------------------------------------


cdef bint describe(object array, ng_array *result) except -1:
    """Pointer, sizes and strides; True if elements have eight bytes. The caller's reference keeps the memory; NumPy does not move it."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES)
    result.data = buffer.buf
    for axis in range(buffer.ndim):
        result.size[axis] = buffer.shape[axis]
        result.stride[axis] = buffer.strides[axis] // buffer.itemsize
    wide = buffer.itemsize == 8
    PyBuffer_Release(&buffer)
    return wide


cdef int poll() noexcept with gil:
    """Run Python's signal handlers; nonzero if one of them raised. For the main thread: others have none, and at the interpreter's exit
    a thread that asks for the GIL may never come back, while its helpers are at work."""
    return PyErr_CheckSignals()


def run(str kernel, arrays, shares, int threads, window=None, scalars=(), bint whole=False):
    """Compute every share of a kernel's output, on so many threads.

    arrays              in the kernel's order, None for one that is left out
    shares              (rows, columns): how many parts the output is cut into each way
    window              ((KH, KW), stride, padding), each a pair
    whole               Ctrl-C waits for the end: for what changes its arguments in place
    """
    cdef ng_call call
    cdef int number = _kernels[kernel], status
    cdef ptrdiff_t rows = shares[0], columns = shares[1]
    cdef bint wide = False
    cdef bint may_handle = not whole and threading.get_ident() == threading.main_thread().ident
    cdef poller asked = <poller>poll if may_handle else NULL
    memset(&call, 0, sizeof(call))
    for i, array in enumerate(arrays):
        if array is not None:
            eight = describe(array, &call.array[i])
            wide = eight if i == 0 else wide
    if window is not None:
        for axis in range(2):
            call.window.kernel[axis], call.window.stride[axis], call.window.padding[axis] = [pair[axis] for pair in window]
    for i, value in enumerate(scalars):
        call.scalar[i] = value
    with nogil:
        status = ng_run(chosen, wide, number, &call, rows, columns, threads, asked)
    if status == NG_NO_MEMORY:
        raise MemoryError("numgan: no memory for the blocks of a kernel")
    if status == NG_INTERRUPTED:
        raise_pending()


cdef int raise_pending() except -1:
    """The exception that poll's signal handler has left behind."""
    return -1


# --- memory for outputs ------------------------------------------------------------------------------------------------

cdef class Block:
    """Memory for one array. When the last array over it is gone it is kept for the next one of its size: fresh pages are slow."""

    cdef void *memory
    cdef size_t bytes

    def __cinit__(self, size_t bytes):
        self.bytes = bytes
        self.memory = ng_block(bytes)
        if self.memory == NULL:
            raise MemoryError(f"numgan: no memory for an array of {bytes} bytes")

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.memory, <ptrdiff_t>self.bytes, 0, flags)

    def __dealloc__(self):
        if self.memory != NULL:
            ng_release(self.memory, self.bytes)


def free_kept():
    """Free every block that is kept; how many bytes that was."""
    return ng_free_kept()
