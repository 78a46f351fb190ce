--- The sampled share of packed instructions against the exact one: three loops under callgrind, which
--- counts each instruction, and the same loops sampled from outside.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

for _, tool in ipairs { "valgrind", "objdump", "cc" } do
  if cli.shell("command -v " .. tool).status ~= 0 then
    print("1..0 # skipped: " .. tool .. " is not installed")
    os.exit(77)
  end
end
if io.popen("uname -m"):read("l") ~= "x86_64" or cli.sanitized then
  print("1..0 # skipped: the loops are x86-64's, of a release build")
  os.exit(77)
end

local SOURCE <const> = [[
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <immintrin.h>
#define N 256
static float a[N], b[N];
static uint32_t c[N], d[N];
static void scalar_loop(void) {
    for (int i = 0; i < N; i++) c[i] = c[i] * 1664525u + d[i];
}
static void sse_loop(void) {
    for (int i = 0; i < N; i += 4) {
        __m128 x = _mm_loadu_ps(a + i), y = _mm_loadu_ps(b + i);
        _mm_storeu_ps(a + i, _mm_add_ps(_mm_mul_ps(x, y), y));
    }
}
__attribute__((target("avx2"))) static void avx2_loop(void) {
    for (int i = 0; i < N; i += 8) {
        __m256i x = _mm256_loadu_si256((void *)(c + i)), y = _mm256_loadu_si256((void *)(d + i));
        _mm256_storeu_si256((void *)(c + i), _mm256_add_epi32(_mm256_mullo_epi32(x, y), y));
    }
}
int main(int argc, char **argv) {
    void (*volatile loop)(void) = !strcmp(argv[1], "scalar") ? scalar_loop
                                  : !strcmp(argv[1], "sse") ? sse_loop : avx2_loop;
    for (long i = atol(argv[2]); i > 0; i--) loop();
    return 0;
}
]]

local built = cli.shell("cc -O2 -fno-tree-vectorize -fno-pie -no-pie -o loops -x c - <<'END'\n"
                        .. SOURCE .. "END")
assert(built.status == 0, built.err)

-- Packed: the vector loads, stores and arithmetic that these loops can have.
local function is_packed(mnemonic)
  return mnemonic:match "^v?mov[au]p[sd]$" or mnemonic:match "^v?movdq[ua]" or
    mnemonic:match "^v?%a+p[sd]$" or mnemonic:match "^v?p%a+[bwdq]$" and mnemonic ~= "popq"
end

--- Address -> mnemonic, as objdump reads the program.
local function disassemble()
  local mnemonics = {}
  for line in cli.shell("objdump -d --no-show-raw-insn loops").out:gmatch "[^\n]+" do
    local address, mnemonic = line:match "^%s*(%x+):%s+(%a%w*)"
    if address then mnemonics[tonumber(address, 16)] = mnemonic end
  end
  return mnemonics
end

--- The exact share: callgrind's cost of each instruction of the program's own code.
local function exact_share(name, mnemonics)
  local result = cli.shell("valgrind --tool=callgrind --dump-instr=yes --compress-pos=no "
    .. "--compress-strings=no --callgrind-out-file=calls." .. name .. " ./loops " .. name
    .. " 2000")
  assert(result.status == 0, result.err)
  local packed, all, called = 0, 0, false
  for line in cli.read(cli.path("calls." .. name)):gmatch "[^\n]+" do
    local address, cost = line:match "^0x(%x+) %d+ (%d+)$"
    if line:match "^calls=" then
      called = true -- the line behind it is the callee's cost
    elseif address and called then
      called = false
    elseif address and mnemonics[tonumber(address, 16)] then
      all = all + cost
      if is_packed(mnemonics[tonumber(address, 16)]) then packed = packed + cost end
    end
  end
  assert(all > 1e5, "callgrind counted " .. all)
  return packed / all
end

--- The sampled share, seen from another process.
local function sampled_share(name)
  local result = cli.shell("./loops " .. name .. " 1000000000 & pid=$!; " .. cli.quote(cli.program)
    .. " profile.lua --pid $pid --seconds 1.5 --json - --quiet; status=$?; kill $pid; exit $status")
  if result.status == 2 then return nil, result.err end
  assert(result.status == 0, result.err)
  return json.decode(result.out).instructions.packed.share
end

local mnemonics = disassemble()
for _, name in ipairs { "scalar", "sse", "avx2" } do
  tap.test("the " .. name .. " loop's share is within 5 points of the exact one", function()
    local exact = exact_share(name, mnemonics)
    local sampled, reason = sampled_share(name)
    if not sampled then
      print("# cannot sample here: " .. reason)
      return
    end
    print(string.format("# %s: %.1f %% exact, %.1f %% sampled", name, 100 * exact, 100 * sampled))
    tap.near(sampled, exact, 0.05)
  end)
end

cli.clean_up()
tap.done()
