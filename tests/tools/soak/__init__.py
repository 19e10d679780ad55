"""This package is `make soak`: the page for minutes before people who come and go."""
