"""This program runs one conversion, ONNX file → TF.js folder: `python -I convert_job.py JSON`.

It is run as a file, on the core's Python or on that of the environment `tf`, and imports only what the
conversion needs. It writes lines of JSON to stdout: one when all is imported, one when the model is on
disk, with the cost until then, and one when it ends.
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
#: A function that converts, and returns a function for the rest of the answer, which is not timed.
Convert = Callable[[Job], Callable[[], dict[str, Any]]]
_PACKAGE = Path(__file__).parents[2]


def direct() -> Convert:
    """Import the direct writer, and return what `fer-export tfjs` does before it checks parity."""
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
    """Import onnx2tf and tensorflowjs_converter, and return a run of both with TensorFlow started once."""
    # As in fer_export.tfenv.worker: with oneDNN, the converter would write operators that TF.js cannot run.
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
            """Return the outputs' tensors by output name, which the converter's signature may lack."""
            function = tf.saved_model.load(source).signatures["serving_default"]
            # tf.nest flattens a dict's values in the order of its sorted keys.
            pairs = zip(sorted(function.structured_outputs), function.outputs, strict=True)
            return {"tensors": {name: tensor.name for name, tensor in pairs}}

        return tensors

    return run


def peak() -> int:
    """Return the peak of resident memory, in bytes, of this process or one that it has started."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
        own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        # The fallback for other systems; on Linux this figure starts with the parent process's memory.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, children) * (1 if sys.platform == "darwin" else 1024)


def cpu() -> float:
    """Return the processor seconds of all threads, and of child processes that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    """Run the one job that is given."""
    # Libraries print to stderr from here on; stdout is for this program's own lines.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(what: str, **more: Any) -> None:
        answers.write(json.dumps({"event": what, "cpu": cpu(), "peak": peak(), **more}) + "\n")
        answers.flush()

    job = json.loads(sys.argv[1])
    try:
        convert = {"direct": direct, "official": official}[job["route"]]()
        say("imported")
        if "model" not in job:
            return
        after = convert(job)
        say("written")
        say("ended", **after())
    except (Exception, SystemExit) as error:
        # onnx2tf catches errors, prints them, and leaves by sys.exit.
        cause = error.__context__ if isinstance(error, SystemExit) and error.__context__ else error
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        say("failed", reason=": ".join([type(cause).__name__, *lines[:1]]))
        raise


if __name__ == "__main__":
    main()
