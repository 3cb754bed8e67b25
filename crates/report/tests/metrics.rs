//! Metrics against scikit-learn, NumPy and SciPy, as properties, and on the labels of MOSEI.

use affekt_core::Explain;
use affekt_report::Metrics;
use affekt_report::metrics::{
    ByBin, CLASSES, Confusion, Error, Gap, Metric, Side, Spread, Untested, paired, paired_defined,
};
use affekt_testkit::realdata;
use arbtest::arbitrary::{Result, Unstructured};
use serde::Deserialize;

/// Whether both are undefined, or alike to `tolerance` of the value, or of `floor` where that is larger.
fn close(got: Option<f64>, want: Option<f64>, tolerance: f64, floor: f64) -> bool {
    match (got, want) {
        (Some(got), Some(want)) => (got - want).abs() <= tolerance * want.abs().max(floor),
        (got, want) => got.is_none() && want.is_none(),
    }
}

#[derive(Deserialize)]
struct Cases<T> {
    cases: Vec<T>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    predictions: Vec<f64>,
    labels: Vec<f64>,
    metrics: Metrics,
    confusion: [[usize; 7]; 7],
    bins: [(i8, usize, Option<f64>, Option<f64>); 7],
}

#[test]
fn metrics_are_those_of_scikit_learn_and_numpy() {
    let golden: Cases<Case> = serde_json::from_str(include_str!("golden/metrics.json")).unwrap();
    assert_eq!(golden.cases.len(), 38);
    for Case { name, predictions, labels, metrics: want, confusion, bins } in golden.cases {
        let got = Metrics::of(&predictions, &labels).unwrap();
        for (got, want) in got.entries().into_iter().zip(want.entries()) {
            assert_eq!(got.samples, want.samples, "{name}: {}", got.name);
            let alike = close(got.value, want.value, 1e-12, 1.0);
            assert!(alike, "{name}: {} {:?}, not {:?}", got.name, got.value, want.value);
        }
        assert_eq!(Confusion::of(&predictions, &labels).unwrap().counts, confusion, "{name}");
        for (got, (class, samples, mae, bias)) in
            ByBin::of(&predictions, &labels).unwrap().bins.iter().zip(bins)
        {
            assert_eq!((got.class, got.samples), (class, samples), "{name}");
            assert!(close(got.mae, mae, 1e-12, 1.0) && close(got.bias, bias, 1e-12, 1.0), "{name}: {got:?}");
        }
    }
}

#[derive(Deserialize)]
struct Test {
    name: String,
    a: Vec<f64>,
    b: Vec<f64>,
    mean: f64,
    sd: Option<f64>,
    mean_difference: f64,
    t_test: Option<(f64, usize, f64)>,
    wilcoxon: Option<(f64, usize, f64)>,
}

#[test]
fn paired_tests_are_those_of_scipy() {
    let golden: Cases<Test> = serde_json::from_str(include_str!("golden/metrics_paired.json")).unwrap();
    assert_eq!(golden.cases.len(), 25);
    for want in golden.cases {
        let (name, spread) = (want.name, Spread::of(&want.a));
        assert!(
            close(spread.mean, Some(want.mean), 1e-12, 1.0) && close(spread.sd, want.sd, 1e-12, 1.0),
            "{name}"
        );
        let got = paired(&want.a, &want.b).unwrap();
        assert!(close(got.mean_difference, Some(want.mean_difference), 1e-12, 1.0), "{name}");
        let alike = |got: Option<f64>, want| close(got, want, 1e-10, 0.0);
        let (t, w) = (got.t_test, got.wilcoxon);
        assert!(alike(t.map(|t| t.t), want.t_test.map(|t| t.0)), "{name}: {got:?}");
        assert!(alike(t.map(|t| t.p), want.t_test.map(|t| t.2)), "{name}: {got:?}");
        assert_eq!(t.map(|t| t.df), want.t_test.map(|t| t.1), "{name}");
        assert!(alike(w.map(|w| w.w), want.wilcoxon.map(|w| w.0)), "{name}: {got:?}");
        assert!(alike(w.map(|w| w.p), want.wilcoxon.map(|w| w.2)), "{name}: {got:?}");
        assert_eq!(w.map(|w| w.ranked), want.wilcoxon.map(|w| w.1), "{name}");
        assert_eq!(
            (t.is_none(), w.is_none()),
            (got.no_t_test.is_some(), got.no_wilcoxon.is_some()),
            "{name}"
        );
    }
}

