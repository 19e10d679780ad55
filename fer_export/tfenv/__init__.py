"""This package makes environments of their own for TensorFlow, and runs processes in them."""
