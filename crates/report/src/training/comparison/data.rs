//! The table of runs for programs.

use super::{Comparison, Row};
use crate::metrics::{Metric, Spread};
use crate::training::table::csv;

impl Comparison {
    /// `{"split", "flows", "rows": [..], "warnings"}`, ending in a line break.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a comparison is plain data") + "\n"
    }

    /// A line a row and flow: mean and deviation of every metric over the seeds, the tests of MAE against the first row, and
    /// what was published. What is not known is empty.
    pub fn to_csv(&self) -> String {
        let row = ["name", "method", "seeds", "split", "flow", "samples", "non0_samples", "chosen_by"];
        let metrics =
            Metric::ALL.iter().flat_map(|metric| [metric.name().into(), format!("{}_sd", metric.name())]);
        let tests = ["mae_difference", "mae_pairs", "mae_p_t_test", "mae_p_wilcoxon"];
        let last = ["published_mae", "published_acc2", "published_in", "differs"];
        let heads = row.map(str::to_owned).into_iter().chain(metrics);
        let heads = heads.chain(tests.into_iter().chain(last).map(str::to_owned)).collect();
        let rows =
            self.rows.iter().flat_map(|row| row.results.iter().map(|result| self.line(row, &result.flow)));
        csv(heads, rows)
    }

    fn line(&self, row: &Row, flow: &str) -> Vec<String> {
        let shown = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let mut line =
            vec![row.name.clone(), row.method.clone(), row.runs.len().to_string(), self.split.clone()];
        let result = row.result(flow);
        line.push(flow.into());
        line.extend(
            [result.map(|result| result.samples), result.map(|result| result.non0_samples)]
                .map(|count| count.map_or_else(String::new, |count| count.to_string())),
        );
        line.push(row.rule.clone());
        for metric in Metric::ALL {
            let spread = result.and_then(|result| result.measured(metric)).map(|measured| measured.spread);
            let Spread { mean, sd, .. } = spread.unwrap_or(Spread::of(&[]));
            line.extend([shown(mean), shown(sd)]);
        }
        let test = row.against(flow, Metric::Mae);
        line.push(shown(test.and_then(|test| test.mean_difference)));
        line.push(test.map_or_else(String::new, |test| test.pairs.to_string()));
        line.push(shown(test.and_then(|test| test.t_test).map(|test| test.p)));
        line.push(shown(test.and_then(|test| test.wilcoxon).map(|test| test.p)));
        let published = row.published(flow);
        line.push(shown(published.and_then(|published| published.mae)));
        line.push(shown(published.and_then(|published| published.acc2)));
        line.push(published.map_or_else(String::new, |published| published.source.clone()));
        line.push(row.differs.join("; "));
        line
    }
}
