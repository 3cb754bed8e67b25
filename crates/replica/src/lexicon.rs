//! The words, and what each says of the speaker's feeling: valences from -3 (very negative) to 3.

/// A word or a phrase and its valence.
pub type Valued = (&'static str, f64);

/// What people talk about.
pub struct Domain {
    /// Single things, as they follow `the`.
    pub things: &'static [&'static str],
    /// Several things, as they follow `the`.
    pub plurals: &'static [&'static str],
    /// What one did there, without judging: follows `we` or `I`.
    pub deeds: &'static [&'static str],
    /// What one would do again: follows `I would`.
    pub repeats: &'static [&'static str],
    /// Adjectives that say something of these things only.
    pub adjectives: &'static [Valued],
}

/// All domains.
pub const DOMAINS: [Domain; 8] = [
    Domain {
        things: &["film", "movie", "story", "acting", "ending", "plot", "director", "dialogue", "scene"],
        plurals: &["actors", "pictures", "jokes", "characters"],
        deeds: &["watched the film", "saw the movie", "went to the cinema", "read about the director"],
        repeats: &["watch it again", "see it twice", "go and see it again"],
        adjectives: &[("funny", 1.5), ("predictable", -1.1), ("moving", 1.6), ("silly", -1.0)],
    },
    Domain {
        things: &["book", "novel", "writer", "chapter", "language", "cover", "poem"],
        plurals: &["pages", "chapters", "stories"],
        deeds: &["read the book", "finished the novel", "borrowed the book", "met the writer"],
        repeats: &["read it again", "buy the next one"],
        adjectives: &[("clever", 1.5), ("tedious", -1.7), ("thoughtful", 1.4), ("shallow", -1.3)],
    },
    Domain {
        things: &["hotel", "room", "bed", "view", "breakfast", "pool", "garden", "bathroom", "manager"],
        plurals: &["rooms", "towels", "beds", "windows"],
        deeds: &["stayed at the hotel", "booked a room", "slept in the room", "paid for the room"],
        repeats: &["stay there again", "book it again", "come back"],
        adjectives: &[("comfortable", 1.3), ("dirty", -1.8), ("quiet", 0.9), ("noisy", -1.2)],
    },
    Domain {
        things: &["meal", "soup", "restaurant", "waiter", "coffee", "menu", "cake", "bread", "dinner"],
        plurals: &["dishes", "potatoes", "desserts", "vegetables"],
        deeds: &["ate the soup", "ordered the cake", "had dinner there", "drank the coffee"],
        repeats: &["eat there again", "order it again", "come back"],
        adjectives: &[("delicious", 2.2), ("fresh", 1.2), ("salty", -0.8), ("disgusting", -2.5)],
    },
    Domain {
        things: &["phone", "camera", "screen", "battery", "price", "keyboard", "computer", "speaker"],
        plurals: &["buttons", "pictures", "colours", "keys"],
        deeds: &["bought the phone", "used the camera", "opened the box", "charged the battery"],
        repeats: &["buy it again", "order another one"],
        adjectives: &[("reliable", 1.4), ("useless", -2.2), ("fast", 1.1), ("fragile", -1.1)],
    },
    Domain {
        things: &["trip", "train", "bus", "driver", "journey", "guide", "museum", "beach", "weather", "city"],
        plurals: &["streets", "people", "trains", "seats"],
        deeds: &["took the train", "visited the museum", "walked to the beach", "drove to the city"],
        repeats: &["go there again", "take it again", "travel there again"],
        adjectives: &[("friendly", 1.4), ("dangerous", -1.7), ("peaceful", 1.5), ("crowded", -1.0)],
    },
    Domain {
        things: &["course", "teacher", "lesson", "talk", "lecture", "exam", "school", "subject"],
        plurals: &["lessons", "students", "questions", "answers"],
        deeds: &["took the course", "heard the talk", "passed the exam", "asked the teacher"],
        repeats: &["take it again", "listen to it again"],
        adjectives: &[("helpful", 1.5), ("confusing", -1.5), ("useful", 1.3), ("unfair", -1.8)],
    },
    Domain {
        things: &["game", "concert", "band", "song", "singer", "show", "match", "crowd", "music"],
        plurals: &["players", "songs", "tickets", "fans"],
        deeds: &["watched the game", "listened to the band", "went to the concert", "played the song"],
        repeats: &["go again", "hear it again", "play it again"],
        adjectives: &[("exciting", 2.0), ("lively", 1.3), ("chaotic", -1.3), ("loud", -0.7)],
    },
];

