"""This package holds the hops, one in each file."""
