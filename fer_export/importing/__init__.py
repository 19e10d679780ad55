"""This package imports checkpoints of other projects; what a file lacks is asked for, measured, or assumed.

`assemble` makes an ordinary checkpoint with a contract, which every later hop takes like any other. It returns a note
for each assumption.
"""
