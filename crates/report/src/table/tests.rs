//! Exact tables.

use affekt_core::ErrorKind;

use super::*;
use crate::failure::Reason;

fn judged(input: &str, with_text: Option<f64>, length: f64) -> Row {
    let told = Told {
        with_text,
        without_text: -0.5,
        label: Label::of(with_text.unwrap_or(-0.5)),
        length: Seconds(length),
        face: with_text.map(|_| 0.966),
        warnings: usize::from(with_text.is_none()),
        time: Seconds(length / 4.0),
    };
    Row { input: on_one_line(input), told: Ok(told) }
}

fn failed(input: &str, kind: ErrorKind) -> Row {
    let error = Reason { kind, message: "a long story".into(), hint: None };
    Row::failed(&Failure { input: input.into(), error })
}

#[test]
fn a_line_each_and_their_sum() {
    let rows = [
        judged("clips/a.mp4", Some(1.2344), 8.24),
        judged("clips/b.mp4", None, 754.4),
        failed("clips/c.mp4", ErrorKind::NotMedia),
        judged("clips/d.mp4", Some(-2.0), 3_723.0),
    ];
    let expected = "\
input        with text  without  label       length  face  warnings
clips/a.mp4     +1.234   -0.500  positive     8.2 s   97%         -
clips/b.mp4          -   -0.500  negative     12:34     -         1
clips/c.mp4  failed: not media
clips/d.mp4     -2.000   -0.500  negative   1:02:03   97%         -
3 judged, 1 failed; 1:14:46 of recordings in 18:41
";
    assert_eq!(table(&rows, 80), expected);
    assert_eq!(table(&[], 80), "");
    let none = table(&rows[2..3], 80);
    assert!(none.ends_with("\nnone judged, 1 failed\n"), "{none}");
}

#[test]
fn long_names_keep_what_tells_them_apart() {
    let rows = [
        judged("a.mp4", None, 1.0),
        judged("/data/mosei/Videos/Full/Combined/-3g5yACwYnA.mp4", None, 1.0),
        judged("/data/interview-with-the-director-take-0012.mp4", None, 1.0),
    ];
    let inputs = |width| -> Vec<String> {
        let table = table(&rows, width);
        assert!(table.lines().all(|line| line.width() <= width), "{table}");
        let lines = table.lines().skip(1).take(3);
        lines.map(|line| line[..width - 56].trim_end().to_owned()).collect()
    };
    let narrow = ["a.mp4", "...bined/-3g5yACwYnA.mp4", "interview-w...e-0012.mp4"];
    assert_eq!(inputs(80), narrow);
    let wide = [
        "a.mp4",
        "...osei/Videos/Full/Combined/-3g5yACwYnA.mp4",
        "...interview-with-the-director-take-0012.mp4",
    ];
    assert_eq!(inputs(100), wide);
}

#[test]
fn inputs_that_differ_in_the_middle_widen_the_table() {
    let name = |letter: char| format!("{}{letter}{}.mp4", "x".repeat(40), "y".repeat(40));
    let rows = [judged(&name('1'), None, 1.0), judged(&name('2'), None, 1.0), judged(&name('2'), None, 1.0)];
    let table = table(&rows, 80);
    let inputs: Vec<&str> =
        table.lines().skip(1).take(3).map(|line| line.split(GAP).next().unwrap()).collect();
    assert_ne!(inputs[0], inputs[1], "{table}");
    assert_eq!(inputs[1], inputs[2], "{table}");
}

#[test]
fn columns_line_up_in_every_script() {
    let names =
        ["文件/視頻文件視頻文件視頻文件視頻.mp4", "ملف.mp4", "e\u{301}te\u{301}.mp4", "a\nb\u{1b}[2J.mp4"];
    let rows = names.map(|name| judged(name, None, 1.0));
    let table = table(&rows, 80);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 6, "{table}");
    let end = |line: &&str| line.width();
    assert!(lines[1..5].iter().all(|line| end(line) == end(&lines[1])), "{table}");
    assert!(table.contains(r"a\nb\u{1b}[2J.mp4"), "{table}");
}

#[test]
fn letters_of_two_columns_and_accents_are_not_cut_in_half() {
    assert_eq!(first_columns("視頻", 3), "視");
    assert_eq!(last_columns("視頻", 3), "頻");
    assert_eq!(last_columns("ae\u{301}b", 1), "b");
    assert_eq!(last_columns("ae\u{301}b", 2), "e\u{301}b");
}
