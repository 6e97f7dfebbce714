"""Text as a model reads it: with the marks and characters that its vocabulary has.

Training, evaluation and generation read through the same function, so that a prompt is written as the model has learned
to write. Nothing else is changed: a mark that the vocabulary has stays, and so does everything between Latin letters.
"""

import re
from collections.abc import Iterable, Iterator

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer, split_words
from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.checkpoints.longest_match import LongestMatch
from kgpt2.data.example import Example, Report
from kgpt2.data.text_files import is_blank
from kgpt2.verse.han import FULL_WIDTH, is_han
from kgpt2.verse.script import convert_script

# What a report counts.
FORMS = "marks or characters in the form that the model knows"
ENDS = "start or end tokens at the ends left out"

# Half-width marks that a vocabulary may lack, besides those that end a sentence or a clause.
_OPENING = {"("}
_LACKED = {"(": "（", ")": "）", "~": "～"}
# A mark and other forms of it, the nearest first: one of them is read where the vocabulary lacks the mark itself.
_OTHER_FORMS = {
    mark: tuple(forms)
    for mark, *forms in map(
        str.split,
        """
        ， ,
        ﹐ ， ,
        。 .
        ｡ 。 .
        ． . 。
        ； ;
        ： :
        ？ ?
        ！ !
        （ (
        ） )
        【 [
        】 ]
        ［ [
        ］ ]
        《 〈 <
        》 〉 >
        〈 《 <
        〉 》 >
        “ " 〝 「
        ” " 〞 」
        ‘ ' 『
        ’ ' 』
        〝 “ "
        〞 ” "
        「 “ "
        」 ” "
        『 ‘ '
        』 ’ '
        ＂ "
        — ― ─ – － -
        ― — ─ – － -
        – — ― ─ － -
        ─ — ― – － -
        － -
        … ⋯ ...
        ⋯ … ...
        · ・ • ‧
        ・ · • ‧
        • · ・ ‧
        ‧ · ・ •
        ～ ~ 〜
        〜 ～ ~
        ／ /
        ｜ |
        ％ %
        """.strip().splitlines(),
    )
}
# What stands between two letters or digits, within a line.
_BETWEEN = re.compile(r"[^\w\n]+")
_SHOWN = 40  # characters of an unknown word
_BOUNDARY = "\0"  # between a prompt and its text


class Reader:
    """Reads texts for a vocabulary; byte-level ones have every form, so theirs stay as they are.

    Between Chinese characters, a half-width mark becomes full-width where the vocabulary lacks it or is known to come
    from a model that has learned full-width ones. Anywhere, a full-width mark, a dash, a quotation mark or an ellipsis
    that the vocabulary lacks takes another form of it that it has, and a Chinese character the simplified one.

    Args:
        tokenizer: the model's.

    Example:
        >>> from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS
        >>> Reader(BertTokenizer([*SPECIAL_TOKENS, *"春风，"]))("春风,春风")
        '春风，春风'
    """

    def __init__(self, tokenizer: Tokenizer):
        self._chinese = isinstance(tokenizer, BertTokenizer)
        self._start, self._end = (_token_of(tokenizer, index) for index in (tokenizer.start_id, tokenizer.end_id))
        if not isinstance(tokenizer, BertTokenizer):
            return
        known = tokenizer.token_to_id
        self._forms = _Forms(known)
        self._settled: set[str] = set()  # signs that are known to stay, wherever they stand
        self._whole = LongestMatch(tokenizer.whole_tokens)
        learned = _has_learned_full_width(tokenizer)
        wide = {half: full for half, full in FULL_WIDTH.items() if full in known and (learned or half not in known)}
        wide |= {half: full for half, full in _LACKED.items() if full in known and half not in known}
        self._wide = str.maketrans(wide)
        self._narrow = re.compile(f"[{re.escape(''.join(wide))}]") if wide else None
        self._ellipsis = "…" if "." not in known and "…" in known else None

    def __call__(self, text: str) -> str:
        """A text as the model reads it; tokens of the vocabulary that are written out, such as [SEP], stay."""
        if not self._chinese or self._settled.issuperset(text):
            return text
        pieces = self._whole.split(text)
        pieces[::2] = [self._widened(piece).translate(self._forms) for piece in pieces[::2]]
        self._settled.update(sign for sign in text if self._forms[ord(sign)] == sign and ord(sign) not in self._wide)
        return "".join(pieces)

    def prompt(self, text: str) -> str:
        """A prompt as the model reads it, without the start token that is typed in front: every text gets one."""
        return self(self._begun(text))

    def _begun(self, text: str) -> str:
        cut = text.lstrip()
        return cut.removeprefix(self._start) if cut.startswith(self._start) else text

    def replaced(self, text: str) -> dict[str, str]:
        """The marks that the vocabulary lacks, in a text as the user gave it, and what is read for them."""
        if not self._chinese:
            return {}
        signs = dict.fromkeys("".join(map(self._widened, self._whole.split(text)[::2])))
        read = {sign: self._forms[ord(sign)] for sign in signs if not is_han(sign)}
        return {sign: form for sign, form in read.items() if form != sign}

    def example(self, example: Example, report: Report) -> Example:
        """An example as the model reads it; what is changed is counted."""
        prompt, text = example.prompt, example.text
        prompt, text = (self._begun(prompt), text) if prompt else ("", self._begun(text))
        cut = text.rstrip()
        text = cut.removesuffix(self._end) if cut.endswith(self._end) else text
        if (prompt, text) != (example.prompt, example.text):
            report.cleaned[ENDS] += 1
        read_prompt, read_text = self(prompt), self(text)
        if prompt and _BOUNDARY not in prompt:  # what stands before a text decides what its first mark is
            read_text = self(f"{prompt}{_BOUNDARY}{text}").partition(_BOUNDARY)[2]
        if (read_prompt, read_text) != (prompt, text):
            report.cleaned[FORMS] += 1
        if (read_prompt, read_text) == (example.prompt, example.text):
            return example
        return Example(read_text, read_prompt, example.group)

    def _widened(self, text: str) -> str:
        if self._narrow is None or not self._narrow.search(text):
            return text

        def widen(run: re.Match[str]) -> str:
            before, after = text[: run.start()][-1:], text[run.end() : run.end() + 1]
            opens = before in ("", "\n") and set(run.group()) <= _OPENING
            if not (is_han(before) or opens) or not (is_han(after) or (not opens and after in ("", "\n"))):
                return run.group()
            return re.sub(r"\.{2,}|[^.]+|\.", self._wide_marks, run.group())

        return _BETWEEN.sub(widen, text)

    def _wide_marks(self, marks: re.Match[str]) -> str:
        if marks.group().startswith(".."):
            return self._ellipsis or marks.group()
        return marks.group().translate(self._wide)


