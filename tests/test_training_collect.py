"""These tests check collecting: polite, within limits, nothing twice, nothing lost, no file name from a stranger."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import ROOT
from gallery.server import LAZY, Reply, Served, picture, serving
from PIL import Image

from fer_export.errors import InvalidInputError, UsageError
from training.__main__ import main

pytest.importorskip("selenium", reason="collecting needs selenium: pip install 'fer-export[collect]'")
pytest.importorskip("requests", reason="collecting needs requests: pip install 'fer-export[collect]'")

from training.collect import robots, template
from training.collect.limits import Limits, parse_bytes
from training.collect.picture import inspect
from training.collect.private import is_private
from training.collect.sources import COLUMNS, Refusal, Source, Sources
from training.collect.web import Web

needs_driver = pytest.mark.skipif(
    not shutil.which("chromedriver"), reason="chromedriver is not on PATH: apt-get install chromium-driver"
)
#: Those of the page that give a picture, in page order.
GOOD = [
    "/photos/plain.jpg",
    "/photos/b-480.jpg",
    "/photos/p.webp",
    "/photos/c-large.png",
    "/photos/d-thumb.png",
    "/photos/only-linked.png",
    "/photos/lazy-attribute.webp",
    "/moved",
    "/busy.png",
    "/photos/..%2F..%2F..%2Fevil.png",
    *(f"/lazy/{number}.png" for number in range(LAZY)),
]
QUICK = ("--rate", 20, "--timeout", 2, "--max-bytes", "300kB", "--no-sandbox")


def collect(*arguments: object) -> Result:
    """`python -m training collect` in this process."""
    return CliRunner().invoke(main, ["collect", *map(str, arguments)])


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "sources.csv").open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def kept_rows(folder: Path) -> int:
    """Rows, since a picture is there a moment before its row is."""
    return sum(row["verdict"] == "kept" for row in rows(folder)) if (folder / "sources.csv").exists() else 0


def pictures(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"sources.csv"}


@pytest.fixture(scope="module")
def gallery() -> Iterator[Served]:
    with serving() as served:
        yield served


class Run:
    """One run over the whole gallery, and what the server saw of it."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.folder, self.home = folder, served.home
        self.command = ("--url", f"{served.home}/search?q={{query}}", "--query", "happy face", "-o", folder, *QUICK)
        result = collect(*self.command, "--contact", "someone@example.org", "--json")
        assert result.exit_code == 0, result.output
        self.document = json.loads(result.stdout)
        self.log = list(served.log)
        self.asked = served.asked()
        self.browsed = served.asked(browser=True)
        self.rows = {row["address"].removeprefix(served.home): row for row in rows(folder)}

    def verdict(self, path: str) -> str:
        return self.rows[path]["verdict"]


@pytest.fixture(scope="module")
def run(gallery: Served, tmp_path_factory: pytest.TempPathFactory) -> Run:
    if not shutil.which("chromedriver"):
        pytest.skip("chromedriver is not on PATH: apt-get install chromium-driver")
    return Run(gallery, tmp_path_factory.mktemp("collected") / "photos")


def test_it_finds_what_the_page_shows_in_page_order_and_to_its_end(run: Run) -> None:
    assert [path for path, row in run.rows.items() if row["verdict"] == "kept"] == GOOD


def test_of_each_picture_it_asks_for_the_largest_alone(run: Run) -> None:
    smaller = {"/photos/b-120.jpg", "/photos/b-240.jpg", "/photos/p.jpg", "/photos/c-thumb.png"}
    assert not smaller & set(run.asked)
    # This link only looks like one to a picture, so the picture on the page is taken.
    assert run.verdict("/page-about/d.jpg") == "wrong type"


