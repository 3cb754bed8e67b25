//! One `.npy` file of all clips, with the table that names them.
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use affekt_cache::{Description, Error, Imported, Index, Store, import_table, npy};
use affekt_core::{Digest, Event, Explain, FeatureKind, Reporter, Silent};
use affekt_testkit::{fuzz, realdata};
use common::{id, verified};

fn description(kind: FeatureKind) -> Description {
    Description {
        kind,
        encoder: "unknown".into(),
        weights: None,
        layers: None,
        preprocessing: Vec::new(),
        width: None,
        dtype: "f32".into(),
        row: None,
    }
}

fn index(path: &Path) -> Index {
    Index { path: path.into(), id: None, row: None, length: None }
}

/// A file of this shape with the numbers from 0 in the order of the file.
fn array(kind: &str, fortran: bool, shape: &[usize]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let axes = axes.join(", ");
    let text = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({axes}), }}\n");
    let numbers = 0..shape.iter().product();
    let data: Vec<u8> = match kind {
        "<f8" => numbers.flat_map(|number| (number as f64).to_le_bytes()).collect(),
        _ => numbers.flat_map(|number| (number as f32).to_le_bytes()).collect(),
    };
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), &data].concat()
}

/// A folder with an array and its index.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(array: &[u8], index: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(place.path("all.npy"), array).unwrap();
        fs::write(place.path("index.tsv"), index).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn index(&self) -> Index {
        index(&self.path("index.tsv"))
    }

    fn import_by(&self, index: &Index) -> Result<Imported, Error> {
        let (cache, array) = (self.path("cache"), self.path("all.npy"));
        import_table(&cache, &array, index, &description(FeatureKind::Text), &Silent)
    }

    fn import(&self) -> Result<Imported, Error> {
        self.import_by(&self.index())
    }

    /// The rows and numbers of a clip.
    fn feature(&self, imported: &Imported, name: &str) -> (usize, Vec<f32>) {
        let store = Store::open(&self.path("cache"), &imported.spec).unwrap();
        let feature = store.feature(&id(name)).unwrap();
        (feature.rows, feature.to_f32())
    }

    /// What is said of an import that must not begin.
    fn refused(&self, index: &Index) -> String {
        let error = self.import_by(index).unwrap_err();
        assert!(error.hint().is_some() && !self.path("cache").exists(), "{error}");
        error.to_string()
    }
}

/// Expects no work.
struct Deaf;

impl Reporter for Deaf {
    fn report(&self, event: &Event) {
        panic!("{event:?}: all should be known");
    }
}

#[test]
fn a_matrix_has_a_row_a_clip() {
    let place = Place::new(&array("<f4", false, &[3, 2]), "text\tid\n\"open\tc\nfine\ta\nno\tb\n");
    let imported = place.import().unwrap();
    assert_eq!((imported.written, imported.already, imported.failed.len()), (3, 0, 0));
    assert_eq!((imported.spec.width, imported.spec.row.as_str()), (2, "clip"));
    assert_eq!(place.feature(&imported, "a"), (1, vec![2.0, 3.0]));
    let file = Digest::of(&fs::read(place.path("all.npy")).unwrap());
    let store = Store::open(&place.path("cache"), &imported.spec).unwrap();
    assert_eq!(store.clip(&id("a")).unwrap().facts.media.as_ref(), Some(&file));
    // The recipe names what is taken of both files, and nothing else.
    let source = Digest::of(format!("{file}\nc 0 1\na 1 1\nb 2 1\n").as_bytes());
    assert_eq!(imported.spec.preprocessing, [format!("imported-{source}")]);
    assert_eq!(imported.spec.weights, source);
    fs::write(place.path("index.tsv"), "ID,row,label\na,1,3\nb,2,0\nc,0,1\n").unwrap();
    let (cache, array) = (place.path("cache"), place.path("all.npy"));
    let description = description(FeatureKind::Text);
    let again = import_table(&cache, &array, &place.index(), &description, &Deaf).unwrap();
    assert_eq!((again.written, again.already, &again.spec), (0, 3, &imported.spec));
    fs::write(place.path("index.tsv"), "id,row\na,2\nb,1\nc,0\n").unwrap();
    assert_ne!(place.import().unwrap().spec, imported.spec);
}

#[test]
fn a_column_of_rows_goes_before_the_order_of_the_lines() {
    let place = Place::new(&array("<f8", false, &[2, 2]), "row,id,place,name\n1,a,0,x\n0,b,1,y\n");
    let imported = place.import().unwrap();
    assert_eq!(place.feature(&imported, "a").1, [2.0, 3.0]);
    let (id, row) = (Some("Name".into()), Some("place".into()));
    let imported = place.import_by(&Index { id, row, ..place.index() }).unwrap();
    assert_eq!(place.feature(&imported, "x").1, [0.0, 1.0]);
}

