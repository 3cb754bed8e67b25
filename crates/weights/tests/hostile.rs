//! Files that are damaged, lie, or are made to harm: always an error that names the file, never a panic, a call or a
//! large allocation.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::fs;

use affekt_core::Explain;
use affekt_testkit::torchfile::{Pickle, Record, archive, flat, legacy, zip};
use affekt_weights::{Checkpoint, Error};
use candle_core::Device;

fn open(bytes: &[u8]) -> Result<Checkpoint, Error> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.pt");
    fs::write(&file, bytes).unwrap();
    // The map outlives the name.
    Checkpoint::open(&file)
}

/// Asserts that the file is refused with these words.
#[track_caller]
fn refused(bytes: &[u8], words: &str) {
    let error = open(bytes).expect_err(words);
    let message = error.to_string();
    assert!(message.contains("checkpoint.pt") && message.contains(words), "{message}\nlacks {words:?}");
    assert!(message.len() < 700, "{message}");
    assert!(error.hint().is_some());
}

#[track_caller]
fn accepted(bytes: &[u8]) {
    let tensor = open(bytes).unwrap().tensor("weight", &Device::Cpu).unwrap();
    assert_eq!(tensor.to_vec1::<f32>().unwrap(), [1., 2.]);
}

#[test]
fn sound_files_made_by_hand_open() {
    let pickle = flat(|pickle| pickle);
    accepted(&archive(&pickle));
    accepted(&legacy(&pickle));
    let large = |name: &str, bytes: &[u8]| Record { large: true, ..Record::new(name, bytes) };
    let data = [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat();
    accepted(&zip(&[large("data.pkl", &pickle), large("data/0", &data), large("byteorder", b"little")]));
}

/// Every way in which a pickle can call something.
fn calls(module: &str, name: &str, argument: &str) -> Vec<Pickle> {
    let start =
        || Pickle::new().raw(b"}").text("weight").tensor("0", 2, 0, &[2], &[1]).raw(b"s").text("optimizer");
    let named = || start().global(module, name);
    vec![
        start().call(module, name, argument),
        named().text(argument).raw(b"\x85\x81"),
        named().text(argument).raw(b"\x85}\x92"),
        start().raw(b"(").global(module, name).text(argument).raw(b"o"),
        start().raw(b"(").text(argument).raw(format!("i{module}\n{name}\n").as_bytes()),
        start().text(module).text(name).raw(b"\x93").text(argument).raw(b"\x85R"),
        // The callee by way of the memo.
        named().raw(b"q\x070h\x07").text(argument).raw(b"\x85R"),
    ]
}

#[test]
fn calls_of_anything_unknown_are_errors_and_nothing_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("harm");
    let command = format!("touch {}", marker.display());
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("nt", "system"),
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("builtins", "getattr"),
        ("subprocess", "Popen"),
        ("webbrowser", "open"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("numpy", "load"),
        ("runpy", "_run_code"),
        ("fairseq", "__builtins__.eval"),
    ] {
        for pickle in calls(module, name, &command) {
            let pickle = pickle.raw(b"s").end();
            for file in [archive(&pickle), legacy(&pickle)] {
                let error = open(&file).unwrap_err();
                assert!(matches!(error, Error::Unsafe { .. }), "{module}.{name}: {error}");
                let message = error.to_string();
                assert!(message.contains(name) && message.contains("Nothing was run"), "{message}");
            }
        }
    }
    assert!(!marker.exists());
}

#[test]
fn a_call_among_facts_of_the_machine_is_refused_too() {
    let sound = legacy(&flat(|pickle| pickle));
    let hostile = Pickle::new().call("os", "system", "true").end();
    let magic = 15;
    for at in [magic, magic + Pickle::new().raw(b"M\xe9\x03").end().len()] {
        refused(&[&sound[..at], &hostile, &sound[at..]].concat(), "os.system");
    }
}

#[test]
fn data_of_training_scripts_stays_opaque() {
    for (module, name) in [
        ("argparse", "Namespace"),
        ("fairseq.dataclass.configs", "CommonConfig"),
        ("omegaconf.dictconfig", "DictConfig"),
        ("numpy.core.multiarray", "scalar"),
        ("__main__", "Settings"),
        ("pathlib", "PosixPath"),
        ("torch", "device"),
    ] {
        for pickle in calls(module, name, "rm") {
            // With a state, and as a container.
            accepted(&archive(
                &pickle.raw(b"}").text("lr").int(1).raw(b"sb").text("k").int(1).raw(b"ss").end(),
            ));
        }
    }
    // A name that is only mentioned is only a name.
    accepted(&archive(&flat(|pickle| pickle.text("x").global("os", "system").raw(b"s"))));
    // Nothing can be done with what is opaque, nor with a name.
    let made = flat(|pickle| pickle.text("x").call("argparse", "Namespace", "").raw(b")Rs"));
    refused(&archive(&made), "calls what is no name");
    let state = flat(|pickle| pickle.text("x").global("os", "environ").raw(b"}bs"));
    refused(&archive(&state), "sets the state of what has none");
}

