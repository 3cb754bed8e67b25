//! SentencePiece's tokens, exactly. `golden.py` makes the small vocabularies; the real one is used where it is present.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use affekt_core::{Digest, Explain};
use affekt_pipelines::tokenizer::{Mismatch, Promised, Tokenizer};
use affekt_testkit::realdata;
use serde_json::Value;

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

fn read(bytes: &[u8]) -> Result<Tokenizer, String> {
    Tokenizer::from_bytes("llama", "tokenizer.model", bytes, 1).map_err(|error| error.to_string())
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&golden(name)).unwrap()
}

fn read_json(file: &Value, bos: u32) -> Result<Tokenizer, String> {
    let bytes = serde_json::to_vec(file).unwrap();
    Tokenizer::from_bytes("llama", "tokenizer.json", &bytes, bos).map_err(|error| error.to_string())
}

fn ids(tokens: &Value) -> Vec<u32> {
    tokens.as_array().unwrap().iter().map(|token| token.as_u64().unwrap() as u32).collect()
}

#[test]
fn tokens_and_readings_are_sentencepieces() {
    let tokenizer = read(&golden("tokenizer.model")).unwrap();
    let golden = json("tokens.json");
    let bos = golden["bos"].as_u64().unwrap() as u32;
    let cases = golden["encode"].as_array().unwrap();
    assert!(cases.len() > 60);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let tokens = tokenizer.with_bos(text).unwrap();
        assert_eq!((tokens[0], &tokens[1..]), (bos, ids(&case["tokens"]).as_slice()), "{text:?}");
        assert_eq!(tokenizer.decode(&tokens).unwrap(), case["read"].as_str().unwrap(), "{text:?}");
    }
    for case in golden["decode"].as_array().unwrap() {
        assert_eq!(
            tokenizer.decode(&ids(&case["tokens"])).unwrap(),
            case["read"].as_str().unwrap(),
            "{case}"
        );
    }
    assert_eq!(tokenizer.decode(&[0, 1, 2, 4_000_000]).unwrap(), "");
}

#[test]
fn tokenizer_json_gives_the_same_tokens() {
    let golden = json("tokens.json");
    for name in ["tokenizer.prepend.json", "tokenizer.metaspace.json"] {
        let tokenizer = read_json(&json(name), 7).unwrap();
        for case in golden["encode"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            // The library takes special tokens that are spelled out for what they spell, and Metaspace puts no space
            // before one.
            if text.contains('<') || name.contains("metaspace") && text.starts_with([' ', '▁']) {
                continue;
            }
            let tokens = tokenizer.with_bos(text).unwrap();
            assert_eq!((tokens[0], &tokens[1..]), (1, ids(&case["tokens"]).as_slice()), "{name} {text:?}");
            assert_eq!(tokenizer.decode(&tokens).unwrap(), case["read"].as_str().unwrap(), "{name} {text:?}");
        }
        assert_eq!(tokenizer.decode(&[0, 1, 2, 700, 4_000_000]).unwrap(), "");
    }
}

#[test]
fn pieces_of_bytes_begin_with_a_token_of_another_name() {
    let (file, golden) = (json("tokenizer.bytes.json"), json("tokens.bytes.json"));
    assert!(
        file["truncation"].is_object() && file["padding"].is_object(),
        "the file wants to cut and to fill"
    );
    let bos = golden["bos"].as_u64().unwrap() as u32;
    let tokenizer = read_json(&file, 7).unwrap();
    for case in golden["encode"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let tokens = tokenizer.with_bos(text).unwrap();
        assert_eq!((tokens[0], &tokens[1..]), (bos, ids(&case["tokens"]).as_slice()), "{text:?}");
        assert_eq!(tokenizer.decode(&tokens).unwrap(), case["read"].as_str().unwrap(), "{text:?}");
    }
    // Under a name that no one knows it is found by the configuration's number.
    let unknown = file.to_string().replace("<|begin_of_text|>", "<|startoftext|>");
    let unknown: Value = serde_json::from_str(&unknown).unwrap();
    assert_eq!(read_json(&unknown, bos).unwrap().with_bos("").unwrap(), [bos]);
    let refusal = read_json(&unknown, 5000).err().unwrap();
    assert!(refusal.contains("<|begin_of_text|> nor a token 5000"), "{refusal}");
}

