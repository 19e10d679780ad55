"""Sums of products by letters. TF.js's wasm backend has no Einsum: it is written as matrix products."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32
from fer_export.tfgraph.layout import Value, identity
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.operators.matmul import stacked
from fer_export.tfgraph.registry import operator


@operator("Einsum", attributes=("equation",), since=12, restrictions=("one free size at most",))
def einsum(call: Call) -> Value:
    """Two inputs at a time.

    1. A letter that stands twice in one input is its diagonal.
    2. A letter that one input alone has, and nobody needs, is summed at once.
    3. Letters of both inputs that are needed later are stacks; those that are not are summed in a
       matrix product; what each has alone are its rows and columns.
    """
    left, _, right = str(call.attribute("equation", "")).replace(" ", "").partition("->")
    values = [call.value(index) for index in range(len(call.inputs))]
    terms = [_spelled(term, value.rank) for term, value in zip(left.split(","), values, strict=True)]
    if "->" in str(call.attribute("equation", "")):
        dots = max((term.count("\0") for term in _marked(left, values)), default=0)
        target = right.replace("...", _DOTS[len(_DOTS) - dots :])
    else:
        letters = "".join(terms)
        target = "".join(letter for letter in _DOTS if letter in letters)
        target += "".join(sorted(c for c in set(letters) if c not in _DOTS and letters.count(c) == 1))
    parts = [_diagonal(call, value, term) for value, term in zip(values, terms, strict=True)]  # rule 1
    value, term = parts[0]
    for index, (other, spelled) in enumerate(parts[1:], 1):
        later = target + "".join(rest for _, rest in parts[index + 1 :])
        value, term = _pair(call, (value, term), (other, spelled), later)
    value, term = _summed(call, value, term, target)
    order = [term.index(letter) for letter in target]
    return Value(
        call.shapes[0], tuple(order.index(axis) for axis in value.permutation), value.tensor, dtype=value.dtype
    )


#: Stand for the axes of an ellipsis, the last one for the last.
_DOTS = "01234567"


def _spelled(term: str, rank: int) -> str:
    missing = rank - len(term.replace("...", ""))
    return term.replace("...", _DOTS[len(_DOTS) - missing :] if missing else "")


def _marked(left: str, values: list[Value]) -> list[str]:
    return ["\0" * (value.rank - len(term.replace("...", ""))) if "..." in term else ""
            for term, value in zip(left.split(","), values, strict=True)]  # fmt: skip


def _diagonal(call: Call, x: Value, term: str) -> tuple[Value, str]:
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            size = x.shape[first]
            if size is None:
                call.fail(f"the diagonal of an axis with a free size ({letter})")
            others = [axis for axis in range(x.rank) if axis not in (first, second)]
            shape = tuple(x.shape[axis] for axis in others)
            tensor = call.builder.read(x, (*others, first, second))
            flat = call.builder.reshape(f"{call.name}/flat", tensor, (*shape, size * size))
            picks = call.builder.constant(f"{call.name}/diagonal", np.arange(size, dtype=np.int32) * (size + 1))
            tensor = call.tf("GatherV2", flat, picks, call.builder.scalar(len(others), INT32))
            x = Value((*shape, size), identity(len(others) + 1), tensor, dtype=x.dtype)
            term = "".join(term[axis] for axis in others) + letter
    return x, term


def _summed(call: Call, x: Value, term: str, needed: str) -> tuple[Value, str]:
    gone = [axis for axis, letter in enumerate(term) if letter not in needed]
    if not gone:
        return Value(x.shape, x.permutation, call.builder.read(x), dtype=x.dtype), term
    left = [axis for axis in range(x.rank) if axis not in gone]
    axes = call.builder.ints("axes", sorted(x.axis(axis) for axis in gone))
    tensor = call.tf("Sum", call.builder.read(x), axes, keep_dims=False, Tidx=INT32)
    layout = tuple(left.index(axis) for axis in x.permutation if axis in left)
    shape = tuple(x.shape[axis] for axis in left)
    return Value(shape, layout, tensor, dtype=x.dtype), "".join(term[axis] for axis in left)


def _pair(call: Call, one: tuple[Value, str], two: tuple[Value, str], later: str) -> tuple[Value, str]:
    a, left = _summed(call, *one, two[1] + later)  # rule 2
    b, right = _summed(call, *two, left + later)
    stack = [letter for letter in left if letter in right and letter in later]  # rule 3
    inner = [letter for letter in left if letter in right and letter not in later]
    rows = [letter for letter in left if letter not in right]
    columns = [letter for letter in right if letter not in left]
    sizes: dict[str, int | None] = {}
    for value, term in ((a, left), (b, right)):
        for letter, size in zip(term, value.shape, strict=True):
            sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]
    a3 = _matrix(call, a, left, stack, rows, inner)
    b3 = _matrix(call, b, right, stack, inner, columns)
    shape = (*[sizes[letter] for letter in stack], a3.shape[-2], b3.shape[-1])
    product = stacked(call, a3, b3, shape)
    letters = "".join([*stack, *rows, *columns])
    final = tuple(sizes[letter] for letter in letters)
    tensor = product.tensor if final == shape else call.builder.reshape(f"{call.name}/apart", product.tensor, final)
    return Value(final, identity(len(final)), tensor, dtype=a.dtype), letters


def _matrix(call: Call, x: Value, term: str, stack: list[str], first: list[str], second: list[str]) -> Value:
    """[*stack, first, second], each of the last two as one axis."""
    order = tuple(term.index(letter) for letter in (*stack, *first, *second))
    tensor = call.builder.read(x, order)
    shape = [x.shape[axis] for axis in order]
    front, middle, last = (
        shape[: len(stack)],
        shape[len(stack) : len(stack) + len(first)],
        shape[len(stack) + len(first) :],
    )
    target = (*front, _product(middle), _product(last))
    if target != tuple(shape):
        tensor = call.builder.reshape(f"{call.name}/matrix", tensor, target)
    return Value(target, identity(len(target)), tensor, dtype=x.dtype)


def _product(sizes: list[int | None]) -> int | None:
    result = 1
    for size in sizes:
        if size is None:
            return None
        result *= size
    return result
