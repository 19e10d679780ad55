"""This module writes Einsum, which TF.js's wasm backend lacks, as matrix products."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32
from fer_export.tfgraph.layout import Value, identity
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.operators.matmul import stacked
from fer_export.tfgraph.registry import operator


@operator("Einsum", attributes=("equation",), since=12, restrictions=("one free size at most",))
def einsum(context: NodeContext) -> Value:
    """Combine two inputs at a time, from left to right.

    1. A letter that occurs twice in one input takes its diagonal.
    2. A letter of one input alone that nothing later needs is summed at once.
    3. In a product, letters of both inputs that are needed later are batch axes; those that are not
       needed are summed in the matrix product; the letters of one input are its rows or columns.
    """
    left, _, right = str(context.attribute("equation", "")).replace(" ", "").partition("->")
    values = [context.value(index) for index in range(len(context.inputs))]
    terms = [_spelled(term, value.rank) for term, value in zip(left.split(","), values, strict=True)]
    if "->" in str(context.attribute("equation", "")):
        dots = max((term.count("\0") for term in _marked(left, values)), default=0)
        target = right.replace("...", _DOTS[len(_DOTS) - dots :])
    else:
        letters = "".join(terms)
        target = "".join(letter for letter in _DOTS if letter in letters)
        target += "".join(sorted(c for c in set(letters) if c not in _DOTS and letters.count(c) == 1))
    parts = [_diagonal(context, value, term) for value, term in zip(values, terms, strict=True)]  # rule 1
    value, term = parts[0]
    for index, (other, spelled) in enumerate(parts[1:], 1):
        later = target + "".join(rest for _, rest in parts[index + 1 :])
        value, term = _pair(context, (value, term), (other, spelled), later)
    value, term = _summed(context, value, term, target)
    order = [term.index(letter) for letter in target]
    return Value(
        context.shapes[0], tuple(order.index(axis) for axis in value.permutation), value.tensor, dtype=value.dtype
    )


#: These stand for the axes of an ellipsis; its last axis is always the last of them.
_DOTS = "01234567"


def _spelled(term: str, rank: int) -> str:
    missing = rank - len(term.replace("...", ""))
    return term.replace("...", _DOTS[len(_DOTS) - missing :] if missing else "")


def _marked(left: str, values: list[Value]) -> list[str]:
    return ["\0" * (value.rank - len(term.replace("...", ""))) if "..." in term else ""
            for term, value in zip(left.split(","), values, strict=True)]  # fmt: skip


def _diagonal(context: NodeContext, x: Value, term: str) -> tuple[Value, str]:
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            size = x.shape[first]
            if size is None:
                context.fail(f"the diagonal of an axis with a free size ({letter})")
            others = [axis for axis in range(x.rank) if axis not in (first, second)]
            shape = tuple(x.shape[axis] for axis in others)
            tensor = context.builder.in_layout(x, (*others, first, second))
            flat = context.builder.reshape(f"{context.name}/flat", tensor, (*shape, size * size))
            picks = context.builder.constant(f"{context.name}/diagonal", np.arange(size, dtype=np.int32) * (size + 1))
            tensor = context.tf("GatherV2", flat, picks, context.builder.scalar(len(others), INT32))
            x = Value((*shape, size), identity(len(others) + 1), tensor, dtype=x.dtype)
            term = "".join(term[axis] for axis in others) + letter
    return x, term


def _summed(context: NodeContext, x: Value, term: str, needed: str) -> tuple[Value, str]:
    gone = [axis for axis, letter in enumerate(term) if letter not in needed]
    if not gone:
        return Value(x.shape, x.permutation, context.builder.in_layout(x), dtype=x.dtype), term
    left = [axis for axis in range(x.rank) if axis not in gone]
    axes = context.builder.ints("axes", sorted(x.axis(axis) for axis in gone))
    tensor = context.tf("Sum", context.builder.in_layout(x), axes, keep_dims=False, Tidx=INT32)
    layout = tuple(left.index(axis) for axis in x.permutation if axis in left)
    shape = tuple(x.shape[axis] for axis in left)
    return Value(shape, layout, tensor, dtype=x.dtype), "".join(term[axis] for axis in left)


def _pair(context: NodeContext, one: tuple[Value, str], two: tuple[Value, str], later: str) -> tuple[Value, str]:
    a, left = _summed(context, *one, two[1] + later)  # rule 2
    b, right = _summed(context, *two, left + later)
    stack = [letter for letter in left if letter in right and letter in later]  # rule 3
    inner = [letter for letter in left if letter in right and letter not in later]
    rows = [letter for letter in left if letter not in right]
    columns = [letter for letter in right if letter not in left]
    sizes: dict[str, int | None] = {}
    for value, term in ((a, left), (b, right)):
        for letter, size in zip(term, value.shape, strict=True):
            sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]
    a3 = _matrix(context, a, left, stack, rows, inner)
    b3 = _matrix(context, b, right, stack, inner, columns)
    shape = (*[sizes[letter] for letter in stack], a3.shape[-2], b3.shape[-1])
    product = stacked(context, a3, b3, shape)
    letters = "".join([*stack, *rows, *columns])
    final = tuple(sizes[letter] for letter in letters)
    tensor = (
        product.tensor if final == shape else context.builder.reshape(f"{context.name}/apart", product.tensor, final)
    )
    return Value(final, identity(len(final)), tensor, dtype=a.dtype), letters


def _matrix(context: NodeContext, x: Value, term: str, stack: list[str], first: list[str], second: list[str]) -> Value:
    """Return the tensor as [*stack, first, second], with each of the last two groups merged into one axis."""
    order = tuple(term.index(letter) for letter in (*stack, *first, *second))
    tensor = context.builder.in_layout(x, order)
    shape = [x.shape[axis] for axis in order]
    front, middle, last = (
        shape[: len(stack)],
        shape[len(stack) : len(stack) + len(first)],
        shape[len(stack) + len(first) :],
    )
    target = (*front, _product(middle), _product(last))
    if target != tuple(shape):
        tensor = context.builder.reshape(f"{context.name}/matrix", tensor, target)
    return Value(target, identity(len(target)), tensor, dtype=x.dtype)


def _product(sizes: list[int | None]) -> int | None:
    result = 1
    for size in sizes:
        if size is None:
            return None
        result *= size
    return result
