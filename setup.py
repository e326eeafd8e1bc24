"""The extension modules: numgan._kernels._core, numgan._kernels._readable and numgan.bench._ladder.

All other settings of the package are in pyproject.toml. NUMGAN_PURE=1 builds no extension module: the package
then runs on NumPy alone.
"""

import os
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("numgan", "_kernels")
BENCH = Path("numgan", "bench")
DIRECTIVES = {"language_level": 3, "binding": False}
LOOPS = DIRECTIVES | {"boundscheck": False, "wraparound": False, "cdivision": True, "initializedcheck": False}
# -ffp-contract=fast: acc + a * b is one instruction if the processor has it.
# -fno-math-errno, -fno-trapping-math: no value changes, but a square root sets no errno and raises no flag,
# so the compiler can vectorise the loops. Never use -ffast-math or -march=native.
FLAGS = [
    "-O3",
    "-g0",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-Wno-psabi",
    "-pthread",
]

HELP = """
numgan: the compiled kernels could not be built (see the compiler's message above).
A C compiler and Python's headers are needed:
    Debian, Ubuntu    apt install gcc python3-dev
    Fedora            dnf install gcc python3-devel
    macOS             xcode-select --install
    conda             conda install -c conda-forge c-compiler
Or install the NumPy-only version, which is complete but slower:
    NUMGAN_PURE=1 pip install .
"""


class BuildWithHelp(build_ext):
    """build_ext with a help text that names the packages to install after a failure."""

    def build_extensions(self):
        if self.compiler.compiler_type == "msvc":
            for extension in self.extensions:
                extension.extra_compile_args = ["/O2"]
        try:
            super().build_extensions()
        except Exception as error:
            raise SystemExit(f"{error}\n{HELP}") from error


def extensions():
    asked = os.environ.get("NUMGAN_PURE") or "0"
    if asked not in ("0", "1"):
        raise SystemExit(
            f"NUMGAN_PURE: expected 1 (NumPy alone) or 0 (the compiled kernels), got {asked!r}; "
            "set it to one or unset it"
        )
    if asked == "1":
        return []
    from Cython.Build import cythonize

    core = Extension(
        "numgan._kernels._core",
        sources=[str(KERNELS / "_core.pyx"), *sorted(map(str, KERNELS.glob("c/*.c")))],
        depends=[str(path) for path in sorted(KERNELS.glob("c/*.h"))],
        include_dirs=[str(KERNELS / "c")],
        extra_compile_args=FLAGS,
        extra_link_args=[] if os.name == "nt" else ["-pthread"],
    )
    readable = Extension(
        "numgan._kernels._readable", sources=[str(KERNELS / "_readable.pyx")], extra_compile_args=FLAGS
    )
    ladder = Extension("numgan.bench._ladder", sources=[str(BENCH / "_ladder.pyx")], extra_compile_args=FLAGS)
    return cythonize([core], compiler_directives=DIRECTIVES) + cythonize(
        [readable, ladder], compiler_directives=LOOPS
    )


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildWithHelp})
