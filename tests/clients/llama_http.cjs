// A small OpenAI-style HTTP server over the prebuilt llama.cpp of npm (what --with-llama-cpp installs):
// a real other engine for comparative.lua --reference openai.
//   node llama_http.cjs LIBRARIES MODEL [THREADS [N_CTX]]      prints its URL
// Greedy streams of /v1/completions, /v1/models, /health; one generation at a time.
"use strict";
const http = require("node:http");
const path = require("node:path");

const [libraries, modelPath, threads = "2", nCtx = "2048"] = process.argv.slice(2);
const BATCH = 512, F16 = 1;
let addon, model, context, sampler;

async function load() {
    addon = require(path.join(libraries, "llama-addon.node"));
    addon.markLoaded();
    addon.setLoggerLogLevel(0);
    addon.loadBackends();
    if (addon.getGpuType() == null) addon.loadBackends(libraries);
    await addon.init();
    model = new addon.AddonModel(modelPath, { addonExports: addon, gpuLayers: 0, useMmap: true });
    if (!await model.init()) throw new Error("the model cannot be loaded");
    context = new addon.AddonContext(model, {
        contextSize: Number(nCtx), batchSize: Math.min(BATCH, Number(nCtx)), sequences: 1,
        flashAttention: true, threads: Number(threads), kvCacheKeyType: F16, kvCacheValueType: F16 });
    if (!await context.init()) throw new Error("the context cannot be made");
    sampler = new addon.AddonSampler(model);
    sampler.applyConfig({ temperature: 0 });
}

async function evaluate(ids, at) {
    context.initBatch(ids.length);
    const places = context.addToBatch(0, at, ids, Uint32Array.of(ids.length - 1));
    await context.decodeBatch();
    return places[0];
}

async function generate(request, response) {
    const bos = model.tokenBos();
    const ids = Uint32Array.from([bos, ...model.tokenize(request.prompt, false)]);
    const send = (fields) => response.write("data: " + JSON.stringify({
        id: "cmpl-1", object: "text_completion", created: 0, model: "llama.cpp", ...fields }) + "\n\n");
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    context.disposeSequence(0);
    let place, made = [], said = "";
    for (let at = 0; at < ids.length; at += BATCH) place = await evaluate(ids.subarray(at, at + BATCH), at);
    for (let at = ids.length; !response.destroyed; at++) {
        const token = await context.sampleToken(place, sampler);
        made.push(token);
        const whole = model.detokenize(Uint32Array.from(made), true);
        if (!whole.endsWith("\ufffd")) {
            send({ choices: [{ index: 0, text: whole.slice(said.length), finish_reason: null }] });
            said = whole;
        }
        if (made.length >= request.max_tokens) break;
        place = await evaluate(Uint32Array.of(token), at);
    }
    send({ choices: [{ index: 0, text: "", finish_reason: "length" }] });
    send({ choices: [], usage: { prompt_tokens: ids.length, completion_tokens: made.length,
                                 total_tokens: ids.length + made.length } });
    response.end("data: [DONE]\n\n");
}

let last = Promise.resolve();

function answer(request, response) {
    const parts = [];
    request.socket.setNoDelay(true);
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
        response.setHeader("Content-Type", "application/json");
        if (request.method === "POST" && request.url === "/v1/completions") {
            const body = JSON.parse(Buffer.concat(parts).toString());
            last = last.then(() => generate(body, response)).catch((error) => {
                if (!response.headersSent) response.writeHead(500);
                response.end("data: " + JSON.stringify({ error: { message: String(error) } }) + "\n\n");
            });
        } else if (request.url === "/v1/models") {
            response.end('{"object":"list","data":[{"id":"llama.cpp","object":"model"}]}');
        } else if (request.url === "/health") {
            response.end('{"status":"ok"}');
        } else {
            response.writeHead(404).end("{}");
        }
    });
}

load().then(() => http.createServer(answer).listen(0, "127.0.0.1", function () {
    console.log("http://127.0.0.1:" + this.address().port);
}));
