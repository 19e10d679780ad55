"""This module makes polite requests: by robots.txt, at a rate, of bounded size and time, and never into our network."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from fer_export.errors import UsageError, first_line
from training.collect import robots
from training.collect.limits import Limits
from training.collect.private import is_private
from training.collect.sources import ERROR, Refusal

#: The product token that robots.txt files know us by (RFC 9309, 2.2.1).
CRAWLER = "fer-export-collect"
_HOPS = 5
_ATTEMPTS = 3
#: The most seconds that we wait where a host asks for time; a host that asks for more is left alone.
_LONGEST_WAIT = 60.0
#: The HTTP statuses of a host that asks for time.
BUSY = {429, 503}


def agent(contact: str) -> str:
    """Return the User-Agent header: who asks, and whom to write to.

    Raises:
        UsageError: the contact does not fit into a header.
    """
    if not (contact.isascii() and contact.isprintable()):
        raise UsageError(f"--contact {contact!r}: only plain ASCII can go into a request")
    about = "collects pictures from result pages; honours robots.txt"
    return f"{CRAWLER}/{version('fer-export')} ({about}{'; ' + contact if contact else ''})"


@dataclass(frozen=True)
class Answer:
    """Hold what came back: the address after redirects, the HTTP status, the body."""

    address: str
    status: int
    body: bytes


class Web:
    """Make the requests of one run; remember each host's robots.txt and when it was last asked."""

    def __init__(self, limits: Limits, home: str, contact: str = "") -> None:
        """Open a session without cookies and passwords.

        Args:
            limits: rate and timeout.
            home: the result page's address; the only host in a private network that may be asked.
            contact: an address for the User-Agent, so that a host's owner can complain.
        """
        self.limits = limits
        self.agent = agent(contact)
        self._home = urlsplit(home).hostname or ""
        self._rules: dict[str, robots.Rules | Refusal] = {}
        self._pauses: dict[str, float] = {}
        self._free_at: dict[str, float] = {}
        self._session = requests.Session()
        # Pictures need no compression, and a small body cannot grow while it is read.
        self._session.headers.update({"User-Agent": self.agent, "Accept-Encoding": "identity"})
        # No cookies, and no passwords from ~/.netrc: nobody is logged in.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.auth = lambda request: request

    def permit(self, address: str) -> None:
        """Check that an address may be fetched, and wait until its host may be asked again.

        Raises:
            Refusal: robots.txt forbids it, it leads into a private network, or it is not http(s).
        """
        rules = self._rules_of(address)
        if not rules.allow(address):
            raise Refusal("robots", "disallowed by robots.txt", address=address)
        if rules.delay > _LONGEST_WAIT:
            raise Refusal("robots", f"robots.txt asks for {rules.delay:g} s between requests", address=address)
        self._pauses[_host(address)] = max(1 / self.limits.rate, rules.delay)
        self._wait(address)

    def get(self, address: str, most: int) -> Answer:
        """Fetch one picture's bytes; every hop of a redirect is checked like the first.

        Args:
            address: http or https.
            most: largest size in bytes.

        Raises:
            Refusal: see `training.collect.sources.VERDICTS`.
        """
        accepted = self.limits.media_types

        def check(response: requests.Response) -> None:
            said = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if said not in accepted:
                raise Refusal("wrong type", f"called {said[:60]!r} by its server")
            length = response.headers.get("Content-Length", "")
            if length.isdecimal() and int(length) > most:
                raise Refusal("too large", f"{int(length):,} bytes")

        answer = self._follow(address, self.permit, check, most)
        if len(answer.body) > most:
            detail = f"over {most:,} bytes"
            raise Refusal("too large", detail, status=answer.status, address=answer.address)
        return answer

    def _rules_of(self, address: str) -> robots.Rules:
        self._check_place(address)
        origin = _origin(address)
        if origin not in self._rules:
            self._rules[origin] = self._fetch_rules(origin)
        found = self._rules[origin]
        if isinstance(found, Refusal):
            raise Refusal(found.verdict, found.detail, address=address)
        return found

    def _check_place(self, address: str) -> None:
        parts = urlsplit(address)
        host = parts.hostname or ""
        if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
            raise Refusal(ERROR, "not a plain http or https address", address=address)
        if host != self._home and is_private(host):
            raise Refusal("private", f"{host} is in a private network", address=address)

    def _fetch_rules(self, origin: str) -> robots.Rules | Refusal:
        """Fetch a host's rules: a missing file allows all, a host that fails to answer nothing (RFC 9309, 2.3.1)."""

        def permit(address: str) -> None:
            self._check_place(address)
            self._wait(address)

        try:
            body = self._follow(f"{origin}/robots.txt", permit, lambda response: None, robots.MOST_BYTES).body
        except Refusal as refusal:
            if 400 <= refusal.status < 500 and refusal.status not in BUSY:
                return robots.Rules()
            return Refusal(refusal.verdict, f"its robots.txt: {refusal.detail}")
        return robots.parse(body[: robots.MOST_BYTES].decode("utf-8", "replace"), CRAWLER)

    def _follow(
        self, address: str, permit: Callable[[str], None], check: Callable[[requests.Response], None], most: int
    ) -> Answer:
        """Follow redirects and return the last answer; its body holds at most a little over `most` bytes."""
        response = None
        try:
            for _ in range(_HOPS + 1):
                # Normalized as it will be requested, without "/../"; else the rule for the real path would not fit.
                address = urllib3.util.parse_url(address).url
                permit(address)
                with self._ask(address) as response:
                    target = self._session.get_redirect_target(response)
                    if target is not None:
                        address = urljoin(address, target)
                        continue
                    if response.status_code != 200:
                        raise Refusal(ERROR, f"answered {response.status_code}")
                    check(response)
                    deadline = time.monotonic() + self.limits.timeout
                    return Answer(address, response.status_code, _read(response, most, deadline))
            raise Refusal(ERROR, f"more than {_HOPS} redirects")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Refusal(ERROR, _reason(error), address=address) from error
        except Refusal as refusal:
            refusal.address = refusal.address or address
            refusal.status = refusal.status or (response.status_code if response is not None else 0)
            raise

    def _ask(self, address: str) -> requests.Response:
        """Make one request, and repeat it after a while where the host says that it is busy."""
        for attempt in range(_ATTEMPTS):
            response = self._session.get(address, stream=True, allow_redirects=False, timeout=self.limits.timeout)
            if response.status_code not in BUSY or attempt == _ATTEMPTS - 1:
                break
            pause = _retry_after(response.headers.get("Retry-After", ""), 2.0**attempt)
            response.close()
            if pause > _LONGEST_WAIT:
                away = Refusal(ERROR, f"answered {response.status_code}: not again for {pause:.0f} s")
                self._rules[_origin(address)] = away
                raise Refusal(away.verdict, away.detail, status=response.status_code)
            host = _host(address)
            self._free_at[host] = max(self._free_at.get(host, 0.0), time.monotonic() + pause)
            self._wait(address)
        return response

    def _wait(self, address: str) -> None:
        """Sleep until the host may be asked, and note when it may be asked next."""
        host = _host(address)
        time.sleep(max(0.0, self._free_at.get(host, 0.0) - time.monotonic()))
        self._free_at[host] = time.monotonic() + self._pauses.get(host, 1 / self.limits.rate)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _read(response: requests.Response, most: int, deadline: float) -> bytes:
    """Read the body, and stop a little after `most` bytes.

    `read1` returns what has arrived, so a host that sends one byte at a time cannot hold us past the deadline.
    """
    body = bytearray()
    while len(body) <= most:
        if time.monotonic() > deadline:
            raise Refusal(ERROR, "took longer than --timeout")
        part = response.raw.read1(65536, decode_content=True)
        if not part:
            break
        body += part
    return bytes(body)


def _host(address: str) -> str:
    return urlsplit(address).hostname or ""


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _retry_after(text: str, otherwise: float) -> float:
    """Return the seconds of a Retry-After header, a number or a date (RFC 9110, 10.2.3); else `otherwise`."""
    if text.strip().isdecimal():
        return float(text)
    with suppress(TypeError, ValueError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return otherwise


def _reason(error: BaseException) -> str:
    """Return the message of the innermost cause, which names the trouble best."""
    while causes := [each for each in (getattr(error, "reason", None), *error.args) if isinstance(each, BaseException)]:
        error = causes[0]
    return first_line(error)[:200]
