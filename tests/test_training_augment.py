"""These tests check augmentation against torchvision, one picture at a time, and run the bench of the data path.

Tolerances are in units of 0–255. What only multiplies and adds agrees to 0.001, what is resampled to 0.05:
the same places are computed in another order there.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from conftest import ROOT
from PIL import Image
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as tv

from fer_export.errors import InvalidInputError
from training import augment, bench
from training.augment import Augmentation, draws
from training.data import drawn

EXACT, RESAMPLED = 1e-3, 0.05
OFF: dict[str, float] = {"flip": 0, "rotate": 0, "scale": 0, "shift": 0, "light": 0, "erase": 0}


@pytest.fixture(scope="module", params=[1, 3], ids=["gray", "rgb"])
def pixels(request: pytest.FixtureRequest) -> Tensor:
    """Six views of a real portrait, float32 [6, C, 40, 48]: not square, so that no axis can be taken for the other."""
    with Image.open(ROOT / "fer_export/portrait/portrait.png") as picture:
        small = picture.convert("L" if request.param == 1 else "RGB").resize((72, 60))
    whole = torch.from_numpy(np.array(small)).float().view(60, 72, -1).permute(2, 0, 1)
    places = [(0, 0), (20, 24), (3, 11), (7, 5), (18, 2), (10, 20)]
    return torch.stack([whole[:, top : top + 40, left : left + 48] for top, left in places])


def one_by_one(pixels: Tensor, operation: Callable[..., Tensor], *values: Tensor) -> Tensor:
    """What torchvision answers, each picture with its own values. It takes floats in 0–1."""
    rows = zip(pixels / 255, *values, strict=True)
    return torch.stack([operation(*row) * 255 for row in rows])


def close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=0)


def varied(pixels: Tensor, low: float, high: float) -> Tensor:
    """Values [N], none equal."""
    return torch.linspace(low, high, len(pixels))


# ---- geometry


def test_flip(pixels: Tensor) -> None:
    mirrored = torch.tensor([True, False, True, True, False, False])
    expected = torch.stack([tv.horizontal_flip(p) if m else p for p, m in zip(pixels, mirrored, strict=True)])
    assert torch.equal(augment.flip_by(pixels, mirrored), expected)


@pytest.mark.parametrize(("low", "high"), [(-170.0, 175.0), (3.0, 20.0)])
def test_rotate(pixels: Tensor, low: float, high: float) -> None:
    degrees = varied(pixels, low, high)
    expected = one_by_one(pixels, lambda p, d: tv.rotate(p, d.item(), InterpolationMode.BILINEAR), degrees)
    close(augment.rotate_by(pixels, degrees, fill=0.0), expected, RESAMPLED)


@pytest.mark.parametrize("spread", [1.0, 0.3])
def test_affine(pixels: Tensor, spread: float) -> None:
    degrees = varied(pixels, -40, 25) * spread
    shift = torch.stack([varied(pixels, -6, 9).round(), varied(pixels, 5, -4).round()], 1)
    scale = 1 + varied(pixels, -0.4, 0.7) * spread
    shear = torch.stack([varied(pixels, 20, -15), varied(pixels, -8, 12)], 1) * spread

    def theirs(p: Tensor, d: Tensor, t: Tensor, s: Tensor, h: Tensor) -> Any:
        return tv.affine(p, d.item(), t.tolist(), s.item(), h.tolist(), InterpolationMode.BILINEAR)

    expected = one_by_one(pixels, theirs, degrees, shift, scale, shear)
    close(augment.affine_by(pixels, degrees, shift, scale, shear, fill=0.0), expected, RESAMPLED)
    # torchvision blends a fill other than black twice along the edge, so the expected values come from a black fill
    # with all values shifted.
    darker = one_by_one(pixels - 90, theirs, degrees, shift, scale, shear) + 90
    close(augment.affine_by(pixels, degrees, shift, scale, shear, fill=90.0), darker, RESAMPLED)
    border = augment.affine_by(pixels, degrees, shift, scale, shear)
    inside = one_by_one(torch.full_like(pixels, 255), theirs, degrees, shift, scale, shear) > 254.9
    close(border[inside], expected[inside], RESAMPLED)
    assert border.min() >= pixels.min() - RESAMPLED
    assert (~inside).any()


@pytest.mark.parametrize("padding", [3, 8])
@pytest.mark.parametrize(("fill", "mode"), [("border", "edge"), (128.0, "constant")])
def test_crop(pixels: Tensor, padding: int, fill: float | str, mode: str) -> None:
    top, left = varied(pixels, 0, 2 * padding).round(), varied(pixels, 2 * padding, 1).round()

    def theirs(p: Tensor, t: Tensor, x: Tensor) -> Any:
        value = fill / 255 if isinstance(fill, float) else None
        padded = tv.pad(p, [padding], fill=value, padding_mode=mode)
        return tv.crop(padded, int(t), int(x), 40, 48)

    close(augment.crop_by(pixels, top, left, padding, fill=fill), one_by_one(pixels, theirs, top, left), RESAMPLED)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(48, 48), (112, 90), (20, 25)])
def test_resized_crop(pixels: Tensor, size: tuple[int, int]) -> None:
    height, width = varied(pixels, 20, 40).round(), varied(pixels, 48, 17).round()
    top, left = (40 - height).div(2).floor(), (48 - width).div(3).floor()

    def theirs(p: Tensor, *box: Tensor) -> Any:
        return tv.resized_crop(p, *(int(side) for side in box), list(size), antialias=False)

    expected = one_by_one(pixels, theirs, top, left, height, width)
    close(augment.resized_crop_by(pixels, top, left, height, width, size), expected, RESAMPLED)


@pytest.mark.parametrize("size", [48, 224, 30])
def test_a_size_alone_is_plain_bilinear(pixels: Tensor, size: int) -> None:
    how, expected = Augmentation(**OFF), interpolate(pixels, (size, size), mode="bilinear", align_corners=False)
    close(augment.augment(pixels, how, size), expected, 1e-4)
    # The resampling gives the same when a change is on but draws almost 0.
    close(augment.augment(pixels, how.model_copy(update={"rotate": 1e-6}), size), expected, RESAMPLED)
    close(augment.augment(pixels, how.model_copy(update={"flip": 1}), size), expected.flip(3), RESAMPLED)


def test_all_geometry_is_one_map() -> None:
    """A dot in a box, mirrored and enlarged, ends where the steps by hand put it."""
    torch.manual_seed(3)
    picture = torch.zeros(1, 1, 48, 48)
    picture[0, 0, 20:23, 30:33] = 255
    how = Augmentation(**{**OFF, "flip": 1, "rotate": 30, "scale": 0.2, "shift": 0.2, "crop": 4, "fill": 0.0})
    changed = augment.affine(picture, how, 96)
    torch.manual_seed(3)
    from training.augment import crop

    top, left = crop.draw(1, 4, None)
    degrees = draws.uniform(1, 30, None)
    shift = torch.stack([draws.uniform(1, 0.2, None), draws.uniform(1, 0.2, None)], 1) * 24
    scale = 1 + draws.uniform(1, 0.2, None)
    step = augment.crop_by(picture, top, left, 4, fill=0.0)
    step = augment.affine_by(step, degrees, shift, scale, torch.zeros(1, 2), fill=0.0).flip(3)

    def middle(picture: Tensor) -> Tensor:
        mass = picture[0, 0] / picture.sum()
        places = (torch.arange(len(mass)) + 0.5) / len(mass)
        return torch.stack([(mass.sum(1) * places).sum(), (mass.sum(0) * places).sum()])

    torch.testing.assert_close(middle(changed), middle(step), atol=0.004, rtol=0)


def test_drawn_boxes_lie_inside_and_have_the_share_that_is_asked_for() -> None:
    from training.augment import resized_crop

    torch.manual_seed(0)
    top, left, height, width = resized_crop.draw(4000, 48, 48, 0.3, None)
    assert min(top.min(), left.min()) == 0
    assert (top + height).max() == (left + width).max() == 48
    share, ratio = height * width / 48**2, width / height
    assert 0.28 < share.min() < 0.33
    # Wide boxes of nearly the whole area do not fit and are drawn again, so the mean lies below the middle.
    assert 0.55 < share.mean() < 0.66
    assert 0.7 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 1.43


# ---- light and the rest


@pytest.mark.parametrize(("low", "high"), [(0.0, 2.5), (0.7, 1.3)])
@pytest.mark.parametrize("name", ["brightness", "contrast", "sharpness"])
def test_light_and_sharpness(pixels: Tensor, name: str, low: float, high: float) -> None:
    factor = varied(pixels, low, high)
    theirs = getattr(tv, f"adjust_{name}")
    expected = one_by_one(pixels, lambda p, f: theirs(p, f.item()), factor)
    assert (expected - pixels).abs().max() > 1
    close(getattr(augment, f"{name}_by")(pixels, factor), expected, EXACT)


def test_autocontrast(pixels: Tensor) -> None:
    dull = pixels * varied(pixels, 0.2, 0.9)[:, None, None, None] + 20
    dull[1, 0] = 77
    for stretched in (torch.tensor([True] * 6), torch.tensor([True, True, False, True, False, False])):
        both = zip(dull, one_by_one(dull, tv.autocontrast), stretched, strict=True)
        expected = torch.stack([changed if chosen else kept for kept, changed, chosen in both])
        close(augment.autocontrast_by(dull, stretched), expected, EXACT)


def test_blur(pixels: Tensor) -> None:
    sigma = varied(pixels, 0.3, 2.5)
    reach = 8
    expected = one_by_one(pixels, lambda p, s: tv.gaussian_blur(p, [2 * reach + 1] * 2, [s.item()] * 2), sigma)
    assert (expected - pixels).abs().max() > 10
    close(augment.blur_by(pixels, sigma), expected, 0.5)
    still = torch.zeros(6)
    close(augment.blur_by(pixels, still), pixels, 0)
    close(augment.blur_by(pixels, sigma * torch.tensor([0, 1, 0, 1, 0, 1]))[::2], pixels[::2], EXACT)


def test_noise(pixels: Tensor) -> None:
    sigma, drawn_ = varied(pixels, 1, 60), torch.randn(pixels.shape)
    expected = (pixels + drawn_ * sigma[:, None, None, None]).clamp(0, 255)
    close(augment.noise_by(pixels, sigma, drawn_), expected, EXACT)
    flat = augment.noise(torch.full((2000, 1, 16, 16), 128.0), 0.5, 20.0)
    spread = flat.flatten(1).std(1)
    assert 0.45 < (spread > 0).float().mean() < 0.55
    assert 15 < spread.max() < 24


def test_jpeg_is_what_pillow_makes_of_it(pixels: Tensor) -> None:
    """Where a number is nearly a tie, libjpeg's arithmetic may round it the other way, so the mean is compared."""
    whole = pixels.round()[:, :, :, :45]
    for level in (5, 20, 50, 80, 95):
        changed = augment.jpeg_by(whole, torch.full((6,), level))
        expected = torch.stack([packed(picture, level) for picture in whole])
        lost = (expected - whole).abs().mean()
        off = (changed - expected).abs().mean()
        assert off < 0.2 * lost, level
        assert off < (0.15 if pixels.shape[1] == 1 else 0.4), level


