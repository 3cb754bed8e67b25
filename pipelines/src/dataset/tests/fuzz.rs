//! Damaged files are refused or read; what is read is sound.

use std::fs;
use std::path::Path;

use affekt_testkit::fuzz::damaged;

use super::super::inventory::{Durations, take};
use super::super::{Labels, Manifest, Source, jsonl, mosei};
use crate::transcript::file;

/// The text of a damaged file, as the readers get it.
fn text(bytes: &[u8]) -> Option<String> {
    Some(file::plain_lines(&file::text(bytes.to_vec()).ok()?))
}

fn is_sound(manifest: &Manifest) {
    let mut ids: Vec<_> = manifest.rows.iter().map(|row| &row.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), manifest.rows.len(), "{manifest:?}");
    assert!(manifest.rows.iter().all(|row| row.label.is_none_or(f64::is_finite)), "{manifest:?}");
    assert!(manifest.rows.iter().all(|row| row.text.as_ref().is_none_or(|text| !text.trim().is_empty())));
    let inventory = take(manifest, &Durations::new());
    assert!(inventory.problems.len() >= manifest.problems.len());
    let shares = [manifest.shard(0, 2).unwrap(), manifest.shard(1, 2).unwrap()];
    assert_eq!(shares[0].rows.len() + shares[1].rows.len(), manifest.rows.len());
}

#[test]
fn manifests() {
    let full = r#"{"id": "a_0", "media": "a.mp4", "start": 0.5, "end": 2.5, "text": "hello é", "label": -1.5, "split": "train"}"#;
    let short = r#"{"id": "b", "media": "b/c.wav", "end": null}"#;
    let corpus = [format!("{full}\n{short}\n").into(), format!("\u{feff}{short}\r\n{full}\r\n").into()];
    damaged(&corpus, |bytes| {
        let Some(text) = text(bytes) else { return };
        is_sound(&jsonl::manifest(&text, Path::new("clips.jsonl"), Path::new("")));
    });
}

#[test]
fn transcripts() {
    let lines = "v___0___0.0___2.5___hello there\nv___12___2.0___44.0___bye วันนี้\nand more\n";
    let wide: Vec<u8> = format!("\u{feff}{lines}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let corpus = [lines.into(), wide, "v___1___-1e9___1e300___a___b\r\nw___2___nan___0___x\r\n".into()];
    damaged(&corpus, |bytes| {
        let Some(text) = text(bytes) else { return };
        is_sound(&mosei::manifest("v", Path::new("v.mp4"), Path::new("v.txt"), &text));
    });
}

/// A damaged list of file names, each made in both folders, the transcripts with damage of their own.
#[test]
#[cfg(unix)]
fn folders() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let corpus: [Vec<u8>; 2] = [
        "v.mp4\nw.mp4\nv.txt\nw.txt\n.hidden\nv___0___0.0___2.5___hello there\n".into(),
        "naïve.mp4\nnaïve.txt\nv_0.txt\nv.MP4\nv___12___2.0___44.0___bye\n".into(),
    ];
    damaged(&corpus, |bytes| {
        let place = tempfile::tempdir().unwrap();
        for folder in [mosei::VIDEOS, mosei::TRANSCRIPTS] {
            let folder = place.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            for name in bytes.split(|byte| *byte == b'\n').filter(|name| !name.contains(&b'/')) {
                // Some names are none for the system.
                let _ = fs::write(folder.join(OsStr::from_bytes(name)), bytes);
            }
        }
        let source = Source { dataset: "mosei", root: Some(place.path()), labels: None };
        is_sound(&Manifest::read(&source).unwrap());
    });
}

#[test]
fn tables() {
    let corpus: [Vec<u8>; 4] = [
        "id,label,split\na_0,1.5,train\na_1,-3,test\n".into(),
        "video\tstart\tend\tlabel\ttext\nv\t0.5\t\t1.0\t\"said\nv\t2\t3\t-1\tno\n".into(),
        ",file,index,start,end,label7,split\r\n0,v,0,2.0,7.1,1,0\r\n1,v,1,9,10,-1,3\r\n".into(),
        "video,clip,text,label,mode\nv,0,\"one, \"\"two\"\"\nthree\",0.6,valid\nv,12,x,2,test\n".into(),
    ];
    let lines = "v___0___0.5___2.5___hello there\nv___12___2.0___44.0___bye\n";
    damaged(&corpus, |bytes| {
        let Some(text) = text(bytes) else { return };
        let Ok(labels) = Labels::parse(&text, Path::new("labels.csv"), None) else { return };
        let mut manifest = mosei::manifest("v", Path::new("v.mp4"), Path::new("v.txt"), lines);
        manifest.label(&labels);
        is_sound(&manifest);
    });
}
