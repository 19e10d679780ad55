"""Speed, as ratios: a net and a yardstick, in turn, in one process or one page of a browser.

Speed is never a test: times are told with their spread, and nothing fails whatever they are.
"""

from fer_export.diagnose.bench.measure import RUNTIMES, Measured, measure, missing
from fer_export.diagnose.bench.nets import Net, reference, yardstick
from fer_export.diagnose.bench.timing import Timing

__all__ = ["RUNTIMES", "Measured", "Net", "Timing", "measure", "missing", "reference", "yardstick"]
