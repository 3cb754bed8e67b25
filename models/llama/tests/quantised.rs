//! What quantisation costs: hidden states, real text and generation in Q8_0, Q4_K and the mix of Q4_K_M, against the same
//! drawn weights in f32. For the table of the book:
//! `cargo test -p affekt-llama --test quantised -- --ignored --nocapture`.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]
#![expect(clippy::print_stdout, reason = "the table of the book")]

use std::fs::File;
use std::path::Path;

use affekt_generate::{Settings, beam_search};
use affekt_llama::Llama;
use affekt_testkit::noise;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

/// Layers, width, inner width, heads, vocabulary.
type Sizes = (usize, usize, usize, usize, usize);

/// Normal weights whose products keep the size of what they multiply, as trained ones roughly do.
fn drawn((layers, width, inner, _, vocab): Sizes) -> Vec<(String, Tensor)> {
    let matrix = |outputs: usize, inputs: usize| noise(0.0, (inputs as f32).powf(-0.5), (outputs, inputs));
    let norm = || noise(1.0, 0.2, width);
    let mut tensors = vec![("token_embd".to_owned(), noise(0.0, 0.3, (vocab, width)))];
    for at in 0..layers {
        let mut add = |name: &str, tensor| tensors.push((format!("blk.{at}.{name}"), tensor));
        ["attn_q", "attn_k", "attn_v", "attn_output"]
            .into_iter()
            .for_each(|name| add(name, matrix(width, width)));
        ["ffn_gate", "ffn_up"].into_iter().for_each(|name| add(name, matrix(inner, width)));
        add("ffn_down", matrix(width, inner));
        ["attn_norm", "ffn_norm"].into_iter().for_each(|name| add(name, norm()));
    }
    tensors.extend([("output_norm".to_owned(), norm()), ("output".to_owned(), matrix(vocab, width))]);
    tensors
}

/// The formats, as functions of a tensor's name. In the mix, llama.cpp stores these in Q6_K, the values and the downward
/// projections of half of the layers; here those of all even ones.
fn format(name: &str, kind: &str) -> GgmlDType {
    let even = name.split('.').nth(1).is_some_and(|at| at.parse::<usize>().unwrap() % 2 == 0);
    let better = name == "output" || even && (name.ends_with("attn_v") || name.ends_with("ffn_down"));
    match kind {
        _ if name.ends_with("norm") => GgmlDType::F32,
        "F32" => GgmlDType::F32,
        "Q8_0" => GgmlDType::Q8_0,
        "Q4_K_M" if better => GgmlDType::Q6K,
        _ => GgmlDType::Q4K,
    }
}

fn loaded(path: &Path, sizes: Sizes, tensors: &[(String, Tensor)], kind: &str) -> Llama {
    let stored: Vec<(String, QTensor)> = tensors
        .iter()
        .map(|(name, tensor)| {
            (format!("{name}.weight"), QTensor::quantize(tensor, format(name, kind)).unwrap())
        })
        .collect();
    let number = |value: usize| Value::U32(value as u32);
    let metadata = [
        ("general.architecture", Value::String("llama".into())),
        ("llama.block_count", number(sizes.0)),
        ("llama.embedding_length", number(sizes.1)),
        ("llama.feed_forward_length", number(sizes.2)),
        ("llama.attention.head_count", number(sizes.3)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("tokenizer.ggml.bos_token_id", number(1)),
        ("tokenizer.ggml.eos_token_id", number(2)),
    ];
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let stored: Vec<_> = stored.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    gguf_file::write(&mut File::create(path).unwrap(), &metadata, &stored).unwrap();
    Llama::load_gguf(path, &Device::Cpu).unwrap().0
}

/// Root mean square of the difference over that of `want`.
fn error(got: &Tensor, want: &Tensor) -> f32 {
    let square = |x: &Tensor| x.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
    (square(&(got - want).unwrap()) / square(want)).sqrt()
}

/// What a model makes of a text of 64 tokens: all states and the logits; the words' rows; the tokens that it goes on with.
fn outputs(model: &Llama, sizes: Sizes) -> (Vec<Tensor>, Tensor, Vec<u32>) {
    let ids: Vec<u32> = (0..64).map(|at| 3 + (at * at * 31 + at) % (sizes.4 as u32 - 3)).collect();
    let embeds =
        model.embed(&Tensor::new(ids.as_slice(), &Device::Cpu).unwrap().unsqueeze(0).unwrap()).unwrap();
    let output = model.forward(&embeds, None).unwrap();
    let states = output.hidden_states.into_iter().chain([output.logits]).collect();
    let entries = model.hidden_entries();
    let (words, _) =
        model.hidden_sum(&embeds, None, None, &(entries.saturating_sub(4)..=entries - 1)).unwrap();
    let settings = Settings { max_new_tokens: 24, layers: "-1".parse().unwrap(), ..Settings::default() };
    let found = beam_search(model, &embeds, &settings).unwrap();
    assert_eq!(found.hidden_best.dims(), [found.tokens.len() - 1, sizes.1]);
    (states, words, found.tokens)
}

/// Prints a table, and gives the errors of the words' rows.
fn table(sizes: Sizes) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let tensors = drawn(sizes);
    let of = |kind: &str| {
        let path = folder.path().join(kind);
        let outputs = outputs(&loaded(&path, sizes, &tensors, kind), sizes);
        std::fs::remove_file(path).unwrap();
        outputs
    };
    let (want, want_words, want_tokens) = of("F32");
    let last = want.len() - 2;
    println!(
        "| {} layers of {} | first layer | entry -4 | last hidden | logits | rows of words | tokens alike |",
        sizes.0, sizes.1
    );
    println!("|---|---|---|---|---|---|---|");
    let row = |kind| {
        let (got, words, tokens) = of(kind);
        let at = |entry: usize| format!("{:.1e}", error(&got[entry], &want[entry]));
        let alike = tokens.iter().zip(&want_tokens).take_while(|(got, want)| got == want).count();
        let fourth = if last >= 4 { at(last - 3) } else { "-".to_owned() };
        let error = error(&words, &want_words);
        let (first, hidden, logits) = (at(1), at(last), at(last + 1));
        println!(
            "| {kind} | {first} | {fourth} | {hidden} | {logits} | {error:.1e} | {alike} of {} |",
            want_tokens.len()
        );
        error
    };
    ["Q8_0", "Q4_K_M", "Q4_K"].map(row).into()
}

#[test]
fn quantised_weights_stay_near_and_both_texts_can_be_made() {
    let errors = table((4, 256, 512, 4, 300));
    assert!(errors[0] < 0.02, "{errors:?}");
    assert!(errors[1] > errors[0] && errors[1] < errors[2] && errors[2] < 0.3, "{errors:?}");
}

#[test]
#[ignore = "100 M parameters, and a layer of a 7B model"]
fn errors_at_larger_sizes() {
    table((12, 768, 2048, 12, 32_000));
    table((1, 4096, 11_008, 32, 1000));
}
