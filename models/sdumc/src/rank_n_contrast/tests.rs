use candle_core::Var;

use super::*;

/// As the definition says it: three loops, in f64.
fn literal(rows: &[Vec<f64>], labels: &[f64]) -> f64 {
    let n = rows.len();
    let similarity = |i: usize, k: usize| -distance(&rows[i], &rows[k]) / 2.0;
    let mut loss = 0.0;
    for i in 0..n {
        for j in (0..n).filter(|&j| j != i) {
            let far = |k: usize| (labels[i] - labels[k]).abs() >= (labels[i] - labels[j]).abs() - 1e-4;
            let all: Vec<f64> = (0..n).filter(|&k| k != i && far(k)).map(|k| similarity(i, k)).collect();
            let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum = all.iter().map(|s| (s - most).exp()).sum::<f64>().ln() + most;
            loss += sum - similarity(i, j);
        }
    }
    loss / (n * (n - 1)) as f64
}

/// 9 rows of 3 numbers; ties among the labels, and nearly ties.
fn rows(scale: f32) -> (Vec<Vec<f64>>, Vec<f64>) {
    let rows: Vec<Vec<f32>> = affekt_testkit::noise(0.0, scale, (9, 3)).to_vec2().unwrap();
    let rows = rows.into_iter().map(|row| row.into_iter().map(f64::from).collect()).collect();
    (rows, vec![1.0, -0.5, 1.0, 2.0, 0.0, 1.00005, -3.0, 2.0, -0.5])
}

fn run(rows: &[Vec<f64>], labels: &[f64]) -> (f64, Vec<Vec<f64>>) {
    let rows = Var::from_tensor(&Tensor::new(rows.to_vec(), &Device::Cpu).unwrap()).unwrap();
    let loss = rank_n_contrast(&rows, &Tensor::new(labels, &Device::Cpu).unwrap()).unwrap();
    let gradients = loss.backward().unwrap();
    (loss.to_scalar().unwrap(), gradients.get(&rows).unwrap().to_vec2().unwrap())
}

#[test]
fn it_is_what_the_definition_says_and_so_is_its_gradient() {
    for scale in [0.1, 1.0, 30.0] {
        let (mut rows, labels) = rows(scale);
        let (loss, gradient) = run(&rows, &labels);
        assert!((loss - literal(&rows, &labels)).abs() < 1e-12 * loss.abs(), "{scale}");
        let step = 1e-6 * f64::from(scale);
        for row in 0..rows.len() {
            for column in 0..3 {
                let kept = rows[row][column];
                let mut at = |value: f64| {
                    rows[row][column] = value;
                    literal(&rows, &labels)
                };
                let slope = (at(kept + step) - at(kept - step)) / (2.0 * step);
                rows[row][column] = kept;
                assert!((slope - gradient[row][column]).abs() < 1e-7 / f64::from(scale.min(1.0)), "{scale}");
            }
        }
    }
}

#[test]
fn far_apart_and_equal_rows_are_finite() {
    for scale in [1e4, 1e15, 0.0] {
        let (rows, labels) = rows(scale);
        let (loss, gradient) = run(&rows, &labels);
        assert!(loss.is_finite(), "{scale}: {loss}");
        assert!(gradient.iter().flatten().all(|slope| slope.is_finite()), "{scale}");
        assert_eq!(gradient.iter().flatten().any(|slope| *slope != 0.0), scale > 0.0, "{scale}");
    }
    // Two of them equal, off the diagonal.
    let (mut rows, labels) = rows(1.0);
    rows[4] = rows[1].clone();
    let (loss, gradient) = run(&rows, &labels);
    assert!((loss - literal(&rows, &labels)).abs() < 1e-12 * loss);
    assert!(gradient.iter().flatten().all(|slope| slope.is_finite()));
}

#[test]
fn two_rows_are_the_least() {
    let one = Tensor::new(&[[1.0f64]], &Device::Cpu).unwrap();
    assert!(rank_n_contrast(&one, &Tensor::new(&[1.0f64], &Device::Cpu).unwrap()).is_err());
    // One positive, which is all of the denominator: nothing to order.
    assert_eq!(run(&[vec![1.0], vec![3.0]], &[0.0, 1.0]), (0.0, vec![vec![0.0], vec![0.0]]));
}

/// In f32 there are kernels for cards; on the CPU it is the same code for all types.
#[test]
fn other_types_are_within_their_rounding_of_f64() {
    for (scale, n, width) in
        [(0.1, 9, 3), (1.0, 2, 1), (3.0, 37, 16), (30.0, 130, 64), (1e4, 9, 3), (1e15, 9, 3)]
    {
        let labels: Vec<f32> = (0..n).map(|at| ((at * 7 % 13) as f32 - 6.0) / 2.0).collect();
        let labels = Tensor::new(labels, &Device::Cpu).unwrap();
        let mut rows = affekt_testkit::noise(0.0, scale, (n, width));
        if n > 30 {
            // Two of them equal, off the diagonal.
            let copied = rows.narrow(0, 0, 1).unwrap();
            rows = Tensor::cat(&[&copied, &rows.narrow(0, 0, n - 1).unwrap()], 0).unwrap();
        }
        let run = |dtype: DType| {
            let rows = Var::from_tensor(&rows.to_dtype(dtype).unwrap()).unwrap();
            let loss = rank_n_contrast(&rows, &labels).unwrap();
            let gradients = (&loss * 3.0).unwrap().backward().unwrap();
            let gradient = gradients.get(&rows).unwrap().to_dtype(DType::F64).unwrap();
            (loss.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap(), gradient)
        };
        let ((want, slopes), (got, found)) = (run(DType::F64), run(DType::F32));
        assert!((got - want).abs() <= 1e-6 * want.abs(), "{scale} {n}: {got} {want}");
        let most = slopes.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        let off = (slopes - found).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        // At 1e15 a logarithm of a sum is beyond the last bit of its terms, in f64 as well.
        assert!(off <= 1e-6 * most.max(1e-30) || scale == 1e15, "{scale} {n}: {off} of {most}");
        assert!(off.is_finite());
    }
    let nan = Tensor::new(&[[1f32], [f32::NAN], [2.0]], &Device::Cpu).unwrap();
    let labels = Tensor::new(&[0f32, 1.0, 2.0], &Device::Cpu).unwrap();
    assert!(rank_n_contrast(&nan, &labels).unwrap().to_scalar::<f32>().unwrap().is_nan());
}
