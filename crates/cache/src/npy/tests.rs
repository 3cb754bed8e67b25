use super::*;

/// A file of version 1.0 with this text before `data`.
fn file(text: &str, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), data].concat()
}

fn described(kind: &str, fortran: &str, shape: &str, data: &[u8]) -> Result<Matrix, String> {
    let text = format!("{{'descr': {kind}, 'fortran_order': {fortran}, 'shape': {shape}, }}          \n");
    decode(&file(&text, data))
}

fn bytes<const N: usize>(numbers: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
    numbers.into_iter().flatten().collect()
}

fn singles(count: u8) -> Vec<u8> {
    bytes((0..count).map(|number| f32::from(number).to_le_bytes()))
}

#[test]
fn what_is_written_is_what_numpy_writes() {
    let numbers = [0.0, 1.5, -2.0, 3.0, 4.0, 5.0];
    let whole = encode(2, 3, numbers.into_iter());
    // numpy.save of version 2.4.6, of numpy.array([[0, 1.5, -2], [3, 4, 5]], "f4"): its header is padded to 128 bytes.
    assert_eq!(&whole[..10], b"\x93NUMPY\x01\x00\x76\x00");
    assert!(whole[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   "));
    assert_eq!((whole[127], whole.len()), (b'\n', 128 + 24));
    assert_eq!(decode(&whole).unwrap(), Matrix { rows: 2, width: 3, numbers: numbers.to_vec() });
    let row = encode(1, 6, numbers.into_iter());
    assert!(row[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }"));
    assert_eq!(decode(&row).unwrap(), Matrix { rows: 1, width: 6, numbers: numbers.to_vec() });
}

#[test]
fn types_orders_and_shapes_that_are_read() {
    let read = |kind, fortran, shape, data: &[u8]| {
        let Matrix { rows, width, numbers } = described(kind, fortran, shape, data).unwrap();
        assert_eq!(numbers.len(), rows * width);
        (rows, width, numbers)
    };
    let doubles = bytes([1.0_f64, 0.1].map(f64::to_le_bytes));
    assert_eq!(read("'<f8'", "False", "(2,)", &doubles), (1, 2, vec![1.0, 0.1]));
    let halves = bytes([1.0, -0.5].map(|number| f16::from_f32(number).to_le_bytes()));
    assert_eq!(read("\"<f2\"", "False", "(2, 1)", &halves), (2, 1, vec![1.0, -0.5]));
    let columns = read("'<f4'", "True", "(2, 3)", &singles(6));
    assert_eq!(columns, (2, 3, vec![0.0, 2.0, 4.0, 1.0, 3.0, 5.0]));
    for shape in ["(1, 2, 3)", "(2, 1, 3)", "( 2 ,3 , 1, 1)", "(2, 3,)"] {
        assert_eq!(read("'<f4'", "False", shape, &singles(6)).0, 2, "{shape}");
    }
    assert_eq!(read("'<f4'", "True", "(1, 1, 6)", &singles(6)).1, 6);
}

#[test]
fn what_is_refused_says_why() {
    let cases = [
        (described("'|O'", "False", "(2,)", b"\x80\x04cos\nsystem"), "pickle"),
        (described("'<i4'", "False", "(2,)", &singles(2)), "<i4"),
        (described("'>f4'", "False", "(2,)", &singles(2)), "little-endian"),
        (described("[('a', '<f4'), ('b', '<f4')]", "False", "(1,)", &singles(2)), "only"),
        (described("'<f4'", "False", "(2, 3)", &singles(5)), "does not fit"),
        (described("'<f4'", "False", "(2, 3)", &singles(7)), "does not fit"),
        (described("'<f4'", "False", "()", &singles(1)), "shape []"),
        (described("'<f4'", "False", "(0, 3)", &[]), "no numbers"),
        (described("'<f4'", "False", "(2, 3, 2)", &singles(12)), "[2, 3, 2]"),
        (described("'<f4'", "False", "(1, 1, 1)", &singles(1)), "[1, 1, 1]"),
        (described("'<f4'", "False", "(4611686018427387904, 4)", &singles(4)), "does not fit"),
        (described("'<f4'", "False", "(99999999999999999999, 4)", &singles(4)), "not understood"),
        (described("'<f4'", "False", "(-2, 3)", &singles(6)), "not understood"),
        (described("'<f4'", "Maybe", "(2, 3)", &singles(6)), "not understood"),
        (described("'<f4', 'more': 1", "False", "(2, 3)", &singles(6)), "not understood"),
        (described("'<f4', 'descr': '<f8'", "False", "(2, 3)", &singles(6)), "not understood"),
        (decode(b"PK\x03\x04 and so on"), ".npz"),
        (decode(b"\x80\x04\x95pickled bytes"), "pickle"),
        (decode(b"<!doctype html>"), "does not begin"),
        (decode(b"\x93NUM"), "no array"),
        (decode(b"\x93NUMPY\x09\x00\x00\x00"), "9.0"),
        (decode(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}"), "header has 4294967295 bytes"),
        (decode(b"\x93NUMPY\x01\x00\xff\x00{}"), "inside its header"),
        (decode(&file("{'descr': '<f4'", &[])), "not understood"),
        (decode(&file("{'shape': (", &[])), "not understood"),
        (decode(&file("", &[])), "not understood"),
    ];
    for (result, said) in cases {
        let reason = result.unwrap_err();
        assert!(reason.contains(said), "{reason} should say {said}");
    }
}
