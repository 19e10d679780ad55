"""These tests check the rewriting passes: each rule by its number, each switch, and that the answers do not change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fer_export.tfgraph.graph import FLOAT, Array, Graph, Node, constant_node
from fer_export.tfgraph.passes import PASSES, run
from fer_export.tfgraph.passes.fold_batch_norm import fold_batch_norm
from fer_export.tfgraph.passes.fold_constants import fold_constants
from fer_export.tfgraph.passes.fold_pads import fold_pads
from fer_export.tfgraph.passes.sink_reshapes import sink_reshapes


def graph_of(*nodes: Node, constants: dict[str, Array], outputs: tuple[str, ...] = ("last",)) -> Graph:
    """A graph with the input `x` and these constants and nodes."""
    first = [Node("x", "Placeholder"), *(constant_node(name, array) for name, array in constants.items())]
    shape = (None, 4, 4, 2)
    return Graph([*first, *nodes], {"x": shape}, dict.fromkeys(outputs, shape), dict(constants))


def after(rewrite: Callable[[Graph], None], graph: Graph) -> dict[str, Node]:
    """The nodes that are left, by name; every input of each comes before it."""
    rewrite(graph)
    graph.prune()
    seen: set[str] = set()
    for node in graph.nodes:
        assert set(node.inputs) <= seen, f"{node.name} reads what comes later"
        seen.add(node.name)
    return {node.name: node for node in graph.nodes}


def numbers(*shape: int) -> Array:
    """Different numbers."""
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


class TestFoldConstants:
    def test_rule_1(self) -> None:
        graph = graph_of(
            Node("sum", "AddV2", ("a", "b")), Node("last", "Mul", ("x", "sum")),
            constants={"a": numbers(2), "b": numbers(2)},
        )  # fmt: skip
        nodes = after(fold_constants, graph)
        assert nodes["sum"].op == "Const"
        np.testing.assert_array_equal(graph.constants["sum"], 2 * numbers(2))

    def test_rule_2_nothing_large_is_made_of_small(self) -> None:
        graph = graph_of(
            Node("outer", "Mul", ("a", "b")), Node("last", "AddV2", ("x", "outer")),
            constants={"a": numbers(9, 1), "b": numbers(1, 9)},
        )  # fmt: skip
        assert after(fold_constants, graph)["outer"].op == "Mul"

    def test_rule_3_an_output_stays_a_node(self) -> None:
        graph = graph_of(Node("last", "Neg", ("a",)), constants={"a": numbers(2)})
        assert after(fold_constants, graph)["last"].op == "Neg"


class TestFoldBatchNorm:
    weights, factor, offset, bias = numbers(1, 1, 2, 3), numbers(3) + 2, numbers(3), numbers(3) * 3

    def test_rules_1_and_3(self) -> None:
        graph = graph_of(
            Node("conv", "Conv2D", ("x", "w")), Node("mul", "Mul", ("conv", "s")), Node("last", "AddV2", ("mul", "o")),
            constants={"w": self.weights, "s": self.factor, "o": self.offset},
        )  # fmt: skip
        nodes = after(fold_batch_norm, graph)
        assert nodes["last"].op == "BiasAdd"
        conv = nodes[nodes["last"].inputs[0]]
        assert (conv.op, conv.inputs[0]) == ("Conv2D", "x")
        np.testing.assert_allclose(graph.constants[conv.inputs[1]], self.weights * self.factor)
        np.testing.assert_allclose(graph.constants[nodes["last"].inputs[1]], self.offset)
        assert graph.operators() == {"Conv2D": 1, "BiasAdd": 1}

    def test_rules_2_and_4(self) -> None:
        graph = graph_of(
            Node("conv", "Conv2D", ("x", "w")), Node("bias", "BiasAdd", ("conv", "b")),
            Node("mul", "Mul", ("bias", "s")), Node("last", "Sub", ("mul", "o")),
            constants={"w": self.weights, "b": self.bias, "s": self.factor.reshape(1, 1, 1, 3), "o": self.offset},
        )  # fmt: skip
        nodes = after(fold_batch_norm, graph)
        np.testing.assert_allclose(
            graph.constants[nodes["last"].inputs[1]], self.bias * self.factor - self.offset, rtol=1e-6
        )
        assert graph.operators() == {"Conv2D": 1, "BiasAdd": 1}

    def test_of_depthwise_the_factor_goes_to_its_channel(self) -> None:
        weights, factor = numbers(3, 3, 2, 2), numbers(4)
        graph = graph_of(
            Node("conv", "DepthwiseConv2dNative", ("x", "w")), Node("last", "Mul", ("conv", "s")),
            constants={"w": weights, "s": factor},
        )  # fmt: skip
        nodes = after(fold_batch_norm, graph)
        np.testing.assert_allclose(graph.constants[nodes["last"].inputs[1]], weights * factor.reshape(2, 2))

    @pytest.mark.parametrize("shape", [(3, 1), (1, 1, 1, 1, 3), (5,)])
    def test_other_constants_are_left(self, shape: tuple[int, ...]) -> None:
        graph = graph_of(
            Node("conv", "Conv2D", ("x", "w")), Node("last", "Mul", ("conv", "s")),
            constants={"w": self.weights, "s": numbers(*shape)},
        )  # fmt: skip
        assert after(fold_batch_norm, graph)["last"].op == "Mul"

    def test_a_product_that_others_read_is_left(self) -> None:
        graph = graph_of(
            Node("conv", "Conv2D", ("x", "w")), Node("mul", "Mul", ("conv", "s")),
            Node("last", "AddV2", ("mul", "conv")), constants={"w": self.weights, "s": self.factor},
        )  # fmt: skip
        after(fold_batch_norm, graph)
        assert graph.operators() == {"Conv2D": 1, "Mul": 1, "AddV2": 1}


class TestFoldPads:
    pads = np.array([(0, 0), (1, 2), (3, 0), (0, 0)], np.int32)

    def folded(self, pads: Array, number: float, padding: str) -> dict[str, Node]:
        graph = graph_of(
            Node("pad", "PadV2", ("x", "p", "n")),
            Node("last", "Conv2D", ("pad", "w"), {"padding": padding, "T": FLOAT}),
            constants={"p": pads, "n": np.array(number, np.float32), "w": numbers(1, 1, 2, 3)},
        )
        return after(fold_pads, graph)

    def test_rule_1(self) -> None:
        last = self.folded(self.pads, 0.0, "VALID")["last"]
        assert last.inputs[0] == "x"
        assert last.attributes["padding"] == "EXPLICIT"
        assert last.attributes["explicit_paddings"] == (0, 0, 1, 2, 3, 0, 0, 0)

    @pytest.mark.parametrize(
        ("pads", "number", "padding"),
        [(pads, 1.0, "VALID"), (pads, 0.0, "SAME"), (pads[[0, 1, 3, 2]], 0.0, "VALID")],
        ids=["not zeros", "padded by SAME", "channels padded"],
    )
    def test_others_are_left(self, pads: Array, number: float, padding: str) -> None:
        assert self.folded(np.ascontiguousarray(pads), number, padding)["last"].inputs[0] == "pad"


class TestSinkReshapes:
    constants: dict[str, Array] = {  # noqa: RUF012
        "w": numbers(2, 3), "b": numbers(3), "rows": np.array([-1, 2], np.int32),
        "back": np.array([-1, 4, 4, 3], np.int32),
    }  # fmt: skip

    def test_rules_1_and_2(self) -> None:
        graph = graph_of(
            Node("flat", "Reshape", ("x", "rows")), Node("product", "MatMul", ("flat", "w")),
            Node("wide", "Reshape", ("product", "back")), Node("sum", "AddV2", ("wide", "b")),
            Node("last", "Relu", ("sum",)), constants=self.constants,
        )  # fmt: skip
        nodes = after(sink_reshapes, graph)
        assert [node.op for node in graph.nodes if node.op not in ("Const", "Placeholder")] == [
            "Reshape", "MatMul", "BiasAdd", "Relu", "Reshape",
        ]  # fmt: skip
        assert nodes["last"].op == "Reshape", "the name of the output stays with it"
        run(graph, ["fuse_bias_activation"])
        assert graph.operators() == {"Reshape": 2, "_FusedMatMul": 1}

    def test_rule_3(self) -> None:
        graph = graph_of(
            Node("one", "Reshape", ("x", "rows")), Node("last", "Reshape", ("one", "back")), constants=self.constants
        )
        assert after(sink_reshapes, graph)["last"].inputs == ("x", "back")
        assert graph.operators() == {"Reshape": 1}

    def test_a_constant_of_more_axes_stops_it(self) -> None:
        graph = graph_of(
            Node("product", "MatMul", ("x", "w")), Node("wide", "Reshape", ("product", "back")),
            Node("last", "AddV2", ("wide", "grid")), constants={**self.constants, "grid": numbers(4, 4, 3)},
        )  # fmt: skip
        assert after(sink_reshapes, graph)["last"].op == "AddV2"


def test_passes_can_be_switched() -> None:
    def fresh() -> Graph:
        return graph_of(
            Node("conv", "Conv2D", ("x", "w"), {"padding": "VALID"}), Node("mul", "Mul", ("conv", "s")),
            Node("sum", "AddV2", ("mul", "s")), Node("last", "Relu", ("sum",)),
            constants={"w": numbers(1, 1, 2, 3), "s": numbers(3)},
        )  # fmt: skip

    none, some, everything = fresh(), fresh(), fresh()
    run(none, False)
    run(some, ["fold_batch_norm"])
    run(everything)
    assert none.operators() == {"Conv2D": 1, "Mul": 1, "AddV2": 1, "Relu": 1}
    assert some.operators() == {"Conv2D": 1, "BiasAdd": 1, "Relu": 1}
    assert everything.operators() == {"_FusedConv2D": 1}
    with pytest.raises(ValueError, match="no pass nothing"):
        run(fresh(), ["nothing"])


def test_every_pass_says_its_rules_and_has_tests_here() -> None:
    for name, rewrite in PASSES.items():
        assert rewrite.__module__.endswith(f"passes.{name}")
        assert "    1. " in (rewrite.__doc__ or "")
