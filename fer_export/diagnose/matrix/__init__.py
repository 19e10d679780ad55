"""Model × road × runtime: how far each lies from torch, or why it cannot be had.

Each cell is measured. A refusal is the error that the road or the runtime raised, never an entry of a table.
"""
