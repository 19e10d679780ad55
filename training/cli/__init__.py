"""`python -m training`: one thin file a command."""
