"""The choice of kernels: the backend "cython" under the whole library, NUMGAN_BACKEND, and your own kernels.

Values of "cython" are held to the definition in test_kernels.py, with the same tests as the C kernels.
"""

import signal
import types

import numpy as np
import pytest
from kernel_cases import CONVOLUTIONS, DTYPES, convolution, normal, python

import numgan as ng
from numgan import _kernels as kernels
from numgan import systems
from numgan._kernels import readable, reference
from numgan.checking import catalogue
from numgan.checking.layer_cases import LAYERS

needs_cython = pytest.mark.skipif(
    readable is None, reason="the cython kernels are not built: this is the NumPy-only version"
)


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """The built-in backends alone. Afterwards the chosen one and those of other tests are restored."""
    monkeypatch.setattr(kernels, "_modules", {name: kernels._modules[name] for name in kernels.BUILT_IN})
    monkeypatch.setattr(kernels, "_chosen", kernels._chosen)


# --- the product by addresses -------------------------------------------------------------------------------


def tables(x):
    """Addresses of a matrix by a second way: the places of its elements, counted."""
    place = np.arange(x.size).reshape(x.shape)
    return x.reshape(-1), place[:, 0].copy(), place[0].copy()


@needs_cython
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m, k, n", [(1, 1, 1), (3, 2, 9), (65, 257, 259), (2, 513, 8), (131, 5, 17)])
def test_the_product_stays_inside_its_arrays(m, k, n, dtype):
    """Sizes one beyond a tile and one beyond a block; C lies between guards."""
    rng, guard = np.random.default_rng(0), dtype(1e30)
    a, b, memory = normal(rng, dtype, m, k), normal(rng, dtype, k, n), np.full((m + 2, n), guard)
    memory[1:-1] = 0
    readable.add_product(*tables(a), *tables(b), *tables(memory[1:-1]))
    assert (memory[[0, -1]] == guard).all()
    np.testing.assert_allclose(memory[1:-1], a @ b, atol=1e-4)


@needs_cython
def test_entries_of_one_address_are_added_up():
    a, b, c = np.arange(6.0).reshape(3, 2), np.arange(8.0).reshape(2, 4), np.ones(1)
    readable.add_product(*tables(a), *tables(b), c, np.zeros(3, np.intp), np.zeros(4, np.intp))
    assert c[0] == 1 + (a @ b).sum()


@needs_cython
@pytest.mark.parametrize("which", "ABC")
@pytest.mark.parametrize("wrong", [-1, 12, 1 << 62, -(1 << 62)])
def test_a_wrong_address_is_an_error(which, wrong):
    operands = {"A": tables(np.ones((3, 4))), "B": tables(np.ones((4, 3))), "C": tables(np.zeros((3, 3)))}
    for table in 1, 2:
        spoilt = {name: [part.copy() for part in parts] for name, parts in operands.items()}
        spoilt[which][table][1] = wrong
        with pytest.raises(
            IndexError,
            match=f"add_product: an address of {which} is outside its {operands[which][0].size} elements",
        ):
            readable.add_product(*[part for parts in spoilt.values() for part in parts])


@needs_cython
def test_sizes_that_do_not_agree_are_an_error():
    with pytest.raises(ValueError, match=r"add_product: A \(3, 4\) times B \(3, 4\) is not a C \(3, 3\)"):
        readable.add_product(*tables(np.ones((3, 4))), *tables(np.ones((3, 4))), *tables(np.zeros((3, 3))))


@needs_cython
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CONVOLUTIONS[2:7], ids=str)
def test_products_are_finished(case, dtype):
    x, w, dy, o, c, window = convolution(case, dtype)
    for name, arguments in {
        "conv2d": (x, w, *window, o, 0.2, dy),
        "conv2d_input_gradient": (dy, w, *window, x.shape[1:3], c, 0.2, x),
        "matmul": (x[0, 0], w[0, 0], o, 0.2),
    }.items():
        got, expected = getattr(readable, name)(*arguments), getattr(reference, name)(*arguments)
        np.testing.assert_allclose(
            got, expected, rtol=1e-4, atol=1e-4 if dtype == np.float32 else 1e-12, err_msg=name
        )


