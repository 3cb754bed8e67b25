//! What made a page.

use std::borrow::Cow;

use affekt_report::training::Made;
use time::OffsetDateTime;

/// This program, its command line, and now.
pub fn made() -> Made {
    let now = OffsetDateTime::now_utc();
    Made {
        program: format!("affekt {}", env!("CARGO_PKG_VERSION")),
        command: command(),
        made: format!("{} {:02}:{:02} UTC", now.date(), now.hour(), now.minute()),
    }
}

/// The command line as it was given; arguments with blanks in quotes.
fn command() -> String {
    let quoted = |argument: Cow<'_, str>| {
        let plain = |letter: char| letter.is_alphanumeric() || "-_./=:@,+%".contains(letter);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.into_owned()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| quoted(argument.to_string_lossy()));
    std::iter::once("affekt".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}
