"""These tests check that the page from a host can be installed and opens without a network."""

from __future__ import annotations

import json

from pages import WEB, Visit, hosted
from playwright.sync_api import Browser


def test_a_page_from_a_host_opens_again_without_it(chromium: Browser) -> None:
    context = chromium.new_context()
    visit = Visit(context.new_page())
    with hosted(WEB) as address:
        visit.page.goto(f"{address}/index.html")
        visit.until("fer.ready")
        visit.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        manifest = visit.page.evaluate("fetch(document.querySelector('link[rel=manifest]').href).then((r) => r.json())")
        assert manifest == json.loads((WEB / "manifest.webmanifest").read_text("utf-8"))
        installing = context.new_cdp_session(visit.page).send("Page.getInstallabilityErrors")
        # A context of Playwright's is a private window, where browsers install nothing.
        assert {error["errorId"] for error in installing["installabilityErrors"]} <= {"in-incognito"}
        assert visit.complaints == []
    visit.page.reload()
    visit.until("fer.ready")
    assert visit.fer("parity.ok") is True
    assert visit.fer("error") is None
    context.close()


def test_from_disk_nothing_of_that_is_asked_for(visit: Visit) -> None:
    assert not visit.page.query_selector("link[rel=manifest]")
    assert visit.complaints == []
