"""This pass fuses bias and activation into the convolution or matrix product before them."""

from __future__ import annotations

from fer_export.tfgraph.graph import FLOAT, Attribute, Graph, Node

_FUSED = {
    "Conv2D": "_FusedConv2D",
    "DepthwiseConv2dNative": "FusedDepthwiseConv2dNative",
    "MatMul": "_FusedMatMul",
}
#: The activations of TF.js's fused kernels (converter/src/operations/executors/convolution_executor.ts).
_ACTIVATIONS = ("Relu", "Relu6", "Elu", "Sigmoid", "LeakyRelu", "Prelu")


def fuse_bias_activation(graph: Graph) -> None:
    """Fuse, in place.

    1. A Conv2D, DepthwiseConv2dNative or MatMul that only a BiasAdd reads becomes the fused operator
       with BiasAdd. TF.js's kernels need a bias of rank 1.
    2. A fused operator that only an activation reads takes the activation in. Prelu brings its
       slopes as one more argument, LeakyRelu its alpha.

    A node that is an output of the graph is never fused into another.
    """
    counts = graph.consumers()
    made: dict[str, Node] = {}
    for read in graph.nodes:
        node = read
        source = made.get(read.inputs[0]) if read.inputs else None
        alone = source is not None and counts[source.name] == 1 and source.name not in graph.outputs
        if source is not None and alone and node.op == "BiasAdd" and source.op in _FUSED:  # rule 1
            bias = graph.constants.get(node.inputs[1])
            if bias is not None and bias.ndim == 1:
                node = _fused(source, node.name, node.inputs[1])
        elif source is not None and alone and node.op in _ACTIVATIONS and _takes_activation(source):  # rule 2
            node = _with_activation(source, node)
        made[node.name] = node
    graph.nodes = list(made.values())


def _fused(source: Node, name: str, bias: str) -> Node:
    attributes: dict[str, Attribute] = {**source.attributes, "fused_ops": ("BiasAdd",), "num_args": 1, "epsilon": 0.0}
    return Node(name, _FUSED[source.op], (*source.inputs, bias), attributes)


def _takes_activation(source: Node) -> bool:
    return source.op in _FUSED.values() and source.attributes["fused_ops"] == ("BiasAdd",)


def _with_activation(source: Node, activation: Node) -> Node:
    attributes = {**source.attributes, "fused_ops": ("BiasAdd", activation.op), "T": FLOAT}
    slopes = activation.inputs[1:]
    if slopes:
        attributes["num_args"] = 2
    if activation.op == "LeakyRelu":
        attributes["leakyrelu_alpha"] = activation.attributes["alpha"]
    return Node(activation.name, source.op, (*source.inputs, *slopes), attributes)