#[test]
fn three_axes_are_clips_of_several_rows_and_padding_is_dropped() {
    let place = Place::new(&array("<f4", false, &[2, 3, 2]), "id\tlength\na\t1\nb\t3\n");
    let whole = place.import().unwrap();
    assert_eq!(place.feature(&whole, "b"), (3, (6..12).map(|number| number as f32).collect()));
    assert_eq!(whole.spec.row, "token");
    let by_length = Index { length: Some("length".into()), ..place.index() };
    let cut = place.import_by(&by_length).unwrap();
    assert_ne!(cut.spec, whole.spec);
    assert_eq!(place.feature(&cut, "a"), (1, vec![0.0, 1.0]));
    assert_eq!(place.feature(&cut, "b"), place.feature(&whole, "b"));
    fs::write(place.path("index.tsv"), "id\tlength\na\t0\nb\t3\n").unwrap();
    let empty = place.import_by(&by_length).unwrap();
    assert_eq!((empty.written, &empty.failed[..]), (1, &[(id("a"), "its length is 0".to_owned())][..]));
}

#[test]
fn columns_that_stand_together_are_put_in_rows() {
    let shape = [3, 2, 2];
    let place = Place::new(&array("<f4", true, &shape), "id\na\nb\nc\n");
    let imported = place.import().unwrap();
    // numpy.arange(12).reshape(3, 2, 2, order="F")[1]
    assert_eq!(place.feature(&imported, "b"), (2, vec![1.0, 7.0, 4.0, 10.0]));
}

#[test]
fn numbers_that_are_none_fail_their_clip_only() {
    let numbers = [0.0, 1.0, f32::NAN, 2.0, 3.0, f32::INFINITY];
    let place = Place::new(&npy::encode(3, 2, numbers.into_iter()), "id\na\nb\nc\n");
    let imported = place.import().unwrap();
    let failed: Vec<&str> = imported.failed.iter().map(|(clip, _)| clip.as_str()).collect();
    assert_eq!((imported.written, failed), (1, vec!["b", "c"]));
    assert!(imported.failed[0].1.contains("row 0 holds a NaN or an infinity"), "{:?}", imported.failed);
    let again = place.import().unwrap();
    assert_eq!((again.written, again.already, &again.failed), (0, 1, &imported.failed));
    let report = verified(&place.path("cache"));
    assert_eq!((report.features, report.failures, report.problems.len()), (1, 2, 0));
    // Padding is not looked at.
    let padded = Place::new(&array("<f4", false, &[1, 2, 1]), "id,n\na,1\n");
    let mut bytes = fs::read(padded.path("all.npy")).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(padded.path("all.npy"), bytes).unwrap();
    let imported = padded.import_by(&Index { length: Some("n".into()), ..padded.index() }).unwrap();
    assert_eq!((imported.written, padded.feature(&imported, "a")), (1, (1, vec![0.0])));
}

/// More numbers than are read at a time, in both orders.
#[test]
fn blocks_follow_each_other() {
    let (clips, width) = (700, 8 << 10);
    let names: String = (0..clips).map(|clip| format!("c{clip}\n")).collect();
    for fortran in [false, true] {
        let place = Place::new(&array("<f4", fortran, &[clips, width]), &format!("id\n{names}"));
        let imported = place.import().unwrap();
        assert_eq!((imported.written, imported.failed.len()), (clips, 0));
        for clip in [0, 511, 512, 699] {
            let (first, step) = if fortran { (clip, clips) } else { (clip * width, 1) };
            let numbers: Vec<f32> = (0..width).map(|at| (first + at * step) as f32).collect();
            assert_eq!(place.feature(&imported, &format!("c{clip}")).1, numbers);
        }
    }
}

#[test]
fn an_index_that_does_not_fit_is_refused_before_anything_is_written() {
    let place = Place::new(&array("<f4", false, &[2, 2]), "");
    for (text, said) in [
        ("id\na\n", "has length 2, and"),
        ("id\na\nb\nc\n", "has 3 lines below its header"),
        ("id,row\na,0\nb,1\nc,2\n", "has 3 lines below its header"),
        ("id,row\na,0\nb,2\n", "index.tsv, line 3: there is no row 2: the array has rows 0 to 1"),
        ("id,row\na,1\nb,1\n", "line 3: the row 1 is that of line 2, too"),
        ("id,row\na,1\nb,-1\n", "line 3: the row \"-1\" is not a whole number"),
        ("id,row\na,1\nb,\n", "line 3: the row \"\" is not a whole number"),
        ("id\na\na\n", "line 3: the id \"a\" stands in line 2, too"),
        ("id,x\na,\n,2\n", "line 3: it names no clip"),
        ("id\na\nb/c\n", "line 3: \"b/c\" is not a clip id"),
        ("id,x\na,1\nb\n", "line 3: it has 1 fields, the header has 2"),
        ("name,x\na,1\nb,2\n", "the columns are name, x; none is called id"),
        ("a,1\nb,2\n", "the columns are a, 1; none is called id"),
        ("id,ID\na,1\nb,2\n", "id is there twice"),
        (" \n", "it is empty"),
    ] {
        fs::write(place.path("index.tsv"), text).unwrap();
        let told = place.refused(&place.index());
        assert!(told.contains(said) && told.contains("index.tsv"), "{told} should say {said}");
    }
    fs::write(place.path("index.tsv"), b"id\na\nb\xff\n").unwrap();
    assert!(place.refused(&place.index()).contains("line 3: it is not UTF-8"));
    fs::write(place.path("index.tsv"), "id,n\na,1\nb,2\n").unwrap();
    let named = |name: &str| Some(name.to_owned());
    let told = place.refused(&Index { row: named("where"), ..place.index() });
    assert!(told.contains("the columns are id, n; none is called where"), "{told}");
    let told = place.refused(&Index { length: named("n"), ..place.index() });
    assert!(told.contains("line 3: the length 2 is more than the 1 rows"), "{told}");
    assert!(matches!(place.import_by(&index(&place.path("absent"))), Err(Error::Read { .. })));
    assert!(matches!(place.import_by(&index(place.folder.path())), Err(Error::Read { .. })));
}

