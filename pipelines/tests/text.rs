//! Transcripts that are read together are read as if each were alone.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::Path;

use affekt_core::FeatureKind;
use affekt_pipelines::features::text::{Encoder, Text};
use affekt_pipelines::networks::Encoders;
use affekt_pipelines::recipe::Recipes;
use affekt_weights::Bundle;
use candle_core::Device;

fn encoder() -> Encoder {
    let bundle = Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny")).unwrap();
    let recipes = Recipes::of(&bundle).unwrap();
    Encoders::load(&bundle, &recipes, &[FeatureKind::Text], &Device::Cpu).unwrap().words.unwrap()
}

fn bits(text: &Text) -> Vec<u32> {
    let numbers = text.feature.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    numbers.into_iter().map(f32::to_bits).collect()
}

#[track_caller]
fn together_as_alone(encoder: &Encoder, texts: &[&str]) {
    let together = encoder.encode_batch(texts);
    assert_eq!(together.len(), texts.len());
    for (text, together) in texts.iter().zip(together) {
        let (alone, together) = (encoder.encode(text).unwrap(), together.unwrap());
        let head: String = text.chars().take(60).collect();
        assert_eq!((together.tokens, together.cut), (alone.tokens, alone.cut), "{head:?}");
        assert_eq!(together.feature.dims(), [together.tokens + 1, encoder.width()], "{head:?}");
        assert!(bits(&together) == bits(&alone), "{head:?} among {} others", texts.len() - 1);
    }
}

#[test]
fn texts_of_all_lengths() {
    let encoder = encoder();
    // A pass takes 256 rows: some fill it, some are longer, one is longer than the context.
    let (pass, long, endless) = ("word ".repeat(60), "long words ".repeat(300), "no end ".repeat(2_000));
    together_as_alone(&encoder, &[]);
    together_as_alone(&encoder, &[""]);
    together_as_alone(&encoder, &["", "", "I really love it.", ""]);
    together_as_alone(&encoder, &["Yes.", &long, "", &pass, &pass, "no", &endless, "again"]);
    together_as_alone(&encoder, &[&endless, &long]);
    assert!(encoder.encode(&long).unwrap().tokens > 256);
    assert!(encoder.encode(&endless).unwrap().cut.is_some());
}

#[test]
fn any_batch() {
    let encoder = encoder();
    let words =
        ["I", "really", "love", "this", "film", ",", "über", "日本", "🙂", "\n", "don't", "2,000", " "];
    let run = arbtest::arbtest(|random| {
        let mut texts = Vec::new();
        for _ in 0..random.int_in_range(1..=9)? {
            let count = random.int_in_range(0..=80)?;
            let text = (0..count).map(|_| random.choose(&words).copied());
            texts.push(text.collect::<Result<Vec<_>, _>>()?.join(" "));
        }
        together_as_alone(&encoder, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        Ok(())
    });
    run.budget_ms(1_500).run();
}
