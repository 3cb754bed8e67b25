//! The error of every run as a dot, its mean as a bar across, what was published as a diamond.

use crate::metrics::Metric;
use crate::page::markup::Markup;
use crate::page::number::{Pc, Px};
use crate::page::{plot, section};
use crate::training::comparison::{Comparison, Row};
use crate::training::page::flow_class;
use crate::training::page::scale::Scale;

/// Height of a flow's dots.
const ROW: f64 = 18.0;

/// The section.
pub fn write(page: &mut Markup, table: &Comparison) {
    let results = || table.rows.iter().flat_map(|row| &row.results);
    let measured = results().filter_map(|result| result.measured(Metric::Mae));
    let values = measured.flat_map(|measured| measured.values.iter().flatten().copied());
    let published = table.rows.iter().flat_map(|row| &row.published).filter_map(|published| published.mae);
    let scale = Scale::of(values.chain(published), 6);
    if results().next().is_none() {
        return;
    }
    section(page, "MAE (mean absolute error) of every run", |page| {
        page.tag("p").class("note").text("Lower is better, on the left.");
        legend(page, table);
        page.tag("table").class("views dots-table").with(|page| {
            page.tag("caption").class("hidden").text("MAE by row");
            page.tag("tbody").with(|page| {
                for row in &table.rows {
                    page.tag("tr").with(|page| {
                        page.tag("th").set("scope", "row").with(|page| page.tag("bdi").text(&row.name));
                        page.tag("td").with(|page| dots(page, table, row, &scale));
                    });
                }
                page.tag("tr").set("aria-hidden", "true").with(|page| {
                    page.tag("td").text("");
                    page.tag("td").with(|page| axis(page, &scale));
                });
            });
        });
    });
}

fn x(scale: &Scale, value: f64) -> f64 {
    3.0 + 94.0 * scale.share(value)
}

fn legend(page: &mut Markup, table: &Comparison) {
    page.tag("ul").class("legend").with(|page| {
        for (index, flow) in table.flows.iter().enumerate() {
            page.tag("li").with(|page| {
                plot::key(page, &flow_class(index), 12, |page| {
                    page.tag("circle").class("run").set("cx", 6).set("cy", 6).set("r", 5).close();
                });
                page.tag("bdi").text(flow);
            });
        }
        page.tag("li").with(|page| {
            plot::key(page, "only", 12, |page| plot::upright(page, "mean", 6, 0.0, 12.0));
            page.text("mean of the seeds");
        });
        if table.rows.iter().any(|row| !row.published.is_empty()) {
            page.tag("li").with(|page| {
                plot::key(page, "only", 14, |page| {
                    page.tag("path").class("reference").set("d", "M7 1L12 6L7 11L2 6Z").close();
                });
                page.text("published");
            });
        }
    });
}

fn dots(page: &mut Markup, table: &Comparison, row: &Row, scale: &Scale) {
    let found = table.flows.iter().enumerate().filter_map(|(index, flow)| {
        let measured = row.result(flow)?.measured(Metric::Mae)?;
        Some((index, flow, measured, row.published(flow).and_then(|published| published.mae)))
    });
    let found: Vec<_> = found.collect();
    let told: Vec<String> = found
        .iter()
        .map(|(_, flow, measured, _)| {
            let mean =
                measured.spread.mean.map_or_else(|| "undefined".into(), |mean| Metric::Mae.shown(mean));
            format!("{flow} {mean} over {} runs", measured.spread.n)
        })
        .collect();
    let height = ROW * found.len().max(1) as f64;
    let title = format!("MAE of {}: {}", row.name, told.join(", "));
    plot::drawing(page, "", height, title, |page| {
        for (value, _) in scale.ticks() {
            plot::upright(page, "grid", Pc(x(scale, value)), 0.0, height);
        }
        for (at, (index, _, measured, published)) in found.iter().enumerate() {
            let y = ROW * (at as f64 + 0.5);
            page.tag("g").class(flow_class(*index)).with(|page| {
                for value in measured.values.iter().flatten() {
                    let dot =
                        page.tag("circle").class("run").set("cx", Pc(x(scale, *value))).set("cy", Px(y));
                    dot.set("r", 4).close();
                }
                if let Some(mean) = measured.spread.mean {
                    plot::upright(page, "mean", Pc(x(scale, mean)), y - 8.0, y + 8.0);
                }
                if let Some(value) = published {
                    page.tag("svg")
                        .set("x", Pc(x(scale, *value)))
                        .set("y", Px(y))
                        .set("overflow", "visible")
                        .with(|page| {
                            page.tag("path").class("reference").set("d", "M0 -6L6 0L0 6L-6 0Z").close();
                        });
                }
            });
        }
    });
}

fn axis(page: &mut Markup, scale: &Scale) {
    plot::ticks(page, 18, |page| {
        for (at, (value, label)) in scale.ticks().into_iter().enumerate() {
            let class = if at % 2 == 1 { "middle spare" } else { "middle" };
            plot::text(page, class, (Pc(x(scale, value)), 14), label);
        }
    });
}
