//! Sentences and the valence of their words.
//!
//! A sentence is a clause that judges or tells, or two of them. What its words say follows from rules that a bag of words
//! cannot hold: `not` turns a judgement and weakens it, an intensifier multiplies, of two clauses around `but` the second
//! counts most, and what was only hoped for counts against.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::draw::{chance, pick};
use crate::lexicon::{
    ADJECTIVES, COMPANIES, DOMAINS, Domain, EFFECTS, EXCESSES, INTENSIFIERS, NUMBERS, OPENERS, PEOPLE, TIMES,
    VERBS, VERDICTS, Valued,
};

/// Words and what they say, from -3 to 3.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// As one writes it.
    pub text: String,
    /// Valence of the words alone.
    pub valence: f64,
}

impl Said {
    fn new(text: impl Into<String>, valence: f64) -> Self {
        Self { text: text.into(), valence: valence.clamp(-3.0, 3.0) }
    }
}

/// A sentence, with its capital letter and its stop.
pub fn sentence(rng: &mut ChaCha8Rng) -> Said {
    let domain = pick(rng, &DOMAINS);
    let said = match rng.random_range(0..100) {
        0..24 => neutral(rng, domain),
        24..44 => opened(rng, domain),
        44..62 => contrast(rng, domain),
        62..74 => addition(rng, domain),
        74..86 => told_and_judged(rng, domain),
        86..93 => consequence(rng, domain),
        _ => disappointment(rng, domain),
    };
    let stop = if said.valence.abs() > 2.2 && chance(rng, 0.3) { '!' } else { '.' };
    let mut letters = said.text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    Said { text: first.chain(letters).chain([stop]).collect(), valence: said.valence }
}

/// What `not` makes of a judgement: `not good` is bad but less than `bad`, `not bad` is only just good.
fn negated(valence: f64) -> f64 {
    if valence > 0.0 { -0.4 - 0.5 * valence } else { 0.2 - 0.3 * valence }
}

/// A clause that judges.
fn judgement(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    match rng.random_range(0..100) {
        0..48 => described(rng, domain),
        48..70 => felt(rng, domain),
        70..80 => effect(rng),
        80..92 => {
            let (text, valence) = *pick(rng, &VERDICTS);
            Said::new(text, valence)
        }
        _ => again(rng, domain),
    }
}

/// `The soup was not very good`.
fn described(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    let plural = chance(rng, 0.25);
    let subject = pick(rng, if plural { domain.plurals } else { domain.things });
    let verb = match (plural, rng.random_range(0..4)) {
        (false, 0) => "is",
        (true, 0) => "are",
        (_, 1) => "seemed",
        (false, _) => "was",
        (true, _) => "were",
    };
    if chance(rng, 0.12) {
        let (excess, valence) = *pick(rng, &EXCESSES);
        return Said::new(format!("the {subject} {verb} {excess}"), valence);
    }
    let (adjective, valence) = adjective(rng, domain);
    let not = if verb == "seemed" { "never seemed" } else { "not" };
    match rng.random_range(0..100) {
        0..22 => {
            let negation = if verb == "seemed" { not.to_owned() } else { format!("{verb} {not}") };
            Said::new(format!("the {subject} {negation} {adjective}"), negated(valence))
        }
        22..30 if verb != "seemed" => {
            Said::new(format!("the {subject} {verb} not very {adjective}"), 0.8 * negated(valence))
        }
        30..62 => {
            let (intensifier, factor) = *pick(rng, &INTENSIFIERS);
            Said::new(format!("the {subject} {verb} {intensifier} {adjective}"), factor * valence)
        }
        _ => Said::new(format!("the {subject} {verb} {adjective}"), valence),
    }
}

fn adjective(rng: &mut ChaCha8Rng, domain: &Domain) -> Valued {
    if chance(rng, 0.3) { *pick(rng, domain.adjectives) } else { *pick(rng, &ADJECTIVES) }
}

/// `I did not like the ending`.
fn felt(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    let thing = pick(rng, domain.things);
    let (past, base, valence) = *pick(rng, &VERBS);
    match rng.random_range(0..100) {
        0..30 => Said::new(format!("I did not {base} the {thing}"), negated(valence)),
        30..36 => Said::new(format!("I never {past} the {thing}"), negated(valence)),
        36..60 => Said::new(format!("I really {past} the {thing}"), 1.2 * valence),
        60..68 => Said::new(format!("I {past} the {thing} a little"), 0.6 * valence),
        _ => Said::new(format!("I {past} the {thing}"), valence),
    }
}

/// `It made me laugh`.
fn effect(rng: &mut ChaCha8Rng) -> Said {
    let (what, valence) = *pick(rng, &EFFECTS);
    if chance(rng, 0.25) {
        Said::new(format!("it did not make me {what}"), negated(valence))
    } else {
        Said::new(format!("it made me {what}"), valence)
    }
}

/// `I would never eat there again`.
fn again(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    let what = pick(rng, domain.repeats);
    let (how, valence) =
        *pick(rng, &[("would", 1.7), ("would never", -2.1), ("would not", -1.7), ("will surely", 2.0)]);
    Said::new(format!("I {how} {what}"), valence)
}