def packed(picture: Tensor, quality: int) -> Tensor:
    """A picture, packed by Pillow and read back: float32 [C, H, W]."""
    array, file = picture.byte().permute(1, 2, 0).numpy(), io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(file, "JPEG", quality=quality)
    with Image.open(file) as back:
        return torch.from_numpy(np.asarray(back, np.float32).reshape(array.shape)).permute(2, 0, 1)


def test_jpeg_has_each_pictures_own_quality_and_0_leaves_it_alone(pixels: Tensor) -> None:
    quality = torch.tensor([0, 5, 20, 50, 90, 0])
    changed = augment.jpeg_by(pixels, quality)
    assert torch.equal(changed[[0, 5]], pixels[[0, 5]])
    worse = (changed - pixels).abs().flatten(1).mean(1)
    assert worse[1] > worse[2] > worse[3] > worse[4] > worse[0] == 0
    torch.testing.assert_close(changed[2:3], augment.jpeg_by(pixels[2:3], quality[2:3]))


@pytest.mark.parametrize("largest", [12, 40])
def test_erase(pixels: Tensor, largest: int) -> None:
    height, width = varied(pixels, 3, largest).round().int(), varied(pixels, largest, 2).round().int()
    top, left = (40 - height) // 2, (48 - width) // 3
    value = varied(pixels, 0, 255)

    def theirs(p: Tensor, t: Tensor, x: Tensor, h: Tensor, w: Tensor, v: Tensor) -> Any:
        return tv.erase(p, int(t), int(x), int(h), int(w), v / 255)

    expected = one_by_one(pixels, theirs, top, left, height, width, value)
    close(augment.erase_by(pixels, top, left, height, width, value), expected, EXACT)


