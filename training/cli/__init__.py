"""This package holds the commands of `python -m training`, one thin file for each."""
