//! What is told of a clip whose streams were decoded each by itself.

use affekt_core::Seconds;
use affekt_media::{Error, MediaInfo, Track, Warning};

/// Encoders end sound and picture this far apart, in seconds, without anybody noticing; annotators round as much.
pub(crate) const ENDS_EARLY: f64 = 0.5;

/// Why one stream is missing while the other is there.
pub(crate) fn failed_stream(info: &MediaInfo, track: Track, error: &Error) -> String {
    if let Error::BadSpan { duration, .. } = error {
        return format!("the {track} ends at {duration}, before the span begins");
    }
    let reason = match error {
        // What the pass found may be a sentence about this stream already.
        Error::Decode { reason, .. } if reason.starts_with(&format!("the {track}")) => {
            return reason.clone();
        }
        Error::Decode { reason, .. } => reason.clone(),
        error => error.to_string(),
    };
    let codec = match track {
        Track::Audio => info.audio.as_ref().map(|audio| audio.codec.clone()),
        Track::Video => info.video.as_ref().map(|video| video.codec.clone()),
    };
    Warning::Undecodable { track, codec: codec.unwrap_or_default(), reason }.to_string()
}

/// Whether one of the two streams, which end at `sound` and `picture`, is over long before the other.
pub(crate) fn ends_early(sound: f64, picture: f64) -> Option<String> {
    let (track, end, after) =
        if sound < picture { (Track::Audio, sound, picture) } else { (Track::Video, picture, sound) };
    let (end, missing) = (Seconds(end), Seconds(after - end));
    (missing.0 > ENDS_EARLY)
        .then(|| format!("the {track} ends at {end}, {missing} before the rest: it counts as absent there"))
}

/// Whether both streams end, the later at `end`, before the header says, though all up to `wanted` was asked for.
pub(crate) fn cut_short(declared: Option<Seconds>, wanted: Option<Seconds>, end: f64) -> Option<Warning> {
    let wanted = wanted.map_or(f64::INFINITY, |end| end.0);
    let declared = declared?;
    // Headers round, and players forgive a second or so.
    let short = end < wanted && end + (0.02 * declared.0).max(1.0) < declared.0.min(wanted);
    short.then_some(Warning::CutShort { declared, found: Seconds(end) })
}

/// Each warning once: damage of the container shows in both streams.
pub(crate) fn once(warnings: &mut Vec<String>) {
    let mut told = Vec::new();
    warnings.retain(|warning| {
        !told.contains(warning) && {
            told.push(warning.clone());
            true
        }
    });
}
