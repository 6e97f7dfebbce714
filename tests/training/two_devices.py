"""Runs `fit` in a process that has two devices, both the CPU: a backend's devices cannot be changed once it is up.

    python -m tests.training.two_devices FOLDER NAME,KEY=VALUE,... ...

Each run is written to FOLDER/NAME. A run whose name ends in `-resumed` goes on from the first checkpoint of the run of
the name before it. FOLDER/run.yaml is the configuration.
"""

import os
import shutil
import sys
from pathlib import Path

from rich.console import Console

from kgpt2.config.recipes import load_config
from kgpt2.training.prepare import prepare


def main() -> None:
    if os.environ.get("KERAS_BACKEND") == "jax":
        os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    else:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from kgpt2.training.run import train as fit

    root = Path(sys.argv[1])
    for run in sys.argv[2:]:
        name, *overrides = run.split(",")
        config = load_config(root / "run.yaml", overrides)
        if name.endswith("-resumed"):
            first = min((root / name.removesuffix("-resumed") / "checkpoints").iterdir())
            shutil.copytree(first, root / name / "checkpoints" / first.name)
        fit(config, prepare(config), root / name, Console(stderr=True), resume=name.endswith("-resumed"))


if __name__ == "__main__":
    main()
