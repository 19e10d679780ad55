"""These tests check what the page says of where a class is read from, against the same computed by torch."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import LABELS, ROOT, make_checkpoint
from pages import FROM_DISK, Visit, camera, chromium_with, write_video
from PIL import Image
from playwright.sync_api import Browser, Page
from torch import Tensor, nn

from fer_export.convert import exporting
from fer_export.faces.align import crop
from fer_export.faces.face import Face
from fer_export.faces.photo import load_photo
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.model import Model
from fer_export.models import registry

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"
HAPPINESS = LABELS.index("happiness")
#: Notes in the page what it asks its worker to explain, and what it is told; with `failing` the worker ends in between.
OVERHEARD = """
window.asked = [];
window.told = [];
window.Worker = class extends Worker {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => { if (data.kind === "explanation") told.push(data); });
  }
  postMessage(request, ...more) {
    if (request.kind === "explain") asked.push(performance.now());
    super.postMessage(request, ...more);
    if (request.kind === "explain" && window.failing) this.onerror(new ErrorEvent("error", { message: "it is gone" }));
  }
};
"""


def opened(browser: Browser, **context: Any) -> Visit:
    """The page in a context of its own, ready."""
    visit = Visit(browser.new_context(**context).new_page())
    visit.page.add_init_script(OVERHEARD)
    visit.page.goto(FROM_DISK)
    visit.until("fer.ready")
    return visit


@pytest.fixture
def overheard(chromium: Browser) -> Iterator[Visit]:
    """A page that shows the portrait."""
    visit = opened(chromium)
    read(visit, PORTRAIT)
    yield visit
    assert visit.complaints == []
    visit.page.context.close()


def read(visit: Visit, path: Path) -> None:
    frames = visit.fer("frames")
    visit.page.set_input_files("#file", path)
    visit.until(f"fer.frames === {frames + 1}")


def explain(visit: Visit) -> dict[str, Any]:
    """Open the explanation of the one face, and return what the worker said, with arrays as lists."""
    before = visit.page.evaluate("told.length")
    visit.page.click(".face .more > button")
    visit.until(f"told.length > {before}")
    told: dict[str, Any] = visit.page.evaluate("""() => {
      const { crop, heat, ...rest } = told.at(-1);
      return {
        ...rest,
        crop: { ...crop, values: [...crop.values] },
        heat: heat && { ...heat, values: [...heat.values] },
      };
    }""")
    return told


def canvas(visit: Visit, number: int) -> np.ndarray:
    """The pixels of a canvas in the explanation, uint8 [H, W, 4]."""
    address = visit.page.evaluate("number => document.querySelectorAll('.why canvas')[number].toDataURL()", number)
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGBA"))


def left_out(features: Tensor, head: Callable[[Tensor], Tensor], label: int) -> np.ndarray:
    """What a logit loses when each cell of the features [1, C, h, w] is replaced by their mean, [h, w]."""
    _, _, rows, columns = features.shape
    mean = features.mean((2, 3))[0]
    heat = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            without = features.clone()
            without[0, :, row, column] = mean
            heat[row, column] = (head(features) - head(without))[0, label].item()
    return heat


def of(told: dict[str, Any]) -> tuple[Tensor, np.ndarray]:
    """The crop, float32 [1, 1, H, W], and the heat, [h, w], that the worker told."""
    seen, heat = told["crop"], told["heat"]
    pixels = torch.tensor(seen["values"]).reshape(1, 1, seen["height"], seen["width"])
    return pixels, np.array(heat["values"]).reshape(heat["rows"], heat["columns"])


def test_the_crop_is_what_the_net_saw(overheard: Visit) -> None:
    told = explain(overheard)
    [face] = overheard.fer("faces")
    box = face["box"]
    corners = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    landmarks = tuple(tuple(point) for point in face["landmarks"])
    contract = checkpoint.load_checkpoint(checkpoint.PRETRAINED).contract
    wanted = crop(load_photo(PORTRAIT), Face(corners, face["score"], landmarks), contract)[0]  # type: ignore[arg-type]
    np.testing.assert_allclose(of(told)[0][0, 0], wanted, atol=0.05)
    shown = canvas(overheard, 0)
    assert shown.shape == (48, 48, 4)
    for channel in range(3):
        assert np.abs(shown[..., channel] - wanted).max() <= 0.55, "the nearest gray level"


def test_the_heat_is_the_class_activation_map(overheard: Visit) -> None:
    """Of fernet, whose head is linear behind a global mean: less its mean, over the number of cells."""
    told = explain(overheard)
    pixels, heat = of(told)
    loaded = checkpoint.load_checkpoint(checkpoint.PRETRAINED)
    module = loaded.module()
    net: Any = module.net
    with torch.inference_mode():
        features = net.stages(net.stem(module.normalize(pixels)))
        activation = torch.einsum("chw,c->hw", features[0], net.head.weight[HAPPINESS]).numpy()
    assert told["label"] == HAPPINESS
    assert heat.shape == activation.shape == (6, 6)
    wanted = (activation - activation.mean()) / activation.size
    assert np.corrcoef(heat.ravel(), wanted.ravel())[0, 1] > 0.999
    np.testing.assert_allclose(heat, wanted, atol=0.02 * np.abs(wanted).max(), err_msg="float16 weights")


def test_the_map_is_warm_where_the_heat_is(overheard: Visit) -> None:
    _, heat = of(explain(overheard))
    pixels = canvas(overheard, 1).astype(int)
    assert heat.max() > 0 > heat.min()
    side = pixels.shape[0] // heat.shape[0]

    def redness(index: np.intp) -> int:
        row, column = np.unravel_index(index, heat.shape)
        red, _, blue, _ = pixels[row * side + side // 2, column * side + side // 2]
        return int(red - blue)

    assert redness(heat.argmax()) > 40
    assert redness(heat.argmin()) < -20
    said = overheard.said(".why p")
    assert said.startswith("Warm: these places speak for happiness; ")
    assert "(6 × 6), not proof of why" in said


def test_it_opens_by_key_and_goes_with_the_face(overheard: Visit, tmp_path: Path) -> None:
    page = overheard.page
    button = page.get_by_role("button", name="Explain")
    assert button.get_attribute("aria-expanded") == "false"
    assert not page.is_visible(".why")
    page.focus(".face summary")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    overheard.until("told.length === 1")
    assert button.get_attribute("aria-expanded") == "true"
    assert page.is_visible("#" + str(button.get_attribute("aria-controls")))
    pictures = [str(picture.get_attribute("aria-label")) for picture in page.locator(".why [role=img]").all()]
    assert pictures[0] == "Face 1 as the net saw it: 48 × 48 pixels, gray"
    assert pictures[1].startswith("Heat map of face 1: most of what speaks for happiness is at the ")
    page.wait_for_timeout(1200)
    assert page.evaluate("asked.length") == 1, "a picture that stands still is explained once"
    page.keyboard.press("Space")
    assert button.get_attribute("aria-expanded") == "false"
    assert not page.is_visible(".why")
    page.keyboard.press("Space")
    assert page.is_visible(".why")
    Image.new("RGB", (320, 240), "gray").save(tmp_path / "nobody.png")
    read(overheard, tmp_path / "nobody.png")
    assert page.locator(".why").count() == 0


def test_what_is_not_read_is_not_explained(overheard: Visit, tmp_path: Path) -> None:
    explain(overheard)
    Image.open(PORTRAIT).convert("RGB").point(lambda value: value // 8).save(tmp_path / "dark.png")
    read(overheard, tmp_path / "dark.png")
    assert overheard.said(".face h2").startswith("too dark")
    assert not overheard.page.is_visible(".face .more > button")


def test_a_worker_that_ends_leaves_what_was_explained(overheard: Visit) -> None:
    explain(overheard)
    seen = canvas(overheard, 1)
    button = ".face .more > button"
    overheard.page.click(button)
    overheard.page.evaluate("failing = true")
    overheard.page.click(button)
    overheard.until("asked.length === 2")
    overheard.page.click(button)
    overheard.page.click(button)
    overheard.page.wait_for_timeout(700)
    assert overheard.page.evaluate("told.length") == 1
    assert (canvas(overheard, 1) == seen).all()
    assert overheard.fer("error") is None, "the next picture tells of it"


def test_explaining_keeps_no_tensors(overheard: Visit) -> None:
    tensors = overheard.fer("tensors")
    for _ in range(20):
        explain(overheard)
        overheard.page.click(".face .more > button")
    read(overheard, PORTRAIT)
    assert overheard.fer("tensors") == tensors


def test_a_moving_picture_is_explained_twice_a_second_while_that_is_open(tmp_path: Path) -> None:
    frame = Image.new("RGB", (640, 480), (110, 110, 110))
    face = Image.open(PORTRAIT).convert("RGB")
    frame.paste(face.resize((400, 400 * face.height // face.width)), (120, 40))
    with chromium_with(*camera(write_video(tmp_path / "face.mjpeg", [frame] * 10))) as browser:
        visit = opened(browser)
        visit.page.click("#start")
        visit.until("fer.faces.length === 1")
        tensors = visit.fer("tensors")
        explain(visit)
        visit.until("told.length >= 4")
        asked = visit.page.evaluate("asked")
        assert np.diff(asked).min() > 490, "timers may be a little early"
        visit.page.click(".face .more > button")
        count, frames = visit.page.evaluate("asked.length"), visit.fer("frames")
        visit.until(f"fer.frames >= {frames + 20}")
        assert visit.page.evaluate("asked.length") == count
        assert visit.fer("tensors") == tensors
        visit.page.click(".face .more > button")
        visit.page.click("#stop")
        assert visit.page.locator(".why").count() == 0
        assert visit.complaints == []


# Other nets


class _Flat(nn.Module):
    """A net without any map."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(48 * 48, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(x.flatten(1))
        return logits


