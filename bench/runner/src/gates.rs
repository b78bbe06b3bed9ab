//! What Tramline must reach, what it wants to reach, and what it reached.

use crate::cells::{ONE_THREAD, TWO_THREADS};
use crate::clients::Clients;
use crate::contestants::{FLOOR, LADEN, OURS, REFERENCE};
use crate::figures::Figures;
use crate::latency::Latencies;
use crate::rounds::{CellResult, Row};
use crate::summary::median;

const TUNED: &[&str] = &["tonic-tuned", "connectrpc-tuned"];
const STREAMING: &[&str] = &[
    "tonic",
    "tonic-tuned",
    "connectrpc",
    "connectrpc-tuned",
    "volo",
    "volo-tuned",
    "grpc-go",
    "grpc-go-tuned",
    "grpc-java",
    "grpc-java-tuned",
];
const TONIC: &[&str] = &[REFERENCE];
const PAJAMAX: &[&str] = &["pajamax"];
const NULL: &[&str] = &[FLOOR];
/// What an interceptor, metadata and a deadline may cost.
const LADEN_FACTOR: f64 = 1.5;

/// A cell, whom ours is compared with (the best of several), and the bounds of the ratio.
type Gate = (&'static str, &'static [&'static str], f64, Option<f64>);

const GATES: &[Gate] = &[
    ("unary 1x100", TONIC, 1.0 / 8.0, None),
    ("unary 1x100", TUNED, 1.0 / 4.0, None),
    ("unary 1x100", PAJAMAX, 2.0, Some(1.0)),
    ("unary 1x100", NULL, 3.0, None),
    ("unary 100x100", TONIC, 1.0 / 8.0, None),
    ("unary 100x100", TUNED, 1.0 / 5.0, None),
    ("unary 100x100", PAJAMAX, 2.0, Some(1.0)),
    ("unary 100x100", NULL, 3.0, None),
    ("unary 10x10", TONIC, 1.0 / 4.0, None),
    ("unary 10x10", TUNED, 1.0 / 2.0, None),
    ("unary 10x10", PAJAMAX, 1.5, Some(1.0)),
    ("unary 1x1", TONIC, 0.8, None),
    ("unary 1x1", STREAMING, 1.0, None),
    ("unary 50x1", TONIC, 0.9, None),
    ("unary 50x1", STREAMING, 1.0, None),
    ("stream 1000x100B 1x4", TONIC, 1.0 / 2.0, Some(1.0 / 3.0)),
    ("stream 1000x100B 1x4", STREAMING, 0.8, None),
    ("pingpong 100B 1x100", TONIC, 1.0 / 8.0, None),
    ("pingpong 100B 1x100", STREAMING, 0.8, None),
    ("pingpong 100B 1x100", NULL, 3.0, Some(2.0)),
    ("echo 1KiB 10x10", TONIC, 1.0 / 3.0, None),
    ("echo 1KiB 10x10", STREAMING, 1.0 / 2.0, None),
    ("echo 64KiB 4x4", STREAMING, 0.9, None),
    ("echo 1MiB 2x2", STREAMING, 0.9, None),
    ("TLS unary 10x10", TONIC, 1.0 / 2.0, Some(1.0 / 3.0)),
];

/// Goals against someone whom no must names.
const GOALS: &[Gate] = &[
    ("unary 1x1", PAJAMAX, f64::INFINITY, Some(1.1)),
    ("unary 50x1", PAJAMAX, f64::INFINITY, Some(1.1)),
    ("echo 1KiB 10x10", PAJAMAX, f64::INFINITY, Some(1.5)),
    ("echo 64KiB 4x4", NULL, f64::INFINITY, Some(1.3)),
    ("echo 1MiB 2x2", NULL, f64::INFINITY, Some(1.3)),
];

/// A gate and the figure that was measured for it.
pub(crate) struct Judged {
    pub(crate) what: String,
    pub(crate) against: String,
    pub(crate) must: f64,
    pub(crate) goal: Option<f64>,
    pub(crate) measured: f64,
}

impl Judged {
    fn new(what: impl Into<String>, against: impl Into<String>, must: f64, goal: Option<f64>, measured: f64) -> Self {
        Judged { what: what.into(), against: against.into(), must, goal, measured }
    }

    pub(crate) fn verdict(&self) -> &'static str {
        match (self.measured <= self.must, self.goal.map(|goal| self.measured <= goal)) {
            (false, _) => "**missed**",
            (true, Some(true)) => "met, and the goal",
            (true, Some(false)) if self.must.is_infinite() => "goal not reached",
            (true, _) => "met",
        }
    }
}

/// Every gate for which there are figures.
pub(crate) fn judge(figures: &Figures) -> Vec<Judged> {
    let mut judged: Vec<Judged> = GATES.iter().chain(GOALS).filter_map(|gate| compare(figures, OURS, gate)).collect();
    judged.extend(
        GATES
            .iter()
            .filter_map(|&(cell, rivals, must, _)| compare(figures, LADEN, &(cell, rivals, must * LADEN_FACTOR, None))),
    );
    judged.extend(threads(figures).into_iter().flatten());
    judged.extend(figures.clients.as_ref().map(client).into_iter().flatten());
    judged.extend(figures.latency.as_ref().map(neighbours).into_iter().flatten());
    judged.extend(memory(figures));
    judged.extend(worst(figures));
    judged
}

fn compare(figures: &Figures, ours: &str, &(cell, rivals, must, goal): &Gate) -> Option<Judged> {
    let result = figures.cell(cell)?;
    let best = best(result, rivals)?;
    let measured = result.row(ours)?.ratio_to(best)?;
    let what = if ours == LADEN { format!("{cell}, laden") } else { cell.to_owned() };
    let against = if rivals.len() > 1 { format!("best rival: {}", best.contestant) } else { best.contestant.clone() };
    Some(Judged::new(what, against, must, goal, measured))
}

fn best<'r>(result: &'r CellResult, rivals: &[&str]) -> Option<&'r Row> {
    let rows = rivals.iter().filter_map(|name| result.row(name)).filter(|row| row.figures(|_| 0.0).next().is_some());
    rows.min_by(|one, other| one.cpu_median().total_cmp(&other.cpu_median()))
}

