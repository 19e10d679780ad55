"""These tests check the bisection: which values it compares, in which order, and what it says if it finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx as onnx_library
import planted
import pytest
from onnx import TensorProto, helper, numpy_helper

from fer_export import parity
from fer_export.contract import Conversion
from fer_export.convert import onnx, tfjs
from fer_export.diagnose import bisect
from fer_export.diagnose.bisect import cutting, onnx_values
from fer_export.diagnose.bisect import reference as references
from fer_export.diagnose.bisect.finding import Finding, Statistics
from fer_export.diagnose.bisect.onnx_values import in_onnx
from fer_export.diagnose.bisect.reconvert import Reconversion
from fer_export.diagnose.bisect.scan import Limits, ReferenceValues, first
from fer_export.diagnose.bisect.suspect import Suspect
from fer_export.diagnose.bisect.tensor_map import in_onnx_order, matching, tensor_map
from fer_export.diagnose.bisect.torch_values import Program
from fer_export.errors import ContractError, InvalidInputError
from fer_export.formats.onnx import embed_contract, load_onnx, onnx_sha256
from fer_export.formats.tfjs import write_tfjs
from fer_export.parity import Figures, samples
from fer_export.parity.comparing import Turn
from fer_export.runtimes import Inputs, rows
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.tfjs import Browser
from fer_export.runtimes.torch import TorchRuntime
from fer_export.tfenv.worker import Worker
from fer_export.tfgraph import Graph, Node
from fer_export.tfgraph.graph import TensorLayout
from fer_export.tfgraph.passes.fold_batch_norm import fold_batch_norm

Model = onnx_library.ModelProto
BATCHES = samples.samples_for(planted.checkpoint().contract)
INPUTS = BATCHES[0].inputs


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One that is never started: nothing here needs TensorFlow."""
    with Worker("tf") as never:
        yield never


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The small net's ONNX file, and its checkpoint beside it."""
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    loaded = planted.checkpoint()
    with planted.registered():
        onnx.export(loaded.module(), loaded.contract, path)
        yield path


