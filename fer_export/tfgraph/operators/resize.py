"""This module converts resizing: to a TF.js kernel where its coordinates are ONNX's, else to gathers or products."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32, Array
from fer_export.tfgraph.interpolation import Axis, coordinates, nearest, weights
from fer_export.tfgraph.layout import Value, channels_last
from fer_export.tfgraph.node_context import NodeContext
from fer_export.tfgraph.registry import operator

#: TF.js's (align_corners, half_pixel_centers) for each of ONNX's coordinate modes.
_FLAGS = {"align_corners": (True, False), "half_pixel": (False, True), "asymmetric": (False, False)}


@operator(
    "Resize",
    "Upsample",
    attributes=(
        "antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside",
        "extrapolation_value", "height_scale", "keep_aspect_ratio_policy", "mode", "nearest_mode", "scales",
        "width_scale",
    ),
    since=7,
    restrictions=(
        "constant scales",
        "constant sizes, or computed ones whose result has a known shape",
        "free sizes: whole factors of height and width, nearest or bilinear",
    ),
)  # fmt: skip
def resize(context: NodeContext) -> Value:
    """Resize by nearest, linear or cubic interpolation.

    1. Height and width of rank 4 use ResizeNearestNeighbor or ResizeBilinear, where their coordinates
       equal ONNX's for every pixel.
    2. Other nearest resizing is one Gather for each axis.
    3. Other linear and cubic resizing is one product with a constant matrix for each axis.
    """
    x = context.value(0)
    mode = context.attribute("mode", "nearest")
    way = context.attribute("coordinate_transformation_mode", "half_pixel" if context.opset >= 11 else "asymmetric")
    rounding = context.attribute("nearest_mode", "round_prefer_floor" if context.opset >= 11 else "floor")
    found = _axes(context, x)
    if found is None:
        return _free(context, x, mode, way)
    if not found:
        return x
    native = _native(context, x, found, mode, way, rounding)  # rule 1
    if native is not None:
        return native
    if mode == "nearest":  # rule 2
        for index, axis in found.items():
            picks = nearest(axis, way, rounding)
            name = context.builder.constant(f"{context.name}/indices", picks)
            tensor = context.tf(
                "GatherV2", context.builder.in_layout(x), name, context.builder.scalar(x.axis(index), INT32)
            )
            x = Value(_with(x, index, axis.target), x.permutation, tensor, dtype=x.dtype)
        return x
    return _by_matrices(context, x, found, "linear" if mode in ("linear", "bilinear") else "cubic", way)  # rule 3


def _axes(context: NodeContext, x: Value) -> dict[int, Axis] | None:
    """Return the axes that change, by number; None where a size of one of them is free."""
    sizes, scales = _targets(context, x)
    regions = _regions(context, x)
    result: dict[int, Axis] = {}
    for index, (size, target) in enumerate(zip(x.shape, context.shapes[0], strict=True)):
        scale = scales.get(index)
        unchanged = (scale is None and index not in sizes) or scale == 1.0
        if size is None or target is None:
            if unchanged:
                continue
            return None
        if unchanged and regions.get(index, (0.0, 1.0)) == (0.0, 1.0):
            continue
        wanted = sizes.get(index, target)
        ratio = scale if scale is not None else wanted / size
        if index in sizes and wanted == size and regions.get(index, (0.0, 1.0)) == (0.0, 1.0):
            continue
        result[index] = Axis(size, target, ratio, regions.get(index, (0.0, 1.0)))
    return result


def _targets(context: NodeContext, x: Value) -> tuple[dict[int, int], dict[int, float]]:
    axes = [axis % x.rank for axis in context.attribute("axes", range(x.rank))]
    scales_at = 1 if context.node.op_type == "Upsample" or context.opset < 11 else 2
    listed = context.attributes.get("scales")
    if listed is None and "height_scale" in context.attributes:
        listed = [1.0, 1.0, context.attributes["height_scale"], context.attributes["width_scale"]]
    if listed is None and context.optional(scales_at) is not None:
        listed = context.constant(scales_at).tolist()
    if listed:
        return {}, dict(zip(axes, (float(value) for value in listed), strict=True))
    given = context.optional(3)
    policy = context.attribute("keep_aspect_ratio_policy", "stretch")
    if given is not None and given.constant is None and policy == "stretch" and None not in context.shapes[0][1:]:
        # The sizes are computed because the batch is free, but the output's shape has all the others.
        return {axis: context.shapes[0][axis] or 0 for axis in axes if axis}, {}
    sizes = dict(zip(axes, (int(value) for value in context.constant(3).tolist()), strict=True))
    if policy == "stretch":
        return sizes, {}
    ratios = [size / (x.shape[axis] or size) for axis, size in sizes.items()]
    common = min(ratios) if policy == "not_larger" else max(ratios)
    return {}, dict.fromkeys(sizes, common)


def _regions(context: NodeContext, x: Value) -> dict[int, tuple[float, float]]:
    if context.attribute("coordinate_transformation_mode", "") != "tf_crop_and_resize":
        return {}
    axes = [axis % x.rank for axis in context.attribute("axes", range(x.rank))]
    roi = context.constant(1).tolist()
    return {axis: (roi[i], roi[len(axes) + i]) for i, axis in enumerate(axes)}


def _native(context: NodeContext, x: Value, found: dict[int, Axis], mode: str, way: str, rounding: str) -> Value | None:
    if x.rank != 4 or not set(found) <= {2, 3} or None in x.shape[2:]:
        return None
    axes = [found.get(i, Axis(x.shape[i] or 0, x.shape[i] or 0, 1.0)) for i in (2, 3)]
    if context.attribute("antialias", 0) and any(axis.target < axis.size for axis in axes):
        return None
    if mode == "nearest":
        wanted = [nearest(axis, way, rounding) for axis in axes]
        flags = next((f for f in _FLAGS.values() if all(
            np.array_equal(_theirs(axis, f), w) for axis, w in zip(axes, wanted, strict=True))), None)  # fmt: skip
        op = "ResizeNearestNeighbor"
    elif mode in ("linear", "bilinear") and not context.attribute("exclude_outside", 0):
        flags = next((f for name, f in _FLAGS.items() if all(
            np.allclose(_own(axis, name), coordinates(axis, way), atol=1e-6) for axis in axes)), None)  # fmt: skip
        op = "ResizeBilinear"
    else:
        return None
    if flags is None or (way == "tf_crop_and_resize"):
        return None
    size = context.builder.ints("size", [axis.target for axis in axes])
    return _kernel(context, x, op, size, flags)


def _kernel(context: NodeContext, x: Value, op: str, size: str, flags: tuple[bool, bool]) -> Value:
    layout = channels_last(4)
    return context.emit(op, (context.builder.in_layout(x, layout), size), layout,
                     align_corners=flags[0], half_pixel_centers=flags[1])  # fmt: skip


def _theirs(axis: Axis, flags: tuple[bool, bool]) -> Array:
    """Return the indices that TF.js's ResizeNearestNeighbor takes."""
    corners, half = flags
    if corners and axis.target > 1:
        scale, shift = np.float32((axis.size - 1) / (axis.target - 1)), 0.0
    else:
        scale, shift = np.float32(axis.size / axis.target), 0.5 if half else 0.0
    x = (np.arange(axis.target, dtype=np.float32) + np.float32(shift)) * scale
    x = np.floor(x + 0.5) if corners else np.floor(x)
    result: Array = np.clip(x, 0, axis.size - 1).astype(np.int32)
    return result