#[test]
fn a_tokenizer_of_another_network_is_named() {
    let promised = Promised { file: "config.json".into(), vocabulary: 700, bos: 1, eos: vec![2] };
    let change = |change: fn(&mut Promised)| {
        let mut promised = promised.clone();
        change(&mut promised);
        promised
    };
    let model = read(&golden("tokenizer.model")).unwrap();
    let library = read_json(&json("tokenizer.prepend.json"), 1).unwrap();
    for (tokenizer, file) in [(model, "tokenizer.model"), (library, "tokenizer.json")] {
        for fits in [promised.clone(), change(|it| it.vocabulary = 1024), change(|it| it.eos = vec![2, 0])] {
            tokenizer.check(&fits).unwrap();
        }
        for (wrong, parts) in [
            (change(|it| it.vocabulary = 699), ["tokens up to 699", "up to 698"]),
            (change(|it| it.vocabulary = 32_000), ["700 tokens", "32000"]),
            (change(|it| it.bos = 0), ["with token 1", "with 0"]),
            (change(|it| it.eos = vec![2, 1]), ["ends with token 1", "begins one"]),
            (change(|it| it.eos = vec![300]), ["ends with token 300", "stands for text"]),
            (change(|it| it.eos = vec![700]), ["ends with token 700", "is no token"]),
        ] {
            let error: Mismatch = tokenizer.check(&wrong).unwrap_err();
            let message = error.to_string();
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
            assert!(message.contains(file) && message.contains("config.json"), "{message}");
            assert!(error.hint().unwrap().contains("published with these weights"), "{error:?}");
        }
    }
    // One token may begin and end where the file has no name for the beginning.
    let unknown = json("tokenizer.bytes.json").to_string().replace("<|begin_of_text|>", "<|endoftext|>");
    let bos = json("tokens.bytes.json")["bos"].as_u64().unwrap() as u32;
    let tokenizer = read_json(&serde_json::from_str(&unknown).unwrap(), bos).unwrap();
    tokenizer.check(&Promised { vocabulary: 512, bos, eos: vec![bos], ..promised }).unwrap();
}

/// A `.model` file of `pieces` (text and kind) with settings like Llama's, but for `trainer` and `normaliser`.
fn model(pieces: &[(&str, u8)], trainer: &[u8], normaliser: &[u8]) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
    let piece =
        |(text, kind): &(&str, u8)| field(1, &[&field(1, text.as_bytes())[..], &[0x18, *kind]].concat());
    let pieces: Vec<u8> = pieces.iter().flat_map(piece).collect();
    let trainer = field(2, &[&[0x18, 2], trainer].concat());
    let normaliser = field(3, &[&[0x20, 0], normaliser].concat());
    [pieces, trainer, normaliser].concat()
}

#[test]
fn vocabularies_of_another_kind_are_refused_by_name() {
    let bytes: Vec<String> = (0..=255).map(|byte: u8| format!("<0x{byte:02X}>")).collect();
    let bytes: Vec<(&str, u8)> = bytes.iter().map(|text| (text.as_str(), 6)).collect();
    let with =
        |pieces: &[(&str, u8)]| model(&[&bytes[..], &[("<s>", 3), ("a", 1)], pieces].concat(), &[], &[]);
    assert_eq!(read(&with(&[])).unwrap().with_bos("b a").unwrap()[..2], [256, 0xe2]);
    let whole = [&bytes[..], &[("<s>", 3)]].concat();
    for (file, part) in [
        (model(&whole, &[0x18, 1], &[]), "another type than BPE"),
        (model(&whole, &[0xc0, 1, 1], &[]), "rewrites the text"),
        (model(&whole, &[], &[0x12, 1, 7]), "rewrites the text"),
        (model(&whole, &[], &[0x20, 1]), "rewrites the text"),
        (model(&bytes, &[], &[]), "no piece \"<s>\" to begin a text"),
        (model(&whole[1..], &[], &[]), "no piece <0x00>"),
        (with(&[("a", 1)]), "pieces 257 and 258 are both \"a\""),
        (with(&[("", 1)]), "piece 258 (\"\") is empty"),
        (with(&[("b", 4)]), "defined by hand"),
        (with(&[("b", 5)]), "unused"),
        (with(&[("<0x+F>", 6)]), "should be a byte"),
        (with(&[("b", 9)]), "a kind that SentencePiece does not have"),
        (with(&[("<0x0A>", 1)]), "pieces 10 and 258 are both \"<0x0A>\""),
        (with(&[("ab", 1)]), "the piece \"ab\" and none for 'b'"),
        (with(&[("b", 1), ("ab", 1), ("ba", 1)]), "\"ab\" and \"ba\" have the same score"),
        (with(&[("b", 1), ("aa", 1), ("bb", 1)]), "\"aa\" and \"bb\" have the same score"),
        (b"<html>".to_vec(), "no SentencePiece model (at byte"),
        (b"{}".to_vec(), "tokenizer.model: "),
        (b"".to_vec(), "another type than BPE"),
    ] {
        let refusal = read(&file).err().unwrap();
        assert!(refusal.contains(part), "{refusal} should say: {part}");
    }
}

