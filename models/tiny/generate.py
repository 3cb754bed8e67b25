"""Writes the embedded bundle: seeded weights at tiny sizes, in float16, with a tokenizer of our own and bundle.toml.

Command:    cargo xtask goldens --tiny      (or: python generate.py, in the environment of the golden files)
Versions:   torch 2.15, transformers 5.23, tokenizers 0.23; CPU, one thread
Seed:       1 for every network

The weights are drawn, not trained: they exercise every stage and mean nothing. Shapes follow the published networks:
six WavLM layers (so that entry -5 exists), four Llama layers (so that -4..-1 does), MANet and SDUMC at an eighth and a
quarter of their width. MANet and SDUMC come from the reference modules beside their golden files. Whisper hears 30 s in
windows of 1500 positions and writes timestamps, as every Whisper does; its width is 16.
"""

import hashlib
import importlib.util
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    LlamaConfig, LlamaForCausalLM, WavLMConfig, WavLMModel, WhisperConfig, WhisperForConditionalGeneration,
)  # fmt: skip

HERE = Path(__file__).resolve().parent
SEED = 1
WHISPER_SEED = 173  # the sample has two segments of several words
WIDTH = 64  # of WavLM, Llama and SDUMC's frames
FACE_WIDTH = 8  # MANet's first channels; its embedding is 16 times as wide
LICENCE = "MIT OR Apache-2.0"
SOURCE = "drawn by models/tiny/generate.py"

WORDS = """
i really love this movie and the story is great . i did not like it at all . the acting was good but the ending was bad .
this is the best thing that i have seen this year . she said that it was not worth the money . he thinks it is okay .
you should go and see it with your friends . the music was wonderful , and the pictures were beautiful . it was too long .
we were very happy with the result . they told us what they think about the new law . there is nothing to say about that .
i am not sure what to make of it . people want to know why this happens . it makes me sad when i think of it .
today i want to talk about a film that made me laugh . honestly it was boring , i almost fell asleep . thank you so much .
user : transcribe speech to text . output the transcription directly without redundant content .
ensure that the output is not duplicated . assistant :
"""


