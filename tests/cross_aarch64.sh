#!/bin/sh
# Builds the kernels and their tests for AArch64 and runs them under qemu, on a processor that has
# every level: NEON, dotprod and i8mm. Exit status 77: skipped, the reason on stdout.
set -eu
cd "$(dirname "$0")/.."
compiler=${WOOLLY_AARCH64_CC:-aarch64-linux-gnu-gcc}
emulator=${WOOLLY_AARCH64_QEMU:-qemu-aarch64}
tests="test_packed test_rows test_attention test_kernels test_dequantize"

if [ -n "${WOOLLY_SANITIZE:-}" ]; then
  echo "skipped: the emulated tests run in builds without sanitizers"
  exit 77
fi
for tool in "$compiler" "$emulator"; do
  if ! command -v "$tool" > /dev/null; then
    echo "skipped: $tool is not installed (Debian: gcc-aarch64-linux-gnu, qemu-user)"
    exit 77
  fi
done

folder=${WOOLLY_BUILD:-build}/cross_aarch64
mkdir -p "$folder"
flags="-std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror
       -ffp-contract=off -fno-math-errno -Isrc -Itests
       -DALLOC_COUNT_WORKS=0" # linked statically, libc keeps its malloc

build() {
  for source; do
    level=
    case $source in
      *dotprod.c) level=-march=armv8.2-a+dotprod ;;
      *i8mm.c) level=-march=armv8.2-a+dotprod+i8mm ;;
    esac
    # shellcheck disable=SC2086 # the flags are words
    $compiler $flags $level -c "$source" -o "$folder/$(basename "$source" .c).o" || return 1
  done
}

sources=$(ls src/engine/kernels/*.c | grep -Ev '(sse4|avx2|avxvnni|avx512|avx512vnni)\.c$')
sources="$sources src/engine/tensor_type.c src/base/err.c src/base/alloc.c src/base/alloc_count.c src/base/clock.c
         src/base/path.c"
first= second=
for source in $sources; do # two halves at a time
  if [ ${#first} -le ${#second} ]; then first="$first $source"; else second="$second $source"; fi
done
rm -f "$folder"/*.o
# shellcheck disable=SC2086
build $first &
# shellcheck disable=SC2086
build $second
wait $!

for name in $tests; do
  # shellcheck disable=SC2086
  $compiler $flags -static "tests/unit/$name.c" "$folder"/*.o -o "$folder/$name" -lm -lpthread
  echo "$name"
  failed=0
  "$emulator" -cpu max "$folder/$name" > "$folder/$name.txt" || failed=$?
  cat "$folder/$name.txt"
  [ $failed -eq 0 ] || exit $failed
done
if ! grep -q "^levels: scalar, neon, dotprod, i8mm" "$folder/test_packed.txt"; then
  echo "not every level was found" >&2
  exit 1
fi