/// A statement that judges nothing.
fn neutral(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    let (deed, time, company) = (pick(rng, domain.deeds), pick(rng, &TIMES), pick(rng, &COMPANIES));
    let (thing, plural, number) = (pick(rng, domain.things), pick(rng, domain.plurals), pick(rng, &NUMBERS));
    let person = pick(rng, &PEOPLE);
    let text = match rng.random_range(0..7) {
        0 => format!("we {deed} {time}"),
        1 => format!("I {deed} {company} {time}"),
        2 => format!("my {person} told me about the {thing} {time}"),
        3 => format!("there were {number} {plural} {time}"),
        4 => format!("my {person} and I {deed} {company}"),
        5 => format!("the {thing} was {company} for {number} weeks"),
        _ => format!("we talked about the {thing} and the {plural} {time}"),
    };
    Said::new(text, 0.0)
}

/// `I think the film was good`.
fn opened(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    let said = judgement(rng, domain);
    if chance(rng, 0.5) {
        said
    } else {
        Said::new(format!("{} {}", pick(rng, &OPENERS), said.text), said.valence)
    }
}

/// Two clauses that disagree; the one that is asserted counts most.
fn contrast(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    let first = judgement(rng, domain);
    let mut second = judgement(rng, domain);
    while first.valence * second.valence >= 0.0 {
        second = judgement(rng, domain);
    }
    let valence = 0.25 * first.valence + 0.9 * second.valence;
    match rng.random_range(0..3) {
        0 => Said::new(format!("although {}, {}", first.text, second.text), valence),
        1 => Said::new(format!("{}, although {}", second.text, first.text), valence),
        _ => Said::new(format!("{}, but {}", first.text, second.text), valence),
    }
}

/// Two clauses that agree.
fn addition(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    let first = judgement(rng, domain);
    let mut second = judgement(rng, domain);
    while first.valence * second.valence <= 0.0 || first.text == second.text {
        second = judgement(rng, domain);
    }
    let (more, less) =
        if first.valence.abs() > second.valence.abs() { (&first, &second) } else { (&second, &first) };
    Said::new(format!("{} and {}", first.text, second.text), more.valence + 0.3 * less.valence)
}

/// `We saw the film on Monday and it was good`.
fn told_and_judged(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    let told = neutral(rng, domain);
    let judged = judgement(rng, domain);
    Said::new(format!("{} and {}", told.text, judged.text), 0.9 * judged.valence)
}

/// A judgement and the verdict that follows from it.
fn consequence(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    let cause = judgement(rng, domain);
    let mut verdict = again(rng, domain);
    while cause.valence * verdict.valence <= 0.0 {
        verdict = again(rng, domain);
    }
    Said::new(format!("{}, so {}", cause.text, verdict.text), 0.6 * (cause.valence + verdict.valence))
}

/// What was hoped for, and was not so.
fn disappointment(rng: &mut ChaCha8Rng, domain: &Domain) -> Said {
    let thing = pick(rng, domain.things);
    let (hoped, valence) = adjective(rng, domain);
    let turned = if valence > 0.0 { -0.6 - 0.5 * valence } else { 0.4 - 0.5 * valence };
    match rng.random_range(0..3) {
        0 => Said::new(format!("I expected the {thing} to be {hoped}, but it was not"), turned),
        1 => Said::new(format!("they promised a {hoped} {thing}, and it was nothing like that"), turned),
        _ => Said::new(format!("nobody could call the {thing} {hoped}"), turned),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    fn sentences(count: usize) -> Vec<Said> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..count).map(|_| sentence(&mut rng)).collect()
    }

    #[test]
    fn thousands_of_sentences_of_hundreds_of_words() {
        let said = sentences(10_000);
        let distinct: HashSet<&str> = said.iter().map(|said| said.text.as_str()).collect();
        assert!(distinct.len() > 8_000, "{}", distinct.len());
        let words = said.iter().flat_map(|said| said.text.split(|c: char| !c.is_alphabetic()));
        let words: HashSet<String> = words.map(str::to_lowercase).collect();
        assert!(words.len() > 300, "{}", words.len());
    }

    #[test]
    fn every_sentence_is_one_and_feelings_are_spread_over_the_scale() {
        let said = sentences(5_000);
        for Said { text, valence } in &said {
            assert!(text.chars().next().is_some_and(char::is_uppercase), "{text}");
            assert!(text.ends_with(['.', '!']) && !text.contains("  "), "{text}");
            assert!((-3.0..=3.0).contains(valence), "{text}: {valence}");
        }
        let share =
            |of: fn(f64) -> bool| said.iter().filter(|said| of(said.valence)).count() as f64 / 5_000.0;
        for (name, share) in [
            ("neutral", share(|valence| valence == 0.0)),
            ("positive", share(|valence| valence > 0.5)),
            ("negative", share(|valence| valence < -0.5)),
        ] {
            assert!((0.15..0.6).contains(&share), "{name}: {share}");
        }
    }

    #[test]
    fn not_turns_and_weakens() {
        assert!(negated(2.2) < 0.0 && negated(2.2) > -2.2);
        assert!(negated(-1.6) > 0.0 && negated(-1.6) < 1.6);
    }

    #[test]
    fn of_two_clauses_that_disagree_the_asserted_one_decides() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..500 {
            let Said { text, valence } = contrast(&mut rng, &DOMAINS[0]);
            assert!(text.contains("but ") || text.contains("although "), "{text}");
            assert!(valence.abs() > 0.0, "{text}");
        }
    }
}
