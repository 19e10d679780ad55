"""This package is `make shots`: a picture of every state of the page, to be looked at."""
