"""This package holds the functions of the operator table, grouped by file.

Importing this package imports every file in it, and each fills its part of the table: a new operator is one new
function, in a file of its own or beside its like.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