@needs_cython
def test_ctrl_c_is_answered_between_blocks():
    def stop(*_):
        raise KeyboardInterrupt

    a, before = np.ones((1 << 11, 1 << 11), np.float32), signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            readable.matmul(a, a)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# --- the whole library on it --------------------------------------------------------------------------------


@needs_cython
def test_a_paper_s_system_is_right_on_it():
    with kernels.use_backend("cython"), kernels.kernel_calls() as calls:
        report = ng.check_system(systems.build("dcgan", "digits", 0.05))
    assert report.max_error <= 1e-6
    assert all(
        calls[name] for name in ("matmul", "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient")
    )


@needs_cython
@pytest.mark.parametrize(
    "case", [case for case in LAYERS if case.title.startswith(("Dense", "Conv"))], ids=lambda case: case.title
)
def test_layers_are_right_on_it(case):
    with kernels.use_backend("cython"):
        entries = list(catalogue.entries([case.title]))
    assert entries and [entry for entry in entries if not entry.passed] == []


@needs_cython
def test_its_bits_depend_on_nothing():
    before, results = kernels.num_threads(), []
    x, w, *_, window = convolution(CONVOLUTIONS[9], np.float32)
    with kernels.use_backend("cython"):
        for n in 1, 2, 7, 1:
            kernels.set_num_threads(n)
            results.append(kernels.conv2d(x, w, *window).tobytes())
    kernels.set_num_threads(before)
    assert len(set(results)) == 1


# --- the choice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["reference", pytest.param("cython", marks=needs_cython), pytest.param("compiled", marks=needs_cython)],
)
def test_the_environment_chooses(name):
    run = python(
        "import numgan, numgan.bench.doctor as d; r = d.examine(); "
        "print(numgan.backend(), r['backend'], r['passed'], r['instruction_set'])",
        NUMGAN_BACKEND=name,
        NUMGAN_PURE="",
        NUMGAN_NUM_THREADS="1",
    )
    assert run.stdout.split()[:3] == [name, name, "True"], run.stderr
    assert (run.stdout.split()[3] == "None") == (name != "compiled")


@pytest.mark.parametrize(
    "backend, pure, message",
    [
        (
            "fast",
            "",
            "ValueError: NUMGAN_BACKEND: expected one of reference, cython, compiled, got 'fast'; "
            "set it to one or unset it",
        ),
        (
            "compiled",
            "1",
            "ValueError: NUMGAN_BACKEND: compiled contradicts NUMGAN_PURE=1, which means reference; "
            "unset one of them",
        ),
        (
            "cython",
            "1",
            "ValueError: NUMGAN_BACKEND: cython contradicts NUMGAN_PURE=1, which means reference; "
            "unset one of them",
        ),
    ],
)
def test_a_choice_that_makes_no_sense(backend, pure, message):
    run = python("import numgan", NUMGAN_BACKEND=backend, NUMGAN_PURE=pure)
    assert run.returncode == 1 and run.stderr.strip().splitlines()[-1] == message


def test_both_may_say_the_same():
    run = python(
        "import numgan; print(numgan.backend())",
        NUMGAN_BACKEND="reference",
        NUMGAN_PURE="1",
        NUMGAN_REQUIRE_KERNELS="0",
    )
    assert run.stdout.split() == ["reference"], run.stderr


@pytest.mark.parametrize("name", ["cython", "compiled"])
def test_what_is_not_built_is_named(name, monkeypatch):
    kernels._modules[name] = None
    with pytest.raises(
        ImportError, match=f"use_backend: the {name} kernels are missing; build them with `pip install .`"
    ):
        kernels.use_backend(name)
    monkeypatch.setenv("NUMGAN_BACKEND", name)
    monkeypatch.delenv("NUMGAN_PURE", raising=False)
    monkeypatch.delenv("NUMGAN_REQUIRE_KERNELS", raising=False)
    with pytest.raises(
        ImportError,
        match=f"NUMGAN_BACKEND={name}, but the {name} kernels are missing; build them with `pip install .`",
    ):
        kernels._choose()


