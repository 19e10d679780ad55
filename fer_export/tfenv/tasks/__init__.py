"""What runs inside the environments. It imports nothing of the rest of fer_export, which is not installed there.

`python fer_export/tfenv/tasks` starts `__main__.py`; each other file is a group of tasks and imports only
what its environment has.
"""
