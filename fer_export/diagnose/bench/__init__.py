"""This package measures speed as ratios: a net and a reference net, in turn, in one process or one page.

Speed is never a test: times are shown with their spread, and no time makes a command fail.
"""

from fer_export.diagnose.bench.nets import Net, reference, yardstick
from fer_export.diagnose.bench.time_nets import RUNTIMES, TimedNets, missing, time_nets
from fer_export.diagnose.bench.timing import Timing

__all__ = ["RUNTIMES", "Net", "TimedNets", "Timing", "missing", "reference", "time_nets", "yardstick"]
