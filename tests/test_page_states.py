"""These tests look at each state of the page: no rule of accessibility is broken, and nothing is cut off.

The rules are axe-core's (https://github.com/dequelabs/axe-core), of WCAG 2.2's levels A and AA and its best practices.
"""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ROOT
from page_states import WINDOWS, by_camera, filmed, reached
from pages import FROM_DISK, Visit
from playwright.sync_api import Browser

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
#: Each look of the page is checked in every state: light on a desk, dark on a phone; colours and sizes do not mix.
LOOKS = (("light", "desk"), ("dark", "phone"))


def violations(visit: Visit) -> list[str]:
    """Return what axe-core finds, a line for each element."""
    visit.page.evaluate(AXE.read_text("utf-8"))
    found: list[dict[str, Any]] = visit.page.evaluate("async () => (await axe.run({ preload: false })).violations")
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("camera", by_camera())
def test_no_state_breaks_a_rule_of_accessibility_or_is_cut_off(
    camera: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with filmed(camera, tmp_path_factory.mktemp("video")) as browser:
        for state in by_camera()[camera]:
            for scheme, window in LOOKS:
                with reached(browser, state, scheme, window) as visit:
                    where = f"{state.name}, {scheme}, {window}"
                    assert violations(visit) == [], where
                    width = visit.page.evaluate("document.documentElement.scrollWidth")
                    assert width <= WINDOWS[window][0], f"{where}: it scrolls sideways"
                    assert not visit.complaints, where


def test_the_rules_are_really_checked(chromium: Browser) -> None:
    visit = Visit(chromium.new_page())
    visit.page.goto(FROM_DISK)
    visit.page.evaluate("""() => {
      document.getElementById("start").textContent = "";
      document.getElementById("summary").style.color = "#eee";
    }""")
    found = " ".join(violations(visit))
    assert "button-name" in found
    assert "color-contrast" in found
    visit.page.close()
