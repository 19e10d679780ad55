"""This package takes a face-emotion model from PyTorch to a web page, with parity shown at every hop."""

__version__ = "0.1.0"
