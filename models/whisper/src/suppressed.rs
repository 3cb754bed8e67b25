//! Tokens that stand for something else than words, in the two published vocabularies: brackets, notes of music, marks
//! of speakers, and special tokens. Older releases list them in `config.json`; from large-v3 on that file does not.

/// Those of the vocabulary with `vocab_size` tokens; none for a vocabulary that is not OpenAI's.
pub fn published(vocab_size: usize) -> &'static [u32] {
    match vocab_size {
        51_864 => &ENGLISH,
        51_865 | 51_866 => &MULTILINGUAL,
        _ => &[],
    }
}

/// For the vocabulary of 51864 tokens (GPT-2's, and special ones).
#[rustfmt::skip]
static ENGLISH: [u32; 84] = [
    1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29, 31, 58, 59, 60, 61, 62, 63, 90, 91, 92, 93, 357, 366, 438, 532,
    685, 705, 796, 930, 1058, 1220, 1267, 1279, 1303, 1343, 1377, 1391, 1635, 1782, 1875, 2162, 2361, 2488,
    3467, 4008, 4211, 4600, 4808, 5299, 5855, 6329, 7203, 9609, 9959, 10563, 10786, 11420, 11709, 11907,
    13163, 13697, 13700, 14808, 15306, 16410, 16791, 17992, 19203, 19510, 20724, 22305, 22935, 27007, 30109,
    30420, 33409, 34949, 40283, 40493, 40549, 47282, 49146,
];

/// For the vocabulary of 51865 tokens.
#[rustfmt::skip]
static MULTILINGUAL: [u32; 82] = [
    1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29, 31, 58, 59, 60, 61, 62, 63, 90, 91, 92, 93, 359, 503, 522, 542,
    873, 893, 902, 918, 922, 931, 1350, 1853, 1982, 2460, 2627, 3246, 3253, 3268, 3536, 3846, 3961, 4183,
    4667, 6585, 6647, 7273, 9061, 9383, 10428, 10929, 11938, 12033, 12331, 12562, 13793, 14157, 14635, 15265,
    15618, 16553, 16604, 18362, 18956, 20075, 21675, 22520, 26130, 26161, 26435, 28279, 29464, 31650, 32302,
    32470, 36865, 42863, 47425, 49870, 50254,
];
