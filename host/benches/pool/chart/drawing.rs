//! Texts, bars and lines, as SVG. It knows nothing of what they mean.

use std::fmt::Write;

/// What is drawn so far.
pub(super) struct Drawing(String);

// Writing to a string cannot fail.
impl Drawing {
    /// A white sheet of this size.
    pub(super) fn new(width: f64, height: f64) -> Drawing {
        Drawing(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\" \
             font-size=\"13\">\n<rect width=\"{width}\" height=\"{height}\" rx=\"10\" fill=\"#ffffff\"/>\n"
        ))
    }

    pub(super) fn finish(self) -> String {
        self.0 + "</svg>\n"
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), style: &str, words: &str) {
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{words}</text>"
        );
    }

    pub(super) fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" rx=\"2\" fill=\"{colour}\"/>"
        );
    }

    pub(super) fn line(&mut self, x: f64, from: f64, to: f64, colour: &str, width: f64) {
        let _ = writeln!(
            self.0,
            "<line x1=\"{x:.1}\" y1=\"{from}\" x2=\"{x:.1}\" y2=\"{to}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        );
    }
}