#[test]
fn damaged_vocabularies_are_errors_or_work() {
    let whole = golden("tokenizer.model");
    let mut state = 3u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..2_000 {
        let mut damaged = whole[..whole.len() - random(2) * random(whole.len())].to_vec();
        for _ in 0..random(4) {
            let at = random(damaged.len());
            damaged[at] = random(256) as u8;
        }
        if let Ok(tokenizer) = read(&damaged) {
            let tokens = tokenizer.with_bos("the film was  not bad ü 🦙").unwrap();
            tokenizer.decode(&tokens).unwrap();
        }
    }
}

#[test]
fn a_long_text_takes_no_quadratic_time() {
    let tokenizer = read(&golden("tokenizer.model")).unwrap();
    for text in ["aaaa".repeat(50_000), "the film was not bad ".repeat(10_000), " ".repeat(200_000)] {
        let begun = Instant::now();
        let tokens = tokenizer.with_bos(&text).unwrap();
        assert_eq!(tokenizer.decode(&tokens).unwrap(), text);
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }
}

/// The real vocabulary; `None` where this machine has none.
fn llama() -> Option<(PathBuf, Tokenizer)> {
    let models = realdata::files("tokenizer", &["model"])?;
    let path = models.into_iter().find(|path| path.ends_with("llama2_tokenizer.model"))?;
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(Digest::of(&bytes).to_string(), json("tokens.llama.json")["model"].as_str().unwrap());
    let begun = Instant::now();
    let tokenizer = read(&bytes).unwrap();
    assert!(begun.elapsed().as_secs() < 2, "32000 pieces in {:?}", begun.elapsed());
    Some((path, tokenizer))
}

#[test]
fn llamas_vocabulary_passes_the_vectors_of_llama_cpp() {
    let Some((path, tokenizer)) = llama() else { return };
    let vectors = path.with_file_name("ggml-vocab-llama-spm.gguf.inp");
    let texts = std::fs::read_to_string(&vectors).unwrap();
    let texts: Vec<&str> = texts.split("\n__ggml_vocab_test__\n").collect();
    let wanted = std::fs::read_to_string(vectors.with_extension("out")).unwrap();
    let wanted: Vec<&str> = wanted.split('\n').collect();
    // The last one is the empty text.
    assert_eq!((texts.len(), wanted.len()), (47, 47));
    for (text, wanted) in texts.iter().zip(wanted) {
        let wanted: Vec<u32> = wanted.split_whitespace().map(|id| id.parse().unwrap()).collect();
        let tokens = tokenizer.with_bos(text).unwrap();
        assert_eq!((tokens[0], &tokens[1..]), (1, wanted.as_slice()), "{text:?}");
        assert_eq!(tokenizer.decode(&tokens).unwrap(), *text);
    }
    for case in json("tokens.llama.json")["encode"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        assert_eq!(tokenizer.with_bos(text).unwrap()[1..], ids(&case["tokens"]), "{text:?}");
    }
}

#[test]
fn every_transcript_gives_sentencepieces_tokens() {
    let Some((_, tokenizer)) = llama() else { return };
    let index = realdata::root().unwrap().join("mosei_labels/mosei_index.tsv");
    let index = std::fs::read_to_string(index).unwrap();
    let mut all = String::new();
    let mut transcripts = 0;
    for row in index.lines().skip(1) {
        let text = row.rsplit('\t').next().unwrap();
        let tokens = tokenizer.with_bos(text).unwrap();
        all.push_str(&tokens[1..].iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
        all.push('\n');
        transcripts += 1;
    }
    let golden = json("tokens.llama.json");
    assert_eq!(transcripts, golden["transcripts"].as_u64().unwrap());
    assert_eq!(Digest::of(all.as_bytes()).to_string(), golden["tokens"].as_str().unwrap());
}