@pytest.mark.parametrize("share", [0.25, 0.9])
def test_mixup(pixels: Tensor, share: float) -> None:
    class Fixed(v2.MixUp):  # type: ignore[misc]
        def make_params(self, flat_inputs: list[object]) -> dict[str, object]:
            return {"lam": share}

    classes = torch.tensor([0, 3, 1, 2, 3, 0])
    expected, expected_targets = Fixed(num_classes=4)(pixels, classes)
    targets = torch.nn.functional.one_hot(classes, 4).float()
    partner = torch.arange(6).roll(1)
    ours, our_targets = augment.mixup_by(pixels, targets, partner, torch.full((6,), share))
    close(ours, expected, EXACT)
    close(our_targets, expected_targets, 1e-6)


def test_mixup_draws_a_share_for_each_picture_and_gives_it_to_the_target_too() -> None:
    torch.manual_seed(0)
    pixels = torch.zeros(400, 1, 8, 8)
    targets = torch.zeros(400, 2)
    pixels[::2], targets[::2, 1], targets[1::2, 0] = 255, 1, 1
    mixed, mixed_targets = augment.mixup(pixels, targets, 0.4)
    torch.testing.assert_close(mixed[:, 0, 0, 0] / 255, mixed_targets[:, 1])
    torch.testing.assert_close(mixed_targets.sum(1), torch.ones(400))
    assert len(set(mixed_targets[:, 1].tolist())) > 100
    unchanged = augment.mixup(pixels, targets, 0)
    assert unchanged == (pixels, targets)


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 8.0])
def test_the_shares_of_mixup_are_those_of_a_beta_distribution(alpha: float) -> None:
    torch.manual_seed(0)
    drawn = draws.beta(20_000, alpha, None).double()
    assert ((drawn >= 0) & (drawn <= 1)).all()
    reached = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    shares = torch.from_numpy(np.random.default_rng(0).beta(alpha, alpha, 20_000))
    for level in reached:
        # 5 standard errors of the difference of two shares of 20,000.
        assert abs((drawn < level).double().mean() - (shares < level).double().mean()) < 0.025
    variance = 1 / (4 * (2 * alpha + 1))
    assert drawn.var() == pytest.approx(variance, rel=0.05)