def reference(network):
    """The module beside a network's golden files."""
    path = HERE.parent / network / "tests" / "golden.py"
    spec = importlib.util.spec_from_file_location(f"{network}_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seeded(build):
    torch.manual_seed(SEED)
    return build()


def wavlm():
    cfg = WavLMConfig(
        hidden_size=WIDTH, num_hidden_layers=6, num_attention_heads=4, intermediate_size=2 * WIDTH,
        conv_dim=[WIDTH // 2] * 7, feat_extract_norm="layer", do_stable_layer_norm=True,
    )  # fmt: skip
    return seeded(lambda: WavLMModel(cfg)).state_dict(), cfg.to_diff_dict()


def llama(vocab):
    cfg = LlamaConfig(
        vocab_size=vocab, hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=4, num_attention_heads=4,
        rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    # transformers draws so narrowly that all tokens would be as likely; at three times that, some are likelier.
    cfg.initializer_range = 0.06
    return seeded(lambda: LlamaForCausalLM(cfg)).state_dict(), cfg.to_diff_dict()


def slam():
    cfg = {"encoder_projector_ds_rate": 5, "encoder_dim": WIDTH, "hidden_dim": 2 * WIDTH, "llm_dim": WIDTH}

    def build():
        return {"linear1": torch.nn.Linear(5 * WIDTH, 2 * WIDTH), "linear2": torch.nn.Linear(2 * WIDTH, WIDTH)}

    parts = seeded(build)
    weights = {f"encoder_projector.{name}.{key}": value
               for name, part in parts.items() for key, value in part.state_dict().items()}  # fmt: skip
    return weights, cfg


def manet():
    module = reference("manet")
    return seeded(lambda: module.Encoder("sdumc", FACE_WIDTH)).state_dict(), {"width": FACE_WIDTH, "variant": "sdumc"}


def sdumc():
    module = reference("sdumc")
    module.WIDTHS = {"audio": WIDTH, "text": WIDTH, "video": 16 * FACE_WIDTH}
    module.DIM = WIDTH
    cfg = {"widths": module.WIDTHS, "dim": WIDTH, "compat": "paper", "mia": "on"}
    network = seeded(lambda: module.Fusion("paper", "text"))
    for name, parameter in network.named_parameters():
        if parameter.dim() == 2 and "context_vector" in name:
            torch.nn.init.xavier_normal_(parameter)
    return network.state_dict(), cfg


def whisper_tokenizer():
    """A byte-level vocabulary as Whisper's: text, special tokens, 1501 timestamps."""
    result = Tokenizer(models.BPE())
    result.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    result.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False, min_frequency=2)
    result.train_from_iterator(WORDS.splitlines(), trainer)
    special = ["endoftext", "startoftranscript", "en", "de", "es", "fr", "zh", "translate", "transcribe", "startoflm",
               "startofprev", "nospeech", "notimestamps"]  # fmt: skip
    result.add_special_tokens([f"<|{name}|>" for name in special])
    times = [f"<|{step / 50:.2f}|>" for step in range(1501)]
    result.add_tokens([AddedToken(time, special=False, normalized=False) for time in times])
    return result


def whisper(words):
    """Random in every weight as in the golden files, so that words, times and ends are all written."""
    end, start, first = (words.token_to_id(f"<|{name}|>") for name in ("endoftext", "startoftranscript", "0.00"))
    # What is not made of letters, as the published networks do not write symbols.
    unsayable = [id for token, id in words.get_vocab(with_added_tokens=False).items()
                 if not token.removeprefix("Ġ").isascii() or not token.removeprefix("Ġ").isalpha()]  # fmt: skip
    cfg = WhisperConfig(
        vocab_size=words.get_vocab_size(), d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=64,
        decoder_layers=2, decoder_attention_heads=2, decoder_ffn_dim=64, max_target_positions=64,
        suppress_tokens=sorted(unsayable), begin_suppress_tokens=[end], bos_token_id=end, eos_token_id=end,
        pad_token_id=end, decoder_start_token_id=start,
    )  # fmt: skip
    module = reference("whisper")
    module.END, module.FIRST_TIMESTAMP = end, first
    network = seeded(lambda: WhisperForConditionalGeneration(cfg))
    module.randomise(network, torch.Generator().manual_seed(WHISPER_SEED))
    weights = {name: value for name, value in network.state_dict().items() if name != "proj_out.weight"}
    # So small a network would else repeat its first word.
    weights["model.decoder.embed_positions.weight"] = 3 * weights["model.decoder.embed_positions.weight"]
    return weights, cfg.to_diff_dict()


def tokenizer():
    """SentencePiece's way of writing Llama's vocabularies, at a tiny size: pieces with a word mark, bytes for the rest."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    alphabet = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'-")
    words = WORDS + WORDS.upper() + WORDS.title()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False, min_frequency=2)
    trained.train_from_iterator(words.splitlines(), trainer)
    learnt = json.loads(trained.to_str())["model"]
    pieces = sorted(learnt["vocab"], key=learnt["vocab"].get)
    vocab = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + pieces
    result = Tokenizer(
        models.BPE(
            vocab={piece: index for index, piece in enumerate(vocab)},
            merges=[tuple(merge) for merge in learnt["merges"]],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    result.add_special_tokens(["<unk>", "<s>", "</s>"])
    result.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    result.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return result, len(vocab)


def write(network, weights, config):
    folder = HERE / network
    folder.mkdir(exist_ok=True)
    weights = {name: value.to(torch.float16) if value.is_floating_point() else value for name, value in weights.items()}
    save_file({name: value.contiguous() for name, value in sorted(weights.items())}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def manifest(networks):
    lines = [
        "# Written by generate.py.",
        'name = "tiny"',
        'description = "Every network of the system at a tiny size, with drawn weights: for trying out and for tests."',
        "trained = false",
    ]
    for network in networks:
        lines += ["", f"[networks.{network}]"]
        lines += [f'config = "{network}/config.json"', f'weights = "{network}/model.safetensors"']
        if network in ("llama", "whisper"):
            lines.append(f'tokenizer = "{network}/tokenizer.json"')
    lines.append(RECIPES)
    for path in sorted(path for network in networks for path in (HERE / network).iterdir()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines += [f'[files."{path.relative_to(HERE)}"]', f'sha256 = "{digest}"']
        lines += [f'licence = "{LICENCE}"', f'source = "{SOURCE}"', ""]
    return "\n".join(lines).rstrip() + "\n"


RECIPES = """
[features.audio]
network = "wavlm"
layers = "-5"
normalize = "hf"

[features.speech]
network = "wavlm"
layers = "-1"
normalize = "hf"

[features.video]
network = "manet"
faces = [
    ["yunet-n-320", "track-10hz-smooth3-v2", "align-five-112-v1"],
    ["rustface-0.1.7-288", "track-10hz-smooth3-v2", "crop-box-112-v1"],
]
size = 224

[features.text]
network = "llama"
layers = "-4..-1"

[features.simulated]
network = "llama"
projector = "slam"
layers = "-4"
mode = "best"
prompt = "sdumc"
beams = 4
max_new_tokens = 200
"""


def main():
    torch.set_num_threads(1)
    words, vocab = tokenizer()
    parts = {"wavlm": wavlm(), "manet": manet(), "llama": llama(vocab), "slam": slam(), "sdumc": sdumc()}
    spoken = whisper_tokenizer()
    parts["whisper"] = whisper(spoken)
    for network, (weights, config) in parts.items():
        write(network, weights, config)
    words.save(str(HERE / "llama" / "tokenizer.json"))
    spoken.save(str(HERE / "whisper" / "tokenizer.json"), pretty=False)
    (HERE / "bundle.toml").write_text(manifest(parts))


if __name__ == "__main__":
    main()
