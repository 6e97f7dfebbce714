"""The sections of a run configuration: typed values, unknown keys refused."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import pydantic

from kgpt2.config.settings import FIELDS, Field, Settings, in_our_words
from kgpt2.errors import RequestError

PositiveInt = Annotated[int, pydantic.Field(gt=0, lt=2**31)]
_LARGEST = 1e38  # what float32 holds
Share = Annotated[float, pydantic.Field(ge=0, lt=1)]
# More than half held out is a slip of the pen: 0.95 for 0.05.
HeldOut = Annotated[float, pydantic.Field(ge=0, le=0.5)]
Dense = Literal[
    "query",
    "key",
    "value",
    "attention_output",
    "feedforward_intermediate_dense",
    "feedforward_output_dense",
]
Tracker = Literal["wandb", "mlflow"]


class Section(pydantic.BaseModel):
    """A mapping with known keys only; values are finite, and not converted (the string "3" is no number)."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class FromScratch(Section):
    """A network with random weights.

    Attributes:
        layers, heads, width: its shape; `width` must be a multiple of `heads`.
        vocabulary: a `vocab.txt`; null counts one from the data.
        min_count: a character that the data has less often gets no token of its own ([UNK]); 1: each has one.
    """

    layers: Annotated[int, pydantic.Field(gt=0, le=1024)] = 4
    heads: Annotated[int, pydantic.Field(gt=0, le=1024)] = 4
    width: Annotated[int, pydantic.Field(gt=0, le=2**16)] = 256
    vocabulary: str | None = None
    min_count: PositiveInt = 1

    @pydantic.model_validator(mode="after")
    def _width_divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


class Lora(Section):
    """Low-rank factors that learn in the place of a frozen model's weights (Hu et al., 2021, arXiv:2106.09685).

    Attributes:
        rank: of the factors.
        alpha: what they add counts alpha / rank times; null: once (alpha = rank).
        targets: the dense layers of each block that get them, under KerasHub's names.
    """

    rank: PositiveInt = 8
    alpha: Annotated[float, pydantic.Field(gt=0)] | None = None
    targets: Annotated[list[Dense], pydantic.Field(min_length=1)] = ["query", "value"]

    @pydantic.field_validator("targets")
    @classmethod
    def _each_once(cls, targets: list[str]) -> list[str]:
        if len(set(targets)) < len(targets):
            raise ValueError(f"name each layer once, not {', '.join(targets)}")
        return targets


class PromptTuning(Section):
    """Vectors in front of every text that learn in the place of a frozen model's weights (Lester et al., 2021).

    Attributes:
        length: of the prompt in tokens, which `sequence_length` counts.
        init: random (drawn like the vectors of the vocabulary), or a text whose tokens' vectors it begins as.
    """

    length: Annotated[int, pydantic.Field(gt=0, le=1024)] = 20
    init: Annotated[str, pydantic.Field(min_length=1)] = "random"


class ModelSection(Section):
    """Which model, and how it computes.

    Attributes:
        preset: any MODEL; or from_scratch, one of the two.
        from_scratch: a network with random weights, and its shape.
        dtype: of the computation; mixed_bfloat16 keeps float32 weights.
        sequence_length: the longest input in tokens, start token included.
        freeze_layers: N > 0 leaves the embeddings and the first N blocks as they are.
        lora: null: off; otherwise only its factors learn, in the blocks that are not frozen.
        prompt_tuning: null: off; otherwise only the prompt's vectors learn, and what lora says.
        dropout: null keeps the preset's own.
        start_token: begins a text; null: as the preset's files say ([CLS] from scratch).
        end_token: ends a text; null: as the preset's files say ([SEP] from scratch).
        newline_token: stands for the end of a line; null: as the preset's files say.
        base: the MODEL that preset, a LoRA adapter, changes; null: the one that it names.
        rematerialise: keep only the inputs of blocks for the gradient, compute the rest again: less memory, more time.
    """

    preset: str | None = None
    from_scratch: FromScratch | None = None
    dtype: Literal["float32", "mixed_bfloat16", "bfloat16"] = "float32"
    sequence_length: Annotated[int, pydantic.Field(ge=2, le=2**20)] = 128
    freeze_layers: Annotated[int, pydantic.Field(ge=0)] = 0
    lora: Lora | None = None
    prompt_tuning: PromptTuning | None = None
    dropout: Share | None = None
    start_token: str | None = None
    end_token: str | None = None
    newline_token: str | None = None
    base: str | None = None
    rematerialise: bool = False

    @pydantic.field_validator("start_token", "end_token", "newline_token", mode="before")
    @classmethod
    def _as_written(cls, token: object) -> object:
        # YAML reads [CLS] as a list of one word, which is not what anybody means here.
        if isinstance(token, list) and len(token) == 1 and isinstance(token[0], str):
            return f"[{token[0]}]"
        return token

    @pydantic.model_validator(mode="after")
    def _one_model(self) -> Self:
        if (self.preset is None) == (self.from_scratch is None):
            raise ValueError("give either preset or from_scratch (the other null)")
        if self.base and self.from_scratch:
            raise ValueError("base belongs to an adapter; give preset, or set base to null")
        if self.lora and self.from_scratch:
            raise ValueError(
                "lora adapts a trained model; give preset, or set lora to null and train from_scratch whole"
            )
        if self.prompt_tuning and self.from_scratch:
            raise ValueError(
                "prompt_tuning steers a trained model; give preset, or set prompt_tuning to null and train from_scratch"
            )
        if self.prompt_tuning and 2 * (self.prompt_tuning.length + 1) >= self.sequence_length:
            raise ValueError(
                f"prompt_tuning: a prompt of {self.prompt_tuning.length} tokens takes half of sequence_length "
                f"{self.sequence_length}, which counts it; shorten the one or raise the other"
            )
        return self


