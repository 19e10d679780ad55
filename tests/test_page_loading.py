"""These tests load the page: what it asks for, which backend runs, and how far it says it is."""

from __future__ import annotations

from pages import FROM_DISK, Visit
from playwright.sync_api import Browser

#: Takes WebAssembly away from workers.
WITHOUT = """
window.Blob = class extends Blob {
  constructor(parts, options) {
    const script = options?.type === "text/javascript";
    super(script ? ["globalThis.WebAssembly = undefined;\\n", ...parts] : parts, options);
  }
};
"""


def test_without_webassembly_the_other_backends_are_loaded(chromium: Browser) -> None:
    """They are a script of their own, which is read only then; from disk too."""
    context = chromium.new_context()
    context.add_init_script(WITHOUT)
    visit = Visit(context.new_page())
    visit.page.goto(FROM_DISK)
    visit.until("fer.ready || fer.error", 200)
    assert visit.fer("error") is None
    assert visit.fer("backend") in ("webgl", "cpu")
    assert visit.fer("parity.ok")
    assert any(request.endswith("dist/backends.js") for request in visit.requests)
    assert not visit.page.is_visible("#loading")
    context.close()


def test_with_webassembly_no_other_backend_is_loaded_and_a_bar_shows_how_far_loading_is(visit: Visit) -> None:
    assert visit.fer("backend") == "wasm"
    assert not any("backends.js" in request for request in visit.requests)
    assert not visit.page.is_visible("#loading")
    seen = visit.page.evaluate(
        """async () => {
          const bar = document.getElementById("loading");
          const values = [];
          new MutationObserver(() => values.push(bar.value)).observe(bar, { attributes: true });
          const models = globalThis.ferModels.classifier;
          const json = JSON.parse(models.json);
          const shard = json.weightsManifest[0].paths;
          const weights = Uint8Array.from(atob(models.weights), (character) => character.charCodeAt(0));
          json.weightsManifest = [{ ...json.weightsManifest[0], paths: ["a.bin"] }];
          const files = new DataTransfer();
          files.items.add(new File([JSON.stringify(json)], "model.json"));
          files.items.add(new File([weights], "a.bin"));
          const input = document.getElementById("model-files");
          input.files = files.files;
          input.dispatchEvent(new Event("change"));
          const end = performance.now() + 60000;
          const over = () => (values.length > 3 && bar.hidden) || performance.now() > end;
          while (!over()) await new Promise((resolve) => setTimeout(resolve, 20));
          return { values, hidden: bar.hidden };
        }"""
    )
    assert seen["hidden"]
    assert seen["values"] == sorted(seen["values"])
    assert len(set(seen["values"])) >= 4
