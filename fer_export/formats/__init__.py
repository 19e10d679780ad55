"""Artefact formats, one file a kind: how it is read, its contract, its batch."""