def test_light_has_each_pictures_own_amount(pixels: Tensor) -> None:
    contrast, brightness = varied(pixels, 0.7, 1.3), varied(pixels, 30, -20)
    changed = augment.light_by(pixels, contrast, brightness)
    for ours, picture, c, b in zip(changed, pixels, contrast, brightness, strict=True):
        close(ours, ((picture - picture.mean()) * c + picture.mean() + b).clamp(0, 255), EXACT)


# ---- the whole

EVERYTHING = Augmentation(
    shear=8, crop=4, resized_crop=0.6, sharpness=0.5, autocontrast=0.5, brightness=0.2, contrast=0.2, fill=0.0,
    blur=0.5, noise=0.5, jpeg=0.5,
)  # fmt: skip


@pytest.mark.parametrize("how", [Augmentation(), EVERYTHING], ids=["defaults", "everything"])
def test_a_batch_keeps_type_and_range_and_its_source(pixels: Tensor, how: Augmentation) -> None:
    before = pixels.clone()
    for given in (pixels, pixels.byte()):
        torch.manual_seed(1)
        changed = augment.augment(given, how, 64)
        assert changed.shape == (6, pixels.shape[1], 64, 64)
        assert changed.dtype == torch.float32
        assert changed.min() >= 0
        assert changed.max() <= 255
    assert torch.equal(pixels, before)


