"""Random Hugging Face checkpoints in every layout that exists, written by what wrote the real ones."""

import json
from pathlib import Path

import h5py
import numpy as np

VOCABULARIES = Path(__file__).parent.parent.parent / "shared" / "data" / "vocab"
# The five UER models: vocabulary, and how many tokens it has where the real file is not at hand.
UER = {
    "cluecorpussmall": ("bert_zh_vocab_21128.txt", 400),
    "couplet": ("bert_zh_vocab_21128.txt", 410),
    "lyric": ("bert_zh_vocab_21128.txt", 420),
    "poem": ("uer_zh_poem_vocab.txt", 430),
    "ancient": ("uer_zh_ancient_vocab.txt", 440),
}
FORMATS = ("safetensors", "bin", "legacy_bin", "h5")
DTYPES = ("float32", "float16", "bfloat16")
CHARACTERS = "春满神州花似锦福临华夏月如银床前明光疑是地上霜举头望低思故乡白日依山尽黄河入海流欲穷千里目更一层楼"


def bert_vocabulary(size: int) -> list[str]:
    """A vocabulary laid out as Google's: [PAD], [unused], the special tokens at 100, then characters and pieces."""
    tokens = ["[PAD]", *(f"[unused{i}]" for i in range(1, 100)), "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<S>", "<T>"]
    tokens += [*"，。！？：；、-,.", *CHARACTERS, *"abcdefghijklmnopqrstuvwxyz0123456789"]
    tokens += [f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789"] + ["hello", "##llo", "2024", "##春"]
    tokens = list(dict.fromkeys(tokens))
    return (tokens + [c for c in map(chr, range(0x6000, 0x6000 + size)) if c not in CHARACTERS])[:size]


def uer_vocabulary(name: str) -> list[str]:
    """The real vocabulary of a UER model where it is at hand, a small one of the same kind otherwise."""
    file, size = UER[name]
    real = VOCABULARIES / file
    return real.read_text("utf-8").split("\n")[:-1] if real.is_file() else bert_vocabulary(size)


def bpe_vocabulary(merges: int = 60) -> tuple[dict[str, int], list[str]]:
    """vocab.json and the lines of merges.txt."""
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = sorted(ByteLevel.alphabet())
    pairs = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d", "Ġwor ld"]
    letters = [a for a in alphabet if a.isascii() and a.isalpha()]
    pairs += [f"{a} {b}" for a in letters for b in letters if f"{a} {b}" not in pairs][: merges - len(pairs)]
    tokens = [*alphabet, *(pair.replace(" ", "") for pair in pairs), "<|endoftext|>"]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}, pairs


def write_bert_tokenizer(folder: Path, vocabulary: list[str], **config) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", "utf-8")
    config = {"do_lower_case": False, "model_max_length": 1024, "tokenizer_class": "BertTokenizer", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")


def write_bpe_tokenizer(folder: Path, vocabulary: dict[str, int], merges: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")


def write_tokenizer(folder: Path, family: str, size: int = 220) -> list[str]:
    """A tokenizer of either family, "bert" or "bpe"; returns its tokens."""
    if family == "bert":
        tokens = bert_vocabulary(size)
        write_bert_tokenizer(folder, tokens)
        return tokens
    vocabulary, merges = bpe_vocabulary()
    write_bpe_tokenizer(folder, vocabulary, merges)
    return list(vocabulary)


def write_uer_model(folder: Path, size: int, *layouts: str, **config):
    """A folder like UER's with a random model, its weights in some of `FORMATS`; returns the model."""
    model = random_model(len(write_tokenizer(folder, "bert", size)), **config)
    write_config(folder, model, uer=True)
    for layout in layouts:
        write_weights(folder, model, layout)
    return model


def random_model(vocabulary_size: int, *, seed: int = 0, **config):
    """A GPT2LMHeadModel whose biases and norms are not trivial, so that any mix-up shows."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    shape = {"n_positions": 1024, "n_embd": 48, "n_layer": 3, "n_head": 12}
    model = GPT2LMHeadModel(GPT2Config(**{"vocab_size": vocabulary_size, **shape, **config})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def write_config(folder: Path, model, uer: bool = False) -> None:
    """config.json; for a UER model as UER wrote it: without any special ids."""
    config = {"architectures": ["GPT2LMHeadModel"], **model.config.to_dict()}
    if uer:
        for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
            config.pop(key, None)
        config |= {"tokenizer_class": "BertTokenizer", "output_past": True, "n_ctx": 1024}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


def write_weights(folder: Path, model, layout: str, dtype: str = "float32", prefix: str = "transformer.") -> Path:
    """The weights in one of `FORMATS`; returns the file."""
    import torch

    state = {name: tensor.to(getattr(torch, dtype)) for name, tensor in model.state_dict().items()}
    state = {name.replace("transformer.", prefix): tensor for name, tensor in state.items()}
    if prefix.startswith("module."):
        state["module.lm_head.weight"] = state.pop("lm_head.weight")
    if layout == "safetensors":
        from safetensors.torch import save_file

        path = folder / "model.safetensors"
        save_file({k: v.clone() for k, v in state.items() if "lm_head" not in k}, path, {"format": "pt"})
    elif layout == "h5":
        path = folder / "tf_model.h5"
        write_tensorflow(path, {k.removeprefix(prefix): v for k, v in state.items() if "lm_head" not in k})
    else:
        path = folder / "pytorch_model.bin"
        mask = torch.tril(torch.ones(4, 4, dtype=torch.bool)).view(1, 1, 4, 4)
        state |= {f"{prefix}h.0.attn.bias": mask, f"{prefix}h.0.attn.masked_bias": torch.tensor(-1e4)}
        torch.save(state, path, _use_new_zipfile_serialization=layout == "bin")
    return path


def write_tensorflow(path: Path, state: dict, embedding: str = "embeddings:0") -> None:
    """tf_model.h5 with the names and shapes that transformers 4.57.6 and tf-keras 2.21.0 were seen to write.

    HDF5 has no bfloat16: those values are stored as float32.
    """
    kinds = {"weight": "weight:0", "bias": "bias:0"}
    norms = {"weight": "gamma:0", "bias": "beta:0"}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["transformer"]
        file.attrs["backend"] = "tensorflow"
        file.create_group("top_level_model_weights").attrs["weight_names"] = []
        for name, tensor in state.items():
            layer, kind = name.rsplit(".", 1)
            leaf = embedding if layer in ("wte", "wpe") else (norms if "ln_" in layer else kinds)[kind]
            place = layer.replace("h.", "h_._", 1).replace(".", "/").replace("h_/_", "h_._")
            array = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
            if array.ndim == 1 and "ln_" not in layer:
                array = array[np.newaxis]
            file[f"transformer/tfgpt2lm_head_model/transformer/{place}/{leaf}"] = array


def shard(folder: Path) -> None:
    """Splits model.safetensors or pytorch_model.bin into two shards with an index, as transformers does."""
    import torch
    from safetensors.torch import load_file, save_file

    path = next(path for path in (folder / "model.safetensors", folder / "pytorch_model.bin") if path.exists())
    state = load_file(path) if path.suffix == ".safetensors" else torch.load(path)
    names, weight_map = sorted(state), {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"{path.stem}-{number:05}-of-00002{path.suffix}"
        weight_map |= dict.fromkeys(part, file)
        tensors = {name: state[name].clone() for name in part}
        save_file(tensors, folder / file) if path.suffix == ".safetensors" else torch.save(tensors, folder / file)
    (folder / f"{path.name}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    path.unlink()
