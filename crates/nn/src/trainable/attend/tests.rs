use candle_core::{Device, Var};

use super::*;

/// What [`attend`] takes, as variables of one type.
struct Case {
    rows: Var,
    weight: Var,
    bias: Var,
    queries: Var,
    /// What each number of the result adds to the loss.
    loss: Tensor,
    lengths: Option<Vec<usize>>,
    p: f64,
}

impl Case {
    fn drawn((b, t, dim, n): (usize, usize, usize, usize), lengths: Option<&[usize]>, p: f64) -> Self {
        let noise = |deviation, shape: &[usize]| affekt_testkit::noise(0.0, deviation, shape);
        let var = |x: Tensor| Var::from_tensor(&x).unwrap();
        Self {
            rows: var(noise(1.0, &[b, t, dim])),
            weight: var(noise((dim as f32).sqrt().recip(), &[dim, dim])),
            bias: var(noise(0.5, &[dim])),
            queries: var(noise(0.7, &[b, n, dim])),
            loss: noise(1.0, &[b, n, dim]),
            lengths: lengths.map(<[_]>::to_vec),
            p,
        }
    }

    fn vars(&self) -> [(&'static str, &Var); 4] {
        [("frames", &self.rows), ("weight", &self.weight), ("bias", &self.bias), ("queries", &self.queries)]
    }

    /// The same numbers in f64, for which [`attend`] is composed of candle's operations.
    fn wide(&self) -> Self {
        self.typed(DType::F64)
    }

    fn typed(&self, dtype: DType) -> Self {
        let wide = |x: &Tensor| x.to_dtype(dtype).unwrap();
        let var = |x: &Var| Var::from_tensor(&wide(x.as_tensor())).unwrap();
        Self {
            rows: var(&self.rows),
            weight: var(&self.weight),
            bias: var(&self.bias),
            queries: var(&self.queries),
            loss: wide(&self.loss),
            lengths: self.lengths.clone(),
            p: self.p,
        }
    }

    fn attend(&self) -> Tensor {
        let frames = Frames::new(&self.rows, self.lengths.as_deref()).unwrap();
        self.of(&frames, &self.queries, "stage")
    }

    fn of(&self, frames: &Frames, queries: &Tensor, name: &str) -> Tensor {
        let keys = Keys { weight: &self.weight, bias: &self.bias };
        attend(frames, keys, queries, 0.3, Dropout::keyed(9).at(name), self.p).unwrap()
    }

    /// Result and loss.
    fn forward(&self) -> (Tensor, Tensor) {
        let found = self.attend();
        let loss = (&found * &self.loss).unwrap().sum_all().unwrap();
        (found, loss)
    }
}

fn close(what: &str, got: &Tensor, want: &Tensor) {
    affekt_testkit::assert_close(what, got, &want.to_dtype(DType::F32).unwrap(), 1e-4);
}

fn agree(case: &Case) {
    let wide = case.wide();
    let ((got, loss), (want, wide_loss)) = (case.forward(), wide.forward());
    close("result", &got, &want);
    let (gradients, wide_gradients) = (loss.backward().unwrap(), wide_loss.backward().unwrap());
    for ((name, var), (_, wide)) in case.vars().into_iter().zip(wide.vars()) {
        let got = gradients.get(var).unwrap_or_else(|| panic!("{name} gets no gradient"));
        close(name, got, wide_gradients.get(wide).unwrap());
    }
}

#[test]
fn the_kernel_is_what_candle_composes_and_so_are_its_gradients() {
    for (shape, lengths, p) in [
        ((1, 1, 32, 1), None, 0.0),
        ((5, 13, 32, 7), None, 0.5),
        ((3, 300, 64, 7), Some(&[300, 1, 137][..]), 0.5),
        ((6, 37, 256, 1), Some(&[37, 5, 8, 9, 36, 2]), 0.5),
        ((2, 129, 256, 7), None, 0.3),
        ((2, 9, 20, 3), Some(&[9, 4]), 0.5),
        ((2, 11, 4, 16), None, 0.5),
        ((2, 17, 36, 37), Some(&[3, 17]), 0.2),
    ] {
        agree(&Case::drawn(shape, lengths, p));
    }
}

#[test]
fn half_precision_is_near() {
    for (shape, lengths) in [((3, 13, 33, 7), Some(&[13, 1, 5][..])), ((2, 130, 20, 1), None)] {
        // Of the narrower numbers, so that only the arithmetic differs.
        for (dtype, tolerance) in [(DType::F16, 1e-2), (DType::BF16, 1e-1)] {
            let case = Case::drawn(shape, lengths, 0.5).typed(dtype);
            let wide = case.wide();
            let ((got, loss), (want, wide_loss)) = (case.forward(), wide.forward());
            let near = |what: &str, got: &Tensor, want: &Tensor| {
                let [got, want] = [got, want].map(|x| x.to_dtype(DType::F32).unwrap());
                affekt_testkit::assert_close(&format!("{what} {dtype:?}"), &got, &want, tolerance);
            };
            near("result", &got, &want);
            let (gradients, wide_gradients) = (loss.backward().unwrap(), wide_loss.backward().unwrap());
            for ((name, var), (_, wide)) in case.vars().into_iter().zip(wide.vars()) {
                near(name, gradients.get(var).unwrap(), wide_gradients.get(wide).unwrap());
            }
        }
    }
}

#[test]
fn gradients_are_the_differences_of_the_loss() {
    let case = Case::drawn((2, 7, 12, 3), Some(&[7, 4]), 0.5).wide();
    let narrow = Case::drawn((2, 7, 12, 3), Some(&[7, 4]), 0.5);
    for ((_, wide), (_, var)) in case.vars().into_iter().zip(narrow.vars()) {
        var.set(&wide.to_dtype(DType::F32).unwrap()).unwrap();
    }
    let narrow = Case { loss: case.loss.to_dtype(DType::F32).unwrap(), ..narrow };
    let gradients = narrow.forward().1.backward().unwrap();
    for ((name, var), (_, wide)) in narrow.vars().into_iter().zip(case.vars()) {
        let gradient: Vec<f32> = gradients.get(var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let numbers: Vec<f64> = wide.flatten_all().unwrap().to_vec1().unwrap();
        for at in (0..numbers.len()).step_by(numbers.len() / 11) {
            let loss = |step: f64| {
                let mut moved = numbers.clone();
                moved[at] += step;
                wide.set(&Tensor::from_vec(moved, wide.shape(), &Device::Cpu).unwrap()).unwrap();
                case.forward().1.to_scalar::<f64>().unwrap()
            };
            let want = (loss(1e-4) - loss(-1e-4)) / 2e-4;
            loss(0.0);
            let got = f64::from(gradient[at]);
            assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "{name}[{at}]: {got}, wanted {want}");
        }
    }
}

#[test]
fn all_that_attend_to_the_same_frames_add_to_their_gradient() {
    let case = Case::drawn((5, 21, 32, 7), Some(&[21, 4, 8, 20, 11]), 0.5);
    let wide = case.wide();
    let gradients = [&case, &wide].map(|case| {
        // Two stages: what the first finds asks the second, and the frames are themselves computed.
        let rows = (case.rows.as_tensor() * 1.5).unwrap();
        let frames = Frames::new(&rows, case.lengths.as_deref()).unwrap();
        let first = case.of(&frames, &case.queries, "first");
        let second = case.of(&frames, &first, "second");
        let loss = ((&first + &second).unwrap() * &case.loss).unwrap().sum_all().unwrap();
        let once = loss.backward().unwrap();
        let again = loss.backward().unwrap();
        case.vars().map(|(name, var)| {
            let (once, again) = (once.get(var).unwrap(), again.get(var).unwrap());
            close(&format!("{name}, a second time"), &again.to_dtype(DType::F32).unwrap(), once);
            once.clone()
        })
    });
    let [got, want] = gradients;
    for ((got, want), (name, _)) in got.iter().zip(&want).zip(case.vars()) {
        close(name, got, want);
    }
}

#[test]
fn one_query_for_all_clips_gets_the_gradient_of_all() {
    let case = Case::drawn((5, 21, 32, 1), None, 0.5);
    let query = Var::from_tensor(&affekt_testkit::noise(0.0, 1.0, &[1, 32])).unwrap();
    let wide = case.wide();
    let wide_query = Var::from_tensor(&query.to_dtype(DType::F64).unwrap()).unwrap();
    let gradient = |case: &Case, query: &Var| {
        let frames = Frames::new(&case.rows, None).unwrap();
        let found = case.of(&frames, &query.broadcast_as((5, 1, 32)).unwrap(), "stage");
        let gradients = (found * &case.loss).unwrap().sum_all().unwrap().backward().unwrap();
        gradients.get(query).unwrap().clone()
    };
    close("query", &gradient(&case, &query), &gradient(&wide, &wide_query));
}

#[test]
fn views_are_read_as_what_they_are() {
    let case = Case::drawn((4, 19, 32, 7), None, 0.5);
    let wide = case.wide();
    let gradients = [&case, &wide].map(|case| {
        let rows = case.rows.transpose(0, 1).unwrap().contiguous().unwrap().transpose(0, 1).unwrap();
        let rows = rows.narrow(1, 2, 15).unwrap();
        let queries = case.queries.transpose(0, 1).unwrap().contiguous().unwrap().transpose(0, 1).unwrap();
        let frames = Frames::new(&rows, None).unwrap();
        let (weight, bias) = (case.weight.t().unwrap(), case.weight.get_on_dim(1, 3).unwrap());
        let keys = Keys { weight: &weight, bias: &bias };
        let found = attend(&frames, keys, &queries, 0.3, Dropout::keyed(1), 0.5).unwrap();
        let loss = (&found * &case.loss).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        let of = |var: &Var| gradients.get(var).unwrap().clone();
        [found, of(&case.rows), of(&case.weight), of(&case.queries)]
    });
    let [got, want] = gradients;
    for ((got, want), name) in got.iter().zip(&want).zip(["result", "frames", "weight", "queries"]) {
        close(name, got, want);
    }
}

#[test]
fn frames_without_a_gradient_cost_none() {
    let case = Case::drawn((3, 21, 32, 7), None, 0.5);
    let frames = Frames::new(&case.rows.as_detached_tensor(), None).unwrap();
    let loss = (case.of(&frames, &case.queries, "stage") * &case.loss).unwrap().sum_all().unwrap();
    let (got, want) = (loss.backward().unwrap(), case.forward().1.backward().unwrap());
    assert!(got.get(&case.rows).is_none() && frames.sum.lock().unwrap().is_none());
    for (name, var) in &case.vars()[1..] {
        close(name, got.get(var).unwrap(), want.get(var).unwrap());
    }
}

#[test]
fn all_bits_are_the_same_with_any_number_of_threads() {
    let case = Case::drawn((11, 137, 64, 7), None, 0.5);
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (found, loss) = case.forward();
            let gradients = loss.backward().unwrap();
            let of = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let mut all = vec![of(&found)];
            all.extend(case.vars().map(|(_, var)| of(gradients.get(var).unwrap())));
            all
        })
    };
    let one = bits(1);
    assert!(one == bits(2) && one == bits(5));
}

