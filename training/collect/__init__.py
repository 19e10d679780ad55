"""Gathering pictures from a result page: politely, within limits, and with a record of where each came from."""
