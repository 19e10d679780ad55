"""This package reads data sets."""
