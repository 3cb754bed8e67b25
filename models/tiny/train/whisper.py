"""Draws the embedded bundle's Whisper: seeded weights at a tiny size, not trained, with a vocabulary of our own.

Command:    cargo xtask tiny whisper --out DIR
Versions:   torch 2.15, transformers 5.23, tokenizers 0.23; CPU, one thread
Seed:       173 for the weights, chosen so that the bundle's sample has two segments of several words
Time:       5 s

It exercises every stage of recognition and means nothing. It has 1500 positions and writes timestamps, as every Whisper
does; its width is 16. Writes DIR/whisper/model.safetensors (float16), config.json, tokenizer.json and training.json.
"""

import argparse
import importlib.util
from pathlib import Path

import common
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import WhisperConfig, WhisperForConditionalGeneration

HERE = Path(__file__).resolve().parent
SEED = 173

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


def reference():
    """The module beside Whisper's golden files."""
    path = HERE.parents[1] / "whisper" / "tests" / "golden.py"
    spec = importlib.util.spec_from_file_location("whisper_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tokenizer():
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
    module = reference()
    module.END, module.FIRST_TIMESTAMP = end, first
    torch.manual_seed(1)
    network = WhisperForConditionalGeneration(cfg)
    module.randomise(network, torch.Generator().manual_seed(SEED))
    weights = {name: value for name, value in network.state_dict().items() if name != "proj_out.weight"}
    # So small a network would else repeat its first word.
    weights["model.decoder.embed_positions.weight"] = 3 * weights["model.decoder.embed_positions.weight"]
    return weights, cfg.to_diff_dict()


def main():
    parser = argparse.ArgumentParser(description="Draws the embedded bundle's Whisper, which is not trained.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the networks")
    folder = parser.parse_args().out / "whisper"
    torch.set_num_threads(1)
    words = tokenizer()
    weights, config = whisper(words)
    common.write_network(folder, weights, config, {"network": "whisper", "seed": SEED, "steps": 0})
    common.replace(folder / "tokenizer.json", lambda path: words.save(str(path), pretty=False))


if __name__ == "__main__":
    main()
