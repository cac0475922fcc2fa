"""Builds the kernel; everything else about the package is in pyproject.toml."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNEL = Path("src/pcap_analyzer/capture/kernel")

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"pcap_analyzer.capture.kernel.{source.stem}",
                [str(source)],
                # Signed overflow wraps: TCP sequence arithmetic relies on it.
                extra_compile_args=["-O2", "-fwrapv", "-fno-strict-aliasing"],
            )
            for source in sorted(KERNEL.glob("*.pyx"))
        ],
        include_path=["src"],
        compiler_directives={
            "language_level": 3,
            "boundscheck": True,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            "embedsignature": True,
        },
        quiet=True,
    )
)
