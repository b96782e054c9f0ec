//! The words of a folder's texts, one job a file: `cargo run --release --example wordcount [-- FOLDER]`.

use anyhow::Context;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What the guest's `stats` returns, as far as it matters here: fields that are not named are passed over.
#[derive(Deserialize)]
struct Summary {
    words: u32,
    sentences: u32,
    frequent: Vec<WordCount>,
}

#[derive(Deserialize)]
struct WordCount {
    word: String,
}

fn main() -> anyhow::Result<()> {
    host::init();
    let files = match std::env::args_os().nth(1) {
        Some(folder) => texts(Path::new(&folder), &["txt", "md"])?,
        // Without an argument, the texts of this project.
        None => texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &["md"])?,
    };
    let documents = files
        .iter()
        .map(|file| std::fs::read_to_string(file).with_context(|| file.display().to_string()))
        .collect::<anyhow::Result<Vec<_>>>()?;

    let pool = host::Pool::builder().component("text").build()?;
    let summaries: Vec<Summary> = pool.map("stats", &documents)?;

    println!("{:24} {:>7} {:>9}  frequent", "file", "words", "sentences");
    for (file, summary) in files.iter().zip(&summaries) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let frequent: Vec<&str> = summary
            .frequent
            .iter()
            .map(|f| &f.word[..])
            .take(5)
            .collect();
        println!(
            "{name:24} {:>7} {:>9}  {}",
            summary.words,
            summary.sentences,
            frequent.join(" ")
        );
    }
    let words: u32 = summaries.iter().map(|summary| summary.words).sum();
    let sentences: u32 = summaries.iter().map(|summary| summary.sentences).sum();
    println!(
        "{:24} {words:>7} {sentences:>9}",
        format!("{} files", files.len())
    );
    Ok(())
}

/// The files of a folder that have one of these endings, by name.
fn texts(folder: &Path, endings: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let entries = folder
        .read_dir()
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| {
        endings
            .iter()
            .any(|ending| file.extension().is_some_and(|e| e == *ending))
    });
    files.sort();
    Ok(files)
}
