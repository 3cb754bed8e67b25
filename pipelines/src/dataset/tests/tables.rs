use std::fs;
use std::path::Path;

use affekt_core::{ErrorKind, Explain};
use affekt_testkit::realdata;

use super::super::{Error, Folds, Kind, Labels, Split};
use super::{kinds, manifest, of_rows, row, table};

#[test]
fn tables_of_any_make_are_read() {
    let plain = table("id,label,split\na_0,1.5,train\nb_1,-3,test\n");
    assert_eq!(plain.problems, []);
    assert!(plain.has_splits);
    assert_eq!((plain.rows[1].label, plain.rows[1].split), (Some(-3.0), Some(Split::Test)));
    let same = [
        "\u{feff}id,label,split\r\na_0,1.5,train\r\nb_1,-3,test\r\n",
        "ID\tLabel\tSplit\na_0\t1.5\ttrain\nb_1\t-3\ttest",
        "id\tlabel\tsplit\n\"a_0\"\t1.5\t\"train\"\nb_1\t-3\ttest",
        "\"id\",\"label\",\"split\"\n\"a_0\", 1.5 ,train\nb_1,-3,\"test\"\n",
    ];
    for text in same {
        let table = table(&text.trim_start_matches('\u{feff}').replace("\r\n", "\n"));
        assert_eq!(table.rows, plain.rows, "{text:?}");
    }
    let quoted = table("text,video,clip,label\n\"one, \"\"two\"\"\nthree\",a,0,1\nfour,a,1,2\n");
    assert_eq!(quoted.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4]);
    assert!(!quoted.has_splits);
    let open = table("id\ttext\tlabel\na_0\t\"he said\t1\na_1\tfine\t2\n");
    assert_eq!(open.rows.len(), 2);
}

