//! How a batch run stands, as one line.

use affekt_core::{Seconds, Standing};
use affekt_report::duration;

/// `after 2 h 05 min: 512/2048 clips, 3.41 clips/s, 0 failed, limited by faces, 4 min 10 s left`
pub fn line(standing: &Standing) -> String {
    let Standing { elapsed, total, done, failed, limit, left, .. } = standing;
    let mut parts = vec![format!("after {}: {done}/{total} clips", duration(*elapsed))];
    parts.extend(pace(standing).map(|pace| format!("{} clips/s", rate(pace))));
    parts.push(format!("{failed} failed"));
    parts.extend(limit.map(|limit| format!("limited by {}", limit.name())));
    parts.extend(known(*left).map(|left| format!("{} left", duration(left))));
    parts.join(", ")
}

/// Clips a second of the whole run: of the stage that holds up the others, where one is known. Shards are committed in
/// bursts, so that the last stage tells less.
fn pace(standing: &Standing) -> Option<f64> {
    let limit = standing.stages.iter().find(|stage| Some(stage.stage) == standing.limit);
    let mean = standing.done as f64 / standing.elapsed.0;
    limit
        .map(|stage| stage.per_second)
        .or((standing.done > 0).then_some(mean))
        .filter(|pace| pace.is_finite())
}

/// Three digits that matter.
pub fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 99.95 => format!("{rate:.0}"),
        rate if rate >= 9.995 => format!("{rate:.1}"),
        rate if rate >= 0.0995 || rate == 0.0 => format!("{rate:.2}"),
        rate => format!("{rate:.4}"),
    }
}

/// A time that can be told.
pub fn known(time: Option<Seconds>) -> Option<Seconds> {
    time.filter(|time| time.0.is_finite())
}

#[cfg(test)]
mod tests {
    use affekt_core::{Stage, StageStanding};

    use super::*;

    #[test]
    fn a_line_says_what_a_reader_of_a_log_asks() {
        let stage = |stage, per_second| StageStanding {
            stage,
            done: 600,
            total: 2_048,
            per_second,
            busy: 0.97,
            waiting: 0,
        };
        let mut standing = Standing {
            elapsed: Seconds(7_500.0),
            total: 2_048,
            done: 512,
            committed: 0,
            failed: 3,
            stages: vec![stage(Stage::Faces, 3.41), stage(Stage::Write, 0.0)],
            limit: Some(Stage::Faces),
            left: Some(Seconds(250.0)),
        };
        let line =
            "after 2 h 05 min: 512/2048 clips, 3.41 clips/s, 3 failed, limited by faces, 4 min 10 s left";
        assert_eq!(super::line(&standing), line);
        standing.limit = None;
        standing.left = Some(Seconds(f64::INFINITY));
        assert_eq!(super::line(&standing), "after 2 h 05 min: 512/2048 clips, 0.0683 clips/s, 3 failed");
        standing.done = 0;
        assert_eq!(super::line(&standing), "after 2 h 05 min: 0/2048 clips, 3 failed");
    }

    #[test]
    fn rates_have_three_digits() {
        let said = [(0.0, "0.00"), (0.00523, "0.0052"), (0.5, "0.50"), (3.414, "3.41"), (34.14, "34.1")];
        for (per_second, text) in said.into_iter().chain([(99.96, "100"), (1234.4, "1234")]) {
            assert_eq!(rate(per_second), text);
        }
    }
}