class _Forms(dict[int, str]):
    """What is read for a sign, by its code point; found out when it comes first."""

    def __init__(self, known: dict[str, int]):
        super().__init__()
        self._known = known

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        form = sign
        if sign not in self._known:
            forms = _OTHER_FORMS.get(sign, ())
            if is_han(sign):
                forms = tuple(convert_script([sign], "simplified"))
            form = next((one for one in forms if all(part in self._known for part in one)), sign)
        self[code] = form
        return form


def read_examples(
    examples: Iterable[Example], tokenizer: Tokenizer, report: Report, as_typed: bool = False
) -> Iterator[Example]:
    """Examples as a model reads them.

    Args:
        examples: as a source gives them.
        tokenizer: the model's.
        report: is told what was changed; and what was dropped because nothing is left of it.
        as_typed: leave all as it is.

    Example:
        >>> from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS
        >>> tokenizer = BertTokenizer([*SPECIAL_TOKENS, *"春风，"])
        >>> [example.text for example in read_examples([Example("春风,春风")], tokenizer, Report())]
        ['春风，春风']
    """
    reader = Reader(tokenizer)
    for example in examples:
        read = example if as_typed else reader.example(example, report)
        if is_blank(read.text):
            report.dropped["empty"] += 1
        else:
            yield read


class Noticed:
    """What a user should be told of texts, each thing once.

    Args:
        tokenizer: the model's.

    Example:
        >>> from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS
        >>> tokenizer = BertTokenizer([*SPECIAL_TOKENS, *"春风，"])
        >>> noticed = Noticed(tokenizer)
        >>> noticed.unknown("春雨"), noticed.unknown("春雨")
        (['雨'], [])
    """

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer, self._reader = tokenizer, Reader(tokenizer)
        self._told: set[str] = set()

    def replaced(self, text: str) -> dict[str, str]:
        """The marks of a text, as the user gave it, that are read in another form; see `Reader.replaced`."""
        found = {sign: form for sign, form in self._reader.replaced(text).items() if sign not in self._told}
        self._told.update(found)
        return found

    def unknown(self, text: str) -> list[str]:
        """The words and characters of a text, as the model reads it, that become [UNK]; a long word is cut."""
        found = sorted(word for word in unknown_in(text, self._tokenizer) if word not in self._told)
        self._told.update(found)
        return [word if len(word) <= _SHOWN else f"{word[:_SHOWN]}… ({len(word)} characters)" for word in found]


def unknown_in(text: str, tokenizer: Tokenizer) -> list[str]:
    """The words and characters of a text, as the model reads it, that become [UNK], in order, each once.

    Example:
        >>> from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS
        >>> unknown_in("春风", BertTokenizer([*SPECIAL_TOKENS, "春"]))
        ['风']
    """
    if not isinstance(tokenizer, BertTokenizer) or tokenizer.unknown_id not in tokenizer.encode(text):
        return []
    plain = " ".join(LongestMatch(tokenizer.whole_tokens).split(text)[::2])
    return [word for word in dict.fromkeys(split_words(plain)) if tokenizer.unknown_id in tokenizer.encode(word)]


def _token_of(tokenizer: Tokenizer, index: int) -> str:
    return next(token for token, number in tokenizer.token_to_id.items() if number == index)


def _has_learned_full_width(tokenizer: BertTokenizer) -> bool:
    """Whether a vocabulary is Google's for Chinese, or made of it, as that of every model by UER.

    It has both forms of each mark; its models learned from Chinese books and pages, which are set in full-width marks.
    A vocabulary that was counted from a text has no reserved entries.
    """
    return any(token.startswith("[unused") for token in tokenizer.vocabulary)
