"""This package is the training itself: the loop, what it learns from and what it writes while it runs."""
