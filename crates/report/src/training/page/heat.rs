//! Matrices as pictures: a small PNG inside the page, one byte a cell before compression.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Colours of a matrix from its least to its greatest value: between these, evenly. They grow in lightness alone and from
/// blue to yellow, so that neither print nor a colour-blind reader loses the order.
const STOPS: [[u8; 3]; 6] =
    [[253, 231, 55], [160, 208, 70], [58, 170, 120], [42, 118, 142], [60, 70, 132], [56, 8, 80]];
/// Cells a side; larger matrices are averaged.
const MOST: usize = 360;

/// A square matrix, row by row, as a picture. `from` and `to` are the values of the first and the last colour.
pub fn matrix(values: &[f64], side: usize, (from, to): (f64, f64)) -> Option<String> {
    if side == 0 || values.len() != side * side {
        return None;
    }
    let cells = side.min(MOST);
    let shown: Vec<u8> = (0..cells * cells)
        .map(|at| shade(mean(values, side, cells, at / cells, at % cells), (from, to)))
        .collect();
    picture(cells, cells, &shown)
}

/// All colours from left to right.
pub fn ramp() -> Option<String> {
    picture(256, 1, &(0..=255).collect::<Vec<u8>>())
}

/// Mean of the values that one cell of the picture stands for.
fn mean(values: &[f64], side: usize, cells: usize, row: usize, column: usize) -> f64 {
    let range = |at: usize| at * side / cells..((at + 1) * side / cells).max(at * side / cells + 1);
    let of_row = |row: usize| range(column).map(move |column| values[row * side + column]);
    let (sum, count) =
        range(row).flat_map(of_row).fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// What is no number is as far as can be.
fn shade(value: f64, (from, to): (f64, f64)) -> u8 {
    let share = if to > from { (value - from) / (to - from) } else { 0.0 };
    if share.is_nan() { 255 } else { (255.0 * share.clamp(0.0, 1.0)).round() as u8 }
}

fn palette() -> Vec<u8> {
    let colour = |at: usize| {
        let place = at as f64 / 255.0 * (STOPS.len() - 1) as f64;
        let (low, part) =
            ((place as usize).min(STOPS.len() - 2), place - place.floor().min((STOPS.len() - 2) as f64));
        let mixed = |channel: usize| {
            let (a, b) = (f64::from(STOPS[low][channel]), f64::from(STOPS[low + 1][channel]));
            (a + (b - a) * part).round() as u8
        };
        [mixed(0), mixed(1), mixed(2)]
    };
    (0..256).flat_map(colour).collect()
}

/// A data address of a PNG with one palette index a pixel.
fn picture(width: usize, height: usize, pixels: &[u8]) -> Option<String> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette());
    encoder.set_compression(png::Compression::High);
    encoder.write_header().ok()?.write_image_data(pixels).ok()?;
    Some(format!("data:image/png;base64,{}", STANDARD.encode(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lightness_falls_from_near_to_far() {
        let palette = palette();
        let light =
            |rgb: &[u8]| 0.2126 * f64::from(rgb[0]) + 0.7152 * f64::from(rgb[1]) + 0.0722 * f64::from(rgb[2]);
        let lights: Vec<f64> = palette.chunks(3).map(light).collect();
        assert!(lights.windows(2).all(|pair| pair[1] < pair[0] + 0.3), "{lights:?}");
        assert_eq!((&palette[..3], &palette[765..]), (&STOPS[0][..], &STOPS[5][..]));
    }

    #[test]
    fn a_picture_holds_the_matrix() {
        let address = matrix(&[0.0, 1.0, 2.0, f64::NAN], 2, (0.0, 2.0)).unwrap();
        let file = STANDARD.decode(address.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let [near, middle, far] = [0, 128, 255].map(|at: usize| palette()[3 * at..3 * at + 3].to_vec());
        let rgb = reader.info().color_type == png::ColorType::Indexed && pixels.len() == 4;
        let expected = if rgb { vec![0, 128, 255, 255] } else { [near, middle, far.clone(), far].concat() };
        assert_eq!(pixels, expected);
        assert_eq!(matrix(&[0.0; 3], 2, (0.0, 1.0)), None);
    }

    #[test]
    fn large_matrices_are_averaged() {
        let side = 2 * MOST + 1;
        let values: Vec<f64> = (0..side * side).map(|at| (at % side) as f64).collect();
        assert!(matrix(&values, side, (0.0, side as f64)).unwrap().len() < 200_000);
        assert!((mean(&[1.0, 3.0, 5.0, 7.0], 2, 1, 0, 0) - 4.0).abs() < 1e-12);
    }
}
