"""The shape of a GPT-2 network, and the tensors that make it up."""

import dataclasses
import math
from collections.abc import Mapping

from kgpt2.errors import quoted

# Far beyond any GPT-2 (gpt2-xl has 48 layers), so that a broken config cannot ask for endless work.
_LIMITS = {"num_layers": 4096, "dropout": 1}


@dataclasses.dataclass(frozen=True)
class Shape:
    """The shape of a GPT-2 network: KerasHub's names for the arguments of its backbone.

    Example:
        >>> Shape(50257, 12, 12, 768, 3072, 1024, dropout=0.1).parameters
        124439808
    """

    vocabulary_size: int
    num_layers: int
    num_heads: int
    hidden_dim: int
    intermediate_dim: int
    max_sequence_length: int
    dropout: float

    def fault(self, keys: Mapping[str, str] | None = None) -> str | None:
        """What makes these numbers no shape of a GPT-2: "FIELD is VALUE"; None where all is well.

        Args:
            keys: what a file calls the fields; None: what they are called here.
        """
        called = {field.name: field.name for field in dataclasses.fields(self)} | dict(keys or {})
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            count = field.type is not int or (isinstance(value, int) and value > 0)
            if not number or not count or not 0 <= value < _LIMITS.get(field.name, 2**31):
                return f"{called[field.name]} is {quoted(value)}"
        if self.hidden_dim % self.num_heads:
            width, heads = called["hidden_dim"], called["num_heads"]
            return f"{width} {self.hidden_dim} is no multiple of {heads} {self.num_heads}"
        return None

    @property
    def parameters(self) -> int:
        """How many weights the network has."""
        return sum(map(math.prod, self.tensors().values()))

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all weights, in order: the names that OpenAI gave them and every GPT-2 file has.

        The output layer is the token embedding once more, so it has no tensor of its own. Matrices are (in, out).
        """
        width, inner = self.hidden_dim, self.intermediate_dim
        layers: dict[str, tuple[int, ...]] = {
            "ln_1": (width,),
            "attn.c_attn": (width, 3 * width),
            "attn.c_proj": (width, width),
            "ln_2": (width,),
            "mlp.c_fc": (width, inner),
            "mlp.c_proj": (inner, width),
        }
        tensors: dict[str, tuple[int, ...]] = {
            "wte.weight": (self.vocabulary_size, width),
            "wpe.weight": (self.max_sequence_length, width),
        }
        for block in range(self.num_layers):
            for layer, size in layers.items():
                tensors[f"h.{block}.{layer}.weight"] = size
                tensors[f"h.{block}.{layer}.bias"] = size[-1:]
        return tensors | {"ln_f.weight": (width,), "ln_f.bias": (width,)}