fn threads(figures: &Figures) -> Option<[Judged; 2]> {
    let one = figures.cell(ONE_THREAD)?.row(OURS)?;
    let two = figures.cell(TWO_THREADS)?.row(OURS)?;
    let switches = |row: &Row| median(row.figures(|sample| sample.voluntary_switches + sample.involuntary_switches));
    let against = "one thread on the same CPUs";
    Some([
        Judged::new("two threads 64x4, CPU time", against, 1.15, None, two.cpu_median() / one.cpu_median()),
        Judged::new("two threads 64x4, context switches", against, 1.2, None, switches(two) / switches(one)),
    ])
}

fn client(clients: &Clients) -> Vec<Judged> {
    let Some(shape) = clients.shapes.iter().position(|shape| shape == "1x100") else { return Vec::new() };
    let figure = |name: &str| clients.rows.iter().find(|row| row.name == name).map(|row| row.figures[shape].0);
    let Some(ours) = figure(OURS) else { return Vec::new() };
    let rivals = clients.rows.iter().filter(|row| row.name != OURS);
    let best = rivals.min_by(|one, other| one.figures[shape].0.total_cmp(&other.figures[shape].0));
    let tonic = figure(REFERENCE).map(|tonic| ("tonic".to_owned(), 1.0 / 3.0, Some(1.0 / 5.0), ours / tonic));
    let best = best.map(|best| (format!("best rival: {}", best.name), 0.6, None, ours / best.figures[shape].0));
    let judged = tonic.into_iter().chain(best);
    judged.map(|(against, must, goal, ratio)| Judged::new("client 1x100", against, must, goal, ratio)).collect()
}

fn neighbours(latencies: &Latencies) -> Vec<Judged> {
    let row = |name: &str| latencies.rows.iter().find(|row| row.contestant == name);
    let p99 = |name: &str| row(name).and_then(|row| row.noisy_p99_us);
    let Some(ours) = p99(OURS) else { return Vec::new() };
    let what = "p99 beside 64 bulk streams";
    let tonic = p99(REFERENCE).map(|tonic| Judged::new(what, REFERENCE, 0.5, None, ours / tonic));
    let alone = row(OURS).and_then(|row| row.quiet_p99_us);
    let alone = alone.map(|alone| Judged::new(what, "itself alone", f64::INFINITY, Some(3.0), ours / alone));
    tonic.into_iter().chain(alone).collect()
}

fn memory(figures: &Figures) -> Vec<Judged> {
    let Some(row) = figures.memory.iter().find(|row| row.contestant == OURS) else { return Vec::new() };
    let kib = |len: f64| len / 1024.0;
    let connection = row.connection_len.map(|len| Judged::new("idle connection", "KiB", 8.0, Some(4.0), kib(len)));
    let stream = row.stream_len.map(|len| Judged::new("idle stream", "KiB", 1.0, Some(0.5), kib(len)));
    connection.into_iter().chain(stream).collect()
}

/// The cell in which ours is worst beside tonic.
fn worst(figures: &Figures) -> Option<Judged> {
    let ratio = |result: &CellResult| result.row(OURS)?.ratio_to(result.reference()?);
    let ratios = figures.cells.iter().filter_map(|result| Some((&result.cell, ratio(result)?)));
    let (cell, measured) = ratios.max_by(|one, other| one.1.total_cmp(&other.1))?;
    let what = format!("the worst of {} cells: {cell}", figures.cells.len());
    Some(Judged::new(what, REFERENCE, 1.0, None, measured))
}
