"""Speed, as ratios: a net and a yardstick, in turn, in one process or one page of a browser.

Speed is never a test: times are told with their spread, and nothing fails whatever they are.
"""

#: What nets are timed in.
RUNTIMES = ("torch", "onnxruntime", "tfjs")
