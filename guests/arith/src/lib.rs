//! Arithmetic: the shortest example of a guest. The world's functions are those of a trait, and that is all.

wit_bindgen::generate!({ path: "../../wit/tasks", world: "arith-guest" });

use exports::pool::tasks::arith::Guest;

/// The largest number whose square fits, and all those whose third power does. To compare with them is many times
/// faster than to multiply in 128 bits, which is how WebAssembly notices an overflow.
const MAX_SQUARE: u64 = 3_037_000_499;
const CUBES: std::ops::RangeInclusive<i64> = -2_097_152..=2_097_151;

struct Arith;
export!(Arith);

impl Guest for Arith {
    fn square(n: i64) -> i64 {
        assert!(
            n.unsigned_abs() <= MAX_SQUARE,
            "square({n}) overflows a 64-bit integer"
        );
        n * n
    }

    fn square_batch(mut numbers: Vec<i64>) -> Vec<i64> {
        numbers.iter_mut().for_each(|n| *n = Self::square(*n));
        numbers
    }

    fn square_root(x: f64) -> f64 {
        assert!(x >= 0.0, "square-root({x}) is not a real number");
        (x.sqrt() * 100.0).round() / 100.0
    }

    fn product(a: i64, b: i64, c: i64) -> i64 {
        // In 128 bits two factors always fit, and where the third doesn't the result wouldn't either.
        (i128::from(a) * i128::from(b))
            .checked_mul(c.into())
            .and_then(|product| product.try_into().ok())
            .unwrap_or_else(|| panic!("product({a}, {b}, {c}) overflows a 64-bit integer"))
    }

    fn cube(n: i64) -> i64 {
        assert!(CUBES.contains(&n), "cube({n}) overflows a 64-bit integer");
        n * n * n
    }

    fn cubes(n: u32) -> Vec<i64> {
        (0..n.into()).map(Self::cube).collect()
    }

    fn evens(mut numbers: Vec<i64>) -> Vec<i64> {
        numbers.retain(|n| n % 2 == 0);
        numbers
    }
}
