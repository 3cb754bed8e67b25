//! What generated recordings show: a talking face that wanders through the picture, with a camera's grain.

use std::f64::consts::TAU;

use affekt_core::RgbImage;
use affekt_faces::resize;

use super::lengths::Noise;

/// Size of the picture in pixels.
pub const WIDTH: usize = 1280;
/// Rows of it.
pub const HEIGHT: usize = 720;
/// Pictures a second.
pub const RATE: u32 = 30;
/// Pictures of one round, after which it begins again without a jump: 8 s.
pub const ROUND: usize = 240;

/// How far the face wanders to both sides, in pixels.
const SWAY: f64 = 120.0;
/// Grey levels by which the grain changes a pixel, either way: it gives the encoder, and so the decoder, as much to do as a
/// camera does.
const GRAIN: i16 = 5;
/// Values of grain; a prime, so that it falls elsewhere in each row and picture.
const GRAINS: usize = 65_537;

/// Pictures of one round, from those of a short film: forwards and backwards again, enlarged to the whole height. What lies
/// beside it repeats its edge.
pub fn pictures(film: &[RgbImage]) -> impl Iterator<Item = RgbImage> {
    let enlarged: Vec<RgbImage> = film.iter().map(enlarged).collect();
    let mut noise = Noise::new(1);
    let grain: Vec<i16> =
        (0..GRAINS).map(|_| (noise.next() % (2 * GRAIN as u32 + 1)) as i16 - GRAIN).collect();
    (0..ROUND).map(move |number| {
        let phase = number as f64 / ROUND as f64;
        let there_and_back = 1.0 - (2.0 * phase - 1.0).abs();
        let shown = &enlarged[(there_and_back * (enlarged.len() - 1) as f64).round() as usize];
        let aside = (WIDTH as f64 - shown.width as f64) / 2.0 + SWAY * (TAU * phase).sin();
        picture(shown, aside.round() as i64, &grain[..], 7_919 * number)
    })
}

fn enlarged(image: &RgbImage) -> RgbImage {
    let width = (image.width * HEIGHT).div_ceil(image.height.max(1)).clamp(1, WIDTH);
    resize(image, width, HEIGHT)
}

/// `shown` from column `aside` on.
fn picture(shown: &RgbImage, aside: i64, grain: &[i16], seed: usize) -> RgbImage {
    let mut picture = RgbImage::black(WIDTH, HEIGHT);
    let columns: Vec<usize> =
        (0..WIDTH as i64).map(|x| (x - aside).clamp(0, shown.width as i64 - 1) as usize).collect();
    let rows = picture.data.chunks_exact_mut(3 * WIDTH).zip(shown.data.chunks_exact(3 * shown.width));
    for (y, (to, from)) in rows.enumerate() {
        let start = (seed + 1_009 * y) % (GRAINS - WIDTH);
        for ((pixel, column), grain) in to.chunks_exact_mut(3).zip(&columns).zip(&grain[start..]) {
            for (value, given) in pixel.iter_mut().zip(&from[3 * column..3 * column + 3]) {
                *value = given.saturating_add_signed(*grain as i8);
            }
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_face_wanders_without_a_jump_and_the_edge_is_repeated() {
        // A white column in the middle of grey.
        let mut film = RgbImage { width: 40, height: 30, data: vec![100; 3 * 40 * 30] };
        film.data.chunks_exact_mut(3).skip(20).step_by(40).for_each(|pixel| pixel.fill(250));
        let places: Vec<i64> = pictures(&[film.clone(), film])
            .map(|picture| {
                assert_eq!((picture.width, picture.height), (WIDTH, HEIGHT));
                let row: Vec<u8> = picture.data.chunks_exact(3).take(WIDTH).map(|pixel| pixel[0]).collect();
                assert!(row[0].abs_diff(100) <= GRAIN as u8 && row[WIDTH - 1].abs_diff(100) <= GRAIN as u8);
                let white: Vec<i64> = (0..WIDTH).filter(|&x| row[x] > 180).map(|x| x as i64).collect();
                (white[0] + white[white.len() - 1]) / 2
            })
            .collect();
        assert_eq!(places.len(), ROUND);
        let steps = places.iter().zip(places.iter().cycle().skip(1)).map(|(a, b)| (a - b).abs());
        assert!(steps.max().unwrap() <= 5);
        let spread = places.iter().max().unwrap() - places.iter().min().unwrap();
        assert!((spread as f64 - 2.0 * SWAY).abs() < 4.0, "{spread}");
    }
}
