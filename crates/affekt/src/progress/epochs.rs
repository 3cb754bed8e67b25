//! How training goes.

use affekt_core::Event;
use affekt_report::duration;

/// An epoch as a line; `None` for other events.
/// `epoch 3/25: loss 1.2345, valid MAE complete 0.612, text-missing 0.671, best so far, 12.3 s`
pub fn line(event: &Event) -> Option<String> {
    let Event::Epoch { phase, epoch, epochs, losses, valid, best, seconds } = event else { return None };
    let mut parts = Vec::new();
    parts.extend(losses.first().map(|(_, loss)| format!("loss {loss:.4}")));
    let flows: Vec<String> = valid.iter().map(|(flow, mae)| format!("{flow} {mae:.4}")).collect();
    if !flows.is_empty() {
        parts.push(format!("valid MAE {}", flows.join(", ")));
        parts.extend(best.then(|| "best so far".to_owned()));
    }
    parts.push(duration(*seconds));
    Some(format!("{phase}, epoch {epoch}/{epochs}: {}", parts.join(", ")))
}

/// A batch as what is drawn.
pub fn batch(event: &Event) -> String {
    match event {
        Event::Step { phase, epoch, epochs, step, steps, loss } => {
            format!("{phase}, epoch {epoch}/{epochs}, batch {step}/{steps}, loss {loss:.4}")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use affekt_core::Seconds;

    use super::*;

    #[test]
    fn an_epoch_is_one_line() {
        let epoch = |valid: Vec<(String, f64)>, best| Event::Epoch {
            phase: "training",
            epoch: 3,
            epochs: 25,
            losses: vec![("total".into(), 1.23456), ("rnc".into(), 2.0)],
            valid,
            best,
            seconds: Seconds(90.0),
        };
        let valid = vec![("complete".into(), 0.61234), ("text-missing".into(), 0.7)];
        let told = line(&epoch(valid, true)).unwrap();
        assert!(told.starts_with("training, epoch 3/25: loss 1.2346, valid MAE complete 0.6123, text-missing 0.7000, best so far, "), "{told}");
        let told = line(&epoch(Vec::new(), true)).unwrap();
        assert!(!told.contains("best") && !told.contains("MAE"), "{told}");
        let step = Event::Step { phase: "training", epoch: 3, epochs: 25, step: 7, steps: 9, loss: 0.5 };
        assert_eq!(
            (line(&step), batch(&step)),
            (None, "training, epoch 3/25, batch 7/9, loss 0.5000".into())
        );
    }
}
