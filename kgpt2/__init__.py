"""kgpt2: the whole GPT-2 route in Keras. Importing it imports nothing heavy."""

__version__ = "0.1.0"


def load(
    model,
    dtype: str = "float32",
    runtime: str = "auto",
    *,
    start_token: str | None = None,
    end_token: str | None = None,
    newline_token: str | None = None,
    base=None,
):
    """Loads a model to write with: see `kgpt2.generation.language_model.load`."""
    from kgpt2.generation.language_model import load

    return load(
        model,
        dtype,
        runtime,
        start_token=start_token,
        end_token=end_token,
        newline_token=newline_token,
        base=base,
    )
