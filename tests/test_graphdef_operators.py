"""These tests run some of ONNX's own operator tests, and check that the table of operators agrees with TF.js wasm."""

from __future__ import annotations

from collections import Counter

import pytest
from tools.graphdef import node_cases, table, tfjs_node

from fer_export.tfgraph.registry import TABLE

#: One case of each outcome, and one that needs its axes made constant.
FEW = ("test_conv_with_strides_padding", "test_abs", "test_cast_FLOAT_to_DOUBLE", "test_lstm_defaults",
       "test_reduce_sum_keepdims_example", "test_layer_normalization_4d_axis2", "test_einsum_batch_matmul",
       "test_resize_upsample_scales_cubic", "test_convtranspose_3d", "test_maxpool_3d_dilations")  # fmt: skip


def test_the_table_is_up_to_date_with_the_registry_and_the_results() -> None:
    assert table.PATH.read_text("utf-8") == table.text(node_cases.read()), (
        "run: cd tests && python -m tools.graphdef.table"
    )


def test_the_kept_results_are_of_the_cases_that_there_are() -> None:
    kept = {result.case for result in node_cases.read()}
    assert kept == set(node_cases.cases()), "run: cd tests && python -m tools.graphdef.node_cases"


def test_every_operator_passes_what_can_be_expressed() -> None:
    failed = [result.case for result in node_cases.read() if result.outcome == "failed"]
    assert not failed


def test_every_operator_has_a_case_that_passes() -> None:
    passed = Counter(result.operator for result in node_cases.read() if result.outcome == "passed")
    # ONNX has none of these four in types that TF.js holds; test_graphdef_forms.py has.
    assert {name for name in TABLE if not passed[name]} == {"Cast", "CastLike", "Einsum", "GlobalLpPool"}


def test_what_is_refused_has_a_reason() -> None:
    assert all(result.why for result in node_cases.read() if result.outcome != "passed")


@pytest.mark.skipif(tfjs_node.missing() is not None, reason=str(tfjs_node.missing()))
def test_a_few_cases_are_as_they_were_kept() -> None:
    kept = {result.case: result for result in node_cases.read()}
    assert node_cases.run(FEW) == [kept[name] for name in FEW]
