"""Writes tests/golden/: a tiny Whisper with random weights, and what transformers computes with it.

Seed 32. transformers 5.x (5.23), torch 2.x (2.15), CPU, float32.
Run:        python golden.py
            python golden.py --sized FOLDER    the sizes of whisper-tiny (150 MB, not kept), for
                                               `WHISPER_SIZED=FOLDER cargo test -p affekt-whisper -- --ignored`
Tolerance:  1e-4 for the front end (absolute), for states and logits (largest difference over the RMS of the reference);
            tokens, times and language are equal.

Every parameter is random, also those that are ones or zeros in a fresh network, so that no term can be left out
unnoticed. The library that affekt uses computes GELU by its tanh form: `tanh` is the reference in that form and tells
whether everything else is right; `gelu` is the exact one and tells how much the form matters.

Waveforms are drawn by a generator that `golden.rs` has too, so that they need not be kept.
"""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

SEED = 32
OUT = Path(__file__).parent / "golden"
FORMS = {"tanh": "gelu_pytorch_tanh", "gelu": "gelu"}
EXACT_GELU = torch.nn.functional.gelu
# Text tokens, then the special ones.
END, START, LANGUAGES, TRANSCRIBE, NO_SPEECH, NO_TIMESTAMPS, FIRST_TIMESTAMP = 96, 97, (98, 99, 100), 101, 102, 103, 104
VOCABULARY = FIRST_TIMESTAMP + 1501
CLIPS = {"short": 91_234, "window": 480_000, "long": 1_234_567}
TINY = dict(
    vocab_size=VOCABULARY, num_mel_bins=80, d_model=24, encoder_layers=2, encoder_attention_heads=3, encoder_ffn_dim=96,
    decoder_layers=2, decoder_attention_heads=3, decoder_ffn_dim=96, max_source_positions=1500,
    max_target_positions=128, suppress_tokens=[3, 17], begin_suppress_tokens=[1, END],
    bos_token_id=END, eos_token_id=END, pad_token_id=END, decoder_start_token_id=START,
)  # fmt: skip
# whisper-tiny, with this vocabulary's special tokens in place of its own.
SIZED = dict(
    TINY, vocab_size=51_865, d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536,
    decoder_layers=4, decoder_attention_heads=6, decoder_ffn_dim=1536, max_target_positions=448,
)  # fmt: skip


def step(state):
    return (state * 1664525 + 1013904223) % 2**32


def drawn(samples, seed=1):
    """Noise and a square wave, of another loudness and pitch each quarter of a second; the same bits as in golden.rs."""
    state, level, result = seed, seed, np.empty(samples, dtype=np.float32)
    for index in range(samples):
        state = step(state)
        if index % 4000 == 0:
            level = step(level + index)
        period = 16 + (level >> 24) % 64
        wave = 0.5 if index % period < period // 2 else -0.5
        result[index] = (((state >> 8) / 2**24 - 0.5) * 0.25 + wave) * 0.5 ** ((level >> 16) % 9)
    return result


def features(waveform, bands, exact=False):
    """(1, bands, frames), of 30 s at least; `exact` by the extractor's NumPy form, whose sums are in float64."""
    extractor = WhisperFeatureExtractor(feature_size=bands)
    if exact:
        padded = np.pad(waveform, (0, max(0, 480_000 - len(waveform))))
        return torch.from_numpy(extractor._np_extract_fbank_features(padded[None], "cpu")).float()
    kind = "max_length" if len(waveform) <= 480_000 else "longest"
    found = extractor(waveform, sampling_rate=16_000, return_tensors="pt", truncation=False, padding=kind)
    return found.input_features


def write_mel():
    tensors = {}
    for name, samples in CLIPS.items():
        for bands in (80, 128):
            exact, default = features(drawn(samples), bands, exact=True), features(drawn(samples), bands)
            print(f"{name}, {bands} bands: {(exact - default).abs().max():.1e} between the extractor's two forms")
            frames = default.shape[2]
            kept = torch.cat([torch.arange(4), torch.arange(4, frames - 4, 97), torch.arange(frames - 4, frames)])
            tensors[f"{name}.{bands}.frames"] = kept
            tensors[f"{name}.{bands}.exact"] = exact[0, :, kept].T
            tensors[f"{name}.{bands}.default"] = default[0, :, kept].T
    save("mel.safetensors", tensors)


