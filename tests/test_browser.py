"""These tests check that the browser is found, and that the error says what to do where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fer_export.errors import MissingDependencyError
from fer_export.runtimes import chromium
from fer_export.runtimes.tfjs import Browser


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a browser: nothing on PATH, in the usual places, or in Playwright's cache."""
    monkeypatch.delenv(chromium.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.setattr(chromium, "_PLACES", ())
    return tmp_path


def test_a_browser_of_ones_own_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(chromium.VARIABLE, sys.executable)
    assert chromium.find() == sys.executable
    monkeypatch.setenv(chromium.VARIABLE, "/no/such/browser")
    with pytest.raises(MissingDependencyError, match="no such file"):
        chromium.find()


def test_chrome_on_the_path_is_taken(nowhere: Path) -> None:
    chrome = nowhere / "google-chrome"
    chrome.write_text("#!/bin/sh\n")
    chrome.chmod(0o755)
    assert chromium.find() == str(chrome)


def test_playwrights_own_is_taken_last(nowhere: Path) -> None:
    own = nowhere / "chromium-1200" / "chrome-linux" / "chrome"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert chromium.find() == str(own)


def test_none_says_what_to_do(nowhere: Path) -> None:
    with pytest.raises(MissingDependencyError, match="no Chromium") as caught:
        chromium.find()
    assert "fer-export browser --install" in str(caught.value.hint)


def test_where_no_way_works_each_answer_is_told(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = [sys.executable, "-c", "import sys; sys.exit('the mirror is down')"]
    monkeypatch.setattr(chromium, "_ways", lambda: [("apt-get", [fails]), ("playwright", [fails])])
    with pytest.raises(MissingDependencyError) as caught:
        chromium.install()
    assert caught.value.reason.count("the mirror is down") == 2
    assert "by hand" in str(caught.value.hint)


def test_the_second_way_is_tried(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = [sys.executable, "-c", "import sys; sys.exit(1)"]
    makes = [sys.executable, "-c", f"import os; p = {str(nowhere / 'chromium')!r}; open(p, 'w'); os.chmod(p, 0o755)"]
    monkeypatch.setattr(chromium, "_ways", lambda: [("apt-get", [fails]), ("playwright", [makes])])
    assert chromium.install() == str(nowhere / "chromium")


def test_the_harness_lets_nothing_else_out(browser: Browser, tmp_path: Path) -> None:
    browser.tfjs_version  # noqa: B018  (starts it)
    fetched = browser._page.evaluate(
        "Promise.all(['https://example.com/', 'http://localhost/model9/model.json', 'http://localhost/assets/../x'].map("
        "url => fetch(url).then(answer => answer.status, () => 'refused')))"
    )
    assert fetched == ["refused"] * 3
