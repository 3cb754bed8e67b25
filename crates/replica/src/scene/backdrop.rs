//! What stands behind the person: nine kinds of rooms, each with colours and measures drawn from the index.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tiny_skia::Pixmap;

use super::brush::{Brush, Tone, mixed, scaled};
use super::{HEIGHT, WIDTH};

const W: f32 = WIDTH as f32;
const H: f32 = HEIGHT as f32;

/// Draws the room of `index` over all of `pixmap`. Rooms of different indices differ in kind, colour or measure.
pub fn draw(pixmap: &mut Pixmap, index: u32) {
    let mut random = ChaCha8Rng::seed_from_u64(0x0b5c_0000 + u64::from(index));
    let wall = tone(&mut random, 70.0, 190.0);
    let mut brush = Brush::pixels(pixmap);
    gradient(&mut brush, wall, random.random_range(0.5..0.85));
    match index % 9 {
        0 => glow(&mut brush, &mut random, wall),
        1 => stripes(&mut brush, &mut random, wall),
        2 => shelves(&mut brush, &mut random),
        3 => window(&mut brush, &mut random),
        4 => plant(&mut brush, &mut random),
        5 => bricks(&mut brush, &mut random, wall),
        6 => dots(&mut brush, &mut random, wall),
        7 => pictures(&mut brush, &mut random),
        _ => curtain(&mut brush, &mut random, wall),
    }
    let lamp = (random.random_range(0.0..W), random.random_range(0.0..H / 2.0));
    brush.soft(
        lamp,
        (40.0, 40.0),
        random.random_range(30.0..60.0),
        [255.0, 244.0, 220.0],
        random.random_range(0.1..0.3),
    );
}

fn tone(random: &mut ChaCha8Rng, low: f32, high: f32) -> Tone {
    std::array::from_fn(|_| random.random_range(low..high))
}

fn gradient(brush: &mut Brush<'_>, wall: Tone, darkest: f32) {
    for row in 0..HEIGHT / 4 {
        let at = 4.0 * row as f32;
        let tone = scaled(wall, 1.0 - (1.0 - darkest) * at / H);
        brush.rectangle((0.0, at), (W, 4.0), tone, 1.0);
    }
}

fn glow(brush: &mut Brush<'_>, random: &mut ChaCha8Rng, wall: Tone) {
    for _ in 0..3 {
        let centre = (random.random_range(0.0..W), random.random_range(0.0..H));
        let size = random.random_range(30.0..80.0);
        let light = mixed(wall, tone(random, 60.0, 240.0), 0.6);
        brush.soft(centre, (size, size), 30.0, light, 0.7);
    }
}

fn stripes(brush: &mut Brush<'_>, random: &mut ChaCha8Rng, wall: Tone) {
    let (width, step) = (random.random_range(4.0..18.0), random.random_range(22.0..48.0));
    let tone = mixed(wall, tone(random, 40.0, 230.0), 0.5);
    let slant = random.random_range(-30.0_f32..30.0);
    for index in -2..16 {
        let at = step * index as f32;
        let corners = [(at, 0.0), (at + width, 0.0), (at + width + slant, H), (at + slant, H)];
        brush.polygon(&corners, tone, 0.8);
    }
}

fn shelves(brush: &mut Brush<'_>, random: &mut ChaCha8Rng) {
    let wood = tone(random, 50.0, 120.0);
    let rows = random.random_range(3..6);
    let high = H / rows as f32;
    for row in 0..rows {
        let floor = high * (row + 1) as f32;
        let mut at = random.random_range(0.0..12.0);
        while at < W {
            let (width, height) = (random.random_range(6.0..16.0), high * random.random_range(0.55..0.85));
            let back = tone(random, 40.0, 190.0);
            brush.rectangle((at, floor - height), (width - 1.0, height), back, 0.9);
            at += width + if random.random_bool(0.12) { 14.0 } else { 0.0 };
        }
        brush.rectangle((0.0, floor - 5.0), (W, 5.0), wood, 1.0);
    }
}

fn window(brush: &mut Brush<'_>, random: &mut ChaCha8Rng) {
    let (left, top) = (random.random_range(-20.0..190.0), random.random_range(8.0..40.0));
    let (width, height) = (random.random_range(90.0..150.0), random.random_range(90.0..150.0));
    let (frame, sky) = (tone(random, 120.0, 230.0), [170.0, 200.0, random.random_range(210.0..250.0)]);
    brush.rectangle((left - 7.0, top - 7.0), (width + 14.0, height + 14.0), frame, 1.0);
    brush.rectangle((left, top), (width, height), sky, 1.0);
    let ground = tone(random, 50.0, 150.0);
    brush.rectangle((left, top + 0.7 * height), (width, 0.3 * height), ground, 0.9);
    brush.rectangle((left + width / 2.0 - 3.0, top), (6.0, height), frame, 1.0);
    brush.rectangle((left, top + height / 2.0 - 3.0), (width, 6.0), frame, 1.0);
}

