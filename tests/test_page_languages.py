"""These tests read the page in each of its languages."""

from __future__ import annotations

import pytest
from page_states import WINDOWS
from pages import FROM_DISK, Visit
from playwright.sync_api import Browser

#: What each language says of the sample portrait, of a person's number, and of a file that is no picture.
SAYS = {
    "en": ("One face: happiness", "face 1", "notes.png is not a picture that the browser can read."),
    "de": ("Ein Gesicht: Freude", "Gesicht 1", "notes.png ist kein Bild, das der Browser lesen kann."),
    "fr": ("Un visage : joie", "visage 1", "notes.png n’est pas une image que le navigateur peut lire."),
}
TEXTS = """() => Object.fromEntries([...document.querySelectorAll("[data-text], [data-name]")].map((element) => {
  const { text, name } = element.dataset;
  const said = text ? element.textContent : element.ariaLabel;
  return [`${text ?? "-"} ${name ?? "-"}`, said.replace(/\\s+/g, " ").trim()];
}))"""

#: The first column of the overlay in which anything is drawn.
LEFTMOST = """() => {
  const { width, height } = document.querySelector("#overlay");
  const { data } = document.querySelector("#overlay").getContext("2d").getImageData(0, 0, width, height);
  const rows = Array.from({ length: height }, (_, y) => y * width);
  const drawn = (x) => rows.some((row) => data[4 * (row + x) + 3]);
  let x = 0;
  while (x < width && !drawn(x)) x++;
  return x;
}"""


def test_index_html_says_in_english_what_the_texts_say(chromium: Browser) -> None:
    """The file is what a person sees before the script runs, so the two must not drift apart."""
    said = []
    for scripts in (False, True):
        context = chromium.new_context(java_script_enabled=scripts)
        visit = Visit(context.new_page())
        visit.page.goto(FROM_DISK)
        said.append(visit.page.evaluate(TEXTS))
        context.close()
    assert len(said[0]) > 30
    # While it loads, the summary says that.
    said[1]["loading -"] = said[0]["loading -"]
    assert said[0] == said[1]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("language", SAYS)
def test_the_page_speaks_the_language_of_its_address(chromium: Browser, language: str, window: str) -> None:
    width, height = WINDOWS[window]
    context = chromium.new_context(viewport={"width": width, "height": height})
    visit = Visit(context.new_page())
    visit.page.goto(f"{FROM_DISK}?lang={language}")
    visit.until("fer.ready")
    assert visit.page.evaluate("document.documentElement.lang") == language
    visit.page.click("#sample")
    visit.until("fer.faces.length === 1")
    summary, number, error = SAYS[language]
    assert visit.said("#summary") == summary
    assert visit.page.inner_text("#faces h2").split("\n")[1] == number
    assert visit.fer("faces[0].shown") == "happiness", "for scripts it stays the model's label"
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.page.set_input_files("#file", [{"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}])
    visit.until("fer.error")
    assert visit.said("#alert").startswith(error)
    assert not visit.complaints
    context.close()


def test_no_text_is_left_in_english(chromium: Browser) -> None:
    said = {}
    for language in SAYS:
        page = chromium.new_page()
        page.goto(f"{FROM_DISK}?lang={language}")
        said[language] = page.evaluate(TEXTS)
        page.close()
    for language in ("de", "fr"):
        same = {name for name, text in said[language].items() if text == said["en"][name]}
        assert same <= {"backend -", "play -", "- video"}, f"{language}: the same as in English"


def test_the_browsers_language_is_taken_where_the_page_speaks_it(chromium: Browser) -> None:
    for locale, language in (("fr-CA", "fr"), ("de-AT", "de"), ("pt-BR", "en")):
        context = chromium.new_context(locale=locale)
        page = context.new_page()
        page.goto(FROM_DISK)
        assert page.evaluate("document.documentElement.lang") == language
        context.close()


def test_another_language_is_chosen_from_a_list(chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(FROM_DISK)
    page.click("#about > summary")
    assert page.locator("#language option").all_inner_texts() == ["English", "Deutsch", "Français"]
    page.select_option("#language", "fr")
    page.wait_for_url("**lang=fr")
    assert page.locator("#start").inner_text() == "Démarrer la caméra"
    page.close()


@pytest.mark.parametrize("window", WINDOWS)
def test_the_layout_goes_from_right_to_left_too(chromium: Browser, window: str) -> None:
    """No language of the page's own is written so; whoever adds one finds the layout ready."""
    width, height = WINDOWS[window]
    context = chromium.new_context(viewport={"width": width, "height": height})
    visit = Visit(context.new_page())
    visit.page.add_init_script("addEventListener('DOMContentLoaded', () => { document.documentElement.dir = 'rtl'; })")
    visit.page.goto(FROM_DISK)
    visit.until("fer.ready")
    visit.page.click("#sample")
    visit.until("fer.faces.length === 1")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    share, name = (visit.page.locator(f"#faces {part}").first.bounding_box() for part in (".share", "h2 span"))
    assert share
    assert name
    assert share["x"] < name["x"]
    stage, side = (visit.page.locator(part).bounding_box() for part in ("#stage", ".side"))
    assert stage
    assert side
    assert (side["x"] + side["width"] <= stage["x"]) == (window == "desk")
    leftmost = visit.page.evaluate(LEFTMOST)
    visit.page.evaluate("document.documentElement.dir = 'ltr'")
    visit.page.click("#sample")
    visit.page.wait_for_timeout(1000)
    assert leftmost == pytest.approx(visit.page.evaluate(LEFTMOST), abs=2), "the word stands on its pill"
    context.close()
