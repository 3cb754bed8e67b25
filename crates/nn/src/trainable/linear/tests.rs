use candle_core::{DType, Device, Var};

use super::*;

fn noise(shape: &[usize]) -> Tensor {
    affekt_testkit::noise(0.0, 1.0, shape)
}

fn close(what: &str, got: &Tensor, want: &Tensor) {
    affekt_testkit::assert_close(what, got, &want.to_dtype(DType::F32).unwrap(), 1e-5);
}

fn wide(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F64).unwrap()
}

/// The result, and the gradients of a weighted sum of it by x, weight and bias, in the type of `x`.
fn run(x: &Tensor, weight: &Tensor, bias: &Tensor, loss: &Tensor) -> [Tensor; 4] {
    let [x, weight, bias] = [x, weight, bias].map(|x| Var::from_tensor(x).unwrap());
    let y = linear(&x, &weight, &bias).unwrap();
    let gradients = (&y * loss).unwrap().sum_all().unwrap().backward().unwrap();
    let of = |var: &Var| gradients.get(var).expect("a gradient").clone();
    [y.clone(), of(&x), of(&weight), of(&bias)]
}

#[test]
fn it_is_what_candle_composes_and_so_are_its_gradients() {
    for (shape, inputs, outputs) in [
        (&[][..], 5, 7),
        (&[1], 1, 1),
        (&[3], 33, 31),
        (&[2, 3, 4], 20, 36),
        (&[7, 129], 300, 64),
        (&[2, 150], 64, 1),
        (&[5], 1100, 256),
    ] {
        let with = |width| [shape, &[width]].concat();
        let (x, loss) = (noise(&with(inputs)), noise(&with(outputs)));
        let (weight, bias) = (noise(&[outputs, inputs]), noise(&[outputs]));
        let want = run(&wide(&x), &wide(&weight), &wide(&bias), &wide(&loss));
        let got = run(&x, &weight, &bias, &loss);
        for ((got, want), name) in got.iter().zip(&want).zip(["result", "x", "weight", "bias"]) {
            close(&format!("{name} of {shape:?}, {inputs} to {outputs}"), got, want);
        }
    }
}

#[test]
fn gradients_are_the_differences_of_the_loss() {
    let (x, weight, bias, loss) = (noise(&[9, 5]), noise(&[3, 5]), noise(&[3]), noise(&[9, 3]));
    let gradients = run(&x, &weight, &bias, &loss);
    let of = |moved: [&Tensor; 3]| {
        let [x, weight, bias] = moved.map(wide);
        let y = linear(&x, &weight, &bias).unwrap();
        (y * wide(&loss)).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap()
    };
    for (which, tensor) in [&x, &weight, &bias].into_iter().enumerate() {
        let gradient: Vec<f32> = gradients[which + 1].flatten_all().unwrap().to_vec1().unwrap();
        for at in 0..tensor.elem_count() {
            let loss = |step: f64| {
                let mut numbers: Vec<f64> = wide(tensor).flatten_all().unwrap().to_vec1().unwrap();
                numbers[at] += step;
                let moved = Tensor::from_vec(numbers, tensor.shape(), &Device::Cpu).unwrap();
                let mut all = [&x, &weight, &bias];
                all[which] = &moved;
                of(all)
            };
            let want = (loss(1e-3) - loss(-1e-3)) / 2e-3;
            assert!((f64::from(gradient[at]) - want).abs() < 1e-4 * want.abs().max(1.0), "{which} {at}");
        }
    }
}

#[test]
fn an_input_without_a_gradient_gets_none() {
    let x = noise(&[4, 5]);
    let (weight, bias) =
        (Var::from_tensor(&noise(&[3, 5])).unwrap(), Var::from_tensor(&noise(&[3])).unwrap());
    let gradients = linear(&x, &weight, &bias).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&x).is_none());
    close("bias", gradients.get(&bias).unwrap(), &Tensor::new(&[4f32; 3], &Device::Cpu).unwrap());
    let frozen = linear(&x, &weight.as_detached_tensor(), &bias.as_detached_tensor()).unwrap();
    assert!(!frozen.track_op());
}

#[test]
fn views_are_read_as_what_they_are() {
    let (x, weight, bias, loss) = (noise(&[5, 6, 4]), noise(&[4, 3]), noise(&[2, 3]), noise(&[6, 5, 3]));
    let pass = |dtype| {
        let [x, weight, bias] =
            [&x, &weight, &bias].map(|x| Var::from_tensor(&x.to_dtype(dtype).unwrap()).unwrap());
        let (turned, row) = (weight.t().unwrap(), bias.get(1).unwrap());
        let y = linear(&x.transpose(0, 1).unwrap(), &turned, &row).unwrap();
        let gradients = (&y * loss.to_dtype(dtype).unwrap()).unwrap().sum_all().unwrap().backward().unwrap();
        let of = |var: &Var| gradients.get(var).unwrap().clone();
        [y, of(&x), of(&weight), of(&bias)]
    };
    for ((got, want), name) in
        pass(DType::F32).iter().zip(&pass(DType::F64)).zip(["result", "x", "weight", "bias"])
    {
        close(name, got, want);
    }
}