def _own(axis: Axis, mode: str) -> Array:
    """Return the coordinates of TF.js's ResizeBilinear, whose scale is always target / size."""
    return coordinates(Axis(axis.size, axis.target, axis.target / axis.size), mode)


def _by_matrices(context: NodeContext, x: Value, found: dict[int, Axis], kernel: str, way: str) -> Value:
    outside = np.zeros((), bool)
    for index, axis in found.items():
        matrix = weights(axis, way, kernel, a=float(context.attribute("cubic_coeff_a", -0.75)),
                         antialias=bool(context.attribute("antialias", 0)),
                         exclude_outside=bool(context.attribute("exclude_outside", 0)))  # fmt: skip
        if way == "tf_crop_and_resize":
            place = coordinates(axis, way)
            lost = (place < 0) | (place > axis.size - 1)
            matrix[lost] = 0.0
            outside = outside | lost.reshape(-1, *[1] * (x.rank - 1 - index))
        x = _times(context, x, index, matrix)
    number = float(context.attribute("extrapolation_value", 0.0))
    if outside.any() and number:
        filling = context.builder.constant(f"{context.name}/outside", (outside * number).astype(np.float32).reshape(
            [1] * (x.rank - outside.ndim) + list(outside.shape)).transpose(x.permutation))  # fmt: skip
        x = Value(x.shape, x.permutation, context.tf("AddV2", context.builder.in_layout(x), filling))
    return x


def _times(context: NodeContext, x: Value, index: int, matrix: Array) -> Value:
    """Multiply [.., size] · [size, target] on one axis, which is brought to the end."""
    layout = (*(axis for axis in x.permutation if axis != index), index)
    target, size = matrix.shape
    tensor = context.builder.in_layout(x, layout)
    rows = context.builder.reshape(f"{context.name}/rows", tensor, (None, size))
    name = context.builder.constant(f"{context.name}/weights", matrix.T.astype(np.float32))
    product = context.tf("MatMul", rows, name, transpose_a=False, transpose_b=False)
    shape = _with(x, index, target)
    return Value(shape, layout, context.builder.reshape(context.name, product, [shape[axis] for axis in layout]))


def _free(context: NodeContext, x: Value, mode: str, way: str) -> Value:
    """Resize a free height and width by whole factors."""
    _, scales = _targets(context, x)
    factors = [scales.get(axis, 0.0) for axis in range(x.rank)]
    whole = x.rank == 4 and factors[:2] == [1.0, 1.0] and all(f == int(f) and f >= 1 for f in factors[2:])
    linear = mode in ("linear", "bilinear")
    if not whole or way not in _FLAGS or (way == "align_corners" and not linear) or mode == "cubic":
        context.fail(f"a free size with mode {mode}, {way} and scales {factors}")
    sizes = context.tf("Shape", context.builder.in_layout(x, channels_last(4)), dtype=INT32)
    picked = context.tf("GatherV2", sizes, context.builder.ints("axes", [1, 2]), context.builder.scalar(0, INT32))
    target = context.tf("Mul", picked, context.builder.ints("factors", [int(f) for f in factors[2:]]))
    flags = _FLAGS[way] if linear else _FLAGS["asymmetric"]
    return _kernel(context, x, "ResizeBilinear" if linear else "ResizeNearestNeighbor", target, flags)


def _with(x: Value, index: int, size: int) -> tuple[int | None, ...]:
    return (*x.shape[:index], size, *x.shape[index + 1 :])
