#!/bin/sh
# Builds the kernels of the AVX-512 and AVX-VNNI levels with AVX-512 put together from AVX2 and runs their
# tests, for machines that lack those levels. Exit status 77: skipped, the reason on stdout.
# sh tests/long/emulated_avx512.sh [FOLDER]
set -eu
cd "$(dirname "$0")/../.."
compiler=${CC:-cc}
tests="test_packed test_rows test_attention test_kernels test_dequantize"

if ! grep -q ' avx2 ' /proc/cpuinfo; then
  echo "skipped: no AVX2 here"
  exit 77
fi
if ! echo '#include <simde/x86/avx512.h>' | "$compiler" -E - > /dev/null 2>&1; then
  echo "skipped: SIMDe is not installed (Debian: libsimde-dev)"
  exit 77
fi

folder=${1:-build}/emulated_avx512
mkdir -p "$folder"
rm -f "$folder"/*.o
avx2="-mavx2 -mfma -mf16c"
emulated="$avx2 -isystem tests/support/emulated_avx512"
flags="-std=gnu11 -D_GNU_SOURCE -O1 -Wall -Wextra -Wno-psabi -ffp-contract=off -fno-math-errno -Isrc -Itests
       -DALLOC_COUNT_WORKS=0" # linked statically, libc keeps its malloc

build() {
  for source; do
    level=
    case $source in
      *avx512.c | *avx512vnni.c | *avxvnni.c) level=$emulated ;;
      *avx2.c) level=$avx2 ;;
      *sse4.c) level=-msse4.2 ;;
      */dispatch.c) level="-D__builtin_cpu_supports(level)=1" ;;
    esac
    # shellcheck disable=SC2086 # the flags are words
    "$compiler" $flags $level -c "$source" -o "$folder/$(basename "$source" .c).o" || return 1
  done
}

sources=$(ls src/engine/kernels/*.c | grep -Ev '(neon|dotprod|i8mm)\.c$')
sources="$sources src/engine/tensor_type.c src/base/err.c src/base/alloc.c src/base/alloc_count.c src/base/clock.c
         src/base/path.c"
echo "building $folder, some minutes"
slow="rows_avx512|rows_avxvnni|packed_avx512.c|packed_avxvnni|attention_avx512.c"
# shellcheck disable=SC2086,SC2046
build $(printf '%s\n' $sources | grep -E "$slow") &
other=$!
# shellcheck disable=SC2086,SC2046
build $(printf '%s\n' $sources | grep -Ev "$slow") || { kill $other; exit 1; }
wait $other

for name in $tests; do
  # shellcheck disable=SC2086
  "$compiler" $flags -static "tests/unit/$name.c" "$folder"/*.o -o "$folder/$name" -lm -lpthread
  echo "$name"
  "$folder/$name"
done
for name in test_packed test_rows; do
  # shellcheck disable=SC2086
  "$compiler" $flags -DTEST_EVEX -static "tests/unit/$name.c" "$folder"/*.o -o "$folder/${name}_evex" -lm -lpthread
  echo "$name, AVX-VNNI"
  "$folder/${name}_evex"
done
