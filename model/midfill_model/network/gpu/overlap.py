"""Programmatic dependent launch (Hopper): a kernel is launched while the one before it still runs.

It loads its weights first, where it knows which, and then waits.
"""

import triton
import triton.language as tl


@triton.jit
def launch_next(PDL: tl.constexpr):
    if PDL:
        tl.extra.cuda.gdc_launch_dependents()


@triton.jit
def wait(PDL: tl.constexpr):
    if PDL:
        tl.extra.cuda.gdc_wait()
