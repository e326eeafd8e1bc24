"""The bridge from NumPy to the C kernels: it passes pointers, sizes and strides to C, releases the GIL during
a kernel, and chooses one instruction set.

products.py and pointwise.py call it. It checks only the names of the arguments, and that no array is missing.
Every array must be float32 or float64 (the first array decides), aligned to its elements, with at most four
dimensions.
"""

import os
from threading import get_ident, main_thread

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stddef cimport ptrdiff_t
from libc.string cimport memset

from .arguments import ARGUMENTS


cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept    # not `except -1`: the exception stays set until the kernel returns


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

    int NG_KERNELS, NG_NO_MEMORY, NG_INTERRUPTED
    int NG_BASELINE, NG_AVX2, NG_AVX512
    const char *ng_names[]
    bint ng_has(int isa)
    int ng_run(int isa, bint wide, int kernel, const ng_call *call, ptrdiff_t rows, ptrdiff_t columns,
               int threads, poller poll)
    void *ng_block(size_t bytes)
    void ng_release(void *memory, size_t bytes)
    size_t ng_free_kept()


# --- which kernels ------------------------------------------------------------------------------------------

cdef dict _numbers = {ng_names[i].decode(): i for i in range(NG_KERNELS)}
# {kernel: (number, names of arrays, names of arrays that may be None, names of scalars)}
cdef dict _kernels = {
    name: (number, tuple(arrays), {array for array, (_, optional) in arrays.items() if optional}, scalars)
    for name, number in _numbers.items() for arrays, scalars in [ARGUMENTS[name]]
}
cdef dict _isas = {"baseline": NG_BASELINE, "avx2": NG_AVX2, "avx512": NG_AVX512}


def isas():
    """The instruction sets that this processor offers, the best one last."""
    return [name for name, isa in _isas.items() if ng_has(isa)]


def _choose():
    """The best instruction set, or the lesser one that NUMGAN_ISA asks for."""
    names = isas()
    name = os.environ.get("NUMGAN_ISA") or names[-1]
    if name not in names:
        raise ImportError(f"numgan: NUMGAN_ISA={name!r}, but this processor offers {', '.join(names)}; "
                          "unset it or choose one of these")
    return name


_isa = _choose()
cdef int chosen = _isas[_isa]


def isa():
    """The instruction set in use: "baseline", "avx2" or "avx512"."""
    return _isa


# --- calling one --------------------------------------------------------------------------------------------


cdef bint describe(object array, ng_array *result) except -1:
    """Write pointer, sizes and strides to result. Returns True if an element has eight bytes.

    The caller holds a reference to the array, so its memory stays, and NumPy does not move it.
    """
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
    """Run Python's signal handlers; nonzero if one of them raised an exception. Only for the main thread.

    Other threads have no handlers. At the interpreter's exit, a thread that asks for the GIL may never get
    it, while its helpers are still at work.
    """
    return PyErr_CheckSignals()


cdef int _threads = 1


def num_threads():
    """How many threads a kernel with many shares uses."""
    return _threads


def set_num_threads(int n):
    """Use n threads, including the caller's, from the next kernel call on."""
    global _threads
    _threads = n


def run(str kernel, shares, window=None, bint whole=False, **arguments):
    """Compute every share of a kernel's output.

    shares              (rows, columns): the numbers of parts of the output along both axes
    window              ((KH, KW), stride, padding), each a pair
    whole               Ctrl-C waits for the end: for kernels that change their arguments in place
    arguments           the kernel's arrays and numbers, by the names of arguments.py
    """
    cdef ng_call call
    cdef int number, status, place = 0
    cdef tuple arrays, scalars
    cdef set optional
    cdef ptrdiff_t rows = shares[0], columns = shares[1]
    cdef bint wide = False
    cdef bint may_handle = not whole and get_ident() == main_thread().ident
    cdef poller asked = <poller>poll if may_handle else NULL
    number, arrays, optional, scalars = _kernels[kernel]
    if len(arguments) != len(arrays) + len(scalars):
        raise TypeError(f"run: {kernel}: expected the arguments {', '.join([*arrays, *scalars])}, "
                        f"got {', '.join(arguments)}")
    memset(&call, 0, sizeof(call))
    for name in arrays:
        array = arguments[name]
        if array is not None:
            eight = describe(array, &call.array[place])
            wide = eight if place == 0 else wide
        elif name not in optional:
            raise TypeError(f"run: {kernel}: expected {name} as an array, got None")
        place += 1
    if window is not None:
        for axis in range(2):
            call.window.kernel[axis], call.window.stride[axis], call.window.padding[axis] = \
                [pair[axis] for pair in window]
    place = 0
    for name in scalars:
        call.scalar[place] = arguments[name]
        place += 1
    with nogil:
        status = ng_run(chosen, wide, number, &call, rows, columns, _threads, asked)
    if status == NG_NO_MEMORY:
        raise MemoryError("numgan: no memory for the blocks of a kernel")
    if status == NG_INTERRUPTED:
        raise_pending()


cdef int raise_pending() except -1:
    """Raise the exception of the signal handler that poll called."""
    return -1


# --- memory for outputs -------------------------------------------------------------------------------------

cdef class Block:
    """Memory for one array. When its last array is deleted, it is kept for the next array of its size.

    New pages of memory are slow.
    """

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
    """Free every kept block. Returns the number of bytes."""
    return ng_free_kept()