fn plant(brush: &mut Brush<'_>, random: &mut ChaCha8Rng) {
    let left = random.random_bool(0.5);
    let root = if left { random.random_range(15.0..60.0) } else { W - random.random_range(15.0..60.0) };
    let leaf =
        [random.random_range(30.0..80.0), random.random_range(90.0..150.0), random.random_range(40.0..90.0)];
    for index in 0..14 {
        let angle = -1.57 + random.random_range(-1.1_f32..1.1);
        let reach = random.random_range(50.0..130.0);
        let tip = (root + reach * angle.cos(), H - 40.0 + reach * angle.sin());
        let arc = super::brush::Arc {
            from: (root, H - 40.0),
            middle: ((root + tip.0) / 2.0 + 6.0, (H - 40.0 + tip.1) / 2.0 - 8.0),
            to: tip,
        };
        brush.line(arc, random.random_range(4.0..9.0), scaled(leaf, 0.7 + 0.05 * index as f32), 0.95);
    }
    let pot = tone(random, 90.0, 180.0);
    brush.polygon(
        &[(root - 26.0, H - 46.0), (root + 26.0, H - 46.0), (root + 18.0, H), (root - 18.0, H)],
        pot,
        1.0,
    );
}

fn bricks(brush: &mut Brush<'_>, random: &mut ChaCha8Rng, wall: Tone) {
    let (width, height) = (random.random_range(28.0..60.0), random.random_range(12.0..26.0));
    for row in 0..(H / height) as i32 + 1 {
        for column in -1..(W / width) as i32 + 1 {
            let shift = if row % 2 == 0 { 0.0 } else { width / 2.0 };
            let corner = (column as f32 * width + shift + 1.0, row as f32 * height + 1.0);
            let tone = scaled(wall, random.random_range(0.72..0.95));
            brush.rectangle(corner, (width - 2.0, height - 2.0), tone, 0.9);
        }
    }
}

fn dots(brush: &mut Brush<'_>, random: &mut ChaCha8Rng, wall: Tone) {
    let (step, size) = (random.random_range(24.0..44.0), random.random_range(3.0..8.0));
    let tone = mixed(wall, tone(random, 40.0, 240.0), 0.55);
    for row in 0..(H / step) as i32 + 2 {
        for column in 0..(W / step) as i32 + 2 {
            let shift = if row % 2 == 0 { 0.0 } else { step / 2.0 };
            brush.oval((column as f32 * step + shift, row as f32 * step), (size, size), tone, 0.8);
        }
    }
}

fn pictures(brush: &mut Brush<'_>, random: &mut ChaCha8Rng) {
    for index in 0..4 {
        let size = (random.random_range(40.0..70.0), random.random_range(34.0..64.0));
        let corner =
            (6.0 + 80.0 * index as f32 + random.random_range(0.0..12.0), random.random_range(8.0..90.0));
        let (frame, paper) = (tone(random, 30.0, 110.0), tone(random, 130.0, 235.0));
        brush.rectangle(corner, size, frame, 1.0);
        brush.rectangle((corner.0 + 4.0, corner.1 + 4.0), (size.0 - 8.0, size.1 - 8.0), paper, 1.0);
        let hill = tone(random, 60.0, 200.0);
        brush.rectangle(
            (corner.0 + 4.0, corner.1 + 0.6 * size.1),
            (size.0 - 8.0, 0.4 * size.1 - 4.0),
            hill,
            1.0,
        );
    }
    let floor = tone(random, 50.0, 120.0);
    brush.rectangle((0.0, H - 46.0), (W, 46.0), floor, 0.9);
}

fn curtain(brush: &mut Brush<'_>, random: &mut ChaCha8Rng, wall: Tone) {
    let fold = random.random_range(14.0..40.0);
    let depth = random.random_range(0.12..0.3);
    let phase = random.random_range(0.0..6.0);
    for column in 0..WIDTH / 2 {
        let at = 2.0 * column as f32;
        let shade = (at / fold + phase + 0.6 * (at / 41.0).sin()).sin();
        let tone = if shade > 0.0 { scaled(wall, 1.2) } else { scaled(wall, 0.5) };
        brush.rectangle((at, 0.0), (2.0, H), tone, depth * shade.abs() * 2.0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::casting::BACKGROUNDS;

    #[test]
    fn every_room_differs_from_every_other_and_covers_the_picture() {
        let rooms: HashSet<Vec<u8>> = (0..BACKGROUNDS)
            .map(|index| {
                let mut room = Pixmap::new(WIDTH, HEIGHT).unwrap();
                draw(&mut room, index);
                room.take()
            })
            .collect();
        assert_eq!(rooms.len(), BACKGROUNDS as usize);
        assert!(rooms.iter().all(|room| room.chunks(4).all(|pixel| pixel[3] > 250)));
    }
}
