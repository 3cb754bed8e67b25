//! Scales with round numbers.

/// A stretch of numbers between two round ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    from: f64,
    to: f64,
    step: f64,
}

impl Scale {
    /// The scale that holds all finite `values`, with about `steps` steps, at most twice as many.
    pub fn of(values: impl IntoIterator<Item = f64>, steps: usize) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite() && value.abs() < 1e300);
        let (least, most) = finite
            .map(|value| (value, value))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .unwrap_or((0.0, 1.0));
        // Equal values stand in the middle of a scale that is not empty.
        let room = if most - least > 1e-9 * most.abs().max(least.abs()) {
            0.0
        } else {
            (0.05 * most.abs()).max(if most == 0.0 { 0.5 } else { 0.0 })
        };
        let (least, most) = (least - room, most + room);
        let step = round_step((most - least) / steps.max(1) as f64);
        Self { from: (least / step + 1e-6).floor() * step, to: (most / step - 1e-6).ceil() * step, step }
    }

    /// The first number.
    pub fn from(&self) -> f64 {
        self.from
    }

    /// The last number.
    pub fn to(&self) -> f64 {
        self.to
    }

    /// Where `value` lies between the ends, 0 to 1; values outside are at the ends.
    pub fn share(&self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// The round numbers, each with its text.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let count = ((self.to - self.from) / self.step).round() as usize;
        let size = self.from.abs().max(self.to.abs());
        (0..=count)
            .map(|index| {
                let value = self.from + index as f64 * self.step;
                (value, label(if value.abs() < 1e-6 * self.step { 0.0 } else { value }, self.step, size))
            })
            .collect()
    }
}

/// 1, 2 or 5 times a power of ten, no less than `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= 0.999 * least);
    step.unwrap_or(10.0 * power)
}

/// Digits as the step asks for them; a power of ten where there would be too many of them.
fn label(value: f64, step: f64, size: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let text = if !(1e-2..1e5).contains(&size) {
        let (power, step_power) = (size.log10().floor(), step.log10().floor());
        let decimals = (power - step_power).clamp(0.0, 6.0) as usize;
        format!("{:.decimals$}e{power}", value / 10_f64.powf(power))
    } else {
        let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 6.0) as usize;
        format!("{value:.decimals$}")
    };
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], steps: usize) -> Vec<String> {
        Scale::of(values.iter().copied(), steps).ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        assert_eq!(labels(&[0.61, 0.98], 4), ["0.6", "0.7", "0.8", "0.9", "1.0"]);
        assert_eq!(labels(&[2e-5, 1e-4], 2), ["0", "0.5e\u{2212}4", "1.0e\u{2212}4"]);
        assert_eq!(labels(&[-0.4, 0.7], 3), ["\u{2212}0.5", "0", "0.5", "1.0"]);
        assert_eq!(labels(&[1e6, 3e6], 2), ["1e6", "2e6", "3e6"]);
    }

    #[test]
    fn no_scale_is_empty_or_endless() {
        for values in
            [&[][..], &[0.0], &[1.25], &[-3e-9, -3e-9], &[f64::NAN, f64::INFINITY], &[1e-200, 1e200]]
        {
            for steps in 0..9 {
                let scale = Scale::of(values.iter().copied(), steps);
                assert!(scale.to > scale.from && scale.to.is_finite(), "{values:?}: {scale:?}");
                assert!((2..=2 * steps.max(1) + 2).contains(&scale.ticks().len()), "{values:?}: {scale:?}");
                for value in values.iter().filter(|value| value.is_finite()) {
                    assert!((0.0..=1.0).contains(&scale.share(*value)));
                }
            }
        }
    }
}
