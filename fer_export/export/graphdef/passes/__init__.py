"""Rewrites of the TensorFlow graph, in the order in which they run."""

from fer_export.export.graphdef.passes.fuse_bias_activation import fuse_bias_activation

PASSES = (fuse_bias_activation,)
