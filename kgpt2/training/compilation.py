"""Whether XLA compiles the training step on a CPU."""

import keras_hub

from kgpt2.config.sections import Config
from kgpt2.models.backend import xla_pays
from kgpt2.models.loading import count_parameters
from kgpt2.processor import features, multiplies_bfloat16
from kgpt2.training.prepare import Plan

# On 2 cores of a CPU, compiling takes about three seconds a block, for each shape of a batch, and a trillion operations
# take some thirteen seconds without XLA and eight with it.
_OPERATIONS_PER_BLOCK = 1e12


def jit_compile(config: Config, plan: Plan, task: keras_hub.models.CausalLM) -> bool | str:
    """What Keras' `compile` takes.

    TensorFlow trains faster on a CPU where XLA compiles the step as a whole, once for each shape, and not its parts
    alone (`models.parts`); Keras leaves it off there. It pays where a shape is trained on long enough, in float32.
    Everywhere else Keras chooses ("auto").
    """
    if config.train.jit_compile is not None:
        return config.train.jit_compile
    # XLA on a CPU would undo rematerialisation, and TensorFlow's strategies cannot be compiled as a whole.
    if config.model.rematerialise or config.train.distribution or not xla_pays():
        return "auto"
    if config.model.dtype != "float32" and multiplies_bfloat16(features()):
        return False  # XLA's products on a CPU gain nothing from bfloat16
    shapes = plan.train.shapes
    positions = sum(rows * width for rows, width in shapes) / len(shapes)
    batches = plan.updates * config.train.accumulate / len(shapes)
    operations = 6 * count_parameters(task.backbone)[0] * positions * batches
    return bool(operations > _OPERATIONS_PER_BLOCK * task.backbone.num_layers)
