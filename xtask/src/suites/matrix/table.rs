//! The table that people read.

use super::limits::Evidence;
use super::peers::Peer;

/// How one case went between one client and one server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Passed,
    Failed(String),
    /// A peer's program cannot do it.
    Cannot {
        reason: &'static str,
        evidence: Evidence,
    },
}

impl From<Result<(), String>> for Cell {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Cell::Passed,
            Err(error) => Cell::Failed(error),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    client: Peer,
    server: Peer,
    tls: bool,
    case: &'static str,
    cell: Cell,
}

/// All cells of a run.
pub(super) struct Table {
    entries: Vec<Entry>,
    /// What a program printed when it showed its limit.
    shown: Vec<(Evidence, String)>,
}

impl Table {
    pub(super) const fn new() -> Table {
        Table { entries: Vec::new(), shown: Vec::new() }
    }

    pub(super) fn add(&mut self, client: Peer, server: Peer, tls: bool, case: &'static str, cell: Cell) {
        self.entries.push(Entry { client, server, tls, case, cell });
    }

    pub(super) fn show_evidence(&mut self, evidence: Evidence, shown: String) {
        self.shown.push((evidence, shown));
    }

    pub(super) fn print(&self, cases: &[&'static str]) {
        if self.entries.is_empty() {
            return;
        }
        println!("\nThe official interop cases, client -> server, plaintext/TLS:");
        for line in self.lines(cases) {
            println!("{line}");
        }
    }

    fn lines(&self, cases: &[&'static str]) -> Vec<String> {
        let pairs = self.pairs();
        let notes = self.notes();
        let mut rows: Vec<&'static str> = cases.to_vec();
        let extra = self.entries.iter().map(|entry| entry.case).filter(|case| !cases.contains(case));
        extra.for_each(|case| {
            if !rows.contains(&case) {
                rows.push(case)
            }
        });
        let heads = pairs.iter().map(|(client, server)| format!("{}->{}", client.name(), server.name()));
        let heads: Vec<String> = heads.collect();
        let widths: Vec<usize> = heads.iter().map(|head| head.len().max(9)).collect();
        let mut lines = vec![row("case", &heads, &widths)];
        for case in rows {
            let cells: Vec<String> = pairs.iter().map(|pair| self.shown_cell(*pair, case, &notes)).collect();
            lines.push(row(case, &cells, &widths));
        }
        for (index, (reason, evidence)) in notes.iter().enumerate() {
            lines.push(self.note(index + 1, reason, *evidence));
        }
        lines
    }

    fn note(&self, number: usize, reason: &str, evidence: Evidence) -> String {
        let shown = self.shown.iter().find(|(of, _)| *of == evidence).map_or("", |(_, shown)| shown.as_str());
        let said = shown.lines().next().unwrap_or("").trim();
        let (client, server) = (evidence.client.name(), evidence.server.name());
        format!("[{number}] {reason}. Without us, {client}->{server} {} fails too: {said}", evidence.case)
    }

    fn pairs(&self) -> Vec<(Peer, Peer)> {
        let mut pairs: Vec<(Peer, Peer)> = Vec::new();
        for entry in &self.entries {
            if !pairs.contains(&(entry.client, entry.server)) {
                pairs.push((entry.client, entry.server));
            }
        }
        pairs
    }

    /// The reasons that occur, in the order of their numbers.
    fn notes(&self) -> Vec<(&'static str, Evidence)> {
        let mut notes = Vec::new();
        for entry in &self.entries {
            if let Cell::Cannot { reason, evidence } = entry.cell
                && !notes.iter().any(|(known, _)| *known == reason)
            {
                notes.push((reason, evidence));
            }
        }
        notes
    }

    fn shown_cell(&self, pair: (Peer, Peer), case: &str, notes: &[(&'static str, Evidence)]) -> String {
        let cell = |tls: bool| {
            let is_it = |entry: &&Entry| (entry.client, entry.server) == pair && entry.case == case && entry.tls == tls;
            self.entries.iter().find(is_it).map(|entry| &entry.cell)
        };
        match (cell(false), cell(true)) {
            (None, None) => "-".to_owned(),
            (plain, secure) => format!("{}/{}", word(plain, notes), word(secure, notes)),
        }
    }
}

fn word(cell: Option<&Cell>, notes: &[(&'static str, Evidence)]) -> String {
    match cell {
        None => "-".to_owned(),
        Some(Cell::Passed) => "ok".to_owned(),
        Some(Cell::Failed(_)) => "FAIL".to_owned(),
        Some(Cell::Cannot { reason, .. }) => {
            let number = notes.iter().position(|(known, _)| known == reason).map_or(0, |index| index + 1);
            format!("[{number}]")
        }
    }
}

fn row(head: &str, cells: &[String], widths: &[usize]) -> String {
    let mut line = format!("{head:<36}");
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(&format!("  {cell:<width$}"));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_passes_failures_and_limits_apart() {
        let mut table = Table::new();
        let evidence = Evidence { client: Peer::Go, server: Peer::Go, case: "b" };
        table.add(Peer::Tramline, Peer::Go, false, "a", Cell::Passed);
        table.add(Peer::Tramline, Peer::Go, true, "a", Cell::Failed("no".to_owned()));
        table.add(Peer::Tramline, Peer::Go, false, "b", Cell::Cannot { reason: "it has no b", evidence });
        table.show_evidence(evidence, "unknown case\n".to_owned());
        let lines = table.lines(&["a", "b"]);
        assert!(lines[1].ends_with("ok/FAIL"));
        assert!(lines[2].ends_with("[1]/-"));
        assert_eq!(lines[3], "[1] it has no b. Without us, go->go b fails too: unknown case");
    }
}
