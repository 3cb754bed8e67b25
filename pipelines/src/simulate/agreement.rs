//! Hypotheses held against transcripts.

use affekt_cache::{Status, Store};
use affekt_report::agreement::{About, Agreement, Compared};

use crate::dataset::Row;

/// Holds the text simulated of each clip in `rows` against what is said in it. Clips without a transcript count, but
/// cannot be compared; nor can those that were not tried yet.
pub fn agreement(about: About, rows: &[Row], simulated: &Store) -> Agreement {
    let mut compared = Vec::new();
    let mut without_transcript = 0;
    for row in rows {
        let Some(clip) = simulated.clip(&row.id) else { continue };
        let facts = &clip.facts;
        let Some(transcript) = row.text.clone().or_else(|| facts.transcript.clone()) else {
            without_transcript += 1;
            continue;
        };
        let note = match &clip.status {
            Status::Done { .. } => None,
            Status::Absent { reason } => Some(reason.clone()),
            Status::Failed { stage, reason } => Some(format!("failed at {stage}: {reason}")),
        };
        compared.push(Compared {
            clip: row.id.clone(),
            media: Some(row.video.clone()).filter(|video| !video.is_empty()),
            span: facts.span.or(Some(row.span)),
            transcript,
            hypothesis: facts.hypothesis.clone(),
            note,
            score: facts.score,
            tokens: facts.tokens,
            looped: facts.looped.unwrap_or_default(),
            refused: facts.refused.unwrap_or_default(),
            capped: facts.capped.unwrap_or_default(),
        });
    }
    Agreement::new(about, compared, without_transcript)
}
