"""This module runs a collection: queries, result pages, pictures. Each address ends as one row of `sources.csv`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from fer_export.errors import InvalidInputError
from fer_export.files import replacing
from training.collect import template as templates
from training.collect.gallery import Gallery
from training.collect.limits import Limits
from training.collect.picture import Picture, inspect
from training.collect.programs import find_browser, find_driver
from training.collect.sources import COPY, ERROR, KEPT, KNOWN, STOPPED, Refusal, Source, Sources
from training.collect.web import BUSY, Web

_ATTEMPTS = 3


class _Full(Exception):
    """This exception says that --max-total is reached."""


def collect(
    template: str,
    queries: tuple[str, ...],
    folder: Path,
    limits: Limits,
    *,
    contact: str = "",
    browser: Path | None = None,
    driver: Path | None = None,
    sandbox: bool = True,
) -> Iterator[Source]:
    """Gather pictures for queries into `folder`, which may hold those of an earlier run.

    Args:
        template: address of a result page with {query} and, for several pages, {page}.
        queries: what to look for; each has its own folder.
        folder: receives `<slug of the query>/<16 hex digits of its sha256>.<type>` and `sources.csv`.
        limits: how much to take, of what kind, and how fast.
        contact: text for the User-Agent.
        browser: Chromium's path; it is looked for where None.
        driver: chromedriver's path; it is looked for where None.
        sandbox: whether Chromium's sandbox is on.

    Yields:
        The row of each address, once it is on the disk. Rows `known` and `stopped` are yielded but not written.

    Raises:
        UsageError: the template or a query cannot be used.
        MissingDependencyError: no browser or no driver.
        InvalidInputError: no result page could be read at all, or the folder cannot be used.
    """
    templates.check(template, limits.pages)
    slugs = {query: templates.slug(query) for query in queries}
    # What is wrong with the question is said before what is missing on the machine.
    web = Web(limits, template, contact)
    programs = find_browser(browser), find_driver(driver)
    sources = Sources(folder)
    wanting = [query for query in slugs if sources.kept[query] < limits.count]
    if not wanting:
        return
    pages_read = 0
    failures: list[Source] = []
    try:
        with Gallery(limits, web.agent, *programs, sandbox=sandbox) as gallery:
            for query in wanting:
                for number in range(1, limits.pages + 1):
                    origin = Source(query, templates.fill(template, query, number))
                    try:
                        _open(gallery, web, origin.page)
                        found = False
                        for addresses in gallery.pictures():
                            found = True
                            yield from _take(addresses, origin, slugs[query], sources, web)
                            if sources.kept[query] >= limits.count:
                                break
                        if not found:
                            raise Refusal(ERROR, "no picture on this page")
                        pages_read += 1
                    except Refusal as refusal:
                        failures.append(sources.add(_refused(origin, refusal)))
                        yield failures[-1]
                        break
                    if sources.kept[query] >= limits.count:
                        break
    except _Full:
        yield Source("", "", verdict=STOPPED, detail=f"{sources.bytes:,} bytes are kept")
    finally:
        web.close()
    if failures and not pages_read:
        raise InvalidInputError(
            f"no result page gave pictures: {failures[0].page}: {failures[0].detail}",
            hint="open it in a browser; what asks for a login or a captcha, or says no to robots, is not collected",
        )


def _open(gallery: Gallery, web: Web, address: str) -> None:
    """Load a result page if robots.txt allows it, and try again after a while where the host is busy."""
    for attempt in range(_ATTEMPTS):
        web.permit(address)
        try:
            landed = gallery.open(address)
        except Refusal as refusal:
            if refusal.status not in BUSY or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(2.0**attempt)
        else:
            if landed != address:
                web.permit(landed)
            return


def _take(addresses: tuple[str, ...], origin: Source, slug: str, sources: Sources, web: Web) -> Iterator[Source]:
    """Take one picture from the first of its addresses that gives one, and yield a row for each address tried."""
    if any(sources.holds(address) for address in addresses) or all(map(sources.has, addresses)):
        yield replace(origin, address=addresses[0], verdict=KNOWN)
        return
    for address in addresses:
        if sources.has(address):
            continue
        source = sources.add(_fetch(replace(origin, address=address), slug, sources, web))
        yield source
        if source.verdict in {KEPT, COPY}:
            return


def _fetch(origin: Source, slug: str, sources: Sources, web: Web) -> Source:
    """Download one address, judge it, and write it to the folder if it is new."""
    left = web.limits.max_total - sources.bytes
    most = min(web.limits.max_bytes, left)
    if most <= 0:
        raise _Full
    source = origin
    try:
        answer = web.get(origin.address, most)
        source = replace(origin, final_address=answer.address, status=answer.status, bytes=len(answer.body))
        picture = inspect(answer.body, web.limits)
    except Refusal as refusal:
        if refusal.verdict == "too large" and not source.bytes and most < web.limits.max_bytes:
            raise _Full from refusal
        return _refused(source, refusal)
    source = replace(source, **asdict(picture))
    twin = sources.by_hash.get(picture.sha256) or sources.by_hash.get(picture.pixels_sha256)
    if twin is not None:
        return replace(source, verdict=COPY, file=twin.file, detail=f"of {twin.address}")
    return replace(source, verdict=KEPT, file=_write(answer.body, picture, sources.path.parent, slug))


def _write(body: bytes, picture: Picture, folder: Path, slug: str) -> str:
    """Write a picture and return its name in the folder, made of hashes and our own words, never of a server's."""
    name = f"{slug}/{picture.sha256[:16]}.{'jpg' if picture.type == 'jpeg' else picture.type}"
    with replacing(folder / name) as new:
        new.write_bytes(body)
    return name


def _refused(source: Source, refusal: Refusal) -> Source:
    return replace(
        source,
        verdict=refusal.verdict,
        detail=refusal.detail,
        status=refusal.status or source.status,
        final_address=refusal.address or source.final_address,
    )