def test_equal_pictures_become_different_ones(pixels: Tensor) -> None:
    torch.manual_seed(2)
    for name, value in {**dict.fromkeys(OFF, 0.5), "rotate": 20, "shear": 20, "crop": 4, "resized_crop": 0.3,
                        "sharpness": 0.5, "autocontrast": 0.5, "brightness": 0.4, "contrast": 0.4, "blur": 0.9,
                        "noise": 0.9, "jpeg": 0.9}.items():  # fmt: skip
        same = (pixels[:1] / 2 + 20).repeat(24, 1, 1, 1)
        changed = augment.augment(same, Augmentation(**{**OFF, name: value}))
        different = len({picture.numpy().tobytes() for picture in changed})
        # A change that is only on or off has two outcomes; one with an amount has many.
        two = name in ("flip", "sharpness", "autocontrast")
        assert different == 2 if two else different > 8, name


def test_a_seed_gives_the_same_pictures_and_what_is_off_draws_nothing(pixels: Tensor) -> None:
    torch.manual_seed(5)
    first = augment.augment(pixels, EVERYTHING)
    torch.manual_seed(5)
    assert torch.equal(augment.augment(pixels, EVERYTHING), first)
    assert not torch.equal(augment.augment(pixels, EVERYTHING), first)
    own = [augment.augment(pixels, EVERYTHING, generator=torch.Generator().manual_seed(9)) for _ in range(2)]
    assert torch.equal(*own)
    targets = torch.eye(6)
    mixed = [augment.mixup(pixels, targets, 0.2, generator=torch.Generator().manual_seed(9)) for _ in range(2)]
    assert torch.equal(mixed[0][0], mixed[1][0])
    state = torch.get_rng_state()
    assert augment.augment(pixels, Augmentation(**OFF)) is pixels
    augment.augment(pixels, EVERYTHING, generator=torch.Generator())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_batch_on_another_device_stays_there(pixels: Tensor) -> None:
    """The meta device computes nothing, and refuses to be mixed with the CPU as a GPU does."""
    there = pixels.to("meta")
    assert augment.augment(there, EVERYTHING, 64).device.type == "meta"
    mixed, targets = augment.mixup(there, torch.eye(6, device="meta"), 0.2)
    assert (mixed.device.type, targets.device.type) == ("meta", "meta")
    top, left, height, width = (torch.full((6,), side) for side in (2, 3, 20, 30))
    assert augment.resized_crop_by(there, top, left, height, width, (48, 48)).device.type == "meta"
    assert augment.rotate_by(there, torch.ones(6)).device.type == "meta"


def test_draws_reach_as_far_as_the_recipe_says_and_no_farther() -> None:
    torch.manual_seed(0)
    gray = torch.full((3000, 1, 8, 8), 100.0)
    levels = augment.augment(gray, Augmentation(**{**OFF, "brightness": 0.3}))[:, 0, 0, 0]
    assert 70 <= levels.min() < 71
    assert 129 < levels.max() <= 130
    ramp = torch.arange(48.0).expand(3000, 1, 48, 48) * 5
    moved = (augment.augment(ramp, Augmentation(**{**OFF, "shift": 0.25})) - ramp)[:, 0, 24, 24] / 5
    assert -6.001 <= moved.min() < -5.9
    assert 5.9 < moved.max() <= 6.001
    half = augment.augment(ramp, Augmentation(**{**OFF, "flip": 0.3}))[:, 0, 0, 0] > 0
    assert 0.26 < half.float().mean() < 0.34


