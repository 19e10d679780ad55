"""These tests check forms of graphs that ONNX's own tests lack: free sizes, computed shapes, shared outputs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from tools.graphdef import tfjs_node

from fer_export.errors import FerExportError, InvalidInputError, UnsupportedOperatorError
from fer_export.tfgraph import Graph, convert


@dataclass
class Form:
    """A model in ONNX's text form, and what to feed it.

    Attributes:
        transposes: how many it costs at most.
        same_as: the same written by others, where onnx's reference has no such operator.
    """

    signature: str
    body: str
    shapes: dict[str, tuple[int, ...]]
    transposes: int
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    integers: dict[str, np.ndarray] = field(default_factory=dict)
    same_as: str = ""

    def model(self, body: str = "") -> onnx.ModelProto:
        model = onnx.parser.parse_model(
            f'<ir_version: 9, opset_import: ["" : 20]>\ngraph {self.signature}\n{{\n{body or self.body}\n}}'
        )
        for name, array in self.constants.items():
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        return model

    def inputs(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(1)
        floats = {name: rng.normal(size=shape).astype(np.float32) for name, shape in self.shapes.items()}
        return floats | self.integers


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def stacks(left: str, right: str, out: str, x: tuple[int, ...], v: tuple[int, ...]) -> Form:
    """Multiply matrices of two stacks that differ, and the same the other way round."""

    def turned(stack: str) -> str:
        rank = len(stack.split(","))
        return ", ".join(map(str, (*range(rank), rank + 1, rank)))

    return Form(
        f"(float[{left}, 3, 4] x, float[{right}, 4, 5] v) => (float[{out}, 3, 5] y, float[{out}, 3, 5] z)",
        f"""y = MatMul(x, v)
        a = Transpose<perm = [{turned(right)}]>(v)
        b = Transpose<perm = [{turned(left)}]>(x)
        c = MatMul(a, b)
        z = Transpose<perm = [{turned(out)}]>(c)""",
        {"x": (*x, 3, 4), "v": (*v, 4, 5)}, 6,
    )  # fmt: skip


FORMS = {
    "a target computed from a free batch": Form(
        "(float[n, 6, 4, 5] x) => (float[n, 6, m] y)",
        """s = Shape(x)
        zero = Constant<value_ints = [0]>()
        rest = Constant<value_ints = [6, -1]>()
        first = Gather(s, zero)
        target = Concat<axis = 0>(first, rest)
        r = Reshape(x, target)
        y = Relu(r)""",
        {"x": (2, 6, 4, 5)}, 2,
    ),
    "an expand to a free batch": Form(
        "(float[n, 3, 4] x) => (float[n, 4, 4] y)",
        """s = Shape<start = 0, end = 1>(x)
        rest = Constant<value_ints = [1, 4]>()
        target = Concat<axis = 0>(s, rest)
        token = Expand(t, target)
        y = Concat<axis = 1>(token, x)""",
        {"x": (2, 3, 4)}, 2, {"t": floats(1, 1, 4)},
    ),
    "one tensor, two outputs in two orders": Form(
        "(float[n, 3, 4, 5] x) => (float[n, 3, 4, 5] a, float[n, 4, 5, 3] b)",
        "a = Relu(x)\n b = Transpose<perm = [0, 2, 3, 1]>(a)",
        {"x": (2, 3, 4, 5)}, 1,
    ),
    "a split whose parts are outputs": Form(
        "(float[n, 4, 5, 5] x) => (float[n, 2, 5, 5] a, float[n, 2, 5, 5] b, float[n, 2, 5, 5] c)",
        "a, b = Split<axis = 1, num_outputs = 2>(x)\n c = Add(a, b)",
        {"x": (2, 4, 5, 5)}, 0,
    ),
    "indices from the end, that only the run knows": Form(
        "(float[n, 4, 5, 6] x, int64[2] i) => (float[n, 4, 2, 6] y)",
        "y = Gather<axis = 2>(x, i)",
        {"x": (2, 4, 5, 6)}, 0, integers={"i": np.array([-1, 2])},
    ),
    "twice as large, of a free size": Form(
        "(float[n, 3, h, w] x) => (float[n, 3, h2, w2] y)",
        'y = Resize<mode = "linear", coordinate_transformation_mode = "half_pixel">(x, , scales)',
        {"x": (1, 3, 4, 5)}, 0, {"scales": np.array([1, 1, 2, 2], np.float32)},
    ),
    "a transposed convolution of a free batch": Form(
        "(float[n, 4, 5, 5] x) => (float[n, 6, 10, 10] y)",
        "y = ConvTranspose<strides = [2, 2], pads = [1, 1, 1, 1]>(x, w)",
        {"x": (2, 4, 5, 5)}, 0, {"w": floats(4, 6, 4, 4)},
    ),
    "a convolution, patches, attention": Form(
        "(float[n, 3, 8, 8] x) => (float[n, 4, 4] y)",
        """c = Conv<kernel_shape = [4, 4], strides = [4, 4]>(x, w)
        shape = Constant<value_ints = [0, 6, -1]>()
        flat = Reshape(c, shape)
        tokens = Transpose<perm = [0, 2, 1]>(flat)
        turned = Transpose<perm = [0, 2, 1]>(tokens)
        scores = MatMul(tokens, turned)
        y = Softmax(scores)""",
        {"x": (2, 3, 8, 8)}, 1, {"w": floats(6, 3, 4, 4)},
    ),
    "a square map beside its own transpose": Form(
        "(float[n, 3, 11, 11] x) => (float[n, 4, 5, 5] y, float[n, 4, 5, 5] z)",
        """c = Conv<kernel_shape = [3, 3], strides = [2, 2]>(x, w)
        turned = Transpose<perm = [0, 1, 3, 2]>(c)
        y = MatMul(c, turned)
        z = MatMul(turned, c)""",
        {"x": (2, 3, 11, 11)}, 4, {"w": floats(4, 3, 3, 3)},
    ),
    "a cube from all sides": Form(
        "(float[n, 3, 9, 9] x) => (float[n, 4, 12, 4] y)",
        """c = Conv<kernel_shape = [3, 3], strides = [2, 2]>(x, w)
        a = Transpose<perm = [0, 1, 3, 2]>(c)
        b = Transpose<perm = [0, 3, 1, 2]>(c)
        d = Transpose<perm = [0, 2, 3, 1]>(c)
        e = MatMul(c, a)
        f = MatMul(b, d)
        g = MatMul(d, a)
        y = Concat<axis = 2>(e, f, g)""",
        {"x": (2, 3, 9, 9)}, 6, {"w": floats(4, 3, 3, 3)},
    ),
    "one constant, as it is and turned": Form(
        "(float[4, 4] x) => (float[4, 4] y, float[4, 4] z)",
        "y = Gemm<transA = 1>(w, x)\n z = MatMul(w, x)",
        {"x": (4, 4)}, 0, {"w": floats(4, 4)},
    ),
    "stacks: a free batch beside heads in common": stacks("n, 6", "n, 1", "n, 6", (5, 6), (5, 1)),
    "stacks: heads in common beside a free batch": stacks("n, 1", "n, 6", "n, 6", (2, 1), (2, 6)),
    "stacks: a batch of one": stacks("n, 6", "n, 1", "n, 6", (1, 6), (1, 1)),
    "stacks: a free batch beside none": stacks("n, 6", "6", "n, 6", (5, 6), (6,)),
    "stacks: a free batch beside one": stacks("n, 6", "1, 6", "n, 6", (5, 6), (1, 6)),
    "stacks: crossed": stacks("n, 1", "1, 6", "n, 6", (5, 1), (1, 6)),
    "stacks: crossed, three": stacks("n, 1, 2", "1, 6, 1", "n, 6, 2", (5, 1, 2), (1, 6, 1)),
    "stacks: known": stacks("2, 1", "1, 6", "2, 6", (2, 1), (1, 6)),
    "letters of an attention with a free batch": Form(
        "(float[n, 2, 5, 4] q, float[n, 2, 5, 4] k) => (float[n, 2, 5, 5] y)",
        'y = Einsum<equation = "bhid,bhjd->bhij">(q, k)',
        {"q": (3, 2, 5, 4), "k": (3, 2, 5, 4)}, 3,
    ),
    "letters that stand twice, are summed, or stand for many": Form(
        "(float[n, 3, 3, 4] x, float[4, 5] w) => (float[n, 3, 5] y)",
        'y = Einsum<equation = "...iid,de->...ie">(x, w)',
        {"x": (2, 3, 3, 4), "w": (4, 5)}, 3,
    ),
    "letters without an arrow, and a sum": Form(
        "(float[3, 4] x, float[4, 5] w) => (float[3, 5] y, float[4] z)",
        'y = Einsum<equation = "ij, jk">(x, w)\n z = Einsum<equation = "ij->j">(x)',
        {"x": (3, 4), "w": (4, 5)}, 0,
    ),
    "types": Form(
        "(float[n, 3, 4, 5] x) => (int64[n, 3, 4, 5] i, bool[n, 3, 4, 5] b, float[n, 3, 4, 5] f)",
        "t = Cast<to = 6>(x)\n i = Cast<to = 7>(x)\n b = Cast<to = 9>(t)\n f = CastLike(i, x)",
        {"x": (2, 3, 4, 5)}, 0,
    ),
    "the p-norm of each channel": Form(
        "(float[n, 3, 4, 5] x) => (float[n, 3, 1, 1] y)", "y = GlobalLpPool<p = 2>(x)", {"x": (2, 3, 4, 5)}, 0,
        same_as="axes = Constant<value_ints = [2, 3]>()\n y = ReduceL2(x, axes)",
    ),
    "windows of a picture": Form(
        "(float[n, 8, 8, 3] x) => (float[m, 16, 3] y)",
        """six = Constant<value_ints = [-1, 2, 4, 2, 4, 3]>()
        r = Reshape(x, six)
        t = Transpose<perm = [0, 1, 3, 2, 4, 5]>(r)
        three = Constant<value_ints = [-1, 16, 3]>()
        y = Reshape(t, three)""",
        {"x": (2, 8, 8, 3)}, 3,
    ),
    "bounds that only the run knows": Form(
        "(float[n, 4, 7] x, int64[1] a, int64[1] b) => (float[n, 4, m] y)",
        "axes = Constant<value_ints = [2]>()\n y = Slice(x, a, b, axes)",
        {"x": (2, 4, 7)}, 2, integers={"a": np.array([1]), "b": np.array([-2])},
    ),
    "truth as an output": Form(
        "(float[n, 3, 4, 5] x) => (bool[n, 3, 4, 5] y)",
        "zero = Constant<value_float = 0.0>()\n g = Greater(x, zero)\n y = Not(g)",
        {"x": (2, 3, 4, 5)}, 0,
    ),
    "an operator that the standard defines by others": Form(
        "(float[n, 3, 4, 5] x) => (float[n, 3, 4, 5] y)", "y = Mish(x)", {"x": (2, 3, 4, 5)}, 0
    ),
}  # fmt: skip


def last(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, 1, -1) if array.ndim > 2 else array


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[Graph, tfjs_node.Outcome]]:
    """All forms in one Node."""
    if tfjs_node.missing() is not None:
        pytest.skip(str(tfjs_node.missing()))
    graphs = {name: convert(form.model()) for name, form in FORMS.items()}
    jobs = [
        tfjs_node.Job(name, graph, [last(array) for array in FORMS[name].inputs().values()])
        for name, graph in graphs.items()
    ]
    return {outcome.name: (graphs[outcome.name], outcome) for outcome in tfjs_node.run(jobs)}


@pytest.mark.parametrize("name", FORMS)
def test_form(answers: dict[str, tuple[Graph, tfjs_node.Outcome]], name: str) -> None:
    graph, outcome = answers[name]
    assert outcome.error is None
    wanted = ReferenceEvaluator(FORMS[name].model(FORMS[name].same_as)).run(None, FORMS[name].inputs())
    for got, array in zip(outcome.outputs, wanted, strict=True):
        np.testing.assert_allclose(got, last(array), rtol=1e-4, atol=1e-5)
    assert graph.operators()["Transpose"] <= FORMS[name].transposes


@pytest.mark.parametrize(
    "body",
    [
        "s = Shape(x)\n one = Constant<value_int = 1>()\n c = Gather(s, one)\n f = Cast<to = 1>(c)\n y = Div(x, f)",
        "s = Shape<start = 1, end = 2>(x)\n f = Cast<to = 1>(s)\n y = Div(x, f)",
        "m = ReduceMax<keepdims = 1>(x, axes)\n s = Shape(x)\n e = Expand(m, s)\n y = Sub(x, e)",
    ],
    ids=["a size taken by its index", "a part of the sizes", "an expand against a value as large"],
)
def test_no_shape_arithmetic_is_left(body: str) -> None:
    model = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 20]>\ngraph (float[n, 4] x) => (float[n, 4] y)\n{{\n{body}\n}}'
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "axes"))
    operators = convert(model).operators()
    assert set(operators) <= {"RealDiv", "Max", "Sub"}


def test_outputs_keep_their_names() -> None:
    graph = convert(FORMS["one tensor, two outputs in two orders"].model())
    assert list(graph.outputs) == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ("y = Add(x, big)", InvalidInputError, "constant big holds integers beyond 32 bits"),
        ("y = Det(x)", UnsupportedOperatorError, "operator Det, node 'y': this operator is not known"),
        ("d = Cast<to = 11>(x)\n y = Cast<to = 1>(d)", UnsupportedOperatorError, "operator Cast, node 'd': .*double"),
    ],
)
def test_what_cannot_be_is_named(body: str, error: type[FerExportError], says: str) -> None:
    kind = "int64" if "big" in body else "float"
    model = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 20]>\ngraph ({kind}[3, 3] x) => ({kind}[a, b] y)\n{{\n{body}\n}}'
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2**40]), "big"))
    with pytest.raises(error, match=says):
        convert(model)


def test_the_node_is_named_that_needs_a_constant() -> None:
    form = Form("(float[n, 3] x, int64[1] k) => (float[n, m] v, int64[n, m] i)", "v, i = TopK(x, k)", {"x": (2, 3)}, 0)
    with pytest.raises(UnsupportedOperatorError, match=r"operator TopK, node '.*': its input 1 has to be a constant"):
        convert(form.model())


@pytest.mark.parametrize(
    ("signature", "body", "helps"),
    [
        ("(float[n, 4, 5] x) => (float[n, 4, 5] y)", "y = GatherElements<axis = 1>(x, places)", True),
        ("(float[n, 4, 5] x) => (float[n, 4, 5] y)", "y = Det(x)", False),
        ("(float[2, 4, 5] x) => (float[a] y)", "y = Det(x)", False),
    ],
)
def test_where_a_batch_of_one_converts_the_hint_says_so(signature: str, body: str, helps: bool) -> None:
    form = Form(signature, body, {}, 0, {"places": np.zeros((1, 4, 5), np.int64)})
    with pytest.raises(UnsupportedOperatorError) as caught:
        convert(form.model())
    assert caught.value.hint is not None
    assert ("--batch 1" in caught.value.hint) == helps
