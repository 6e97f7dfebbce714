"""The card of a model: README.md with the metadata that the hub reads.

Source: https://huggingface.co/docs/hub/model-cards.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from kgpt2 import __version__
from kgpt2.data.hub_datasets import PREFIX, dataset_of
from kgpt2.publishing.folder import Publication, Run

_LIBRARIES = {"keras": "keras-hub", "transformers": "transformers", "openvino": "openvino"}
# How each is used: {model} is a MODEL of kgpt2, {name} one of the hub or a folder, {folder} gives a folder.
_USES = {
    "keras": 'import kgpt2\n\nmodel = kgpt2.load("{model}")\nprint(model.generate({prompt}))',
    "transformers": (
        'from transformers import pipeline\n\nwrite = pipeline("text-generation", "{name}")\nprint(write({prompt}))'
    ),
    "openvino": (
        "import huggingface_hub, numpy, openvino, openvino_genai\nfrom transformers import AutoTokenizer\n\n"
        "folder = {folder}\ntokenizer = AutoTokenizer.from_pretrained(folder)\n"
        'ids = openvino.Tensor(numpy.array([tokenizer({prompt})["input_ids"]], "int64"))\n'
        'result = openvino_genai.LLMPipeline(folder, "CPU").generate(ids, max_new_tokens=50)\n'
        "print(tokenizer.decode(result.tokens[0]))"
    ),
}
_SETS = {"train": "learned", "validation": "held out"}
# Rows of the table: the key of summary.json, and what it is called.
_MEASURES = {"loss": "loss, nats a token", "perplexity": "perplexity", "accuracy": "accuracy of the next token"}


def model_card(publication: Publication, destination: str, license: str | None = None) -> str:
    """The user's own card, or one out of what the folder tells.

    Args:
        publication: the model.
        destination: hf://ORGANISATION/NAME or kaggle://OWNER/MODEL/FRAMEWORK/VARIATION.
        license: an identifier of the hub's list, such as mit; None: the card names none.
    """
    if publication.card is not None:
        return publication.card
    front = yaml.safe_dump(_metadata(publication, license), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n" + "\n\n".join(_parts(publication, destination)) + "\n"


def _metadata(publication: Publication, license: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"license": license} if license else {}
    found["language"] = "zh" if publication.is_chinese else "en"
    found |= {
        "library_name": _LIBRARIES[publication.kind],
        "pipeline_tag": "text-generation",
        "tags": ["gpt2", "kgpt2"],
    }
    if publication.run:
        config = publication.run.config
        if (config.model.preset or "").startswith("hf://"):
            found["base_model"] = (config.model.preset or "").removeprefix("hf://").partition("@")[0]
        sources = [spec for spec in (config.data.source, config.data.validation) if isinstance(spec, str)]
        datasets = dict.fromkeys(dataset_of(spec).name for spec in sources if spec.startswith(PREFIX))
        found |= {"datasets": list(datasets)} if datasets else {}
    return found


def _parts(publication: Publication, destination: str) -> Iterator[str]:
    name = destination.split("://", 1)[1]
    checkpoint, run = publication.checkpoint, publication.run
    yield f"# {name.split('/')[1]}"
    what = "A GPT-2"
    if checkpoint is not None:
        shape = checkpoint.shape
        what += (
            f" of {shape.num_layers} layers, {shape.num_heads} heads and {shape.hidden_dim} channels, with a context "
        )
        what += f"of {shape.max_sequence_length} tokens and a vocabulary of {shape.vocabulary_size:,}"
    yield f"{what}, {'trained' if run else 'written'} by kgpt2 {__version__}."
    yield f"## Use\n\n```python\n{_use(publication, destination)}\n```"
    if run:
        yield from (_training(run), _figures(run.summary))
        if run.samples:
            yield "## Samples\n\n" + "\n\n".join("> " + text.replace("\n", "\n> ") for text in run.samples)


def _use(publication: Publication, destination: str) -> str:
    run, folder = publication.run, publication.folder.name
    hub, _, name = destination.partition("://")
    prompt = run.config.sample.prompts[0] if run and run.config.sample.prompts else ""
    return _USES[publication.kind].format(
        model=destination if hub == "hf" else folder,
        name=name if hub == "hf" else folder,
        folder=f'huggingface_hub.snapshot_download("{name}")' if hub == "hf" else f'"{folder}"',
        prompt=json.dumps(prompt or ("春风" if publication.is_chinese else "The"), ensure_ascii=False),
    )


def _training(run: Run) -> str:
    model, data, summary = run.config.model, run.config.data, run.summary
    start = _shown(model.preset) if model.preset else "nothing: its weights were drawn at random"
    sources = data.source if isinstance(data.source, list) else [data.source or "texts of its own"]
    how = ", ".join(name.replace("_", " ") for name in ("lora", "prompt_tuning") if getattr(model, name))
    counts = f"{summary['trainable_parameters']:,} of {summary['parameters']:,} parameters" + (
        f" ({how})" if how else ""
    )
    facts = [
        f"from {start}",
        f"on {', '.join(map(_shown, sources))}",
        f"{summary['steps']:,} steps over {summary['tokens']:,} tokens, which changed {counts}",
        *([f"the model is that of step {summary['kept_step']:,}"] if summary.get("kept_step") else []),
    ]
    told = "\n".join(f"- {fact}" for fact in facts)
    return f"## Training\n\n{told}\n\n`config.yaml` has every setting, `metrics.csv` every validation."


def _figures(summary: Mapping[str, Any]) -> str:
    """A table of what was measured, last of all on what is learned, and of the model on what is held out."""
    measured = {said: summary[name] for name, said in _SETS.items() if summary.get(name)}
    rows = [
        [said, *(f"{values[key]:,.4g}" for values in measured.values())]
        for key, said in _MEASURES.items()
        if all(key in values for values in measured.values())
    ]
    lines = [["", *measured], ["---"] * (1 + len(measured)), *rows]
    return "## Figures\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _shown(source: str) -> str:
    """A source or model by its name; of a file or folder the last part, since the rest is the author's machine's."""
    path = Path(source).expanduser()
    return f"`{path.name if path.is_absolute() or path.exists() else source}`"
