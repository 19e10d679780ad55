"""Model × route × runtime: how far each lies from torch, or why it cannot be had.

Each cell is measured. A refusal is the error that the route or the runtime raised, never an entry of a table.
"""