def test_an_erased_box_is_never_larger_than_the_picture() -> None:
    picture = torch.rand(8, 1, 10, 10) * 255
    how = Augmentation(**{**OFF, "erase": 1, "erase_size": (10, 30)})
    assert (augment.augment(picture, how).flatten(1).std(1) < EXACT).all()


def test_settings_come_from_yaml() -> None:
    text = "{rotate: 10, shear: 5, resized_crop: 0.8, erase_size: [4, 9], sharpness: 0.5, fill: border}"
    how = Augmentation.model_validate(yaml.safe_load(text))
    assert (how.flip, how.shear, how.erase_size, how.fill) == (0.5, 5, (4, 9), "border")
    assert Augmentation.model_validate(yaml.safe_load("fill: 0")).fill == 0
    again = Augmentation.model_validate(json.loads(how.model_dump_json()))
    assert again == how


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"flip": 1.2}, "flip"),
        ({"rotate": -3}, "rotate"),
        ({"scale": 1}, "scale"),
        ({"shear": 90}, "shear"),
        ({"crop": 2.5}, "crop"),
        ({"resized_crop": 1.5}, "resized_crop"),
        ({"erase_size": [20, 6]}, "shortest side, 20, is above the longest, 6"),
        ({"erase_size": [0, 6]}, "erase_size"),
        ({"sharpness": 2}, "sharpness"),
        ({"blur": 2}, "blur"),
        ({"noise_sigma": 0}, "noise_sigma"),
        ({"jpeg_quality": 96}, "jpeg_quality"),
        ({"fill": "black"}, "fill"),
        ({"fill": 256}, "fill"),
        ({"light": float("nan")}, "light"),
        ({"colour": 1}, "colour"),
    ],
)
def test_settings_that_do_not_hold(setting: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Augmentation.model_validate(setting)


# ---- the bench


def test_the_bench_times_both_paths_and_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that it runs and what it answers: speed is never a test."""
    tiny = partial(bench.time_data_paths, batches=2, steps=1, batch=8, workers=1)
    monkeypatch.setattr(bench, "time_data_paths", tiny)
    monkeypatch.setattr(bench, "_pictures", lambda data: (torch.from_numpy(drawn.faces(24, 0)[0])[:, None], "faces"))
    done = CliRunner().invoke(bench.main, ["--json", "--repetitions", "2"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    for name in ("ours", "usual", "step", "ratio", "share"):
        assert len(figures[name]["rounds"]) == 2
        assert 0 < figures[name]["low"] <= figures[name]["median"] <= figures[name]["high"]
    for usual, ours, ratio in zip(*(figures[name]["rounds"] for name in ("usual", "ours", "ratio")), strict=True):
        assert ratio == pytest.approx(usual / ours)
    assert figures["rates"]["ours"]["high"] == pytest.approx(8000 / figures["ours"]["low"])
    assert figures["share"]["high"] < 1
    assert figures["machine"]["torch"].startswith(torch.__version__.partition("+")[0])
    text = CliRunner().invoke(bench.main, ["--repetitions", "1"]).stdout
    assert "our data path" in text
    assert "PIL + torchvision, 1 worker(s)" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_usual_path_and_ours_feed_the_same_kind_of_batch() -> None:
    pixels = torch.from_numpy(drawn.faces(64, 0)[0])[:, None]
    torch.manual_seed(0)
    theirs = torch.stack([bench.Pictures(pixels)[row][0] for row in range(64)])
    ours = next(bench._fed(pixels, 64))
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), abs=0.35)
    assert ours.std().item() == pytest.approx(theirs.std().item(), abs=0.35)


def test_the_bench_wants_a_whole_batch() -> None:
    with pytest.raises(InvalidInputError, match="3 pictures, and a batch takes 8"):
        bench.time_data_paths(torch.zeros(3, 1, 48, 48, dtype=torch.uint8), batch=8)
