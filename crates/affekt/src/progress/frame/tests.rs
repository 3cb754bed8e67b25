//! Exact frames.

use affekt_core::{Seconds, Stage};

use super::*;

fn standing() -> Standing {
    let stage = |stage, done, per_second, busy, waiting| StageStanding {
        stage,
        done,
        total: 2_048,
        per_second,
        busy,
        waiting,
    };
    Standing {
        elapsed: Seconds(250.0),
        total: 2_048,
        done: 512,
        committed: 0,
        failed: 3,
        stages: vec![
            stage(Stage::Decode, 1_024, 3.414, 0.981, 12),
            stage(Stage::Video, 600, 2.0, 1.0, 64),
            stage(Stage::Write, 512, 0.0, 0.004, 0),
        ],
        limit: Some(Stage::Video),
        left: Some(Seconds(7_500.0)),
    }
}

fn plain(standing: &Standing, columns: usize) -> String {
    painted(&frame(standing, columns), false)
}

#[test]
fn a_bar_a_stage_and_the_run() {
    let wide = "\
stage                                            done clips/s busy wait
decode   ━━━━━━━━━━━━━━━━━───────────────── 1024/2048    3.41  98%   12
video    ━━━━━━━━━─────────────────────────  600/2048    2.00 100%   64 < limit
write    ━━━━━━━━──────────────────────────  512/2048    0.00   0%    0
512/2048 clips (25%), 3 failed, 4 min 10 s so far, 2 h 05 min left";
    let narrow = "\
stage                        done clips/s busy wait
decode   ━━━━━━━─────── 1024/2048    3.41  98%   12
video    ━━━━──────────  600/2048    2.00 100%   64 < limit
write    ━━━───────────  512/2048    0.00   0%    0
512/2048 clips, 3 failed, 4 min 10 s, 2 h 05 min left";
    assert_eq!(plain(&standing(), 79), wide);
    assert_eq!(plain(&standing(), 59), narrow);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let mut standing = standing();
    (standing.total, standing.done, standing.failed) = (1_234_567, 1_111_111, 12_345);
    for stage in &mut standing.stages {
        (stage.total, stage.waiting, stage.per_second) = (1_234_567, 123_456, 12_345.0);
    }
    for columns in 0..200 {
        for line in frame(&standing, columns) {
            assert!(width(&line) <= columns, "{columns}: {line:?}");
        }
    }
    let at_sixty = plain(&standing, 59);
    assert!(at_sixty.contains(" < limit"), "{at_sixty}");
    assert!(at_sixty.ends_with("1111111/1234567, 12345 failed, 4 min 10 s, 2 h 05 min left"), "{at_sixty}");
}

#[test]
fn what_is_not_known_is_not_said() {
    let mut standing = standing();
    (standing.limit, standing.left, standing.failed) = (None, None, 0);
    (standing.total, standing.done) = (0, 0);
    standing.stages[0].total = 0;
    let frame = plain(&standing, 79);
    assert!(
        !frame.contains("limit") && frame.ends_with("0/0 clips (100%), 0 failed, 4 min 10 s so far"),
        "{frame}"
    );
    standing.left = Some(Seconds(f64::NAN));
    assert_eq!(plain(&standing, 79), frame);
}

#[test]
fn colours_mark_the_limit_and_failures() {
    let mut standing = standing();
    let coloured = painted(&frame(&standing, 79), true);
    assert!(
        coloured.contains("\u{1b}[1;33mvideo   \u{1b}[0m")
            && coloured.contains("\u{1b}[1;31m3 failed\u{1b}[0m")
    );
    standing.failed = 0;
    assert!(!painted(&frame(&standing, 79), true).contains("\u{1b}[1;31m"));
}
