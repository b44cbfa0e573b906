"""A weight matrix in the layout in which a CPU multiplies fastest."""

from collections.abc import Callable

from torch import Tensor

Linear = Callable[[Tensor], Tensor]  # [T, columns] -> [T, rows]


def pack(weight: Tensor) -> Linear:
    """`weight` [rows, columns] as a function.

    Kept transposed: for a single token MKL then uses every core (twice as fast as the checkpoint's layout on
    two cores of Zen 4), for many it makes no difference. oneDNN's own layout is a little faster still, but it
    compiles a kernel for each new number of tokens: with experts, at each call.
    """
    columns = weight.t().contiguous()

    def multiply(x: Tensor) -> Tensor:
        return x @ columns

    return multiply