# --- kernels of one's own -----------------------------------------------------------------------------------


def twice(a, b, bias=None, slope=1.0, gate=None):
    return reference.matmul(a, b, bias, slope, gate) * 2


A, B = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)


def test_a_kernel_of_ones_own_serves_a_block():
    ng.register_backend("mine", {"matmul": twice})
    before = ng.backend()
    with ng.use_backend("mine"), ng.kernel_calls() as calls:
        assert ng.backend() == "mine" and ng.instruction_set() is None
        assert np.array_equal(kernels.matmul(A, B), 2 * (A @ B)) and np.array_equal(
            kernels.dense_weight_gradient(A.T, B), 2 * (A @ B)
        )
        assert np.array_equal(kernels.column_sum(A), A.sum(axis=0))  # the reference's
        assert kernels.matmul(A[:0], B).shape == (0, 4)
        with pytest.raises(ValueError, match="matmul: expected b with rows 3, got 2"):
            kernels.matmul(A, A)
    assert calls == {"matmul": 2, "dense_weight_gradient": 1, "column_sum": 1} and ng.backend() == before


def test_a_backend_may_be_a_module_and_may_be_registered_again():
    module = types.ModuleType("kernels_of_mine")
    module.matmul, module.helper = twice, print
    ng.register_backend("mine", module)
    with ng.use_backend("mine"):
        assert np.array_equal(kernels.matmul(A, B), 2 * (A @ B))
        ng.register_backend("mine", {"matmul": reference.matmul})
        assert np.array_equal(kernels.matmul(A, B), A @ B)


def test_every_kernel_of_the_definition_can_be_registered():
    defined = {
        name
        for name, f in vars(reference).items()
        if getattr(f, "__module__", "") == reference.__name__ and not name.startswith("_")
    }
    assert defined - {"output_size", "finish"} == set(kernels.KERNELS)
    for module in filter(None, kernels._modules.values()):
        assert all(callable(getattr(module, name)) for name in kernels.KERNELS)
    ng.register_backend("all", reference)
    assert all(getattr(kernels._modules["all"], name) is getattr(reference, name) for name in kernels.KERNELS)


@pytest.mark.parametrize(
    "name, given, error, message",
    [
        (
            "mine",
            {"matmull": twice},
            ValueError,
            "register_backend: expected kernels named as matmul, conv2d, .*leaky_relu_gradient, "
            "got 'matmull'",
        ),
        ("mine", {}, ValueError, "register_backend: expected kernels named as matmul, .* got 'none'"),
        (
            "mine",
            types.ModuleType("empty"),
            ValueError,
            "register_backend: expected kernels named as matmul, .* got 'none'",
        ),
        ("mine", [twice], TypeError, "register_backend: expected kernels as a dict or a module, got list"),
        ("mine", {"matmul": 3}, TypeError, "register_backend: expected matmul as a function, got int"),
        (
            "compiled",
            {"matmul": twice},
            ValueError,
            "register_backend: expected a name other than reference, cython, compiled, got 'compiled'",
        ),
        (
            "",
            {"matmul": twice},
            ValueError,
            "register_backend: expected a name other than reference, cython, compiled, got ''",
        ),
        (None, {"matmul": twice}, ValueError, "register_backend: expected a name other than"),
    ],
)
def test_a_backend_that_cannot_be(name, given, error, message):
    with pytest.raises(error, match=message):
        ng.register_backend(name, given)
    with pytest.raises(
        ValueError, match="use_backend: expected one of reference, cython, compiled, got 'mine'"
    ):
        ng.use_backend("mine")
