//! A picture whose rows are jobs: `cargo run --release --example mandelbrot [-- picture.png]`.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the guest calls `view`: a record in WIT is a struct here.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct View {
    width: u32,
    height: u32,
    max_iterations: u32,
}

const VIEW: View = View {
    width: 1500,
    height: 1200,
    max_iterations: 500,
};

fn main() -> anyhow::Result<()> {
    host::init();
    let path = std::env::args_os().nth(1).map_or_else(
        || std::env::temp_dir().join("mandelbrot.png"),
        PathBuf::from,
    );

    let pool = host::Pool::builder().component("mandelbrot").build()?;
    let row = pool.func::<(u32, View), Vec<u8>>("row")?;

    // The rows come home in their order, whichever worker is first. A zero before each tells PNG: as it is.
    let mut pixels = Vec::new();
    for row in row.imap((0..VIEW.height).map(|y| (y, VIEW))) {
        pixels.push(0);
        pixels.extend(row?);
    }

    std::fs::write(&path, png(&pixels))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

/// A colour for each grey value that the guest gives: night at the edges, light towards the set, the set itself black.
fn palette() -> Vec<u8> {
    const COLOURS: [[f64; 3]; 6] = [
        [6.0, 8.0, 40.0],
        [18.0, 50.0, 130.0],
        [60.0, 150.0, 215.0],
        [245.0, 250.0, 240.0],
        [250.0, 175.0, 50.0],
        [110.0, 25.0, 10.0],
    ];
    let colour = |grey: u8| {
        let place = f64::from(grey) / 255.0 * (COLOURS.len() - 1) as f64;
        let from = (place as usize).min(COLOURS.len() - 2);
        let share = place - from as f64;
        [0, 1, 2].map(|c| {
            (COLOURS[from][c] * (1.0 - share) + COLOURS[from + 1][c] * share).round() as u8
        })
    };
    let mut palette: Vec<u8> = (0..=255).flat_map(colour).collect();
    palette[..3].fill(0);
    palette
}

/// The picture as a file: one byte a pixel, which the palette gives its colour.
fn png(pixels: &[u8]) -> Vec<u8> {
    const EIGHT_BITS_FROM_A_PALETTE: [u8; 5] = [8, 3, 0, 0, 0];
    let size = [VIEW.width.to_be_bytes(), VIEW.height.to_be_bytes()].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [
        (b"IHDR", [&size, &EIGHT_BITS_FROM_A_PALETTE[..]].concat()),
        (b"PLTE", palette()),
        (
            b"IDAT",
            miniz_oxide::deflate::compress_to_vec_zlib(pixels, 6),
        ),
        (b"IEND", Vec::new()),
    ] {
        let named = [kind, &data[..]].concat();
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(&named);
        png.extend(checksum(&named).to_be_bytes());
    }
    png
}

/// The CRC-32 that ends each piece of a PNG.
fn checksum(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
    !bytes
        .iter()
        .fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), shift))
}
