"""This module serves a gallery on loopback with every trouble that a collector meets, and records each request."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

ROBOTS = """\
User-agent: *
Disallow: /

User-agent: fer-export-collect
Disallow: /private/
Disallow: /forbidden
Disallow: /*.secret.png$
Allow: /
"""
#: Appended by the page's script, four at a time, each time its end comes into sight.
LAZY = 12


@cache
def picture(seed: int, size: tuple[int, int] = (128, 112), kind: str = "PNG", **options: object) -> bytes:
    """An encoded picture; other seeds give other pixels."""
    width, height = size
    rough = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC).save(data, kind, **options)
    return data.getvalue()


@dataclass
class Reply:
    """What the server answers at one path."""

    body: bytes = b""
    kind: str = "image/png"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    #: What follows the body without an end: "flood", "drip", or nothing.
    then: str = ""


@dataclass
class Served:
    """A running server: its replies by path, and its log."""

    replies: dict[str, list[Reply]]
    #: (seconds, path, is it the browser, User-Agent)
    log: list[tuple[float, str, bool, str]] = field(default_factory=list)
    #: Bytes that the endless picture got rid of.
    poured: int = 0
    port: int = 0

    @property
    def home(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self, *, browser: bool = False) -> list[str]:
        """Paths in order, of the collector or of its browser."""
        return [path for _, path, ours, _ in self.log if ours == browser]


def page(port: int) -> str:
    """The result page for any query."""
    return f"""<!doctype html><title>gallery</title>
<img src="/icons/star.png" width="16" height="16">
<a href="/about"><img src="/photos/plain.jpg"></a>
<img src="/photos/b-120.jpg" srcset="/photos/b-120.jpg 120w, /photos/b-480.jpg 480w,/photos/b-240.jpg 240w">
<picture><source type="image/avif" srcset="/photos/p.avif 900w"><source type="image/webp" srcset="/photos/p.webp">
<img src="/photos/p.jpg"></picture>
<a href="/photos/c-large.png"><img src="/photos/c-thumb.png"></a>
<a href="/page-about/d.jpg"><img src="/photos/d-thumb.png"></a>
<a href="/photos/only-linked.png">one more</a>
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" data-src="/photos/lazy-attribute.webp">
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
<img src="/photos/plain.jpg#again"><img src="/photos/renamed.jpg"><img src="/photos/repacked.png">
<img src="/photos/small.png"><img src="/photos/endless.png"><img src="/photos/declared-huge.png">
<img src="/photos/liar.jpg"><img src="/photos/honest.gif"><img src="/photos/gif-inside.png">
<img src="/photos/broken.jpg"><img src="/photos/cut-off.png"><img src="/photos/bomb.png">
<img src="/private/face.png"><img src="/photos/x.secret.png"><img src="/photos/../private/dots.png">
<img src="/moved"><img src="/moved-in"><img src="/moved-slyly"><img src="/circle"><img src="/gone.png">
<img src="/busy.png"><img src="/drip.png"><img src="/photos/..%2F..%2F..%2Fevil.png">
<img src="http://user:word@127.0.0.1:{port}/photos/with-password.png">
<img src="http://localhost:{port}/inside.png"><img src="ftp://127.0.0.1/a.png">
<div id="more" style="height: 4000px"></div>
<script>
  let next = 0;
  addEventListener('scroll', () => {{
    if (next >= {LAZY} || innerHeight + scrollY < document.documentElement.scrollHeight - 10) return;
    setTimeout(() => {{
      for (const end = next + 4; next < end; next++) {{
        const image = new Image();
        image.src = `/lazy/${{next}}.png`;
        image.style = 'display: block; height: 500px';
        document.body.append(image);
      }}
    }}, 200);
  }});
</script>"""


def replies(port: int) -> dict[str, list[Reply]]:
    """What is served; the last reply of a list is given ever after."""
    plain = picture(1, kind="JPEG")
    elsewhere = f"http://127.0.0.1:{port}"
    found = {
        "/robots.txt": Reply(ROBOTS.encode(), "text/plain"),
        "/search": Reply(page(port).encode(), "text/html"),
        "/empty": Reply(b"<p>please sign in", "text/html"),
        "/photos/plain.jpg": Reply(plain, "image/jpeg"),
        "/photos/renamed.jpg": Reply(plain, "image/jpeg"),
        "/photos/b-480.jpg": Reply(picture(2, (480, 360), "JPEG"), "image/jpeg"),
        "/photos/p.webp": Reply(picture(3, kind="WEBP"), "image/webp"),
        "/photos/c-large.png": Reply(picture(4, (400, 300))),
        "/page-about/d.jpg": Reply(b"<p>about d", "text/html"),
        "/photos/d-thumb.png": Reply(picture(5)),
        "/photos/only-linked.png": Reply(picture(6)),
        "/photos/lazy-attribute.webp": Reply(picture(7, kind="WEBP"), "image/webp; q=1"),
        "/photos/repacked.png": Reply(picture(6, compress_level=1)),
        "/photos/small.png": Reply(picture(8, (128, 95))),
        "/photos/endless.png": Reply(picture(9), then="flood"),
        "/photos/declared-huge.png": Reply(picture(10), headers={"Content-Length": "900000000"}),
        "/photos/liar.jpg": Reply(b"<!doctype html><p>sign in first", "image/jpeg"),
        "/photos/honest.gif": Reply(picture(11, kind="GIF"), "image/gif"),
        "/photos/gif-inside.png": Reply(picture(12, kind="GIF")),
        "/photos/broken.jpg": Reply(picture(13, kind="JPEG")[:900], "image/jpeg"),
        "/photos/cut-off.png": Reply(picture(14)[:900], headers={"Content-Length": "5000"}),
        "/photos/bomb.png": Reply(bomb()),
        "/moved": Reply(status=302, headers={"Location": "/photos/target.png"}),
        "/photos/target.png": Reply(picture(15)),
        "/moved-in": Reply(status=301, headers={"Location": "/private/other.png"}),
        "/moved-slyly": Reply(status=307, headers={"Location": f"{elsewhere}/photos/../private/sly.png"}),
        "/circle": Reply(status=302, headers={"Location": "/circle"}),
        "/drip.png": Reply(picture(16), then="drip"),
        "/photos/..%2F..%2F..%2Fevil.png": Reply(
            picture(17), headers={"Content-Disposition": 'attachment; filename="../../evil.png"'}
        ),
        "/inside.png": Reply(picture(18)),
        **{f"/lazy/{number}.png": Reply(picture(100 + number)) for number in range(LAZY)},
        **{f"/paged/{number}.png": Reply(picture(200 + number)) for number in range(1, 10)},
    }
    for number in (1, 2, 3):
        images = "".join(f'<img src="/paged/{3 * number - back}.png">' for back in (2, 1, 0))
        found[f"/paged/{number}"] = Reply(images.encode(), "text/html")
    busy = [Reply(status=503, headers={"Retry-After": "1"}), Reply(picture(19))]
    return {**{path: [reply] for path, reply in found.items()}, "/busy.png": busy}


@cache
def bomb() -> bytes:
    """81 megapixels in a few kilobytes."""
    data = io.BytesIO()
    Image.new("1", (9000, 9000)).save(data, "PNG")
    return data.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers from the server's table."""

    served: Served

    def do_GET(self) -> None:
        agent = self.headers["User-Agent"]
        self.served.log.append((time.monotonic(), self.path, "Chrome" in agent, agent))
        parts = urlsplit(self.path)
        path = parts.path
        if path == "/paged":
            path = f"/paged/{parse_qs(parts.query)['page'][0]}"
        table = self.served.replies.get(path, [Reply(status=404)])
        reply = table.pop(0) if len(table) > 1 else table[0]
        headers = {"Content-Type": reply.kind, "Content-Length": str(len(reply.body)), **reply.headers}
        if reply.then:
            del headers["Content-Length"]
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(reply.body)
            while reply.then == "flood":
                self.served.poured += self.wfile.write(bytes(65536))
            while reply.then == "drip":
                self.wfile.write(b"\0")
                time.sleep(0.2)
        except OSError:
            pass  # the collector has hung up, as it should

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def serving() -> Iterator[Served]:
    """The gallery on a free port of 127.0.0.1."""
    served = Served({})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"served": served}))
    server.daemon_threads = True
    served.port = server.server_port
    served.replies = replies(served.port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
