"""What may not come: tokens, texts, and what a form does not allow."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgpt2.config.settings import Settings
from kgpt2.generation.codec import Codec
from kgpt2.generation.forms import characters_of
from kgpt2.verse.rules import Need


class Bans:
    """What may not come, settled once for all rows.

    Attributes:
        mask: bool `(vocabulary,)`, the tokens that never come where no form asks for them.
        sequences: tokens that may not come in this order.
    """

    def __init__(self, vocabulary_size: int, codec: Codec, settings: Settings):
        # Ids that no token has are always forbidden.
        self.mask = np.arange(vocabulary_size) >= codec.vocabulary_size
        if settings.default_bans:
            self.mask[list(codec.default_bans)] = True
        # A word may stand behind a space, which makes other tokens of it.
        texts = [form for text in settings.ban for form in (text, f" {text}")]
        encoded = {tuple(codec.encode(text)) for text in texts}
        self.mask[[ids[0] for ids in encoded if len(ids) == 1]] = True
        self.sequences = sorted(ids for ids in encoded if len(ids) > 1)
        self._codec = codec
        self._masks: dict[Need, NDArray[np.bool_]] = {}

    def settled(self, needs: Sequence[Need]) -> list[int]:
        """The tokens of the first needs, as far as for each of them one token alone will do."""
        tokens = characters_of(self._codec).tokens
        found = itertools.takewhile(lambda ids: len(ids) == 1, map(tokens, needs))
        return [int(ids[0]) for ids in found]

    def besides(self, need: Need) -> NDArray[np.bool_]:
        """bool `(vocabulary,)`: all tokens but those that will do, and of these the banned ones unless all are."""
        if need not in self._masks:
            ids = characters_of(self._codec).tokens(need)
            allowed = ids[~self.mask[ids]]
            mask = np.ones_like(self.mask)
            mask[allowed if len(allowed) else ids] = False
            self._masks[need] = mask
        return self._masks[need]
