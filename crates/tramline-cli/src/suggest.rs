//! "Did you mean …?"

/// The candidate that `word` was probably meant to be.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = folded(word);
    let distance_max = (wanted.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &folded(candidate)), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or else the choices there are.
pub(crate) fn hint<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str> + Clone) -> Option<String> {
    match nearest(word, candidates.clone()) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None => choices(candidates).map(|choices| format!("there is {choices}")),
    }
}

/// `a`, `b` and `c`, as far as it is worth reading.
pub(crate) fn choices<'c>(candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    const SHOWN_MAX: usize = 12;
    let quoted: Vec<String> = candidates.into_iter().map(|candidate| format!("`{candidate}`")).collect();
    match quoted.split_last()? {
        (last, []) => Some(last.clone()),
        (last, rest) if rest.len() < SHOWN_MAX => Some(format!("{} and {last}", rest.join(", "))),
        (_, rest) => {
            let shown: Vec<&str> = rest.iter().take(SHOWN_MAX).map(String::as_str).collect();
            Some(format!("{} and {} more", shown.join(", "), quoted.len() - SHOWN_MAX))
        }
    }
}

/// Letters and digits alone: `userName`, `user_name` and `USER-NAME` are one word.
fn folded(word: &str) -> Vec<char> {
    let kept: Vec<char> = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if kept.is_empty() { word.chars().collect() } else { kept }
}

/// Edits between two words: insert, delete, replace, or swap of neighbours
/// (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x;
            if swapped {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let fields = ["name", "user_name", "age"];
        assert_eq!(nearest("nmae", fields), Some("name"));
        assert_eq!(nearest("userName", fields), Some("user_name"));
        assert_eq!(nearest("agge", fields), Some("age"));
        assert_eq!(nearest("address", fields), None);
        assert_eq!(nearest("", fields), None);
    }

    #[test]
    fn without_a_likely_word_the_choices_are_listed() {
        assert_eq!(hint("x_y_z", ["one", "two"]).as_deref(), Some("there is `one` and `two`"));
        assert_eq!(hint("x", []), None);
        let many: Vec<String> = (0..20).map(|n| format!("field_{n}")).collect();
        assert!(choices(many.iter().map(String::as_str)).is_some_and(|list| list.ends_with("and 8 more")));
    }
}
