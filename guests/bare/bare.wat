;; A guest written by hand: it imports nothing, not even WASI, so there is nothing that it could do to its host.
;; Component text needs no toolchain; the world it fills is `bare-guest` of wit/tasks.
(component
  (core module $code
    ;; 3037000499² is the largest square below 2⁶³. The sum moves the range that fits to 0 … 6074000998, so that
    ;; one unsigned comparison checks both its ends.
    (func $square (export "square") (param $n i64) (result i64)
      (if (i64.gt_u (i64.add (local.get $n) (i64.const 3037000499)) (i64.const 6074000998))
        (then unreachable))
      (i64.mul (local.get $n) (local.get $n)))

    ;; A sum overflows exactly if its sign differs from the signs of both its parts.
    (func $add (export "add") (param $a i64) (param $b i64) (result i64)
      (local $sum i64)
      (local.set $sum (i64.add (local.get $a) (local.get $b)))
      (if (i64.lt_s
            (i64.and
              (i64.xor (local.get $sum) (local.get $a))
              (i64.xor (local.get $sum) (local.get $b)))
            (i64.const 0))
        (then unreachable))
      (local.get $sum))

    (func $answer (export "answer") (result i32)
      (i32.const 42)))

  (core instance $code (instantiate $code))

  (func $square (param "n" s64) (result s64) (canon lift (core func $code "square")))
  (func $add (param "a" s64) (param "b" s64) (result s64) (canon lift (core func $code "add")))
  (instance $bare (export "square" (func $square)) (export "add" (func $add)))
  (export "pool:tasks/bare@0.1.0" (instance $bare))

  (func (export "answer") (result u32) (canon lift (core func $code "answer"))))
