//! Every type of value there and back: each function returns its argument.

wit_bindgen::generate!({ path: "../../wit/tasks", world: "types-guest" });

use exports::pool::tasks::types::{Access, Colour, Deep, Eight, Guest, ManyFlags, Person, Shape};

struct Types;
export!(Types);

impl Guest for Types {
    fn echo_bool(value: bool) -> bool {
        value
    }

    fn echo_s8(value: i8) -> i8 {
        value
    }

    fn echo_s16(value: i16) -> i16 {
        value
    }

    fn echo_s32(value: i32) -> i32 {
        value
    }

    fn echo_s64(value: i64) -> i64 {
        value
    }

    fn echo_u8(value: u8) -> u8 {
        value
    }

    fn echo_u16(value: u16) -> u16 {
        value
    }

    fn echo_u32(value: u32) -> u32 {
        value
    }

    fn echo_u64(value: u64) -> u64 {
        value
    }

    fn echo_f32(value: f32) -> f32 {
        value
    }

    fn echo_f64(value: f64) -> f64 {
        value
    }

    fn echo_char(value: char) -> char {
        value
    }

    fn echo_string(value: String) -> String {
        value
    }

    fn echo_list_u8(value: Vec<u8>) -> Vec<u8> {
        value
    }

    fn echo_list_s64(value: Vec<i64>) -> Vec<i64> {
        value
    }

    fn echo_list_f64(value: Vec<f64>) -> Vec<f64> {
        value
    }

    fn echo_list_string(value: Vec<String>) -> Vec<String> {
        value
    }

    fn echo_list_list(value: Vec<Vec<i64>>) -> Vec<Vec<i64>> {
        value
    }

    fn echo_list_record(value: Vec<Person>) -> Vec<Person> {
        value
    }

    fn echo_record(value: Person) -> Person {
        value
    }

    fn echo_eight(value: Eight) -> Eight {
        value
    }

    fn echo_tuple(value: (u32, String, f64)) -> (u32, String, f64) {
        value
    }

    fn echo_variant(value: Shape) -> Shape {
        value
    }

    fn echo_enum(value: Colour) -> Colour {
        value
    }

    fn echo_flags(value: Access) -> Access {
        value
    }

    fn echo_many_flags(value: ManyFlags) -> ManyFlags {
        value
    }

    fn echo_option(value: Option<String>) -> Option<String> {
        value
    }

    fn echo_nested_option(value: Option<Option<u32>>) -> Option<Option<u32>> {
        value
    }

    fn echo_result(value: Result<u32, String>) -> Result<u32, String> {
        value
    }

    fn echo_result_ok(value: Result<u32, ()>) -> Result<u32, ()> {
        value
    }

    fn echo_result_err(value: Result<(), String>) -> Result<(), String> {
        value
    }

    fn echo_result_none(value: Result<(), ()>) -> Result<(), ()> {
        value
    }

    fn echo_deep(value: Deep) -> Deep {
        value
    }

    fn echo_nothing() {}

    fn fail_with(message: String) -> Result<u32, String> {
        Err(message)
    }
}
