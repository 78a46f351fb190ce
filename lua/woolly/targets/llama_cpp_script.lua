--- The program that node runs for target llama_cpp: loads a GGUF file with the prebuilt llama.cpp
--- of the npm package and answers requests, one line of JSON each. The target writes it to a file.
---
--- node FILE LIBRARIES MODEL   says {"ready": true, ...} or {"error": "..."} first, then answers:
---   {"op": "generate", "tokens": [ids], "max_tokens": n, "threads": n, "n_ctx": n,
---    "flash_attention": true}
---     greedy, exactly these ids, no end of text: {"tokens": [], "times_ns": [], "start_ns": t,
---     "prefill_ns": d, "decode_ns": d}
---     flash_attention may be "auto": llama.cpp decides
---   {"op": "logits", ..., "path": FILE}: every position's logits as raw float32 rows; {"rows": n}
--- A request that fails is answered by {"error": "..."}. Every answer holds idle_ns, the time since
--- the answer before it, and idle_cpu_ns, the CPU time of all threads meanwhile: what this program
--- costs others while it waits. The end of its input ends it.
---
--- Times are of the monotonic clock that this program uses too. prefill_ns and decode_ns are the
--- time from each call of llama_decode until its result is here, which adds the way to the
--- library's worker thread and back (about 0.05 ms a call) and leaves out sampling; times_ns are
--- the tokens' arrivals, sampling included.
return [==[
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

const BATCH = 512; // n_batch and n_ubatch, llama.cpp's default for the latter
const MOST_CONTEXTS = 4;
const F16 = 1; // ggml's number of the KV cache's type
const ERROR_LEVEL = 2;

const [libraries, modelPath] = process.argv.slice(2);
const now = () => process.hrtime.bigint();
const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");

let addon, model;
let firstError = ""; // of a request, as llama.cpp logged it: its exceptions say less

async function load() {
    addon = require(path.join(libraries, "llama-addon.node"));
    addon.markLoaded();
    addon.setLogger((level, text) => {
        if (level <= ERROR_LEVEL && firstError === "") firstError = text.trim();
    });
    addon.setLoggerLogLevel(ERROR_LEVEL);
    addon.loadBackends();
    if (addon.getGpuType() == null) addon.loadBackends(libraries);
    await addon.init();
    model = new addon.AddonModel(modelPath, { addonExports: addon, gpuLayers: 0, useMmap: true });
    if (!await model.init()) throw new Error("the model cannot be loaded");
}

// ---- contexts: one per setting, the least recently used one goes ----

const contexts = new Map();

async function contextFor(request) {
    const options = {
        contextSize: request.n_ctx, batchSize: Math.min(BATCH, request.n_ctx), sequences: 1,
        flashAttention: request.flash_attention, threads: request.threads,
        kvCacheKeyType: F16, kvCacheValueType: F16,
    };
    const key = JSON.stringify(options);
    let found = contexts.get(key);
    contexts.delete(key);
    if (found === undefined) {
        for (const [oldest, old] of contexts) {
            if (contexts.size < MOST_CONTEXTS) break;
            contexts.delete(oldest);
            await old.context.dispose();
        }
        const context = new addon.AddonContext(model, options);
        if (!await context.init()) throw new Error("the context cannot be made");
        const sampler = new addon.AddonSampler(model);
        sampler.applyConfig({ temperature: 0 });
        found = { context, sampler, batch: options.batchSize };
    }
    contexts.set(key, found);
    found.context.disposeSequence(0);
    return found;
}

// Runs the ids behind position `at`; wanted are the places in `ids` whose logits are needed.
// Returns the places in the batch where they are, and the time inside the library.
async function evaluate(context, ids, at, wanted) {
    context.initBatch(ids.length);
    const places = context.addToBatch(0, at, ids, wanted);
    const start = now();
    await context.decodeBatch();
    return { places, ns: now() - start };
}

// ---- requests ----

async function generate(request) {
    const { context, sampler, batch } = await contextFor(request);
    const prompt = Uint32Array.from(request.tokens);
    const times = [], tokens = [];
    let prefill = 0n, decode = 0n, last;
    const start = now();
    for (let at = 0; at < prompt.length; at += batch) {
        const ids = prompt.subarray(at, at + batch);
        last = await evaluate(context, ids, at, Uint32Array.of(ids.length - 1));
        prefill += last.ns;
    }
    for (let at = prompt.length; ; at++) {
        const token = await context.sampleToken(last.places[0], sampler);
        times.push(Number(now()));
        tokens.push(token);
        if (tokens.length >= request.max_tokens) break;
        last = await evaluate(context, Uint32Array.of(token), at, Uint32Array.of(0));
        decode += last.ns;
    }
    return { tokens, times_ns: times, start_ns: Number(start), prefill_ns: Number(prefill),
             decode_ns: Number(decode) };
}

async function logits(request) {
    const { context, sampler, batch } = await contextFor(request);
    const prompt = Uint32Array.from(request.tokens);
    const file = fs.openSync(request.path, "w");
    try {
        for (let at = 0; at < prompt.length; at += batch) {
            const ids = prompt.subarray(at, at + batch);
            const { places } = await evaluate(context, ids, at, ids.map((_, i) => i));
            for (const place of places) {
                const found = await context.sampleToken(place, sampler, false, false, true);
                const pairs = found[3]; // token, logit, token, logit ... by falling logit
                const row = new Float32Array(pairs.length / 2);
                for (let i = 0; i < pairs.length; i += 2) row[pairs[i]] = pairs[i + 1];
                fs.writeSync(file, Buffer.from(row.buffer));
            }
        }
    } finally {
        fs.closeSync(file);
    }
    return { rows: prompt.length };
}

const OPERATIONS = { generate, logits };

async function failure(error) {
    await new Promise((resolve) => setImmediate(resolve)); // the log comes by the event loop
    const message = String(error?.message ?? error).split("\n")[0];
    return { error: message + (firstError !== "" ? ": " + firstError : "") };
}

async function answer(line) {
    firstError = "";
    try {
        const request = JSON.parse(line);
        const operation = OPERATIONS[request.op];
        if (operation === undefined) throw new Error(`unknown request ${request.op}`);
        return await operation(request);
    } catch (error) {
        return await failure(error);
    }
}

async function main() {
    try {
        await load();
    } catch (error) {
        say(await failure(error));
        process.exitCode = 1;
        return;
    }
    say({ ready: true, system: addon.systemInfo(), node: process.version });
    const input = readline.createInterface({ input: process.stdin });
    input.on("close", () => process.exit(0)); // also in the middle of a request
    let idleStart = now(), idleCpu = process.cpuUsage();
    for await (const line of input) {
        const cpu = process.cpuUsage(idleCpu);
        const idle = { idle_ns: Number(now() - idleStart),
                       idle_cpu_ns: 1000 * (cpu.user + cpu.system) };
        say({ ...await answer(line), ...idle });
        idleCpu = process.cpuUsage();
        idleStart = now();
    }
}

main();
]==]
