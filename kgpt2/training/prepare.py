"""All that a run needs before Keras is imported: texts, tokenizer, batches, how many updates. No Keras here."""

import dataclasses
import math

import numpy as np

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.names import read_model
from kgpt2.checkpoints.prompted import with_prompt
from kgpt2.checkpoints.shape import Shape
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.checkpoints.vocabulary import read_vocabulary
from kgpt2.config.sections import Config, DataSection, FromScratch, ModelSection
from kgpt2.config.settings import Settings
from kgpt2.data.batches import Batches
from kgpt2.data.example import Source
from kgpt2.data.reading import Reader
from kgpt2.data.sources import Options, inline, open_source
from kgpt2.data.splits import held_out
from kgpt2.data.token_cache import Progress, Tokenised, counted_tokenizer, tokenise
from kgpt2.data.tokens import Packed, Selected
from kgpt2.errors import RequestError
from kgpt2.extras import require_installed
from kgpt2.files import user_path
from kgpt2.generation.prompts import prepare_prompts
from kgpt2.generation.rows import Prompt

# The share of unknown tokens from which on a text is in another writing than the model's.
_FOREIGN = 0.3


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run, ready to start.

    Attributes:
        start: the model to start from, or the shape of a new one.
        tokenizer: the model's.
        train, validation: batches; validation is None where nothing is held out.
        updates: optimizer updates in all.
        interval: updates between validations.
        examples: how many are learned, and how many held out.
        prompts, sampling: what the model continues at each validation, and how.
        notes: what a user should know about the data, a line each.
        config: the run's, with the commits of datasets of the hub: what config.yaml keeps.
    """

    start: Checkpoint | FromScratch
    tokenizer: Tokenizer
    train: Batches
    validation: Batches | None
    updates: int
    interval: int
    examples: tuple[int, int]
    prompts: list[Prompt]
    sampling: Settings
    notes: list[str]
    config: Config


def prepare(config: Config, progress: Progress | None = None) -> Plan:
    """Reads model and data and plans the batches.

    Args:
        config: the run's.
        progress: is told how the reading of the data comes on; see `token_cache.tokenise`.

    Raises:
        RequestError: the model or the data is not there or not usable.
        WorkError: the model has to be downloaded and cannot be.
    """
    _require_trackers(config)
    model = config.model
    tokens = SpecialTokens(model.start_token, model.end_token, model.newline_token)
    start = _start(model, tokens, config.train.seed)
    sources = _sources(config.data)
    tokenizer: Tokenizer
    if isinstance(start, Checkpoint):
        tokenizer, context = start.tokenizer, start.shape.max_sequence_length
    else:
        tokenizer, context = _scratch_tokenizer(start, sources, tokens), model.sequence_length
    prompts, sampling = _samples(config, tokenizer, context)
    strict, as_typed = config.data.on_error == "fail", config.data.as_typed
    tokenised = [tokenise(source, tokenizer, strict=strict, as_typed=as_typed, progress=progress) for source in sources]
    selected, held_out_rows = _split(config, tokenised)
    if not len(selected):
        raise RequestError(
            f"{tokenised[0].spec}: the prompts alone fill {config.model.sequence_length} tokens\n"
            "raise model.sequence_length, so that something is left to learn"
        )
    if config.train.early_stopping and not len(held_out_rows):
        raise RequestError(
            "train.early_stopping: there is no validation to watch, because nothing is held out\n"
            "hold some examples out with data.validation, or set train.early_stopping to null"
        )
    notes = _notes(config, tokenised, selected, held_out_rows)
    notes += start.notes if isinstance(start, Checkpoint) else ()
    train = _batches(config, tokenizer, selected, shuffle_seed=config.train.seed)
    if config.train.batch_tokens and config.train.batch_tokens < train.widths[0]:
        raise RequestError(
            f"train.batch_tokens: {config.train.batch_tokens} is less than the longest row, of {train.widths[0]} tokens"
        )
    validation = _batches(config, tokenizer, held_out_rows) if len(held_out_rows) else None
    updates = config.train.steps or math.ceil((config.train.epochs or 1) * train.per_epoch / config.train.accumulate)
    interval = min(config.train.validate_every or math.ceil(train.per_epoch / config.train.accumulate), updates)
    examples = len(selected), len(held_out_rows)
    recorded = _pinned(config, sources)
    return Plan(start, tokenizer, train, validation, updates, interval, examples, prompts, sampling, notes, recorded)


def _require_trackers(config: Config) -> None:
    require_installed(*config.train.log)


def _start(model: ModelSection, tokens: SpecialTokens, seed: int) -> Checkpoint | FromScratch:
    """What training starts from; broken files are found here, before the texts are read."""
    if model.from_scratch is not None:
        return model.from_scratch
    assert model.preset is not None  # a configuration has one of the two
    checkpoint = read_model(model.preset, tokens, model.base)
    with checkpoint.open_weights():
        pass
    _require_fit(model, checkpoint.shape)
    tuning = model.prompt_tuning
    return with_prompt(checkpoint, tuning.length, tuning.init, seed) if tuning else checkpoint


def _samples(config: Config, tokenizer: Tokenizer, context: int) -> tuple[list[Prompt], Settings]:
    """The prompts to continue at each validation, and how."""
    sample = config.sample
    longest = max((len(tokenizer.encode(prompt)) for prompt in sample.prompts), default=0)
    longest += len(tokenizer.start_ids)
    try:
        settings = dataclasses.replace(sample.settings, as_typed=config.data.as_typed)
        if settings.has_form:  # it has a length of its own
            settings = dataclasses.replace(settings, max_new_tokens=None)
        elif settings.max_new_tokens:
            fitting = max(min(settings.max_new_tokens, context - longest), 1)
            settings = dataclasses.replace(settings, max_new_tokens=fitting)
        return prepare_prompts(sample.prompts, tokenizer, context, settings, Reader(tokenizer).prompt), settings
    except RequestError as error:
        raise RequestError(f"sample: {error}") from None


def _require_fit(model: ModelSection, shape: Shape) -> None:
    """Sees to it that a checkpoint is large enough for what is asked of it."""
    if model.sequence_length > shape.max_sequence_length:
        raise RequestError(
            f"model.sequence_length: {model.sequence_length} is more than the context of "
            f"{model.preset}, which is {shape.max_sequence_length}"
        )
    if model.freeze_layers > shape.num_layers:
        raise RequestError(f"model.freeze_layers: {model.freeze_layers} of {shape.num_layers} blocks there are")
    if model.lora:
        if model.freeze_layers == shape.num_layers:
            raise RequestError(
                f"model.freeze_layers: all {shape.num_layers} blocks are frozen, so model.lora has none to adapt\n"
                "lower it: with model.lora, the weights of every block stay as they are anyway"
            )
        # KerasHub factorises query, key and value head by head, the others as a whole.
        by_head = not {"query", "key", "value"}.isdisjoint(model.lora.targets)
        widest = shape.hidden_dim // shape.num_heads if by_head else min(shape.hidden_dim, shape.intermediate_dim)
        if model.lora.rank > widest:
            raise RequestError(
                f"model.lora.rank: {model.lora.rank} is more than the {widest} that "
                f"{', '.join(model.lora.targets)} of {model.preset} can have"
            )


def _sources(data: DataSection) -> list[Source]:
    """Of what is learned, and of what is held out where that is another source."""
    options = Options(data.path, data.text, data.prompt, data.unit, data.script, encoding=data.encoding)
    limited = dataclasses.replace(options, limit=data.limit)
    first = inline(data.texts or ()) if data.source is None else open_source(data.source, limited)
    return [first, open_source(data.validation, options)] if isinstance(data.validation, str) else [first]


def _pinned(config: Config, sources: list[Source]) -> Config:
    data = config.data
    pins = {"source": sources[0].spec} if isinstance(data.source, str) else {}
    pins |= {"validation": sources[1].spec} if isinstance(data.validation, str) else {}
    return config.model_copy(update={"data": data.model_copy(update=pins)})


def _scratch_tokenizer(scratch: FromScratch, sources: list[Source], tokens: SpecialTokens) -> BertTokenizer:
    if scratch.vocabulary is None:
        counted = counted_tokenizer(sources, scratch.min_count)
        vocabulary, added = counted.vocabulary, counted.added_tokens
    else:
        vocabulary, added = read_vocabulary(user_path(scratch.vocabulary)), {}
    tokens.require_in(vocabulary)
    try:
        return BertTokenizer(vocabulary, added_tokens=added, tokens=tokens)
    except ValueError as error:
        raise RequestError(f"model.from_scratch.vocabulary: {error}") from None


def _split(config: Config, tokenised: list[Tokenised]) -> tuple[Selected, Selected]:
    """Rows to learn from, and rows held out."""
    # A target for each of sequence_length inputs takes one token more.
    longest = None if config.data.batching == "pack" else config.model.sequence_length + 1
    table = tokenised[0].table
    if len(tokenised) == 2:
        other = tokenised[1].table
        return Selected(table, np.ones(len(table), bool), longest), Selected(other, np.ones(len(other), bool), longest)
    share = config.data.validation
    assert isinstance(share, float)  # a name is a second source
    out = held_out(table.keys, share, config.train.seed)
    return Selected(table, ~out, longest), Selected(table, out, longest)


def _notes(config: Config, tokenised: list[Tokenised], train: Selected, validation: Selected) -> list[str]:
    name = tokenised[0].spec
    notes = [f"{name}: {len(train):,} examples to learn from, {len(validation):,} held out"]
    notes += [f"{count:,} dropped: {reason}" for reason, count in tokenised[0].dropped.items()]
    notes += [f"{count:,} cleaned: {rule}" for rule, count in tokenised[0].cleaned.items()]
    notes += tokenised[0].problems[:3]
    if tokenised[0].unknown:
        share = tokenised[0].unknown / len(tokenised[0].table.ids)
        notes.append(f"{share:.2%} of the tokens are unknown to the vocabulary ([UNK])")
        if share > _FOREIGN:
            notes.append(
                "the model does not know this writing, and its loss means little: choose another model.preset "
                "(gpt2_base_en for English), or model.from_scratch with a vocabulary of its own"
            )
    if train.cut:
        notes.append(f"{train.cut:,} examples are longer than {config.model.sequence_length} tokens and lose their end")
    if len(tokenised) == 2 and (both := int(np.isin(tokenised[1].table.keys, tokenised[0].table.keys).sum())):
        notes.append(f"{both:,} of those held out are learned too: the validation is too kind")
    if train.unlearnable:
        notes.append(f"{train.unlearnable:,} left out: their prompts alone fill {config.model.sequence_length} tokens")
    return notes


def _batches(config: Config, tokenizer: Tokenizer, rows: Selected, shuffle_seed: int | None = None) -> Batches:
    return Batches(
        Packed(rows, config.model.sequence_length + 1) if config.data.batching == "pack" else rows,
        batch_size=config.train.batch_size,
        batch_tokens=config.train.batch_tokens,
        sequence_length=config.model.sequence_length,
        pad_id=tokenizer.pad_id,
        pad_to_longest=config.data.batching != "pad",
        shuffle_seed=shuffle_seed,
    )