#[test]
fn nesting_sharing_and_loops_cost_nothing() {
    let nested = |open: &[u8], close: &[u8]| {
        flat(|pickle| pickle.text("x").raw(&open.repeat(300_000)).raw(&close.repeat(300_000)).raw(b"s"))
    };
    accepted(&archive(&nested(b"](", b"e")));
    accepted(&archive(&flat(|pickle| pickle.text("x").raw(b")").raw(&b"\x85".repeat(900_000)).raw(b"s"))));
    accepted(&legacy(&flat(|pickle| pickle.text("x").raw(b")").raw(&b"\x85".repeat(900_000)).raw(b"s"))));
    // Each tuple holds the one before twice: 2^100 leaves if they were copied.
    accepted(&archive(&flat(|pickle| pickle.text("x").raw(b")").raw(&b"2\x86".repeat(100)).raw(b"s"))));
    // A list and a dictionary that hold themselves.
    accepted(&archive(&flat(|pickle| pickle.text("x").raw(b"]q\x01h\x01as"))));
    accepted(&archive(&flat(|pickle| pickle.raw(b"q\x01").text("state_dict").raw(b"h\x01s"))));
    let looped = Pickle::new().raw(b"}q\x01").text("model").raw(b"h\x01s").end();
    refused(&archive(&looped), "without a dictionary of tensors");
}

#[test]
fn lengths_and_counts_are_compared_with_the_file() {
    for bomb in [
        &b"\x8b\xff\xff\xff\x7f"[..],
        b"X\xff\xff\xff\xff",
        b"B\xff\xff\xff\xff",
        b"T\xff\xff\xff\xff",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f",
    ] {
        refused(&archive(&flat(|pickle| pickle.text("x").raw(bomb))), "more bytes");
    }
    refused(&archive(&flat(|pickle| pickle.raw(&b"N".repeat(2_100_000)))), "instructions");
    refused(&archive(&flat(|pickle| pickle.raw(b"c").raw(&[b'a'; 5000]))), "does not end");
    refused(&archive(&flat(|pickle| pickle.raw(b"\x82\x01"))), "0x82");
    refused(&archive(&flat(|pickle| pickle.raw(b"Na"))), "no list");
    refused(&archive(&Pickle::new().raw(b"R").end()), "empty stack");
    refused(&archive(&Pickle::new().raw(b"t").end()), "a mark that is not there");
    refused(&archive(&Pickle::new().raw(b"h\x09").end()), "memo 9");
    refused(&archive(&Pickle::new().raw(b"(N").text("a").raw(b"(d").end()), "without a dictionary");
    refused(&archive(&Pickle::new().raw(b"(Nd").end()), "without a value");
    refused(&archive(&Pickle::new().0), "more bytes");
    refused(&archive(b"\x80\x00."), "protocol 0");
}

#[test]
fn tensors_stay_inside_their_storages() {
    let tensor = |numel, offset, sizes: &[i64], strides: &[i64]| {
        archive(
            &Pickle::new()
                .raw(b"}")
                .text("weight")
                .tensor("0", numel, offset, sizes, strides)
                .raw(b"s")
                .end(),
        )
    };
    accepted(&tensor(2, 0, &[2], &[1]));
    refused(&tensor(2, 0, &[-1], &[1]), "sizes of -1");
    refused(&tensor(2, 0, &[2], &[-1]), "strides of -1");
    refused(&tensor(2, -1, &[2], &[1]), "offset of -1");
    refused(&tensor(-2, 0, &[2], &[1]), "storage of -2 elements");
    refused(&tensor(2, 1, &[2], &[1]), "past the end");
    refused(&tensor(2, 0, &[2], &[2]), "past the end");
    refused(&tensor(2, i64::MAX, &[2], &[i64::MAX]), "past the end");
    refused(&tensor(2, 0, &[1 << 40, 1 << 40], &[0, 0]), "past the end");
    refused(&tensor(2, 0, &[0, 1 << 40, 1 << 40], &[1, 1, 1]), "past the end");
    refused(&tensor(2, 0, &[1 << 40], &[0]), "claims 1099511627776 elements of a storage of 2");
    refused(&tensor(3, 0, &[2], &[1]), "only 8 bytes");
    refused(&tensor(i64::MAX, 0, &[2], &[1]), "only 8 bytes");
    refused(&tensor(2, 0, &[2], &[1, 1]), "1 sizes and 2 strides");
    refused(&tensor(2, 0, &[1; 100], &[1; 100]), "100 sizes");
    let with = |pickle: Pickle| archive(&pickle.raw(b"s").end());
    let start = || Pickle::new().raw(b"}").text("weight");
    refused(&with(start().tensor("1", 2, 0, &[2], &[1])), "lacks the record \"data/1\"");
    refused(&with(start().tensor("../data/0", 2, 0, &[2], &[1])), "lacks the record");
    refused(&with(start().storage("QInt8Storage", "0", 2)), "class torch.QInt8Storage");
    refused(&with(start().call("torch._utils", "_rebuild_tensor_v2", "x")), "1 arguments");
    refused(&with(start().text("storage").raw(b"Q")), "no storage");
}

