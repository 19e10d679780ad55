"""These tests check that docstrings begin with a sentence: an imperative verb, or a subject and a verb."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: The openings of fragments: "Of the outputs", "What a hop wrote", "The largest difference", or a formula. A sentence
#: could begin with some of these words too, but it always has a plainer form that begins with its verb.
FRAGMENT = re.compile(
    r"(?:a|all|an|any|as|at|both|by|each|every|for|from|how|if|in|its|no|none|nothing|of|on|one|or|some|such|that|the"
    r"|their|these|those|to|two|what|when|where|whether|which|while|whose|why|with|without)\b|[^a-z]",
    re.IGNORECASE,
)


@pytest.mark.parametrize("text", ["Of an input's numbers.", "The map back.", "[N, C] → [N].", "`1x48x48`, or less."])
def test_a_fragment_is_told_from_a_sentence(text: str) -> None:
    assert FRAGMENT.match(text)
    assert not FRAGMENT.match("Return the map back.")
    assert not FRAGMENT.match("This module reads photos.")


def test_docstrings_begin_with_a_sentence() -> None:
    fragments = [
        f"{path.relative_to(ROOT)}:{node.body[0].lineno}: {text.splitlines()[0]}"
        for package in ("fer_export", "training")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if (text := ast.get_docstring(node)) and FRAGMENT.match(text)
    ]
    assert not fragments, "\n".join(fragments)
