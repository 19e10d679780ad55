"""This package trains teachers, then distilled students, within a fixed number of seconds."""