#[test]
fn all_bits_are_the_same_with_any_number_of_threads() {
    let (x, weight, bias, loss) = (noise(&[700, 1100]), noise(&[96, 1100]), noise(&[96]), noise(&[700, 96]));
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&x, &weight, &bias, &loss))
            .map(|x| x.flatten_all().unwrap().to_vec1::<f32>().unwrap())
    };
    let one = bits(1);
    assert!(one == bits(2) && one == bits(7));
}

#[test]
fn nan_is_not_hidden() {
    let (x, weight, bias, loss) = (noise(&[9, 5]), noise(&[3, 5]), noise(&[3]), noise(&[9, 3]));
    let broken = |x: &Tensor| {
        let mut numbers: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
        numbers[2] = f32::NAN;
        Tensor::from_vec(numbers, x.shape(), &Device::Cpu).unwrap()
    };
    let has = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().any(|x| x.is_nan());
    assert!(
        has(&run(&broken(&x), &weight, &bias, &loss)[0]) && has(&run(&broken(&x), &weight, &bias, &loss)[2])
    );
    assert!(
        has(&run(&x, &broken(&weight), &bias, &loss)[0]) && has(&run(&x, &broken(&weight), &bias, &loss)[1])
    );
    assert!(has(&run(&x, &weight, &broken(&bias), &loss)[0]));
    assert!(run(&x, &weight, &bias, &broken(&loss))[1..].iter().all(has));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (weight, bias) = (noise(&[3, 5]), noise(&[3]));
    assert!(linear(&noise(&[4, 6]), &weight, &bias).is_err());
    assert!(linear(&noise(&[4, 5]), &weight, &noise(&[5])).is_err());
    assert!(linear(&noise(&[4, 5]), &noise(&[5]), &bias).is_err());
    assert_eq!(linear(&noise(&[0, 5]), &weight, &bias).unwrap().dims(), [0, 3]);
}

#[test]
fn a_rectified_layer_is_a_linear_one_with_a_relu_and_a_dropout() {
    use crate::relu::relu;
    for (rows, inputs, outputs, p) in
        [(1, 3, 1, 0.0), (5, 33, 31, 0.3), (700, 20, 36, 0.3), (65, 8, 100, 0.5)]
    {
        let (x, loss) = (noise(&[rows, inputs]), noise(&[rows, outputs]));
        // Sums far from 0: near it, a ReLU of rounded numbers may go the other way.
        let weight = (noise(&[outputs, inputs]) * (0.125 / (inputs as f64).sqrt())).unwrap();
        let bias: Vec<f32> = (0..outputs).map(|at| if at % 3 == 1 { -1.0 } else { 1.0 }).collect();
        let bias = Tensor::new(bias, &Device::Cpu).unwrap();
        for dropout in [Dropout::OFF, Dropout::keyed(3).at("layer")] {
            let run = |dtype: DType, composed: bool| {
                let vars =
                    [&x, &weight, &bias].map(|x| Var::from_tensor(&x.to_dtype(dtype).unwrap()).unwrap());
                let [x, weight, bias] = vars.each_ref().map(|var| var.as_tensor());
                let y = match composed {
                    true => dropout.apply(&relu(&linear(x, weight, bias).unwrap()).unwrap(), p).unwrap(),
                    false => rectified(x, weight, bias, dropout, p).unwrap(),
                };
                let loss = (&y * loss.to_dtype(dtype).unwrap()).unwrap().sum_all().unwrap();
                let gradients = loss.backward().unwrap();
                let mut all = vec![y];
                all.extend(vars.iter().map(|var| gradients.get(var).unwrap().clone()));
                all
            };
            let want = run(DType::F64, true);
            for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 2e-2), (DType::BF16, 2e-1)] {
                for (got, want) in run(dtype, false).iter().zip(&want) {
                    let [got, want] = [got, want].map(|x| x.to_dtype(DType::F32).unwrap());
                    affekt_testkit::assert_close(&format!("{rows} {dtype:?}"), &got, &want, tolerance);
                }
            }
        }
    }
    assert!(rectified(&noise(&[4, 6]), &noise(&[3, 5]), &noise(&[3]), Dropout::OFF, 0.0).is_err());
    assert!(rectified(&noise(&[4, 5]), &noise(&[3, 5]), &noise(&[3]), Dropout::OFF, 1.0).is_err());
    assert_eq!(
        rectified(&noise(&[0, 5]), &noise(&[3, 5]), &noise(&[3]), Dropout::OFF, 0.0).unwrap().dims(),
        [0, 3]
    );
}
