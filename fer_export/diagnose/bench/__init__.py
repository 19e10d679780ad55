"""This package measures speed as ratios: a net and a reference net, in turn, in one process or one page.

Speed is never a test: times are shown with their spread, and no time makes a command fail.
"""

#: What nets are timed in.
RUNTIMES = ("torch", "onnxruntime", "tfjs")
