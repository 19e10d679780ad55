"""This package measures model × route × runtime: how far each lies from torch, or why there is no result.

Each cell is measured. A refusal is the error that the route or the runtime raised, never a fixed entry.
"""
