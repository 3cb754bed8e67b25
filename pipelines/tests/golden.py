"""A small SentencePiece vocabulary like Llama's, and what SentencePiece makes of texts with it.

Command:    python golden.py        (rewrites golden/ beside this file, the same bytes every time)
Versions:   sentencepiece 0.2.3
Seed:       11 for the words of the training text and for the random tokens
Tolerance:  none: tokens and texts are equal

Files:
  tokenizer.model      BPE, bytes for unknown characters, text as it is, pieces of spaces only: Llama's settings
  tokens.json          `encode`: texts, their tokens and what these read as; `decode`: random tokens and what they read as
"""

import io
import json
import random
from pathlib import Path

import sentencepiece

OUT = Path(__file__).parent / "golden"
SIZE = 700

TEXTS = [
    "", " ", "  ", "     ", "\t", "\n", "\n\n\n", " \n \t x ", "hello", " hello", "   hello   world   ", "hello\nworld",
    "Hello, world!", "the film was not bad at all", "THE FILM WAS", "3 33 333 3.14 1999", "a" * 40, "aa aaa aaaa",
    "um um um um the the the", "<s>", "</s> <unk> <0x41>", "▁", "▁▁ hello", "Führer naïve café", "нещо на Български",
    "我想在apple工作", "🦙 🚀", "\u200d\u0000\u00a0", "don't we've I'LL", "what do you think of the movie? i loved it",
    "i i i  i   i    i", "tothethetothe", "-----=====......", "e" * 7 + " " + "e" * 8,
]


def corpus(draw):
    """Sentences of invented words whose pieces overlap in many ways, with runs of spaces, digits and line breaks."""
    parts = ["the", "a", "film", "was", "no", "not", "good", "bad", "lo", "ve", "er", "ing", "th", "in", "k", "ed", "aa",
             "ee", "to", "um", "what", "you", "mo", "vie", "ll", "hel", "wor", "ld", "é", "ü", "'s", "on", "an", "at"]
    words = ["".join(draw.choices(parts, k=draw.randint(1, 3))) for _ in range(900)]
    for _ in range(4000):
        line = "".join(draw.choice(words) + " " * draw.choice([1, 1, 1, 1, 2, 3, 4]) for _ in range(draw.randint(3, 15)))
        yield line + draw.choice([".", "!", "?", " 12", " 305"])


def main():
    draw = random.Random(11)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus(draw), model_writer=model, model_type="bpe", vocab_size=SIZE, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
        split_digits=True, character_coverage=1.0, num_threads=1, minloglevel=2,
    )
    OUT.mkdir(exist_ok=True)
    (OUT / "tokenizer.model").write_bytes(model.getvalue())
    spm = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    words = list(corpus(draw))
    texts = TEXTS + draw.sample(words, 20) + ["".join(draw.choices("ahelotw  \n", k=60)) for _ in range(20)]
    encode = [{"text": text, "tokens": spm.encode(text), "read": spm.decode(spm.encode(text))} for text in texts]
    decode = [[draw.randint(1, 300 if draw.random() < 0.5 else SIZE - 1) for _ in range(12)] for _ in range(40)]
    decode = [{"tokens": tokens, "read": spm.decode(tokens)} for tokens in decode]
    lines = lambda cases: ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    made_by = f'"sentencepiece": "{sentencepiece.__version__}", "bos": {spm.bos_id()}'
    golden = f'{{{made_by},\n"encode": [\n{lines(encode)}\n],\n"decode": [\n{lines(decode)}\n]}}\n'
    json.loads(golden)
    (OUT / "tokens.json").write_text(golden)


if __name__ == "__main__":
    main()
