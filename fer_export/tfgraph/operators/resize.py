"""Resizing. TF.js's two kernels where they count as ONNX does, else indices or matrices for each axis."""

from __future__ import annotations

import numpy as np

from fer_export.tfgraph.graph import INT32, Array
from fer_export.tfgraph.interpolation import Axis, coordinates, nearest, weights
from fer_export.tfgraph.layout import Value, channels_last
from fer_export.tfgraph.node_context import Call
from fer_export.tfgraph.registry import operator

#: align_corners and half_pixel_centers of TF.js's kernels, by ONNX's name for it.
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
def resize(call: Call) -> Value:
    """Nearest, linear or cubic.

    1. Height and width of rank 4, by ResizeNearestNeighbor or ResizeBilinear, where their coordinates
       are the same for every pixel.
    2. Nearest otherwise: one Gather for each axis.
    3. Linear and cubic otherwise: one product with a constant matrix for each axis.
    """
    x = call.value(0)
    mode = call.attribute("mode", "nearest")
    way = call.attribute("coordinate_transformation_mode", "half_pixel" if call.opset >= 11 else "asymmetric")
    rounding = call.attribute("nearest_mode", "round_prefer_floor" if call.opset >= 11 else "floor")
    found = _axes(call, x)
    if found is None:
        return _free(call, x, mode, way)
    if not found:
        return x
    native = _native(call, x, found, mode, way, rounding)  # rule 1
    if native is not None:
        return native
    if mode == "nearest":  # rule 2
        for index, axis in found.items():
            picks = nearest(axis, way, rounding)
            name = call.builder.constant(f"{call.name}/indices", picks)
            tensor = call.tf("GatherV2", call.builder.read(x), name, call.builder.scalar(x.axis(index), INT32))
            x = Value(_with(x, index, axis.target), x.permutation, tensor, dtype=x.dtype)
        return x
    return _by_matrices(call, x, found, "linear" if mode in ("linear", "bilinear") else "cubic", way)  # rule 3


def _axes(call: Call, x: Value) -> dict[int, Axis] | None:
    """The axes that change, by number; None where a size of one of them is free."""
    sizes, scales = _targets(call, x)
    regions = _regions(call, x)
    result: dict[int, Axis] = {}
    for index, (size, target) in enumerate(zip(x.shape, call.shapes[0], strict=True)):
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


def _targets(call: Call, x: Value) -> tuple[dict[int, int], dict[int, float]]:
    axes = [axis % x.rank for axis in call.attribute("axes", range(x.rank))]
    scales_at = 1 if call.node.op_type == "Upsample" or call.opset < 11 else 2
    listed = call.attributes.get("scales")
    if listed is None and "height_scale" in call.attributes:
        listed = [1.0, 1.0, call.attributes["height_scale"], call.attributes["width_scale"]]
    if listed is None and call.optional(scales_at) is not None:
        listed = call.constant(scales_at).tolist()
    if listed:
        return {}, dict(zip(axes, (float(value) for value in listed), strict=True))
    given = call.optional(3)
    policy = call.attribute("keep_aspect_ratio_policy", "stretch")
    if given is not None and given.constant is None and policy == "stretch" and None not in call.shapes[0][1:]:
        # Computed, since the batch is free; what the output's shape says is known all the same.
        return {axis: call.shapes[0][axis] or 0 for axis in axes if axis}, {}
    sizes = dict(zip(axes, (int(value) for value in call.constant(3).tolist()), strict=True))
    if policy == "stretch":
        return sizes, {}
    ratios = [size / (x.shape[axis] or size) for axis, size in sizes.items()]
    common = min(ratios) if policy == "not_larger" else max(ratios)
    return {}, dict.fromkeys(sizes, common)


def _regions(call: Call, x: Value) -> dict[int, tuple[float, float]]:
    if call.attribute("coordinate_transformation_mode", "") != "tf_crop_and_resize":
        return {}
    axes = [axis % x.rank for axis in call.attribute("axes", range(x.rank))]
    roi = call.constant(1).tolist()
    return {axis: (roi[i], roi[len(axes) + i]) for i, axis in enumerate(axes)}


