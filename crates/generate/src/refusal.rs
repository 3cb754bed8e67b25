//! Refusals: the failure of language models that talk about their task instead of doing it.

/// What tells a refusal from speech, in English: words in a row. `a|b` is either word, `..n` up to `n` words of any kind,
/// `@name` one of [`SETS`], `$` the end.
///
/// A sign names the task, the medium or the model. Regret and inability alone are none: people say that they are sorry and
/// cannot recommend a film.
const SIGNS: &[&str] = &[
    // Who speaks.
    "as an ai",
    "as a|an ..2 language model",
    "im|am ..1 an ai",
    "im|am ..2 a|an ..2 language model",
    "im|am ..1 a|an virtual|ai|artificial assistant",
    // The task that it does not do.
    "@cannot ..3 transcribe|transcribing",
    "nothing to transcribe",
    "@cannot ..3 provide|generate|produce|create|give ..3 transcription|transcript",
    "i|im|am ..2 cannot|cant|unable ..3 listen|hear|process|access|analyze|interpret ..4 @medium",
    "not able ..3 listen|hear|process|access|analyze|interpret ..4 @medium",
    "i ..1 @cannot have ..3 access|ability|capability to ..4 @medium",
    "sorry ..5 @cannot ..2 assist|fulfill|fulfil|comply|process",
    "sorry ..5 @cannot ..1 help ..1 with that|this",
    "@cannot ..1 fulfill|fulfil|comply|assist ..2 request|that",
    // The sound that has nothing for it.
    "no ..2 speech|words|dialogue|audio ..3 in|from|on the|this|your ..1 audio|recording|clip|file",
    "no audible|discernible|discernable|intelligible|detectable|recognizable speech|words|audio|voice|dialogue",
    "no speech|audio|recording ..3 detected|provided|found|given|attached|uploaded",
    "there is|was no speech|audio|sound to|in|from|present|available",
    "there is|was no ..1 speech|audio|sound $",
    "audio|recording|clip|file ..1 @cannot contain ..2 speech|words|dialogue|voice|audio",
    "audio|recording|clip|file contains|contain ..1 no|only ..2 speech|words|dialogue|voice|music|noise|silence",
    "the|this|your|provided audio|recording ..2 is|appears|seems ..3 silent|empty|blank|corrupted|missing|inaudible|unintelligible",
    // The input that it asks for.
    "please provide|upload|share|attach|send|supply ..4 @medium|transcription",
    "provide|give me with ..2 @medium|transcription",
    "you ..2 @cannot|forgot ..3 provided|provide|attached|attach|uploaded|upload|included|include ..4 @medium|file",
    "happy|glad to ..3 transcribe",
    "how can|may i assist you today",
    // The prompt that it gives back.
    "transcribe speech to text",
    "transcribe the|this ..1 audio|speech|recording",
    "output the transcription directly",
];

/// Sets of words.
const SETS: [(&str, &[&str]); 2] = [
    ("@cannot", &["cannot", "cant", "unable", "not", "havent", "didnt", "dont", "doesnt"]),
    ("@medium", &["audio", "recording", "recordings", "speech"]),
];

/// What an answer that only announces itself consists of: `Sure! Here is the transcription of the audio:`.
const ANNOUNCEMENT: &[&str] = &[
    "sure",
    "certainly",
    "of",
    "course",
    "okay",
    "ok",
    "here",
    "heres",
    "is",
    "are",
    "the",
    "a",
    "your",
    "this",
    "transcription",
    "transcript",
    "text",
    "speech",
    "audio",
    "file",
    "recording",
    "transcribed",
    "clip",
    "for",
];
const ANNOUNCED: [&str; 3] = ["transcription", "transcript", "transcribed"];

/// Whether a generated text talks about the task instead of transcribing: it apologises for what it cannot hear, presents
/// itself as a language model, asks for the audio, states that there is no speech, gives the prompt back, or announces a
/// transcription and stops there.
///
/// An announcement before words (`Sure, here is the transcription: I loved it.`) is none: the words are there, and their
/// error rate shows the rest. Only English is known.
pub fn refused(text: &str) -> bool {
    let words = words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_announcement = words.iter().any(|word| ANNOUNCED.contains(word))
        && words.len() > 1
        && words.iter().all(|word| ANNOUNCEMENT.contains(word));
    is_announcement || SIGNS.iter().any(|sign| found(&words, sign))
}

