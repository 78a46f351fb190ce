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
