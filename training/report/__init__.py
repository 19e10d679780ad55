"""This package writes the report of a run: pictures, tables and one page that holds them all."""

from training.report.folder import write

__all__ = ["write"]
