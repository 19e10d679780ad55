"""Architectures, one a file, found by name through the registry."""

from fer_export.models import face_emotion_cnn, fernet, mtcnn, torchvision_resnet
from fer_export.models.classifier import Classifier
from fer_export.models.registry import build, names, register

__all__ = [
    "Classifier",
    "build",
    "face_emotion_cnn",
    "fernet",
    "mtcnn",
    "names",
    "register",
    "torchvision_resnet",
]