#[test]
fn padding_changes_nothing_and_gets_no_gradient() {
    let case = Case::drawn((2, 30, 32, 7), Some(&[12, 30]), 0.0);
    let (found, loss) = case.forward();
    let gradients = loss.backward().unwrap();
    let padding = gradients.get(&case.rows).unwrap().narrow(0, 0, 1).unwrap().narrow(1, 12, 18).unwrap();
    assert_eq!(padding.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap(), 0.0);
    let keys = Keys { weight: &case.weight, bias: &case.bias };
    let alone = case.rows.narrow(0, 0, 1).unwrap().narrow(1, 0, 12).unwrap();
    let queries = case.queries.narrow(0, 0, 1).unwrap();
    let frames = Frames::new(&alone, None).unwrap();
    let alone = attend(&frames, keys, &queries, 0.3, Dropout::OFF, 0.0).unwrap();
    close("alone", &found.narrow(0, 0, 1).unwrap(), &alone);
}

#[test]
fn nan_is_not_hidden() {
    let case = Case::drawn((2, 21, 32, 3), None, 0.5);
    for (name, var) in case.vars() {
        let sound = var.as_tensor().copy().unwrap();
        let mut numbers: Vec<f32> = sound.flatten_all().unwrap().to_vec1().unwrap();
        numbers[5] = f32::NAN;
        var.set(&Tensor::from_vec(numbers, sound.shape(), &Device::Cpu).unwrap()).unwrap();
        let (found, loss) = case.forward();
        let found: Vec<f32> = found.flatten_all().unwrap().to_vec1().unwrap();
        assert!(found.iter().any(|x| x.is_nan()), "{name}");
        let gradients = loss.backward().unwrap();
        let weight: Vec<f32> = gradients.get(&case.weight).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert!(weight.iter().any(|x| x.is_nan()), "{name}, backward");
        var.set(&sound).unwrap();
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let case = Case::drawn((2, 5, 8, 3), None, 0.0);
    for lengths in [&[5][..], &[0, 5], &[6, 5]] {
        assert!(Frames::new(&case.rows, Some(lengths)).is_err(), "{lengths:?}");
    }
    assert!(Frames::new(&case.rows.narrow(1, 0, 0).unwrap(), None).is_err());
    let frames = Frames::new(&case.rows, None).unwrap();
    let keys = Keys { weight: &case.weight, bias: &case.bias };
    let refused = |keys, queries: &Tensor, p| attend(&frames, keys, queries, 0.3, Dropout::OFF, p).is_err();
    assert!(refused(keys, &case.queries.narrow(0, 0, 1).unwrap(), 0.5));
    assert!(refused(keys, &case.queries.narrow(1, 0, 0).unwrap(), 0.5));
    assert!(refused(keys, &case.queries, 1.0));
    assert!(refused(Keys { bias: &case.weight, ..keys }, &case.queries, 0.5));
    assert!(refused(Keys { weight: &case.bias, ..keys }, &case.queries, 0.5));
}
