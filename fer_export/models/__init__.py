"""Architectures, one a file, found by name through the registry."""

from fer_export.models import (
    emotion_cnn,
    face_emotion_cnn,
    face_emotion_cnn_attention,
    face_pretrained,
    fernet,
    gray_resnet50,
    mtcnn,
    plain_cnn,
    resnet9,
    resnet18_gray,
    resnet50,
    simple_cnn,
    torchvision_resnet,
    torchvision_zoo,
)
from fer_export.models.classifier import Classifier
from fer_export.models.registry import build, defaults, names, register

__all__ = [
    "Classifier",
    "build",
    "defaults",
    "emotion_cnn",
    "face_emotion_cnn",
    "face_emotion_cnn_attention",
    "face_pretrained",
    "fernet",
    "gray_resnet50",
    "mtcnn",
    "names",
    "plain_cnn",
    "register",
    "resnet9",
    "resnet18_gray",
    "resnet50",
    "simple_cnn",
    "torchvision_resnet",
    "torchvision_zoo",
]
