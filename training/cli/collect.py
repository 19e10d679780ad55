"""This module is the command `python -m training collect`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import click
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fer_export.cli.options import FilePath
from fer_export.cli.output import Output, command
from training.collect.limits import MEDIA_TYPES, Limits, parse_bytes
from training.collect.sources import KEPT, NAME, VERDICTS, Sources

_LICENCE = (
    "These pictures belong to whoever made them, and show people who were not asked. sources.csv names where each came "
    "from: see to the licence, and to the people, before you train on them, share or publish them."
)


def _bytes(context: click.Context, option: click.Parameter, value: str) -> int:
    try:
        return parse_bytes(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _types(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys({"jpg": "jpeg"}.get(part, part) for part in value.lower().replace(" ", "").split(",")))
    unknown = [kind for kind in wanted if kind not in MEDIA_TYPES]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)!r}: choose from {', '.join(MEDIA_TYPES)}")
    return wanted


@click.command("collect")
@click.option("--url", "template", required=True, metavar="TEMPLATE", help="Result page, with {query} and {page}.")
@click.option("--query", "queries", required=True, multiple=True, help="What to look for; may be repeated.")
@click.option("-o", "--out", "folder", type=FilePath, required=True, help="Folder that takes them.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Pictures for each query.")
@click.option("--max-bytes", callback=_bytes, metavar="SIZE", default="10MB", show_default=True, help="Of one picture.")
@click.option(
    "--max-total", callback=_bytes, metavar="SIZE", default="2GB", show_default=True, help="Of all pictures in FOLDER."
)
@click.option(
    "--types",
    callback=_types,
    metavar="LIST",
    default="jpeg,png,webp",
    show_default=True,
    help="By name and by content.",
)
@click.option("--min-size", type=click.IntRange(1), default=96, show_default=True, help="Pixels of both sides.")
@click.option(
    "--rate", type=click.FloatRange(0.01, 20), default=1.0, show_default=True, help="Requests per second to one host."
)
@click.option("--pages", type=click.IntRange(1), default=1, show_default=True, help="Result pages for each query.")
@click.option("--scrolls", type=click.IntRange(0), default=50, show_default=True, help="Moves down one result page.")
@click.option("--timeout", type=click.FloatRange(0.1, 600), default=30.0, show_default=True, help="Seconds to wait.")
@click.option("--contact", default="", help="Mail or web address for the User-Agent; some hosts ask for one.")
@click.option("--browser", type=FilePath, help="Chromium or Chrome. Otherwise it is looked for.")
@click.option("--driver", type=FilePath, help="chromedriver. Otherwise the one on PATH.")
@click.option("--no-sandbox", is_flag=True, help="For containers in which Chromium's sandbox cannot start.")
@command
def main(
    output: Output,
    template: str,
    queries: tuple[str, ...],
    folder: Path,
    limit: int,
    contact: str,
    browser: Path | None,
    driver: Path | None,
    no_sandbox: bool,
    **limits: object,
) -> None:
    """Gather pictures from a result page into a folder, with their sources.

    Headless Chromium opens the page of each query and scrolls through it.
    The pictures that it names are fetched one by one: no faster than --rate,
    only where the host's robots.txt allows it, and only what is a picture
    within the limits. Copies, by bytes or by pixels, are kept once.

    sources.csv has a row for every address: where it was found, what came
    of it, file, hash, size and time. Run the same command again to go on:
    no address is asked for twice, apart from those that failed.

    The pictures belong to whoever made them, and show people who were not
    asked. Nothing is bypassed here: no login, no captcha, no robots.txt.
    Whether you may use a picture is for you to find out; sources.csv is
    there for that.

    \b
    Examples:
      python -m training collect -o photos --query "happy face" \\
          --url "https://example.org/search?q={query}"
      python -m training collect -o photos --query joy --query anger \\
          --url "https://example.org/find/{query}?page={page}" \\
          --pages 5 --limit 300 --types jpeg --contact me@example.org
      python -m training prepare photos -o crops

    \b
    Exit codes: 0 ok, 2 usage, 3 no browser or no chromedriver,
    4 no result page could be read, 130 interrupted.
    """
    from training.collect.run import collect

    rows = collect(
        template,
        queries,
        folder,
        Limits(count=limit, **limits),  # type: ignore[arg-type]
        contact=contact,
        browser=browser,
        driver=driver,
        sandbox=not no_sandbox,
    )
    verdicts: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[seen]} seen"),
        TimeElapsedColumn(),
    )
    interrupted = False
    try:
        with Progress(*columns, console=output.notes, disable=output.as_json or not sys.stderr.isatty()) as progress:
            before = Sources(folder).kept if (folder / NAME).exists() else Counter[str]()
            tasks = {
                query: progress.add_task(escape(query), total=limit, completed=before[query], seen=0)
                for query in queries
            }
            for row in rows:
                verdicts[row.verdict] += 1
                if row.query:
                    seen[row.query] += 1
                    progress.update(tasks[row.query], advance=row.verdict == KEPT, seen=seen[row.query])
    except KeyboardInterrupt:
        interrupted = True
    _report(output, folder, verdicts, queries)
    if interrupted:
        output.add(interrupted=True)
        output.text("interrupted: what was kept stays, and the same command goes on from here")
        output.close()
        sys.exit(130)
    output.next(f"python -m training prepare {folder} -o crops")


def _report(output: Output, folder: Path, verdicts: Counter[str], queries: tuple[str, ...]) -> None:
    sources = Sources(folder)
    kept = {query: sources.kept[query] for query in queries}
    output.add(
        folder=str(folder),
        sources=str(sources.path),
        verdicts=dict(verdicts),
        kept=kept,
        bytes=sources.bytes,
        notice=_LICENCE,
    )
    if output.as_json:
        return
    table = Table(title="This run, by verdict", title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("verdict", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for verdict, meaning in VERDICTS.items():
        if verdicts[verdict]:
            table.add_row(verdict, str(verdicts[verdict]), meaning)
    if table.row_count:
        output.console.print(table)
    for query, count in kept.items():
        output.text(f"{query}: {count} pictures in {folder}")
    output.text(f"{sources.path}: where each came from; {sources.bytes / 1e6:.1f} MB in all")
    output.text(_LICENCE)
