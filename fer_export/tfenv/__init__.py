"""Environments of their own for TensorFlow, and the processes that run in them."""
