"""Brings the Keras backend up: quietly, and with TensorFlow kept off the accelerator when another backend computes.

Importing this module imports TensorFlow where it is installed (KerasHub does so on every backend) and Keras.
"""

import importlib.util
import os
import warnings
from pathlib import Path
from typing import Any

from kgpt2.cache import cache_folder, drop_damaged_programs, processor, tell_unkept, trim
from kgpt2.data.quiet import quiet
from kgpt2.drawing import import_matplotlib
from kgpt2.extras import no_backend, require_backend, require_installed

# An array of whichever backend Keras runs on; none of their types is Keras' own.
Tensor = Any
PROGRAMS_LIMIT = 2 << 30
_LOOPS = "--xla_gpu_enable_command_buffer"


def _import_backend() -> None:
    require_installed("keras", "keras_hub")
    require_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tensorflow_here = importlib.util.find_spec("tensorflow") is not None
    with quiet(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")  # of a notebook without ipywidgets
        if "MPLBACKEND" in os.environ:
            import_matplotlib()  # Keras does, also by way of TensorFlow, and would end where there is no such backend
        if tensorflow_here:
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")
        try:
            import keras
        except ModuleNotFoundError as error:
            raise no_backend(os.environ.get("KERAS_BACKEND") or "keras.json, or Keras' default,", error.name) from None
        if tensorflow_here and keras.config.backend() != "tensorflow":
            # TensorFlow only prepares data then, and would take the accelerator's memory for itself.
            tf.config.set_visible_devices([], "GPU")
        elif tensorflow_here:
            tf.config.list_logical_devices()  # looks for devices now, and what it prints stays in here
        import keras_hub  # noqa: F401
    if keras.config.backend() == "jax":
        _record_loops()
        _keep_programs()


def _record_loops() -> None:
    """Loops and branches run on an NVIDIA card itself, not one launch after the other from the host.

    On an H200 that is 1.01 times as fast for one text and 1.09 times for 128 (docs/gpu.md). Older releases of XLA do
    not know the flag and would end the process.
    """
    import jax

    given = os.environ.get("XLA_FLAGS", "")
    if Path("/dev/nvidia0").exists() and jax.__version_info__ >= (0, 10) and _LOOPS not in given:
        os.environ["XLA_FLAGS"] = f"{given} {_LOOPS}=+WHILE,+CONDITIONAL".strip()


def accelerated() -> bool:
    """Whether the Keras backend computes on an accelerator."""
    import keras

    if keras.config.backend() == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return any(device.device_type != "CPU" for device in tf.config.list_physical_devices())
    return False


def xla_pays() -> bool:
    """Whether XLA computes faster where Keras leaves it off: on TensorFlow, on one device that is no accelerator."""
    import keras

    if keras.config.backend() != "tensorflow" or accelerated():
        return False
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync) == 1


def _keep_programs() -> None:
    """What JAX compiles serves the next process too, unless the user has chosen a place, or none, for it."""
    import jax

    config: Any = jax.config  # its values have no types
    if config.jax_compilation_cache_dir is None and config.jax_enable_compilation_cache:
        try:
            programs = cache_folder("jax") / processor()
            programs.mkdir(exist_ok=True)
        except OSError as error:
            tell_unkept("what JAX compiles is", error)
            return
        drop_damaged_programs(programs)
        # JAX's own limit would look at every file whenever it adds one.
        trim(programs, PROGRAMS_LIMIT)
        jax.config.update("jax_compilation_cache_dir", str(programs))
        # Small programs are many, and each costs more to compile than to read.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


_import_backend()