#[test]
fn an_array_that_cannot_be_taken_is_refused() {
    let place = Place::new(b"", "id\na\nb\n");
    let whole = array("<f4", false, &[2, 2]);
    for (bytes, said) in [
        (array("<i4", false, &[2, 2]), "<i4"),
        (array("<f4", false, &[2, 2, 1, 1]), "[2, 2, 1, 1] is neither (clips, width) nor"),
        (array("<f4", false, &[0, 2]), "holds no numbers"),
        (whole[..whole.len() - 1].to_vec(), "does not fit its 15 bytes"),
        (b"PK\x03\x04 and so on".to_vec(), ".npz"),
        (b"\x80\x04\x95pickled bytes".to_vec(), "pickle"),
        (Vec::new(), "its 0 bytes are no array"),
    ] {
        fs::write(place.path("all.npy"), bytes).unwrap();
        let told = place.refused(&place.index());
        assert!(told.contains(said) && told.contains("all.npy"), "{told} should say {said}");
    }
    fs::write(place.path("all.npy"), &whole).unwrap();
    let narrow = Description { width: Some(3), ..description(FeatureKind::Text) };
    let refused = |npy: &Path| {
        let ended = import_table(&place.path("cache"), npy, &place.index(), &narrow, &Silent);
        ended.unwrap_err().to_string()
    };
    assert!(refused(&place.path("all.npy")).contains("its rows have 2 numbers, not 3"));
    assert!(refused(place.folder.path()).contains("it is a folder"));
}

#[test]
fn damaged_files_are_refused_or_taken_whole() {
    let place = Place::new(b"", "");
    let arrays = [array("<f4", false, &[2, 2]), array("<f8", true, &[2, 1, 2])];
    fuzz::damaged(&arrays, |bytes| {
        fs::write(place.path("all.npy"), bytes).unwrap();
        fs::write(place.path("index.tsv"), "id\na\nb\n").unwrap();
        taken_whole(&place);
    });
    let indexes = ["id,row,n\na,0,1\nb,1,0\n".into(), "row\tid\tn\n1\t\"a\"\t1\n0\tb\t1\n".into()];
    fs::write(place.path("all.npy"), &arrays[0]).unwrap();
    fuzz::damaged(&indexes, |bytes| {
        fs::write(place.path("index.tsv"), bytes).unwrap();
        taken_whole(&place);
    });
}

fn taken_whole(place: &Place) {
    if let Ok(imported) = place.import_by(&Index { length: None, ..place.index() }) {
        assert_eq!(imported.written + imported.already + imported.failed.len(), 2);
    }
    let _ = fs::remove_dir_all(place.path("cache"));
}

/// Each feature of MOSI's utterances: whole, sound, and a known clip bit for bit.
#[test]
fn the_utterances_of_mosi_come_in() {
    let Some(files) = realdata::files("mosi_utterance", &["npy", "tsv"]) else { return };
    let file = |name: &str| files.iter().find(|path| path.ends_with(name)).unwrap();
    let table = index(file("mosi_index.tsv"));
    let place = tempfile::tempdir().unwrap();
    for (kind, name, width) in [
        (FeatureKind::Text, "mosi_text_100.npy", 100),
        (FeatureKind::Audio, "mosi_audio_73.npy", 73),
        (FeatureKind::Video, "mosi_video_100.npy", 100),
    ] {
        let cache = place.path().join(name);
        let imported = import_table(&cache, file(name), &table, &description(kind), &Silent).unwrap();
        assert_eq!((imported.written, imported.failed.len(), imported.spec.width), (2199, 0, width));
        let report = verified(&cache);
        assert_eq!((report.features, report.failures, report.problems.len()), (2199, 0, 0));
        let store = Store::open(&cache, &imported.spec).unwrap();
        let bytes = fs::read(file(name)).unwrap();
        let rows = &bytes[bytes.len() - 2199 * width * 4..];
        // Lines 2, 3 and 2200 of the index.
        for (row, clip) in [(0, "03bSnISJMiM_1"), (1, "03bSnISJMiM_10"), (2198, "zhpQhgha_KU_9")] {
            let feature = store.feature(&id(clip)).unwrap();
            assert_eq!((feature.rows, feature.bytes), (1, &rows[row * width * 4..][..width * 4]), "{clip}");
        }
    }
}
