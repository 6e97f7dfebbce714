"""The network that learns: built or loaded, some of it frozen or adapted, compiled."""

from collections.abc import Sequence

import keras_hub

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.config.sections import Config, Lora
from kgpt2.models import from_scratch, load_task
from kgpt2.models.dropout import hash_masks
from kgpt2.models.loading import dense_layers
from kgpt2.models.parts import compile_parts
from kgpt2.models.prompt_embedding import learn_prompt
from kgpt2.models.rematerialisation import logits_of
from kgpt2.training.adversarial import AdversarialModel
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
    task: keras_hub.models.CausalLM,
    config: Config,
    updates: int,
    jit_compile: bool | str = "auto",
    prompt_ids: Sequence[int] = (),
) -> TargetModel:
    """The task's layers in a model that takes tokens: the task itself would tokenise what is tokenised already.

    `prompt_ids` are those of a tuned prompt, which no text holds.
    """
    backbone, frozen = task.backbone, config.model.freeze_layers
    if config.model.lora or config.model.prompt_tuning:
        for weight in backbone.weights:
            weight.trainable = False
    if config.model.prompt_tuning:
        learn_prompt(backbone, len(prompt_ids))
    if config.model.lora:
        _adapt(backbone, config.model.lora, frozen)
    elif frozen and not config.model.prompt_tuning:
        for layer in [backbone.token_embedding, backbone.position_embedding, *backbone.transformer_layers[:frozen]]:
            layer.trainable = False
    hash_masks(backbone)
    compile_parts(backbone)
    remade, asked = config.model.rematerialise, config.train.adversarial
    logits = logits_of(backbone, remade) if remade else task.output
    if asked:
        network: TargetModel = AdversarialModel(backbone, logits, asked, remade, prompt_ids)
    else:
        network = TargetModel(task.input, logits, prompt_ids)
    network.compile(make_optimizer(config.train, updates, jit_compile is True), jit_compile=jit_compile)
    return network


def _adapt(backbone: keras_hub.models.GPT2Backbone, lora: Lora, frozen: int) -> None:
    """Adds LoRA's factors to the blocks after the first `frozen`.

    KerasHub's own `Backbone.enable_lora` leaves the biases of the targets trainable and takes no alpha.
    """
    for block in backbone.transformer_layers[frozen:]:
        for name, layer in dense_layers(block).items():
            if name in lora.targets:
                layer.enable_lora(lora.rank, lora.alpha)
