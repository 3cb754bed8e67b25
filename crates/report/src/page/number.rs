//! How the page writes numbers.

use std::fmt;

/// A coordinate, a length or a percentage in a drawing: at most two decimals. What is no number is drawn at 0.
#[derive(Clone, Copy, Debug)]
pub struct Px(pub f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = if self.0.is_finite() { (self.0 * 100.0).round() / 100.0 } else { 0.0 };
        // No -0.
        write!(f, "{}", rounded + 0.0)
    }
}

/// A percentage in a drawing: [`Px`] and the sign.
#[derive(Clone, Copy, Debug)]
pub struct Pc(pub f64);

impl fmt::Display for Pc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", Px(self.0))
    }
}

/// A valence to three decimals with its sign, a typographic minus.
pub fn signed(value: f64) -> String {
    let text = format!("{value:+.3}");
    let digits = &text[1..];
    match (text.as_bytes()[0], digits) {
        (b'+' | b'-', "0.000") => "0.000".into(),
        (b'-', _) => format!("\u{2212}{digits}"),
        _ => text,
    }
}

/// A step of the label scale with its sign.
pub fn whole(step: i32) -> String {
    let sign = ["\u{2212}", "", "+"][(step.signum() + 1) as usize];
    format!("{sign}{}", step.abs())
}

/// A valence, or a dash where there is none.
pub fn signed_or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "\u{2013}".into(), signed)
}

/// A share as a percentage: one decimal below 10 %, whole above.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 9.95 || percent == 0.0 { format!("{percent:.0}%") } else { format!("{percent:.1}%") }
}

/// `1 window`, `2 windows`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// A count with its thousands apart: `12,345`.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0.0, -0.0004, 1.25, -3.5].map(signed), ["0.000", "0.000", "+1.250", "\u{2212}3.500"]);
        assert_eq!([0.0, 0.034, 0.0996, 0.333, 1.0].map(percent), ["0%", "3.4%", "10%", "33%", "100%"]);
        assert_eq!([7, 999, 1_000, 1_234_567].map(grouped), ["7", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "word", "words"), "1 word");
    }

    #[test]
    fn drawings_hold_only_numbers() {
        let written = [1.0, 0.1 + 0.2, -0.001, f64::NAN, f64::INFINITY].map(|value| Px(value).to_string());
        assert_eq!(written, ["1", "0.3", "0", "0", "0"]);
        assert_eq!(Pc(12.345).to_string(), "12.35%");
    }
}