#[test]
fn where_there_is_no_test_the_reason_is_given() {
    let reasons = |a: &[f64], b: &[f64]| {
        let found = paired(a, b).unwrap();
        (found.no_t_test, found.no_wilcoxon)
    };
    let (few, equal, zero) = (Some(Untested::TooFew), Some(Untested::AllEqual), Some(Untested::AllZero));
    assert_eq!(reasons(&[], &[]), (few, few));
    assert_eq!(reasons(&[0.5], &[0.4]), (few, few));
    assert_eq!(reasons(&[0.5, 0.6], &[0.5, 0.6]), (equal, zero));
    // Equal on paper only: 0.51 - 0.5 and 0.52 - 0.51 are different numbers.
    assert_eq!(reasons(&[0.51, 0.52], &[0.5, 0.51]), (equal, None));
    let many: Vec<f64> = (0..26).map(f64::from).collect();
    assert_eq!(reasons(&many, &vec![0.25; 26]), (None, Some(Untested::TooMany)));
    // The one that is 0 is not ranked.
    assert_eq!(reasons(&many, &vec![0.0; 26]), (None, None));
    assert_eq!(paired(&[1.0], &[]), Err(Error::Unpaired { a: 1, b: 0 }));
    let error = paired(&[1.0, 2.0], &[1.0, f64::INFINITY]).unwrap_err();
    assert_eq!(error.to_string(), "result 1 of the second list is inf, which is not a finite number");
    let some =
        paired_defined(&[Some(1.0), None, Some(2.0), Some(4.0)], &[Some(0.5), Some(1.0), None, Some(3.0)]);
    let some = some.unwrap();
    assert_eq!((some.pairs, some.undefined, some.mean_difference), (2, 2, Some(0.75)));
}

#[test]
fn values_without_metrics_are_refused_by_name() {
    let refused = |predictions: &[f64], labels: &[f64]| {
        let error = Metrics::of(predictions, labels).unwrap_err();
        assert_eq!(Confusion::of(predictions, labels), Err(error));
        assert!(error.hint().is_some());
        error.to_string()
    };
    assert_eq!(refused(&[1.0, 2.0], &[1.0]), "2 predictions cannot be held against 1 labels");
    assert_eq!(refused(&[], &[]), "there are no samples, so there are no metrics");
    let message = refused(&[0.0, 1.0, f64::INFINITY], &[0.0; 3]);
    assert_eq!(message, "the prediction at index 2 is inf, which is not a finite single-precision number");
    let message = refused(&[0.0, 1e300], &[0.0; 2]);
    assert!(message.starts_with("the prediction at index 1 is 1000000"), "{message}");
    let not_a_number = Metrics::of(&[0.0, 1.0], &[0.0, f64::NAN]).unwrap_err();
    assert!(
        matches!(not_a_number, Error::NotFinite { side: Side::Label, index: 1, value } if value.is_nan())
    );
    assert!(not_a_number.to_string().starts_with("the label at index 1 is NaN"));
}

#[test]
fn every_list_names_both_binary_accuracies_and_says_what_is_undefined() {
    let metrics = Metrics::of(&[0.25, 0.25, -0.5], &[0.0; 3]).unwrap();
    let summary = metrics.summary();
    assert_eq!(summary.lines().count(), Metrics::NAMES.len());
    assert!(summary.contains("Acc-2 (negative/non-negative, has0)           66.67%  3 samples"), "{summary}");
    assert!(
        summary
            .contains("Acc-2 (negative/positive, non0)             undefined: every label is 0  0 samples")
    );
    assert!(
        summary.contains("undefined: the predictions or the labels are constant  3 samples"),
        "{summary}"
    );
    let json = serde_json::to_value(&metrics).unwrap();
    assert_eq!(json["acc2_non0"], serde_json::Value::Null);
    for (entry, metric) in metrics.entries().iter().zip(Metric::ALL) {
        assert_eq!(json[entry.name].as_f64(), entry.value);
        assert_eq!(serde_json::to_value(metric).unwrap(), entry.name);
        assert!(entry.value.is_some() || metric.undefined().is_some());
    }
    assert_eq!(Metrics::NAMES, Metric::ALL.map(Metric::name));
    assert_eq!((Metric::Corr.shown(-1e-7), Metric::Corr.shown(-0.5)), ("0.0000".into(), "-0.5000".into()));
    assert_eq!(serde_json::from_value::<Metrics>(json).unwrap(), metrics);
}

#[test]
fn a_spread_leaves_out_what_is_undefined_and_counts_it() {
    let spread = Spread::of_defined([Some(0.5), None, Some(0.7), Some(f64::NAN)]);
    assert_eq!((spread.n, spread.undefined), (2, 2));
    assert!(close(spread.mean, Some(0.6), 1e-12, 1.0) && close(spread.sd, Some(0.02_f64.sqrt()), 1e-12, 1.0));
    assert_eq!((spread.min, spread.max), (Some(0.5), Some(0.7)));
    let one = Spread::of(&[0.1]);
    assert_eq!((one.n, one.mean, one.sd), (1, Some(0.1), None));
    let none = Spread::of(&[]);
    assert_eq!((none.n, none.mean, none.sd, none.min, none.max), (0, None, None, None, None));
    // Naive sums of equal values give a deviation that is not there.
    assert_eq!(Spread::of(&[0.1; 7]).sd, Some(0.0));
}

