"""Word and character error rates as jiwer counts them.

Command:    python golden.py        (rewrites golden/ beside this file, the same bytes every time)
Versions:   jiwer 4.0.0
Seed:       5 for the edits of sentences
Tolerance:  errors are equal, rates within 1e-12

Files:
  error_rate.json      `cases`: transcript, hypothesis, errors and rates. jiwer is told to fold the case and to take
                       hyphens for spaces and punctuation for nothing, which is this project's rule for these texts. Of a
                       script without spaces it is given the characters apart for words, and together for characters.
"""

import json
import random
from pathlib import Path

import jiwer

OUT = Path(__file__).parent / "golden"

PLAIN = jiwer.Compose([
    jiwer.SubstituteRegexes({r"[-–—/]": " "}), jiwer.ToLowerCase(), jiwer.RemovePunctuation(),
    jiwer.RemoveMultipleSpaces(), jiwer.Strip(),
])
WORDS = jiwer.Compose([PLAIN, jiwer.ReduceToListOfListOfWords()])
CHARS = jiwer.Compose([PLAIN, jiwer.ReduceToListOfListOfChars()])

PAIRS = [
    ("the cat sat on the mat", "the cat sat on the mat"),
    ("the cat sat on the mat", "the cat sit on mat"),
    ("the cat sat on the mat", ""),
    ("yes", "yes it is and it always was and it will be"),
    ("no", "okay okay okay okay okay okay okay okay"),
    ("a b c d e", "e d c b a"),
    ("I really loved it, every minute.", "i loved at every single minute"),
    ("Don't STOP!", "dont stop"),
    ("It’s a well-known, long-term problem", "its a well known long term problem"),
    ("Über die Brücke läuft ein Bär", "uber die brücke läuft der bär"),
    ("Сегодня хорошая погода", "сегодня плохая погода"),
    ("Ο καιρός είναι καλός σήμερα", "ο καιρός δεν είναι καλός"),
    ("오늘 날씨가 좋네요", "오늘은 날씨가 좋아요"),
    ("what a film", "what a film what a film what a film"),
    ("one two three four five six seven eight nine ten", "two three four five six seven eight nine ten eleven"),
    ("x", "y"),
    ("internationalization", "international ization"),
]
UNSPACED = [("我很高兴见到你", "我不高兴见你们"), ("これは良い映画です", "これはよい映画だ")]
VOCABULARY = "the a film was not good bad really it i we they loved hated watched again every minute of story café naïve".split()


def edited(draw):
    """A sentence, and what is left of it after a number of edits."""
    said = [draw.choice(VOCABULARY) for _ in range(draw.randint(1, 30))]
    heard = list(said)
    for _ in range(draw.randint(0, 20)):
        at = draw.randrange(len(heard) + 1)
        action = draw.random()
        if action < 0.4 or not heard:
            heard.insert(at, draw.choice(VOCABULARY))
        elif action < 0.7:
            heard.pop(min(at, len(heard) - 1))
        else:
            heard[min(at, len(heard) - 1)] = draw.choice(VOCABULARY)
    return " ".join(said), " ".join(heard)


def case(transcript, hypothesis, apart=lambda text: text):
    words = jiwer.process_words(apart(transcript), apart(hypothesis), WORDS, WORDS)
    chars = jiwer.process_characters(transcript, hypothesis, CHARS, CHARS)
    errors = lambda found: found.substitutions + found.deletions + found.insertions
    count = lambda found: found.substitutions + found.deletions + found.hits
    return {
        "transcript": transcript, "hypothesis": hypothesis,
        "wer": words.wer, "word_errors": errors(words), "words": count(words),
        "cer": chars.cer, "char_errors": errors(chars), "chars": count(chars),
    }


def main():
    draw = random.Random(5)
    cases = [case(*pair) for pair in PAIRS]
    cases += [case(*pair, apart=" ".join) for pair in UNSPACED]
    cases += [case(*edited(draw)) for _ in range(60)]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    OUT.mkdir(exist_ok=True)
    (OUT / "error_rate.json").write_text(f'{{"jiwer": "4.0.0",\n"cases": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
