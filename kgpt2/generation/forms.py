"""Forms in a vocabulary: which tokens will do where a plan of verse asks for a character."""

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from kgpt2.config.settings import Settings
from kgpt2.errors import RequestError
from kgpt2.generation.codec import Codec
from kgpt2.verse.genres import genre_of, mark_of
from kgpt2.verse.han import is_han
from kgpt2.verse.notation import one_of_two
from kgpt2.verse.plan import Plans, plan
from kgpt2.verse.rules import Need, Rules
from kgpt2.verse.script import convert_script

# A vocabulary with fewer Chinese characters writes no verse: byte-level ones have a few by accident.
_LEAST = 100


class Characters:
    """The tokens of a vocabulary that are one character or mark.

    Args:
        codec: the tokenizer.

    Raises:
        RequestError: it has hardly any Chinese ones.
    """

    def __init__(self, codec: Codec):
        tokens = codec.vocabulary
        banned = set(codec.default_bans)
        self._ids = {token: place for place, token in enumerate(tokens) if len(token) == 1 and place not in banned}
        self._han = [character for character in self._ids if is_han(character)]
        if len(self._han) < _LEAST:
            raise RequestError(
                f"--form: the model's vocabulary has {len(self._han)} tokens that are one Chinese character\n"
                f"forms need a Chinese model, such as the gpt2-chinese ones"
            )
        self.tokens = functools.cache(self._tokens)

    def _tokens(self, need: Need) -> NDArray[np.int64]:
        """The ids that will do, int64, read-only."""
        signs = [need.given] if need.given else [sign for sign in self._han if need.allows(sign)]
        ids = np.array([self._ids[sign] for sign in signs if sign in self._ids], dtype=np.int64)
        ids.flags.writeable = False
        return ids

    def supply(self, need: Need) -> int:
        """How many tokens will do."""
        return len(self.tokens(need))


@functools.lru_cache(maxsize=4)
def characters_of(codec: Codec) -> Characters:
    """The characters of a tokenizer; they are looked up once."""
    return Characters(codec)


def verse_rules(settings: Settings) -> Rules | None:
    """The rules of verse among the settings; None: any text will do."""
    if not settings.has_form:
        return None
    words = tuple(convert_script(settings.keywords, "simplified"))
    ends = "".join(convert_script(settings.rhyme_words, "simplified"))
    repeats = not settings.bans_repeats
    return Rules(settings.form, settings.acrostic, settings.tones, settings.rhyme, repeats, words, ends)


def plans_for(text: str, codec: Codec, settings: Settings) -> Plans | None:
    """How a prompt, its marks full-width, can be continued within the form; None: no form is asked for.

    Raises:
        RequestError: it cannot, or not within the length that is asked for.
    """
    rules = verse_rules(settings)
    if rules is None:
        return None
    chosen = one_of_two(rules.form, text)
    if chosen:
        rules = dataclasses.replace(rules, form=chosen)
    plans = plan(rules, text, characters_of(codec).supply)
    if chosen:
        plans = dataclasses.replace(plans, notes=(f"{settings.form}: {chosen} is taken", *plans.notes))
    for name, most in (("max_new_tokens", settings.max_new_tokens), ("max_length", settings.max_length)):
        taken = 1 + len(text) if name == "max_length" else 0
        if most is not None and most < taken + plans.length:
            raise RequestError(
                f"{name}: {most} is not enough, the form needs {plans.length} more characters and marks\n"
                f"leave it out: a form has its own length"
            )
    return plans


def mark_for(plans: Plans, codec: Codec) -> str:
    """The mark of a form's genre where the model has learned from texts with marks; "" where it has not."""
    mark = mark_of(genre_of(plans.form))
    return mark if mark in codec.added_tokens else ""
