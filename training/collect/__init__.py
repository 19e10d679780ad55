"""This package gathers pictures from a result page, politely, within limits, and records where each came from."""
