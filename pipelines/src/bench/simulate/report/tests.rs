//! What follows from measurements that are made up.

use affekt_generate::Tally;
use candle_core::DType;

use super::*;

fn taken(in_flight: usize, seconds: f64, passes: usize) -> Taken {
    let tally = Tally {
        passes,
        beam_rows: 600,
        prompt_rows: 400,
        clips: 2 * passes,
        most_clips: in_flight,
        shrunk: 0,
        held_back: 3,
        peak_bytes: 4096,
    };
    Taken { in_flight, seconds, tally, texts: vec![vec![7; 10], vec![7; 30]] }
}

fn rows(reach: Option<Reach>) -> Vec<Row> {
    // A pass reads 8 GB, a row is 4 GFLOP, of which 1 where the next token is wanted.
    let work = Work { layers: 1.5e9, head: 0.5e9, bytes: 8e9, dtype: DType::F32 };
    let row = |taken: &Taken| Row::of(taken, 20.0, &work, reach, Some(40.0));
    [taken(1, 40.0, 160), taken(4, 10.0, 20)].iter().map(row).collect()
}

const REACH: Reach = Reach { read_gb_per_s: 40.0, gflop_per_s: 500.0 };

#[test]
fn rates_are_those_of_clips_tokens_and_rows() {
    let rows = rows(Some(REACH));
    let row = &rows[1];
    assert_eq!(
        (row.clips, row.tokens, row.passes, row.held_back, row.peak_cache_bytes),
        (2, 40, 20, 3, 4096)
    );
    assert_eq!((row.clips_per_s, row.tokens_per_s, row.rows_per_s), (0.2, 4.0, 100.0));
    // Two clips can be no more than two in flight.
    assert_eq!((row.mean_in_flight, row.occupancy, row.ratio), (2.0, 1.0, Some(4.0)));
    // 20 s of clips in 10 s.
    assert_eq!(row.mosei_hours, 23.0);
}

#[test]
fn the_limit_is_what_is_nearest_to_its_bound() {
    let rows = rows(Some(REACH));
    // 160 passes of 8 GB in 40 s; 20 of them in 10 s.
    assert_eq!((rows[0].read_gb_per_s, rows[1].read_gb_per_s), (32.0, 16.0));
    assert_eq!((rows[0].of_reading, rows[0].limit), (Some(0.8), Some(Limit::Weights)));
    // 1000 rows of 3 GFLOP, and 602 of 1 that are scored.
    assert!((rows[1].gflop_per_s - 360.2).abs() < 1e-9, "{}", rows[1].gflop_per_s);
    assert_eq!(rows[1].limit, Some(Limit::Arithmetic));
    assert_eq!((Limit::of(0.3, 0.2), Limit::of(0.2, 0.25)), (Limit::Weights, Limit::Neither));
}

#[test]
fn without_bounds_no_limit_is_told() {
    for row in rows(None) {
        assert_eq!((row.of_reading, row.of_products, row.limit), (None, None, None));
    }
}

#[test]
fn mosei_is_projected_from_the_fastest() {
    let read = Read { transcripts: false, clips: 32, tokens: 900, alone: 4.0, together: 1.0 };
    let text = Text::of(&read);
    assert_eq!((text.alone_per_s, text.together_per_s, text.ratio), (8.0, 32.0, 4.0));
    let projection = Projection::of(&rows(None), &text);
    assert_eq!((projection.in_flight, projection.simulate_hours), (4, 23.0));
    assert!((projection.text_hours - 22_856.0 / 32.0 / 3600.0).abs() < 1e-12);
}