#[test]
fn files_are_read_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.csv");
    fs::write(&path, "\u{feff}id,label\r\na_0,1\r\n").unwrap();
    assert_eq!(Labels::read(&path).unwrap().rows.len(), 1);
    fs::write(&path, b"id,label\na_0,1\nb\xff_0,1\n").unwrap();
    let told = Labels::read(&path).unwrap_err().to_string();
    assert!(told.contains("labels.csv") && told.contains("line 3") && told.contains("byte 16"), "{told}");
    fs::write(&path, " \n").unwrap();
    assert!(Labels::read(&path).unwrap_err().to_string().contains("empty"));
    assert_eq!(Labels::read(folder.path()).unwrap_err().kind(), ErrorKind::Unreadable);
    assert_eq!(Labels::read(Path::new("absent.csv")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn times_that_no_recording_has_are_bad_numbers() {
    let table = table("video,start,end,label\nv,1e300,2,1\nv,1,1e300,1\nv,2000000,-2000000,1\nv,1,1e6,1\n");
    let told: Vec<&str> = table.problems.iter().map(|problem| problem.message.as_str()).collect();
    let bad: Vec<_> = table.problems.iter().filter(|problem| problem.kind == Kind::BadNumber).collect();
    assert_eq!(bad.len(), 4, "{told:?}");
    assert!(told[0].starts_with("line 2: the start 1e300 is beyond 1000000 s (11 days)"), "{told:?}");
    assert!(told.iter().all(|told| told.len() < 100), "{told:?}");
    assert_eq!(table.rows.iter().map(|row| row.end).collect::<Vec<_>>(), [None, Some(1e6)]);
}

#[test]
fn columns_that_say_too_little_are_listed() {
    for (header, part) in [
        ("name,label", "video and start"),
        ("video,label", "video and start"),
        ("clip,start,label", "video and start"),
        ("id,split", "label"),
        ("id,label,label", "twice"),
        ("id;label;split", "id;label;split"),
    ] {
        let error = Labels::parse(&format!("{header}\nx\n"), Path::new("labels.csv"), None).unwrap_err();
        let told = error.to_string();
        assert!(told.contains(part) && told.contains("labels.csv"), "{told}");
        assert!(header.split(',').all(|column| told.contains(column)), "{told}");
        assert!(matches!(error, Error::Columns { .. }));
        assert!(error.hint().unwrap().contains("video and start"));
    }
}

#[test]
fn a_row_that_is_wrong_is_a_problem_with_its_number() {
    let cases = [
        ("a_1,x,1,train", Kind::BadNumber, "\"x\"", 2),
        ("a_1,1,nan,train", Kind::BadNumber, "\"nan\"", 2),
        ("a_1,1,inf,train", Kind::BadNumber, "\"inf\"", 2),
        ("a_1,1,,train", Kind::MissingLabel, "no label", 2),
        ("a_1,1,1,4", Kind::BadSplit, "\"4\"", 2),
        ("a_1,1,1", Kind::BadLine, "3 fields, the header has 4", 1),
        ("a_0,1,1,train", Kind::DuplicateId, "line 2", 1),
        (",1,1,train", Kind::BadLine, "which clip", 1),
        ("a/1,1,1,train", Kind::BadId, "path separator", 1),
    ];
    for (line, kind, part, rows) in cases {
        let table = table(&format!("id,start,label,split\na_0,0,1,train\n{line}\n"));
        assert_eq!(kinds(&table.problems), [kind], "{line}");
        let told = table.problems[0].to_string();
        assert!(told.starts_with("labels.csv: line 3: ") && told.contains(part), "{told}");
        assert_eq!(table.rows.len(), rows, "{line}");
    }
}

#[test]
fn labels_go_to_clips_by_id_then_by_parts_then_by_start() {
    let clips = || of_rows(vec![row("v", 0, 1.0, None), row("v", 1, 5.0, None), row("w", 0, 1.0, None)]);
    let labelled = |text: &str| {
        let mut clips = clips();
        clips.label(&table(text));
        (clips.rows.iter().map(|row| row.label).collect::<Vec<_>>(), kinds(&clips.problems))
    };
    let all = vec![Some(0.5), Some(1.5), Some(2.5)];
    assert_eq!(labelled("id,label\nw_0,2.5\nv_1,1.5\nv_0,0.5\n"), (all.clone(), vec![]));
    assert_eq!(labelled("video,clip,label\nw,0,2.5\nv,1,1.5\nv,0,0.5\n"), (all.clone(), vec![]));
    let by_start = "id,video,start,label\nx,w,0.9,2.5\ny,v,5.1,1.5\nz,v,1.05,0.5\n";
    assert_eq!(labelled(by_start), (all, vec![]));
    let far = "video,start,label\nv,1.2,9\nv,5,1\nw,1,2\n";
    let missing = vec![Kind::MissingLabel, Kind::ExtraLabel];
    assert_eq!(labelled(far), (vec![None, Some(1.0), Some(2.0)], missing));
    // The nearest first, and each label once.
    let close = "video,start,label\nv,1.06,1\nv,0.98,2\nv,5,3\nw,1,4\n";
    assert_eq!(labelled(close), (vec![Some(2.0), Some(3.0), Some(4.0)], vec![Kind::ExtraLabel]));
}

#[test]
fn segments_of_equal_starts_are_told_apart_by_their_ends() {
    let mut clips = of_rows(vec![row("v", 0, 0.0, Some(0.572)), row("v", 1, 0.0, Some(6.16))]);
    clips.label(&table("video,start,end,label\nv,0.0,6.16,1\nv,0.0,0.572,2\n"));
    assert_eq!(clips.rows.iter().map(|row| row.label).collect::<Vec<_>>(), [Some(2.0), Some(1.0)]);
    assert_eq!(clips.problems, []);
}

#[test]
fn a_table_changes_only_what_it_speaks_of() {
    let text = r#"{"id": "a", "media": "a.mp4", "label": 1, "split": "test"}"#;
    let mut clips = manifest(text);
    clips.label(&table("id,label\na,2\n"));
    assert_eq!((clips.rows[0].label, clips.rows[0].split), (Some(2.0), Some(Split::Test)));
    clips.label(&table("id,label,split\na,3,train\n"));
    assert_eq!((clips.rows[0].label, clips.rows[0].split), (Some(3.0), Some(Split::Train)));
}

/// Labels of a clip that is left out are not told as extra on top.
#[test]
fn a_clip_that_is_left_out_keeps_its_label() {
    let mut clips = manifest(r#"{"id": "a", "media": "a.mp4", "start": 3, "end": 2}"#);
    clips.label(&table("id,label\na,2\n"));
    assert_eq!(kinds(&clips.problems), [Kind::BadSpan]);
}

#[test]
fn the_published_tables_load() {
    let Some(files) = realdata::files("mosei_labels", &["tsv", "csv"]) else { return };
    let read = |name: &str| Labels::read(files.iter().find(|path| path.ends_with(name)).unwrap()).unwrap();
    let count = |labels: &Labels| {
        Split::ALL.map(|split| labels.rows.iter().filter(|row| row.split == Some(split)).count())
    };
    let index = read("mosei_index.tsv");
    assert_eq!(index.problems, []);
    assert_eq!((index.rows.len(), count(&index)), (22_788, [16_274, 1_861, 4_653]));
    let folds = Folds::official("mosei").unwrap();
    let official = |labels: &Labels| {
        labels.rows.iter().all(|row| row.split == folds.split_of(row.video.as_deref().unwrap()))
    };
    assert!(official(&index));
    let s3prl = read("mosei_s3prl_labels.csv");
    assert_eq!(kinds(&s3prl.problems), [Kind::RoundedLabels]);
    assert_eq!((s3prl.rows.len(), count(&s3prl)), (23_259, [16_327, 1_871, 4_662]));
    assert!(official(&s3prl));
}
