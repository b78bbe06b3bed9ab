//! The code map of ARCHITECTURE.md and the house are one and the same.

use super::arrows::Metadata;
use super::finding::Findings;
use super::source::Tree;

const PAGE: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Code map";

pub(super) fn check(tree: &Tree, metadata: &Metadata, findings: &mut Findings) {
    let Some(page) = tree.texts.iter().find(|text| text.path == PAGE) else {
        return findings.add(PAGE, 0, "code map", "there is no map".to_owned(), "write it");
    };
    let rooms = rooms(&page.content);
    let houses = packages(tree, metadata);
    for house in houses.iter().filter(|house| !rooms.iter().any(|(room, _)| room == *house)) {
        findings.add(PAGE, 0, "code map", format!("`{house}` is not on the map"), "add a row: purpose and limits");
    }
    for (room, line) in rooms.iter().filter(|(room, _)| !houses.contains(room)) {
        findings.add(PAGE, *line, "code map", format!("`{room}` does not exist"), "take it off the map");
    }
}

/// The folders of all packages, those outside the workspace included.
fn packages(tree: &Tree, metadata: &Metadata) -> Vec<String> {
    let mut folders: Vec<String> = metadata.packages.iter().map(|package| package.folder.clone()).collect();
    let beside = tree.texts.iter().filter_map(|text| text.path.strip_suffix("/Cargo.toml"));
    folders.extend(beside.filter(|folder| !folder.contains('/')).map(str::to_owned));
    folders.sort();
    folders.dedup();
    folders
}

/// What stands between backticks in the first column of the map's table.
fn rooms(page: &str) -> Vec<(String, usize)> {
    let lines = page.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(1);
    let rows = lines.take_while(|(_, line)| !line.starts_with("## ")).filter(|(_, line)| line.starts_with('|'));
    let mut rooms = Vec::new();
    for (index, row) in rows {
        let column = row.split('|').nth(1).unwrap_or("");
        rooms.extend(column.split('`').skip(1).step_by(2).map(|room| (room.to_owned(), index + 1)));
    }
    rooms
}

#[cfg(test)]
mod tests {
    use super::super::arrows::Package;
    use super::*;

    #[test]
    fn the_map_has_every_room_and_no_ghost() {
        let page =
            "# A\n## Code map\n| room | for |\n|---|---|\n| `crates/a`, `b` | `x` |\n## Seams\n| `crates/z` | |\n";
        let package =
            |folder: &str| Package { name: String::new(), folder: folder.to_owned(), dependencies: Vec::new() };
        let metadata = Metadata { packages: vec![package("crates/a"), package("crates/c")] };
        let mut findings = Findings::default();
        check(&Tree::of(&[(PAGE, page)]), &metadata, &mut findings);
        assert_eq!(findings.places(), ["ARCHITECTURE.md:0", "ARCHITECTURE.md:5"]);
    }
}
