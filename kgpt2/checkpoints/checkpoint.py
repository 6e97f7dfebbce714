"""A model on disk, whatever its format: what `generate`, `fit` and `convert` start from."""

import abc
import contextlib
import dataclasses
from pathlib import Path

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer
from kgpt2.checkpoints.shape import Shape
from kgpt2.checkpoints.tensors import Tensors

Tokenizer = BertTokenizer | BpeTokenizer


@dataclasses.dataclass(frozen=True)
class Checkpoint(abc.ABC):
    """A GPT-2 on disk: its description is read and checked, its weights are not read yet.

    Attributes:
        folder: where it lies.
        shape: the network.
        tokenizer: of the family: a BERT vocabulary makes a Chinese model, byte-level BPE a stock GPT-2.
        sequence_length: the length that its preprocessor pads to, in tokens; None where nothing says.
        notes: what a conversion cannot keep, in sentences for the user.
    """

    folder: Path
    shape: Shape
    tokenizer: Tokenizer
    sequence_length: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_chinese(self) -> bool:
        return isinstance(self.tokenizer, BertTokenizer)

    @property
    def folders(self) -> tuple[Path, ...]:
        """All folders that hold files of the model."""
        return (self.folder,)

    @abc.abstractmethod
    def open_weights(self) -> contextlib.AbstractContextManager[Tensors]:
        """The tensors of `Shape.tensors` in their order, names, shapes and sizes checked.

        Raises:
            RequestError: the files are broken or do not fit the network.
        """