def flat(num_classes: int) -> nn.Module:
    """Build the net without any map."""
    return _Flat(num_classes)


def use(visit: Visit, made: Checkpoint, folder: Path, batch: int | None = None) -> None:
    """Export a net, and let the page read the portrait with it."""
    own = Model(Path("own.safetensors"), "torch", made.contract, made)
    exporting.export(own, folder / "own.onnx", format="onnx", batch=batch)
    exporting.export(folder / "own.onnx", folder / "model", format="tfjs")
    visit.page.set_input_files("#model-files", sorted((folder / "model").iterdir()))
    visit.until("fer.source === 'none'")
    read(visit, PORTRAIT)


def test_a_net_without_a_map_says_so(overheard: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = registry.names()
    monkeypatch.setitem(registry._FACTORIES, "flat", flat)
    assert "flat" not in names
    explain(overheard)
    use(overheard, make_checkpoint("flat"), tmp_path)
    told = explain(overheard)
    assert told["heat"] is None
    assert overheard.said(".why p") == "This net keeps no map of the picture."
    assert [picture.is_visible() for picture in overheard.page.locator(".why canvas").all()] == [True, False]
    assert canvas(overheard, 0).std() > 20


def test_any_head_and_a_fixed_batch_are_explained(overheard: Visit, tmp_path: Path) -> None:
    """plain_cnn turns its last map into a row for two linear layers, which a transpose and a reshape stand before."""
    made = make_checkpoint("plain_cnn")
    use(overheard, made, tmp_path, batch=3)
    told = explain(overheard)
    pixels, heat = of(told)
    module = made.module()
    net: Any = module.net
    with torch.inference_mode():
        features = net.features(module.normalize(pixels))
        wanted = left_out(features, lambda values: net.head(values.flatten(1)), told["label"])
    np.testing.assert_allclose(heat, wanted, atol=1e-4 * np.abs(wanted).max() + 1e-5)


# By itself


def test_without_logits_it_is_the_logarithm_that_falls(page: Page) -> None:
    """A net of two lines: the means of 2 × 2 pixels, and a product of sines of them as a probability."""
    pixels = np.random.default_rng(1).uniform(0, 255, (4, 6))
    told = page.evaluate(
        """pixels => {
          const means = (values) => Float32Array.from({ length: 6 }, (_, cell) => {
            const at = 12 * Math.floor(cell / 3) + 2 * (cell % 3);
            return (values[at] + values[at + 1] + values[at + 6] + values[at + 7]) / 1020;
          });
          const likely = (map) => map.reduce((product, value, cell) => product * (1 + Math.sin(cell * value)) / 2, 1);
          const scores = (maps) => Float32Array.from({ length: maps.length / 3 }, (_, at) => {
            const share = likely(maps.slice(6 * (at >> 1), 6 * (at >> 1) + 6));
            return at % 2 ? share : 1 - share;
          });
          const node = (name, ...input) => ({ name, op: "Any", input });
          const graph = {
            nodes: [node("x"), node("map", "x"), { ...node("turned", "map"), op: "Transpose" }, node("y", "turned")],
            input: "x:0",
            outputs: { probabilities: "y:0" },
            part: (from, to) => (values, [count]) => {
              const map = from === "x:0" ? means(values) : values;
              const all = {
                map: { data: map, shape: [count, 2, 3, 1] },
                turned: { data: map, shape: [count, 1, 2, 3] },
                "y:0": { data: scores(map), shape: [count, 2] },
              };
              return Object.fromEntries(Object.entries(to).map(([name, node]) => [name, all[node]]));
            },
          };
          const explainer = new ferTesting.Explainer(graph);
          const { values, rows, columns } = explainer.explain(Float32Array.from(pixels), [1, 4, 6, 1], 1);
          return { values: [...values], rows, columns };
        }""",
        pixels.ravel().tolist(),
    )
    features = pixels.reshape(2, 2, 3, 2).mean((1, 3)).ravel() / 255
    factors = np.log((1 + np.sin(np.arange(6) * features)) / 2)
    at_mean = np.log((1 + np.sin(np.arange(6) * features.mean())) / 2)
    assert (told["rows"], told["columns"]) == (2, 3)
    np.testing.assert_allclose(told["values"], factors - at_mean, atol=1e-5)


def names(page: Page, nodes: list[tuple[str, list[str]]]) -> list[str]:
    """The cuts between the nodes x and y."""
    given = [{"name": name, "op": "Any", "input": inputs} for name, inputs in nodes]
    found: list[str] = page.evaluate("nodes => ferTesting.cuts(nodes, 'x:0', 'y:0').map(({ name }) => name)", given)
    return found


def test_what_goes_round_a_node_is_no_cut(page: Page) -> None:
    block = [("x", []), ("a", ["x:0", "w"]), ("b", ["a:1"]), ("sum", ["b", "a"]), ("mean", ["sum"]), ("y", ["mean"])]
    assert names(page, [*block, ("w", [])]) == ["mean", "sum", "a"]
    assert names(page, [*block[:-1], ("y", ["mean", "^b"])]) == ["a"], "tfjs wants those as well that only come before"
    assert names(page, [("x", []), ("a", ["x"]), ("y", ["a", "x"])]) == []
    assert names(page, [("x", []), ("a", ["x"]), ("y", ["w"]), ("w", [])]) == []
