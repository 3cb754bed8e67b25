use std::collections::HashSet;

use super::*;

fn script(clips: usize, seed: u64) -> Script {
    Script::draw(Order { clips, seed, split: None, clips_a_video: None }).unwrap()
}

/// What the clips of `split` have.
fn all(script: &Script, split: Split, of: fn(&Clip) -> String) -> HashSet<String> {
    script.clips.iter().filter(|clip| clip.split == split).map(of).collect()
}

#[test]
fn the_same_seed_gives_the_same_clips_and_another_one_others() {
    assert_eq!(script(100, 4), script(100, 4));
    let texts = |seed| script(100, seed).clips.into_iter().map(|clip| clip.text).collect::<Vec<_>>();
    assert_ne!(texts(4), texts(5));
}

#[test]
fn no_test_clip_shares_anything_with_training_not_even_with_that_of_another_seed() {
    let (one, other) = (script(600, 1), script(600, 2));
    let of: [fn(&Clip) -> String; 4] = [
        |clip| clip.text.to_lowercase(),
        |clip| clip.speech.voice.split_once('+').unwrap().1.to_owned(),
        |clip| clip.background.to_string(),
        |clip| clip.person.to_string(),
    ];
    for of in of {
        for learnt in [&one, &other] {
            let test = all(&one, Split::Test, of);
            assert!(!test.is_empty());
            for split in [Split::Train, Split::Valid] {
                assert!(all(learnt, split, of).is_disjoint(&test));
            }
        }
    }
}

#[test]
fn nobody_says_the_sentence_of_another_not_even_with_another_stop() {
    // So many that a few would be said twice.
    let script = script(6000, 7);
    let said: HashSet<String> = script.clips.iter().map(|clip| spoken(&clip.text)).collect();
    assert_eq!(said.len(), 6000);
    assert_eq!(spoken("It was GREAT!"), spoken("it was great."));
}

#[test]
fn a_video_lies_in_one_split_and_each_split_has_its_share() {
    let script = script(1000, 7);
    assert_eq!(script.clips.len(), 1000);
    for video in script.videos() {
        assert!(video.len() <= *CLIPS_A_VIDEO.end());
        assert!(video.iter().all(|clip| {
            clip.split == video[0].split
                && clip.speech.voice == video[0].speech.voice
                && clip.background == video[0].background
                && clip.person == video[0].person
        }));
    }
    let count = |split| script.clips.iter().filter(|clip| clip.split == split).count();
    assert_eq!(Split::ALL.map(count), [700, 100, 200]);
    let texts: HashSet<_> = script.clips.iter().map(|clip| &clip.text).collect();
    assert_eq!(texts.len(), 1000, "no sentence is said twice");
}

#[test]
fn labels_are_means_of_three_whole_numbers_and_come_mostly_from_the_words() {
    let script = script(1000, 1);
    for Clip { label, .. } in &script.clips {
        let votes = label * 3.0;
        assert!((-3.0..=3.0).contains(label) && (votes - votes.round()).abs() < 1e-5, "{label}");
    }
    let apart = |of: fn(&Clip) -> f64| {
        let plain: Vec<_> = script.clips.iter().filter(|clip| !clip.sarcastic).collect();
        plain.iter().map(|clip| (clip.label - of(clip)).abs()).sum::<f64>() / plain.len() as f64
    };
    let [words, voice, face] = [apart(|clip| clip.words), apart(|clip| clip.voice), apart(|clip| clip.face)];
    assert!(words < 0.5 && voice > 1.5 * words && face > 1.5 * words, "{words} {voice} {face}");
}

#[test]
fn some_clips_are_sarcastic_and_some_show_no_face() {
    let script = script(1000, 1);
    let sarcastic: Vec<_> = script.clips.iter().filter(|clip| clip.sarcastic).collect();
    assert!((10..80).contains(&sarcastic.len()), "{}", sarcastic.len());
    assert!(sarcastic.iter().all(|clip| clip.words > 0.0 && clip.voice < 0.0 && clip.face < 0.0));
    let faceless = script.clips.iter().filter(|clip| !clip.visible).count();
    assert!((15..80).contains(&faceless), "{faceless}");
}

#[test]
fn one_split_and_one_clip_a_video_where_that_is_asked_for() {
    let order = Order { clips: 9, seed: 1, split: Some(Split::Test), clips_a_video: Some(1) };
    let script = Script::draw(order).unwrap();
    assert_eq!((script.videos().count(), script.clips.len()), (9, 9));
    assert!(script.clips.iter().all(|clip| clip.split == Split::Test));
}
