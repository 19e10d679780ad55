"""This package is the command line, with one thin file for each command. Everything it does can be done from Python."""
