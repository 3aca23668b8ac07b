"""Labels of a linear classifier, ``argmax_i w_i·x``, one batch of examples at a time."""

from linpredict.predictor import LinearPredictor, predict

__all__ = ["LinearPredictor", "predict"]
