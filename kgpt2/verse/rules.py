"""What a text of verse must keep, and what that comes to at one place of it."""

import dataclasses
from collections.abc import Callable

from kgpt2.verse.han import is_han
from kgpt2.verse.meter import Tones
from kgpt2.verse.sounds import ANY, System, end_tone_of, is_taken_for, rhyme_system, rhymes_of, tone_of
from kgpt2.verse.tunes import tune_pattern


@dataclasses.dataclass(frozen=True)
class Rules:
    """What a text must keep.

    Attributes:
        form: a name or a pattern, see `notation`; "": a 七绝 or a 七律, as the acrostic needs.
        acrostic: what the lines begin with, a character a line.
        tones: off, loose, tang or strict, see `meter`; None: tang for regulated verse and couplets, and giving way
            where the beginning keeps no pattern.
        rhyme: off; a system of `sounds.SYSTEMS`, or the name of a rhyme of one; None: pingshui where a form rhymes, and
            giving way where the beginning does not. With modern and tongyun, tones are those of today too.
        repeats: whether characters may come twice.
        words: what it is to hold, as many as there is room for.
        rhyme_words: what stands at its rhyming places, in their order.

    Example:
        >>> Rules("七绝", rhyme="modern").system
        'modern'
    """

    form: str
    acrostic: str = ""
    tones: Tones | None = None
    rhyme: str | None = None
    repeats: bool = True
    words: tuple[str, ...] = ()
    rhyme_words: str = ""

    @property
    def system(self) -> System:
        """The tables to go by."""
        return rhyme_system(self.rhyme or ("cilin" if tune_pattern(self.form) else "off"))[0]

    @property
    def rhyme_name(self) -> str:
        """The one rhyme that is asked for; "": any."""
        return rhyme_system(self.rhyme or "off")[1]


@dataclasses.dataclass(frozen=True)
class Need:
    """What a character or mark must be to stand at a place.

    Attributes:
        given: this one; "": any Chinese character that has the tone and the rhyme.
        tone: `LEVEL`, `OBLIQUE`, or `ANY` for both and for characters whose tone is not known.
        rhyme: the name of its rhyme in that tone; "": any.
        system: the tables to go by.
        without: characters that will not do, because they have places of their own.
        back: the same as so many places before; 0: what the others say.
        ends: it ends a line that does not rhyme, so no reader must take it for a rhyme that fails.

    Example:
        >>> from kgpt2.verse.sounds import LEVEL
        >>> Need(tone=LEVEL).allows("春"), Need(given="，").allows("春")
        (True, False)
    """

    given: str = ""
    tone: int = ANY
    rhyme: str = ""
    system: System = "pingshui"
    without: str = ""
    back: int = 0
    ends: bool = False

    def allows(self, sign: str) -> bool:
        """Whether a character or mark will do."""
        if self.given or not is_han(sign):
            return sign == self.given
        if sign in self.without:
            return False
        if self.rhyme:
            return self.rhyme in rhymes_of(sign, self.tone, self.system)
        if self.ends and self.tone != ANY:
            return is_taken_for(self.tone, sign, self.system)
        return self.tone == ANY or bool(tone_of(sign, self.system) & self.tone)


# How many characters or marks a writer has that will do.
Supply = Callable[[Need], int]


def clashes(sign: str, tone: int, system: System, *, ends: bool = False) -> bool:
    """Whether a character is known to have another tone.

    Args:
        sign: a character or mark.
        tone: `LEVEL`, `OBLIQUE` or `ANY`.
        system: the tables to go by.
        ends: it ends a line.

    Example:
        >>> from kgpt2.verse.sounds import LEVEL
        >>> clashes("月", LEVEL, "pingshui"), clashes("，", LEVEL, "pingshui")
        (True, False)
    """
    known = (end_tone_of if ends else tone_of)(sign, system) if is_han(sign) else 0
    return bool(known) and not known & tone
