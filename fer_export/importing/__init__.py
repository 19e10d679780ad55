"""Other people's checkpoints: what such a file lacks is asked for, measured, or assumed and said.

`assemble` makes an ordinary checkpoint with a contract of it; every later hop takes that as any other.
"""
