"""This module draws a contact sheet, one picture of many small ones, for looking at data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fer_export.files import replacing

_MARGIN, _GAP = 16, 8
_TITLE, _TEXT = 17, 12
_INK, _PALE, _PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)
#: The side of a cell, in pixels; pictures are resized to fit.
_CELL = 72
_NAME = 118


@dataclass(frozen=True)
class Row:
    """Hold one row of a contact sheet, pictures beside each other.

    Attributes:
        name: the text before them; it may have two lines.
        pictures: each uint8 [C, H, W].
        captions: a word below each, or none at all.
    """

    name: str
    pictures: Sequence[Tensor]
    captions: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """Hold the rows under one title."""

    title: str
    rows: Sequence[Row]


def write(sections: Sequence[Section], path: Path) -> None:
    """Write the sheet as a PNG; sections without rows are left out.

    Raises:
        InvalidInputError: the file cannot be written.
    """
    sections = [section for section in sections if section.rows]
    widest = max((len(row.pictures) for section in sections for row in section.rows), default=0)
    width = 2 * _MARGIN + _NAME + max(widest, 6) * (_CELL + _GAP)
    height = 2 * _MARGIN + sum(_height(section) for section in sections)
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for section in sections:
        draw.text((_MARGIN, top), section.title, _INK, ImageFont.load_default(_TITLE))
        below = top + _TITLE + 2 * _GAP
        for row in section.rows:
            _draw_row(sheet, draw, row, below)
            below += _row_height(row)
        top += _height(section)
    with replacing(path) as temporary:
        sheet.save(temporary, "PNG")


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    font = ImageFont.load_default(_TEXT)
    draw.text((_MARGIN, top + _CELL // 2 - _TEXT // 2), row.name, _INK, font)
    for index, picture in enumerate(row.pictures):
        left = _MARGIN + _NAME + index * (_CELL + _GAP)
        sheet.paste(_fitted(picture), (left, top))
        if row.captions:
            draw.text((left, top + _CELL + 2), _shortened(row.captions[index], font), _PALE, font)


def _fitted(picture: Tensor) -> Image.Image:
    """Resize a picture, as RGB, to the largest size that fits into a cell."""
    shown = Image.fromarray(picture.expand(3, -1, -1).permute(1, 2, 0).to(torch.uint8).contiguous().numpy())
    scale = _CELL / max(shown.size)
    size = tuple(max(1, round(side * scale)) for side in shown.size)
    return shown.resize((size[0], size[1]), Image.Resampling.BICUBIC)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Cut a text so that it fits below a cell."""
    if font.getlength(text) <= _CELL:
        return text
    while text and font.getlength(text + "…") > _CELL:
        text = text[:-1]
    return text + "…"


def _row_height(row: Row) -> int:
    return _CELL + _GAP + (_TEXT + 4 if row.captions else 0)


def _height(section: Section) -> int:
    return _TITLE + 2 * _GAP + sum(map(_row_height, section.rows)) + _MARGIN
