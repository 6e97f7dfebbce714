"""What generation needs of a tokenizer: both kinds of `checkpoints.checkpoint.Tokenizer` fit, and so may others."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


class Codec(Protocol):
    """Text to ids and back; see `BertTokenizer` and `BpeTokenizer` for what each attribute means."""

    @property
    def start_id(self) -> int: ...

    @property
    def start_ids(self) -> Sequence[int]: ...

    @property
    def end_id(self) -> int: ...

    @property
    def pad_id(self) -> int: ...

    @property
    def default_bans(self) -> Sequence[int]: ...

    @property
    def added_tokens(self) -> Mapping[str, bool]: ...

    @property
    def vocabulary(self) -> Sequence[str]: ...

    @property
    def vocabulary_size(self) -> int: ...

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Iterable[int]) -> str: ...

    def __hash__(self) -> int: ...
