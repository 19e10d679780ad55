"""This package times the page beside Human and face-api, in turn in one Chromium. `make bench-web` runs it."""
