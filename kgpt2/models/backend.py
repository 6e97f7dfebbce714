"""Brings the Keras backend up: quietly, and with TensorFlow kept off the accelerator when another backend computes.

Importing this module imports TensorFlow where it is installed (KerasHub does so on every backend) and Keras.
"""

import importlib.util
import os

from kgpt2.data.quiet import quiet
from kgpt2.errors import RequestError


def _import_backend() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tensorflow_here = importlib.util.find_spec("tensorflow") is not None
    with quiet():
        if tensorflow_here:
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")
        try:
            import keras
        except ModuleNotFoundError as error:
            chosen = os.environ.get("KERAS_BACKEND") or "keras.json"
            raise RequestError(
                f"{chosen} asks for a Keras backend that is not installed (no module {error.name!r})\n"
                f"install it (pip install 'kgpt2[{error.name}]') or choose another: KERAS_BACKEND=tensorflow"
            ) from None
        if tensorflow_here and keras.config.backend() != "tensorflow":
            # TensorFlow only prepares data then, and would take the accelerator's memory for itself.
            tf.config.set_visible_devices([], "GPU")
        elif tensorflow_here:
            tf.config.list_logical_devices()  # looks for devices now, and what it prints stays in here
        import keras_hub  # noqa: F401


_import_backend()
