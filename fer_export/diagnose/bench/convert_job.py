"""One conversion, ONNX file → TF.js folder, in a process of its own: `python -I convert_job.py JSON`.

Run as a file, on the core's Python or on that of the environment `tf`: nothing is imported but what the
conversion needs. It writes lines of JSON on stdout: one when all is imported, one when the model is on
disk, with what that cost until then, and one when it ends.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = dict[str, Any]
#: Converts, and answers what is to be said when it is over, outside the time.
Convert = Callable[[Job], Callable[[], dict[str, Any]]]
_PACKAGE = Path(__file__).parents[2]


def direct() -> Convert:
    """The direct writer: what `fer-export tfjs` does before it checks the numbers."""
    sys.path.insert(0, str(_PACKAGE.parent))
    from fer_export.formats.onnx import load_onnx
    from fer_export.formats.tfjs import write_tfjs
    from fer_export.tfgraph import convert

    def run(job: Job) -> Callable[[], dict[str, Any]]:
        model, contract = load_onnx(Path(job["model"]))
        write_tfjs(convert(model), contract, Path(job["folder"]), "float32")
        return dict

    return run


def official() -> Convert:
    """onnx2tf, then tensorflowjs_converter on its SavedModel: with TensorFlow started once for both."""
    # As in fer_export.tfenv.worker: with oneDNN, it would write operators that TF.js cannot run.
    os.environ.update(TF_ENABLE_ONEDNN_OPTS="0", TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="-1")
    sys.path.insert(0, str(_PACKAGE / "tfenv" / "tasks"))
    import onnx2tf  # noqa: F401  (run_onnx2tf imports it when it is called)
    import run_onnx2tf  # type: ignore[import-not-found]
    import tensorflow as tf
    from tensorflowjs.converters import converter

    def run(job: Job) -> Callable[[], dict[str, Any]]:
        source = job["scratch"]
        run_onnx2tf.convert(job["model"], source, job["entries"], job["outputs"], job["shapes"], "{}")
        converter.convert(["--input_format=tf_saved_model", source, job["folder"]])

        def tensors() -> dict[str, Any]:
            """By name of the output, which the converter's signature may lack."""
            function = tf.saved_model.load(source).signatures["serving_default"]
            # A dict's values are flattened in the order of its sorted keys (tf.nest).
            pairs = zip(sorted(function.structured_outputs), function.outputs, strict=True)
            return {"tensors": {name: tensor.name for name, tensor in pairs}}

        return tensors

    return run


def peak() -> int:
    """The most memory that this process, or one that it has started, has held: resident bytes."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
        own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        # Also elsewhere, but on Linux it begins with what the process that started this one had.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, children) * (1 if sys.platform == "darwin" else 1024)


def cpu() -> float:
    """Seconds of all threads, and of processes that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    """Answer the one job that is given."""
    # What libraries print goes to stderr; stdout is for answers alone.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(what: str, **more: Any) -> None:
        answers.write(json.dumps({"event": what, "cpu": cpu(), "peak": peak(), **more}) + "\n")
        answers.flush()

    job = json.loads(sys.argv[1])
    try:
        convert = {"direct": direct, "official": official}[job["road"]]()
        say("imported")
        if "model" not in job:
            return
        after = convert(job)
        say("written")
        say("ended", **after())
    except (Exception, SystemExit) as error:
        # onnx2tf catches what goes wrong, prints it, and leaves by sys.exit.
        cause = error.__context__ if isinstance(error, SystemExit) and error.__context__ else error
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        say("failed", reason=": ".join([type(cause).__name__, *lines[:1]]))
        raise


if __name__ == "__main__":
    main()