/// Words in lower case, apostrophes left out.
fn words(text: &str) -> Vec<String> {
    let apostrophe = |letter: &char| matches!(letter, '\'' | '\u{2019}' | '\u{2bc}' | '`' | '\u{b4}');
    let text: String =
        text.chars().filter(|letter| !apostrophe(letter)).flat_map(char::to_lowercase).collect();
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether the sign stands anywhere among the words.
fn found(words: &[&str], sign: &str) -> bool {
    let sign: Vec<&str> = sign.split(' ').collect();
    (0..words.len()).any(|start| begin_with(&words[start..], &sign))
}

/// Whether the sign is what the words begin with.
fn begin_with(words: &[&str], sign: &[&str]) -> bool {
    let Some((first, rest)) = sign.split_first() else { return true };
    if *first == "$" {
        return words.is_empty();
    }
    if let Some(gap) = first.strip_prefix("..") {
        let gap: usize = gap.parse().unwrap_or(0);
        return (0..=gap.min(words.len())).any(|skipped| begin_with(&words[skipped..], rest));
    }
    let is_either = |word: &str| first.split('|').any(|one| one == word || is_of(word, one));
    words.split_first().is_some_and(|(word, others)| is_either(word) && begin_with(others, rest))
}

/// Whether the word is of the set.
fn is_of(word: &str, set: &str) -> bool {
    SETS.iter().any(|(name, words)| *name == set && words.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSALS: [&str; 42] = [
        "I'm sorry, but I cannot transcribe the audio as I am a text-based model.",
        "I am sorry, but I can\u{2019}t transcribe this.",
        "I'm sorry, but I am unable to transcribe the speech as there is no audio provided.",
        "I apologize, but I'm not able to listen to audio recordings.",
        "Unfortunately, I am not able to directly process audio.",
        "As an AI language model, I don't have the ability to listen to speech.",
        "As a text-based language model, I can only read.",
        "I'm an AI and do not have ears.",
        "I'm just a large language model trained by researchers.",
        "I am a virtual assistant.",
        "I don't have access to the audio file you mentioned.",
        "I do not have access to any audio.",
        "I cannot hear any speech in the recording.",
        "There is no speech in the audio.",
        "There is no audio to transcribe.",
        "There is no speech.",
        "No speech detected.",
        "No audio was provided.",
        "There are no discernible words in this clip.",
        "The audio does not contain any speech.",
        "The audio clip contains no speech.",
        "The recording contains only background noise.",
        "The audio appears to be silent.",
        "The provided audio is inaudible.",
        "Please provide the audio.",
        "Please provide me with the speech you would like me to transcribe.",
        "Could you please upload the audio file?",
        "It seems that you have not provided any audio for me to work with.",
        "You forgot to attach the recording.",
        "Sure, I'd be happy to help you transcribe it!",
        "I would be glad to transcribe the speech. Please go ahead.",
        "Hello! How can I assist you today?",
        "I'm sorry, I can't assist with that.",
        "I'm sorry, but I cannot fulfill this request.",
        "I'm sorry, but I can't help with that.",
        "I cannot comply with your request.",
        "I am unable to provide a transcription of the content.",
        "USER: Transcribe speech to text. Output the transcription directly without redundant content.",
        "Please transcribe the audio.",
        "Sure! Here is the transcription of the audio:",
        "Here's the transcript.",
        "The transcribed text is:",
    ];

    const SPEECH: [&str; 30] = [
        "",
        "Yes.",
        "Sure.",
        "I'm sorry to say this movie is not worth your time.",
        "I cannot recommend it.",
        "I'm sorry, I can't remember his name.",
        "I'm sorry, but I cannot sit through that again.",
        "I am not able to give it five stars.",
        "I apologize for the quality of my camera.",
        "There is no sound reason to see this film.",
        "There is no audio commentary on this disc.",
        "The audio is great and the picture is clear.",
        "The audio is not the best.",
        "Please provide your comments below.",
        "Please send me your questions.",
        "How can I help you?",
        "You can provide captions and transcripts for your video or your audio.",
        "Artificial intelligence is in everything, and AI is here to stay.",
        "The government has made an AI plane.",
        "We transcribe interviews at affordable prices.",
        "I'm recording this with my tablet and I can't hear myself.",
        "I do not have access to my bank account.",
        "They have access to the file, and you cannot access that recording.",
        "I didn't hear his speech.",
        "Please share this clip with your friends.",
        "Please upload your file here.",
        "There are no words for this.",
        "The okay text of the speech is for sure here and it moved me.",
        "Sure, here is the transcription: I loved it.",
        "They'll submit a transcript with your grades.",
    ];

    #[test]
    fn answers_about_the_task_are_refusals() {
        let missed: Vec<&str> = REFUSALS.into_iter().filter(|text| !refused(text)).collect();
        assert!(missed.is_empty(), "{missed:#?}");
    }

    #[test]
    fn what_people_say_is_none() {
        let caught: Vec<&str> = SPEECH.into_iter().filter(|text| refused(text)).collect();
        assert!(caught.is_empty(), "{caught:#?}");
    }

    #[test]
    fn signs_are_well_formed() {
        for part in SIGNS.iter().flat_map(|sign| sign.split([' ', '|'])) {
            match part.chars().next() {
                Some('.') => assert!(part[2..].parse::<usize>().is_ok(), "{part}"),
                Some('@') => assert!(SETS.iter().any(|(name, _)| *name == part), "{part}"),
                first => {
                    assert!(part == "$" || first.is_some_and(|first| first.is_ascii_lowercase()), "{part}");
                }
            }
        }
    }
}
