"""This module holds the default paths of artefacts, relative to the working directory."""

from pathlib import Path

ONNX_FILE = Path("build/fer.onnx")
MODEL_FOLDER = Path("web/model")
DETECTOR_FOLDER = Path("web/model/detector")
DETECTOR_ONNX_FOLDER = Path("build/detector")
SAVED_MODEL = Path("build/saved_model")
LITERT_FILE = Path("build/fer.tflite")