def model_of(*nodes: onnx_library.NodeProto, outputs: tuple[str, ...] = ("y",), **constants: float) -> Model:
    """A model from `x` [N, 1, 4, 3]."""
    shape = ["N", 1, 4, 3]
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in outputs],
        [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def node(op: str, inputs: str, output: str) -> onnx_library.NodeProto:
    return helper.make_node(op, inputs.split(), [output], f"node_{output}")


def reference_of(model: Model, inputs: Inputs, tolerance: float = 1e-4) -> ReferenceValues:
    limits = Limits(tolerance, {entry.name: tolerance for entry in model.graph.output})
    return ReferenceValues("onnxruntime", model, onnx_values.values(model, inputs), limits)


def suspect_of(reference: ReferenceValues, inputs: Inputs) -> Suspect:
    return Suspect(reference, inputs, label="suspect", picture="picture", started=lambda step: None)


SMALL = {"x": np.random.default_rng(2).uniform(0, 255, (1, 4, 3, 1)).astype(np.float32)}


class TestScan:
    """The first value is found wherever it is, and an error that comes in is told from one that is made."""

    def test_an_error_that_a_relu_hides_is_found_before_it(self) -> None:
        model = model_of(
            node("Neg", "x", "negated"), node("Relu", "negated", "hidden"),
            node("Add", "hidden", "same"), node("Add", "negated same", "y"),
        )  # fmt: skip
        model.graph.node[2].CopyFrom(node("Add", "hidden x", "same"))
        reference = reference_of(model, SMALL)
        wrong = dict(reference.values)
        wrong["negated"] = wrong["negated"] - 1
        wrong["y"] = wrong["y"] - 1
        found = first(reference, wrong)
        assert found is not None
        assert found.operator is not None
        assert (found.name, found.operator.operator, found.inputs) == ("negated", "Neg", ("x",))
        assert found.max_abs == pytest.approx(1, abs=1e-4)

    def test_both_statistics_are_those_of_the_values(self) -> None:
        statistics = Statistics.of(np.array([[1.0, 2.0], [3.0, 6.0]]))
        assert (statistics.minimum, statistics.maximum, statistics.mean) == (1, 6, 3)
        assert statistics.deviation == pytest.approx(np.sqrt(3.5))

    def test_an_error_within_tolerance_that_grows_is_followed_back(self) -> None:
        def model(factor: float) -> Model:
            nodes = (node("Mul", "x factor", "scaled"), node("Sub", "scaled x", "rest"), node("Mul", "rest much", "y"))
            return model_of(*nodes, factor=factor, much=100.0)

        reference = reference_of(model(1.001), SMALL)
        finding = suspect_of(reference, SMALL).of_onnx(model(1.00103))
        assert finding is not None
        assert finding.value is not None
        assert finding.value.operator is not None
        assert finding.value.operator.name == "node_rest"
        assert finding.value.alone is not None
        assert finding.value.alone < finding.value.max_abs / 2
        assert any("before it: Mul node_scaled" in note for note in finding.notes)

    @pytest.mark.parametrize("factor", [np.nan, np.inf])
    def test_what_is_not_finite_is_out_of_tolerance(self, factor: float) -> None:
        reference = reference_of(model_of(node("Mul", "x factor", "y"), factor=2.0), SMALL)
        finding = suspect_of(reference, SMALL).of_onnx(model_of(node("Mul", "x factor", "y"), factor=factor))
        assert finding is not None
        assert finding.record()["value"]["max_abs"] is None
        assert any("node_y" in line for line in finding.text())

    def test_another_shape_is_out_of_tolerance(self) -> None:
        reference = reference_of(model_of(node("Relu", "x", "y")), SMALL)
        found = first(reference, {"y": np.zeros((1, 4, 3, 1), np.float32)})
        assert found is not None
        assert found.got_shape == (1, 4, 3, 1)
        assert any("[1, 4, 3, 1]" in line for line in Finding("a", "b", "c", "d", found).text())

    def test_outputs_are_held_to_paritys_limit_and_others_to_their_scale(self) -> None:
        model = model_of(node("Mul", "x factor", "large"), node("Mul", "large less", "y"), factor=1.0, less=1e-3)
        reference = replace(reference_of(model, SMALL), limits=Limits(1e-4, {"y": 1e-9}))
        off = {name: value * np.float32(1 + 5e-5) for name, value in reference.values.items()}
        found = first(reference, off)
        assert found is not None
        assert found.name == "y"


class TestNames:
    """Which tensor holds which ONNX value."""

    def test_the_converter_says_where_every_value_is_that_is_not_fused(self, net: Path) -> None:
        model, _ = load_onnx(net)
        assert set(tensor_map(model, passes=False)) == {
            "sub", "div", "getitem", "relu", "conv2d_1", "relu_1", "view", "linear", "relu_2",
        }  # fmt: skip
        fused = {"getitem", "conv2d_1", "linear"}
        assert set(tensor_map(model, passes=False)) - set(tensor_map(model, passes=True)) == fused

    @pytest.mark.parametrize(
        ("which", "without"), [("net", ()), ("small_onnx", ()), ("net", ("fuse_bias_activation",))]
    )
    def test_every_tensor_holds_the_value_that_the_converter_says(
        self,
        which: str,
        without: tuple[str, ...],
        request: pytest.FixtureRequest,
        browser: Browser,
        worker: Worker,
        tmp_path: Path,
    ) -> None:
        model, contract = load_onnx(request.getfixturevalue(which))
        contract = tfjs.export(model, contract, tmp_path, browser=browser, without=without).contract
        inputs = rows(samples.samples_for(contract)[0].inputs, slice(3))
        reference = reference_of(model, inputs)
        reconversion = Reconversion("tfjs", contract, worker, worker, worker, browser, "wasm")
        entries = tensor_map(model, passes=reconversion.route.passes)
        assert without == () or len(entries) > len(tensor_map(model, passes=True))
        places = matching(entries, reconversion.tensor_names(tmp_path))
        assert len(places) == len(entries) > 5
        _, tensors = reconversion.run(tmp_path, inputs, [tensor for _, tensor in places])
        for name, tensor in places:
            value = in_onnx_order(tensors[tensor], entries[name])
            assert value is not None
            np.testing.assert_allclose(value, reference.values[name], atol=1e-4, rtol=1e-4, err_msg=name)
        assert suspect_of(reference, inputs).of_kept_names(reconversion, tmp_path) is None

    def test_scopes_before_all_names_are_passed_over(self) -> None:
        entries = {
            "a": TensorLayout("conv", (0,)),
            "b": TensorLayout("block/conv", (0,)),
            "c": TensorLayout("relu", (0,)),
        }
        tensors = ["Call/Call/conv", "Call/Call/block/conv", "Call/Call/relu", "other/thing"]
        assert matching(entries, tensors) == list(zip("abc", tensors, strict=False))
        assert matching(entries, ["relu;conv/bias;conv"]) == [
            ("a", "relu;conv/bias;conv"),
            ("c", "relu;conv/bias;conv"),
        ]

    def test_columns_of_a_flatten_are_put_back(self) -> None:
        value = np.arange(6.0).reshape(1, 6)
        columns = np.array([0, 3, 1, 4, 2, 5])
        entry = TensorLayout("flat", (0, 1), columns)
        np.testing.assert_array_equal(in_onnx_order(value[:, columns], entry), value)
        assert in_onnx_order(value[:, :5], entry) is None
        assert in_onnx_order(value[0], entry) is None

    def test_a_node_whose_weights_a_pass_has_scaled_holds_no_value(self) -> None:
        constants = {name: np.ones(1, np.float32) for name in ("b", "factor")} | {"w": np.ones((1, 1), np.float32)}
        nodes = [
            Node("x", "Placeholder"), *(Node(name, "Const") for name in constants),
            Node("product", "MatMul", ("x", "w")), Node("bias", "BiasAdd", ("product", "b")),
            Node("y", "Mul", ("bias", "factor")),
        ]  # fmt: skip
        values = {name: TensorLayout(name, (0, 1)) for name in ("product", "bias", "y")}
        graph = Graph(nodes, {"x": (None, 1)}, {"y": (None, 1)}, constants, values=values)
        fold_batch_norm(graph)
        graph.prune()
        assert set(graph.values) == {"y"}
        assert {one.name for one in graph.nodes} >= {"product", "y"}


class OnnxReconversion:
    """A route whose converter spoils a node, and that keeps no names."""

    def __init__(self, wrong: str) -> None:
        self.wrong = wrong
        self.made = 0

    def ending_in(self, output: str) -> OnnxReconversion:
        assert output == "cut"
        return self

    def make(self, model: Model, folder: Path) -> Path:
        self.made += 1
        nodes = [onnx_library.NodeProto.FromString(each.SerializeToString()) for each in model.graph.node]
        del model.graph.node[:]
        for each in nodes:
            model.graph.node.append(each)
            if each.name == self.wrong:
                right = f"{each.output[0]}/right"
                model.graph.node.append(helper.make_node("Add", [right, "one"], [each.output[0]], "spoiled"))
                model.graph.node[-2].output[0] = right
        model.graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "one"))
        (folder / "made.onnx").write_bytes(model.SerializeToString())
        return folder / "made.onnx"

    def run(self, path: Path, inputs: Inputs) -> tuple[dict[str, Any], dict[str, Any]]:
        return OnnxRuntime(path)(inputs), {}


