"""Vocabularies like Llama's and Llama 3's, small ones, and what SentencePiece and `tokenizers` make of texts with them; and
what SentencePiece makes of all transcripts with the real vocabulary.

Command:    python golden.py [REALDATA]        (rewrites golden/ beside this file, the same bytes every time)
            REALDATA is the folder of the tests' real data; without it tokens.llama.json stays as it is
Versions:   sentencepiece 0.2.3, tokenizers 0.23.3
Seed:       11 for the words of the training text and for the random tokens, 12 for the random texts
Tolerance:  none: tokens and texts are equal

Files:
  tokenizer.model            BPE, bytes for unknown characters, text as it is, pieces of spaces only: Llama's settings
  tokens.json                `encode`: texts, their tokens and what these read as; `decode`: random tokens and what they
                             read as
  tokenizer.prepend.json     the same pieces as transformers writes a Llama-2 tokenizer.json: a normaliser puts the space
  tokenizer.metaspace.json   and as it writes one that is not `legacy`: a pre-tokenizer puts it
  tokenizer.bytes.json       pieces of bytes as Llama 3 has, saved with a truncation; special tokens after all others
  tokens.bytes.json          `encode` of it
  tokens.llama.json          digests of the real vocabulary, and of the tokens of the real transcripts (one line each,
                             numbers between spaces); `encode`: random texts
"""

import hashlib
import io
import json
import random
import sys
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

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


def library(spm, legacy):
    """The pieces as a tokenizer.json, with merges derived from scores as transformers derives them."""
    pieces = {spm.id_to_piece(at): at for at in range(spm.vocab_size())}
    special = [at for at in range(spm.vocab_size()) if spm.is_control(at) or spm.is_unknown(at)]
    ways = []
    for piece, at in pieces.items():
        if at in special or spm.is_byte(at):
            continue
        cuts = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        known = [(pieces[left], pieces[right], left, right) for left, right in cuts if left in pieces and right in pieces]
        ways += [(-spm.get_score(at), *way) for way in sorted(known)]
    merges = [(left, right) for *_, left, right in sorted(ways, key=lambda way: way[0])]
    made = Tokenizer(models.BPE(pieces, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if legacy:
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        made.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always", split=False)
    stripped = decoders.Strip(" ", 1, 0)
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), stripped])
    made.add_special_tokens([AddedToken(spm.id_to_piece(at), normalized=False, special=True) for at in special])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", spm.bos_id())])
    return made


def bytes_like_llama_3(draw):
    made = Tokenizer(models.BPE(ignore_merges=True))
    split = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        corpus(draw), trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    )
    made.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"])
    begin = made.token_to_id("<|begin_of_text|>")
    made.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)]
    )
    return made


def random_texts(draw, pieces):
    """Characters of many scripts, pieces in a row, runs, and few letters that overlap in many ways."""
    ranges = [(32, 127), (32, 127), (0xA0, 0x600), (0x3000, 0xD7FF), (0x1F300, 0x1FAFF), (0, 32)]
    for _ in range(40):
        yield "".join(chr(draw.randrange(*draw.choice(ranges))) for _ in range(draw.randint(1, 50)))
        yield "".join(draw.choice(pieces).replace("▁", " ") for _ in range(draw.randint(1, 15)))
        yield "".join(draw.choice("ab -.=*/0\n") * draw.randint(1, 40) for _ in range(draw.randint(1, 5)))
        yield draw.choice(pieces) + draw.choice(pieces).replace("▁", " ")[:4] * draw.randint(2, 12)


def written(name, facts, **cases):
    lines = lambda cases: ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    lists = "".join(f',\n"{key}": [\n{lines(value)}\n]' for key, value in cases.items())
    golden = json.dumps(facts)[:-1] + lists + "}\n"
    json.loads(golden)
    (OUT / name).write_text(golden)


def real(folder):
    model = (folder / "tokenizer/llama2_tokenizer.model").read_bytes()
    spm = sentencepiece.SentencePieceProcessor(model_proto=model)
    rows = (folder / "mosei_labels/mosei_index.tsv").read_text().removesuffix("\n").split("\n")[1:]
    ids = "".join(" ".join(map(str, spm.encode(row.split("\t")[-1]))) + "\n" for row in rows)
    texts = list(random_texts(random.Random(12), [spm.id_to_piece(at) for at in range(259, spm.vocab_size())]))
    digest = lambda data: hashlib.sha256(data).hexdigest()
    facts = {"model": digest(model), "transcripts": len(rows), "tokens": digest(ids.encode())}
    written("tokens.llama.json", facts, encode=[{"text": text, "tokens": spm.encode(text)} for text in texts])


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
    written(
        "tokens.json", {"sentencepiece": sentencepiece.__version__, "bos": spm.bos_id()}, encode=encode, decode=decode
    )
    for name, legacy in [("prepend", True), ("metaspace", False)]:
        (OUT / f"tokenizer.{name}.json").write_text(library(spm, legacy).to_str())
    made = bytes_like_llama_3(random.Random(11))
    encode = [made.encode(text, add_special_tokens=False).ids for text in texts]
    encode = [{"text": text, "tokens": ids, "read": made.decode(ids)} for text, ids in zip(texts, encode)]
    written("tokens.bytes.json", {"bos": made.token_to_id("<|begin_of_text|>")}, encode=encode)
    made.enable_truncation(5)
    made.enable_padding(length=8)
    (OUT / "tokenizer.bytes.json").write_text(made.to_str())
    if len(sys.argv) > 1:
        real(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
