"""This package rewrites the TensorFlow graph; the passes run in the order of the table and can be left out."""

from __future__ import annotations

from collections.abc import Callable, Collection

from fer_export.tfgraph.graph import Graph
from fer_export.tfgraph.passes.fold_batch_norm import fold_batch_norm
from fer_export.tfgraph.passes.fold_constants import fold_constants
from fer_export.tfgraph.passes.fold_pads import fold_pads
from fer_export.tfgraph.passes.fuse_bias_activation import fuse_bias_activation
from fer_export.tfgraph.passes.sink_reshapes import sink_reshapes

#: The passes by name, as `convert(passes=...)` takes them, in the order in which they run.
PASSES: dict[str, Callable[[Graph], None]] = {
    "fold_constants": fold_constants,
    "fold_pads": fold_pads,
    "sink_reshapes": sink_reshapes,
    "fold_batch_norm": fold_batch_norm,
    "fuse_bias_activation": fuse_bias_activation,
}


def run(graph: Graph, passes: bool | Collection[str] = True) -> None:
    """Run all passes, none, or those named.

    Raises:
        ValueError: no pass has this name.
    """
    if passes is False:
        return
    names = set(PASSES) if passes is True else set(passes)
    if names - set(PASSES):
        raise ValueError(f"no pass {', '.join(sorted(names - set(PASSES)))}: {', '.join(PASSES)}")
    for name, rewrite in PASSES.items():
        if name in names:
            rewrite(graph)
            graph.prune()