class DataSection(Section):
    """What to learn from.

    Attributes:
        source: a data SPEC such as samples/tang, chinese_poetry/tang or couplets:train, a dataset of the hub such as
            hf://datasets/ORGANISATION/NAME:train, a file, a pattern such as poems/*.txt, or a list of files; or texts,
            one of the two.
        texts: the examples themselves.
        path: where a named source's files lie.
        text: the column, or a template such as "{title}：{text}".
        prompt: the column or template that the model reads before the text; the loss counts on the text alone.
        unit: what an example of a .txt is: a line, a block (up to a blank line) or the whole file.
        script: convert to simplified or traditional characters; null: as the source has them.
        limit: how many examples to take, from the first on.
        encoding: of files and couplets, such as gb18030; null: UTF-8.
        as_typed: leave texts as they are, where a vocabulary has another form of a mark or character.
        on_error: fail at the first bad row, or skip such rows and count them.
        validation: the share of the examples held out; or another SPEC.
        batching: bucket (rows of like length), pad (all to sequence_length) or pack (no padding).
    """

    source: str | list[str] | None = None
    texts: list[str] | None = None
    path: str | None = None
    text: str | None = None
    prompt: str | None = None
    unit: Literal["line", "block", "file"] = "line"
    script: Annotated[
        Literal["simplified", "traditional"] | None,
        pydantic.BeforeValidator(lambda given: in_our_words("script", given)),
    ] = None
    limit: PositiveInt | None = None
    encoding: str | None = None
    as_typed: bool = False
    on_error: Literal["fail", "skip"] = "fail"
    validation: HeldOut | str = 0.05
    batching: Literal["bucket", "pad", "pack"] = "bucket"

    @pydantic.model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.source is None) == (self.texts is None):
            raise ValueError("give either source or texts (the other null)")
        return self


class Adversarial(Section):
    """Learning from embeddings that are perturbed so that the loss grows.

    Attributes:
        method: fgm, pgd or freelb; `training.adversarial` says what each computes.
        epsilon: the largest norm of a row's perturbation.
        steps: of pgd and freelb, in which it is found; fgm takes one.
        on: what is perturbed.
    """

    method: Literal["fgm", "pgd", "freelb"]
    epsilon: Annotated[float, pydantic.Field(gt=0, le=1e6)] = 1.0
    steps: Annotated[int, pydantic.Field(gt=0, le=100)] = 1
    on: Literal["embeddings"] = "embeddings"

    @pydantic.model_validator(mode="after")
    def _one_step_of_fgm(self) -> Self:
        if self.method == "fgm" and self.steps != 1:
            raise ValueError(f"fgm takes a single step, not {self.steps}; pgd and freelb take several")
        return self


