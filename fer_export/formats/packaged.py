"""This module names the models that come with the package."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "pretrained"
PRETRAINED = _FOLDER / "ferplus.safetensors"


def named(name: str) -> Path:
    """Return the path of a checkpoint: a packaged one by its bare name (`ferplus`), any other as it is."""
    packaged = _FOLDER / f"{name}.safetensors"
    return packaged if packaged.is_file() and not Path(name).exists() else Path(name)


def packaged() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))