def test_every_kept_row_leads_to_its_file(run: Run) -> None:
    kept = [row for row in run.rows.values() if row["verdict"] == "kept"]
    assert {row["file"] for row in kept} == pictures(run.folder)
    for row in kept:
        body = (run.folder / row["file"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(body).hexdigest()
        assert Path(row["file"]).stem == row["sha256"][:16]
        assert Path(row["file"]).parent == Path("happy-face")
        assert int(row["bytes"]) == len(body)
        image = Image.open(io.BytesIO(body))
        assert (int(row["width"]), int(row["height"])) == image.size
        assert row["type"].upper() == image.format
        assert (row["query"], row["status"]) == ("happy face", "200")
        assert row["page"] == f"{run.home}/search?q=happy%20face"
        assert abs(time.time() - time.mktime(time.strptime(row["time"], "%Y-%m-%dT%H:%M:%SZ")) + time.timezone) < 300


def test_copies_are_kept_once_by_bytes_and_by_pixels(run: Run) -> None:
    for copy, first in {"/photos/renamed.jpg": "plain.jpg", "/photos/repacked.png": "only-linked.png"}.items():
        assert run.verdict(copy) == "copy"
        assert run.rows[copy]["file"] == run.rows[f"/photos/{first}"]["file"]
    assert run.rows["/photos/repacked.png"]["sha256"] != run.rows["/photos/only-linked.png"]["sha256"]


@pytest.mark.parametrize(
    ("path", "verdict", "detail"),
    [
        ("/photos/small.png", "too small", "128×95"),
        ("/photos/endless.png", "too large", "over 300,000 bytes"),
        ("/photos/declared-huge.png", "too large", "900,000,000 bytes"),
        ("/photos/bomb.png", "too large", "9000×9000"),
        ("/photos/liar.jpg", "wrong type", "by its content"),
        ("/photos/honest.gif", "wrong type", "called 'image/gif'"),
        ("/photos/gif-inside.png", "wrong type", "by its content"),
        ("/photos/broken.jpg", "broken", "truncated"),
        ("/photos/cut-off.png", "error", "4100 more"),
        ("/circle", "error", "more than 5 redirects"),
        ("/gone.png", "error", "answered 404"),
        ("/drip.png", "error", "longer than --timeout"),
    ],
)
def test_what_is_no_picture_within_the_limits_is_refused(run: Run, path: str, verdict: str, detail: str) -> None:
    row = run.rows[path]
    assert (row["verdict"], row["file"]) == (verdict, "")
    assert detail in row["detail"]


def test_an_endless_picture_is_cut_off_while_it_streams(run: Run, gallery: Served) -> None:
    # What it may have sent beyond the limit sits in the sockets' buffers.
    assert 0 < gallery.poured < 20e6


def test_what_robots_txt_disallows_is_never_asked_for(run: Run) -> None:
    for path in ("/private/face.png", "/photos/x.secret.png", "/private/dots.png", "/moved-in", "/moved-slyly"):
        assert run.verdict(path) == "robots"
    assert run.rows["/moved-in"]["final_address"].endswith("/private/other.png")
    assert {"/moved-in", "/moved-slyly"} <= set(run.asked)
    assert not [path for _, path, *_ in run.log if "private" in path or "secret" in path]


def test_robots_txt_is_read_first_and_once(run: Run) -> None:
    assert run.log[0][1] == "/robots.txt"
    assert run.asked.count("/robots.txt") == 1


def test_the_browser_itself_fetches_no_picture(run: Run) -> None:
    assert set(run.browsed) <= {"/search?q=happy%20face", "/favicon.ico"}


def test_a_page_cannot_send_us_into_our_own_network(run: Run) -> None:
    (inside,) = [row for path, row in run.rows.items() if path.endswith("/inside.png")]
    assert inside["verdict"] == "private"
    assert "/inside.png" not in run.asked


def test_icons_passwords_and_other_schemes_are_left_out(run: Run) -> None:
    assert not [path for path in run.rows if "star" in path or "password" in path or not path.startswith(("/", "http"))]
    assert "/icons/star.png" not in run.asked


def test_a_busy_host_is_asked_again_when_it_says(run: Run) -> None:
    times = [at for at, path, *_ in run.log if path == "/busy.png"]
    assert len(times) == 2
    assert times[1] - times[0] >= 0.9


def test_it_says_who_asks(run: Run) -> None:
    for _, _, browser, agent in run.log:
        assert "fer-export-collect/" in agent
        assert "someone@example.org" in agent
        assert browser == agent.startswith("Mozilla/")


def test_the_summary_counts_every_row(run: Run) -> None:
    verdicts = run.document["verdicts"]
    assert verdicts["kept"] == len(GOOD) == run.document["kept"]["happy face"]
    assert sum(verdicts.values()) == len(run.rows)
    assert "belong to whoever made them" in run.document["notice"]


@pytest.fixture(scope="module")
def again(run: Run, gallery: Served, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, list[str], Path]:
    """The same command on a copy of the folder, with one picture thrown out by hand and one working that failed."""
    folder = tmp_path_factory.mktemp("again") / "photos"
    shutil.copytree(run.folder, folder)
    (folder / run.rows["/photos/plain.jpg"]["file"]).unlink()
    gallery.replies["/drip.png"] = [Reply(picture(16))]
    gallery.log.clear()
    result = collect(*("--url", run.command[1], "--query", "happy face", "-o", folder), *QUICK)
    return result, gallery.asked(), folder


def test_a_second_run_asks_only_for_what_failed(run: Run, again: tuple[Result, list[str], Path]) -> None:
    result, asked, folder = again
    assert result.exit_code == 0, result.output
    assert set(asked) == {"/robots.txt", "/photos/cut-off.png", "/circle", "/gone.png", "/drip.png"}
    works_now = next(row["file"] for row in rows(folder)[::-1] if row["address"].endswith("/drip.png"))
    assert pictures(folder) == pictures(run.folder) - {run.rows["/photos/plain.jpg"]["file"]} | {works_now}


def test_people_get_a_table_and_the_next_command(again: tuple[Result, list[str], Path]) -> None:
    result, _, folder = again
    assert "known" in result.stdout
    assert f"happy face: {len(GOOD) + 1} pictures" in result.stdout
    assert "belong to whoever made them" in result.stdout
    assert f"next: python -m training prepare {folder} -o crops" in result.stdout


@needs_driver
def test_limit_counts_each_query_over_pages_and_runs(gallery: Served, tmp_path: Path) -> None:
    gallery.log.clear()
    paged = ("--url", f"{gallery.home}/paged?of={{query}}&page={{page}}", "-o", tmp_path, "--scrolls", 0, *QUICK)
    first = collect(*paged, "--query", "joy", "--query", "../../etc", "--pages", 3, "--limit", 4, "--json")
    assert json.loads(first.stdout)["kept"] == {"joy": 4, "../../etc": 4}
    assert [path for path in gallery.asked(browser=True) if "of=joy" in path] == [
        "/paged?of=joy&page=1",
        "/paged?of=joy&page=2",
    ]
    assert {path.parent for path in map(Path, pictures(tmp_path))} == {Path("joy"), Path(template.slug("../../etc"))}
    gallery.log.clear()
    more = collect(*paged, "--query", "joy", "--limit", 4)
    assert more.exit_code == 0
    assert not gallery.log
    # Two pictures more than the folder has, and one of them has no room.
    room = sum(int(row["bytes"]) for row in rows(tmp_path) if row["verdict"] == "kept") + len(picture(209)) // 2
    full = collect(*paged, "--query", "joy", "--pages", 3, "--max-total", room, "--json")
    assert json.loads(full.stdout)["verdicts"]["stopped"] == 1
    assert json.loads(full.stdout)["bytes"] <= room


@needs_driver
def test_nothing_is_left_of_the_browser(gallery: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not in tmp_path: a socket's path has to be short.
    scratch = Path(tempfile.mkdtemp())
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    call = ("--query", "1", "-o", tmp_path / "photos", "--scrolls", 0, *QUICK)
    assert collect("--url", f"{gallery.home}/paged/{{query}}", *call).exit_code == 0
    scratch.rmdir()  # refused where anything is in it


@needs_driver
def test_a_browser_that_does_not_start_is_a_missing_dependency(tmp_path: Path) -> None:
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\nexit 1\n")
    browser.chmod(0o755)
    call = ("--url", "https://example.org/{query}", "--query", "joy", "-o", tmp_path / "photos", "--browser", browser)
    result = collect(*call)
    assert result.exit_code == 3
    assert "does not start" in result.stderr


@needs_driver
def test_ctrl_c_keeps_what_is_there_and_the_next_run_goes_on(gallery: Served, tmp_path: Path) -> None:
    gallery.log.clear()
    call = ["--url", f"{gallery.home}/paged?of={{query}}&page={{page}}", "--query", "joy", "-o", str(tmp_path)]
    call += ["--pages", "3", "--scrolls", "0", "--no-sandbox", "--rate"]
    command = [sys.executable, "-m", "training", "collect", *call, "4"]
    # A test run that itself was started in the background hands down that SIGINT is ignored.
    running = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 60
    while kept_rows(tmp_path) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, error = running.communicate(timeout=60)
    assert running.returncode == 130, error
    assert "the same command goes on" in out
    assert "Traceback" not in error
    kept = {row["file"] for row in rows(tmp_path) if row["verdict"] == "kept"}
    assert 2 <= len(kept) < 9
    assert not [name for name in pictures(tmp_path) if Path(name).name.startswith(".")]
    gallery.log.clear()
    assert collect(*call, 20).exit_code == 0
    assert len(pictures(tmp_path)) == 9
    asked = [path for path in gallery.asked() if path != "/robots.txt"]
    assert len(asked) == len(set(asked)) == 9 - len(kept)


@needs_driver
def test_a_page_without_pictures_and_a_page_that_robots_txt_refuses(gallery: Served, tmp_path: Path) -> None:
    gallery.log.clear()
    queries = ("--query", "empty", "--query", "forbidden")
    result = collect("--url", f"{gallery.home}/{{query}}", *queries, "-o", tmp_path, "--scrolls", 0, *QUICK)
    assert result.exit_code == 4
    assert "no picture on this page" in result.stderr
    assert "captcha" in result.stderr
    assert "/forbidden" not in [path for _, path, *_ in gallery.log]
    assert [(row["verdict"], row["detail"]) for row in rows(tmp_path)] == [
        ("error", "no picture on this page"),
        ("robots", "disallowed by robots.txt"),
    ]


@needs_driver
def test_an_unknown_host_is_one_clear_line(tmp_path: Path) -> None:
    result = collect("--url", "http://no-such-host.invalid/{query}", "--query", "joy", "-o", tmp_path, *QUICK)
    assert result.exit_code == 4
    assert result.stderr.startswith("error: no result page gave pictures: http://no-such-host.invalid/joy: ")
    assert result.stderr.count("\n") == 2


def test_without_a_driver_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gallery: Served
) -> None:
    browser = tmp_path / "chromium"
    browser.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "photos"
    result = collect("--url", f"{gallery.home}/{{query}}", "--query", "joy", "-o", folder, "--browser", browser)
    assert result.exit_code == 3
    assert "fer-export browser --install --driver" in result.stderr
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--url", "https://example.org/search", "--query", "joy"), "has no {query}"),
        (("--url", "file:///{query}", "--query", "joy"), "not an http or https address"),
        (("--url", "https://{query}.example.org", "--query", "joy"), "the host must be written out"),
        (("--url", "https://a:b@example.org/{query}", "--query", "joy"), "the host must be written out"),
        (("--url", "https://example.org/{query}", "--query", "joy", "--pages", 2), "needs {page}"),
        (("--url", "https://example.org/{query}", "--query", " "), "empty"),
        (("--url", "https://example.org/{query}", "--query", "joy", "--max-bytes", "ten"), "not a size"),
        (("--url", "https://example.org/{query}", "--query", "joy", "--types", "jpg,bmp"), "choose from jpeg"),
        (("--url", "https://example.org/{query}", "--query", "joy", "--contact", "a\nb: c"), "plain ASCII"),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_a_usage_error(
    tmp_path: Path, arguments: tuple[object, ...], reason: str
) -> None:
    folder = tmp_path / "photos"
    result = collect(*arguments, "-o", folder)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert not folder.exists()


def test_slugs_are_safe_and_different() -> None:
    queries = [
        "happy face",
        "happy-face",
        "../../etc/passwd",
        "/etc",
        "a/b",
        "a b",
        "con",
        "счастье",
        "😀",
        "..",
        "x" * 500,
    ]
    slugs = [template.slug(query) for query in queries]
    assert len(set(slugs)) == len(queries)
    for slug in slugs:
        assert Path(slug).name == slug
        assert not slug.startswith(".")
        assert len(slug.encode()) < 200
    assert slugs[0] == "happy-face"
    with pytest.raises(UsageError):
        template.slug("joy\nanger")


def test_a_query_is_quoted_and_fills_nothing_else() -> None:
    filled = template.fill("https://example.org/{page}/?q={query}", "a&b={page}/é", 3)
    assert filled == "https://example.org/3/?q=a%26b%3D%7Bpage%7D%2F%C3%A9"


def test_sizes_are_read() -> None:
    assert [parse_bytes(text) for text in ("10MB", "500 kB", "1.5GiB", "7")] == [10**7, 500_000, 3 * 2**29, 7]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        # The examples of RFC 9309, 2.2.2 and 5.1, and the two spellings of one path of its table in 2.2.2.
        ("/example/page/", True),
        ("/example/page/disallowed.gif", False),
        ("/example/", False),
        ("/elsewhere", True),
        ("/foo/bar/baz.gif", False),
        ("/picture.gif?x=1", True),
        ("/~joe/a", False),
        ("/%7Ejoe/a", False),
        ("/%e3%83%84", False),
        ("/robots.txt", True),
    ],
)
def test_robots_rules_are_those_of_the_rfc(path: str, allowed: bool) -> None:
    text = """\
User-Agent: *
Disallow: /

User-Agent: other
User-Agent: Fer-Export-Collect/2 # any version
Allow: /example/page/
Disallow: /example/
Disallow: /example/page/disallowed.gif
Disallow: /foo/*.gif$
Disallow: /%7ejoe/
Disallow: /ツ
Disallow:
Sitemap: https://example.org/sitemap.xml

User-Agent: fer-export-collect
Crawl-delay: 2
"""
    rules = robots.parse(text, "fer-export-collect")
    assert rules.allow(f"https://example.org{path}") == allowed
    assert rules.delay == 2


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (403, True), (500, False), (503, False)])
def test_a_missing_robots_txt_allows_and_a_failing_one_forbids(status: int, allowed: bool) -> None:
    with serving() as served:
        served.replies["/robots.txt"] = [Reply(status=status, headers={"Retry-After": "0"})]
        web = Web(Limits(rate=20), served.home)
        if allowed:
            assert web.get(f"{served.home}/photos/plain.jpg", 10**6).status == 200
        else:
            with pytest.raises(Refusal, match=f"robots.txt: answered {status}"):
                web.get(f"{served.home}/photos/plain.jpg", 10**6)
            assert set(served.asked()) == {"/robots.txt"}
        web.close()


