"""This package shows where conversions go wrong and how fast they are, by bisection, matrix and benchmarks."""
