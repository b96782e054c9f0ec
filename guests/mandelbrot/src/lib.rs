//! The Mandelbrot set: for each point c of the plane, how long z → z² + c stays near.

wit_bindgen::generate!({ path: "../../wit/tasks", world: "mandelbrot-guest" });

use exports::pool::tasks::mandelbrot::{Guest, View};

/// The view's real parts: the whole set with a margin.
const LEFT: f64 = -2.2;
const RIGHT: f64 = 0.8;

/// |z|² beyond which z counts as gone. 4 would do to tell the points apart; further out the shades blend smoothly.
const FAR: f64 = 256.0;

struct Mandelbrot;
export!(Mandelbrot);

impl Guest for Mandelbrot {
    fn row(y: u32, view: View) -> Vec<u8> {
        let View {
            width,
            height,
            max_iterations,
        } = view;
        assert!(y < height, "row {y} of a view that has {height} rows");
        let pixel = (RIGHT - LEFT) / f64::from(width);
        let imaginary = (f64::from(height) / 2.0 - f64::from(y) - 0.5) * pixel;
        (0..width)
            .map(|x| LEFT + (f64::from(x) + 0.5) * pixel)
            .map(|real| match escape(real, imaginary, max_iterations) {
                Some(steps) => shade(steps, max_iterations),
                None => 0,
            })
            .collect()
    }
}

/// How many steps the point takes to get away, in fractions of a step, or `None` if it stays.
fn escape(real: f64, imaginary: f64, max_iterations: u32) -> Option<f64> {
    let (mut x, mut y) = (0.0, 0.0);
    for step in 0..max_iterations {
        (x, y) = (x * x - y * y + real, 2.0 * x * y + imaginary);
        let distance = x * x + y * y;
        if distance > FAR {
            // How far beyond the edge this step went: 0 is just over it, 1 a whole step further.
            let beyond = (distance.ln() / FAR.ln()).log2();
            return Some(f64::from(step) + 1.0 - beyond);
        }
    }
    None
}

/// Grey by the logarithm of the steps, as half of all points are gone after a few.
fn shade(steps: f64, max_iterations: u32) -> u8 {
    let share = steps.max(0.0).ln_1p() / f64::from(max_iterations).ln_1p();
    (share * 255.0) as u8
}
