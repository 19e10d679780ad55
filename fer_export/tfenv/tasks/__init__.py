"""This package runs inside the environments, and imports nothing else of fer_export, which is not installed there.

`python fer_export/tfenv/tasks` starts `__main__.py`; every other file is a group of tasks and imports only
packages of its environment.
"""
