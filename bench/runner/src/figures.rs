//! Every figure of a report, as a file that later runs can add to.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::cells;
use crate::clients::Clients;
use crate::latency::Latencies;
use crate::memory::Memory;
use crate::rounds::CellResult;

const FILE: &str = "figures.json";

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) cells: Vec<CellResult>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) latency: Option<Latencies>,
    pub(crate) clients: Option<Clients>,
}

impl Figures {
    pub(crate) fn load(dir: &Path) -> anyhow::Result<Self> {
        let file = dir.join(FILE);
        if !file.exists() {
            return Ok(Figures::default());
        }
        let text = fs::read_to_string(&file)?;
        serde_json::from_str(&text).with_context(|| format!("{}: written by another version?", file.display()))
    }

    pub(crate) fn save(&self, dir: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join(FILE), serde_json::to_string(self)? + "\n")?;
        Ok(())
    }

    pub(crate) fn add_cell(&mut self, result: CellResult) {
        match self.cells.iter_mut().find(|known| known.cell == result.cell) {
            Some(known) => known.extend(result),
            None => self.cells.push(result),
        }
        self.cells.sort_by_key(|result| cells::all().iter().position(|cell| cell.name == result.cell));
    }

    /// Whether there are any of this contestant.
    pub(crate) fn has(&self, contestant: &str) -> bool {
        let latencies = self.latency.iter().flat_map(|latency| &latency.rows);
        self.cells.iter().flat_map(|cell| &cell.rows).any(|row| row.contestant == contestant)
            || self.memory.iter().any(|row| row.contestant == contestant)
            || latencies.map(|row| &row.contestant).any(|name| name == contestant)
            || self.clients.iter().flat_map(|clients| &clients.rows).any(|row| row.name == contestant)
    }

    pub(crate) fn cell(&self, name: &str) -> Option<&CellResult> {
        self.cells.iter().find(|result| result.cell == name)
    }
}