def randomise(network, generator):
    for name, parameter in network.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith("encoder.embed_positions.weight"):
            continue
        if name.endswith("layer_norm.weight"):
            value = 1 + 0.3 * noise
        elif name.endswith("embed_tokens.weight"):
            width = parameter.shape[1] ** 0.5
            value = noise * 4 / width
            # Words beside times and the end in such proportion that all of them are written.
            value[FIRST_TIMESTAMP : FIRST_TIMESTAMP + 1501] *= 0.65
            value[END] *= 1.2
        elif "encoder_attn" in name and "v_proj" not in name and parameter.dim() == 2:
            # Attention that picks a few frames, so that other sounds give other words.
            value = 3.0 * noise / parameter.shape[1] ** 0.5
        elif name.endswith("decoder.embed_positions.weight"):
            # Stronger than the tokens: a word's likeliest follower would else be that word.
            value = 1.2 * noise
        elif parameter.dim() == 1:
            value = 0.3 * noise
        else:
            value = 1.2 * noise / parameter[0].numel() ** 0.5
        with torch.no_grad():
            parameter.copy_(value)


def build(case, form):
    generator = torch.Generator().manual_seed(SEED)
    config = WhisperConfig(**case, activation_function=FORMS[form])
    network = WhisperForConditionalGeneration(config).eval()
    randomise(network, generator)
    settings = dict(
        is_multilingual=True, no_timestamps_token_id=NO_TIMESTAMPS, max_initial_timestamp_index=50,
        task_to_id={"transcribe": TRANSCRIBE}, lang_to_id=dict(zip(("<|en|>", "<|de|>", "<|fr|>"), LANGUAGES)),
        suppress_tokens=sorted({*case["suppress_tokens"], *range(START, FIRST_TIMESTAMP),
                                *range(FIRST_TIMESTAMP + 1501, case["vocab_size"])}),
        max_length=None, max_new_tokens=case["max_target_positions"] // 2, return_timestamps=True,
        begin_suppress_tokens=case["begin_suppress_tokens"], decoder_start_token_id=START,
        eos_token_id=END, pad_token_id=END, bos_token_id=END,
    )  # fmt: skip
    for key, value in settings.items():
        setattr(network.generation_config, key, value)
    return network


def recognised(network, mel, **options):
    """Segments of `generate`, whose thresholds are those of affekt unless `options` say otherwise."""
    settings = dict(
        return_segments=True, temperature=0.0, no_speech_threshold=0.6, logprob_threshold=-1.0, task="transcribe",
        condition_on_prev_tokens=False,
    )  # fmt: skip
    with torch.no_grad():
        found = network.generate(mel, **{**settings, **options})
    segments = []
    for segment in found["segments"][0]:
        text = [token for token in segment["tokens"].tolist() if token < END]
        if text:
            segments.append({"start": float(segment["start"]), "end": float(segment["end"]), "tokens": text})
    return segments


def write(folder, name, case, clips):
    tensors, found = {}, {}
    mel = features(drawn(480_000), 80, exact=True)
    for form in FORMS:
        network = build(case, form)
        # Behind its convolutions, transformers takes the exact one whatever the configuration says.
        torch.nn.functional.gelu = partial(EXACT_GELU, approximate="tanh") if form == "tanh" else EXACT_GELU
        encoder = network.model.encoder
        tokens = torch.tensor([[START, LANGUAGES[0], TRANSCRIBE, FIRST_TIMESTAMP, *range(4, 20)]])
        with torch.no_grad():
            out = encoder(mel, output_hidden_states=True)
            for layer, state in enumerate(out.hidden_states[1:], 1):
                last = layer == case["encoder_layers"]
                # The last entry may have passed the final norm already.
                state = out.last_hidden_state if last else encoder.layer_norm(state)
                tensors[f"{form}.encoder.{layer}"] = state[0, ::50]
            logits = network(encoder_outputs=out, decoder_input_ids=tokens).logits[0]
        tensors[f"{form}.logits"] = logits[::3] if case is TINY else logits[-1:]
        for clip in clips:
            mels = features(drawn(CLIPS[clip]), 80, exact=True)
            found[f"{form}.{clip}"] = recognised(network, mels, language="de")
        first = features(drawn(480_000, seed=2), 80, exact=True)
        language = network.detect_language(first, generation_config=network.generation_config)
        found[f"{form}.language"] = ("en", "de", "fr")[LANGUAGES.index(language.item())]
        for clip in clips:
            print(form, clip, [(s["start"], s["end"], len(s["tokens"])) for s in found[f"{form}.{clip}"]])
    config = {"model_type": "whisper", "activation_function": "gelu", **case}
    metadata = {"config": json.dumps(config), "found": json.dumps(found)}
    save(f"{name}.safetensors", tensors, metadata, folder)
    weights = {key: value for key, value in network.state_dict().items() if key != "proj_out.weight"}
    save(f"{name}.weights.safetensors", weights, None, folder)


def save(name, tensors, metadata=None, folder=OUT):
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    save_file(tensors, folder / name, metadata)
    print(f"{name}: {(folder / name).stat().st_size} bytes")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--sized"]:
        write(Path(sys.argv[2]), "sized", SIZED, ["window"])
    else:
        OUT.mkdir(exist_ok=True)
        write_mel()
        write(OUT, "tiny", TINY, list(CLIPS))
