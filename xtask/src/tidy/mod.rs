//! `cargo xtask tidy`: the house rules that no compiler checks.
//!
//! Each rule is one small file here. A finding names the place, the rule and the
//! way out. Rules that count (long functions) ratchet: the number in
//! `xtask/ratchet.txt` may fall, never rise.

mod absence;
mod arrows;
mod attributes;
mod comments;
mod doors;
mod finding;
mod floors;
mod layout;
mod map;
mod names;
mod size;
mod source;
mod unsafety;

use std::path::Path;

use finding::Findings;
use source::Tree;

/// Runs every rule over the repository at `root` and prints what it finds.
pub(crate) fn run(root: &Path) -> Result<Outcome, String> {
    let tree = Tree::read(root)?;
    let metadata = arrows::Metadata::read(root)?;
    let mut findings = Findings::default();
    for rule in RULES {
        rule(&tree, &mut findings);
    }
    arrows::check(&metadata, &mut findings);
    arrows::check_no_protobuf(root, &mut findings)?;
    map::check(&tree, &metadata, &mut findings);
    findings.print();
    Ok(Outcome { file_count: tree.sources.len(), finding_count: findings.len() })
}

/// How a run of the rules ended.
pub(crate) struct Outcome {
    /// Rust files that were read.
    pub(crate) file_count: usize,
    /// Places where a rule does not hold.
    pub(crate) finding_count: usize,
}

const RULES: &[fn(&Tree, &mut Findings)] = &[
    size::check_functions,
    size::check_files,
    names::check,
    attributes::check_allow,
    attributes::check_purity,
    unsafety::check,
    doors::check,
    comments::check,
    layout::check,
    absence::check,
    floors::check,
];
