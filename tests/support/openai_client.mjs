// What an application does with OpenAI's package: models, chat, stream, completion, abort, an error.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, url, model] = process.argv.slice(2);
const entry = createRequire(folder + "/").resolve("openai");
const { default: OpenAI } = await import(pathToFileURL(entry));
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none" });
const ask = { model, messages: [{ role: "user", content: "Hi" }], max_tokens: 8, temperature: 0 };

console.log("models", (await client.models.list()).data.map(m => m.id).join(","));
const whole = await client.chat.completions.create(ask);
console.log("chat", whole.usage.completion_tokens, whole.choices[0].finish_reason);
let text = "", usage;
const stream = await client.chat.completions.create(
  { ...ask, stream: true, stream_options: { include_usage: true } });
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
console.log("stream", text === whole.choices[0].message.content, usage.completion_tokens);
const completion = await client.completions.create(
  { model, prompt: "Once upon", max_tokens: 5, temperature: 0 });
console.log("completion", JSON.stringify(completion.choices[0].text));
const long = await client.chat.completions.create({ ...ask, max_tokens: 1500, stream: true });
let n = 0;
for await (const _ of long) {
  if (++n === 3) break; // leaves: the package aborts the request
}
console.log("aborted", n);
try {
  await client.completions.create({ model: "nobody", prompt: "a" });
} catch (e) {
  console.log("error", e.constructor.name, e.status, e.code, e.param);
}
