"""Convolutions. TensorFlow's kernels want [N, H, W, C] and filters [h, w, in, out]."""

from __future__ import annotations

from fer_export.export.graphdef.call import Call
from fer_export.export.graphdef.graph import Attribute
from fer_export.export.graphdef.layout import Value, channels_last, identity
from fer_export.export.graphdef.registry import operator
from fer_export.export.graphdef.windows import explicit_pads, scheme


@operator("Conv", attributes=("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"))
def conv(call: Call) -> Value:
    """2-D convolution, plain or depthwise, with its bias as a BiasAdd of its own."""
    x, filters = call.value(0), call.constant(1)
    if x.rank != 4:
        call.fail(f"only 2-D convolutions are known, and its input has rank {x.rank}")
    outputs, per_group, height, width = filters.shape
    group = call.attribute("group", 1)
    channels = x.shape[1]
    depthwise = group == channels and per_group == 1 and group > 1
    if group != 1 and not depthwise:
        call.fail(f"group {group} with {channels} channels is not known (only 1, or one group a channel)")
    strides = list(call.attribute("strides", [1, 1]))
    dilations = list(call.attribute("dilations", [1, 1]))
    window = [(size - 1) * dilation + 1 for size, dilation in zip((height, width), dilations, strict=True)]
    pads = explicit_pads(call, window, x.shape[2:])
    padding = scheme(pads, window, strides, x.shape[2:])
    attributes: dict[str, Attribute] = {
        "strides": (1, *strides, 1),
        "dilations": (1, *dilations, 1),
        "padding": padding or "EXPLICIT",
        "data_format": "NHWC",
    }
    if padding is None:
        attributes["explicit_paddings"] = (0, 0, *pads[0], *pads[1], 0, 0)
    if depthwise:
        filters = filters.reshape(group, outputs // group, height, width).transpose(2, 3, 0, 1)
        op = "DepthwiseConv2dNative"
    else:
        filters, op = filters.transpose(2, 3, 1, 0), "Conv2D"
    layout = channels_last(4)
    weights = call.builder.constant(call.node.input[1], filters)
    result = call.emit(op, (call.builder.read(x, layout), weights), layout, attributes=attributes)
    return add_bias(call, result, call.optional(2))


def add_bias(call: Call, value: Value, bias: Value | None) -> Value:
    """A BiasAdd over the last TensorFlow axis; nothing where there is no bias."""
    if bias is None:
        return value
    tensor = call.builder.read(bias, identity(1))
    return call.emit("BiasAdd", (value.tensor, tensor), value.permutation, suffix="/bias", data_format="NHWC")


@operator("BatchNormalization", attributes=("epsilon", "momentum", "spatial", "training_mode"))
def batch_normalization(call: Call) -> Value:
    """In inference: one multiplication and one addition, with constants computed here."""
    if call.attribute("training_mode", 0):
        call.fail("training_mode is 1")
    x = call.value(0)
    scale, bias, mean, variance = (call.constant(index).astype("float64") for index in (1, 2, 3, 4))
    factor = scale / (variance + call.attribute("epsilon", 1e-5)) ** 0.5
    layout = channels_last(x.rank)
    names = [call.builder.constant(f"{call.name}/{n}", a.astype("float32")) for n, a in
             (("scale", factor), ("offset", bias - mean * factor))]  # fmt: skip
    scaled = call.emit("Mul", (call.builder.read(x, layout), names[0]), layout, suffix="/mul")
    return call.emit("AddV2", (scaled.tensor, names[1]), layout)
