"""The tiny Llama's vocabulary, and how its texts are held against what was said.

Versions:   tokenizers 0.23
"""

import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from wavlm import distance

PROMPT = ("USER: Transcribe speech to text. Output the transcription directly without redundant content. "
          "Ensure that the output is not duplicated. \n ASSISTANT:")  # fmt: skip
BOS, EOS, FIRST = 1, 2, 259  # FIRST: the first piece that is neither special nor a byte
PIECES = 1400  # enough for every word of the corpus to become one piece
MARKS = ".,:;!?"


def train_tokenizer(texts):
    """SentencePiece's way of writing Llama's vocabularies: pieces with a word mark, bytes for the rest.

    Marks of punctuation are pieces of their own, so that a word is the same piece wherever it stands."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="always"), pre_tokenizers.Split(Regex(f"[{MARKS}]"), "isolated")]
    )
    alphabet = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'-" + MARKS)
    trainer = trainers.BpeTrainer(vocab_size=PIECES - FIRST, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(texts, trainer)
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
    return result


def words_of(text):
    """Lower case, without punctuation: what an error rate counts."""
    return [word for word in (word.strip(MARKS + "\"'").lower() for word in text.split()) if word]


def error_rate(pairs):
    """Word error rate of (said, heard) texts, all words of all texts together."""
    pairs = [(words_of(said), words_of(heard)) for said, heard in pairs]
    return sum(distance(*pair) for pair in pairs) / max(1, sum(len(said) for said, _ in pairs))