class TestCutting:
    """Parts of the model go down the route, until an operator is found with a wrong output and right inputs."""

    @pytest.mark.parametrize("wrong", [f"v{index}" for index in range(12)])
    def test_a_chain_takes_as_many_parts_as_its_length_has_bits(self, wrong: str) -> None:
        nodes = [node("Neg", f"v{index - 1}" if index else "x", f"v{index}") for index in range(12)]
        model = model_of(*nodes, node("Neg", "v11", "y"))
        again = OnnxReconversion(f"node_{wrong}")
        found, count = cutting.search(reference_of(model, SMALL), cast(Reconversion, again), "y", SMALL)
        assert found is not None
        assert found.operator is not None
        assert found.operator.name == f"node_{wrong}"
        assert found.max_abs == pytest.approx(1, abs=1e-4)
        assert count <= 7

    @pytest.mark.parametrize("wrong", ["a", "b", "left", "right", "y"])
    def test_branches_that_meet(self, wrong: str) -> None:
        model = model_of(
            node("Neg", "x", "a"), node("Neg", "x", "b"), node("Neg", "a", "left"), node("Neg", "b", "right"),
            node("Relu", "a", "hidden"), node("Add", "left right", "sum"), node("Add", "sum hidden", "y"),
        )  # fmt: skip
        again = OnnxReconversion(f"node_{wrong}")
        found, _ = cutting.search(reference_of(model, SMALL), cast(Reconversion, again), "y", SMALL)
        assert found is not None
        assert found.operator is not None
        assert found.operator.name == f"node_{wrong}"

    def test_a_route_that_is_right(self) -> None:
        reference = reference_of(model_of(node("Neg", "x", "y")), SMALL)
        assert cutting.search(reference, cast(Reconversion, OnnxReconversion("")), "y", SMALL) == (None, 1)

    def test_a_part_ends_in_its_value(self, net: Path) -> None:
        model, _ = load_onnx(net)
        part = cutting.cut(model, "relu_1")
        onnx_library.checker.check_model(part, full_check=True)
        assert [one.name for one in part.graph.output] == ["cut"]
        assert "net.fc.weight" not in {tensor.name for tensor in part.graph.initializer}
        values = onnx_values.values(model, INPUTS)
        np.testing.assert_allclose(in_onnx(OnnxRuntime(part.SerializeToString())(INPUTS)["cut"]), values["relu_1"])


