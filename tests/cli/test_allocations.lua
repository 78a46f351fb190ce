--- allocations.lua counts another program's heap requests exactly.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local SOURCE <const> = [[
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *ask(void *n) {
    for (long i = 0; i < (long)n; i++) {
        void *block = malloc(10);
        __asm__ volatile("" : "+r"(block) : : "memory");
        free(block);
    }
    return NULL;
}
int main(int argc, char **argv) {
    pthread_t thread;
    ask((void *)1000L);
    if (argc > 1) {
        pthread_create(&thread, NULL, ask, (void *)5000L);
        pthread_join(thread, NULL);
        if (fork() == 0) {
            ask((void *)300L);
            _exit(0);
        }
        sleep(0);
    }
    return argc > 2 ? 7 : 0;
}
]]

if cli.sanitized then
  print("1..0 # skipped: a sanitizer owns malloc")
  os.exit(77)
end

local made = cli.shell("cc -O1 -o asks -x c - -lpthread <<'END'\n" .. SOURCE .. "END")
assert(made.status == 0, made.err)

local function count(...)
  local result = cli.run { "allocations.lua", "--json", "-", "--", cli.path("asks"), ... }
  return json.decode(result.out), result
end

tap.test("threads and child processes are counted apart", function()
  local alone, many = count(), count "threads"
  tap.equal(alone.requests >= 1000 and alone.requests < 1020, true, alone.requests)
  tap.equal(many.complete, true)
  tap.truthy(many.threads[1].requests >= 5000 and many.threads[1].requests < 5020)
  local children = {}
  for _, thread in ipairs(many.threads) do children[thread.process] = true end
  tap.truthy(next(children, next(children)), "a process of its own")
end)

tap.test("a running process is probed, or the reason is told", function()
  cli.shell("cc -O1 -o runs -x c - <<'END'\n" .. [[
#include <stdlib.h>
#include <time.h>
int main(void) {
    for (int i = 0; i < 2000; i++) {
        struct timespec step = {.tv_nsec = 1000000};
        void *block = malloc(10);
        __asm__ volatile("" : "+r"(block) : : "memory");
        free(block);
        nanosleep(&step, NULL);
    }
    return 0;
}
]] .. "END")
  local result = cli.shell(cli.quote(cli.path("runs")) .. " & pid=$!; " .. cli.quote(cli.program)
    .. " memory_allocation.lua --pid $pid --seconds 0.3 --runs 2 --warmup 0 --quiet --store none"
    .. " --json - --model " .. cli.quote(cli.model) .. "; status=$?; kill $pid; exit $status")
  tap.equal(result.status, 2, result.err)
  for _, metric in ipairs(json.decode(result.out).metrics) do
    if metric.name == "heap_requests_per_second" then
      tap.truthy(metric.n == 0 and #metric.reason > 20
                 or metric.median > 100 and metric.median < 1100, metric.reason or metric.median)
    elseif metric.name ~= "joules_per_token" then
      tap.equal(metric.n, 0, metric.name)
    end
  end
end)

tap.test("the program's exit status is ours", function()
  tap.equal(cli.run({ "allocations.lua", "--", cli.path("asks"), "a", "b" }).status, 7)
end)

tap.test("no command, and one that cannot be counted, are told", function()
  tap.equal(cli.run({ "allocations.lua" }).status, 3)
  cli.shell("cc -O1 -static -o static -x c - <<'END'\nint main(void) { return 0; }\nEND")
  local result = cli.run { "allocations.lua", "--", cli.path("static") }
  tap.equal(result.status, 2)
  tap.contains(result.err, "linked statically")
end)

cli.clean_up()
tap.done()
