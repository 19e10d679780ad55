"""This package reads artefacts, one format in each file: its graph or weights, its contract, its batch."""
