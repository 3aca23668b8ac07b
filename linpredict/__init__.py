"""Labels of a linear classifier, ``argmax_i w_i·x``, one batch of examples at a time."""

from .formula import predict
from .predictor import LinearPredictor

__all__ = ["LinearPredictor", "predict"]
