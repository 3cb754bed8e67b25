use std::time::Duration;

use affekt_core::Seconds;

use super::super::words::words;
use super::Transcript;

fn divide(text: &str, speech: &[f64]) -> Vec<Option<String>> {
    let speech: Vec<Seconds> = speech.iter().copied().map(Seconds).collect();
    Transcript::divide(text, &speech)
}

/// Divided, with a bar at each border.
fn bars(text: &str, speech: &[f64]) -> String {
    divide(text, speech).into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|")
}

#[test]
fn words_follow_the_speech() {
    let ten = "a b c d e f g h i j";
    assert_eq!(bars(ten, &[5.0, 5.0]), "a b c d e|f g h i j");
    assert_eq!(bars(ten, &[2.0, 0.0, 8.0, 0.0]), "a b||c d e f g h i j|");
    assert_eq!(bars(ten, &[0.0, 0.0]), "a b c d e|f g h i j");
    assert_eq!(bars(ten, &[f64::NAN, -3.0, 1.0, f64::INFINITY]), "||a b c d e f g h i j|");
    assert_eq!(bars(ten, &[7.0]), ten);
    assert_eq!(bars("a b", &[1.0, 1.0, 1.0, 1.0]), "a||b|");
    assert_eq!(divide("", &[1.0, 2.0]), [None, None]);
    assert_eq!(divide(ten, &[]), []);
}

#[test]
fn borders_lie_at_ends_of_sentences_near_by() {
    let text = "I like it. It was a good film, and long. The end.";
    assert_eq!(bars(text, &[1.0, 1.0]), "I like it.|It was a good film, and long. The end.");
    assert_eq!(bars(text, &[3.0, 1.0]), "I like it. It was a good film, and long.|The end.");
    // Too far away.
    assert_eq!(bars("one. b c d e f g h i j k l", &[1.0, 1.0]), "one. b c d e f|g h i j k l");
    // No window loses its last word to a sentence.
    assert_eq!(bars("a. b c. d", &[1.0, 1.0, 1.0, 1.0]), "a.|b|c.|d");
    assert_eq!(bars("वह आया। \"क्या?\" मैं गया।", &[2.0, 3.0]), "वह आया।|\"क्या?\" मैं गया।");
}

#[test]
fn scripts_without_spaces_are_divided_by_characters() {
    assert_eq!(bars("今天天气很好。我很高兴。", &[1.0, 1.0]), "今天天气很好。|我很高兴。");
    assert_eq!(bars("我用iPhone手机看", &[1.0, 1.0]), "我用iPhone|手机看");
    assert_eq!(bars("「はい」とキャットは言った", &[1.0, 3.0]), "「はい」|とキャットは言った");
    // Vowels and tones above, before and behind a consonant stay with it.
    for text in ["วันนี้ฉันมีความสุขมาก", "เก้าอี้ไม้และน้ำ", "ខ្ញុំសប្បាយចិត្ត", "ကျွန်တော်ပျော်တယ်မန္တလေး"]
    {
        for word in words(text) {
            assert!(
                !text[word.clone()].ends_with(['\u{0e40}', '\u{0e41}', '\u{17d2}', '\u{1039}']),
                "{text}"
            );
            let first = text[word].chars().next().unwrap();
            assert!(!matches!(first, '\u{0e2f}'..='\u{0e3a}' | '\u{0e45}'..='\u{0e4e}'), "{text}: {first:?}");
            assert!(!matches!(first, '\u{17b4}'..='\u{17d3}' | '\u{102b}'..='\u{103e}'), "{text}: {first:?}");
        }
    }
    // With spaces, a word is a word, whatever its marks.
    assert_eq!(words("मैं खुश हूँ 행복해요 cafe\u{301}").len(), 5);
}

#[test]
fn every_word_comes_once_and_in_order() {
    let texts = [
        "I like it. It was a good film, and long. The end. ".repeat(40),
        "今天天气很好。我很高兴，iPhone 也好！".repeat(20),
        "วันนี้ฉันมีความสุขมาก ".repeat(20),
    ];
    let run = arbtest::arbtest(|random| {
        let text = random.choose(&texts)?;
        let speech: Vec<f64> = (0..random.int_in_range(1..=30)?)
            .map(|_| Ok(f64::from(random.int_in_range(0..=200u8)?.saturating_sub(50))))
            .collect::<Result<_, arbtest::arbitrary::Error>>()?;
        let parts = divide(text, &speech);
        assert_eq!(parts.len(), speech.len());
        let joined: String = parts.iter().flatten().map(String::as_str).collect();
        let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
        assert_eq!(letters(&joined), letters(text));
        let total: usize = parts.iter().flatten().map(|part| words(part).len()).sum();
        assert_eq!(total, words(text).len());
        let spoken: f64 = speech.iter().sum();
        for (part, speech) in parts.iter().zip(&speech).filter(|_| spoken > 0.0) {
            let count = part.as_ref().map_or(0, |part| words(part).len()) as f64;
            // Rounding moves each of the two borders by half a word, sentences by three more.
            assert!((count - speech / spoken * total as f64).abs() <= 7.0);
            assert!(*speech > 0.0 || count == 0.0);
        }
        Ok(())
    });
    run.budget(Duration::from_millis(500)).run();
}
