"""This module writes the table of operators, from the registry and the results of ONNX's own tests.

cd tests && python -m tools.graphdef.table      writes fer_export/tfgraph/OPERATORS.md
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from fer_export.tfgraph import operators  # noqa: F401  (fills the table)
from fer_export.tfgraph.registry import TABLE, Operator

from . import node_cases
from .node_cases import Result
from .tfjs_node import ROOT

PATH = ROOT / "fer_export/tfgraph/OPERATORS.md"

_HEAD = """# ONNX operators that become TF.js graphs

Made by `cd tests && python -m tools.graphdef.table` from the registry (`registry.py`) and from the results of
ONNX's own operator tests in TF.js's wasm backend (`tests/tools/graphdef/node_cases.csv`, {onnx} cases). Do not edit.

- *Opsets*: the oldest one that the function is written for, up to the newest of onnx {version}. All types are float32,
  int32, bool, and int64 within 32 bits.
- *Cases*: passed of those that a TF.js graph can express. Left out are, by rule:
  {reasons}.
- *Restrictions*: what is refused, by an error that names node and operator. A "constant" is known when the graph is
  written: an initializer, or computed from initializers and shapes.

Of {onnx} cases {expressible} can be expressed for the operators below, and **{passed} pass**. {functionless} more are
about operators that have no function here.
"""


def text(results: Iterable[Result]) -> str:
    """The whole file."""
    import onnx

    results = list(results)
    count = Counter(result.outcome for result in results)
    reasons = Counter(_rule(result.why) for result in results if result.outcome == "not expressible")
    by_operator: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        by_operator[result.operator][result.outcome] += 1
    expanded = sorted(name for name, outcomes in by_operator.items() if name not in TABLE and outcomes["passed"])
    failed = [f"- `{result.case}`: {result.why}" for result in sorted(results) if result.outcome == "failed"]
    lines = [
        _HEAD.format(
            onnx=len(results),
            version=onnx.__version__,
            reasons=", ".join(f"{reason} ({number})" for reason, number in reasons.most_common()),
            expressible=count["passed"] + count["failed"],
            passed=count["passed"],
            functionless=count["no function"],
        ),
        "| Operator | File | Opsets | Cases | Restrictions |",
        "|---|---|---|---|---|",
        *(_row(TABLE[name], by_operator[name]) for name in sorted(TABLE)),
        "",
        "## Written out, or computed beforehand",
        "",
        "The standard defines these by the operators above, and the converter puts the definition in their place; "
        "or their result is known when the graph is written.",
        "",
        "| Operator | Cases |",
        "|---|---|",
        *(f"| {name} | {_passed(by_operator[name])} |" for name in expanded),
        "",
        "## No function",
        "",
        ", ".join(sorted(name for name, outcomes in by_operator.items()
                         if name not in TABLE and name not in expanded and outcomes["no function"])) + ".",
        "",
        "## Cases that fail",
        "",
        *(failed or ["None."]),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _row(operator: Operator, outcomes: Counter[str]) -> str:
    restrictions = "; ".join(operator.restrictions)
    cells = (
        operator.name,
        f"`operators/{operator.group}.py`",
        f"{operator.since}–",
        _passed(outcomes),
        restrictions,
    )
    return f"| {' | '.join(cells)} |"


def _passed(outcomes: Counter[str]) -> str:
    expressible = outcomes["passed"] + outcomes["failed"]
    return f"{outcomes['passed']} of {expressible}" if expressible else "–"


def _rule(why: str) -> str:
    """What a case was left out for: the types are one rule."""
    if "type" in why:
        return "types that TF.js lacks"
    return "other domains" if why.startswith("the domain") else why


def main() -> None:
    """Write the file."""
    PATH.write_text(text(node_cases.read()), "utf-8")


if __name__ == "__main__":
    main()