def test_one_host_is_asked_no_faster_than_the_rate() -> None:
    with serving() as served:
        web = Web(Limits(rate=5), served.home)
        for number in range(5):
            web.get(f"{served.home}/lazy/{number}.png", 10**6)
        web.close()
        times = [at for at, *_ in served.log]
    assert len(times) == 6
    assert times[-1] - times[0] >= 0.8


def test_a_crawl_delay_is_kept_and_one_of_an_hour_is_a_refusal() -> None:
    with serving() as served:
        served.replies["/robots.txt"] = [Reply(b"User-agent: *\nCrawl-delay: 0.5", "text/plain")]
        web = Web(Limits(rate=20), served.home)
        for number in range(3):
            web.get(f"{served.home}/lazy/{number}.png", 10**6)
        web.close()
        times = [at for at, path, *_ in served.log if path != "/robots.txt"]
        assert times[-1] - times[0] >= 0.8
        served.replies["/robots.txt"] = [Reply(b"User-agent: *\nCrawl-delay: 3600", "text/plain")]
        with pytest.raises(Refusal, match="3600 s between requests"):
            Web(Limits(rate=20), served.home).get(f"{served.home}/lazy/0.png", 10**6)


def test_a_host_that_wants_an_hour_is_left_alone() -> None:
    with serving() as served:
        served.replies["/busy.png"] = [Reply(status=429, headers={"Retry-After": "3600"})]
        web = Web(Limits(rate=20), served.home)
        for path in ("/busy.png", "/photos/plain.jpg"):
            with pytest.raises(Refusal, match="answered 429: not again for 3600 s"):
                web.get(served.home + path, 10**6)
        assert served.asked() == ["/robots.txt", "/busy.png"]


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("::ffff:10.0.0.1", True),
        ("192.168.1.1", True),
        ("169.254.169.254", True),
        ("0.0.0.0", True),
        ("1.1.1.1", False),
        ("2606:4700:4700::1111", False),
    ],
)
def test_private_networks_are_known(host: str, private: bool) -> None:
    assert is_private(host) == private


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGB", "RGBA"])
def test_pictures_of_every_mode_are_measured(mode: str) -> None:
    data = io.BytesIO()
    Image.new(mode, (120, 100)).save(data, "PNG")
    found = inspect(data.getvalue(), Limits())
    assert (found.type, found.width, found.height) == ("png", 120, 100)


