"""The network that learns: built or loaded, some of it frozen or adapted, compiled."""

import keras_hub

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.config.sections import Config, Lora
from kgpt2.models import from_scratch, load_task
from kgpt2.models.dropout import hash_masks
from kgpt2.models.loading import dense_layers
from kgpt2.models.rematerialisation import rematerialised_logits
from kgpt2.training.optimizer import make_optimizer
from kgpt2.training.prepare import Plan
from kgpt2.training.target import TargetModel

# GPT-2's own, where a configuration that starts from nothing names none.
SCRATCH_DROPOUT = 0.1


def build(config: Config, plan: Plan) -> keras_hub.models.CausalLM:
    """The task to train: a checkpoint's, or one with random weights."""
    model = config.model
    if isinstance(plan.start, Checkpoint):
        return load_task(plan.start, dtype=model.dtype, dropout=model.dropout, sequence_length=model.sequence_length)
    return from_scratch(
        plan.tokenizer.vocabulary,
        added_tokens=plan.tokenizer.added_tokens,
        tokens=plan.tokenizer.tokens,
        layers=plan.start.layers,
        heads=plan.start.heads,
        width=plan.start.width,
        sequence_length=model.sequence_length,
        dtype=model.dtype,
        dropout=SCRATCH_DROPOUT if model.dropout is None else model.dropout,
    )


def trainable_network(
    task: keras_hub.models.CausalLM, config: Config, updates: int, jit_compile: bool | str = "auto"
) -> TargetModel:
    """The task's layers in a model that takes tokens: the task itself would tokenise what is tokenised already."""
    backbone, frozen = task.backbone, config.model.freeze_layers
    if config.model.lora:
        _adapt(backbone, config.model.lora, frozen)
    elif frozen:
        for layer in [backbone.token_embedding, backbone.position_embedding, *backbone.transformer_layers[:frozen]]:
            layer.trainable = False
    hash_masks(backbone)
    logits = rematerialised_logits(backbone) if config.model.rematerialise else task.output
    network = TargetModel(task.input, logits)
    network.compile(make_optimizer(config.train, updates), jit_compile=jit_compile)
    return network


def _adapt(backbone: keras_hub.models.GPT2Backbone, lora: Lora, frozen: int) -> None:
    """Freezes every weight there is, and adds LoRA's factors to the blocks after the first `frozen`.

    KerasHub's own `Backbone.enable_lora` leaves the biases of the targets trainable and takes no alpha.
    """
    for weight in backbone.weights:
        weight.trainable = False
    for block in backbone.transformer_layers[frozen:]:
        for name, layer in dense_layers(block).items():
            if name in lora.targets:
                layer.enable_lora(lora.rank, lora.alpha)