#[test]
fn tensors_that_share_bytes_a_thousand_times_are_not_written() {
    let many = flat(|pickle| {
        (0..1000)
            .fold(pickle, |pickle, at| pickle.text(&format!("t{at}")).tensor("0", 2, 0, &[2], &[1]).raw(b"s"))
    });
    let large = vec![0; 1 << 20];
    let bytes = zip(&[Record::new("data.pkl", &many), Record::new("data/0", &large)]);
    accepted(&archive(&many));
    assert!(open(&bytes).is_ok());
    let grown = Pickle::new().raw(b"}");
    let grown = (0..100).fold(grown, |pickle, at| {
        pickle.text(&format!("t{at}")).tensor("0", 1 << 18, 0, &[1 << 18], &[1]).raw(b"s")
    });
    let bytes = zip(&[Record::new("data.pkl", &grown.end()), Record::new("data/0", &large)]);
    let folder = tempfile::tempdir().unwrap();
    let error = open(&bytes).unwrap().write(&folder.path().join("x"), |name| Some(name.into())).unwrap_err();
    assert!(error.to_string().contains("share bytes"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn archives_that_torch_does_not_write_are_refused() {
    let pickle = flat(|pickle| pickle);
    let (named, data) = (Record::new("data.pkl", &pickle), Record::new("data/0", &[0; 8]));
    let with = |data: Record| zip(&[named.clone(), data]);
    // A zip bomb: eight bytes that claim to be four gigabytes.
    refused(&with(Record { method: 8, size: u32::MAX - 1, ..data.clone() }), "compressed");
    refused(&with(Record { flags: 1, ..data.clone() }), "encrypted");
    refused(&with(Record { size: u32::MAX - 1, ..data.clone() }), "outside the file");
    refused(&with(Record { size: u32::MAX - 1, large: true, ..data.clone() }), "outside the file");
    refused(&with(Record { shift: 1, ..data.clone() }), "outside the file");
    refused(&with(Record { shift: 1 << 30, ..data.clone() }), "outside the file");
    let shift = -((pickle.len() + 30 + "archive/data.pkl".len() + 7) as i64);
    refused(&with(Record { shift, ..data.clone() }), "overlap");
    refused(&zip(&[named.clone(), data.clone(), data.clone()]), "two records");
    refused(&zip(&[Record::new("weights.npy", b"x")]), "no data.pkl");
    refused(&zip(&[named.clone(), data.clone(), Record::new("constants.pkl", b"x")]), "TorchScript");
    refused(&zip(&[named.clone(), data.clone(), Record::new("byteorder", b"big")]), "big-endian");
    let sound = with(data);
    for (at, bytes) in [(6, &[0xff; 4]), (2, &[0xff; 4])] {
        let mut lying = sound.clone();
        let from = lying.len() - at - 4;
        lying[from..from + 4].copy_from_slice(bytes);
        refused(&lying, "lies outside the file");
    }
    for length in 4..sound.len() {
        let error = open(&sound[..length]).unwrap_err();
        assert!(error.to_string().contains("truncated"), "{length}: {error}");
    }
}

#[test]
fn the_older_form_is_checked_as_well() {
    let sound = legacy(&flat(|pickle| pickle));
    for length in 16..sound.len() {
        assert!(open(&sound[..length]).is_err(), "{length}");
    }
    refused(&sound[..sound.len() - 1], "truncated");
    let replace = |from: &[u8], to: &[u8]| {
        let at = sound.windows(from.len()).rposition(|window| window == from).unwrap();
        [&sound[..at], to, &sound[at + from.len()..]].concat()
    };
    refused(&replace(b"M\xe9\x03", b"M\xe8\x03"), "1001");
    refused(&replace(b"little_endian\x88", b"little_endian\x89"), "big-endian");
    refused(&replace(&2u64.to_le_bytes(), &u64::MAX.to_le_bytes()), "truncated");
    refused(&replace(&2u64.to_le_bytes(), &(1u64 << 61).to_le_bytes()), "truncated");
    refused(&replace(b"](X\x01\0\0\x000e", b"](X\x01\0\0\x001e"), "nothing uses");
    refused(&replace(b"](X\x01\0\0\x000e", b"](e"), "is not in it");
    refused(&replace(b"](X\x01\0\0\x000e", b"N"), "no list of storages");
}

#[test]
fn safetensors_that_lie_are_refused() {
    let file = |header: &str, data: usize| {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
    };
    let one = |dtype: &str, shape: &str, to: u64| {
        format!(r#"{{"weight":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[0,{to}]}}}}"#)
    };
    assert!(open(&file(&one("F32", "2", 8), 8)).is_ok());
    refused(&file(&one("F32", "2", 8), 7), "truncated");
    refused(&file(&one("F32", "2", 8), 9), "appended");
    refused(&file(&one("F32", "3", 8), 8), "shape");
    refused(&file(&one("F99", "2", 8), 8), "JSON");
    refused(&file(&one("F32", "18446744073709551615,18446744073709551615", 8), 8), "overflow");
    refused(&file(&one("F32", "2", u64::MAX), 8), "shape");
    refused(&file(r#"{"weight":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8), "offset");
    let two = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    refused(&file(two, 12), "offset");
    refused(&file(&"{\"a\":[".repeat(100_000), 8), "JSON");
    let sound = file(&one("F32", "2", 8), 8);
    refused(&[&u64::MAX.to_le_bytes()[..], &sound[8..]].concat(), "truncated");
}

#[test]
fn files_of_other_kinds_are_called_by_their_names() {
    let tar = [&[b'x'; 257][..], b"ustar\0", &[0; 250]].concat();
    let cases: [(&[u8], &str, &str); 10] = [
        (b"", "empty", "again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
            "Git LFS pointer",
            "git lfs pull",
        ),
        (b"\n <!DOCTYPE html><html>no access</html>", "web page", "link"),
        (b"GGUF\x03\0\0\0", "GGUF", "safetensors"),
        (&tar, "tar archive", "unpack"),
        (b"\x1f\x8b\x08\0\0", "compressed archive", "unpack"),
        (b"\x80\x04\x95\0\0\0\0\0\0\0\0.", "a pickle that torch.save did not write", "safetensors"),
        (b"{\"hidden_size\": 3}", "JSON", "folder"),
        (b"hello", "text", "again"),
        (b"\x00\x01\x02\xff\xfe", "no form", "safetensors"),
    ];
    for (bytes, is, remedy) in cases {
        refused(bytes, is);
        let hint = open(bytes).unwrap_err().hint().unwrap();
        assert!(hint.contains(remedy), "{is}: {hint}");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("model.safetensors")).unwrap();
    assert!(Checkpoint::open(folder.path()).unwrap_err().to_string().contains("it is a folder"));
}

#[test]
fn indexes_stay_inside_their_folder_and_tell_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let shard = |name: &str, tensor: &str| {
        let header = format!(r#"{{"{tensor}":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}}"#);
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
        fs::write(folder.path().join(name), bytes).unwrap();
    };
    shard("1.safetensors", "a");
    shard("2.safetensors", "b");
    let open = |map: &str| {
        let index = format!(r#"{{"metadata": {{}}, "weight_map": {map}}}"#);
        fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        Checkpoint::open(folder.path()).map_err(|error| error.to_string())
    };
    assert!(open(r#"{"a": "1.safetensors", "b": "2.safetensors"}"#).is_ok());
    for (map, words) in [
        (r#"{"a": "1.safetensors", "b": "3.safetensors"}"#, "3.safetensors does not exist"),
        (r#"{"a": "../1.safetensors"}"#, "not inside the folder"),
        (r#"{"a": "/etc/passwd"}"#, "not inside the folder"),
        (r#"{"a": ""}"#, "not inside the folder"),
        (r#"{"a": "1.safetensors", "c": "2.safetensors"}"#, "`c` is not in 2.safetensors"),
        (r#"{"a": "2.safetensors", "b": "1.safetensors"}"#, "is not in"),
        (r#"{"a": "1.safetensors", "b": "1.safetensors"}"#, "is not in"),
        ("{}", "no tensor"),
        ("[", "JSON"),
        (&r#"{"a":"#.repeat(100_000), "JSON"),
        (r#"{"a": 3}"#, "JSON"),
    ] {
        let message = open(map).unwrap_err();
        assert!(message.contains(words), "{message}\nlacks {words:?}");
    }
    // A tensor that is listed once and there twice.
    shard("2.safetensors", "a");
    assert!(open(r#"{"a": "1.safetensors"}"#).is_ok());
    assert!(open(r#"{"a": "1.safetensors", "b": "2.safetensors"}"#).is_err());
}
