;; A guest that does nothing but ask for the time: as often as it is told, so that each question can be counted.
(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $monotonic
    (export "now" (func (result u64)))
    (export "resolution" (func (result u64)))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $wall
    (type $fields (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $fields)))
    (export "now" (func (result $datetime)))
    (export "resolution" (func (result $datetime)))))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (core func $now (canon lower (func $monotonic "now")))
  (core func $resolution (canon lower (func $monotonic "resolution")))
  (core func $wall-now (canon lower (func $wall "now") (memory (core memory $memory "memory"))))
  (core func $wall-resolution (canon lower (func $wall "resolution") (memory (core memory $memory "memory"))))
  (core module $code
    (import "host" "memory" (memory 1))
    (import "host" "now" (func $now (result i64)))
    (import "host" "resolution" (func $resolution (result i64)))
    (import "host" "wall-now" (func $wall-now (param i32)))
    (import "host" "wall-resolution" (func $wall-resolution (param i32)))
    (func (export "now") (result i64) (call $now))
    (func (export "resolution") (result i64) (call $resolution))
    ;; Of the clock on the wall, only the nanoseconds within a second.
    (func (export "wall-now") (result i32)
      (call $wall-now (i32.const 0))
      (i32.load (i32.const 8)))
    (func (export "wall-resolution") (result i32)
      (call $wall-resolution (i32.const 0))
      (i32.load (i32.const 8)))
    ;; Looks so many times, and says what it saw last.
    (func (export "look") (param $times i32) (result i64)
      (local $seen i64)
      (loop $again
        (if (local.get $times) (then
          (local.set $seen (call $now))
          (local.set $times (i32.sub (local.get $times) (i32.const 1)))
          (br $again))))
      (local.get $seen))
    ;; Looks three times without a loop and ends, so that nothing but its end could stop it.
    (func (export "look-thrice") (result i64)
      (drop (call $now))
      (drop (call $now))
      (call $now)))
  (core instance $code (instantiate $code (with "host" (instance
    (export "memory" (memory $memory "memory"))
    (export "now" (func $now))
    (export "resolution" (func $resolution))
    (export "wall-now" (func $wall-now))
    (export "wall-resolution" (func $wall-resolution))))))
  (func (export "now") (result u64) (canon lift (core func $code "now")))
  (func (export "resolution") (result u64) (canon lift (core func $code "resolution")))
  (func (export "wall-now") (result u32) (canon lift (core func $code "wall-now")))
  (func (export "wall-resolution") (result u32) (canon lift (core func $code "wall-resolution")))
  (func (export "look") (param "times" u32) (result u64) (canon lift (core func $code "look")))
  (func (export "look-thrice") (result u64) (canon lift (core func $code "look-thrice"))))
