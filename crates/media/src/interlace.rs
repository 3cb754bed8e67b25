//! Interlaced film without combs.
//!
//! The rows of such a frame belong to two moments by turns. The rows of the earlier moment, which is the frame's time,
//! stay; a pixel of the other rows that stands out from both its neighbours above and below, as moving edges do, becomes
//! their mean. Each frame is done by itself, so that a span equals the same stretch of the whole, and what rests keeps
//! its full detail. Colour planes that were halved by field are taken apart where [`crate::yuv`] converts the frame; the
//! library that converts all others takes their rows as half as fine.

/// How far a pixel must stand out from both neighbours, in levels of R + G + B.
const STANDS_OUT: i32 = 30;

/// Smooths the rows of the later moment in `height` RGB rows of `stride` bytes, `width` pixels each; `top_first` says
/// whether row 0 belongs to the earlier moment.
pub(crate) fn smooth(rows: &mut [u8], stride: usize, width: usize, height: usize, top_first: bool) {
    if height < 2 {
        return;
    }
    let first = usize::from(top_first);
    for y in (first..height).step_by(2) {
        // At the edge of the picture there is one neighbour, which counts twice.
        let above = if y == 0 { 1 } else { y - 1 };
        let below = if y + 1 == height { y - 1 } else { y + 1 };
        for x in 0..width {
            let [here, above, below] = [y, above, below].map(|row| row * stride + 3 * x);
            let sum = |at: usize| rows[at..at + 3].iter().map(|byte| i32::from(*byte)).sum::<i32>();
            let (up, down) = (sum(here) - sum(above), sum(here) - sum(below));
            if up.signum() == down.signum() && up.abs().min(down.abs()) > STANDS_OUT {
                for channel in 0..3 {
                    rows[here + channel] = rows[above + channel].midpoint(rows[below + channel]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 12;

    /// A picture, white from column `edge` of each row on.
    fn picture(edge: impl Fn(usize) -> usize) -> Vec<u8> {
        let pixel = |n: usize| if n % SIDE >= edge(n / SIDE) { [250; 3] } else { [20; 3] };
        (0..SIDE * SIDE).flat_map(pixel).collect()
    }

    #[test]
    fn a_moving_edge_stands_where_it_was_first() {
        for top_first in [true, false] {
            let later = usize::from(top_first);
            let mut rows = picture(|y| if y % 2 == later { 8 } else { 4 });
            smooth(&mut rows, 3 * SIDE, SIDE, SIDE, top_first);
            assert_eq!(rows, picture(|_| 4));
        }
    }

    #[test]
    fn what_rests_stays() {
        let slanted = picture(|y| y);
        let mut rows = slanted.clone();
        smooth(&mut rows, 3 * SIDE, SIDE, SIDE, true);
        let changed = rows.chunks(3).zip(slanted.chunks(3)).filter(|(a, b)| a != b).count();
        assert_eq!(changed, 1, "only the last row, which has one neighbour, may lose its corner");
    }
}