def figures_of(model: Model, wrong: Path) -> list[Figures]:
    contract = load_onnx(wrong)[1]
    return parity.measure_parity(OnnxRuntime(model.SerializeToString()), OnnxRuntime(wrong), BATCHES, contract)


class TestExplain:
    """What the reference is, and what is said where there is nothing to name."""

    def test_the_exporter_itself_is_wrong(
        self, net: Path, tmp_path: Path, browser: Browser, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Wrong(Program):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.model = planted.spoiled("wrong_weight", self.model)

        monkeypatch.setattr(references, "Program", Wrong)
        planted.write("wrong_weight", net, tmp_path / "wrong.onnx")
        loaded = planted.checkpoint()
        figures = figures_of(load_onnx(net)[0], tmp_path / "wrong.onnx")
        finding = bisect.explain(
            tmp_path / "net.pth", tmp_path / "wrong.onnx", BATCHES, figures,
            worker=worker, browser=browser, module=loaded.module(),
        )  # fmt: skip
        assert finding.reference == "torch"
        assert finding.value is not None
        assert str(finding.value.operator) == "Conv node_conv2d_1 (layer net.conv (Conv2d))"
        assert any("is the reference model, number for number" in note for note in finding.notes)

    def test_torch_answers_under_the_names_of_onnx(self, net: Path) -> None:
        loaded = planted.checkpoint()
        program = Program(loaded.module(), loaded.contract, opset=onnx.DEFAULT_OPSET, batch=None)
        theirs, ours = program.values(INPUTS, loaded.contract), onnx_values.values(load_onnx(net)[0], INPUTS)
        floating = {name for name, value in ours.items() if value.dtype == np.float32} - {"pixels"}
        assert floating <= set(theirs)
        for name in floating:
            np.testing.assert_allclose(theirs[name], ours[name], atol=1e-4)

    def test_a_wrong_onnx_file_is_the_first_hop_for_what_is_made_of_it(
        self, net: Path, tmp_path: Path, browser: Browser, worker: Worker
    ) -> None:
        model, contract = planted.write("mistransposed", net, tmp_path / "wrong.onnx")
        (tmp_path / "model").mkdir()
        write_tfjs(tfjs.convert(model), contract, tmp_path / "model", "float32")
        loaded = planted.checkpoint()
        with browser.open(tmp_path / "model", "wasm") as runtime:
            figures = parity.measure_parity(TorchRuntime(loaded.module(), contract), runtime, BATCHES, contract)
        finding = bisect.explain(
            tmp_path / "net.pth", tmp_path / "model", BATCHES, figures,
            worker=worker, browser=browser, onnx_path=tmp_path / "wrong.onnx", module=loaded.module(),
        )  # fmt: skip
        assert "torch -> ONNX is the first hop that goes wrong" in finding.notes[0]
        assert finding.value is not None
        assert finding.value.operator is not None
        assert finding.value.operator.name == "node_linear"

    def test_the_reference_is_wrong(self, net: Path, tmp_path: Path, browser: Browser, worker: Worker) -> None:
        model, contract = planted.write("wrong_weight", net, tmp_path / "wrong.onnx")
        contract = contract.but(conversion=Conversion(hop="tfjs", converter="direct"))
        for name, each in (("good", load_onnx(net)[0]), ("bad", model)):
            (tmp_path / name).mkdir()
            write_tfjs(tfjs.convert(each), contract, tmp_path / name, "float32")
        with browser.open(tmp_path / "bad", "wasm") as first_one, browser.open(tmp_path / "good", "wasm") as second:
            figures = parity.measure_parity(first_one, second, BATCHES, contract)
        arguments = (tmp_path / "bad", tmp_path / "good", BATCHES, figures)
        unnamed = bisect.explain(*arguments, worker=worker, browser=browser)
        assert unnamed.value is None
        assert "no ONNX file of these weights" in unnamed.notes[0]
        finding = bisect.explain(*arguments, worker=worker, browser=browser, onnx_path=net)
        assert finding.value is not None
        assert finding.value.operator is not None
        assert finding.value.operator.name == "node_conv2d_1"
        assert "holds against net.onnx" in finding.notes[0]

    def test_a_contract_of_another_kind_of_artefact_is_refused(
        self, net: Path, tmp_path: Path, browser: Browser, worker: Worker
    ) -> None:
        model, contract = planted.write("wrong_weight", net, tmp_path / "wrong.onnx")
        (tmp_path / "model").mkdir()
        write_tfjs(tfjs.convert(model), contract, tmp_path / "model", "float32")
        figures = figures_of(load_onnx(net)[0], tmp_path / "wrong.onnx")
        with pytest.raises(ContractError, match="was made as onnx, and the file is tfjs"):
            bisect.explain(net, tmp_path / "model", BATCHES, figures, worker=worker, browser=browser)

    def test_only_the_top_class_differs(self, net: Path, browser: Browser, worker: Worker) -> None:
        figures = [replace(figure, top1=0.5, least_top1=1.0) for figure in figures_of(load_onnx(net)[0], net)]
        finding = bisect.explain(net, net, BATCHES, figures, worker=worker, browser=browser)
        assert finding.value is None
        assert "only the top classes differ" in finding.notes[0]
        assert finding.record()["value"] is None

    def test_what_is_gone_when_it_is_looked_at(self, net: Path, browser: Browser, worker: Worker) -> None:
        figures = [replace(figure, max_abs=1.0) for figure in figures_of(load_onnx(net)[0], net)]
        finding = bisect.explain(net, net, BATCHES, figures, worker=worker, browser=browser)
        assert finding.value is None
        assert "everything holds when the values on the way are read" in finding.notes[0]

    def test_a_fixed_batch(self, net: Path, tmp_path: Path, browser: Browser, worker: Worker) -> None:
        for name, error in (("right", None), ("wrong", "wrong_weight")):
            model, contract = load_onnx(net)
            model = model if error is None else planted.spoiled(error, model)
            model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 5
            embed_contract(contract.but(batch=5, graph_sha256=onnx_sha256(model)), model)
            (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
        figures = [replace(figure, max_abs=1.0, worst="noise") for figure in figures_of(load_onnx(net)[0], net)]
        finding = bisect.explain(
            tmp_path / "right.onnx", tmp_path / "wrong.onnx", BATCHES, figures, worker=worker, browser=browser
        )
        assert finding.value is not None
        assert finding.value.shape[0] == 5

    def test_onnxruntime_web_has_the_same_values(self, net: Path, browser: Browser) -> None:
        model, _ = load_onnx(net)
        ours = onnx_values.values(model, INPUTS)
        theirs = onnx_values.values_in_browser(model, INPUTS, browser)
        assert len(theirs) > 10
        for name, value in theirs.items():
            np.testing.assert_allclose(value, ours[name], atol=1e-4)


def figure(runtime: str, output: str = "y", wrong: bool = False) -> Figures:
    return Figures(runtime, "torch", output, 1.0 if wrong else 0.0, 0, 1, None, "portrait", 1, 1e-4, 0)


class TestOfVerify:
    """What `fer-export verify` bisects."""

    def test_whose_figures_are_whose(self) -> None:
        a, b, c = Path("one/model"), Path("two/model"), Path("fer.onnx")
        turns = [
            Turn(a, "tfjs-wasm", "one/model"),
            Turn(a, "tfjs-webgl", "one/model"),
            Turn(b, "tfjs-webgl", "two/model"),
            Turn(c, "onnxruntime", "fer.onnx"),
        ]
        figures = [figure(turn.label, output) for turn in turns for output in ("y", "z")]
        measured = bisect.by_turn(turns, figures)
        assert [path for path, _ in measured] == [a, a, b, c]
        assert [[one.output for one in group] for _, group in measured] == [["y", "z"]] * 4
        bare = [Turn(c, "onnxruntime"), Turn(c, "onnxruntime-web"), Turn(a, "tfjs-wasm")]
        hops = bisect.by_turn(bare, [figure(turn.label) for turn in bare])
        assert [path for path, _ in hops] == [c, c, a]

    def test_each_artefact_once_and_the_first_hop_alone(
        self, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[str, str]] = []

        def explained(reference: Path, path: Path, batches: object, group: list[Figures], **_: object) -> Finding:
            asked.append((path.name, group[0].runtime))
            if path.name == "model":
                raise InvalidInputError("it is broken")
            return Finding("a", "b", "c", "d")

        monkeypatch.setattr("fer_export.diagnose.bisect.of_verify.explain", explained)
        monkeypatch.setattr("fer_export.diagnose.bisect.of_verify.Browser", lambda: nullcontext(browser))
        onnx_path, folder = Path("fer.onnx"), Path("model")
        torch_path = Path("net.safetensors")
        wrong = [
            (folder, [figure("tfjs-wasm"), figure("tfjs-wasm", "z", True)]), (folder, [figure("tfjs-cpu", "y", True)]),
            (onnx_path, [figure("onnxruntime-web", "y", True)]),
        ]  # fmt: skip
        found = bisect.findings(torch_path, wrong, [], onnx_path=onnx_path)
        assert asked == [("model", "tfjs-wasm"), ("fer.onnx", "onnxruntime-web")]
        assert found[0].notes == ("the bisection itself failed: it is broken",)
        asked.clear()
        bisect.findings(torch_path, [*wrong, (onnx_path, [figure("onnxruntime", "y", True)])], [], onnx_path=onnx_path)
        assert asked == [("fer.onnx", "onnxruntime")]
        asked.clear()
        assert bisect.findings(torch_path, [(folder, [figure("tfjs-wasm")])], []) == []
        assert not asked
