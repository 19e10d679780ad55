"""This module measures what a visitor downloads."""

from __future__ import annotations

import subprocess
from pathlib import Path

#: Node's zlib has Brotli; the script prints the sizes of the files at the strongest setting.
_SCRIPT = """
const { readFileSync } = require("node:fs");
const { brotliCompressSync, constants } = require("node:zlib");
for (const name of process.argv.slice(1)) {
  const bytes = readFileSync(name);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };
  console.log(brotliCompressSync(bytes, { params }).length);
}
"""
FILES = ("index.html", "style.css", "dist/fer.js", "dist/models.js")


def transfer(web: Path, node: str) -> dict[str, int]:
    """Return the bytes of each of the page's files, compressed by Brotli."""
    command = [node, "-e", _SCRIPT, *(str(web / name) for name in FILES)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(zip(FILES, map(int, done.stdout.split()), strict=True))