def _native(call: Call, x: Value, found: dict[int, Axis], mode: str, way: str, rounding: str) -> Value | None:
    if x.rank != 4 or not set(found) <= {2, 3} or None in x.shape[2:]:
        return None
    axes = [found.get(i, Axis(x.shape[i] or 0, x.shape[i] or 0, 1.0)) for i in (2, 3)]
    if call.attribute("antialias", 0) and any(axis.target < axis.size for axis in axes):
        return None
    if mode == "nearest":
        wanted = [nearest(axis, way, rounding) for axis in axes]
        flags = next((f for f in _FLAGS.values() if all(
            np.array_equal(_theirs(axis, f), w) for axis, w in zip(axes, wanted, strict=True))), None)  # fmt: skip
        op = "ResizeNearestNeighbor"
    elif mode in ("linear", "bilinear") and not call.attribute("exclude_outside", 0):
        flags = next((f for name, f in _FLAGS.items() if all(
            np.allclose(_own(axis, name), coordinates(axis, way), atol=1e-6) for axis in axes)), None)  # fmt: skip
        op = "ResizeBilinear"
    else:
        return None
    if flags is None or (way == "tf_crop_and_resize"):
        return None
    size = call.builder.ints("size", [axis.target for axis in axes])
    return _kernel(call, x, op, size, flags)


def _kernel(call: Call, x: Value, op: str, size: str, flags: tuple[bool, bool]) -> Value:
    layout = channels_last(4)
    return call.emit(op, (call.builder.read(x, layout), size), layout,
                     align_corners=flags[0], half_pixel_centers=flags[1])  # fmt: skip


def _theirs(axis: Axis, flags: tuple[bool, bool]) -> Array:
    """The indices that TF.js's ResizeNearestNeighbor takes."""
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
    """The coordinates of TF.js's ResizeBilinear, whose scale is target / size whatever the model's is."""
    return coordinates(Axis(axis.size, axis.target, axis.target / axis.size), mode)


def _by_matrices(call: Call, x: Value, found: dict[int, Axis], kernel: str, way: str) -> Value:
    outside = np.zeros((), bool)
    for index, axis in found.items():
        matrix = weights(axis, way, kernel, a=float(call.attribute("cubic_coeff_a", -0.75)),
                         antialias=bool(call.attribute("antialias", 0)),
                         exclude_outside=bool(call.attribute("exclude_outside", 0)))  # fmt: skip
        if way == "tf_crop_and_resize":
            place = coordinates(axis, way)
            lost = (place < 0) | (place > axis.size - 1)
            matrix[lost] = 0.0
            outside = outside | lost.reshape(-1, *[1] * (x.rank - 1 - index))
        x = _times(call, x, index, matrix)
    number = float(call.attribute("extrapolation_value", 0.0))
    if outside.any() and number:
        filling = call.builder.constant(f"{call.name}/outside", (outside * number).astype(np.float32).reshape(
            [1] * (x.rank - outside.ndim) + list(outside.shape)).transpose(x.permutation))  # fmt: skip
        x = Value(x.shape, x.permutation, call.tf("AddV2", call.builder.read(x), filling))
    return x


def _times(call: Call, x: Value, index: int, matrix: Array) -> Value:
    """[.., size] · [size, target] on one axis, which is brought to the end."""
    layout = (*(axis for axis in x.permutation if axis != index), index)
    target, size = matrix.shape
    tensor = call.builder.read(x, layout)
    rows = call.builder.reshape(f"{call.name}/rows", tensor, (None, size))
    name = call.builder.constant(f"{call.name}/weights", matrix.T.astype(np.float32))
    product = call.tf("MatMul", rows, name, transpose_a=False, transpose_b=False)
    shape = _with(x, index, target)
    return Value(shape, layout, call.builder.reshape(call.name, product, [shape[axis] for axis in layout]))


def _free(call: Call, x: Value, mode: str, way: str) -> Value:
    """Whole factors of height and width that only the run knows."""
    _, scales = _targets(call, x)
    factors = [scales.get(axis, 0.0) for axis in range(x.rank)]
    whole = x.rank == 4 and factors[:2] == [1.0, 1.0] and all(f == int(f) and f >= 1 for f in factors[2:])
    linear = mode in ("linear", "bilinear")
    if not whole or way not in _FLAGS or (way == "align_corners" and not linear) or mode == "cubic":
        call.fail(f"a free size with mode {mode}, {way} and scales {factors}")
    sizes = call.tf("Shape", call.builder.read(x, channels_last(4)), dtype=INT32)
    picked = call.tf("GatherV2", sizes, call.builder.ints("axes", [1, 2]), call.builder.scalar(0, INT32))
    target = call.tf("Mul", picked, call.builder.ints("factors", [int(f) for f in factors[2:]]))
    flags = _FLAGS[way] if linear else _FLAGS["asymmetric"]
    return _kernel(call, x, "ResizeBilinear" if linear else "ResizeNearestNeighbor", target, flags)


def _with(x: Value, index: int, size: int) -> tuple[int | None, ...]:
    return (*x.shape[:index], size, *x.shape[index + 1 :])
