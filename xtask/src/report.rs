//! What ran, how it went, and the closing line.

use std::time::Duration;

/// What a suite's cases came to.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    /// What failed, one line each.
    pub(crate) failures: Vec<String>,
    /// Something worth a word beside the numbers.
    pub(crate) note: String,
}

impl Counts {
    /// `passed` cases and no failure.
    pub(crate) fn passed(passed: usize) -> Counts {
        Counts { passed, ..Counts::default() }
    }

    /// One case, by how it ended.
    pub(crate) fn add(&mut self, name: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => self.failures.push(format!("{name}: {error}")),
        }
    }
}

/// How a suite ended.
pub(crate) enum Ending {
    Ran(Counts),
    /// Not run; what would bring it.
    Skipped(String),
}

/// One line of the summary.
struct Line {
    name: String,
    ending: Ending,
    took: Duration,
}

/// The summary of a run.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn add(&mut self, name: &str, ending: Ending, took: Duration) {
        match &ending {
            Ending::Ran(counts) => {
                println!(
                    "   {name}: {} passed, {} failed, {:.1} s",
                    counts.passed,
                    counts.failures.len(),
                    took.as_secs_f64()
                );
                for failure in &counts.failures {
                    println!("   FAILED {failure}");
                }
            }
            Ending::Skipped(reason) => println!("   {name}: skipped: {reason}"),
        }
        self.lines.push(Line { name: name.to_owned(), ending, took });
    }

    /// Prints the summary and says whether all is well. Where `strict`, a suite that
    /// was skipped counts as failed.
    pub(crate) fn close(&self, strict: bool) -> bool {
        println!("\n{:<22} {:>7} {:>7} {:>9}", "suite", "passed", "failed", "time");
        for line in &self.lines {
            println!("{}", line.shown());
        }
        self.print_skipped();
        let (passed, mut failed, mut skipped) = self.totals();
        if strict {
            failed += std::mem::take(&mut skipped);
        }
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        failed == 0
    }

    fn print_skipped(&self) {
        for line in &self.lines {
            if let Ending::Skipped(reason) = &line.ending {
                println!("skipped: {}: {reason}", line.name);
            }
        }
    }

    /// Cases passed, cases failed, suites skipped.
    fn totals(&self) -> (usize, usize, usize) {
        self.lines.iter().fold((0, 0, 0), |(passed, failed, skipped), line| match &line.ending {
            Ending::Ran(counts) => (passed + counts.passed, failed + counts.failures.len(), skipped),
            Ending::Skipped(_) => (passed, failed, skipped + 1),
        })
    }
}

impl Line {
    fn shown(&self) -> String {
        let seconds = self.took.as_secs_f64();
        match &self.ending {
            Ending::Ran(counts) => {
                let (passed, failed) = (counts.passed, counts.failures.len());
                format!("{:<22} {passed:>7} {failed:>7} {seconds:>7.1} s  {}", self.name, counts.note)
            }
            Ending::Skipped(_) => format!("{:<22} {:>7} {:>7} {seconds:>7.1} s  skipped", self.name, "-", "-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(endings: Vec<Ending>) -> Report {
        let mut report = Report::default();
        for ending in endings {
            report.add("suite", ending, Duration::ZERO);
        }
        report
    }

    #[test]
    fn a_failure_fails_the_run() {
        let mut counts = Counts::passed(3);
        counts.add("case", Err("broke".to_owned()));
        let report = report(vec![Ending::Ran(Counts::passed(2)), Ending::Ran(counts)]);
        assert_eq!(report.totals(), (5, 1, 0));
        assert!(!report.close(false));
    }

    #[test]
    fn a_skipped_suite_fails_only_where_nothing_may_be_skipped() {
        let report = report(vec![Ending::Ran(Counts::passed(1)), Ending::Skipped("install Go".to_owned())]);
        assert!(report.close(false));
        assert!(!report.close(true));
    }
}
