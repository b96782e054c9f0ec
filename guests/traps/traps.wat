;; One function for each kind of trap that WebAssembly knows, then the functions that take all they can get.
;; They stand outside any interface and import nothing. Their names with a $ are those that a backtrace shows.
(component
  (core module $code
    (memory $memory 1)

    ;; Two functions to call, and a third place with no function in it.
    (table $functions 3 funcref)
    (elem (table $functions) (i32.const 0) func $nothing $one-argument)
    (type $nothing (func))
    (func $nothing)
    (func $one-argument (param i32))

    ;; A table for `table-bomb` alone. No maximum: what stops it from growing is the host.
    (table $bomb 0 funcref)

    (func $unreachable (export "unreachable")
      unreachable)

    (func $integer-divide-by-zero (export "integer-divide-by-zero")
      (drop (i32.div_s (i32.const 1) (i32.const 0))))

    ;; -2³¹ / -1 is 2³¹, one more than fits.
    (func $integer-overflow (export "integer-overflow")
      (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))

    (func $bad-conversion (export "bad-conversion")
      (drop (i32.trunc_f64_s (f64.const nan))))

    ;; The last four bytes of a 4 GiB memory.
    (func $memory-out-of-bounds (export "memory-out-of-bounds")
      (drop (i32.load (i32.const 0xfffffffc))))

    (func $table-out-of-bounds (export "table-out-of-bounds")
      (call_indirect $functions (type $nothing) (i32.const 3)))

    (func $indirect-call-to-null (export "indirect-call-to-null")
      (call_indirect $functions (type $nothing) (i32.const 2)))

    (func $bad-signature (export "bad-signature")
      (call_indirect $functions (type $nothing) (i32.const 1)))

    (func $stack-overflow (export "stack-overflow")
      (call $stack-overflow))

    ;; Ask for a billion places at once. Returns how many there are then: 0 if the host refused.
    (func $table-bomb (export "table-bomb") (result i32)
      (drop (table.grow $bomb (ref.null func) (i32.const 1000000000)))
      (table.size $bomb))

    ;; Ask for one page of 64 KiB after the other until the host refuses. Returns how many it gave.
    (func $memory-bomb (export "memory-bomb") (result i32)
      (local $pages i32)
      (block $refused
        (loop $more
          (br_if $refused (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
          (local.set $pages (i32.add (local.get $pages) (i32.const 1)))
          (br $more)))
      (local.get $pages))

    ;; Copy one half of the memory over the other, forever. Each copy is one instruction, which epochs don't interrupt;
    ;; 64 MiB more, if the host gives them, make it a long one.
    (func $memory-fill-loop (export "memory-fill-loop")
      (local $half_bytes i32)
      (drop (memory.grow (i32.const 1024)))
      (local.set $half_bytes (i32.shl (memory.size) (i32.const 15)))
      (loop $again
        (memory.copy (i32.const 0) (local.get $half_bytes) (local.get $half_bytes))
        (br $again))))

  (core instance $code (instantiate $code))

  (func (export "unreachable") (canon lift (core func $code "unreachable")))
  (func (export "integer-divide-by-zero") (canon lift (core func $code "integer-divide-by-zero")))
  (func (export "integer-overflow") (canon lift (core func $code "integer-overflow")))
  (func (export "bad-conversion") (canon lift (core func $code "bad-conversion")))
  (func (export "memory-out-of-bounds") (canon lift (core func $code "memory-out-of-bounds")))
  (func (export "table-out-of-bounds") (canon lift (core func $code "table-out-of-bounds")))
  (func (export "indirect-call-to-null") (canon lift (core func $code "indirect-call-to-null")))
  (func (export "bad-signature") (canon lift (core func $code "bad-signature")))
  (func (export "stack-overflow") (canon lift (core func $code "stack-overflow")))
  (func (export "table-bomb") (result s32) (canon lift (core func $code "table-bomb")))
  (func (export "memory-bomb") (result s32) (canon lift (core func $code "memory-bomb")))
  (func (export "memory-fill-loop") (canon lift (core func $code "memory-fill-loop"))))
