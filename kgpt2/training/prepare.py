"""All that a run needs before Keras is imported: texts, tokenizer, batches, how many updates. No Keras here."""

import dataclasses
import math
from pathlib import Path

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.names import read_model
from kgpt2.checkpoints.vocabulary import count_vocabulary, read_vocabulary
from kgpt2.config import Config
from kgpt2.data.batches import Batches
from kgpt2.data.sources import read_source
from kgpt2.data.tokens import TokenTable, pack, split_texts, token_table
from kgpt2.errors import RequestError


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run, ready to start.

    Attributes:
        checkpoint: the model to start from; None: from scratch.
        tokenizer: the model's.
        train, validation: batches; validation is None where nothing is held out.
        updates: optimizer updates in all.
        interval: updates between validations.
        notes: what a user should know about the data, a line each.
    """

    checkpoint: Checkpoint | None
    tokenizer: Tokenizer
    train: Batches
    validation: Batches | None
    updates: int
    interval: int
    notes: list[str]


def prepare(config: Config) -> Plan:
    """Reads model and data and plans the batches.

    Raises:
        RequestError: the model or the data is not there or not usable.
        WorkError: the model has to be downloaded and cannot be.
    """
    checkpoint = None if config.model.preset is None else read_model(config.model.preset)
    if checkpoint:
        with checkpoint.open_weights():
            pass  # broken files are found before the texts are read
    if checkpoint and config.model.sequence_length > checkpoint.shape.max_sequence_length:
        raise RequestError(
            f"model.sequence_length: {config.model.sequence_length} is more than the context of "
            f"{config.model.preset}, which is {checkpoint.shape.max_sequence_length}"
        )
    if checkpoint and config.model.freeze_layers > checkpoint.shape.num_layers:
        raise RequestError(
            f"model.freeze_layers: {config.model.freeze_layers} of {checkpoint.shape.num_layers} blocks there are"
        )
    train_texts, validation_texts, notes = _read_texts(config)
    notes += checkpoint.notes if checkpoint else ()
    tokenizer = checkpoint.tokenizer if checkpoint else _scratch_tokenizer(config, train_texts + validation_texts)
    train = _batches(config, tokenizer, train_texts, shuffle_seed=config.train.seed)
    validation = _batches(config, tokenizer, validation_texts) if validation_texts else None
    if train.table.cut:
        length = config.model.sequence_length
        notes.append(f"{train.table.cut:,} examples are longer than {length} tokens and lose their end")
    updates = config.train.steps or math.ceil((config.train.epochs or 1) * train.per_epoch / config.train.accumulate)
    interval = config.train.validate_every or math.ceil(train.per_epoch / config.train.accumulate)
    return Plan(checkpoint, tokenizer, train, validation, updates, min(interval, updates), notes)


def _read_texts(config: Config) -> tuple[list[str], list[str], list[str]]:
    data = config.data
    options = {"path": data.path, "text": data.text, "script": data.script}
    source = read_source(data.source, limit=data.limit, **options)
    if isinstance(data.validation, str):
        train, validation = source.texts, read_source(data.validation, **options).texts
    else:
        train, validation = split_texts(source.texts, data.validation, config.train.seed)
    notes = [f"{data.source}: {len(train):,} examples to learn from, {len(validation):,} held out"]
    notes += [f"{count:,} dropped: {reason}" for reason, count in source.dropped.items()]
    return train, validation, notes


def _scratch_tokenizer(config: Config, texts: list[str]) -> BertTokenizer:
    path = config.model.from_scratch.vocabulary
    return BertTokenizer(read_vocabulary(Path(path).expanduser()) if path else count_vocabulary(texts))


def _batches(config: Config, tokenizer: Tokenizer, texts: list[str], shuffle_seed: int | None = None) -> Batches:
    # A target for each of sequence_length inputs takes one token more.
    longest = config.model.sequence_length + 1
    table = _table(tokenizer, texts, None if config.data.batching == "pack" else longest)
    return Batches(
        pack(table, longest) if config.data.batching == "pack" else table,
        batch_size=config.train.batch_size,
        sequence_length=config.model.sequence_length,
        pad_id=tokenizer.pad_id,
        pad_to_longest=config.data.batching != "pad",
        shuffle_seed=shuffle_seed,
    )


def _table(tokenizer: Tokenizer, texts: list[str], max_tokens: int | None) -> TokenTable:
    return token_table(texts, tokenizer.encode_batch, tokenizer.start_id, tokenizer.end_id, max_tokens)