def test_a_row_that_was_half_written_is_dropped_and_the_rest_is_read(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    for name in ("a", "b"):
        sources.add(
            Source("joy", "p", address=f"http://x/{name}", sha256=name, bytes=5, verdict="kept", detail='1,"2"')
        )
    path = tmp_path / "sources.csv"
    path.write_bytes(path.read_bytes()[:-9])
    read = Sources(tmp_path)
    assert (read.kept["joy"], read.bytes) == (1, 5)
    assert read.has("http://x/a")
    assert not read.has("http://x/b")
    read.add(Source("joy", "p", address="http://x/b", verdict="kept"))
    assert [row["address"] for row in rows(tmp_path)] == ["http://x/a", "http://x/b"]


@pytest.mark.parametrize(
    ("line", "number"),
    [("joy,p\n", 2), (",".join("" for _ in COLUMNS) + "\n", 2), ('"\n', 2)],
)
def test_a_spoiled_sources_csv_is_named_with_its_row(tmp_path: Path, line: str, number: int) -> None:
    (tmp_path / "sources.csv").write_text(",".join(COLUMNS) + "\n" + line)
    with pytest.raises(InvalidInputError, match=rf"sources\.csv, row {number}: "):
        Sources(tmp_path)


def test_another_csv_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "sources.csv").write_text("name,place\na,b\n")
    with pytest.raises(InvalidInputError, match="row 1: not the columns"):
        Sources(tmp_path)
    assert (tmp_path / "sources.csv").read_text() == "name,place\na,b\n"


def test_selenium_manager_is_told_to_stay_silent(run: Run) -> None:
    assert os.environ["SE_OFFLINE"] == os.environ["SE_AVOID_STATS"] == "true"
