//! What is wrong with an input, said as a compiler says it: file, line, column, the line itself,
//! and what to do about it.

use std::fmt;

/// Longest part of a source line that a message shows.
const EXCERPT_CHARS: usize = 96;

/// Where in an input something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Name of the file.
    pub file: String,
    /// Line, counted from 1; 0 if the file as a whole is meant.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The text of that line.
    pub text: String,
}

impl Place {
    /// A file as a whole.
    pub fn file(name: &str) -> Self {
        Place { file: name.to_string(), ..Place::default() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// An input that cannot be checked. It always means exit code 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// Where.
    pub place: Place,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl InputError {
    /// An error at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        InputError { place, message: message.into(), help: None }
    }

    /// An error of a file as a whole.
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        InputError::at(Place::file(file), message)
    }

    /// The same error with a suggestion.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl std::error::Error for InputError {}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}: {}", self.place, self.message)?;
        if self.place.line > 0 {
            let (text, caret) = excerpt(&self.place.text, self.place.column);
            let number = self.place.line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n {margin} |\n {number} | {text}\n {margin} | {}^", " ".repeat(caret))?;
        }
        match &self.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

/// The part of a line around a column (JSON may be one very long line), and where in that part the
/// column is, counted from 0.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let chars: Vec<char> = line.trim_end().chars().map(visible).collect();
    let at = column.saturating_sub(1).min(chars.len());
    let start = if chars.len() <= EXCERPT_CHARS { 0 } else { at.saturating_sub(EXCERPT_CHARS / 2) };
    (chars.iter().skip(start).take(EXCERPT_CHARS).collect(), at - start)
}

/// Something that an input sets and the check does not take into account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub file: String,
    /// The line, counted from 1; 0 if the file as a whole is meant.
    pub line: usize,
    /// What it is.
    pub message: String,
}

impl Warning {
    /// A warning at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Warning { file: place.file, line: place.line, message: message.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "warning: {}: {}", self.file, self.message),
            line => write!(f, "warning: {}:{line}: {}", self.file, self.message),
        }
    }
}

/// The candidate that `word` was probably meant to be, if one is near enough.
///
/// Near enough is one slip in three letters, or the beginning of a longer name.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let rank = |candidate: &&str| {
        let candidate: Vec<char> = candidate.to_lowercase().chars().collect();
        let slips = distance(&word, &candidate);
        if slips <= (word.len().max(candidate.len()) / 3).max(1) {
            return Some(slips);
        }
        let begins = word.len() >= 2 && candidate.starts_with(&word);
        begins.then(|| word.len() + candidate.len())
    };
    // A one-letter name is a slip away from every other: only its own spelling is near.
    let ranked = candidates.filter_map(|c| rank(&c).map(|rank| (rank, c)));
    ranked.filter(|(rank, _)| word.len() > 1 || *rank == 0).min().map(|(_, candidate)| candidate)
}

/// Number of insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut best =
                (rows[i - 1][j - 1] + differs).min(rows[i - 1][j].min(rows[i][j - 1]) + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// The help for a word that is not one of the candidates, if it is near one.
pub(super) fn did_you_mean<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, candidates).map(|near| format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_line_with_a_caret_and_help() {
        let place = Place {
            file: "deploy.yaml".into(),
            line: 7,
            column: 13,
            text: "  replicas: -1".into(),
        };
        let error = InputError::at(place, "spec.replicas must not be negative, is -1");
        let shown = error.with_help("use 0 for no pods").to_string();
        let expected = "error: deploy.yaml:7:13: spec.replicas must not be negative, is -1\n   |\n 7 |   replicas: -1\n   |             ^\nhelp: use 0 for no pods";
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_error_of_a_whole_file_shows_no_line() {
        let shown = InputError::of_file("x.yaml", "is empty").to_string();
        assert_eq!(shown, "error: x.yaml: is empty");
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_column() {
        let line = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let (text, caret) = excerpt(&line, 501);
        assert_eq!(text.chars().nth(caret), Some('X'));
        assert_eq!(text.chars().count(), EXCERPT_CHARS);
    }

    #[test]
    fn nearest_finds_slips_and_beginnings_but_not_strangers() {
        let fields = ["powerOff", "powerOn", "partition", "P1.api"];
        let near = |word| nearest(word, fields.into_iter());
        assert_eq!(near("poweroff"), Some("powerOff"));
        assert_eq!(near("powreOn"), Some("powerOn"));
        assert_eq!(near("partitions"), Some("partition"));
        assert_eq!(near("P1"), Some("P1.api"));
        assert_eq!(near("banana"), None);
        assert_eq!(nearest("R", ["P"].into_iter()), None);
    }

    #[test]
    fn distance_counts_a_swap_once() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("abcd"), &chars("abdc")), 1);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
    }
}
