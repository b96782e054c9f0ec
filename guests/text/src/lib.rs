//! Statistics of a text: one pass for the words, one for the sentences.

wit_bindgen::generate!({ path: "../../wit/tasks", world: "text-guest" });

use exports::pool::tasks::text::{Guest, Summary, WordCount};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What may stand inside a word: straight and curly apostrophes, hyphens.
const JOINERS: [char; 4] = ['\'', '’', '-', '‐'];

/// How many of the most frequent words a summary names.
const FREQUENT: usize = 10;

struct Text;
export!(Text);

impl Guest for Text {
    fn stats(document: String) -> Summary {
        let mut counts = BTreeMap::new();
        for word in words(&document) {
            *counts
                .entry(word.to_lowercase().replace('’', "'"))
                .or_default() += 1;
        }
        Summary {
            characters: document.chars().count() as u32,
            words: counts.values().sum(),
            sentences: sentences(&document),
            frequent: most_frequent(counts),
        }
    }
}

/// The words of a document, as they are written.
fn words(document: &str) -> impl Iterator<Item = &str> {
    document
        .split(|c: char| !c.is_alphanumeric() && !JOINERS.contains(&c))
        // Two hyphens are a dash.
        .flat_map(|run| run.split("--"))
        .map(|word| word.trim_matches(JOINERS))
        .filter(|word| !word.is_empty())
}

/// How many sentences come to an end.
fn sentences(document: &str) -> u32 {
    let mut sentences = 0;
    let mut begun = false;
    let mut marked = false;
    // The space at the end stands for the document's end, which ends a sentence as a space does.
    for c in document.chars().chain([' ']) {
        match c {
            '.' | '!' | '?' | '…' => marked = begun,
            c if c.is_alphanumeric() => (begun, marked) = (true, false),
            c if c.is_whitespace() && marked => {
                sentences += 1;
                (begun, marked) = (false, false);
            }
            _ => {}
        }
    }
    sentences
}

fn most_frequent(counts: BTreeMap<String, u32>) -> Vec<WordCount> {
    let mut ranking: Vec<_> = counts
        .into_iter()
        .map(|(word, count)| WordCount { word, count })
        .collect();
    // The sort is stable, so equally frequent words stay in the alphabetical order that the map has them in.
    ranking.sort_by_key(|entry| Reverse(entry.count));
    ranking.truncate(FREQUENT);
    ranking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apostrophes_and_hyphens_join_only_inside_a_word() {
        let found: Vec<_> = words("'Don’t,' she said -- well-known since 3.14--ish.").collect();
        assert_eq!(
            found,
            [
                "Don’t",
                "she",
                "said",
                "well-known",
                "since",
                "3",
                "14",
                "ish"
            ]
        );
    }

    #[test]
    fn a_run_of_marks_before_a_space_ends_one_sentence() {
        assert_eq!(sentences("What?! Pi is 3.14 (“or so…”) He left."), 3);
    }

    #[test]
    fn marks_without_words_and_words_without_marks_are_no_sentence() {
        assert_eq!(sentences("... ! no end in sight"), 0);
        assert_eq!(sentences(""), 0);
    }

    #[test]
    fn words_count_without_case_and_ties_are_alphabetical() {
        let summary = Text::stats("Été b a. A été B c".into());
        let frequent = summary.frequent.iter().map(|f| (f.word.as_str(), f.count));
        assert_eq!(
            (summary.characters, summary.words, summary.sentences),
            (18, 7, 1)
        );
        assert!(frequent.eq([("a", 2), ("b", 2), ("été", 2), ("c", 1)]));
    }

    #[test]
    fn only_the_ten_most_frequent_words_are_named() {
        let summary = Text::stats("a b c d e f g h i j k l l".into());
        assert_eq!((summary.words, summary.frequent.len()), (13, 10));
        assert_eq!(summary.frequent[0].word, "l");
    }
}