#[test]
fn a_gap_has_no_sign_and_needs_both_flows() {
    let labels = [1.0, -1.0, 2.0, 0.0];
    let complete = Metrics::of(&[1.0, -0.5, 1.5, -0.5], &labels).unwrap();
    let missing = Metrics::of(&[1.0, 0.5, 1.5, 0.5], &labels).unwrap();
    let gap = Gap::between(&complete, &missing);
    assert_eq!(gap, Gap::between(&missing, &complete));
    assert_eq!((gap.mae, gap.acc2_has0), (0.25, 0.0));
    assert!(close(gap.acc2_non0, Some(1.0 / 3.0), 1e-12, 1.0));
    let zeros = Metrics::of(&[1.0], &[0.0]).unwrap();
    assert_eq!(Gap::between(&complete, &zeros).acc2_non0, None);
}

#[test]
fn nearly_constant_is_constant_only_within_rounding() {
    let labels = [1.0, -1.0, 2.0];
    let corr = |predictions: [f64; 3]| Metrics::of(&predictions, &labels).unwrap().corr;
    assert_eq!(corr([0.3, 0.3, 0.1 + 0.2]), None);
    assert_eq!(corr([0.0, -0.0, 0.0]), None);
    assert!(corr([0.3, 0.3, 0.3 + 1e-9]).is_some_and(|corr| corr > 0.7));
    // Squares of these vanish in double precision.
    assert!(corr([0.0, 0.0, 1e-200]).is_some_and(|corr| corr > 0.7));
}

/// Values of a coarse grid, where classes meet, or of any size that single precision has.
fn value(source: &mut Unstructured) -> Result<f64> {
    let grid = f64::from(source.int_in_range(-16..=16)?) / 4.0;
    let any = f32::from_bits(source.arbitrary()?);
    Ok(if source.ratio(1, 8)? && any.is_finite() { f64::from(any) } else { grid })
}

#[test]
fn metrics_agree_with_each_other_on_any_values() {
    arbtest::arbtest(|source| {
        let pairs: Vec<(f64, f64)> = (0..source.int_in_range(1..=12)?)
            .map(|_| Ok((value(source)?, value(source)?)))
            .collect::<Result<_>>()?;
        let (predictions, labels): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let metrics = Metrics::of(&predictions, &labels).unwrap();
        let n = pairs.len() as f64;
        for entry in metrics.entries() {
            let range = match entry.metric {
                Metric::Mae => 0.0..=f64::MAX,
                Metric::Corr => -1.0..=1.0,
                _ => 0.0..=1.0 + f64::EPSILON,
            };
            assert!(entry.value.is_none_or(|value| range.contains(&value)), "{entry:?}");
        }
        let confusion = Confusion::of(&predictions, &labels).unwrap();
        let diagonal: usize = (0..7).map(|class| confusion.counts[class][class]).sum();
        assert_eq!((confusion.samples(), diagonal as f64 / n), (pairs.len(), metrics.acc7));
        let bins = ByBin::of(&predictions, &labels).unwrap().bins;
        assert_eq!(bins.map(|bin| bin.class), CLASSES);
        let errors: f64 = bins.iter().filter_map(|bin| Some(bin.mae? * bin.samples as f64)).sum();
        assert!(close(Some(errors / n), Some(metrics.mae), 1e-12, 0.0), "{metrics:?}");
        let perfect = Metrics::of(&labels, &labels).unwrap();
        assert_eq!((perfect.mae, perfect.acc7, perfect.acc2_has0, perfect.f1_has0), (0.0, 1.0, 1.0, 1.0));
        assert!(perfect.corr.is_none_or(|corr| corr > 1.0 - 1e-12));
        assert!(perfect.acc2_non0.is_none_or(|share| share == 1.0));
        Ok(())
    });
}

#[test]
fn on_the_test_split_of_mosei_always_positive_is_the_floor_that_is_known() {
    let Some(file) = realdata::files("mosei_labels", &["tsv"]).and_then(|files| files.into_iter().next())
    else {
        return;
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(b'\t').quoting(false).from_path(file).unwrap();
    let head = reader.headers().unwrap().clone();
    let column = |name| head.iter().position(|field| field == name).unwrap();
    let (label, split) = (column("label"), column("split"));
    let rows = reader.records().map(std::result::Result::unwrap);
    let labels: Vec<f64> =
        rows.filter(|row| &row[split] == "test").map(|row| row[label].parse().unwrap()).collect();
    let metrics = Metrics::of(&vec![1.0; labels.len()], &labels).unwrap();
    println!("{}", metrics.summary());
    assert_eq!((metrics.samples, metrics.non0_samples), (4653, 3632));
    assert_eq!((metrics.acc2_has0, metrics.acc2_non0), (3303.0 / 4653.0, Some(2282.0 / 3632.0)));
    // The floors that are given for the whole split, of which this table lacks six clips.
    assert!(close(Some(metrics.acc2_has0), Some(0.7102), 5e-4, 1.0));
    assert!(close(metrics.acc2_non0, Some(0.6285), 5e-4, 1.0));
    assert_eq!(metrics.corr, None);
}
