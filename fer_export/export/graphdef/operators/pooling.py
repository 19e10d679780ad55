"""Pools. TensorFlow pads them by VALID or SAME only; anything else is padded before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fer_export.export.graphdef.call import Call
from fer_export.export.graphdef.graph import FLOAT, INT32
from fer_export.export.graphdef.layout import Value, channels_last
from fer_export.export.graphdef.registry import operator
from fer_export.export.graphdef.windows import ceil_pads, explicit_pads, scheme

_LAYOUT = channels_last(4)


class _Window(NamedTuple):
    kernel: list[int]
    strides: list[int]
    pads: list[tuple[int, int]]
    padding: str | None


@operator(
    "MaxPool", attributes=("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides")
)
def max_pool(call: Call) -> Value:
    """Padding counts as the lowest value there is."""
    if len([name for name in call.node.output if name]) > 1:
        call.fail("its output Indices is not known")
    window = _window(call)
    return _pool(call, "MaxPool", window, float(np.finfo(np.float32).min))


@operator(
    "AveragePool",
    attributes=("auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"),
)
def average_pool(call: Call) -> Value:
    """TensorFlow's SAME leaves the padding out of the mean; explicit zeros count into it."""
    window = _window(call)
    counts_padding = bool(call.attribute("count_include_pad", 0))
    if window.padding == "SAME" and counts_padding:
        if call.attribute("ceil_mode", 0):
            call.fail("ceil_mode with count_include_pad is not known")
        window = window._replace(padding=None)
    if window.padding is None and not counts_padding:
        call.fail(f"pads {window.pads} with count_include_pad 0 are not known")
    return _pool(call, "AvgPool", window, 0.0)


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(call: Call) -> Value:
    """A reduction over the spatial axes that keeps them as ones."""
    x = call.value(0)
    layout = channels_last(x.rank)
    axes = call.builder.ints("axes", range(1, x.rank - 1))
    op = "Mean" if call.node.op_type == "GlobalAveragePool" else "Max"
    return call.emit(op, (call.builder.read(x, layout), axes), layout, keep_dims=True, Tidx=INT32)


def _window(call: Call) -> _Window:
    x = call.value(0)
    if x.rank != 4:
        call.fail(f"only 2-D pools are known, and its input has rank {x.rank}")
    kernel = list(call.attribute("kernel_shape", []))
    strides = list(call.attribute("strides", [1, 1]))
    if any(dilation != 1 for dilation in call.attribute("dilations", [1, 1])):
        call.fail(f"dilations {call.attribute('dilations', [])} are not known")
    sizes = x.shape[2:]
    pads = explicit_pads(call, kernel, sizes)
    if call.attribute("ceil_mode", 0):
        with_ceil = ceil_pads(pads, kernel, strides, sizes)
        if with_ceil is None:
            # Windows that neither overlap nor leave gaps: ceil(size / stride) of them, which is SAME.
            if kernel == strides and max(kernel) <= 2 and all(pad == (0, 0) for pad in pads):
                return _Window(kernel, strides, pads, "SAME")
            call.fail("ceil_mode with a free size is only known for windows of 2 and stride 2")
        pads = with_ceil
    return _Window(kernel, strides, pads, scheme(pads, kernel, strides, sizes))


def _pool(call: Call, op: str, window: _Window, filling: float) -> Value:
    x = call.builder.read(call.value(0), _LAYOUT)
    if window.padding is None:
        pads = np.array([(0, 0), *window.pads, (0, 0)], np.int32)
        inputs = (
            x,
            call.builder.constant(f"{call.name}/pads", pads),
            call.builder.constant(f"{call.name}/filling", np.array(filling, np.float32)),
        )
        x = call.builder.emit(f"{call.name}/pad", "PadV2", inputs, {"T": FLOAT, "Tpaddings": INT32})
    return call.emit(
        op,
        (x,),
        _LAYOUT,
        ksize=(1, *window.kernel, 1),
        strides=(1, *window.strides, 1),
        padding=window.padding or "VALID",
        data_format="NHWC",
    )