class TrainSection(Section):
    """How to learn.

    Attributes:
        epochs: passes over the data; or steps, one of the two.
        steps: the number of optimizer updates.
        batch_size: rows in a batch.
        learning_rate: the highest.
        end_learning_rate: where polynomial and cosine end.
        optimizer: adam or adamw.
        seed: of weights, split, order and dropout.
        log: trackers that get the rows of metrics.csv too, wandb and mlflow (extras of these names).
        schedule: the learning rate's way from learning_rate to end_learning_rate (constant keeps it, wsd keeps it until
            the last updates, so that a run can be made longer before them).
        warmup: the share of the updates in which it rises from 0.
        decay: of wsd, the share of the updates in which it falls.
        batch_tokens: positions in a batch, padding included, instead of batch_size; for bucket and pad.
        weight_decay: of AdamW; never applied to biases and norms.
        clip_norm: of the whole gradient; null: none.
        accumulate: batches per update.
        validate_every: updates between validations (or, where nothing is held out, between the rows of metrics.csv);
            null: at the end of each epoch.
        checkpoint_every: updates between checkpoints, from which --resume goes on; null: none by count.
        checkpoint_minutes: the longest time between them; null: none by time.
        keep_checkpoints: how many stay.
        early_stopping: validations without a lower loss before training stops.
        jit_compile: whether XLA compiles the step; null: on a CPU where the run is long enough for it to pay, else as
            Keras has it.
        distribution: over all devices there are: data divides each batch, model divides the weights; null: one device.
        adversarial: null: off; else what `Adversarial` says, on TensorFlow and JAX.
    """

    epochs: PositiveInt | None = None
    steps: PositiveInt | None = None
    batch_size: PositiveInt = 32
    batch_tokens: PositiveInt | None = None
    learning_rate: Annotated[float, pydantic.Field(gt=0, le=_LARGEST)] = 5e-5
    schedule: Literal["polynomial", "cosine", "constant", "wsd"] = "polynomial"
    end_learning_rate: Annotated[float, pydantic.Field(ge=0)] = 0.0
    warmup: Share = 0.0
    decay: Share = 0.2
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: Annotated[float, pydantic.Field(ge=0, le=_LARGEST)] = 0.0
    clip_norm: Annotated[float, pydantic.Field(gt=0, le=_LARGEST)] | None = 1.0
    accumulate: PositiveInt = 1
    validate_every: PositiveInt | None = None
    checkpoint_every: PositiveInt | None = 200
    checkpoint_minutes: Annotated[float, pydantic.Field(gt=0)] | None = None
    keep_checkpoints: PositiveInt = 2
    early_stopping: PositiveInt | None = None
    jit_compile: bool | None = None
    distribution: Literal["data", "model"] | None = None
    adversarial: Adversarial | None = None
    log: list[Tracker] = []
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**32)] = 0

    @pydantic.field_validator("log")
    @classmethod
    def _trackers_once(cls, log: list[str]) -> list[str]:
        if len(set(log)) < len(log):
            raise ValueError(f"name each tracker once, not {', '.join(log)}")
        return log

    @pydantic.model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give either epochs or steps (the other null)")
        return self

    @pydantic.model_validator(mode="after")
    def _adversarial_on_one_device(self) -> Self:
        if self.adversarial and self.distribution:
            raise ValueError("adversarial runs on one device; set distribution to null, or adversarial")
        return self

    @pydantic.model_validator(mode="after")
    def _rates_make_sense(self) -> Self:
        if self.end_learning_rate > self.learning_rate:
            raise ValueError(
                f"end_learning_rate {self.end_learning_rate:g} is above learning_rate {self.learning_rate:g}, "
                "and a schedule only falls; lower the one or raise the other"
            )
        if self.schedule == "wsd" and self.warmup + self.decay > 1:
            raise ValueError(f"warmup {self.warmup:g} and decay {self.decay:g} are more than the whole run")
        if self.learning_rate * self.weight_decay >= 1:
            raise ValueError(
                f"weight_decay {self.weight_decay:g} at learning_rate {self.learning_rate:g} takes all of a weight at "
                "each update; 0.01 to 0.1 is usual"
            )
        return self


class _Sample(Section):
    """What the model writes at each validation, so that one sees it learn; the settings mean what `generate`'s mean.

    Attributes:
        prompts: the texts to continue; none: nothing is written.
        max_new_tokens: fewer where the context leaves no more.
        seed: the same for each validation, so that the model alone makes the difference.
    """

    prompts: list[str] = []

    @property
    def settings(self) -> Settings:
        """The section as `generate` takes it.

        Raises:
            RequestError: two settings exclude each other.
        """
        return Settings(**self.model_dump(exclude={"prompts"}))


# What belongs to a call, or stands in another section.
_NO_SAMPLE = ("num_return", "best_of", "batch_size", "logprobs", "as_typed")
_SAMPLE_DEFAULTS = {"max_new_tokens": 64, "seed": 0}


def _setting(field: Field) -> tuple[Any, Any]:
    def check(value: object) -> Any:
        try:
            return field.value(value)
        except RequestError as error:
            raise ValueError(str(error).removeprefix(f"{field.name}: ")) from None

    return Annotated[Any, pydantic.AfterValidator(check)], _SAMPLE_DEFAULTS.get(field.name, field.default)


if TYPE_CHECKING:
    SampleSection = _Sample
else:  # each setting is a key, with the type, range and default that it has everywhere
    _settings = {name: _setting(field) for name, field in FIELDS.items() if name not in _NO_SAMPLE}
    SampleSection = pydantic.create_model("SampleSection", __base__=_Sample, __doc__=_Sample.__doc__, **_settings)


class Config(Section):
    """A whole run.

    Attributes:
        model: which model, and how it computes.
        data: what to learn from.
        train: how to learn.
        sample: what the model writes at each validation.
    """

    model: ModelSection
    data: DataSection
    train: TrainSection = TrainSection()
    sample: SampleSection = SampleSection()

    @pydantic.model_validator(mode="after")
    def _prompt_before_each_text(self) -> Self:
        if self.model.prompt_tuning and self.data.batching == "pack":
            raise ValueError("prompt_tuning puts its prompt in front of each text; data.batching must be bucket or pad")
        return self
