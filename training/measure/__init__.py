"""This package measures a finished checkpoint: accuracy, calibration, robustness, the cost of the page's crop."""
