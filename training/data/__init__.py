"""This package reads pictures and their labels, checks them, and splits them."""
