//! Bars as SVG.

use std::fmt::Write;

pub(crate) struct Bar<'a> {
    pub(crate) label: &'a str,
    pub(crate) value: f64,
    pub(crate) range: (f64, f64),
}

const LABEL_WIDTH: f64 = 150.0;
const BAR_WIDTH: f64 = 460.0;
const ROW_HEIGHT: f64 = 24.0;
const TOP: f64 = 52.0;
/// The longest bar leaves room for its figure.
const FIGURE_WIDTH: f64 = 70.0;

/// Horizontal bars, shortest first, each with a whisker for its range.
pub(crate) fn bars(title: &str, unit: &str, bars: &[Bar<'_>]) -> String {
    let mut sorted: Vec<&Bar<'_>> = bars.iter().collect();
    sorted.sort_by(|one, other| one.value.total_cmp(&other.value));
    let longest = bars.iter().map(|bar| bar.range.1.max(bar.value)).fold(f64::MIN_POSITIVE, f64::max);
    let width = LABEL_WIDTH + BAR_WIDTH + FIGURE_WIDTH;
    let height = TOP + ROW_HEIGHT * sorted.len() as f64 + 12.0;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">"
    );
    let _ = writeln!(svg, "<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>");
    let _ =
        writeln!(svg, "<text x=\"12\" y=\"22\" font-size=\"15\" font-weight=\"bold\" fill=\"#222222\">{title}</text>");
    let _ = writeln!(svg, "<text x=\"12\" y=\"40\" fill=\"#555555\">{unit} (less is better)</text>");
    for (index, bar) in sorted.iter().enumerate() {
        row(&mut svg, bar, TOP + ROW_HEIGHT * index as f64, BAR_WIDTH / longest);
    }
    svg.push_str("</svg>\n");
    svg
}

fn row(svg: &mut String, bar: &Bar<'_>, top: f64, scale: f64) {
    let colour = match bar.label {
        label if label.starts_with("tramline") => "#1b6ec2",
        "null" => "#9aa0a6",
        _ => "#c8783c",
    };
    let middle = top + ROW_HEIGHT / 2.0;
    let end = LABEL_WIDTH + bar.value * scale;
    let (low, high) = (LABEL_WIDTH + bar.range.0 * scale, LABEL_WIDTH + bar.range.1 * scale);
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#222222\">{}</text>",
        LABEL_WIDTH - 8.0,
        middle + 4.5,
        bar.label
    );
    let _ = writeln!(
        svg,
        "<rect x=\"{LABEL_WIDTH}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
        top + 4.0,
        bar.value * scale,
        ROW_HEIGHT - 8.0
    );
    let _ = writeln!(
        svg,
        "<line x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#222222\"/>"
    );
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#222222\">{:.2}</text>",
        end.max(high) + 6.0,
        middle + 4.5,
        bar.value
    );
}
