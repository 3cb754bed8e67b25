//! Tables with several splits, and what a table needs to be trained on.

use std::path::Path;

use affekt_core::{ErrorKind, Explain};
use affekt_testkit::realdata;

use super::super::{Error, Folds, Kind, Labels, Split};
use super::kinds;

fn table(text: &str, split: &str) -> Result<Labels, Error> {
    Labels::parse(text, Path::new("labels.tsv"), Some(split))
}

fn splits(labels: &Labels) -> Vec<Option<Split>> {
    labels.rows.iter().map(|row| row.split).collect()
}

#[test]
fn a_named_column_says_the_split() {
    let text = "id,label,split,other\na,1,train,test\nb,2,test,-\nc,1,valid,None\nd,1,train,UNUSED\ne,1,test,\nf,1,dev,3\n";
    let first = vec![Some(Split::Test), None, None, None, None, None];
    let named = table(text, "Other").unwrap();
    assert_eq!((named.problems.len(), named.has_splits, splits(&named)), (0, true, first));
    assert_eq!(super::table(text).rows[0].split, Some(Split::Train));
    let error = table(text, "fold").unwrap_err();
    assert!(matches!(error, Error::Columns { .. }));
    let told = "labels.tsv: the columns are id, label, split, other; none is called fold, which was to say the split";
    assert_eq!(error.to_string(), told);
    assert!(
        table("id,label,a,A\nx,1,train,test\n", "a").unwrap_err().to_string().contains("a is there twice")
    );
    let typo = table("id,label,part\na,1,train\nb,1,tset\n", "part").unwrap();
    assert_eq!(
        (kinds(&typo.problems), splits(&typo)),
        (vec![Kind::BadSplit], vec![Some(Split::Train), None])
    );
    assert!(typo.problems[0].to_string().starts_with("labels.tsv: line 3: the split \"tset\""));
}

#[test]
fn columns_that_could_be_splits_are_known() {
    let text = "id,label,bin,fold,split_a,note\na,1,0,train,train,\nb,2,1,-,tset,test it\n";
    let labels = super::table(text);
    assert!(!labels.has_splits && labels.rows.iter().all(|row| row.split.is_none()));
    // A mistake does not hide a column that is called so; numbers are no sign.
    assert_eq!(labels.split_columns, ["fold", "split_a"]);
    assert_eq!(super::table("id,label\na,1\n").split_columns, [""; 0]);
}

#[test]
fn what_cannot_be_trained_on_is_named() {
    let header = "id,label,split\na_0,3,train\na_1,-3,test\n";
    let sound = super::table(header);
    assert_eq!(sound.clone().trainable().unwrap(), sound);
    for (line, clip, said) in [
        ("a_2,3.01,train", Some("a_2"), "line 4: the label 3.01 of a_2 is outside [-3, 3]"),
        ("a_2,-4,valid", Some("a_2"), "line 4: the label -4.0 of a_2 is outside [-3, 3]"),
        ("a_2,nan,train", Some("a_2"), "line 4: the label \"nan\" is not a number"),
        ("a_2,inf,train", Some("a_2"), "line 4: the label \"inf\" is not a number"),
        ("a_2,good,train", Some("a_2"), "line 4: the label \"good\" is not a number"),
        ("a_2,,train", Some("a_2"), "line 4: a_2 has no label"),
        ("a_2,1,tset", Some("a_2"), "line 4: the split \"tset\" is not train, valid or test"),
        ("a_1,1,train", Some("a_1"), "line 4: a_1 has a label in line 3"),
        ("a_2,1", None, "line 4: it has 2 fields"),
    ] {
        let error = super::table(&format!("{header}{line}\n")).trainable().unwrap_err();
        assert!(error.to_string().starts_with(&format!("labels.csv: {said}")), "{error} should say {said}");
        assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::BadDataset, true));
        let Error::Malformed { first, others: 0 } = error else { panic!("{line}: {error}") };
        assert_eq!(first.clip.as_deref(), clip);
    }
    let several = super::table(&format!("{header}b,9,train\nc,9,train\nd,,test\n")).trainable().unwrap_err();
    assert!(several.to_string().ends_with("the label 9.0 of b is outside [-3, 3] (and 2 more)"), "{several}");
    // Who belongs to no split is neither learnt from nor measured.
    assert!(super::table(&format!("{header}a_2,,-\na_3,7,none\n")).trainable().is_ok());
    assert!(super::table("id,label\na,7\n").trainable().is_err());
    let timed = super::table("video,start,label\nv,1.5,4\n").trainable().unwrap_err();
    assert!(timed.to_string().contains("the label 4.0 of v from 1.5 s is outside"), "{timed}");
}

#[test]
fn the_index_of_mosi_has_three_splits() {
    let Some(files) = realdata::files("mosi_utterance", &["tsv"]) else { return };
    let index = Labels::read(&files[0]).unwrap();
    assert!(!index.has_splits);
    assert_eq!(index.split_columns, ["split_std", "split_bclstm", "split_clean752"]);
    for (column, counts) in [
        ("split_std", [1284, 229, 686]),
        ("split_bclstm", [1447, 0, 752]),
        ("split_clean752", [469, 74, 209]),
    ] {
        let labels = Labels::read_with(&files[0], Some(column)).unwrap().trainable().unwrap();
        assert_eq!((labels.rows.len(), labels.problems.len()), (2199, 0));
        let count = |split| labels.rows.iter().filter(|row| row.split == Some(split)).count();
        assert_eq!(Split::ALL.map(count), counts, "{column}");
    }
    let folds = Folds::official("mosi").unwrap();
    let official = Labels::read_with(&files[0], Some("split_std")).unwrap();
    assert!(official.rows.iter().all(|row| row.split == folds.split_of(row.video.as_deref().unwrap())));
    let error = Labels::read_with(&files[0], Some("split")).unwrap_err().to_string();
    assert!(error.contains("split_std, split_bclstm, split_clean752"), "{error}");
}