/// Adjectives for everything.
pub const ADJECTIVES: [Valued; 40] = [
    ("good", 1.5),
    ("great", 2.2),
    ("nice", 1.2),
    ("wonderful", 2.6),
    ("lovely", 1.9),
    ("beautiful", 2.1),
    ("excellent", 2.6),
    ("perfect", 2.8),
    ("fine", 0.7),
    ("decent", 0.7),
    ("pleasant", 1.2),
    ("charming", 1.7),
    ("brilliant", 2.6),
    ("amazing", 2.7),
    ("impressive", 1.9),
    ("interesting", 1.3),
    ("delightful", 2.3),
    ("superb", 2.7),
    ("fantastic", 2.7),
    ("enjoyable", 1.6),
    ("bad", -1.6),
    ("terrible", -2.6),
    ("awful", -2.6),
    ("boring", -1.8),
    ("poor", -1.5),
    ("dull", -1.5),
    ("weak", -1.2),
    ("ugly", -1.7),
    ("horrible", -2.7),
    ("cheap", -0.9),
    ("slow", -0.9),
    ("annoying", -1.8),
    ("disappointing", -1.9),
    ("sad", -1.2),
    ("stupid", -2.0),
    ("messy", -1.2),
    ("broken", -1.6),
    ("dreadful", -2.6),
    ("ridiculous", -1.9),
    ("ordinary", -0.3),
];

/// Words before an adjective, and by how much they multiply it.
pub const INTENSIFIERS: [(&str, f64); 12] = [
    ("very", 1.3),
    ("really", 1.25),
    ("so", 1.3),
    ("extremely", 1.5),
    ("incredibly", 1.5),
    ("truly", 1.3),
    ("quite", 0.85),
    ("rather", 0.8),
    ("fairly", 0.75),
    ("a bit", 0.5),
    ("slightly", 0.45),
    ("somewhat", 0.55),
];

/// What `I` did to a thing: past, base form, valence.
pub const VERBS: [(&str, &str, f64); 12] = [
    ("loved", "love", 2.5),
    ("liked", "like", 1.4),
    ("enjoyed", "enjoy", 1.7),
    ("adored", "adore", 2.6),
    ("admired", "admire", 1.7),
    ("respected", "respect", 1.2),
    ("hated", "hate", -2.6),
    ("disliked", "dislike", -1.5),
    ("despised", "despise", -2.6),
    ("regretted", "regret", -1.7),
    ("feared", "fear", -1.3),
    ("distrusted", "distrust", -1.4),
];

/// What `it made me`.
pub const EFFECTS: [Valued; 14] = [
    ("happy", 2.0),
    ("laugh", 1.7),
    ("smile", 1.6),
    ("proud", 1.9),
    ("dance", 1.6),
    ("feel alive", 2.2),
    ("feel calm", 1.2),
    ("angry", -2.1),
    ("tired", -1.1),
    ("cry", -1.5),
    ("nervous", -1.0),
    ("furious", -2.6),
    ("feel sick", -2.2),
    ("feel stupid", -1.8),
];

/// Whole clauses that judge.
pub const VERDICTS: [Valued; 16] = [
    ("it was worth the money", 1.6),
    ("I cannot wait for the next one", 2.2),
    ("I would recommend it to everyone", 2.0),
    ("my friends should try it", 1.6),
    ("it is the best thing in years", 2.8),
    ("I am glad that I came", 1.9),
    ("it was better than I expected", 1.4),
    ("I have no complaints", 1.1),
    ("it was a waste of time", -2.2),
    ("I want my money back", -2.4),
    ("it was not worth the money", -1.7),
    ("nobody should ever try it", -2.3),
    ("it is the worst thing in years", -2.8),
    ("I am sorry that I came", -1.8),
    ("it was worse than I expected", -1.5),
    ("it could have been better", -0.9),
];

/// What is too much.
pub const EXCESSES: [Valued; 8] = [
    ("too long", -1.3),
    ("too short", -1.0),
    ("too expensive", -1.5),
    ("too dark", -1.1),
    ("too small", -1.2),
    ("too hot", -1.0),
    ("too simple", -0.9),
    ("too late", -1.4),
];

/// Words before a clause that do not change it.
pub const OPENERS: [&str; 10] = [
    "honestly,",
    "I think",
    "I must say",
    "well,",
    "in my opinion,",
    "to be honest,",
    "everybody said that",
    "this time",
    "I believe",
    "you know,",
];

/// When something happened.
pub const TIMES: [&str; 14] = [
    "on Monday",
    "on Tuesday",
    "on Friday",
    "on Sunday",
    "last week",
    "last month",
    "last summer",
    "yesterday",
    "in the morning",
    "in the evening",
    "at noon",
    "in winter",
    "two days ago",
    "three years ago",
];

/// With whom, or where.
pub const COMPANIES: [&str; 12] = [
    "with my sister",
    "with my brother",
    "with my parents",
    "with two friends",
    "with a neighbour",
    "with my daughter",
    "near the station",
    "next to the river",
    "behind the church",
    "at home",
    "in a small town",
    "close to the office",
];

/// Numbers.
pub const NUMBERS: [&str; 9] = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// Who says so.
pub const PEOPLE: [&str; 8] =
    ["brother", "sister", "friend", "mother", "father", "uncle", "cousin", "colleague"];
