//! Numbers and lists of numbers between the codec's bytes and Rust: little-endian, side by side, so that a list moves by
//! one copy.

use super::reader::{Reader, Undecodable, put_length};
use wasmtime::component::{Lift, Lower};

/// A number of WIT.
pub(super) trait Number: Lower + Lift + Copy + Send + Sync + 'static {
    fn read(bytes: &mut Reader<'_>) -> Result<Self, Undecodable>;
    fn read_list(bytes: &mut Reader<'_>) -> Result<Vec<Self>, Undecodable>;
    fn write(self, out: &mut Vec<u8>);
    fn write_list(list: &[Self], out: &mut Vec<u8>);
}

/// Rust has no trait for "to and from little-endian bytes", so each width is spelled out.
macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Number for $number {
            #[inline]
            fn read(bytes: &mut Reader<'_>) -> Result<Self, Undecodable> {
                Ok(<$number>::from_le_bytes(bytes.array()?))
            }

            fn read_list(bytes: &mut Reader<'_>) -> Result<Vec<Self>, Undecodable> {
                Ok(bytes.arrays()?.iter().map(|item| <$number>::from_le_bytes(*item)).collect())
            }

            #[inline]
            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn write_list(list: &[Self], out: &mut Vec<u8>) {
                put_length(list.len(), out);
                let start = out.len();
                // Zeroing first costs little, and lets the compiler see one copy of a known length.
                out.resize(start + size_of_val(list), 0);
                for (place, item) in out[start..].as_chunks_mut().0.iter_mut().zip(list) {
                    *place = item.to_le_bytes();
                }
            }
        }
    )*};
}

numbers!(i8, u8, i16, u16, i32, u32, i64, u64, f32, f64);
