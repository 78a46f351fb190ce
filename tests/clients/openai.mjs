// The openai package from npm, unchanged, against a server: node openai.mjs URL PACKAGE
// Prints a line per check and ends with 1 when one does not hold.
import { createRequire } from "node:module";

const [url, folder] = process.argv.slice(2);
const { OpenAI } = createRequire(folder + "/")("openai");
const client = new OpenAI({ baseURL: url + "/v1", apiKey: process.env.WOOLLY_API_KEY || "none",
                            defaultHeaders: { "x-ole-client": "test" } });
let failed = 0;

function check(name, ok, found) {
  if (!ok) failed++;
  console.log((ok ? "ok   " : "FAIL ") + name + (ok ? "" : ": found " + JSON.stringify(found)));
}

const models = await client.models.list();
const model = models.data[0]?.id;
check("models.list", typeof model === "string", models);
check("models.retrieve", (await client.models.retrieve(model)).id === model);

const messages = [{ role: "user", content: "Tell me a story." }];
const chat = await client.chat.completions.create({ model, messages, max_tokens: 8, temperature: 0 });
check("chat.completions.create", chat.choices[0].message.role === "assistant" &&
      chat.choices[0].message.content.length > 0, chat);
check("usage", chat.usage.total_tokens === chat.usage.prompt_tokens + chat.usage.completion_tokens,
      chat.usage);

let text = "", chunks = 0, usage;
const stream = await client.chat.completions.create({
  model, messages, max_tokens: 8, temperature: 0, stream: true,
  stream_options: { include_usage: true } });
for await (const chunk of stream) {
  chunks++;
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
check("stream: the same text", text === chat.choices[0].message.content, text);
check("stream: chunks", chunks > 2, chunks);
check("stream: usage", usage?.completion_tokens === chat.usage.completion_tokens, usage);

const completion = await client.completions.create({ model, prompt: "Once upon a time",
                                                     max_tokens: 4, temperature: 0 });
check("completions.create", completion.choices[0].text.length > 0, completion);

const long = await client.completions.create({ model, prompt: "Once upon a time", max_tokens: 400,
                                               temperature: 1, stream: true });
let before = 0;
for await (const _ of long) {
  if (++before === 3) long.controller.abort();
}
check("abort in mid-stream", before >= 3 && before < 400, before);
check("the server serves on", (await client.models.list()).data.length > 0);

try {
  await client.chat.completions.create({ model: "no-such-model", messages });
  check("an error for an unknown model", false, "none");
} catch (error) {
  check("an error for an unknown model", error.status === 404 && error.constructor.name ===
        "NotFoundError", [error.status, error.constructor.name]);
}
try {
  await client.chat.completions.create({ model, messages, max_tokens: -1 });
  check("an error for a bad value", false, "none");
} catch (error) {
  check("an error for a bad value", error.status === 400 && error.param === "max_tokens",
        [error.status, error.param]);
}
process.exit(failed ? 1 : 0);
