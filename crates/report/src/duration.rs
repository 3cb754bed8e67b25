//! Durations of work as people say them.

use affekt_core::Seconds;

/// `12 s`, `4 min 10 s` or `2 h 05 min`; less than nothing is nothing.
pub fn duration(time: Seconds) -> String {
    let whole = time.0.round() as u64;
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds:02} s"),
        _ => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_at_most() {
        let said = [
            (-3.0, "0 s"),
            (0.4, "0 s"),
            (12.0, "12 s"),
            (59.6, "1 min 00 s"),
            (250.0, "4 min 10 s"),
            (3_599.4, "59 min 59 s"),
            (7_500.0, "2 h 05 min"),
            (360_000.0, "100 h 00 min"),
        ];
        for (seconds, text) in said {
            assert_eq!(duration(Seconds(seconds)), text);
        }
    }
}
